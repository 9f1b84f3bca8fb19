/*
 * discover: from a domain to its records and its Organizational Domain.
 *
 * RFC 9989 4.10 (DNS Tree Walk), 4.10.1 (policy), 4.10.2 (Organizational
 * Domain); with a public suffix list RFC 7489 3.2 and 6.6.3. Waits:
 * am_dmarc_walk_step and _finish. Memory: names in the message's arena; a parsed
 * record is a block of its own, kept with the DNS answer and never changed.
 * Callers: check.c.
 *
 * One walk from the domain itself serves both the policy and the Organizational
 * Domain. 4.10.1 starts a second one at the parent, which asks the same names.
 */
#include "libauth/dmarc/discover.h"
#include "libauth/base/domain.h"

#include <stdlib.h>
#include <string.h>

enum { CUT = 7 }; /* 4.10 step 4: labels that are left of a name of eight or more */

/* RFC 9989 4.10: the start, then its parents, of a long name the last seven labels. */
static void tree_names(am_dmarc_walk *w)
{
    am_str name = w->start;
    while (name.n && w->names < AM_DMARC_QUERIES) {
        w->name[w->names++] = name;
        name = am_domain_labels(name) > CUT ? am_domain_tail(name, CUT) : am_domain_parent(name);
    }
}

/* RFC 7489 6.6.3: the domain, then its Organizational Domain. 3.2: a public
 * suffix has none; then it stands for itself, and aligns with nothing else. */
static void listed_names(am_dmarc_walk *w, am_arena *a, const am_psl *psl)
{
    if (!am_psl_org_domain(psl, a, w->start, &w->listed_org))
        w->listed_org = w->start;
    w->name[w->names++] = w->start;
    if (w->listed_org.n != w->start.n)
        w->name[w->names++] = w->listed_org;
}

void am_dmarc_walk_begin(am_dmarc_walk *w, am_arena *a, const am_psl *psl, am_str domain)
{
    *w = (am_dmarc_walk){.start = domain, .secure = true};
    if (psl && domain.n)
        listed_names(w, a, psl);
    else
        tree_names(w);
}

static am_str question(am_arena *a, am_str domain)
{
    return am_str_join(a, AM_STR("_dmarc."), domain);
}

void am_dmarc_walk_start(const am_dmarc_walk *w, const am_context *c)
{
    for (size_t i = 0; i < w->names; i++) {
        am_str q = question(c->arena, w->name[i]);
        if (q.n)
            am_dns_start(c->dns, q, AM_DNS_TXT);
    }
}

/* What one answer publishes; an object of am_dns_parsed_keep. */
typedef struct published {
    size_t count; /* DMARC records */
    am_dmarc_record record;
    char text[]; /* the record's, which its ranges point into */
} published;

static const char published_kind;

/* NULL: out of memory. */
static const published *read_answer(const am_dns_answer *x)
{
    const published *known = am_dns_parsed_get(x, &published_kind);
    if (known)
        return known;
    size_t count = 0;
    am_str text = {NULL, 0};
    for (size_t i = 0; i < x->n; i++)
        if (am_dmarc_record_is(x->rr[i].data)) {
            text = x->rr[i].data;
            count++;
        }
    published *p = malloc(sizeof *p + text.n);
    if (!p)
        return NULL;
    p->count = count;
    if (text.n)
        memcpy(p->text, text.p, text.n);
    am_dmarc_record_parse(am_str_n(p->text, text.n), &p->record);
    return am_dns_parsed_keep(x, &published_kind, p, free);
}

static bool break_off(am_dmarc_walk *w, const char *error)
{
    w->error = error;
    w->ended = true;
    return false;
}

bool am_dmarc_walk_step(am_dmarc_walk *w, const am_context *c)
{
    if (w->ended || w->asked == w->names) {
        w->ended = true;
        return false;
    }
    am_str domain = w->name[w->asked], q = question(c->arena, domain);
    if (!q.n)
        return break_off(w, "out of memory");
    const am_dns_answer *x =
        am_dns_wait(c->dns, "dmarc", w->listed_org.n ? "7489 6.6.3" : "9989 4.10", q, AM_DNS_TXT);
    w->secure = w->secure && x->secure;
    if (x->status == AM_DNS_TEMPFAIL)
        return break_off(w, "DNS failure");
    if (w->asked++ == 0)
        w->exists = x->status != AM_DNS_NXDOMAIN; /* RFC 8020: and what is above _dmarc too */
    if (x->status != AM_DNS_DATA)
        return true;
    const published *p = read_answer(x);
    if (!p)
        return break_off(w, "out of memory");
    if (p->count == 1)
        w->found[w->n++] = (am_dmarc_found){domain, &p->record};
    if (w->listed_org.n) /* RFC 7489 6.6.3: one record or several, discovery ends */
        w->ended = p->count > 0;
    else /* RFC 9989 4.10: several are discarded; psd=y and psd=n end the walk */
        w->ended = p->count == 1 && p->record.psd != 'u';
    return true;
}

bool am_dmarc_walk_finish(am_dmarc_walk *w, const am_context *c)
{
    while (am_dmarc_walk_step(w, c))
        continue;
    return !w->error;
}

am_str am_dmarc_walk_org(const am_dmarc_walk *w)
{
    if (w->listed_org.n)
        return w->listed_org;
    if (w->n == 0)
        return w->start;
    am_dmarc_found last = w->found[w->n - 1];
    /* RFC 9989 4.10.2 rule 2: one label below a public suffix, whatever is there. Rules 1
     * and 3: psd=n ended the walk, and else the fewest labels: both the last found. */
    if (last.record->psd == 'y' && last.domain.n != w->start.n)
        return am_domain_tail(w->start, am_domain_labels(last.domain) + 1);
    return last.domain;
}

const am_dmarc_found *am_dmarc_walk_policy(const am_dmarc_walk *w)
{
    if (w->n == 0)
        return NULL;
    if (w->listed_org.n || w->found[0].domain.n == w->start.n)
        return &w->found[0]; /* RFC 9989 4.10.1: the Author Domain's own */
    size_t org = am_dmarc_walk_org(w).n;
    for (size_t i = 0; i < w->n; i++)
        if (w->found[i].domain.n == org)
            return &w->found[i];
    return &w->found[w->n - 1]; /* the Organizational Domain has none: the public suffix's */
}
