/*
 * check: does an authenticated identifier align with the author, and what does
 * the Author Domain ask for if none does?
 *
 * RFC 9989 5.3 (steps), 4.4 and 4.10.2 (alignment), 4.10.1 and 4.7 (policy).
 * Waits: am_dmarc_check. Memory: the message's arena. Callers: the pipeline of
 * a message; one thread a message.
 *
 * Only questions that the verdict hangs on can make it temperror (5.3.6): an
 * identifier is walked only where it lies below the author's Organizational
 * Domain, since its own can be none but itself or a name above it.
 */
#include "libauth/base/domain.h"
#include "libauth/dmarc/discover.h"

enum { MAX_WALKS = 12 };

typedef struct known {
    am_str domain, org; /* org absent: it could not be found out */
} known;

/* One message's evaluation. */
typedef struct judge {
    const am_context *c;
    const am_psl *psl;
    am_dmarc_walk author;
    am_dmarc_record record; /* the one that applies, as it is to be used */
    known *walked;          /* identifiers' domains: each is walked once */
    size_t walks, max_walks;
    bool skipped; /* an identifier was beyond max_walks */
    bool noted;   /* the author's Organizational Domain is in the trace */
    bool secure;  /* the identifiers' answers; the author's are in its walk */
} judge;

typedef enum alignment { APART, ALIGNED, UNKNOWN } alignment;

void am_dmarc_start(const am_context *c, const am_dmarc_options *o, am_str domain)
{
    am_dmarc_walk w;
    am_dmarc_walk_begin(&w, c->arena, o->psl, domain);
    am_dmarc_walk_start(&w, c);
    if (w.names > 1) /* a parent's np may apply: does the domain exist? */
        am_dns_start(c->dns, domain, AM_DNS_TXT);
}

/* ---- Policy ---- */

/* RFC 9989 3.2.13: non-existent is what the DNS says NXDOMAIN for, of any type.
 * TXT is what SPF asks there too. No answer: taken to exist, so that sp applies. */
static bool author_exists(judge *j)
{
    if (j->author.exists)
        return true;
    const am_dns_answer *x =
        am_dns_wait(j->c->dns, "dmarc", "9989 3.2.13", j->author.start, AM_DNS_TXT);
    j->secure = j->secure && x->secure;
    return x->status != AM_DNS_NXDOMAIN;
}

/* RFC 9989 4.10.1: p in the Author Domain's own record, sp or np in one from above. */
static am_dmarc_policy policy_for(judge *j, am_str policy_domain)
{
    const am_dmarc_record *r = &j->record;
    if (policy_domain.n == j->author.start.n)
        return r->p;
    if (r->np == r->sp || author_exists(j))
        return r->sp;
    return r->np;
}

static am_dmarc_policy one_down(am_dmarc_policy p)
{
    return p == AM_DMARC_REJECT ? AM_DMARC_QUARANTINE : AM_DMARC_NONE;
}

static void publish(judge *j, am_dmarc_verdict *v)
{
    const am_dmarc_record *r = &j->record;
    am_arena *a = j->c->arena;
    v->testing = r->testing;
    v->record.p = r->p;
    v->record.sp = r->sp;
    v->record.np = r->np;
    v->record.has_p = r->has_p;
    v->record.has_sp = r->has_sp;
    v->record.has_np = r->has_np;
    v->record.strict_dkim = r->strict_dkim;
    v->record.strict_spf = r->strict_spf;
    v->record.psd = r->psd;
    v->record.rua = r->rua.n ? am_str_copy(a, r->rua) : r->rua;
    v->record.ruf = r->ruf.n ? am_str_copy(a, r->ruf) : r->ruf;
    v->record.fo = am_str_copy(a, r->fo);
}

/* Does a record apply? If so, it and its policy are in j and v. If not, v says why. */
static bool discover(judge *j, am_dmarc_verdict *v)
{
    am_dmarc_walk *w = &j->author;
    am_dmarc_walk_step(w, j->c);
    if (w->n == 0 && !am_dmarc_walk_finish(w, j->c)) {
        v->result = AM_TEMPERROR;
        v->reason = w->error;
        return false;
    }
    const am_dmarc_found *found = am_dmarc_walk_policy(w);
    v->reason = "no DMARC record";
    if (found)
        j->record = *found->record;
    if (!found || !am_dmarc_record_usable(&j->record, &v->reason)) {
        am_trace_note(j->c->trace, "dmarc", "9989 4.10.1", v->domain, am_str_of(v->reason));
        return false;
    }
    v->reason = "";
    v->policy_domain = found->domain;
    v->policy = policy_for(j, found->domain);
    v->has_policy = true;
    publish(j, v);
    am_trace_notef(j->c->trace, "dmarc", "9989 4.10.1", v->domain, "policy %s of %.*s%s",
        am_dmarc_policy_word(v->policy), AM_ARG(found->domain), v->testing ? ", testing" : "");
    return true;
}

