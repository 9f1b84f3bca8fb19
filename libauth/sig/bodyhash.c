/*
 * bodyhash: the digests of one body (RFC 6376 3.5 l=, 3.7).
 *
 * For: bh= of DKIM and ARC. The body is canonicalised once and hashed once a
 * canonicalisation, however many signatures and lengths there are: a digest
 * with l= is a copy of the running hash, taken at that octet. Waits: never.
 * Memory: the caller's arena, and OpenSSL's contexts until am_bodies_end.
 * Callers: dkim, arc, message; one thread at a time.
 */
#include "libauth/sig/bodyhash.h"

#include <openssl/evp.h>

struct am_bodyhash {
    const struct stream *stream;
    uint64_t length; /* canonical octets it covers, or AM_BODY_WHOLE */
    struct am_bodyhash *next;
    bool done;
    unsigned char digest[32];
};

/* One canonicalisation of the body. */
typedef struct stream {
    am_canon_body canon;
    am_bodyhash *want; /* shortest first */
    am_bodyhash *next; /* the first one whose end has not come */
    EVP_MD_CTX *md;    /* NULL: nobody wants it */
    uint64_t octets;
    bool failed;
} stream;

struct am_bodies {
    am_arena *arena;
    EVP_MD *sha256;
    EVP_MD_CTX *copy;
    stream stream[2]; /* by am_canon */
};

am_bodies *am_bodies_begin(am_arena *a)
{
    am_bodies *b = am_arena_alloc(a, sizeof *b);
    if (!b)
        return NULL;
    b->arena = a;
    b->stream[AM_SIMPLE].canon.canon = AM_SIMPLE;
    b->stream[AM_RELAXED].canon.canon = AM_RELAXED;
    return b;
}

static bool open_stream(am_bodies *b, stream *s)
{
    if (s->md)
        return true;
    if (!b->sha256)
        b->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    if (!b->copy)
        b->copy = EVP_MD_CTX_new();
    EVP_MD_CTX *md = b->sha256 && b->copy ? EVP_MD_CTX_new() : NULL;
    if (!md || EVP_DigestInit_ex2(md, b->sha256, NULL) != 1) {
        EVP_MD_CTX_free(md);
        return false;
    }
    s->md = md;
    return true;
}

am_bodyhash *am_bodies_want(am_bodies *b, am_canon canon, uint64_t length)
{
    stream *s = &b->stream[canon];
    am_bodyhash **at = &s->want;
    while (*at && (*at)->length < length)
        at = &(*at)->next;
    if (*at && (*at)->length == length)
        return *at;
    am_bodyhash *h = open_stream(b, s) ? am_arena_alloc(b->arena, sizeof *h) : NULL;
    if (!h)
        return NULL;
    *h = (am_bodyhash){.stream = s, .length = length, .next = *at};
    *at = h;
    s->next = s->want;
    return h;
}

bool am_bodies_wanted(const am_bodies *b)
{
    /* The whole body, even behind the last l=: what is unsigned has to be counted. */
    return b->stream[AM_SIMPLE].md || b->stream[AM_RELAXED].md;
}

static void hash(stream *s, const void *p, size_t n)
{
    if (n && EVP_DigestUpdate(s->md, p, n) != 1)
        s->failed = true;
    s->octets += n;
}

/* The digest of all octets so far; the running hash goes on. */
static void snapshot(EVP_MD_CTX *copy, stream *s, am_bodyhash *h)
{
    h->done = !s->failed && EVP_MD_CTX_copy_ex(copy, s->md) == 1 &&
              EVP_DigestFinal_ex(copy, h->digest, NULL) == 1;
}

typedef struct hashing {
    am_bodies *b;
    stream *s;
} hashing;

static void sink(void *to, const void *data, size_t n)
{
    const hashing *x = to;
    stream *s = x->s;
    const char *p = data;
    for (; s->next && s->next->length - s->octets <= n; s->next = s->next->next) {
        size_t part = (size_t)(s->next->length - s->octets);
        hash(s, p, part);
        snapshot(x->b->copy, s, s->next);
        p += part;
        n -= part;
    }
    if (s->next)
        hash(s, p, n);
    else
        s->octets += n; /* beyond every l=: counted, not hashed */
}

void am_bodies_feed(am_bodies *b, const void *p, size_t n)
{
    for (int c = AM_SIMPLE; c <= AM_RELAXED; c++) {
        hashing x = {b, &b->stream[c]};
        if (x.s->md)
            am_canon_body_feed(&x.s->canon, p, n, sink, &x);
    }
}

void am_bodies_finish(am_bodies *b)
{
    for (int c = AM_SIMPLE; c <= AM_RELAXED; c++) {
        hashing x = {b, &b->stream[c]};
        if (!x.s->md)
            continue;
        am_canon_body_end(&x.s->canon, sink, &x);
        for (; x.s->next; x.s->next = x.s->next->next)
            snapshot(b->copy, x.s, x.s->next);
    }
}

void am_bodies_end(am_bodies *b)
{
    if (!b)
        return;
    EVP_MD_CTX_free(b->stream[AM_SIMPLE].md);
    EVP_MD_CTX_free(b->stream[AM_RELAXED].md);
    EVP_MD_CTX_free(b->copy);
    EVP_MD_free(b->sha256);
    b->stream[AM_SIMPLE].md = b->stream[AM_RELAXED].md = b->copy = NULL;
    b->sha256 = NULL;
}

const unsigned char *am_bodyhash_digest(const am_bodyhash *h)
{
    return h->done ? h->digest : NULL;
}

uint64_t am_bodyhash_octets(const am_bodyhash *h)
{
    return h->stream->octets;
}
