/*
 * match: does a mechanism match the client?
 *
 * For: RFC 7208 5.1-5.7, the names behind them (4.8, 7.3), and RFC 8616 4. May
 * wait. Memory: the context's arena. An error is kept in the evaluation, and
 * every function that meets one returns false. Callers: check_host.
 */
#include "libauth/spf/eval.h"
#include "libauth/base/domain.h"

static am_dns_type address_type(const am_spf_eval *e)
{
    return e->ip.family == 4 ? AM_DNS_A : AM_DNS_AAAA;
}

static bool has_address(const am_dns_answer *x, const am_ip *ip, const am_spf_term *t)
{
    for (size_t i = 0; i < x->n; i++) {
        am_net net = {x->rr[i].ip, ip->family == 4 ? 32 : 128};
        if (t)
            net.bits = ip->family == 4 ? t->bits4 : t->bits6;
        if (am_ip_in(ip, &net))
            return true;
    }
    return false;
}

/* ---- validated names of the client (5.5) ---- */

/* Waits for the addresses of the first max_names names; keeps those that lead back. */
static bool validate(am_spf_eval *e, const am_dns_answer *ptr)
{
    size_t n = ptr->n < e->max.max_names ? ptr->n : e->max.max_names; /* RFC 7208 4.6.4 */
    e->name = am_arena_array(e->c->arena, n + 1, sizeof *e->name);
    if (!e->name)
        return am_spf_fail(e, AM_TEMPERROR, "out of memory");
    for (size_t i = 0; i < n; i++)
        if (am_domain_askable(ptr->rr[i].data))
            am_dns_start(e->c->dns, ptr->rr[i].data, address_type(e));
    for (size_t i = 0; i < n; i++) {
        if (!am_domain_askable(ptr->rr[i].data))
            continue;
        const am_dns_answer *x = am_spf_ask(e, "7208 5.5", ptr->rr[i].data, address_type(e));
        if (!x)
            return false;
        if (x->status == AM_DNS_DATA && has_address(x, &e->ip, NULL))
            e->name[e->names++] = ptr->rr[i].data;
    }
    return true;
}

static bool ask_names(am_spf_eval *e, am_str reverse)
{
    const am_dns_answer *ptr = am_spf_ask(e, "7208 5.5", reverse, AM_DNS_PTR);
    if (!ptr)
        return false;
    e->names_known = true;
    e->names_void = ptr->status == AM_DNS_NODATA || ptr->status == AM_DNS_NXDOMAIN;
    return validate(e, ptr);
}

/* Fills e->name once. Errors of the DNS leave it empty; so does the end of the time that these
 * names may take: they are the client's own, and the rest of the record is the domain's. */
static bool find_names(am_spf_eval *e)
{
    if (e->names_known)
        return true;
    am_str reverse = am_ip_reverse(e->c->arena, &e->ip);
    if (!reverse.p)
        return am_spf_fail(e, AM_TEMPERROR, "out of memory");
    int64_t kept = am_dns_keep_time(e->c->dns);
    bool good = ask_names(e, reverse);
    am_dns_keep_time_end(e->c->dns, kept);
    return good;
}

bool am_spf_set_p(am_spf_eval *e, am_str domain, am_spf_string s, bool counted)
{
    size_t uses = am_spf_string_uses(s, 'p');
    for (size_t i = 0; counted && i < uses; i++)
        if (!am_spf_count_term(e)) /* RFC 7208 4.6.4: "the %{p} macro" */
            return false;
    if (!uses)
        return true;
    if (!find_names(e))
        return false;
    /* RFC 7208 7.3: <domain> itself, or a name below it, or any name */
    const am_str *best = NULL;
    for (size_t i = 0; i < e->names; i++) {
        const am_str *n = &e->name[i];
        if (am_str_ieq(*n, domain))
            best = n;
        else if (!best || (!am_domain_under(*best, domain) && am_domain_under(*n, domain)))
            best = n;
    }
    am_spf_values_set(&e->values, 'p', best ? *best : AM_STR("unknown"));
    return true;
}

/* ---- target-name (4.8) ---- */

bool am_spf_target(am_spf_eval *e, am_str domain, am_spf_string spec, bool counted, am_str *target)
{
    *target = domain;
    if (!spec.n)
        return true;
    if (!am_spf_set_p(e, domain, spec, counted))
        return false;
    am_spf_values_set(&e->values, 'd', domain);
    if (!am_spf_string_usable(spec, &e->values)) {
        /* RFC 8616 4: a local-part beyond ASCII matches nothing */
        am_spf_note(e, "8616 4", domain, "no name can be made of this macro's value");
        return false;
    }
    *target = am_spf_expand_name(e->c->arena, spec, &e->values);
    if (!target->p)
        return am_spf_fail(e, AM_TEMPERROR, "out of memory");
    if (am_domain_askable(*target))
        return true;
    /* RFC 7208 4.8: undefined; for us such a name has no records, and nobody is asked */
    am_spf_note(e, "7208 4.8", *target, "not a domain name");
    return false;
}

/* ---- the mechanisms ---- */

