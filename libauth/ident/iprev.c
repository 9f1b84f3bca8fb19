/*
 * iprev: from the client's address to its names, and from them back.
 *
 * RFC 8601 3. Waits: am_iprev_check. Memory: the name in the message's arena.
 * Callers: the pipeline of a message; one thread a message.
 *
 * Of A and AAAA only the one that can hold the client's address is asked for.
 */
#include "libauth/ident/iprev.h"
#include "libauth/base/domain.h"

enum { MAX_NAMES = 10 }; /* RFC 8601 3: the number of names tried must be limited */

struct am_iprev_early {
    am_arena *arena;
    am_dns_session *dns;
    am_dns_type type; /* of the addresses that can hold the client's */
    bool named;       /* the names are known, and their addresses asked for */
};

static am_dns_type type_of(const am_ip *ip)
{
    return ip->family == 4 ? AM_DNS_A : AM_DNS_AAAA;
}

static void start_forward(am_dns_session *dns, const am_dns_answer *ptr, am_dns_type type)
{
    size_t n = ptr->n < MAX_NAMES ? ptr->n : MAX_NAMES;
    for (size_t i = 0; i < n; i++)
        am_dns_start(dns, ptr->rr[i].data, type);
}

static void on_names(void *early, const am_dns_answer *ptr)
{
    am_iprev_early *e = early;
    e->named = true;
    start_forward(e->dns, ptr, e->type);
}

am_iprev_early *am_iprev_start(const am_context *c, const am_ip *ip)
{
    am_str name = ip->family ? am_ip_reverse(c->arena, ip) : (am_str){NULL, 0};
    am_iprev_early *e = name.n ? am_arena_alloc(c->arena, sizeof *e) : NULL;
    if (!e)
        return NULL;
    *e = (am_iprev_early){c->arena, c->dns, type_of(ip), false};
    am_dns_then(c->dns, name, AM_DNS_PTR, on_names, e);
    return e;
}

void am_iprev_guess(const am_iprev_early *e, am_str name)
{
    am_str host; /* what is no host name ("[192.0.2.1]", "a;b.c") is no PTR name to be guessed at */
    if (e && !e->named && am_domain_normalise(e->arena, name, &host) && am_domain_labels(host) > 1)
        am_dns_start(e->dns, host, e->type);
}

static am_iprev_verdict verdict(const am_context *c, am_result r, am_str name, const char *reason)
{
    am_iprev_verdict v = {.result = r, .reason = reason};
    v.name = name.n ? am_str_copy(c->arena, name) : AM_STR("");
    if (!v.name.p)
        return (am_iprev_verdict){AM_TEMPERROR, AM_STR(""), "out of memory", false};
    return v;
}

bool am_iprev_holds(const am_dns_answer *x, const am_ip *ip)
{
    for (size_t i = 0; i < x->n; i++)
        if (am_ip_eq(&x->rr[i].ip, ip))
            return true;
    return false;
}

static am_iprev_verdict forward(const am_context *c, const am_ip *ip, const am_dns_answer *ptr)
{
    am_dns_type type = type_of(ip);
    size_t n = ptr->n < MAX_NAMES ? ptr->n : MAX_NAMES;
    bool failed = false, secure = ptr->secure;
    start_forward(c->dns, ptr, type);
    for (size_t i = 0; i < n; i++) {
        const am_dns_answer *x = am_dns_wait(c->dns, "iprev", "8601 3", ptr->rr[i].data, type);
        if (am_iprev_holds(x, ip)) { /* a match wins over errors of the other names */
            am_iprev_verdict v = verdict(c, AM_PASS, ptr->rr[i].data, "");
            v.secure = v.result == AM_PASS && ptr->secure && x->secure;
            return v;
        }
        failed = failed || x->status == AM_DNS_TEMPFAIL;
        secure = secure && x->secure;
    }
    if (failed)
        return verdict(c, AM_TEMPERROR, ptr->rr[0].data, "forward look-up failed");
    am_iprev_verdict v = verdict(c, AM_FAIL, ptr->rr[0].data, "no name leads back to the address");
    v.secure = v.result == AM_FAIL && secure;
    return v;
}

static am_iprev_verdict check(const am_context *c, const am_ip *ip)
{
    if (!ip->family)
        return verdict(c, AM_PERMERROR, AM_STR(""), "no client address");
    am_str name = am_ip_reverse(c->arena, ip);
    if (!name.n)
        return (am_iprev_verdict){AM_TEMPERROR, AM_STR(""), "out of memory", false};
    const am_dns_answer *ptr = am_dns_wait(c->dns, "iprev", "8601 3", name, AM_DNS_PTR);
    if (ptr->status == AM_DNS_TEMPFAIL)
        return verdict(c, AM_TEMPERROR, AM_STR(""), "reverse look-up failed");
    if (ptr->status == AM_DNS_DATA && ptr->n)
        return forward(c, ip, ptr);
    am_iprev_verdict v = verdict(c, AM_PERMERROR, AM_STR(""), "the address has no name");
    v.secure = v.result == AM_PERMERROR && ptr->secure;
    return v;
}

am_iprev_verdict am_iprev_check(const am_context *c, const am_ip *ip)
{
    char text[AM_IP_TEXT];
    am_iprev_verdict v = check(c, ip);
    am_trace_result(c->trace, "iprev", "8601 3", am_str_of(am_ip_text(ip, text)), v.result,
        am_str_of(v.reason));
    return v;
}
