/*
 * key: key records from the DNS, every rule of RFC 6376 3.6.1 and RFC 8463 4.2.
 *
 * For: the public keys of DKIM and ARC. All records of an answer are decoded
 * once and kept with it, so that a message whose signer is known pays nothing.
 * Waits: in am_key_get, for the DNS. Memory: decoded keys belong to the DNS
 * answer (several threads read them); names live in the caller's arena.
 * Callers: dkim, arc.
 */
#include "libauth/sig/key.h"
#include "libauth/base/base64.h"
#include "libauth/base/domain.h"

#include <openssl/err.h>
#include <openssl/evp.h>

#include <stdlib.h>
#include <string.h>

enum { ED25519_OCTETS = 32, MAX_RECORDS = 10, MAX_RECORD = 16384 };

/* What a record is good for: the later, the nearer to a usable key. */
typedef enum verdict {
    NO_MEMORY,
    NOT_DKIM1,
    MALFORMED,
    UNKNOWN_TYPE,
    OTHER_TYPE,
    BAD_KEY,
    OTHER_SERVICE,
    OTHER_HASH,
    REVOKED,
    USABLE,
} verdict;

static const char *const reasons[] = {
    [NO_MEMORY] = "out of memory",
    [NOT_DKIM1] = "no key record",
    [MALFORMED] = "malformed key record",
    [UNKNOWN_TYPE] = "unknown key type",
    [OTHER_TYPE] = "key type does not match the algorithm",
    [BAD_KEY] = "malformed key",
    [OTHER_SERVICE] = "key is not for email",
    [OTHER_HASH] = "key does not allow sha256",
    [REVOKED] = "key revoked",
};

/* One record; `verdict` as for a signature of the key's own type. */
typedef struct record {
    verdict verdict;
    am_key key;
} record;

typedef struct kept {
    size_t n;
    record record[MAX_RECORDS];
} kept;

static const char kind = 'k';

am_str am_key_name(am_arena *a, am_str selector, am_str domain)
{
    am_str s, d, name = {NULL, 0};
    /* RFC 8616 5: U-labels become A-labels; 6376 3.6.2.1 */
    if (am_domain_normalise(a, selector, &s) && am_domain_normalise(a, domain, &d))
        name = am_str_format(a, "%.*s._domainkey.%.*s", AM_ARG(s), AM_ARG(d));
    return am_domain_askable(name) ? name : (am_str){NULL, 0};
}

bool am_key_tags(am_arena *a, am_str text, am_taglist *out)
{
    return am_str_is_ascii(text) && am_taglist_parse(a, text, out, NULL);
}

/* Is one of the words in a colon list? Without the tag: the default. */
static bool lists(const am_taglist *t, const char *tag, const char *word, bool absent)
{
    const am_tag *x = am_taglist_get(t, tag);
    if (!x)
        return absent;
    am_str rest = x->value, item;
    while (am_list_next(&rest, ':', &item))
        if (am_str_is(item, word))
            return true;
    return false;
}

/* Well-formed data of which no key comes is want of memory. */
static verdict decode_data(am_key *k, am_str data)
{
    if (k->type == AM_KEY_RSA) {
        k->pkey = am_key_rsa_decode(data, &k->bits);
    } else if (data.n == ED25519_OCTETS) { /* RFC 8463 4.2: the bare key */
        k->bits = 256;
        k->pkey = EVP_PKEY_new_raw_public_key(
            EVP_PKEY_ED25519, NULL, (const unsigned char *)data.p, data.n);
    }
    return k->pkey ? USABLE : k->bits ? NO_MEMORY : BAD_KEY;
}

