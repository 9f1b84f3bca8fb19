/*
 * fuzz_message: any octets as a message, from the file to the field.
 *
 * Holds: memory is bounded; early asking, the size of body chunks and the way the header arrives
 * change no result; with too little memory there is a fault, or the same result; the field that is
 * written is one field, claims our id, and parses. Input: a scene and a message; option c: octets
 * of memory, b: of a chunk.
 */
#include "fuzz/fuzz.h"
#include "fuzz/run.h"

#include <sysexits.h>

static void look_at_text(am_arena *a, am_str text)
{
    am_authres back;
    am_error why;
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        bool fold = c == '\n' && i + 1 < text.n && text.p[i + 1] == '\t';
        FUZZ_NEED(fold || c == '\t' || (c >= ' ' && c != 0x7f));
    }
    FUZZ_NEED(am_authres_parse(a, text, &back, &why));
    FUZZ_NEED(am_authres_claim(a, text, AM_STR("mx.example.org")) == AM_CLAIM_OURS);
}

static void look_at_evidence(const am_evidence *e, const am_header *h)
{
    FUZZ_NEED(!e->has_dmarc || e->dmarc.result != AM_PASS || e->author.status == AM_AUTHOR_ONE);
    FUZZ_NEED(e->author.status != AM_AUTHOR_ONE || am_header_count(h, "From") == 1);
    for (size_t i = 0; i < e->dkims; i++) {
        FUZZ_NEED(e->dkim[i].field < h->n && e->dkim[i].reason);
        FUZZ_NEED(e->dkim[i].result != AM_NONE && e->dkim[i].result != AM_SOFTFAIL);
    }
    for (const am_step *t = e->trace ? e->trace->first : NULL; t; t = t->next) {
        fuzz_read(t->question);
        fuzz_read(t->answer);
    }
}

static void compare(const scene *s, const am_eml *eml, const how *h, am_str want)
{
    run r;
    run_begin(&r, s, eml, h);
    FUZZ_NEED(r.evidence || h->max_memory);
    if (r.evidence && !r.evidence->fault) {
        am_str text = run_text(&r);
        FUZZ_NEED(!text.p || am_str_eq(text, want));
    }
    FUZZ_NEED(h->max_memory || !r.evidence->fault);
    run_end(&r);
}

static void judge(const scene *s, const am_eml *eml, size_t size)
{
    static const how plain = {0};
    how ways[] = {
        {.no_prefetch = true, .chunk = s->value['b'] ? s->value['b'] : 7, .as_milter = true},
        {.max_memory = s->value['c'] ? s->value['c'] : 20000},
    };
    run r;
    run_begin(&r, s, eml, &plain);
    FUZZ_NEED(r.evidence && !r.evidence->fault);
    look_at_evidence(r.evidence, am_message_header(r.message));
    am_str text = run_text(&r);
    FUZZ_NEED(text.p);
    look_at_text(am_message_arena(r.message), text);
    FUZZ_NEED(am_arena_used(am_message_arena(r.message)) < (4 << 20) + 400 * size);
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        compare(s, eml, &ways[i], text);
    run_end(&r);
}

/* Milters get folds as LF: what else is done with CR and LF cannot be the same in both ways. */
static bool is_same_for_milters(const am_header *h)
{
    for (size_t i = 0; i < h->n; i++) {
        am_str v = h->field[i].value;
        for (size_t k = 0; k < v.n; k++) {
            if (v.p[k] == '\n' && (k == 0 || v.p[k - 1] != '\r'))
                return false;
            if (v.p[k] == '\r' &&
                !(k + 2 < v.n && v.p[k + 1] == '\n' && (v.p[k + 2] == ' ' || v.p[k + 2] == '\t')))
                return false;
        }
        if (h->field[i].name.n + 1 + v.n != h->field[i].raw.n) /* white space before the colon */
            return false;
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    scene s = scene_begin(am_str_n(data, size));
    am_arena *a = am_arena_new(0);
    am_eml eml = {0};
    am_error why = {""};
    int status = s.rest.n ? am_eml_parse(a, s.rest, &eml, &why) : EX_DATAERR;
    FUZZ_NEED(status == EX_OK || !s.rest.n || *why.text);
    if (status == EX_OK && is_same_for_milters(&eml.header))
        judge(&s, &eml, size);
    if (status != EX_OK)
        judge(&s, NULL, size);
    am_arena_free(a);
    scene_end(&s);
    return 0;
}
