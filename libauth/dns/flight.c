/*
 * flight: one question in flight for all who ask for the same.
 *
 * For: sessions (join, wait) and the engine (land). A miss of the cache is
 * looked at again under the table's lock, and an answer is cached under the
 * same lock before its question leaves the table: so no question is asked
 * twice because two threads met. Who waits for one of many gives each an ear of
 * one bell. Waits: am_bell_wait alone. Memory: counted references,
 * one of them the engine's. Locks: a bell's inside a shard's. Callers: any thread.
 */
#include "libauth/dns/flight.h"

#include <stdlib.h>
#include <time.h>

enum { SHARDS = 16, BUCKETS = 64 };

typedef struct shard {
    pthread_mutex_t lock;
    am_flight *bucket[BUCKETS];
} shard;

struct am_flights {
    am_cache *cache;
    atomic_uint flying;
    atomic_size_t octets; /* of answers that have landed, until the last who asked has taken them */
    shard shard[SHARDS];
};

int64_t am_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

am_flights *am_flights_new(am_cache *cache)
{
    am_flights *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->cache = cache;
    for (size_t i = 0; i < SHARDS; i++)
        pthread_mutex_init(&t->shard[i].lock, NULL);
    return t;
}

void am_flights_free(am_flights *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < SHARDS; i++)
        pthread_mutex_destroy(&t->shard[i].lock);
    free(t);
}

static shard *shard_of(const am_flight *f)
{
    return &f->table->shard[f->key.hash >> 60];
}

static am_flight **place_of(am_flights *t, const am_qkey *k)
{
    am_flight **at = &t->shard[k->hash >> 60].bucket[k->hash % BUCKETS];
    while (*at && !am_qkey_eq(&(*at)->key, k))
        at = &(*at)->next;
    return at;
}

static am_flight *new_flight(am_flights *t, const am_qkey *k)
{
    am_flight *f = calloc(1, sizeof *f);
    if (!f)
        return NULL;
    f->key = *k;
    f->table = t;
    atomic_init(&f->refs, 2);
    return f;
}

bool am_flights_crowded(const am_flights *t)
{
    return atomic_load(&t->flying) >= AM_FLIGHTS_MAX / 2 ||
           atomic_load(&t->octets) >= AM_FLIGHTS_OCTETS;
}

bool am_flight_want(am_flight *f)
{
    shard *s = shard_of(f);
    pthread_mutex_lock(&s->lock);
    atomic_store(&f->wanted, true);
    bool landed = f->landed;
    pthread_mutex_unlock(&s->lock);
    return landed;
}

bool am_flight_wanted(const am_flight *f)
{
    return atomic_load(&f->wanted);
}

/* The key is in nobody's table yet; under the shard's lock. */
static am_join take_off(am_flights *t, const am_qkey *k, am_flight **at, am_flight **f)
{
    if (atomic_load(&t->flying) >= AM_FLIGHTS_MAX)
        return AM_JOIN_FULL;
    *f = new_flight(t, k);
    if (!*f)
        return AM_JOIN_NOMEM;
    atomic_fetch_add(&t->flying, 1);
    *at = *f;
    return AM_JOIN_FRESH;
}

am_join am_flights_join(am_flights *t, const am_qkey *k, bool wanted, am_answer **x, am_flight **f)
{
    *f = NULL;
    *x = am_cache_get(t->cache, k, am_now());
    if (*x)
        return AM_JOIN_CACHED;
    am_join how;
    shard *s = &t->shard[k->hash >> 60];
    pthread_mutex_lock(&s->lock);
    am_flight **at = place_of(t, k);
    if (*at) {
        *f = *at;
        atomic_fetch_add(&(*f)->refs, 1);
        how = AM_JOIN_JOINED;
    } else {
        *x = am_cache_get(t->cache, k, am_now());
        how = *x ? AM_JOIN_CACHED : take_off(t, k, at, f);
    }
    if (*f && wanted)
        atomic_store(&(*f)->wanted, true);
    pthread_mutex_unlock(&s->lock);
    return how;
}

/* ---- Bells ---- */

