/*
 * results: evidence to Authentication-Results (RFC 8601, 7208, 6376, 9989).
 *
 * For: the milter and the tools. Says which method has which properties; how
 * they are spelt, quoted and folded is libauth/authres's matter. Waits: never.
 * Memory: the caller's arena. Callers: anyone who has evidence.
 */
#include "libauth/message.h"
#include "libauth/base/domain.h"
#include "libauth/base/lex.h"

#include <stddef.h>
#include <string.h>

typedef struct builder {
    am_arena *arena;
    const am_evidence *e;
    const am_results_options *o;
    am_resinfo *info;
    size_t n;
} builder;

enum {
    MAX_PROPERTIES = 8,
    MAX_BROKEN = 50, /* signatures shown that no key was found for */
    UNIQUE = 64,     /* characters of a signature */
};

static am_resinfo *add(builder *b, const char *method, am_result result)
{
    am_resinfo *r = &b->info[b->n++];
    *r = (am_resinfo){.method = am_str_of(method), .result = am_str_of(am_result_word(result))};
    r->property = am_arena_array(b->arena, MAX_PROPERTIES, sizeof *r->property);
    return r;
}

static void property(am_resinfo *r, const char *ptype, const char *name, am_str value)
{
    if (!r->property || value.n == 0 || r->properties == MAX_PROPERTIES)
        return;
    ((am_property *)(uintptr_t)r->property)[r->properties++] =
        (am_property){am_str_of(ptype), am_str_of(name), value};
}

/* policy.dnssec (registered for dnswl by RFC 8904, used so by others): every answer that the result
 * hangs on was vouched for by a resolver that is trusted. */
static void vouched(const builder *b, am_resinfo *r, bool secure)
{
    if (b->o->dnssec && secure)
        property(r, "policy", "dnssec", AM_STR("pass"));
}

/* RFC 8601 4 and 2.7.2: the domain alone, unless the record used the local-part. */
static am_str sender_value(const builder *b)
{
    const am_mailbox *s = &b->e->sender;
    if (s->domain.n && s->local.n && (b->o->full_sender || b->e->spf.local_used))
        return am_str_join3(b->arena, s->local, AM_STR("@"), s->domain);
    return s->domain;
}

/* Behind a relay of ours: whose address was judged in place of the client's. */
static void add_hop(const builder *b, am_resinfo *r)
{
    char text[AM_IP_TEXT];
    if (b->e->hop.relayed)
        property(r, "policy", "hop",
            b->e->hop.found ? am_str_copy(b->arena, am_str_of(am_ip_text(&b->e->ip, text)))
                            : AM_STR("unknown"));
}

/* A HELO name: U-labels only in a message that is internationalised itself (RFC 8601 1.5.2). */
static am_str helo_value(const builder *b)
{
    am_str helo = b->e->helo, domain;
    if (b->e->utf8 || am_str_is_ascii(helo))
        return helo;
    if (am_domain_normalise(b->arena, helo, &domain))
        return domain;
    am_buf masked = {.arena = b->arena};
    for (size_t i = 0; i < helo.n; i++)
        am_buf_char(&masked, am_is(helo.p[i], AM_HIGH) ? '?' : helo.p[i]);
    return am_buf_get(&masked);
}

/* i= in UTF-8 only there too (RFC 8601 2.7.1); elsewhere quoted as in the tag (RFC 6376 2.11). */
static am_str identity_value(const builder *b, am_str identity)
{
    am_buf quoted = {.arena = b->arena};
    if (b->e->utf8 || am_str_is_ascii(identity))
        return identity;
    for (size_t i = 0; i < identity.n; i++)
        if (am_is(identity.p[i], AM_HIGH) || identity.p[i] == '=')
            am_buf_format(&quoted, "=%02X", (unsigned)(unsigned char)identity.p[i]);
        else
            am_buf_char(&quoted, identity.p[i]);
    return am_buf_get(&quoted);
}

static void add_spf(builder *b)
{
    const am_evidence *e = b->e;
    if (e->has_spf && !e->spf_from_helo) {
        am_resinfo *r = add(b, "spf", e->spf.result);
        r->reason = e->spf.reason;
        property(r, "smtp", "mailfrom", sender_value(b));
        vouched(b, r, e->spf.secure);
        add_hop(b, r);
    }
    /* RFC 8601 2.7.2: an entry names only the identity that produced it. */
    if (e->has_spf && (e->has_helo || e->spf_from_helo)) {
        am_resinfo *r = add(b, "spf", e->helo_spf.result);
        r->reason = e->helo_spf.reason;
        property(r, "smtp", "helo", helo_value(b));
        vouched(b, r, e->helo_spf.secure);
        add_hop(b, r);
    }
}

