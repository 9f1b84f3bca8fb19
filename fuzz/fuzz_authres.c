/*
 * fuzz_authres: Authentication-Results, from data to text and back.
 *
 * Holds: what is written is one field of short lines without controls, claims our id, and parses
 * back to what was meant. Input: lines; the first octet says what they are: i id, m method and
 * result, r reason, c comment, p "ptype property value".
 */
#include "fuzz/fuzz.h"
#include "libauth/authres/authres.h"
#include "libauth/authres/grammar.h"
#include "libauth/base/lex.h"

#include <string.h>

enum { RESULTS = 30, PROPERTIES = 20 };

typedef struct input {
    am_authres r;
    am_resinfo result[RESULTS];
    am_property property[RESULTS][PROPERTIES];
} input;

static void property(am_resinfo *r, am_property *p, am_str text)
{
    if (r->properties == PROPERTIES)
        return;
    p[r->properties].ptype = fuzz_word(&text);
    p[r->properties].property = fuzz_word(&text);
    p[r->properties++].value = text;
}

static void read_lines(input *in, am_str rest)
{
    while (rest.n) {
        am_str line = fuzz_line(&rest);
        unsigned what = fuzz_octet(&line);
        size_t n = in->r.results;
        am_resinfo *r = n ? &in->result[n - 1] : NULL;
        if (what == 'i') {
            in->r.id = line;
        } else if (what == 'm' && n < RESULTS) {
            in->result[n].method = fuzz_word(&line);
            in->result[n].result = line;
            in->result[n].property = in->property[n];
            in->r.results++;
        } else if (what == 'r' && r) {
            r->reason = line;
        } else if (what == 'c' && r) {
            r->comment = line;
        } else if (what == 'p' && r) {
            property(r, in->property[n - 1], line);
        }
    }
    in->r.result = in->result;
    in->r.version = 1;
}

/* Printable ASCII alone: what nothing has to be done to. */
static bool plain(am_str s, size_t max)
{
    for (size_t i = 0; i < s.n; i++)
        if (!am_is(s.p[i], AM_VCHAR) && s.p[i] != ' ')
            return false;
    return s.n <= max;
}

static void look_at_lines(am_str text)
{
    size_t line = 24;
    for (size_t i = 0; i < text.n; i++, line++) {
        unsigned char c = (unsigned char)text.p[i];
        if (c == '\r') {
            FUZZ_NEED(i + 2 < text.n && text.p[i + 1] == '\n' && text.p[i + 2] == '\t');
            FUZZ_NEED(line <= 998);
            line = 0;
            i++;
        } else {
            FUZZ_NEED(c == '\t' || (c >= ' ' && c != 0x7f));
        }
    }
    FUZZ_NEED(line <= 998);
}

static bool is_written(const am_property *p)
{
    return p->value.p && am_authres_is_keyword(p->ptype) && am_authres_is_keyword(p->property) &&
           p->ptype.n + p->property.n < 80 && p->value.n <= 400;
}

static void look_at_result(const am_resinfo *want, const am_resinfo *got)
{
    FUZZ_NEED(am_str_ieq(want->method, got->method) && am_str_ieq(want->result, got->result));
    if (plain(want->reason, 400))
        FUZZ_NEED(am_str_eq(want->reason, got->reason));
    size_t k = 0;
    for (size_t i = 0; i < want->properties; i++) {
        const am_property *p = &want->property[i];
        if (!is_written(p) || !plain(p->value, 400))
            continue;
        while (k < got->properties && !(am_str_ieq(got->property[k].ptype, p->ptype) &&
                                          am_str_ieq(got->property[k].property, p->property) &&
                                          am_str_eq(got->property[k].value, p->value)))
            k++;
        FUZZ_NEED(k++ < got->properties);
    }
    FUZZ_NEED(got->properties <= want->properties);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static input in;
    memset(&in, 0, sizeof in);
    am_arena *a = am_arena_new(0);
    read_lines(&in, am_str_n(data, size));
    am_str text = am_authres_write(a, &in.r, "\r\n", 24);
    am_authres back;
    am_error why = {""};
    FUZZ_NEED(text.p);
    look_at_lines(text);
    bool good = am_authres_parse(a, text, &back, &why);
    if (in.r.id.n)
        FUZZ_NEED(good);
    if (good && in.r.id.n && plain(in.r.id, 400)) {
        FUZZ_NEED(am_str_eq(back.id, in.r.id));
        FUZZ_NEED(am_authres_claim(a, text, in.r.id) == AM_CLAIM_OURS);
    }
    size_t k = 0;
    for (size_t i = 0; good && i < in.r.results; i++) {
        const am_resinfo *r = &in.result[i];
        if (!am_authres_is_keyword(r->method) || !am_authres_is_keyword(r->result) ||
            r->method.n + r->result.n > 900)
            continue;
        FUZZ_NEED(k < back.results);
        look_at_result(r, &back.result[k++]);
    }
    FUZZ_NEED(am_arena_used(a) < (1 << 20) + 200 * size);
    am_arena_free(a);
    return 0;
}
