/*
 * signature: a signature field as plain data, with every rule that needs neither
 * the DNS nor the body (RFC 6376 3.5 and 6.1.1, 8301, 8463, 8616; RFC 8617 4.1).
 *
 * For: both engines of DKIM, and ARC. A row a tag: who must have it, and who
 * reads its value. Waits: never. Memory: the caller's arena, and ranges into the
 * caller's text. Callers: dkim, arc.
 */
#include "libauth/sig/signature.h"
#include "libauth/base/base64.h"
#include "libauth/base/domain.h"
#include "libauth/base/lex.h"
#include "libauth/mail/scan.h"

enum { NUMBER = 12, LENGTH = 76, INSTANCE = 3, SALVAGED = 32 };

/* RFC 8601 2.7.1 leaves the choice among the words to us; what they share: only pass counts. */
static const am_fault faults[AM_SIG_FAULTS] = {
    [AM_SIG_GOOD] = {AM_PASS, "", "6376 6.1.3"},
    [AM_SIG_NO_MEMORY] = {AM_TEMPERROR, "out of memory", "8601 2.7.1"},
    [AM_SIG_TAG_LIST] = {AM_NEUTRAL, "malformed tag list", "6376 3.2"},
    [AM_SIG_MISSING_TAG] = {AM_NEUTRAL, "required tag missing", "6376 6.1.1"},
    [AM_SIG_VERSION] = {AM_NEUTRAL, "unknown version", "6376 6.1.1"},
    [AM_SIG_ALGORITHM] = {AM_NEUTRAL, "unknown algorithm", "6376 3.3.4"},
    [AM_SIG_CANON] = {AM_NEUTRAL, "unknown canonicalization", "6376 3.4"},
    [AM_SIG_QUERY] = {AM_NEUTRAL, "unknown query method", "6376 3.5"},
    [AM_SIG_TAG_VALUE] = {AM_NEUTRAL, "malformed tag value", "6376 6.1.1"},
    [AM_SIG_SHA1] = {AM_PERMERROR, "rsa-sha1 is not acceptable", "8301 3.1"},
    [AM_SIG_NO_FROM] = {AM_PERMERROR, "From is not signed", "6376 6.1.1"},
    [AM_SIG_OUTSIDE] = {AM_PERMERROR, "identity is outside the signing domain", "6376 6.1.1"},
    [AM_SIG_EXPIRED] = {AM_PERMERROR, "signature expired", "6376 6.1.1"},
    [AM_SIG_FUTURE] = {AM_PERMERROR, "signature is from the future", "6376 3.5"},
    [AM_SIG_STRICT] = {AM_PERMERROR, "identity is in a subdomain, key forbids it", "6376 3.6.1"},
    [AM_SIG_RSA_SHORT] = {AM_PERMERROR, "RSA key too short", "8301 3.2"},
    [AM_SIG_HEADER] = {AM_PERMERROR, "header is too large", "6376 6.1.1"},
    [AM_SIG_BODY_SHORT] = {AM_FAIL, "body is shorter than signed", "6376 3.5"},
    [AM_SIG_BODY_HASH] = {AM_FAIL, "body hash did not verify", "6376 6.1.3"},
    [AM_SIG_MISMATCH] = {AM_FAIL, "signature did not verify", "6376 6.1.3"},
    [AM_SIG_RSA_WEAK] = {AM_POLICY, "RSA key shorter than wanted here", "8301 3.2"},
    [AM_SIG_RSA_LONG] = {AM_POLICY, "RSA key longer than wanted here", "8301 3.2"},
    [AM_SIG_UNSIGNED] = {AM_POLICY, "part of the body is not signed", "6376 8.2"},
    [AM_SIG_OPEN] = {AM_PASS, "unsigned", "6376 8.15"},
    [AM_SIG_SKIPPED] = {AM_NEUTRAL, "not evaluated", "6376 6.1"},
    [AM_SIG_CRYPTO] = {AM_TEMPERROR, "cryptographic library failed", "8601 2.7.1"},
};

const am_fault *am_sigfault_get(am_sigfault f)
{
    return &faults[f];
}

typedef struct parsing {
    am_arena *arena;
    am_sigkind kind;
    am_signature *s;
} parsing;

static am_sigfault value_is(bool ok)
{
    return ok ? AM_SIG_GOOD : AM_SIG_TAG_VALUE;
}

/* ---- One function a tag ---- */

