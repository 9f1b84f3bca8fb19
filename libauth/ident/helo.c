/*
 * helo: what the client calls itself, held against what the DNS says.
 *
 * RFC 5321 2.3.5, 4.1.1.1, 4.1.3, 4.1.4. Waits: am_helo_check, for the addresses
 * of the name. Memory: the message's arena. Callers: the pipeline of a message;
 * one thread a message.
 */
#include "libauth/ident/helo.h"
#include "libauth/base/domain.h"
#include "libauth/base/lex.h"
#include "libauth/ident/syntax.h"

#include <string.h>

static const char no_memory[] = "out of memory";

/* ---- what was said ---- */

static bool all_digits(am_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!am_is(s.p[i], AM_DIGIT))
            return false;
    return s.n > 0;
}

/* RFC 5321 4.1.2: sub-domain = Let-dig [Ldh-str]; NULL: nothing is wrong with the label. */
static const char *label_problem(am_str s)
{
    if (s.n == 0 || s.n > AM_LABEL_MAX || s.p[0] == '-' || s.p[s.n - 1] == '-')
        return "malformed name";
    for (size_t i = 0; i < s.n; i++)
        if (!am_is(s.p[i], AM_LDH))
            return s.p[i] == '_' ? "underscore in the name" : "malformed name";
    return NULL;
}

/* What is wrong with the name; NULL: it is a Domain (RFC 5321 4.1.2). */
static const char *domain_problem(am_str name)
{
    const char *worst = NULL;
    am_ip ip;
    if (name.n == 0)
        return "no name";
    if (am_ip_parse(name, &ip))
        return "address without brackets";
    if (name.n > AM_DOMAIN_MAX)
        return "malformed name";
    for (size_t from = 0; from <= name.n;) {
        size_t len = am_str_find(am_str_cut(name, from, name.n), '.');
        const char *bad = label_problem(am_str_cut(name, from, from + len));
        if (bad && (!worst || strcmp(bad, "malformed name") == 0))
            worst = bad;
        from += len + 1;
    }
    /* RFC 1123 2.1: a top label is never all digits, so that names differ from addresses */
    if (!worst && all_digits(am_domain_tail(name, 1)))
        worst = "address without brackets";
    return worst;
}

/* RFC 6761 6.3: these names mean the host that hears them. */
static bool is_localhost(am_str name)
{
    return am_domain_under(name, AM_STR("localhost")) || am_str_iis(name, "localhost.localdomain");
}

static bool is_ours(const am_helo_query *q)
{
    for (size_t i = 0; i < q->owns; i++) {
        am_str own = am_str_of(q->own[i]);
        if (own.n && own.p[own.n - 1] == '.')
            own.n--;
        if (own.n && am_str_ieq(q->name, own))
            return true;
    }
    return is_localhost(q->name);
}

/* ---- what the DNS says ---- */

static am_dns_type address_type(const am_ip *ip, bool own_family)
{
    return (ip->family == 4) == own_family ? AM_DNS_A : AM_DNS_AAAA;
}

void am_helo_start(const am_context *c, const am_ip *ip, am_str name)
{
    if (!ip->family || domain_problem(name) || am_domain_labels(name) < 2)
        return;
    am_dns_start(c->dns, name, address_type(ip, true));
}

typedef struct finding {
    am_result result;
    const char *reason;
} finding;

static const am_dns_answer *ask(const am_context *c, const am_helo_query *q, bool own_family)
{
    return am_dns_wait(c->dns, "helo", "5321 4.1.4", q->name, address_type(&q->ip, own_family));
}

static finding look_up(const am_context *c, const am_helo_query *q)
{
    const am_dns_answer *own = ask(c, q, true);
    if (am_iprev_holds(own, &q->ip))
        return (finding){AM_PASS, ""};
    if (own->status == AM_DNS_DATA)
        return (finding){AM_FAIL, "the name leads to other addresses"};
    const am_dns_answer *other = own->status == AM_DNS_NODATA ? ask(c, q, false) : own;
    if (other->status == AM_DNS_TEMPFAIL)
        return (finding){AM_TEMPERROR, "look-up failed"};
    if (other->status == AM_DNS_DATA)
        return (finding){AM_NEUTRAL, "the name has addresses of the other family alone"};
    return (finding){AM_FAIL, "the name has no address"};
}

/* ---- the two held together ---- */

static finding judge_literal(const am_helo_query *q)
{
    am_ip ip;
    if (!am_literal_parse(q->name, &ip))
        return (finding){AM_FAIL, "malformed address literal"};
    if (!q->ip.family)
        return (finding){AM_NEUTRAL, "no client address"};
    if (am_ip_eq(&ip, &q->ip))
        return (finding){AM_PASS, ""};
    return (finding){AM_FAIL, "address literal of another host"};
}

static finding judge_domain(const am_context *c, const am_helo_query *q, am_helo_verdict *v)
{
    const char *problem = domain_problem(q->name);
    if (problem)
        return (finding){AM_FAIL, problem};
    if (!q->ip.family)
        return (finding){AM_NEUTRAL, "no client address"};
    if (is_ours(q) && !q->local)
        return (finding){AM_FAIL, "claims to be this host"};
    if (is_ours(q))
        return (finding){AM_NEUTRAL, "our own name from a client of ours"};
    if (am_domain_labels(q->name) < 2)
        return (finding){AM_NEUTRAL, "name of a single label"};
    v->reverse = q->iprev && q->iprev->result == AM_PASS && am_str_ieq(q->name, q->iprev->name);
    if (v->reverse)
        return (finding){AM_PASS, ""};
    finding f = look_up(c, q);
    v->resolves = f.result == AM_PASS;
    return f;
}

am_helo_verdict am_helo_check(const am_context *c, const am_helo_query *q)
{
    am_helo_verdict v = {.literal = q->name.n && q->name.p[0] == '['};
    am_helo_query mapped = *q;
    if (q->ip.family) /* a mapped address is IPv4 */
        mapped.ip = am_ip_of(q->ip.octet, q->ip.family == 4 ? 4 : 16);
    finding f = v.literal ? judge_literal(&mapped) : judge_domain(c, &mapped, &v);
    bool domain = !v.literal && !domain_problem(q->name);
    v.name = domain      ? am_str_lower(c->arena, q->name)
             : q->name.n ? am_str_copy(c->arena, q->name)
                         : AM_STR("");
    if (!v.name.p || am_arena_failed(c->arena))
        return (am_helo_verdict){.result = AM_TEMPERROR, .reason = no_memory, .name = AM_STR("")};
    v.result = f.result;
    v.reason = f.reason;
    am_trace_result(c->trace, "helo", "5321 4.1.1.1", v.name, v.result, am_str_of(v.reason));
    return v;
}
