/*
 * json: evidence as JSON (jansson), for scripts.
 *
 * For: authmill check, and whoever keeps evidence as JSON. The names are
 * promises. Waits: never. Memory: the caller's json_t. Callers: tools.
 */
#include "tools/json.h"
#include "libauth/mail/scan.h"

#include <string.h>

/* jansson says of each call whether it failed; who builds an object of a hundred members asks once,
 * at the end. */
static bool memory_short;

static void *get(size_t n)
{
    void *p = malloc(n);
    memory_short = memory_short || !p;
    return p;
}

void am_json_watch(void)
{
    memory_short = false;
    json_set_alloc_funcs(get, free);
}

bool am_json_short(void)
{
    return memory_short;
}

json_t *am_json_str(am_str s)
{
    char *text = get(3 * s.n + 1);
    size_t n = 0;
    if (!text)
        return NULL;
    for (size_t i = 0; i < s.n;) {
        size_t len = am_utf8_len(am_str_cut(s, i, s.n));
        memcpy(text + n, len ? s.p + i : "\xef\xbf\xbd", len ? len : 3);
        n += len ? len : 3;
        i += len ? len : 1;
    }
    json_t *j = json_stringn(text, n);
    free(text);
    return j;
}

static void put(json_t *o, const char *key, am_str value)
{
    json_object_set_new(o, key, am_json_str(value));
}

static void putc_(json_t *o, const char *key, const char *value)
{
    put(o, key, am_str_of(value));
}

static json_t *with_result(am_result r)
{
    json_t *o = json_object();
    putc_(o, "result", am_result_word(r));
    return o;
}

/* The same of a method that asked the DNS: was every answer vouched for (AD)? */
static json_t *with_answers(am_result r, bool secure)
{
    json_t *o = with_result(r);
    json_object_set_new(o, "dnssec", json_boolean(secure));
    return o;
}

static json_t *spf(const am_evidence *e)
{
    json_t *o = with_answers(e->spf.result, e->spf.secure);
    put(o, "domain", e->spf.domain);
    putc_(o, "scope", e->spf_from_helo ? "helo" : "mfrom");
    put(o, "explanation", e->spf.explanation);
    put(o, "mechanism", e->spf.mechanism);
    put(o, "reason", e->spf.reason);
    return o;
}

static json_t *spf_helo(const am_evidence *e)
{
    json_t *o = with_answers(e->helo_spf.result, e->helo_spf.secure);
    put(o, "domain", e->helo_spf.domain);
    put(o, "reason", e->helo_spf.reason);
    return o;
}

static json_t *signature(am_arena *a, const am_dkim_verdict *v)
{
    json_t *o = with_answers(v->result, v->secure);
    put(o, "domain", v->domain);
    put(o, "selector", v->selector);
    put(o, "identity", v->identity);
    put(o, "algorithm", v->algorithm);
    json_object_set_new(o, "key_bits", json_integer(v->key_bits));
    put(o, "b", am_str_cut(v->signature, 0, 8));
    am_str reason = am_str_of(v->reason);
    if (v->detail.n)
        reason = am_str_format(a, "%s: %.*s", v->reason, AM_ARG(v->detail));
    put(o, "reason", reason);
    if (v->testing)
        json_object_set_new(o, "testing", json_true());
    return o;
}

static json_t *dkim(const am_evidence *e)
{
    json_t *list = json_array();
    am_arena *a = am_arena_new(0);
    for (size_t i = 0; a && i < e->dkims; i++)
        json_array_append_new(list, signature(a, &e->dkim[i]));
    memory_short = memory_short || !a || am_arena_failed(a);
    am_arena_free(a);
    return list;
}

/* What trusted sealers make of a DMARC fail. */
static json_t *trusted(const am_trust *t)
{
    json_t *o = json_object();
    json_object_set_new(o, "overridden", json_boolean(t->overridden));
    json_object_set_new(o, "instance", json_integer(t->instance));
    putc_(o, "reason", t->reason);
    return o;
}

static json_t *arc(const am_evidence *e)
{
    json_t *o = with_answers(e->arc.result, e->arc.secure);
    json_object_set_new(o, "instance", json_integer(e->arc.instance));
    if (e->arc.result == AM_PASS)
        json_object_set_new(o, "oldest_pass", json_integer(e->arc.oldest_pass));
    if (e->arc.at)
        json_object_set_new(o, "at", json_integer(e->arc.at));
    putc_(o, "reason", e->arc.reason);
    if (e->has_trust)
        json_object_set_new(o, "trusted", trusted(&e->trust));
    return o;
}

