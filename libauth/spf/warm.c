/*
 * warm: SPF's questions, asked early.
 *
 * For: an evaluation that waits for one answer after the other (RFC 7208 4.6) and
 * finds most of them there. Nothing is decided, counted or noted here: without this
 * file every verdict is the same. Waits: never. Memory: the context's arena.
 * Callers: spf.
 */
#include "libauth/spf/eval.h"
#include "libauth/base/domain.h"

static void warm_record(
    am_spf_eval *e, const am_spf_record *r, am_str domain, unsigned *left, unsigned depth);

static am_dns_type type_of(const am_spf_eval *e, am_spf_kind kind)
{
    switch (kind) {
    case AM_SPF_INCLUDE:
        return AM_DNS_TXT;
    case AM_SPF_MX:
        return AM_DNS_MX;
    case AM_SPF_PTR:
        return AM_DNS_PTR;
    case AM_SPF_A:
        return e->ip.family == 4 ? AM_DNS_A : AM_DNS_AAAA;
    default:
        return AM_DNS_A; /* exists, for IPv6 clients too */
    }
}

/* The name, if it can be known without asking. */
static bool early_name(am_spf_eval *e, am_str domain, am_spf_string spec, am_str *out)
{
    *out = domain;
    if (!spec.n)
        return true;
    if (am_spf_string_uses(spec, 'p') || !am_spf_string_usable(spec, &e->values))
        return false;
    am_spf_values_set(&e->values, 'd', domain);
    *out = am_spf_expand_name(e->c->arena, spec, &e->values);
    return out->p && am_domain_askable(*out);
}

static void warm_domain(am_spf_eval *e, am_str domain, unsigned *left, unsigned depth)
{
    const am_spf_record *r;
    if (am_domain_labels(domain) < 2)
        return;
    am_dns_start(e->c->dns, domain, AM_DNS_TXT);
    const am_dns_answer *x = am_dns_peek(e->c->dns, domain, AM_DNS_TXT);
    if (x && depth < AM_SPF_DEPTH_MAX && am_spf_select(NULL, x, e->scope, &r, NULL) == AM_PASS)
        warm_record(e, r, domain, left, depth + 1);
}

static void warm_term(
    am_spf_eval *e, const am_spf_term *t, am_str domain, unsigned *left, unsigned depth)
{
    am_str name;
    if (!early_name(e, domain, t->domain, &name))
        return;
    if (t->kind == AM_SPF_PTR)
        name = am_ip_reverse(e->c->arena, &e->ip);
    if (t->kind == AM_SPF_INCLUDE)
        warm_domain(e, name, left, depth);
    else if (name.p)
        am_dns_start(e->c->dns, name, type_of(e, t->kind));
}

static void warm_record(
    am_spf_eval *e, const am_spf_record *r, am_str domain, unsigned *left, unsigned depth)
{
    am_str name;
    for (size_t i = 0; i < r->terms; i++) {
        const am_spf_term *t = &r->term[i];
        if (t->kind == AM_SPF_IP4 || t->kind == AM_SPF_IP6) {
            if (am_ip_in(&e->ip, &t->net))
                return;
            continue;
        }
        if (t->kind == AM_SPF_ALL || *left == 0)
            return;
        --*left;
        warm_term(e, t, domain, left, depth);
    }
    if (!r->redirect.n || *left == 0)
        return;
    --*left;
    if (early_name(e, domain, r->redirect, &name))
        warm_domain(e, name, left, depth);
}

void am_spf_warm(am_spf_eval *e, const am_spf_record *r, am_str domain)
{
    unsigned left = e->terms < e->max.max_terms ? e->max.max_terms - e->terms : 0;
    warm_record(e, r, domain, &left, 0);
}
