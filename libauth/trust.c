/*
 * trust: believes what trusted sealers say that a message was before they changed it.
 *
 * For: message.c, after DMARC; the configuration reads its lists here. RFC 8617 7.2.1, 9.4: a chain
 * that passes proves who said something, not that it is true. Waits: never. Memory: the caller's
 * arena. Callers: anyone.
 */
#include "libauth/trust.h"
#include "libauth/authres/authres.h"
#include "libauth/base/domain.h"

enum { MAX_ENTRIES = 100000 };

/* ---- Lists ---- */

bool am_trust_entry_parse(
    am_arena *a, const am_psl *psl, am_str text, am_trust_entry *out, am_error *why)
{
    am_str name = text, org;
    bool star = am_str_istarts(name, "*.");
    if (star)
        name = am_str_cut(name, 1, name.n);
    out->below = am_str_istarts(name, ".");
    out->itself = star || !out->below;
    if (out->below)
        name = am_str_cut(name, 1, name.n);
    if (!am_domain_normalise(a, name, &out->domain))
        am_error_set(why, am_arena_failed(a) ? "out of memory" : "no domain name");
    else if (out->below && am_domain_labels(out->domain) < 2)
        am_error_set(why, "everything below a single label cannot be trusted");
    else if (out->below && psl && !am_psl_org_domain(psl, a, out->domain, &org))
        am_error_set(why, "everything below a public suffix cannot be trusted");
    else
        return true;
    return false;
}

static bool take_line(am_str *rest, am_str *line)
{
    if (rest->n == 0)
        return false;
    size_t end = am_str_find(*rest, '\n');
    *line = am_str_cut(*rest, 0, end);
    *line = am_str_trim(am_str_cut(*line, 0, am_str_find(*line, '#')));
    *rest = am_str_cut(*rest, end + 1, rest->n);
    return true;
}

bool am_trust_list_parse(
    am_arena *a, const am_psl *psl, am_str text, am_trust_list *out, am_error *why)
{
    am_str rest = text, line;
    size_t lines = 0, at = 0, n = 0;
    am_error e;
    while (take_line(&rest, &line))
        lines += line.n > 0;
    if (lines > MAX_ENTRIES) {
        am_error_set(why, "more than %d entries", MAX_ENTRIES);
        return false;
    }
    am_trust_entry *entry = am_arena_array(a, lines + 1, sizeof *entry);
    if (!entry) {
        am_error_set(why, "out of memory");
        return false;
    }
    for (rest = text; take_line(&rest, &line);) {
        at++;
        if (line.n && !am_trust_entry_parse(a, psl, line, &entry[n++], &e)) {
            am_error_set(why, "line %zu: %s", at, e.text);
            return false;
        }
    }
    *out = (am_trust_list){entry, n};
    return true;
}

static bool trusted(const am_trust_list *l, am_str sealer)
{
    for (size_t i = 0; i < l->n; i++) {
        const am_trust_entry *e = &l->entry[i];
        bool same = am_str_ieq(sealer, e->domain);
        if (same ? e->itself : e->below && am_domain_under(sealer, e->domain))
            return true;
    }
    return false;
}

/* ---- What the sealer said ---- */

typedef enum about { AUTHOR, SOMEONE_ELSE, UNCLEAR } about;

/* Of whom one dmarc result speaks: its header.from, and there is one. */
static about subject_of(am_arena *a, const am_resinfo *r, am_str author)
{
    am_str domain, from = {NULL, 0};
    for (size_t i = 0; i < r->properties; i++) {
        const am_property *p = &r->property[i];
        if (!am_str_is(p->ptype, "header") || !am_str_is(p->property, "from"))
            continue;
        if (from.p)
            return UNCLEAR;
        from = p->value;
    }
    if (!from.p || !am_domain_normalise(a, from, &domain))
        return UNCLEAR;
    return am_str_eq(domain, author) ? AUTHOR : SOMEONE_ELSE;
}

/* Is there a dmarc=pass of the author's, and no other result that is or may be about the author? A
 * sealer that merged results which it had not made would have both. NULL: so it is. */
static const char *judge(am_arena *a, am_str payload, am_str author)
{
    am_authres r;
    bool passed = false;
    if (!am_authres_parse_lax(a, payload, &r, NULL))
        return "its results cannot be read";
    for (size_t i = 0; i < r.results; i++) {
        if (!am_str_is(r.result[i].method, "dmarc"))
            continue;
        about whom = subject_of(a, &r.result[i], author);
        if (whom == SOMEONE_ELSE)
            continue;
        if (whom == UNCLEAR || !am_str_is(r.result[i].result, "pass"))
            return "its results do not say dmarc=pass of the author";
        passed = true;
    }
    return passed ? NULL : "its results do not say dmarc=pass of the author";
}

am_trust am_trust_check(
    am_arena *a, const am_trust_list *sealers, const am_arc_verdict *arc, am_str author)
{
    am_trust t = {.reason = "no valid chain"};
    if (arc->result != AM_PASS || arc->sets == 0) /* RFC 8617 5.2: fail is like no chain */
        return t;
    size_t n = arc->sets;
    while (n > 0 && trusted(sealers, arc->set[n - 1].sealer))
        n--;
    if (n == arc->sets) {
        t.reason = "the newest sealer is not trusted";
        return t;
    }
    t.instance = (unsigned)n + 1;
    t.reason = arc->open;
    if (!author.n)
        t.reason = "no author domain";
    else if (!t.reason)
        t.reason = judge(a, arc->set[n].results, author);
    if (am_arena_failed(a))
        t.reason = "out of memory";
    t.overridden = !t.reason;
    t.reason = t.reason ? t.reason : "";
    return t;
}