static verdict decode(am_arena *a, am_str text, am_key *k)
{
    am_taglist t;
    am_str data;
    if (text.n > MAX_RECORD || !am_key_tags(a, text, &t))
        return MALFORMED; /* RFC 6376 6.1.2: 5 */
    /* RFC 6376 3.6.1 v=: where there is one it is the first tag, and DKIM1 to the letter. */
    const am_tag *v = am_taglist_get(&t, "v");
    if (v && !am_str_is(v->value, "DKIM1"))
        return NOT_DKIM1;
    if (v && v != t.tag)
        return MALFORMED;
    const am_tag *p = am_taglist_get(&t, "p"), *type = am_taglist_get(&t, "k");
    if (!p)
        return MALFORMED;
    k->testing = lists(&t, "t", "y", false);
    k->strict_i = lists(&t, "t", "s", false);
    k->for_email = lists(&t, "s", "*", true) || lists(&t, "s", "email", true);
    k->allows_sha256 = lists(&t, "h", "sha256", true);
    k->type = type && am_str_is(type->value, "ed25519") ? AM_KEY_ED25519 : AM_KEY_RSA;
    if (type && k->type == AM_KEY_RSA && !am_str_is(type->value, "rsa"))
        return UNKNOWN_TYPE;
    if (p->value.n == 0)
        return REVOKED;
    if (!am_base64_decode(a, p->value, &data))
        return BAD_KEY;
    /* RFC 6376 6.1.2: 6 */
    return !k->for_email ? OTHER_SERVICE : !k->allows_sha256 ? OTHER_HASH : decode_data(k, data);
}

static void destroy(void *obj)
{
    kept *k = obj;
    for (size_t i = 0; i < k->n; i++)
        EVP_PKEY_free(k->record[i].key.pkey);
    free(k);
}

/* The records of an answer, decoded; NULL: out of memory. */
static const kept *decoded(const am_dns_answer *x)
{
    kept *k = am_dns_parsed_get(x, &kind);
    if (k)
        return k;
    am_arena *a = am_arena_new(0);
    k = a ? calloc(1, sizeof *k) : NULL;
    if (k) {
        ERR_set_mark();
        bool memory = true;
        k->n = x->n < MAX_RECORDS ? x->n : MAX_RECORDS;
        for (size_t i = 0; i < k->n; i++) {
            record *r = &k->record[i];
            r->verdict = decode(a, x->rr[i].data, &r->key);
            memory = memory && r->verdict != NO_MEMORY;
        }
        ERR_pop_to_mark();
        if (!memory || am_arena_failed(a)) { /* not kept: next time there may be some */
            destroy(k);
            k = NULL;
        }
    }
    am_arena_free(a);
    return k ? am_dns_parsed_keep(x, &kind, k, destroy) : NULL;
}

static verdict judge(const record *r, am_key_type type)
{
    bool typed = r->verdict >= BAD_KEY && r->verdict != REVOKED;
    return typed && r->key.type != type ? OTHER_TYPE : r->verdict;
}

am_key_lookup am_key_get(const am_context *c, const char *step, am_str name, am_key_type type)
{
    am_key_lookup out = {.result = AM_PERMERROR, .reason = "no key record"};
    if (!name.p)
        return out;
    const am_dns_answer *x = am_dns_wait(c->dns, step, "6376 3.6.2", name, AM_DNS_TXT);
    out.secure = x->secure;
    if (x->status == AM_DNS_TEMPFAIL) /* RFC 6376 6.1.2: 2 */
        return (am_key_lookup){
            .result = AM_TEMPERROR, .reason = "key look-up failed", .detail = x->reason};
    if (x->status != AM_DNS_DATA) /* 6.1.2: 3 */
        return out;
    const kept *k = decoded(x);
    verdict best = NO_MEMORY;
    for (size_t i = 0; k && i < k->n && best != USABLE; i++) {
        verdict v = judge(&k->record[i], type);
        if (v > best)
            best = v;
        if (v == USABLE)
            out.key = &k->record[i].key;
    }
    out.result = best == USABLE ? AM_PASS : best == NO_MEMORY ? AM_TEMPERROR : AM_PERMERROR;
    out.reason = best == USABLE ? "" : reasons[best];
    return out;
}