static am_sigfault read_v(parsing *x, am_str value)
{
    (void)x;
    return am_str_is(value, "1") ? AM_SIG_GOOD : AM_SIG_VERSION;
}

static am_sigfault read_a(parsing *x, am_str value)
{
    /* RFC 6376 3.2: values are case-sensitive where nothing else is said. */
    if (am_str_is(value, "rsa-sha1"))
        return AM_SIG_SHA1; /* RFC 8301 3.1 */
    x->s->key_type = am_str_is(value, "ed25519-sha256") ? AM_KEY_ED25519 : AM_KEY_RSA;
    return x->s->key_type == AM_KEY_ED25519 || am_str_is(value, "rsa-sha256") ? AM_SIG_GOOD
                                                                              : AM_SIG_ALGORITHM;
}

static am_sigfault read_b(parsing *x, am_str value)
{
    return value_is(am_base64_decode(x->arena, value, &x->s->data) && x->s->data.n);
}

static am_sigfault read_bh(parsing *x, am_str value)
{
    return value_is(am_base64_decode(x->arena, value, &x->s->hash) && x->s->hash.n);
}

static am_sigfault read_canon(am_str word, am_canon *out)
{
    *out = am_str_is(word, "relaxed") ? AM_RELAXED : AM_SIMPLE;
    return *out == AM_RELAXED || am_str_is(word, "simple") ? AM_SIG_GOOD : AM_SIG_CANON;
}

static am_sigfault read_c(parsing *x, am_str value)
{
    size_t slash = am_str_find(value, '/');
    am_sigfault rc = read_canon(am_str_cut(value, 0, slash), &x->s->header);
    x->s->body = AM_SIMPLE; /* RFC 6376 3.5: c=relaxed is relaxed/simple */
    if (rc == AM_SIG_GOOD && slash < value.n)
        rc = read_canon(am_str_cut(value, slash + 1, value.n), &x->s->body);
    return rc;
}

static bool ends_in_dot(am_str s)
{
    return s.n && s.p[s.n - 1] == '.';
}

/* RFC 6376 3.5: domain-name = sub-domain 1*("." sub-domain). Reading: "_" is let pass in a label,
 * as names with it exist in the DNS. */
static am_sigfault read_d(parsing *x, am_str value)
{
    am_str domain;
    return value_is(!ends_in_dot(value) && am_domain_normalise(x->arena, value, &domain) &&
                    am_domain_labels(domain) >= 2);
}

static am_sigfault read_s(parsing *x, am_str value)
{
    am_str selector;
    return value_is(!ends_in_dot(value) && am_domain_normalise(x->arena, value, &selector));
}

/* RFC 6376 3.5 h=: field names between colons. ARC's suite wants empty ones let pass. */
static am_sigfault read_h(parsing *x, am_str value)
{
    am_str rest = value, name;
    x->s->names = value;
    while (am_list_next(&rest, ':', &name)) {
        if (name.n == 0 && x->kind == AM_SIG_DKIM)
            return AM_SIG_TAG_VALUE;
        for (size_t i = 0; i < name.n; i++)
            if (!am_is(name.p[i], AM_FTEXT))
                return AM_SIG_TAG_VALUE;
    }
    return AM_SIG_GOOD;
}