/* ---- Alignment ---- */

static void note_org(judge *j, am_str domain, am_str org)
{
    am_trace_notef(j->c->trace, "dmarc", j->psl ? "7489 3.2" : "9989 4.10.2", domain,
        "Organizational Domain %.*s", AM_ARG(org));
}

/* The Organizational Domain of an identifier; absent: not to be found out. */
static am_str org_of(judge *j, am_str domain)
{
    for (size_t i = 0; i < j->walks; i++)
        if (am_str_ieq(j->walked[i].domain, domain))
            return j->walked[i].org;
    known *k = &j->walked[j->walks++];
    am_dmarc_walk w;
    am_dmarc_walk_begin(&w, j->c->arena, j->psl, domain);
    k->domain = domain;
    if (!j->psl)
        am_dmarc_walk_start(&w, j->c); /* one wait instead of one a label */
    if (j->psl || am_dmarc_walk_finish(&w, j->c)) {
        k->org = am_dmarc_walk_org(&w);
        note_org(j, domain, k->org);
    }
    j->secure = j->secure && w.secure;
    return k->org;
}

/* The author's; absent: not to be found out. */
static am_str author_org(judge *j)
{
    if (!j->psl && !am_dmarc_walk_finish(&j->author, j->c))
        return (am_str){NULL, 0};
    am_str org = am_dmarc_walk_org(&j->author);
    if (!j->noted)
        note_org(j, j->author.start, org);
    j->noted = true;
    return org;
}

static bool known_or_room(judge *j, am_str domain)
{
    for (size_t i = 0; i < j->walks; i++)
        if (am_str_ieq(j->walked[i].domain, domain))
            return true;
    return j->walks < j->max_walks;
}

/* RFC 9989 4.10.2: relaxed, the Organizational Domains are the same. */
static alignment relaxed(judge *j, am_str domain)
{
    if (!am_domain_under(domain, am_domain_tail(j->author.start, 1)))
        return APART; /* not even the last label in common */
    am_str org = author_org(j);
    if (!org.n)
        return UNKNOWN;
    if (!am_domain_under(domain, org))
        return APART;
    if (!known_or_room(j, domain)) {
        j->skipped = true;
        return APART;
    }
    am_str own = org_of(j, domain);
    return !own.n ? UNKNOWN : am_str_ieq(own, org) ? ALIGNED : APART;
}

static bool same(const judge *j, const am_dmarc_id *id)
{
    return am_str_ieq(id->domain, j->author.start);
}

static alignment align(judge *j, const am_dmarc_id *id)
{
    bool strict = id->method == AM_DMARC_SPF ? j->record.strict_spf : j->record.strict_dkim;
    const char *rfc = id->method == AM_DMARC_SPF ? "9989 4.4.2" : "9989 4.4.1";
    static const char *const word[] = {"not aligned", "aligned", "alignment unknown"};
    alignment x = same(j, id) ? ALIGNED : strict ? APART : relaxed(j, id->domain);
    am_trace_notef(
        j->c->trace, "dmarc", rfc, id->domain, "%s (%s)", word[x], strict ? "strict" : "relaxed");
    return x;
}

/* Everything that passed. `same_only`: no look-ups yet, so that an equal name
 * spares the walks of its method's others. True: one's alignment is unknown. */
static bool align_passed(
    judge *j, am_dmarc_verdict *v, const am_dmarc_id *id, size_t n, bool same_only)
{
    bool unknown = false;
    for (size_t i = 0; i < n; i++) {
        bool *aligned = id[i].method == AM_DMARC_SPF ? &v->spf_aligned : &v->dkim_aligned;
        if (id[i].result != AM_PASS || !id[i].domain.n || *aligned)
            continue;
        if (same_only && !same(j, &id[i]))
            continue;
        alignment x = align(j, &id[i]);
        *aligned = x == ALIGNED;
        unknown = unknown || x == UNKNOWN;
    }
    return unknown;
}

/* An SPF or DKIM temperror leaves the verdict open only where that identifier could have aligned.
 */