bool am_bell_open(am_bell *b)
{
    pthread_condattr_t clock;
    if (pthread_condattr_init(&clock) != 0)
        return false;
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    int rc = pthread_cond_init(&b->rung, &clock);
    pthread_condattr_destroy(&clock);
    if (rc == 0 && pthread_mutex_init(&b->lock, NULL) != 0) {
        pthread_cond_destroy(&b->rung);
        rc = -1;
    }
    atomic_init(&b->rings, 0);
    return rc == 0;
}

void am_bell_close(am_bell *b)
{
    pthread_mutex_destroy(&b->lock);
    pthread_cond_destroy(&b->rung);
}

static void ring(am_bell *b)
{
    pthread_mutex_lock(&b->lock);
    atomic_fetch_add(&b->rings, 1);
    pthread_cond_signal(&b->rung);
    pthread_mutex_unlock(&b->lock);
}

bool am_bell_wait(am_bell *b, unsigned heard, int64_t until)
{
    struct timespec t = {.tv_sec = (time_t)(until / 1000), .tv_nsec = until % 1000 * 1000000};
    int rc = 0;
    pthread_mutex_lock(&b->lock);
    while (atomic_load(&b->rings) == heard && rc == 0)
        rc = pthread_cond_timedwait(&b->rung, &b->lock, &t);
    bool rung = atomic_load(&b->rings) != heard;
    pthread_mutex_unlock(&b->lock);
    return rung;
}

void am_flight_listen(am_flight *f, am_ear *ear, am_bell *bell)
{
    shard *s = shard_of(f);
    *ear = (am_ear){.bell = bell};
    pthread_mutex_lock(&s->lock);
    if (f->landed) {
        ring(bell);
    } else {
        ear->next = f->ears;
        ear->at = &f->ears;
        if (ear->next)
            ear->next->at = &ear->next;
        f->ears = ear;
    }
    pthread_mutex_unlock(&s->lock);
}

void am_flight_unlisten(am_flight *f, am_ear *ear)
{
    shard *s = shard_of(f);
    pthread_mutex_lock(&s->lock);
    if (ear->at) {
        *ear->at = ear->next;
        if (ear->next)
            ear->next->at = ear->at;
        ear->at = NULL;
    }
    pthread_mutex_unlock(&s->lock);
}

/* ---- Landing ---- */

bool am_flight_landed(am_flight *f, am_answer **x)
{
    shard *s = shard_of(f);
    pthread_mutex_lock(&s->lock);
    bool landed = f->landed;
    *x = landed && f->answer ? am_answer_ref(f->answer) : NULL;
    pthread_mutex_unlock(&s->lock);
    return landed;
}

/* Many may have taken off while there was room for their answers. */
static am_answer *in_bounds(const am_flight *f, am_answer *x)
{
    if (!x || x->bytes <= AM_FLIGHTS_SMALL || am_flight_wanted(f) ||
        atomic_load(&f->table->octets) + x->bytes <= AM_FLIGHTS_OCTETS)
        return x;
    am_answer_unref(x);
    return am_answer_ours("too many answers that nobody waits for");
}

void am_flight_land(am_flight *f, am_answer *x)
{
    shard *s = shard_of(f);
    pthread_mutex_lock(&s->lock);
    am_flight **at = place_of(f->table, &f->key);
    *at = f->next;
    atomic_fetch_sub(&f->table->flying, 1);
    if (x && !x->ours)
        am_cache_put(f->table->cache, &f->key, x, am_now());
    x = in_bounds(f, x);
    atomic_fetch_add(&f->table->octets, x ? x->bytes : 0);
    f->answer = x;
    f->landed = true;
    for (am_ear *ear = f->ears, *next; ear; ear = next) {
        next = ear->next;
        ear->at = NULL; /* behind the unlock its owner may let it go */
        ring(ear->bell);
    }
    f->ears = NULL;
    pthread_mutex_unlock(&s->lock);
    am_flight_unref(f);
}

void am_flight_unref(am_flight *f)
{
    if (!f || atomic_fetch_sub(&f->refs, 1) != 1)
        return;
    if (f->answer)
        atomic_fetch_sub(&f->table->octets, f->answer->bytes);
    am_answer_unref(f->answer);
    free(f);
}
