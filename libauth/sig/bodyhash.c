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
#include "libauth/sig/sha256.h"

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
    uint64_t octets;
    bool open; /* somebody wants it */
    am_sha256 sha;
} stream;

struct am_bodies {
    am_arena *arena;
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

static bool open_stream(stream *s)
{
    if (!s->open) {
        s->open = am_sha256_open(&s->sha);
        if (!s->open)
            am_sha256_close(&s->sha);
    }
    return s->open;
}

am_bodyhash *am_bodies_want(am_bodies *b, am_canon canon, uint64_t length)
{
    stream *s = &b->stream[canon];
    am_bodyhash **at = &s->want;
    while (*at && (*at)->length < length)
        at = &(*at)->next;
    if (*at && (*at)->length == length)
        return *at;
    am_bodyhash *h = open_stream(s) ? am_arena_alloc(b->arena, sizeof *h) : NULL;
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
    return b->stream[AM_SIMPLE].open || b->stream[AM_RELAXED].open;
}

static void sink(void *to, const void *data, size_t n)
{
    stream *s = to;
    const char *p = data;
    for (; s->next && s->next->length - s->octets <= n; s->next = s->next->next) {
        size_t part = (size_t)(s->next->length - s->octets);
        am_sha256_add(&s->sha, p, part);
        s->next->done = am_sha256_digest(&s->sha, s->next->digest);
        s->octets += part;
        p += part;
        n -= part;
    }
    if (s->next) /* beyond every l=: counted, not hashed */
        am_sha256_add(&s->sha, p, n);
    s->octets += n;
}

void am_bodies_feed(am_bodies *b, const void *p, size_t n)
{
    for (int c = AM_SIMPLE; c <= AM_RELAXED; c++) {
        stream *s = &b->stream[c];
        if (s->open)
            am_canon_body_feed(&s->canon, p, n, sink, s);
    }
}

void am_bodies_finish(am_bodies *b)
{
    for (int c = AM_SIMPLE; c <= AM_RELAXED; c++) {
        stream *s = &b->stream[c];
        if (!s->open)
            continue;
        am_canon_body_end(&s->canon, sink, s);
        for (; s->next; s->next = s->next->next)
            s->next->done = am_sha256_digest(&s->sha, s->next->digest);
    }
}

void am_bodies_end(am_bodies *b)
{
    if (!b)
        return;
    am_sha256_close(&b->stream[AM_SIMPLE].sha);
    am_sha256_close(&b->stream[AM_RELAXED].sha);
}

const unsigned char *am_bodyhash_digest(const am_bodyhash *h)
{
    return h->done ? h->digest : NULL;
}

uint64_t am_bodyhash_octets(const am_bodyhash *h)
{
    return h->stream->octets;
}
