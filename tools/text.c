/*
 * text: evidence for people.
 *
 * For: check and explain, --format text. Waits: never. Memory: none. What came from
 * outside may hold anything: only printable ASCII and valid text reaches the terminal.
 */
#include "tools/text.h"
#include "tools/show.h"
#include "libauth/base/lex.h"

#include <string.h>
#include <time.h>

enum { RESULT_WIDTH = 10 };

typedef struct page {
    FILE *out;
    bool colour;
    int blanks; /* up to what comes behind the result; 0: something stands there already */
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

static void begin(page *p, const char *method, am_result r)
{
    p->blanks = RESULT_WIDTH - (int)strlen(am_result_word(r));
    fprintf(p->out, "%-12s %s%s%s", method, p->colour ? colour_of(r) : "", am_result_word(r),
        p->colour && *colour_of(r) ? "\033[0m" : "");
}

/* `before` keeps it apart from what stands behind the result already. */
static void item(page *p, const char *before, am_str s)
{
    if (s.n == 0)
        return;
    fprintf(p->out, "%*s%s", p->blanks, "", p->blanks ? "" : before);
    outside(p, s);
    p->blanks = 0;
}

static void end(page *p)
{
    fputc('\n', p->out);
    p->blanks = 0;
}

/* Who was judged, unless the reason names it. */
static void judged(page *p, am_str who, am_str reason)
{
    if (!am_str_eq(who, am_str_cut(reason, 0, am_str_find(reason, ':'))))
        item(p, "", who);
}

static void spf_line(page *p, const char *method, const am_spf_verdict *v)
{
    begin(p, method, v->result);
    judged(p, v->domain, v->reason);
    item(p, ", by ", v->mechanism);
    item(p, ": ", v->reason);
    item(p, "; the domain explains: ", v->explanation);
    end(p);
}

static void dkim_line(page *p, const am_dkim_verdict *v)
{
    begin(p, "dkim", v->result);
    item(p, "", v->domain);
    item(p, ", selector ", v->selector);
    item(p, ", ", v->algorithm);
    if (v->key_bits)
        fprintf(p->out, " with %u bits", v->key_bits);
    item(p, ": ", am_str_of(v->reason));
    item(p, ": ", v->detail);
    end(p);
}

static void arc_line(page *p, const am_arc_verdict *v)
{
    char sets[32];
    begin(p, "arc", v->result);
    snprintf(sets, sizeof sets, "%u set%s", v->instance, v->instance == 1 ? "" : "s");
    item(p, "", am_str_of(sets));
    if (v->at)
        fprintf(p->out, ": instance %u", v->at);
    item(p, ": ", am_str_of(v->reason));
    end(p);
}

static void dmarc_line(page *p, const am_evidence *e, const char *disposition)
{
    const am_dmarc_verdict *v = &e->dmarc;
    begin(p, "dmarc", v->result);
    item(p, "", v->domain);
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
    fputs("; disposition ", p->out);
    outside(p, am_str_of(disposition));
    end(p);
}

/* Behind a relay of ours: whose address was judged. */
static void hop_line(page *p, const am_evidence *e)
{
    char relay[AM_IP_TEXT], ip[AM_IP_TEXT];
    fprintf(
        p->out, "%-12s %s is a trusted relay; the client ", "hop", am_ip_text(&e->relay, relay));
    fputs(e->hop.found ? "was " : "is unknown: ", p->out);
    outside(p, am_str_of(e->hop.found ? am_ip_text(&e->ip, ip) : e->hop.reason));
    item(p, ", ", e->helo);
    end(p);
}

static void line(page *p, const char *method, am_result r, am_str about, am_str reason)
{
    begin(p, method, r);
    judged(p, about, reason);
    item(p, ": ", reason);
    end(p);
}

static void other_lines(page *p, const am_evidence *e)
{
    if (e->has_iprev)
        line(p, "iprev", e->iprev.result, e->iprev.name, am_str_of(e->iprev.reason));
    if (e->has_sender_id)
        line(p, "sender-id", e->sender_id.result, e->sender_id.domain, e->sender_id.reason);
    if (e->has_auth)
        line(p, "auth", e->auth.result, e->auth_user, am_str_of(e->auth.reason));
    if (e->has_align)
        line(p, "x-auth-align", e->align.result, e->align.address, am_str_of(e->align.reason));
    if (e->has_helo_check)
        line(p, "x-helo", e->helo_check.result, e->helo, am_str_of(e->helo_check.reason));
    if (e->has_tls)
        line(p, "x-tls", e->tls.result, e->tls.version, am_str_of(e->tls.reason));
    if (e->has_trail)
        line(p, "x-trail", e->trail.result, (am_str){NULL, 0}, e->trail.reason);
}

/* RFC 4407: who is responsible for the message's latest way. */
static void pra_line(page *p, const am_evidence *e)
{
    fprintf(p->out, "%-12s ", "pra");
    if (e->pra.found) {
        outside(p, e->pra.mailbox.local);
        item(p, "@", e->pra.mailbox.domain);
    }
    fputs(e->pra.found ? ", of " : "none: ", p->out);
    outside(p, am_str_of(e->pra.found ? e->pra.field : e->pra.reason));
    end(p);
}

/* ---- The trail: a table of the Received fields */

enum { COLUMNS = 6, WIDEST = 32 };

typedef struct row {
    char cell[COLUMNS][WIDEST + 1];
} row;

/* Printable, and no wider than a column may be. */
static void set_cell(char *cell, am_str s)
{
    size_t n = 0;
    if (!s.n)
        s = AM_STR("-");
    for (size_t i = 0; i < s.n && n < WIDEST; i++)
        cell[n++] = am_is(s.p[i], AM_VCHAR) ? s.p[i] : '?';
    if (n == WIDEST && s.n > WIDEST)
        memcpy(cell + WIDEST - 3, "...", 3);
    cell[n] = '\0';
}

static void fill_row(row *r, const am_received *x)
{
    char ip[AM_IP_TEXT], when[WIDEST] = "";
    time_t t = (time_t)x->time;
    struct tm tm;
    if (x->has_time && gmtime_r(&t, &tm))
        strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &tm);
    const am_str text[COLUMNS] = {
        x->helo, x->name, am_str_of(am_ip_text(&x->ip, ip)), x->by, x->with, am_str_of(when)};
    for (size_t i = 0; i < COLUMNS; i++)
        set_cell(r->cell[i], text[i]);
}

