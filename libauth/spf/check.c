/*
 * check: SPF's check_host, and the door of this room.
 *
 * For: RFC 7208 4 (evaluation), 6 (redirect, exp); RFC 4406 4 (Sender ID's scopes). May wait:
 * am_spf_check. Memory: the context's arena; small records are kept with their DNS answer.
 * Recursion: includes alone, bounded by max_terms and AM_SPF_DEPTH_MAX. Callers:
 * the pipeline of a message.
 */
#include "libauth/spf/eval.h"
#include "libauth/base/domain.h"
#include "libauth/base/lex.h"

#include <stdlib.h>

/* Octets. A longer record is parsed for each message: the cache counts as much for a parsed one. */
enum { KEEP_MAX = 2048, EXPLANATION_MAX = 500 };

/* ---- records ---- */

static const struct {
    const char *step;  /* for the trace */
    const char *scope; /* of spf2 records that count; NULL: none do */
    char kind;         /* its address is the kind of the parsed record; [0]: of v=spf1 */
} scopes[] = {
    [AM_SPF_SCOPE_SPF] = {"spf", NULL, 's'},
    [AM_SPF_SCOPE_PRA] = {"sender-id", "pra", 'p'},
    [AM_SPF_SCOPE_MFROM] = {"sender-id", "mfrom", 'm'},
};

/* What the records of an answer come to (RFC 7208 4.5, RFC 4406 4.4). */
typedef struct selection {
    am_str text;      /* the first */
    size_t n;         /* how many are left */
    const void *kind; /* of the parsed form */
} selection;

static selection select_records(const am_dns_answer *x, am_spf_scope scope)
{
    selection v1 = {.kind = &scopes[AM_SPF_SCOPE_SPF].kind}, v2 = {.kind = &scopes[scope].kind};
    for (size_t i = 0; i < x->n; i++) {
        am_str text = x->rr[i].data;
        bool second = scopes[scope].scope && am_spf_record_is_scope(text, scopes[scope].scope);
        selection *s = second ? &v2 : &v1;
        if ((second || am_spf_record_is(text)) && s->n++ == 0)
            s->text = text;
    }
    return v2.n ? v2 : v1; /* RFC 4406 4.4, step 4 */
}

/* Parses into a block of its own, to be kept with the answer, or for this message alone. */
static am_result parse_record(am_arena *a, const am_dns_answer *x, const selection *s,
    const am_spf_record **out, am_error *why)
{
    am_str text = s->text;
    size_t size = am_spf_record_size(text);
    bool keep = size <= KEEP_MAX;
    void *block = keep ? malloc(size) : a ? am_arena_alloc(a, size) : NULL;
    *out = block ? am_spf_record_parse(text, block, why) : NULL;
    if (block && !*out) {
        if (keep)
            free(block);
        return AM_PERMERROR;
    }
    if (*out && keep)
        *out = am_dns_parsed_keep(x, s->kind, block, free);
    if (!*out)
        am_error_set(why, "out of memory");
    return *out ? AM_PASS : AM_TEMPERROR;
}

am_result am_spf_select(am_arena *a, const am_dns_answer *x, am_spf_scope scope,
    const am_spf_record **out, am_error *why)
{
    selection s = select_records(x, scope);
    if (scope == AM_SPF_SCOPE_PRA && x->status == AM_DNS_NXDOMAIN) { /* RFC 4406 4.3 */
        am_error_set(why, "no such domain");
        return AM_FAIL;
    }
    if (s.n == 0) { /* RFC 7208 4.3, 4.5 */
        am_error_set(why, x->status == AM_DNS_NXDOMAIN ? "no such domain" : "no SPF record");
        return AM_NONE;
    }
    if (s.n > 1) {
        am_error_set(why, "several SPF records");
        return AM_PERMERROR;
    }
    *out = am_dns_parsed_get(x, s.kind);
    return *out ? AM_PASS : parse_record(a, x, &s, out, why);
}

