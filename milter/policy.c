/*
 * policy: from what was found out to what the MTA is told.
 *
 * For: the end of a message, and its envelope where spf.reject-at says so; `authmill check
 * --config`. The rules come first, top down; the default at the end is DMARC's: RFC 9989 (5.3.6,
 * 5.4, 7.4). Replies: RFC 7372, RFC 3463. Waits: never. Memory: by value. Callers: anyone.
 *
 * Without a rule and without dmarc.enforce nothing is refused: results are written, and who reads
 * them decides.
 */
#include "milter/policy.h"
#include "milter/reply.h"

#include <stdio.h>
#include <string.h>

const char *am_action_word(am_action a)
{
    static const char *const word[] = {"accept", "reject", "tempfail", "quarantine", "discard"};
    return word[a];
}

/* What a measure is for the MTA, and for the domain's wish. */
static const struct {
    const char *word;
    am_action action;
    const char *disposition;
} measures[] = {
    [AM_MEASURE_ACCEPT] = {"accept", AM_ACTION_ACCEPT, "none"},
    [AM_MEASURE_HEADER] = {"header", AM_ACTION_ACCEPT, "none"},
    [AM_MEASURE_QUARANTINE] = {"quarantine", AM_ACTION_QUARANTINE, "quarantine"},
    [AM_MEASURE_HOLD] = {"hold", AM_ACTION_QUARANTINE, "quarantine"},
    [AM_MEASURE_DISCARD] = {"discard", AM_ACTION_DISCARD, "reject"},
    [AM_MEASURE_TEMPFAIL] = {"tempfail", AM_ACTION_TEMPFAIL, "none"},
    [AM_MEASURE_REJECT] = {"reject", AM_ACTION_REJECT, "reject"},
};

const char *am_measure_word(am_measure m)
{
    return measures[m].word;
}

static am_decision decision(am_measure m, const char *why)
{
    return (am_decision){.action = measures[m].action,
        .measure = m,
        .would = m,
        .disposition = measures[m].disposition,
        .why = why};
}

am_decision am_policy_accept(const char *why)
{
    return decision(AM_MEASURE_ACCEPT, why);
}

static am_decision refusal(am_measure m, const char *code, const char *xcode, const char *why)
{
    am_decision d = decision(m, why);
    d.code = code;
    snprintf(d.xcode, sizeof d.xcode, "%s", xcode);
    return d;
}

static am_decision fault(const am_conf *c, const char *why)
{
    am_decision d = am_policy_accept(why);
    if (c->on_fault != AM_CONF_ACCEPT) {
        /* RFC 3463 3.4: other mail system status */
        d = refusal(AM_MEASURE_TEMPFAIL, "451", "4.3.0", why);
        snprintf(d.text, sizeof d.text, "Local problem in authentication checks, try again later");
    }
    d.fault = true;
    return d;
}

/* ---- The default: DMARC ---- */

/* RFC 9989 5.3.6: neither pass nor fail; the policy must not be applied. */
static am_decision dns_failure(const am_conf *c, const am_evidence *e)
{
    if (c->on_dns_failure == AM_CONF_ACCEPT)
        return am_policy_accept("dns failure");
    /* RFC 3463 3.5: directory server failure */
    am_decision d = refusal(AM_MEASURE_TEMPFAIL, "451", "4.4.3", "dns failure");
    snprintf(d.text, sizeof d.text,
        "DNS answers for the DMARC check of %.*s are missing, try later",
        AM_ARG(am_reply_plain(e->dmarc.domain, "the author's domain")));
    return d;
}

/* Why no author's domain was found: the log's word, and what people read. */
static const char *no_author(const am_evidence *e, const char **text)
{
    *text =
        e->limit ? "Header over the limits of this host" : "DMARC needs one author domain in From";
    return e->limit ? "header over the limits" : "malformed From";
}

/* RFC 9989 5.4, 8: refused within SMTP, and DMARC is named. */
static am_decision refuse(const am_conf *c, const am_evidence *e)
{
    const char *text = NULL, *why = e->dmarc.from_malformed ? no_author(e, &text) : "dmarc";
    am_decision d = refusal(AM_MEASURE_REJECT, "550", "5.7.1", why);
    if (text)
        snprintf(d.text, sizeof d.text, "Email rejected: %s", text);
    else
        am_reply_fill(&c->dmarc.text, c, e, NULL, d.text, sizeof d.text);
    return d;
}