static bool last(size_t column)
{
    return column + 1 == COLUMNS;
}

static void trail_table(const page *p, const am_trail *t)
{
    static const char *const head[COLUMNS] = {"helo", "name", "address", "by", "with", "time"};
    size_t width[COLUMNS];
    row r;
    for (size_t c = 0; c < COLUMNS; c++)
        width[c] = strlen(head[c]);
    for (size_t i = 0; i < t->hops; i++) {
        fill_row(&r, &t->hop[i].received);
        for (size_t c = 0; c < COLUMNS; c++)
            width[c] = strlen(r.cell[c]) > width[c] ? strlen(r.cell[c]) : width[c];
    }
    fputs("\nReceived, the last hop first\n      ", p->out);
    for (size_t c = 0; c < COLUMNS; c++)
        fprintf(p->out, "%-*s%s", last(c) ? 0 : (int)width[c], head[c], last(c) ? "\n" : "  ");
    for (size_t i = 0; i < t->hops; i++) {
        const am_received *x = &t->hop[i].received;
        fprintf(p->out, "  %2zu  ", i + 1);
        fill_row(&r, x);
        for (size_t c = 0; c < COLUMNS && x->status == AM_RECEIVED_READ; c++)
            fprintf(
                p->out, "%-*s%s", last(c) ? 0 : (int)width[c], r.cell[c], last(c) ? "\n" : "  ");
        if (x->status != AM_RECEIVED_READ)
            fprintf(p->out, "(%s)\n", x->reason);
    }
}

static void steps(const page *p, const am_trace *t)
{
    fputs("\nstep by step\n", p->out);
    for (const am_step *s = t->first; s; s = s->next) {
        if (strcmp(s->step, "trail") == 0 && am_str_istarts(s->question, "Received field"))
            continue; /* the table has it */
        fprintf(p->out, "  %-9s RFC %-14s ", s->step, s->rfc);
        outside(p, s->question);
        fputs(" -> ", p->out);
        outside(p, s->answer);
        fputc('\n', p->out);
    }
}

/* What is done, because of what, and what the client is told. */
void am_text_decision(FILE *out, const am_decision *d)
{
    static const char *const how[] = {[AM_MEASURE_ACCEPT] = "",
        [AM_MEASURE_HEADER] = " with a field",
        [AM_MEASURE_QUARANTINE] = " by a field",
        [AM_MEASURE_HOLD] = ", held",
        [AM_MEASURE_DISCARD] = "",
        [AM_MEASURE_TEMPFAIL] = "",
        [AM_MEASURE_REJECT] = ""};
    fprintf(out, "%-12s %s%s", "action", am_action_word(d->action), how[d->measure]);
    if (d->monitored)
        fprintf(out, ", monitored; would be %s", am_measure_word(d->would));
    fputs(d->rule ? ": rule \"" : *d->why ? ": " : "", out);
    am_show(out, am_str_of(d->rule ? d->rule->title : d->why)); /* a record may be anybody's */
    if (d->rule) {
        fputs(*d->rule->reason ? "\", " : "\"", out);
        am_show(out, am_str_of(d->rule->reason));
    }
    fputs(d->mixed ? "; the recipients' rules differ\n" : "\n", out);
    if (!d->code)
        return;
    fprintf(out, "%-12s", "reply");
    const char *const part[] = {d->code, d->xcode, d->text};
    for (size_t i = 0; i < sizeof part / sizeof *part; i++) {
        fputc(' ', out);
        am_show(out, am_str_of(part[i]));
    }
    fputc('\n', out);
}

void am_text_evidence(
    FILE *out, const am_evidence *e, const am_decision *d, bool explain, bool colour)
{
    page p = {.out = out, .colour = colour};
    if (e->hop.relayed)
        hop_line(&p, e);
    if (e->has_spf)
        spf_line(&p, e->spf_from_helo ? "spf (helo)" : "spf", &e->spf);
    if (e->has_spf && e->has_helo && !e->spf_from_helo)
        spf_line(&p, "spf (helo)", &e->helo_spf);
    for (size_t i = 0; i < e->dkims; i++)
        dkim_line(&p, &e->dkim[i]);
    if (e->has_dmarc && e->dkims == 0) {
        begin(&p, "dkim", e->limit ? AM_PERMERROR : AM_NONE);
        item(&p, "", am_str_of(e->limit ? e->limit : "no signature"));
        end(&p);
    }
    if (e->has_arc && e->arc.result != AM_NONE)
        arc_line(&p, &e->arc);
    if (e->has_dmarc)
        dmarc_line(&p, e, d->disposition);
    other_lines(&p, e);
    if (explain && e->has_dmarc)
        pra_line(&p, e);
    am_text_decision(out, d);
    if (explain && e->trail.hops)
        trail_table(&p, &e->trail);
    if (explain && e->trace)
        steps(&p, e->trace);
}