/* RFC 7208 4.3 to 4.6: pass: *out is there. */
static am_result get_record(am_spf_eval *e, am_str domain, const am_spf_record **out)
{
    am_error why;
    if (!am_domain_askable(domain) || am_domain_labels(domain) < 2) {
        e->reason = AM_STR("not a domain name of several labels");
        return AM_NONE;
    }
    const am_dns_answer *x = am_spf_need(e, "7208 4.4", domain, AM_DNS_TXT);
    if (!x)
        return e->error;
    am_result r = am_spf_select(e->c->arena, x, e->scope, out, &why);
    if (r == AM_NONE || r == AM_FAIL)
        e->reason = am_str_format(e->c->arena, "%.*s: %s", AM_ARG(domain), why.text);
    else if (r != AM_PASS)
        am_spf_fail(e, r, "%.*s: %s", AM_ARG(domain), why.text);
    if (r != AM_PASS)
        am_spf_note(e, r == AM_PERMERROR ? "7208 4.6" : "7208 4.5", domain, why.text);
    return r;
}

/* ---- evaluation ---- */

/* RFC 7208 4.6.2: from left to right; the first that matches, or fails, decides. */
static const am_spf_term *first_match(
    am_spf_eval *e, const am_spf_record *r, const am_spf_place *at)
{
    for (size_t i = 0; i < r->terms; i++) {
        const am_spf_term *t = &r->term[i];
        bool hit = am_spf_match(e, at, t);
        am_spf_note(e, am_spf_section(t->kind), t->text,
            e->error ? am_result_word(e->error)
            : hit    ? am_result_word(t->result)
                     : "no match");
        if (at->depth == 0 && (hit || e->error))
            e->mechanism = t->text;
        if (hit || e->error)
            return t;
    }
    return NULL;
}

/* RFC 7208 6.1 */
static bool redirect(am_spf_eval *e, const am_spf_record *r, am_str *domain)
{
    am_str from = *domain;
    if (!am_spf_count_term(e))
        return false;
    if (am_spf_string_uses(r->redirect, 's') || am_spf_string_uses(r->redirect, 'l'))
        e->local_used = true;
    if (!am_spf_target(e, from, r->redirect, true, domain))
        return am_spf_fail(e, AM_PERMERROR, "redirect of %.*s: not a domain name", AM_ARG(from));
    am_spf_note(e, "7208 6.1", from, "redirected");
    return true;
}

am_result am_spf_check_host(am_spf_eval *e, am_spf_place at)
{
    if (at.depth > AM_SPF_DEPTH_MAX)
        am_spf_fail(e, AM_PERMERROR, "includes nested too deeply");
    for (bool redirected = false; !e->error; redirected = true) {
        const am_spf_record *r = NULL;
        am_result got = get_record(e, at.domain, &r);
        am_str why = e->reason;
        if (got == AM_NONE && redirected) /* RFC 7208 6.1 */
            am_spf_fail(e, AM_PERMERROR, "redirect: %.*s", AM_ARG(why));
        if (got == AM_FAIL && at.depth == 0)
            e->mechanism = AM_STR("");
        if (got != AM_PASS)
            return e->error ? e->error : got;
        if (at.depth == 0)
            e->mechanism = AM_STR("default");
        const am_spf_term *t = first_match(e, r, &at);
        if (e->error)
            break;
        if (t && at.depth == 0) {
            e->exp = &r->exp;
            e->exp_domain = at.domain;
        }
        if (t)
            return t->result;
        if (!r->redirect.n) /* RFC 7208 4.7; where there is an "all", it has matched (5.1) */
            return AM_NEUTRAL;
        redirect(e, r, &at.domain);
    }
    return e->error;
}

/* ---- explanation (6.2) ---- */

static bool printable(am_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!am_is(s.p[i], AM_VCHAR) && s.p[i] != ' ')
            return false;
    return true;
}

/* Empty: none was published, or something is wrong with it. Look-ups for it are outside the
 * limits of 4.6.4, but not outside max_questions. */
static am_str explanation(am_spf_eval *e)
{
    am_arena *a = e->c->arena;
    const am_str none = AM_STR("");
    am_str name;
    am_spf_string text;
    if (!e->exp || !e->exp->n || !am_spf_target(e, e->exp_domain, *e->exp, false, &name))
        return none;
    const am_dns_answer *x = am_spf_ask(e, "7208 6.2", name, AM_DNS_TXT);
    if (!x || x->n != 1)
        return none;
    am_spf_piece *room = am_arena_array(a, am_spf_string_room(x->rr[0].data), sizeof *room);
    if (!room || !am_spf_string_parse(x->rr[0].data, true, room, &text) ||
        !am_spf_set_p(e, e->exp_domain, text, false))
        return none;
    am_spf_values_set(&e->values, 'd', e->exp_domain);
    am_spf_values_set(&e->values, 't', am_str_format(a, "%lld", (long long)e->c->now));
    if (!am_spf_string_usable(text, &e->values))
        return none;
    am_str s = am_spf_expand_text(a, text, &e->values, EXPLANATION_MAX);
    return s.p && printable(s) ? s : none;
}