/* RFC 6008 4: at least eight characters, more where they would not be unique; as far as UNIQUE, so
 * that a heap of equal signatures costs nothing. */
am_str am_results_signature(const am_evidence *e, size_t i)
{
    am_str b = e->dkim[i].signature;
    size_t n = 8;
    for (size_t k = 0; k < e->dkims; k++) {
        am_str other = e->dkim[k].signature;
        size_t same = 0;
        while (
            k != i && same < b.n && same < other.n && same < UNIQUE && b.p[same] == other.p[same])
            same++;
        if (k != i && same < b.n && same < UNIQUE && same >= n)
            n = same + 1;
    }
    return am_str_cut(b, 0, n);
}

static void add_signature(builder *b, size_t i)
{
    const am_dkim_verdict *v = &b->e->dkim[i];
    am_resinfo *r = add(b, "dkim", v->result);
    r->reason = am_str_of(v->reason);
    if (v->detail.n)
        r->reason = am_str_join3(b->arena, r->reason, AM_STR(": "), v->detail);
    if (v->testing)
        r->comment = AM_STR("the key says t=y: testing");
    property(r, "header", "d", v->domain);
    property(r, "header", "i", identity_value(b, v->identity));
    property(r, "header", "s", v->selector);
    property(r, "header", "a", v->algorithm);
    property(r, "header", "b", am_results_signature(b->e, i));
    vouched(b, r, v->secure);
}

static void add_dkim(builder *b)
{
    const am_evidence *e = b->e;
    size_t skipped = 0, broken = 0, last_broken = 0;
    if (e->limit) {
        add(b, "dkim", AM_PERMERROR)->reason = am_str_of(e->limit);
        return;
    }
    if (e->dkims == 0)
        add(b, "dkim", AM_NONE);
    for (size_t i = 0; i < e->dkims; i++) {
        const am_dkim_verdict *v = &e->dkim[i];
        bool skip = e->dkims_skipped && strcmp(v->reason, "not evaluated") == 0;
        bool bad = !skip && v->result != AM_PASS && v->key_bits == 0;
        if ((skip && skipped++) || (bad && broken++ >= MAX_BROKEN))
            continue;
        add_signature(b, i);
        if (skip)
            b->info[b->n - 1].comment =
                am_str_format(b->arena, "%zu signature%s over the limit not evaluated",
                    e->dkims_skipped, e->dkims_skipped == 1 ? "" : "s");
        if (bad)
            last_broken = b->n - 1;
    }
    if (broken > MAX_BROKEN)
        b->info[last_broken].comment = am_str_format(
            b->arena, "and %zu more that could not be evaluated", broken - MAX_BROKEN);
}

/* RFC 8617 10.2, 10.3; a chain that is not there is not told. */
static void add_arc(builder *b)
{
    const am_arc_verdict *v = &b->e->arc;
    char text[AM_IP_TEXT];
    if (v->result == AM_NONE)
        return;
    am_resinfo *r = add(b, "arc", v->result);
    r->reason = am_str_of(v->reason);
    if (v->at)
        r->reason = am_str_format(b->arena, "instance %u: %s", v->at, v->reason);
    property(r, "smtp", "remote-ip", am_str_copy(b->arena, am_str_of(am_ip_text(&b->e->ip, text))));
    if (v->result == AM_PASS)
        property(r, "header", "oldest-pass", am_str_format(b->arena, "%u", v->oldest_pass));
    vouched(b, r, v->secure);
}

/* RFC 9989 9.1: policy.dmarc is the policy after the record's own options. */
static void add_dmarc(builder *b)
{
    const am_dmarc_verdict *v = &b->e->dmarc;
    am_resinfo *r = add(b, "dmarc", v->result);
    r->reason = am_str_of(v->reason);
    property(r, "header", "from", v->domain);
    vouched(b, r, v->secure);
    am_dmarc_policy policy = v->policy;
    if (v->testing && policy != AM_DMARC_NONE)
        policy--;
    if (v->has_policy)
        property(r, "policy", "dmarc", am_str_of(am_dmarc_policy_word(policy)));
    if (b->e->trust.overridden) /* RFC 8617 7.2.1; the property is ours */
        property(r, "policy", "arc", AM_STR("override"));
    /* RFC 8601 2.3: policy.* says why a result was not acted upon as it stands; names of ours */
    property(r, "policy", "rule", am_str_of(b->o->rule));
    property(r, "policy", "reason", am_str_of(b->o->reason));
}