static bool match_all(am_spf_eval *e, const am_spf_place *at, const am_spf_term *t, am_str name)
{
    (void)e, (void)at, (void)t, (void)name;
    return true;
}

static bool match_net(am_spf_eval *e, const am_spf_place *at, const am_spf_term *t, am_str name)
{
    (void)at, (void)name;
    return am_ip_in(&e->ip, &t->net);
}

static bool match_include(am_spf_eval *e, const am_spf_place *at, const am_spf_term *t, am_str name)
{
    (void)t;
    am_result r = am_spf_check_host(e, (am_spf_place){name, at->depth + 1});
    if (e->error)
        return false;
    if (r == AM_NONE) { /* RFC 7208 5.2 */
        am_str why = e->reason;
        return am_spf_fail(e, AM_PERMERROR, "include: %.*s", AM_ARG(why));
    }
    return r == AM_PASS;
}

static bool match_a(am_spf_eval *e, const am_spf_place *at, const am_spf_term *t, am_str name)
{
    (void)at;
    const am_dns_answer *x = am_spf_need(e, "7208 5.3", name, address_type(e));
    if (x && x->n == 0)
        am_spf_count_void(e, name);
    return x && has_address(x, &e->ip, t);
}

/* The addresses of the MX hosts. No implicit MX (5.4), and a null MX has no host. */
static bool match_hosts(
    am_spf_eval *e, const am_dns_answer *mx, const am_spf_term *t, size_t *addresses)
{
    for (size_t i = 0; i < mx->n; i++)
        if (am_domain_askable(mx->rr[i].data))
            am_dns_start(e->c->dns, mx->rr[i].data, address_type(e));
    for (size_t i = 0; i < mx->n; i++) {
        if (!am_domain_askable(mx->rr[i].data))
            continue;
        const am_dns_answer *x = am_spf_need(e, "7208 5.4", mx->rr[i].data, address_type(e));
        if (!x)
            return false;
        *addresses += x->n;
        if (has_address(x, &e->ip, t))
            return true;
    }
    return false;
}

static bool match_mx(am_spf_eval *e, const am_spf_place *at, const am_spf_term *t, am_str name)
{
    (void)at;
    size_t addresses = 0;
    const am_dns_answer *mx = am_spf_need(e, "7208 5.4", name, AM_DNS_MX);
    if (!mx)
        return false;
    /* RFC 7208 4.6.4, 5.4: whatever the order of the records, too many are too many */
    if (mx->n > e->max.max_names)
        return am_spf_fail(
            e, AM_PERMERROR, "%.*s: more than %u MX hosts", AM_ARG(name), e->max.max_names);
    bool hit = match_hosts(e, mx, t, &addresses);
    /* RFC 7208 4.6.4: terms are counted, not look-ups; this one is void if it led to no address */
    if (!e->error && addresses == 0)
        am_spf_count_void(e, name);
    return hit;
}

static bool match_ptr(am_spf_eval *e, const am_spf_place *at, const am_spf_term *t, am_str name)
{
    (void)at, (void)t;
    if (!find_names(e))
        return false;
    if (e->names_void)
        am_spf_count_void(e, name);
    /* RFC 7208 5.5 and erratum 4751: the validated name equals the target or lies under it */
    for (size_t i = 0; i < e->names; i++)
        if (am_domain_under(e->name[i], name))
            return true;
    return false;
}

static bool match_exists(am_spf_eval *e, const am_spf_place *at, const am_spf_term *t, am_str name)
{
    (void)at, (void)t;
    const am_dns_answer *x = am_spf_need(e, "7208 5.7", name, AM_DNS_A);
    if (x && x->n == 0)
        am_spf_count_void(e, name);
    return x && x->n > 0;
}

static const struct {
    const char *section;
    bool queries; /* 4.6.4 */
    bool (*match)(am_spf_eval *e, const am_spf_place *at, const am_spf_term *t, am_str name);
} kinds[] = {
    [AM_SPF_ALL] = {"7208 5.1", false, match_all},
    [AM_SPF_INCLUDE] = {"7208 5.2", true, match_include},
    [AM_SPF_A] = {"7208 5.3", true, match_a},
    [AM_SPF_MX] = {"7208 5.4", true, match_mx},
    [AM_SPF_PTR] = {"7208 5.5", true, match_ptr},
    [AM_SPF_IP4] = {"7208 5.6", false, match_net},
    [AM_SPF_IP6] = {"7208 5.6", false, match_net},
    [AM_SPF_EXISTS] = {"7208 5.7", true, match_exists},
};

const char *am_spf_section(am_spf_kind kind)
{
    return kinds[kind].section;
}

bool am_spf_match(am_spf_eval *e, const am_spf_place *at, const am_spf_term *t)
{
    am_str name = at->domain;
    if (kinds[t->kind].queries) {
        if (!am_spf_count_term(e))
            return false;
        if (am_spf_string_uses(t->domain, 's') || am_spf_string_uses(t->domain, 'l'))
            e->local_used = true;
        if (!am_spf_target(e, at->domain, t->domain, true, &name))
            return false;
    }
    return kinds[t->kind].match(e, at, t, name) && !e->error;
}
