/*
 * text: evidence for people.
 *
 * For: authmill check --format text. Waits: never. Memory: none. What came from
 * outside may hold anything: only printable ASCII and valid text reaches the terminal.
 */
#include "tools/text.h"
#include "libauth/base/lex.h"

#include <string.h>

typedef struct page {
    FILE *out;
    bool colour;
} page;

static void outside(const page *p, am_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (am_is(s.p[i], AM_VCHAR) || s.p[i] == ' ')
            fputc(s.p[i], p->out);
        else
            fprintf(p->out, "\\x%02x", (unsigned char)s.p[i]);
}

/* green: passed; red: failed; yellow: an error; plain: no statement. */
static const char *colour_of(am_result r)
{
    static const char *const code[] = {
        [AM_PASS] = "\033[32m",
        [AM_FAIL] = "\033[31m",
        [AM_SOFTFAIL] = "\033[31m",
        [AM_POLICY] = "\033[31m",
        [AM_TEMPERROR] = "\033[33m",
        [AM_PERMERROR] = "\033[33m",
        [AM_NEUTRAL] = "",
        [AM_NONE] = "",
    };
    return code[r];
}

static void begin(const page *p, const char *method, am_result r)
{
    fprintf(p->out, "%-10s %s%-9s%s", method, p->colour ? colour_of(r) : "", am_result_word(r),
        p->colour && *colour_of(r) ? "\033[0m" : "");
}

static void item(const page *p, const char *before, am_str s)
{
    if (s.n == 0)
        return;
    fputs(before, p->out);
    outside(p, s);
}

static void spf_line(const page *p, const char *method, const am_spf_verdict *v)
{
    begin(p, method, v->result);
    item(p, " ", v->domain);
    item(p, ", by ", v->mechanism);
    item(p, ": ", v->reason);
    item(p, "; the domain explains: ", v->explanation);
    fputc('\n', p->out);
}

static void dkim_line(const page *p, const am_dkim_verdict *v)
{
    begin(p, "dkim", v->result);
    item(p, " ", v->domain);
    item(p, ", selector ", v->selector);
    item(p, ", ", v->algorithm);
    if (v->key_bits)
        fprintf(p->out, " with %u bits", v->key_bits);
    item(p, ": ", am_str_of(v->reason));
    item(p, ": ", v->detail);
    fputc('\n', p->out);
}

static void dmarc_line(const page *p, const am_evidence *e, const char *disposition)
{
    const am_dmarc_verdict *v = &e->dmarc;
    begin(p, "dmarc", v->result);
    item(p, " ", v->domain);
    if (v->has_policy) {
        fprintf(p->out, ", policy %s%s", am_dmarc_policy_word(v->policy),
            v->testing ? " (testing)" : "");
        item(p, " of ", v->policy_domain);
    }
    if (v->result == AM_PASS)
        fprintf(p->out, ", aligned: %s%s%s", v->spf_aligned ? "spf" : "",
            v->spf_aligned && v->dkim_aligned ? " and " : "", v->dkim_aligned ? "dkim" : "");
    item(p, ": ", am_str_of(v->reason));
    if (e->trust.overridden)
        fprintf(p->out, "; overridden by the sealer of ARC set %u", e->trust.instance);
    fprintf(p->out, "; disposition %s\n", disposition);
}

static void steps(const page *p, const am_trace *t)
{
    fputs("\nstep by step\n", p->out);
    for (const am_step *s = t->first; s; s = s->next) {
        fprintf(p->out, "  %-6s RFC %-14s ", s->step, s->rfc);
        outside(p, s->question);
        fputs(" -> ", p->out);
        outside(p, s->answer);
        fputc('\n', p->out);
    }
}

void am_text_evidence(
    FILE *out, const am_evidence *e, const am_text_outcome *o, bool explain, bool colour)
{
    page p = {out, colour};
    if (e->has_spf)
        spf_line(&p, e->spf_from_helo ? "spf (helo)" : "spf", &e->spf);
    if (e->has_spf && e->has_helo && !e->spf_from_helo)
        spf_line(&p, "spf (helo)", &e->helo_spf);
    for (size_t i = 0; i < e->dkims; i++)
        dkim_line(&p, &e->dkim[i]);
    if (e->has_dmarc && e->dkims == 0) {
        begin(&p, "dkim", e->limit ? AM_PERMERROR : AM_NONE);
        fprintf(out, " %s\n", e->limit ? e->limit : "no signature");
    }
    if (e->has_arc && e->arc.result != AM_NONE) {
        begin(&p, "arc", e->arc.result);
        fprintf(out, " %u sets%s%s\n", e->arc.instance, *e->arc.reason ? ": " : "", e->arc.reason);
    }
    if (e->has_dmarc)
        dmarc_line(&p, e, o->disposition);
    if (e->has_iprev) {
        begin(&p, "iprev", e->iprev.result);
        item(&p, " ", e->iprev.name);
        item(&p, ": ", am_str_of(e->iprev.reason));
        fputc('\n', out);
    }
    if (e->auth_user.n) {
        begin(&p, "auth", AM_PASS);
        item(&p, " ", e->auth_user);
        fputc('\n', out);
    }
    fprintf(out, "%-10s %s\n", "action", o->action);
    if (explain && e->trace)
        steps(&p, e->trace);
}
