/* DKIM key records (RFC 6376 3.6.1, 8301, 8463), decoded once and kept with the DNS answer. */
#ifndef AM_SIG_KEY_H
#define AM_SIG_KEY_H

#include "libauth/base/result.h"
#include "libauth/base/taglist.h"
#include "libauth/dns/context.h"

typedef enum am_key_type { AM_KEY_RSA, AM_KEY_ED25519 } am_key_type;

typedef struct am_key {
    am_key_type type;
    unsigned bits;      /* RSA: modulus, at most 16384; Ed25519: 256 */
    bool testing;       /* t=y */
    bool strict_i;      /* t=s */
    bool for_email;     /* s= holds "*" or "email", or is absent */
    bool allows_sha256; /* h= */
    void *pkey;         /* an EVP_PKEY; sig/ alone looks inside */
} am_key;

typedef struct am_key_lookup {
    am_result result; /* pass: key may be used; else temperror or permerror */
    const char
        *reason; /* a constant: "no key record", "key revoked", "malformed key record", ... */
    const char *detail; /* a constant: why there is no answer; or NULL */
    const am_key *key;  /* valid until the DNS session ends; for email, and allows SHA-256 */
    bool secure;        /* the answer was vouched for, whatever it says */
} am_key_lookup;

/* The name <selector>._domainkey.<domain>, in A-labels; absent: cannot be asked for. */
am_str am_key_name(am_arena *a, am_str selector, am_str domain);

/* The tags of a key record. RFC 8616 lets UTF-8 into the tag lists of signatures and not into
 * these: an octet above 0x7F is a syntax error (RFC 6376 3.2, VALCHAR). A stray line end round a
 * tag, as forms of providers leave it in zones, is none to us. False: no tag list. */
bool am_key_tags(am_arena *a, am_str text, am_taglist *out);

/* Waits for the record and decodes it. Several TXT records: the first that is a usable key of
 * `type` (RFC 6376 6.1.2 leaves it open); if none is, the reason is that of the one that came
 * nearest. At most ten are looked at. `step`: "dkim" or "arc". An absent name has no record. */
am_key_lookup am_key_get(const am_context *c, const char *step, am_str name, am_key_type type);

/* An RSA public key, PKCS#1 RSAPublicKey or SubjectPublicKeyInfo, in exact DER, as an EVP_PKEY to
 * be freed; *bits its modulus. NULL: it is none (*bits is 0), or out of memory. */
void *am_key_rsa_decode(am_str der, unsigned *bits);

#endif
