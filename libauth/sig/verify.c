/*
 * verify: the hash over header fields, and the signature over that hash.
 *
 * For: b= of DKIM and ARC (RFC 6376 3.7, 5.4.2, 8463 3, 8617 5.1.1). Waits:
 * never. Memory: OpenSSL's contexts, freed here; a list of fields in the
 * caller's arena. Callers: dkim, arc.
 */
#include "libauth/sig/verify.h"
#include "libauth/base/lex.h"
#include "libauth/base/taglist.h"
#include "libauth/sig/sha256.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <stdlib.h>

struct am_headhash {
    am_sha256 sha;
    bool failed; /* a field may be missing from the hash */
};

am_headhash *am_headhash_new(void)
{
    am_headhash *h = calloc(1, sizeof *h);
    if (h && am_sha256_open(&h->sha))
        return h;
    am_headhash_free(h);
    return NULL;
}

am_headhash *am_headhash_fork(const am_headhash *from)
{
    am_headhash *h = calloc(1, sizeof *h);
    if (h && am_sha256_fork(&h->sha, &from->sha)) {
        h->failed = from->failed;
        return h;
    }
    am_headhash_free(h);
    return NULL;
}

void am_headhash_free(am_headhash *h)
{
    if (h)
        am_sha256_close(&h->sha);
    free(h);
}

void am_headhash_sink(void *h, const void *p, size_t n)
{
    am_sha256_add(&((am_headhash *)h)->sha, p, n);
}

bool am_headhash_end(am_headhash *h, unsigned char digest[static 32])
{
    bool ok = !h->failed && am_sha256_digest(&h->sha, digest);
    am_headhash_free(h);
    return ok;
}

/* The fields of a message sorted by name, and top down within a name. The hash comes first: names
 * as long as a header may be, and alike but for their ends, are then read once each. */
typedef struct slot {
    uint64_t hash;
    am_str name;
    size_t field;
    size_t taken; /* in the last slot of a name: how many of them were used */
} slot;

static slot slot_of(am_str name, size_t field)
{
    uint64_t hash = 0xcbf29ce484222325; /* FNV-1a */
    for (size_t i = 0; i < name.n; i++)
        hash = (hash ^ (unsigned char)am_lower(name.p[i])) * 0x100000001b3;
    return (slot){.hash = hash, .name = name, .field = field};
}

static int compare(const slot *x, const slot *y)
{
    return x->hash != y->hash ? (x->hash > y->hash ? 1 : -1) : am_str_icmp(x->name, y->name);
}

static int by_name(const void *a, const void *b)
{
    const slot *x = a, *y = b;
    int d = compare(x, y);
    return d ? d : (x->field > y->field) - (x->field < y->field);
}

static slot *sorted(am_arena *a, const am_header *header, size_t without, size_t *n)
{
    slot *s = am_arena_array(a, header->n + 1, sizeof *s);
    *n = 0;
    for (size_t i = 0; s && i < header->n; i++)
        if (i != without)
            s[(*n)++] = slot_of(header->field[i].name, i);
    if (s)
        qsort(s, *n, sizeof *s, by_name);
    return s;
}

/* RFC 6376 5.4.2: the lowest field of that name not used yet; NULL: none is left. */
static const slot *lowest(slot *s, size_t n, am_str name)
{
    const slot want = slot_of(name, 0);
    size_t lo = 0, hi = n;
    while (lo < hi) { /* the first slot behind the name's */
        size_t mid = lo + (hi - lo) / 2;
        if (compare(&s[mid], &want) <= 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo == 0 || compare(&s[lo - 1], &want) != 0)
        return NULL;
    size_t back = s[lo - 1].taken;
    if (back >= lo || compare(&s[lo - 1 - back], &want) != 0)
        return NULL;
    s[lo - 1].taken++;
    return &s[lo - 1 - back];
}

void am_headhash_fields(am_headhash *h, am_canon c, am_arena *a, const am_header *header,
    am_str names, size_t signature_field)
{
    size_t n;
    am_str name;
    /* RFC 6376 3.5 h=: the list never means the signature's own field. */
    slot *s = sorted(a, header, signature_field, &n);
    if (!s) {
        h->failed = true;
        return;
    }
    while (am_list_next(&names, ':', &name)) {
        const slot *x = lowest(s, n, name);
        if (x)
            am_canon_field(c, header->field[x->field].raw, true, am_headhash_sink, h);
    }
    am_canon_signature(c, header->field[signature_field].raw, am_headhash_sink, h);
}

static int verify_rsa(EVP_PKEY *key, const unsigned char *digest, am_str signature)
{
    int rc = -1;
    char sha256[] = "SHA256", pkcs1[] = OSSL_PKEY_RSA_PAD_MODE_PKCSV15;
    const OSSL_PARAM how[] = {
        OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_DIGEST, sha256, sizeof sha256 - 1),
        OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PAD_MODE, pkcs1, sizeof pkcs1 - 1),
        OSSL_PARAM_END};
    EVP_PKEY_CTX *x = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
    if (x && EVP_PKEY_verify_init_ex(x, how) == 1)
        rc = EVP_PKEY_verify(x, (const unsigned char *)signature.p, signature.n, digest, 32) == 1;
    EVP_PKEY_CTX_free(x);
    return rc;
}

/* RFC 8463 3: PureEdDSA over the 32 octets of the SHA-256. */
static int verify_ed25519(EVP_PKEY *key, const unsigned char *digest, am_str signature)
{
    int rc = -1;
    EVP_MD_CTX *x = EVP_MD_CTX_new();
    if (x && EVP_DigestVerifyInit(x, NULL, NULL, NULL, key) == 1)
        rc = EVP_DigestVerify(x, (const unsigned char *)signature.p, signature.n, digest, 32) == 1;
    EVP_MD_CTX_free(x);
    return rc;
}

/* Takes all errors of this thread; true: memory was one of them. It need not be the last. */
static bool memory_failed(void)
{
    bool memory = false;
    for (unsigned long e; (e = ERR_get_error()) != 0;)
        memory = memory || ERR_GET_REASON(e) == ERR_R_MALLOC_FAILURE;
    return memory;
}

am_verify am_verify_digest(
    const am_key *key, const unsigned char digest[static 32], am_str signature)
{
    ERR_clear_error();
    int rc = key->type == AM_KEY_RSA ? verify_rsa(key->pkey, digest, signature)
                                     : verify_ed25519(key->pkey, digest, signature);
    bool memory = memory_failed();
    return rc == 1 ? AM_VERIFY_GOOD : rc == 0 && !memory ? AM_VERIFY_BAD : AM_VERIFY_FAULT;
}