static json_t *dmarc(const am_evidence *e, const char *disposition)
{
    const am_dmarc_verdict *v = &e->dmarc;
    json_t *o = with_answers(v->result, v->secure);
    put(o, "domain", v->domain);
    put(o, "org_domain", v->org_domain);
    put(o, "policy_domain", v->policy_domain);
    putc_(o, "policy", v->has_policy ? am_dmarc_policy_word(v->policy) : "");
    putc_(o, "disposition", disposition);
    json_object_set_new(o, "spf_aligned", json_boolean(v->spf_aligned));
    json_object_set_new(o, "dkim_aligned", json_boolean(v->dkim_aligned));
    putc_(o, "reason", v->reason);
    return o;
}

static json_t *iprev(const am_evidence *e)
{
    json_t *o = with_answers(e->iprev.result, e->iprev.secure);
    put(o, "name", e->iprev.name);
    putc_(o, "reason", e->iprev.reason);
    return o;
}

static json_t *auth(const am_evidence *e)
{
    json_t *o = with_result(e->auth.result);
    put(o, "user", e->auth_user);
    putc_(o, "reason", e->auth.reason);
    return o;
}

static json_t *with_reason(am_result r, am_str reason)
{
    json_t *o = with_result(r);
    put(o, "reason", reason);
    return o;
}

static json_t *sender_id(const am_evidence *e)
{
    json_t *o = with_reason(e->sender_id.result, e->sender_id.reason);
    put(o, "domain", e->sender_id.domain);
    putc_(o, "field", e->pra.field);
    return o;
}

static json_t *hop(const am_evidence *e)
{
    char text[AM_IP_TEXT];
    json_t *o = json_object();
    json_object_set_new(o, "found", json_boolean(e->hop.found));
    putc_(o, "relay", am_ip_text(&e->relay, text));
    putc_(o, "ip", am_ip_text(&e->ip, text));
    put(o, "helo", e->helo);
    putc_(o, "reason", e->hop.reason);
    return o;
}

/* Methods of our own, and historic ones: there only where they ran. */
static void put_others(json_t *j, const am_evidence *e)
{
    if (e->hop.relayed)
        json_object_set_new(j, "hop", hop(e));
    if (e->has_helo_check)
        json_object_set_new(
            j, "x-helo", with_reason(e->helo_check.result, am_str_of(e->helo_check.reason)));
    if (e->has_align)
        json_object_set_new(
            j, "x-auth-align", with_reason(e->align.result, am_str_of(e->align.reason)));
    if (e->has_tls)
        json_object_set_new(j, "x-tls", with_reason(e->tls.result, am_str_of(e->tls.reason)));
    if (e->has_trail)
        json_object_set_new(j, "x-trail", with_reason(e->trail.result, e->trail.reason));
    if (e->has_sender_id)
        json_object_set_new(j, "sender-id", sender_id(e));
}

static json_t *steps(const am_trace *t)
{
    json_t *list = json_array();
    for (const am_step *s = t ? t->first : NULL; s; s = s->next) {
        json_t *o = json_object();
        putc_(o, "step", s->step);
        putc_(o, "rfc", s->rfc);
        put(o, "question", s->question);
        put(o, "answer", s->answer);
        json_array_append_new(list, o);
    }
    return list;
}

json_t *am_json_evidence(const am_evidence *e, const am_json_outcome *o, bool explain)
{
    json_t *j = json_object();
    if (e->has_spf)
        json_object_set_new(j, "spf", spf(e));
    if (e->has_spf && e->has_helo)
        json_object_set_new(j, "spf_helo", spf_helo(e));
    if (e->has_arc)
        json_object_set_new(j, "arc", arc(e));
    if (e->has_dmarc) {
        json_object_set_new(j, "dkim", dkim(e));
        json_object_set_new(j, "dmarc", dmarc(e, o->disposition));
    }
    if (e->has_iprev)
        json_object_set_new(j, "iprev", iprev(e));
    if (e->has_auth)
        json_object_set_new(j, "auth", auth(e));
    put_others(j, e);
    if (e->fault)
        putc_(j, "fault", e->fault);
    putc_(j, "action", o->action);
    put(j, "authentication_results", o->authres);
    if (explain)
        json_object_set_new(j, "explain", steps(e->trace));
    return j;
}