static am_decision set_aside(const am_conf *c, const am_evidence *e, const am_facts *f)
{
    if (!c->policy.by_field && !f->can_quarantine)
        return am_policy_accept("the MTA offers no quarantine");
    const char *text = NULL, *why = e->dmarc.from_malformed ? no_author(e, &text) : "dmarc";
    am_decision d = decision(c->policy.by_field ? AM_MEASURE_QUARANTINE : AM_MEASURE_HOLD, why);
    if (text)
        snprintf(d.text, sizeof d.text, "%s", text);
    else
        snprintf(d.text, sizeof d.text, "DMARC policy for %.*s",
            AM_ARG(am_reply_plain(e->dmarc.domain, "the author's domain")));
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

static am_decision by_default(const am_conf *c, const am_evidence *e, const am_facts *f)
{
    if (!e->has_dmarc)
        return am_policy_accept("");
    if (e->dmarc.result == AM_TEMPERROR)
        return dns_failure(c, e);
    if (e->dmarc.result == AM_FAIL && e->trust.overridden) /* RFC 8617 7.2.1 */
        return am_policy_accept("trusted sealer");
    switch (enforced(c, e)) {
    case AM_DMARC_REJECT:
        return refuse(c, e);
    case AM_DMARC_QUARANTINE:
        return set_aside(c, e, f);
    default:
        return am_policy_accept("");
    }
}

/* ---- Rules ---- */

/* Clients that enforcing is not about unless a rule says so: our own users and machines (their mail
 * is submitted, not received). Behind a trusted relay neither its address, nor its login, nor what
 * it recorded makes a stranger one of them. NULL: none of them. */
static const char *exempt(const am_conf *c, const am_evidence *e)
{
    static const char *const word[] = {
        NULL, "authenticated client", "local client", "local submission"};
    if (e->hop.relayed)
        return NULL;
    return word[am_conf_class(c, &c->exempt, &e->ip, e->auth_user.n > 0)];
}

static am_decision by_rule(const am_conf *c, const am_case *m, const am_rule *r)
{
    am_measure measure = r->measure;
    if (measure == AM_MEASURE_HOLD && !m->f->can_quarantine)
        measure = AM_MEASURE_QUARANTINE;
    am_decision d = decision(measure, "rule");
    d.rule = r;
    if (measure == AM_MEASURE_REJECT || measure == AM_MEASURE_TEMPFAIL) {
        bool reject = measure == AM_MEASURE_REJECT;
        const am_condition *by;
        const char *detail = am_rule_detail(r, m, &by);
        bool helo = by && strcmp(by->name, "spf-helo") == 0;
        d.code = *r->code ? r->code : reject ? "550" : "451";
        if (*r->status)
            snprintf(d.xcode, sizeof d.xcode, "%s", r->status);
        else
            snprintf(d.xcode, sizeof d.xcode, "%c.%s", reject ? '5' : '4', detail);
        am_reply_fill(
            r->has_text ? &r->text : am_reply_for(detail, helo), c, m->e, r, d.text, sizeof d.text);
    } else if (d.action == AM_ACTION_QUARANTINE || measure == AM_MEASURE_HEADER) {
        am_reply_fill(
            r->has_text ? &r->text : am_reply_reason(), c, m->e, r, d.text, sizeof d.text);
        if (!*d.text) /* the MTA takes no empty reason, and a filter finds no empty field */
            am_reply_fill(am_reply_reason(), c, m->e, r, d.text, sizeof d.text);
    }
    return d;
}

/* For one recipient, or for a message whose recipients nobody asks about. */
static am_decision decide_case(const am_conf *c, const am_case *m, const char *own)
{
    const am_rule *r;
    if (am_rule_first(c->rule, c->rules, m, &r) == AM_YES)
        return by_rule(c, m, r);
    return own ? am_policy_accept(own) : by_default(c, m->e, m->f);
}

static bool same(const am_decision *a, const am_decision *b)
{
    return a->measure == b->measure && strcmp(a->xcode, b->xcode) == 0 &&
           (!a->code || strcmp(a->code, b->code) == 0);
}

/* One answer for all recipients: there is no other at the end of a message (RFC 5321 4.1.1.4). The
 * strictest one counts; but mail that some want is not made to vanish for others. */
static am_decision decide_all(const am_conf *c, am_case *m, const char *own)
{
    static const char note[] = " (strictest of the recipients' rules)";
    const am_facts *f = m->f;
    m->rcpt = f->rcpts ? f->rcpt : NULL;
    am_decision d = decide_case(c, m, own);
    bool mixed = false;
    for (size_t i = 1; i < f->rcpts; i++) {
        m->rcpt = &f->rcpt[i];
        am_decision other = decide_case(c, m, own);
        mixed = mixed || !same(&d, &other);
        if (other.measure > d.measure)
            d = other;
    }
    if (mixed && d.measure == AM_MEASURE_DISCARD) {
        am_rule as_field = *d.rule;
        as_field.measure = AM_MEASURE_QUARANTINE;
        const am_rule *r = d.rule;
        d = by_rule(c, m, &as_field);
        d.rule = r;
    }
    d.mixed = mixed;
    size_t n = strlen(d.text);
    if (mixed && n && !d.code && n + sizeof note <= sizeof d.text)
        memcpy(d.text + n, note, sizeof note);
    return d;
}

/* What is to be done, whatever policy.mode says. */
static am_decision judge(const am_conf *c, const am_evidence *e, const am_facts *f)
{
    const char *own = exempt(c, e);
    am_facts few = *f;
    if (!c->asks.rcpt) /* all recipients are alike */
        few.rcpts = 0;
    am_case m = {.e = e, .f = &few, .own = own != NULL};
    return decide_all(c, &m, own);
}

/* Nothing is done; what would have been done stays known. */
static am_decision watch(am_decision d)
{
    am_decision w = am_policy_accept(d.why);
    w.monitored = true;
    w.would = d.measure;
    w.rule = d.rule;
    w.mixed = d.mixed;
    return w;
}

/* RFC 8601 5: what claims to be ours goes; where it cannot, the message does, whoever sent it and
 * whatever policy.mode says. */
static am_decision clean(am_decision d, const am_facts *f)
{
    if (!f->hides || d.code || d.action == AM_ACTION_DISCARD)
        return d;
    d = refusal(AM_MEASURE_REJECT, "550", "5.6.0", "hidden results");
    d.disposition = "none"; /* no domain asked for it */
    snprintf(d.text, sizeof d.text, "Header over the limits of this host, with a hidden field");
    return d;
}

am_decision am_policy_decide(const am_conf *c, const am_evidence *e, const am_facts *f)
{
    if (!e || e->fault)
        return clean(fault(c, e ? e->fault : "out of memory"), f);
    am_decision d = judge(c, e, f);
    return clean(c->policy.monitor ? watch(d) : d, f);
}

am_decision am_policy_skip(const am_facts *f)
{
    return clean(am_policy_accept("skipped"), f);
}

bool am_policy_early(const am_conf *c, const am_evidence *e, const am_facts *f, am_decision *out)
{
    const am_rule *r;
    am_case m = {.e = e,
        .f = f,
        .rcpt = f->stage == AM_STAGE_RCPT && f->rcpts ? f->rcpt : NULL,
        .own = exempt(c, e) != NULL};
    if (f->stage < c->spf.reject_at || c->policy.monitor || e->fault ||
        am_rule_first(c->rule, c->rules, &m, &r) != AM_YES)
        return false;
    *out = by_rule(c, &m, r);
    return out->code != NULL;
}

bool am_policy_shadow(const am_conf *c, const am_evidence *e, const am_facts *f,
    const am_decision *live, am_decision *out)
{
    if (!c->shadow || !e || e->fault)
        return false;
    *out = clean(judge(c->shadow, e, f), f);
    if (live->monitored) /* only what would have been done is kept */
        return out->measure != live->would;
    return !same(out, live);
}

/* ---- Facts ---- */

am_policy_needs am_policy_ask(const am_conf *c)
{
    const am_conf *s = c->shadow ? c->shadow : c;
    return (am_policy_needs){.rcpt = c->asks.rcpt || s->asks.rcpt,
        .octets = c->asks.octets || s->asks.octets,
        .header = c->asks.header || s->asks.header,
        .listener = c->asks.listener || s->asks.listener,
        .client = c->asks.client, /* early; the shadow judges at the end alone */
        .early = c->rules && !c->policy.monitor ? c->spf.reject_at : AM_STAGE_END};
}

am_policy_gaps am_policy_lacks(const am_conf *c, const am_facts *f)
{
    bool end = f->stage == AM_STAGE_END;
    return (am_policy_gaps){.rcpt = c->asks.rcpt && f->stage >= AM_STAGE_RCPT && !f->rcpts,
        .octets = c->asks.octets && end && !f->octets,
        .header = c->asks.header && end && !f->header,
        .listener = c->asks.listener && !f->listener && !f->listener_port};
}

void am_facts_of_header(am_arena *a, const am_header *h, am_facts *f)
{
    size_t id = am_header_find(h, "List-Id", 0), precedence = am_header_find(h, "Precedence", 0);
    f->header = true;
    f->list = id < h->n;
    f->list_id = (am_str){0};
    if (id < h->n) { /* RFC 2919 3: [phrase] "<" list-id ">" */
        am_str value = am_unfold(a, h->field[id].value);
        size_t open = am_str_rfind(value, '<'), close = am_str_rfind(value, '>');
        if (open < close && close < value.n)
            f->list_id = am_str_trim(am_str_cut(value, open + 1, close));
    }
    if (precedence < h->n)
        f->list = f->list || am_str_iis(am_unfold(a, h->field[precedence].value), "list");
}