static bool temperror_matters(judge *j, const am_dmarc_id *id, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (id[i].result == AM_TEMPERROR && id[i].domain.n && align(j, &id[i]) != APART)
            return true;
    return false;
}

/* RFC 9989 5.3.4 to 5.3.6, with a record that applies. */
static void judge_ids(judge *j, am_dmarc_verdict *v, const am_dmarc_id *id, size_t n)
{
    align_passed(j, v, id, n, true);
    bool unknown = align_passed(j, v, id, n, false);
    if (v->spf_aligned || v->dkim_aligned) {
        v->result = AM_PASS;
    } else if (unknown) {
        v->result = AM_TEMPERROR;
        v->reason = "DNS failure";
    } else if (temperror_matters(j, id, n)) {
        v->result = AM_TEMPERROR;
        v->reason = "SPF or DKIM temperror";
    } else {
        v->result = AM_FAIL;
        v->reason = j->skipped ? "too many identifiers" : "";
        v->requested = v->testing ? one_down(v->policy) : v->policy;
    }
}

/* For those who read the verdict: nothing else hangs on it any more, and an
 * error changes nothing. RFC 9989 4.10.2: where all names are the author's and it has a
 * record, it is the Organizational Domain. */
static am_str describe_org(judge *j, const am_dmarc_id *id, size_t n)
{
    size_t passed = 0, equal = 0;
    for (size_t i = 0; i < n; i++) {
        passed += id[i].result == AM_PASS;
        equal += id[i].result == AM_PASS && same(j, &id[i]);
    }
    bool own = j->author.n && j->author.found[0].domain.n == j->author.start.n;
    if (!j->psl && own && passed && passed == equal) {
        note_org(j, j->author.start, j->author.start);
        return j->author.start;
    }
    return author_org(j);
}

/* Nothing known but this. */
static am_dmarc_verdict blank(am_result r, am_str domain, const char *reason)
{
    return (am_dmarc_verdict){.result = r,
        .domain = domain,
        .reason = reason,
        .record.psd = 'u',
        .record.fo = AM_STR("0")};
}

static am_dmarc_verdict evaluate(judge *j, const am_dmarc_id *id, size_t n)
{
    am_dmarc_verdict v = blank(AM_NONE, j->author.start, "");
    bool applies = discover(j, &v);
    if (applies)
        judge_ids(j, &v, id, n);
    /* of the author's answers, those that the verdict hangs on: before the rest is asked */
    v.secure = j->secure && j->author.secure;
    if (applies || (j->author.ended && !j->author.error))
        v.org_domain = describe_org(j, id, n);
    return v;
}

static am_dmarc_verdict check(const am_context *c, const am_dmarc_options *o,
    const am_author *author, const am_dmarc_id *id, size_t n)
{
    const am_str absent = {NULL, 0}, domain = author->mailbox.domain;
    if (am_arena_failed(c->arena))
        return blank(AM_TEMPERROR, absent, "out of memory");
    if (author->status == AM_AUTHOR_BAD) { /* RFC 9989 5.3.1: validation is not possible */
        am_dmarc_verdict v = blank(AM_PERMERROR, absent, author->reason);
        v.from_malformed = true;
        v.requested = AM_DMARC_REJECT;
        return v;
    }
    if (!domain.n)
        return blank(AM_NONE, absent, "no author domain");
    size_t max = o->max_walks ? o->max_walks : MAX_WALKS;
    judge j = {.c = c, .psl = o->psl, .max_walks = max < n ? max : n, .secure = true};
    j.walked = am_arena_array(c->arena, j.max_walks, sizeof *j.walked);
    if (!j.walked)
        return blank(AM_TEMPERROR, domain, "out of memory");
    am_dmarc_walk_begin(&j.author, c->arena, o->psl, domain);
    am_dmarc_verdict v = evaluate(&j, id, n);
    return am_arena_failed(c->arena) ? blank(AM_TEMPERROR, domain, "out of memory") : v;
}

am_dmarc_verdict am_dmarc_check(const am_context *c, const am_dmarc_options *o,
    const am_author *author, const am_dmarc_id *id, size_t n)
{
    am_dmarc_verdict v = check(c, o, author, id, n);
    am_trace_result(c->trace, "dmarc", v.domain.n ? "9989 5.3.5" : "9989 5.3.1",
        v.domain.n ? v.domain : AM_STR("From"), v.result, am_str_of(v.reason));
    return v;
}
