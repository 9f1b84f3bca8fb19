/*
 * sha256: the one hash of DKIM and ARC (RFC 8301 3.1).
 *
 * For: body digests and header hashes. Canonical forms come in stretches of a few
 * octets or of many thousand: small ones are gathered, large ones are hashed where
 * they lie. Waits: never. Memory: OpenSSL's contexts, until closed. Callers:
 * bodyhash, verify.
 */
#include "libauth/sig/sha256.h"

#include <string.h>

bool am_sha256_open(am_sha256 *h)
{
    h->failed = false;
    h->n = 0;
    h->md = EVP_MD_fetch(NULL, "SHA256", NULL);
    h->running = EVP_MD_CTX_new();
    h->copy = EVP_MD_CTX_new();
    return h->md && h->running && h->copy && EVP_DigestInit_ex2(h->running, h->md, NULL) == 1;
}

static void update(am_sha256 *h, const void *p, size_t n)
{
    if (n && EVP_DigestUpdate(h->running, p, n) != 1)
        h->failed = true;
}

void am_sha256_add(am_sha256 *h, const void *p, size_t n)
{
    if (n > sizeof h->piece - h->n) {
        update(h, h->piece, h->n);
        h->n = 0;
    }
    if (n > sizeof h->piece) {
        update(h, p, n);
    } else if (n) {
        memcpy(h->piece + h->n, p, n);
        h->n += n;
    }
}

bool am_sha256_digest(am_sha256 *h, unsigned char digest[static 32])
{
    update(h, h->piece, h->n);
    h->n = 0;
    return !h->failed && EVP_MD_CTX_copy_ex(h->copy, h->running) == 1 &&
           EVP_DigestFinal_ex(h->copy, digest, NULL) == 1;
}

bool am_sha256_fork(am_sha256 *to, const am_sha256 *from)
{
    if (!am_sha256_open(to) || EVP_MD_CTX_copy_ex(to->running, from->running) != 1)
        return false;
    to->failed = from->failed;
    to->n = from->n;
    memcpy(to->piece, from->piece, from->n);
    return true;
}

void am_sha256_close(am_sha256 *h)
{
    EVP_MD_CTX_free(h->copy);
    EVP_MD_CTX_free(h->running);
    EVP_MD_free(h->md);
    h->copy = h->running = NULL;
    h->md = NULL;
}
