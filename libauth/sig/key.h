/* DKIM key records (RFC 6376 3.6.1, 8301, 8463), decoded once and kept with the DNS answer. */
#ifndef AM_SIG_KEY_H
#define AM_SIG_KEY_H

#include "libauth/base/result.h"
#include "libauth/dns/context.h"

typedef enum am_key_type { AM_KEY_RSA, AM_KEY_ED25519 } am_key_type;

typedef struct am_key {
    am_key_type type;
    unsigned bits;      /* RSA: modulus; Ed25519: 256 */
    bool testing;       /* t=y */
    bool strict_i;      /* t=s */
    bool for_email;     /* s= holds "*" or "email", or is absent */
    bool allows_sha256; /* h= */
    void *pkey;         /* an EVP_PKEY; sig/ alone looks inside */
} am_key;

typedef struct am_key_lookup {
    am_result result; /* pass: key is there; else temperror or permerror */
    const char
        *reason;       /* a constant: "no key record", "key revoked", "malformed key record", ... */
    const am_key *key; /* valid until the DNS session ends */
    bool secure;
} am_key_lookup;

/* The name <selector>._domainkey.<domain>, in A-labels; absent: cannot be asked for. */
am_str am_key_name(am_arena *a, am_str selector, am_str domain);

/* Waits for the record and decodes it. Several TXT records: the first that is a
 * usable key of `type` (6.1.2 leaves it open). `step`: "dkim" or "arc". */
am_key_lookup am_key_get(const am_context *c, const char *step, am_str name, am_key_type type);

#endif
