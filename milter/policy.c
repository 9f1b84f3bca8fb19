/*
 * policy: from what was found out to what the MTA is told.
 *
 * For: the end of a message; `authmill check --config`. RFC 9989 (5.3.6, 5.4, 7.4), RFC 7372,
 * RFC 3463. Waits: never. Memory: by value. Callers: anyone.
 *
 * Without dmarc.enforce nothing is refused: results are written, and who reads them decides.
 */
#include "milter/policy.h"
#include "libauth/base/lex.h"

#include <stdio.h>

const char *am_action_word(am_action a)
{
    static const char *const word[] = {"accept", "reject", "tempfail", "quarantine"};
    return word[a];
}

/* The domain for a reply, or "the author's domain": no octet of a stranger's that is not plain. */
static am_str plain(am_str domain)
{
    bool ok = domain.n > 0 && domain.n <= 253;
    for (size_t i = 0; ok && i < domain.n; i++)
        ok = am_is(domain.p[i], AM_LDH) || domain.p[i] == '.';
    return ok ? domain : AM_STR("the author's domain");
}

am_decision am_policy_accept(const char *why)
{
    return (am_decision){.action = AM_ACTION_ACCEPT, .disposition = "none", .why = why};
}

static am_decision tempfail(const char *xcode, const char *why)
{
    return (am_decision){.action = AM_ACTION_TEMPFAIL,
        .code = "451",
        .xcode = xcode,
        .disposition = "none",
        .why = why};
}

static am_decision fault(const am_conf *c, const char *why)
{
    am_decision d = am_policy_accept(why);
    if (c->on_fault != AM_CONF_ACCEPT) {
        d = tempfail("4.3.0", why); /* RFC 3463 3.4: other mail system status */
        snprintf(d.text, sizeof d.text, "Local problem in authentication checks, try again later");
    }
    d.fault = true;
    return d;
}

/* RFC 9989 5.3.6: neither pass nor fail; the policy must not be applied. */
static am_decision dns_failure(const am_conf *c, const am_evidence *e)
{
    if (c->on_dns_failure == AM_CONF_ACCEPT)
        return am_policy_accept("dns failure");
    am_decision d = tempfail("4.4.3", "dns failure"); /* RFC 3463 3.5: directory server failure */
    snprintf(d.text, sizeof d.text,
        "DNS answers for the DMARC check of %.*s are missing, try later",
        AM_ARG(plain(e->dmarc.domain)));
    return d;
}

/* RFC 9989 5.4, 8: refused within SMTP, and DMARC is named. */
static am_decision refuse(const am_evidence *e)
{
    am_decision d = {.action = AM_ACTION_REJECT,
        .code = "550",
        .xcode = "5.7.1",
        .disposition = "reject",
        .why = e->dmarc.from_malformed ? "malformed From" : "dmarc"};
    if (e->dmarc.from_malformed)
        snprintf(d.text, sizeof d.text, "Email rejected: DMARC needs one author domain in From");
    else
        snprintf(d.text, sizeof d.text, "Email rejected per DMARC policy for %.*s",
            AM_ARG(plain(e->dmarc.domain)));
    return d;
}

static am_decision set_aside(const am_evidence *e, bool can_quarantine)
{
    if (!can_quarantine)
        return am_policy_accept("the MTA offers no quarantine");
    am_decision d = {.action = AM_ACTION_QUARANTINE,
        .disposition = "quarantine",
        .why = e->dmarc.from_malformed ? "malformed From" : "dmarc"};
    if (e->dmarc.from_malformed)
        snprintf(d.text, sizeof d.text, "DMARC needs one author domain in From");
    else
        snprintf(d.text, sizeof d.text, "DMARC policy for %.*s", AM_ARG(plain(e->dmarc.domain)));
    return d;
}

/* What this host does about the message, of what the domain (or the rule for a From field that
 * names no author) asks for. */
static am_dmarc_policy enforced(const am_conf *c, const am_evidence *e)
{
    static const am_dmarc_policy malformed[] = {
        [AM_MALFORMED_PERMERROR] = AM_DMARC_NONE,
        [AM_MALFORMED_REJECT] = AM_DMARC_REJECT,
        [AM_MALFORMED_QUARANTINE] = AM_DMARC_QUARANTINE,
    };
    if (e->dmarc.from_malformed && c->dmarc.malformed_from != AM_MALFORMED_DEFAULT)
        return malformed[c->dmarc.malformed_from];
    return c->dmarc.enforce ? e->dmarc.requested : AM_DMARC_NONE;
}

/* Clients that DMARC is not about: our own users and machines (their mail is submitted, not
 * received). Behind a trusted relay neither its address, nor its login, nor what it recorded makes
 * a stranger one of them. NULL: none of them. */
static const char *exempt(const am_conf *c, const am_evidence *e)
{
    static const char *const word[] = {
        NULL, "authenticated client", "local client", "local submission"};
    if (e->hop.relayed)
        return NULL;
    return word[am_conf_class(c, &c->exempt, &e->ip, e->auth_user.n > 0)];
}

am_decision am_policy_decide(const am_conf *c, const am_evidence *e, bool can_quarantine)
{
    if (!e || e->fault)
        return fault(c, e ? e->fault : "out of memory");
    const char *why = exempt(c, e);
    if (why)
        return am_policy_accept(why);
    if (!e->has_dmarc)
        return am_policy_accept("");
    if (e->dmarc.result == AM_TEMPERROR)
        return dns_failure(c, e);
    if (e->dmarc.result == AM_FAIL && e->trust.overridden) /* RFC 8617 7.2.1 */
        return am_policy_accept("trusted sealer");
    switch (enforced(c, e)) {
    case AM_DMARC_REJECT:
        return refuse(e);
    case AM_DMARC_QUARANTINE:
        return set_aside(e, can_quarantine);
    default:
        return am_policy_accept("");
    }
}
