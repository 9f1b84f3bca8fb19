/*
 * cache: answers by question; the least recently used goes first.
 *
 * For: every look-up (RFC 1035 7.4, RFC 2308, RFC 2181 8). Shards with a lock
 * each, a fixed table of chains in each. Nothing is served after its time.
 * Waits: never. Memory: bounded; entries are malloc'd and count for what they
 * take, with an allowance for what is parsed from a TXT record. An answer that
 * was evicted lives on as long as somebody holds it. Callers: any thread.
 */
#include "libauth/dns/cache.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum {
    PARSED_ALLOWANCE = 2048, /* octets; a decoded RSA key takes about that */
    OCTETS_A_BUCKET = 1024,
    MIN_BUCKETS = 16,
};

typedef struct entry {
    struct entry *next;          /* in its bucket */
    struct entry *newer, *older; /* by use */
    am_answer *answer;
    int64_t expires;
    size_t bytes;
    uint64_t hash;
    am_dns_type type;
    uint8_t n;
    char name[];
} entry;

typedef struct shard {
    pthread_mutex_t lock;
    entry **bucket;
    entry *newest, *oldest;
    size_t entries, bytes;
} shard;

struct am_cache {
    size_t shard_bytes, buckets; /* of one shard; buckets is a power of two */
    shard shard[AM_CACHE_SHARDS];
};

am_cache *am_cache_new(size_t bytes)
{
    am_cache *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->shard_bytes = bytes / AM_CACHE_SHARDS;
    c->buckets = MIN_BUCKETS;
    while (c->buckets * OCTETS_A_BUCKET < c->shard_bytes)
        c->buckets *= 2;
    bool good = true;
    for (size_t i = 0; i < AM_CACHE_SHARDS; i++) {
        pthread_mutex_init(&c->shard[i].lock, NULL);
        c->shard[i].bucket = calloc(c->buckets, sizeof(entry *));
        good = good && c->shard[i].bucket;
    }
    if (good)
        return c;
    am_cache_free(c);
    return NULL;
}

static void unlink_use(shard *s, entry *e)
{
    *(e->newer ? &e->newer->older : &s->newest) = e->older;
    *(e->older ? &e->older->newer : &s->oldest) = e->newer;
}

static void link_newest(shard *s, entry *e)
{
    e->newer = NULL;
    e->older = s->newest;
    *(s->newest ? &s->newest->newer : &s->oldest) = e;
    s->newest = e;
}

static shard *shard_of(am_cache *c, uint64_t hash)
{
    return &c->shard[hash >> 60];
}

static entry **bucket_of(const am_cache *c, shard *s, uint64_t hash)
{
    return &s->bucket[hash & (c->buckets - 1)];
}

static entry *find(const am_cache *c, shard *s, const am_qkey *k)
{
    for (entry *e = *bucket_of(c, s, k->hash); e; e = e->next)
        if (e->hash == k->hash && e->type == k->type && e->n == k->n &&
            memcmp(e->name, k->name, k->n) == 0)
            return e;
    return NULL;
}

static void drop(const am_cache *c, shard *s, entry *e)
{
    entry **at = bucket_of(c, s, e->hash);
    while (*at != e)
        at = &(*at)->next;
    *at = e->next;
    unlink_use(s, e);
    s->entries--;
    s->bytes -= e->bytes;
    am_answer_unref(e->answer);
    free(e);
}

void am_cache_free(am_cache *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < AM_CACHE_SHARDS; i++) {
        shard *s = &c->shard[i];
        while (s->newest)
            drop(c, s, s->newest);
        free(s->bucket);
        pthread_mutex_destroy(&s->lock);
    }
    free(c);
}

am_answer *am_cache_get(am_cache *c, const am_qkey *k, int64_t now)
{
    shard *s = shard_of(c, k->hash);
    am_answer *x = NULL;
    pthread_mutex_lock(&s->lock);
    entry *e = find(c, s, k);
    if (e && now >= e->expires) {
        drop(c, s, e);
    } else if (e) {
        if (e != s->newest) {
            unlink_use(s, e);
            link_newest(s, e);
        }
        x = am_answer_ref(e->answer);
    }
    pthread_mutex_unlock(&s->lock);
    return x;
}

static entry *new_entry(const am_qkey *k, am_answer *x, int64_t expires)
{
    bool parsable = k->type == AM_DNS_TXT && x->pub.status == AM_DNS_DATA;
    entry *e = malloc(sizeof *e + k->n);
    if (!e)
        return NULL;
    *e = (entry){.answer = am_answer_ref(x),
        .expires = expires,
        .bytes = sizeof *e + k->n + x->bytes + (parsable ? PARSED_ALLOWANCE : 0),
        .hash = k->hash,
        .type = k->type,
        .n = k->n};
    memcpy(e->name, k->name, k->n);
    return e;
}

void am_cache_put(am_cache *c, const am_qkey *k, am_answer *x, int64_t now)
{
    uint32_t ttl = x->pub.status == AM_DNS_TEMPFAIL ? AM_CACHE_FAILED : x->pub.ttl;
    entry *e = ttl ? new_entry(k, x, now + (int64_t)ttl * 1000) : NULL;
    if (!e)
        return;
    if (e->bytes > c->shard_bytes) { /* it would drive all others out, and then itself */
        am_answer_unref(e->answer);
        free(e);
        return;
    }
    shard *s = shard_of(c, k->hash);
    pthread_mutex_lock(&s->lock);
    entry *old = find(c, s, k);
    if (old)
        drop(c, s, old);
    entry **at = bucket_of(c, s, k->hash);
    e->next = *at;
    *at = e;
    link_newest(s, e);
    s->entries++;
    s->bytes += e->bytes;
    while (s->bytes > c->shard_bytes)
        drop(c, s, s->oldest);
    pthread_mutex_unlock(&s->lock);
}

void am_cache_count(am_cache *c, size_t *entries, size_t *bytes)
{
    *entries = *bytes = 0;
    for (size_t i = 0; i < AM_CACHE_SHARDS; i++) {
        shard *s = &c->shard[i];
        pthread_mutex_lock(&s->lock);
        *entries += s->entries;
        *bytes += s->bytes;
        pthread_mutex_unlock(&s->lock);
    }
}
