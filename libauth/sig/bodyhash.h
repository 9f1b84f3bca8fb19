/* Body digests: one for each distinct (canonicalisation, l=) of a message. */
#ifndef AM_SIG_BODYHASH_H
#define AM_SIG_BODYHASH_H

#include "libauth/sig/canon.h"

#define AM_BODY_WHOLE UINT64_MAX /* no l= */

typedef struct am_bodies am_bodies;
typedef struct am_bodyhash am_bodyhash;

/* NULL: out of memory. Must be ended, whatever happens. */
am_bodies *am_bodies_begin(am_arena *a);

/* The digest of that kind, shared where it exists. Before the first feed.
 * Only SHA-256. NULL: out of memory. */
am_bodyhash *am_bodies_want(am_bodies *b, am_canon canon, uint64_t length);

bool am_bodies_wanted(const am_bodies *b); /* somebody wants the body, and then all of it */
void am_bodies_feed(am_bodies *b, const void *p, size_t n);
void am_bodies_finish(am_bodies *b); /* the body is complete; once */
void am_bodies_end(am_bodies *b);    /* lets OpenSSL's memory go; NULL is fine */

/* After am_bodies_finish: 32 octets; NULL: a fault of ours. Where the body is shorter than
 * `length`, the digest is that of the whole body: compare the octets first. */
const unsigned char *am_bodyhash_digest(const am_bodyhash *h);
uint64_t am_bodyhash_octets(const am_bodyhash *h); /* canonical octets of the whole body */

#endif
