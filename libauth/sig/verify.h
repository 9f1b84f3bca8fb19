/* The signature over a digest, checked by OpenSSL. */
#ifndef AM_SIG_VERIFY_H
#define AM_SIG_VERIFY_H

#include "libauth/sig/canon.h"
#include "libauth/sig/key.h"

/* A running SHA-256 over header fields; am_headhash_sink is an am_sink. */
typedef struct am_headhash am_headhash;
am_headhash *am_headhash_new(void); /* NULL: out of memory */
void am_headhash_sink(void *h, const void *p, size_t n);
am_headhash *am_headhash_fork(const am_headhash *h); /* goes on from where h is; NULL: no memory */
bool am_headhash_end(am_headhash *h, unsigned char digest[static 32]); /* frees h */
void am_headhash_free(am_headhash *h); /* instead of end; NULL is fine */

/* The input of RFC 6376 3.7 and 5.4.2 (RFC 8617 5.1.1 for an AMS): for each name of the colon list
 * `names` the lowest field of that name not used yet, then the signature field with b= emptied. */
void am_headhash_fields(am_headhash *h, am_canon c, am_arena *a, const am_header *header,
    am_str names, size_t signature_field);

typedef enum am_verify { AM_VERIFY_GOOD, AM_VERIFY_BAD, AM_VERIFY_FAULT } am_verify;

/* RSA: PKCS#1 v1.5 with SHA-256 over the digest's data; Ed25519: RFC 8463 3. FAULT: ours. */
am_verify am_verify_digest(
    const am_key *key, const unsigned char digest[static 32], am_str signature);

#endif
