/* Answers kept for their time to live, in bounded memory. Room dns only. */
#ifndef AM_DNS_CACHE_H
#define AM_DNS_CACHE_H

#include "libauth/dns/answer.h"
#include "libauth/dns/qkey.h"

typedef struct am_cache am_cache;

enum {
    AM_CACHE_SHARDS = 16,
    AM_CACHE_MAX_NEGATIVE = 900, /* seconds; RFC 2308 5 lets a resolver choose its bound */
    AM_CACHE_FAILED = 5,         /* seconds a failure is held; RFC 2308 7: at most 300 */
};

/* `bytes`: the bound of all shards together. NULL: out of memory. */
am_cache *am_cache_new(size_t bytes);
void am_cache_free(am_cache *c); /* NULL is fine */

/* A reference to the answer, or NULL. `now`: milliseconds that only grow. */
am_answer *am_cache_get(am_cache *c, const am_qkey *k, int64_t now);

/* Keeps a reference of its own for pub.ttl seconds (AM_CACHE_FAILED for
 * TEMPFAIL); nothing where that is 0, or memory is short. */
void am_cache_put(am_cache *c, const am_qkey *k, am_answer *x, int64_t now);

void am_cache_count(am_cache *c, size_t *entries, size_t *bytes);

#endif