static int hex(char c)
{
    return am_is(c, AM_DIGIT) ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* RFC 6376 2.11, with RFC 8616's UTF-8. */
static bool decode_qp(am_arena *a, am_str in, am_str *out)
{
    char *p = am_arena_alloc(a, in.n + 1);
    size_t n = 0;
    if (!p)
        return false;
    for (size_t i = 0; i < in.n; i++) {
        if (am_is(in.p[i], AM_FWS))
            continue;
        if (in.p[i] != '=') {
            p[n++] = in.p[i];
            continue;
        }
        int high = i + 2 < in.n ? hex(in.p[i + 1]) : -1, low = high < 0 ? -1 : hex(in.p[i + 2]);
        if (low < 0)
            return false;
        p[n++] = (char)(high << 4 | low);
        i += 2;
    }
    *out = am_str_n(p, n);
    return true;
}

/* RFC 6376 3.5 i=: [ Local-part ] "@" domain-name. What a local-part means is the signer's
 * affair; control octets are nobody's. */
static am_sigfault read_i(parsing *x, am_str value)
{
    am_str identity, domain;
    if (!decode_qp(x->arena, value, &identity))
        return AM_SIG_TAG_VALUE;
    for (size_t i = 0; i < identity.n; i++)
        if (am_is(identity.p[i], AM_CTL))
            return AM_SIG_TAG_VALUE;
    size_t at = am_str_rfind(identity, '@');
    domain = am_str_cut(identity, at + 1, identity.n);
    if (at == identity.n || ends_in_dot(domain) || !am_domain_normalise(x->arena, domain, &domain))
        return AM_SIG_TAG_VALUE;
    x->s->identity = identity;
    x->s->subdomain = !am_str_eq(domain, x->s->domain);
    return am_domain_under(domain, x->s->domain) ? AM_SIG_GOOD : AM_SIG_OUTSIDE;
}

static am_sigfault read_instance(parsing *x, am_str value)
{
    uint64_t i = 0;
    bool ok = am_str_number(value, INSTANCE, &i) && i > 0;
    x->s->instance = (unsigned)i;
    return value_is(ok);
}

static am_sigfault read_l(parsing *x, am_str value)
{
    uint64_t n;
    if (!am_str_number(value, LENGTH, &n))
        return AM_SIG_TAG_VALUE;
    x->s->length = n < AM_BODY_WHOLE ? n : AM_BODY_WHOLE - 1; /* more than there is all the same */
    return AM_SIG_GOOD;
}

/* RFC 6376 3.5: unknown methods are ignored; dns/txt is the one there is. */
static am_sigfault read_q(parsing *x, am_str value)
{
    am_str item;
    (void)x;
    while (am_list_next(&value, ':', &item))
        if (am_str_is(item, "dns/txt"))
            return AM_SIG_GOOD;
    return AM_SIG_QUERY;
}

static am_sigfault read_t(parsing *x, am_str value)
{
    return value_is(x->s->has_created = am_str_number(value, NUMBER, &x->s->created));
}

static am_sigfault read_x(parsing *x, am_str value)
{
    /* RFC 6376 3.5: x= is greater than t=. The table has t= first. */
    x->s->has_expires = am_str_number(value, NUMBER, &x->s->expires);
    return value_is(x->s->has_expires && (!x->s->has_created || x->s->expires > x->s->created));
}

enum { DKIM = AM_SIG_DKIM, AMS = AM_SIG_AMS, AS = AM_SIG_AS, EVERY = DKIM | AMS | AS };

/* In the order in which faults are found. z= is diagnostic, r= is for reports: neither is read. */
static const struct {
    const char *tag;
    unsigned kinds, required;
    am_sigfault (*read)(parsing *x, am_str value);
} rules[] = {
    {"v", DKIM, DKIM, read_v},
    {"i", AMS | AS, AMS | AS, read_instance},
    {"d", EVERY, EVERY, read_d},
    {"s", EVERY, EVERY, read_s},
    {"c", DKIM | AMS, 0, read_c},
    {"q", DKIM | AMS, 0, read_q},
    {"h", DKIM | AMS, DKIM | AMS, read_h},
    {"bh", DKIM | AMS, DKIM | AMS, read_bh},
    {"b", EVERY, EVERY, read_b},
    {"l", DKIM | AMS, 0, read_l},
    {"t", EVERY, 0, read_t},
    {"x", DKIM | AMS, 0, read_x},
    {"a", EVERY, EVERY, read_a},
    {"i", DKIM, 0, read_i},
};
enum { RULES = sizeof rules / sizeof *rules };

/* ---- The whole ---- */

static void fault(am_signature *s, am_sigfault f, am_str detail)
{
    s->fault = am_sigfault_get(f);
    s->detail = detail;
}

/* What can be recognised of a broken list, for showing which signature it is. */
static am_taglist salvage(am_arena *a, am_str text)
{
    am_tag *tag = am_arena_array(a, SALVAGED, sizeof *tag);
    am_taglist t = {tag, 0};
    am_str spec;
    while (tag && t.n < SALVAGED && am_list_next(&text, ';', &spec)) {
        size_t eq = am_str_find(spec, '=');
        if (eq < spec.n)
            tag[t.n++] = (am_tag){.name = am_str_trim(am_str_cut(spec, 0, eq)),
                .value = am_str_trim(am_str_cut(spec, eq + 1, spec.n))};
    }
    return t;
}

static am_str value_of(const am_taglist *t, const char *name)
{
    const am_tag *tag = am_taglist_get(t, name);
    return tag ? tag->value : (am_str){NULL, 0};
}

static am_str without_white(am_arena *a, am_str s)
{
    char *p = s.p ? am_arena_alloc(a, s.n + 1) : NULL;
    size_t n = 0;
    for (size_t i = 0; p && i < s.n; i++)
        if (!am_is(s.p[i], AM_FWS))
            p[n++] = s.p[i];
    return (am_str){p, n};
}

/* Whom the signature names, right or wrong. */
static void describe(parsing *x)
{
    am_signature *s = x->s;
    am_str d = value_of(&s->tags, "d"), i = value_of(&s->tags, "i");
    if (!am_domain_normalise(x->arena, d, &s->domain))
        s->domain = d;
    s->selector = value_of(&s->tags, "s");
    s->algorithm = value_of(&s->tags, "a");
    s->signature = without_white(x->arena, value_of(&s->tags, "b"));
    s->key_name = am_key_name(x->arena, s->selector, s->domain);
    if (x->kind != AM_SIG_DKIM)
        return;
    /* RFC 6376 6.1.1: no i= is "@" and d= */
    s->identity = i.p ? i : d.p ? am_str_format(x->arena, "@%.*s", AM_ARG(s->domain)) : i;
}

static bool covers_from(am_str names)
{
    am_str name;
    while (am_list_next(&names, ':', &name))
        if (am_str_iis(name, "from"))
            return true;
    return false;
}

/* RFC 6376 6.1.1: first what is missing, then what is wrong. */
static void apply_rules(parsing *x)
{
    am_signature *s = x->s;
    for (size_t i = 0; i < RULES; i++)
        if ((rules[i].required & x->kind) && !am_taglist_get(&s->tags, rules[i].tag)) {
            fault(s, AM_SIG_MISSING_TAG, am_str_of(rules[i].tag));
            return;
        }
    for (size_t i = 0; i < RULES; i++) {
        const am_tag *t = am_taglist_get(&s->tags, rules[i].tag);
        am_sigfault f = t && (rules[i].kinds & x->kind) ? rules[i].read(x, t->value) : AM_SIG_GOOD;
        if (f != AM_SIG_GOOD) {
            fault(s, f, f == AM_SIG_TAG_VALUE ? t->name : t->value);
            return;
        }
    }
    if (x->kind == AM_SIG_DKIM && !covers_from(s->names))
        fault(s, AM_SIG_NO_FROM, (am_str){NULL, 0});
}

am_signature am_signature_parse(am_arena *a, am_sigkind kind, am_str value)
{
    am_canon none = kind == AM_SIG_DKIM ? AM_SIMPLE : AM_RELAXED; /* ARC suite: ams_fields_c_na */
    am_signature s = {.header = none, .body = none, .length = AM_BODY_WHOLE};
    parsing x = {a, kind, &s};
    am_error why;
    bool list = am_taglist_parse(a, value, &s.tags, &why);
    if (!list)
        s.tags = salvage(a, value);
    describe(&x);
    if (list)
        apply_rules(&x);
    else
        fault(&s, AM_SIG_TAG_LIST, am_str_copy(a, am_str_of(why.text)));
    /* RFC 8616 5: octets above 0x7F are UTF-8. RFC 6376 2.8: CR and LF are folds, which have their
     * CRLF again by now. */
    if (!s.fault && !am_scan_clean(value, false))
        fault(&s, AM_SIG_TAG_LIST, AM_STR("not UTF-8, or a line end that is no fold"));
    if (am_arena_failed(a))
        fault(&s, AM_SIG_NO_MEMORY, (am_str){NULL, 0});
    return s;
}

const am_fault *am_signature_time(const am_signature *s, int64_t now, unsigned drift)
{
    uint64_t present = now > 0 ? (uint64_t)now : 0;
    if (s->has_expires && present > s->expires + drift)
        return am_sigfault_get(AM_SIG_EXPIRED);
    if (s->has_created && s->created > present + drift)
        return am_sigfault_get(AM_SIG_FUTURE);
    return NULL;
}

am_str am_signature_key_name(am_arena *a, am_str value)
{
    parsing x = {.arena = a};
    am_str d = am_taglist_peek(value, "d"), s = am_taglist_peek(value, "s");
    if (!d.n || !s.n || read_d(&x, d) != AM_SIG_GOOD || read_s(&x, s) != AM_SIG_GOOD)
        return (am_str){NULL, 0};
    return am_key_name(a, s, d);
}
