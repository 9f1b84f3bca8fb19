/* x-tls: what the MTA tells of the connection's encryption. */
#ifndef AM_IDENT_TLS_H
#define AM_IDENT_TLS_H

#include "libauth/base/result.h"
#include "libauth/base/str.h"

/* The MTA's macros as they are; empty or absent: not given. */
typedef struct am_tls_query {
    am_str version; /* {tls_version}: "TLSv1.3" */
    am_str cipher;  /* {cipher}: "TLS_AES_256_GCM_SHA384" */
    am_str bits;    /* {cipher_bits}: "256" */
    am_str subject; /* {cert_subject} */
    am_str issuer;  /* {cert_issuer} */
    am_str verify;  /* {verify}: "OK" where the client's certificate was verified */
} am_tls_query;

typedef struct am_tls_verdict {
    am_result result;       /* pass: the connection is encrypted; none: it is not */
    am_str version, cipher; /* as given, or empty */
    unsigned bits;          /* of the cipher's key; 0: not told */
    bool verified;          /* the client's certificate was verified */
    am_str subject, issuer; /* of that certificate; empty unless verified: else anyone's claim (RFC
                               8601 4: nothing that was not authenticated) */
    bool weak;              /* protocol or cipher are no longer held safe */
    const char *reason;     /* a constant; weak: which and why; "out of memory" (none); else "" */
} am_tls_verdict;

/* Does not wait. Strings live in the arena. Weak: what is older than TLS 1.2 (RFC 8996, 7568,
 * 6176); ciphers that do not encrypt, of export strength, RC2, RC4 (RFC 7465), DES, 3DES or IDEA
 * (RFC 7525 4.1, 9325 4.1), or of less than 112 bits (RFC 9325 4.1). Anonymous ones are not: SMTP
 * between servers rarely verifies anybody (RFC 7435). */
am_tls_verdict am_tls_check(am_arena *a, const am_tls_query *q);

#endif
