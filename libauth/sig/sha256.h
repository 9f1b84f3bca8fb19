/* A running SHA-256 that takes many small stretches well. libauth/sig/ alone includes this. */
#ifndef AM_SIG_SHA256_H
#define AM_SIG_SHA256_H

#include <stdbool.h>
#include <stddef.h>

#include <openssl/evp.h>

typedef struct am_sha256 {
    EVP_MD *md;
    EVP_MD_CTX *running, *copy;
    bool failed;
    size_t n; /* octets gathered, and not hashed yet */
    unsigned char piece[512];
} am_sha256;

/* False: out of memory. To be closed, whatever it returned. */
bool am_sha256_open(am_sha256 *h);
void am_sha256_add(am_sha256 *h, const void *p, size_t n);

/* The digest of all octets so far; more may be added. False: a fault of ours, now or before. */
bool am_sha256_digest(am_sha256 *h, unsigned char digest[static 32]);
/* `to` goes on from where `from` is. To be closed, whatever it returned. */
bool am_sha256_fork(am_sha256 *to, const am_sha256 *from);
void am_sha256_close(am_sha256 *h); /* more than once is fine; zeroed is fine */

#endif