/* ---- the door ---- */

static unsigned or_default(unsigned v, unsigned fallback)
{
    return v ? v : fallback;
}

/* RFC 8616 4: U-labels become A-labels before they are used; what is no domain name stays. */
static am_str helo_value(am_arena *a, am_str helo)
{
    am_str domain;
    return !am_str_is_ascii(helo) && am_domain_normalise(a, helo, &domain) ? domain : helo;
}

static bool set_values(am_spf_eval *e, const am_spf_query *q, am_str domain)
{
    am_arena *a = e->c->arena;
    am_buf sender = {.arena = a};
    am_str local = q->local.n ? q->local : AM_STR("postmaster"); /* RFC 7208 4.3 */
    am_buf_str(&sender, local);
    am_buf_char(&sender, '@');
    am_buf_str(&sender, domain);
    am_spf_values_set(&e->values, 's', am_buf_get(&sender));
    am_spf_values_set(&e->values, 'l', local);
    am_spf_values_set(&e->values, 'o', domain);
    am_spf_values_set(&e->values, 'h', helo_value(a, q->helo));
    am_spf_values_set(&e->values, 'r', q->receiver.n ? q->receiver : AM_STR("unknown"));
    return am_spf_values_ip(a, &e->values, &e->ip) && !sender.failed;
}

/* Sets up an evaluation. pass: ready; none: nothing to evaluate; temperror: out of memory. */
static am_result begin(am_spf_eval *e, const am_context *c, const am_spf_options *o,
    const am_spf_query *q, am_str *domain)
{
    *e = (am_spf_eval){
        .c = c, .before = am_dns_waited(c->dns), .reason = AM_STR(""), .mechanism = AM_STR("")};
    e->scope = q->scope;
    e->step = scopes[q->scope].step;
    e->max.max_terms = or_default(o ? o->max_terms : 0, 10);
    e->max.max_void = or_default(o ? o->max_void : 0, 2);
    e->max.max_names = or_default(o ? o->max_names : 0, 10);
    e->max.max_questions = or_default(o ? o->max_questions : 0, AM_SPF_QUESTIONS);
    if (q->ip.family == 0) {
        e->reason = AM_STR("no client address");
        return AM_NONE;
    }
    e->ip = q->ip; /* a mapped address is an IPv4 address already (RFC 7208 5) */
    /* RFC 7208 4.3: malformed, or of one label */
    if (!am_domain_normalise(c->arena, q->domain, domain) || am_domain_labels(*domain) < 2) {
        e->reason = AM_STR("not a domain name of several labels");
        return AM_NONE;
    }
    return set_values(e, q, *domain) ? AM_PASS : AM_TEMPERROR;
}

void am_spf_start(const am_context *c, const am_spf_query *q)
{
    am_spf_eval e;
    am_str domain;
    if (begin(&e, c, NULL, q, &domain) == AM_PASS)
        am_spf_warm(&e, domain, q->helo);
}

am_spf_verdict am_spf_check(const am_context *c, const am_spf_options *o, const am_spf_query *q)
{
    am_spf_eval e;
    am_str domain;
    am_spf_verdict v = {.domain = q->domain, .explanation = AM_STR("")};
    v.result = begin(&e, c, o, q, &domain);
    if (v.result == AM_PASS)
        v.result = am_spf_check_host(&e, (am_spf_place){domain, 0});
    v.mechanism = am_str_copy(c->arena, e.mechanism);
    bool no_record = v.result == AM_FAIL && !v.mechanism.n; /* RFC 4406 4.3 */
    v.reason = v.result == AM_NONE || e.error || no_record ? e.reason : AM_STR("");
    v.local_used = e.local_used;
    v.secure = e.questions && !e.insecure;
    if (v.result == AM_FAIL)
        v.explanation = explanation(&e);
    if (am_arena_failed(c->arena)) {
        v.result = AM_TEMPERROR;
        v.reason = AM_STR("out of memory");
        v.explanation = v.mechanism = AM_STR("");
    }
    am_trace_result(c->trace, e.step, "7208 2.6", v.domain, v.result, v.reason);
    return v;
}
