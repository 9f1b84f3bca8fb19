/*
 * warm: SPF's questions, asked early.
 *
 * For: an evaluation that waits for one answer after the other (RFC 7208 4.6) and
 * finds most of them there. Each answer, as it comes, says what to ask for next:
 * the targets of a record's terms, the addresses of hosts. Nothing is decided,
 * counted or noted here: without this file every verdict is the same. Waits: never.
 * Memory: the context's arena. Recursion (where answers are there at once): bounded
 * by AM_SPF_DEPTH_MAX. Callers: spf.
 */
#include "libauth/spf/eval.h"
#include "libauth/base/domain.h"

/* Questions of one check_host that are asked early: enough for honest records, and few enough that
 * a record which fans out makes no others work beyond what is waited for in the end. */
enum { EARLY = 24, LONG_RECORD = 64 << 10 /* octets, parsed */ };

/* What is asked early for one check_host, whose limits (4.6.4) hold here too. */
typedef struct warmth {
    am_context c;
    am_spf_eval e; /* for the macros */
    am_dns_type address;
    unsigned left;  /* terms that query */
    unsigned early; /* questions */
} warmth;

static bool may_ask(warmth *w)
{
    return w->early && w->early--;
}

/* A domain whose record is on its way. */
typedef struct place {
    warmth *w;
    am_str domain;
    unsigned depth;
} place;

static void warm_record(warmth *w, const am_spf_record *r, am_str domain, unsigned depth);

/* A record that is too long to be kept with its answer is parsed for this once. */
static void on_record(void *at, const am_dns_answer *x)
{
    const place *p = at;
    const am_spf_record *r;
    if (p->depth >= AM_SPF_DEPTH_MAX)
        return;
    am_result found = am_spf_select(NULL, x, p->w->e.scope, &r, NULL);
    am_arena *a = found == AM_TEMPERROR ? am_arena_new(LONG_RECORD) : NULL;
    if (a)
        found = am_spf_select(a, x, p->w->e.scope, &r, NULL);
    if (found == AM_PASS)
        warm_record(p->w, r, p->domain, p->depth + 1);
    am_arena_free(a);
}

static void warm_domain(warmth *w, am_str domain, unsigned depth)
{
    bool ask = am_domain_labels(domain) > 1 && may_ask(w);
    place *p = ask ? am_arena_alloc(w->c.arena, sizeof *p) : NULL;
    if (!p)
        return;
    *p = (place){w, domain, depth};
    am_dns_then(w->c.dns, domain, AM_DNS_TXT, on_record, p);
}

static void warm_hosts(warmth *w, const am_dns_answer *x, size_t n)
{
    for (size_t i = 0; i < n && may_ask(w); i++)
        am_dns_start(w->c.dns, x->rr[i].data, w->address);
}

static void on_mx(void *warm, const am_dns_answer *x)
{
    warmth *w = warm;
    if (x->n <= w->e.max.max_names) /* beyond, it is an error (4.6.4), and none is asked for */
        warm_hosts(w, x, x->n);
}

static void on_ptr(void *warm, const am_dns_answer *x)
{
    warmth *w = warm;
    warm_hosts(w, x, x->n < w->e.max.max_names ? x->n : w->e.max.max_names);
}

/* The name, if it can be known without asking. */
static bool early_name(warmth *w, am_str domain, am_spf_string spec, am_str *out)
{
    *out = domain;
    if (!spec.n)
        return true;
    if (am_spf_string_uses(spec, 'p') || !am_spf_string_usable(spec, &w->e.values))
        return false;
    am_spf_values_set(&w->e.values, 'd', domain);
    *out = am_spf_expand_name(w->c.arena, spec, &w->e.values);
    return out->p && am_domain_askable(*out);
}

static void warm_term(warmth *w, const am_spf_term *t, am_str domain, unsigned depth)
{
    am_str name;
    if (!early_name(w, domain, t->domain, &name))
        return;
    if (t->kind == AM_SPF_INCLUDE) {
        warm_domain(w, name, depth);
        return;
    }
    if (!may_ask(w))
        return;
    switch (t->kind) {
    case AM_SPF_MX:
        am_dns_then(w->c.dns, name, AM_DNS_MX, on_mx, w);
        break;
    case AM_SPF_PTR:
        name = am_ip_reverse(w->c.arena, &w->e.ip);
        if (name.p)
            am_dns_then(w->c.dns, name, AM_DNS_PTR, on_ptr, w);
        break;
    case AM_SPF_A:
        am_dns_start(w->c.dns, name, w->address);
        break;
    default: /* exists: A, for IPv6 clients too */
        am_dns_start(w->c.dns, name, AM_DNS_A);
    }
}

static void warm_record(warmth *w, const am_spf_record *r, am_str domain, unsigned depth)
{
    am_str name;
    for (size_t i = 0; i < r->terms; i++) {
        const am_spf_term *t = &r->term[i];
        if (t->kind == AM_SPF_IP4 || t->kind == AM_SPF_IP6) {
            if (am_ip_in(&w->e.ip, &t->net))
                return;
            continue;
        }
        if (t->kind == AM_SPF_ALL || w->left == 0)
            return;
        w->left--;
        warm_term(w, t, domain, depth);
    }
    if (!r->redirect.n || w->left == 0)
        return;
    w->left--;
    if (early_name(w, domain, r->redirect, &name))
        warm_domain(w, name, depth);
}

/* A client that calls itself a host of the sender's domain: such a domain's record mostly says "a"
 * or "mx", and their answers are then there when the record is. */
static void guess(warmth *w, am_str domain, am_str helo)
{
    if (helo.n <= domain.n || !am_domain_under(helo, domain))
        return;
    if (may_ask(w))
        am_dns_start(w->c.dns, domain, w->address);
    if (may_ask(w))
        am_dns_start(w->c.dns, domain, AM_DNS_MX);
}

void am_spf_warm(const am_spf_eval *e, am_str domain, am_str helo)
{
    warmth *w = am_arena_alloc(e->c->arena, sizeof *w);
    if (!w)
        return;
    *w = (warmth){*e->c, *e, e->ip.family == 4 ? AM_DNS_A : AM_DNS_AAAA, e->max.max_terms, EARLY};
    w->e.c = &w->c;
    warm_domain(w, domain, 0);
    guess(w, domain, helo);
}