static void add_iprev(builder *b)
{
    char text[AM_IP_TEXT];
    am_resinfo *r = add(b, "iprev", b->e->iprev.result);
    r->reason = am_str_of(b->e->iprev.reason);
    r->comment = b->e->iprev.name;
    property(r, "policy", "iprev", am_str_copy(b->arena, am_str_of(am_ip_text(&b->e->ip, text))));
    vouched(b, r, b->e->iprev.secure);
    add_hop(b, r);
}

static void add_helo(builder *b)
{
    const am_helo_verdict *v = &b->e->helo_check;
    am_resinfo *r = add(b, "x-helo", v->result);
    r->reason = am_str_of(v->reason);
    property(r, "smtp", "helo", helo_value(b));
}

/* RFC 8601 2.7.4: smtp.auth is who logged in, smtp.mailfrom whom a trusted client speaks for. */
static void add_auth(builder *b)
{
    const am_smtpauth_verdict *v = &b->e->auth;
    am_resinfo *r = add(b, "auth", v->result);
    r->reason = am_str_of(v->reason);
    property(r, "smtp", "auth", b->e->auth_user);
    if (v->status == AM_SMTPAUTH_AUTHOR)
        property(r, "smtp", "mailfrom",
            am_str_join3(b->arena, v->author.local, AM_STR("@"), v->author.domain));
}

static void add_align(builder *b)
{
    const am_authalign_verdict *v = &b->e->align;
    am_resinfo *r = add(b, "x-auth-align", v->result);
    r->reason = am_str_of(v->reason);
    property(r, "smtp", "auth", b->e->auth_user);
}

static void add_tls(builder *b)
{
    const am_tls_verdict *v = &b->e->tls;
    am_resinfo *r = add(b, "x-tls", v->result);
    r->reason = am_str_of(v->reason);
    property(r, "policy", "version", v->version);
    property(r, "policy", "cipher", v->cipher);
    if (v->bits)
        property(r, "policy", "bits", am_str_format(b->arena, "%u", v->bits));
    property(r, "policy", "subject", v->subject);
}

static void add_sender_id(builder *b)
{
    const am_spf_verdict *v = &b->e->sender_id;
    am_resinfo *r = add(b, "sender-id", v->result);
    r->reason = v->reason;
    property(r, "header", b->e->pra.field, b->e->pra.mailbox.domain);
}

static void add_trail(builder *b)
{
    add(b, "x-trail", b->e->trail.result)->reason = b->e->trail.reason;
}

/* The methods whose results stand in the field where they ran, in this order. */
static const struct {
    size_t ran; /* where am_evidence says so */
    void (*add)(builder *b);
} methods[] = {
    {offsetof(am_evidence, has_spf), add_spf},
    {offsetof(am_evidence, has_dmarc), add_dkim},
    {offsetof(am_evidence, has_arc), add_arc},
    {offsetof(am_evidence, has_dmarc), add_dmarc},
    {offsetof(am_evidence, has_iprev), add_iprev},
    {offsetof(am_evidence, has_sender_id), add_sender_id},
    {offsetof(am_evidence, has_auth), add_auth},
    {offsetof(am_evidence, has_align), add_align},
    {offsetof(am_evidence, has_helo_check), add_helo},
    {offsetof(am_evidence, has_tls), add_tls},
    {offsetof(am_evidence, has_trail), add_trail},
};

enum { METHODS = sizeof methods / sizeof *methods };

am_authres am_results(am_arena *a, const am_evidence *e, const am_results_options *o)
{
    builder b = {.arena = a, .e = e, .o = o};
    b.info = am_arena_array(a, e->dkims + METHODS + 2, sizeof *b.info);
    am_authres r = {.id = am_str_of(o->authserv_id), .version = 1};
    if (!b.info)
        return r;
    for (size_t i = 0; i < METHODS; i++)
        if (*(const bool *)((const char *)e + methods[i].ran))
            methods[i].add(&b);
    r.result = b.info;
    r.results = b.n;
    return r;
}
