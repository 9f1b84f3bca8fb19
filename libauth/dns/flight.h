/* Questions in flight: asked once, waited for by many. Room dns only. */
#ifndef AM_DNS_FLIGHT_H
#define AM_DNS_FLIGHT_H

#include "libauth/dns/cache.h"

#include <pthread.h>

typedef struct am_flights am_flights;

/* Rung when a question lands: its owner sleeps until one of many has. */
typedef struct am_bell {
    pthread_mutex_t lock;
    pthread_cond_t rung;
    atomic_uint rings;
} am_bell;

bool am_bell_open(am_bell *b); /* false: no memory; nothing to close then */
void am_bell_close(am_bell *b);

/* Sleeps until rings != heard, or `until` (milliseconds, am_now). False: in vain. */
bool am_bell_wait(am_bell *b, unsigned heard, int64_t until);

/* A bell's place at one question; in the memory of the bell's owner. */
typedef struct am_ear {
    am_bell *bell;
    struct am_ear *next, **at; /* at: NULL where it is not in a list */
} am_ear;

typedef struct am_flight {
    am_qkey key;
    am_flights *table;
    struct am_flight *next;  /* in its bucket */
    struct am_flight *inbox; /* behind it in the engine's inbox */
    /* The rest is the table's. */
    atomic_uint refs;
    am_ear *ears;
    bool landed;
    atomic_bool wanted; /* somebody waits for it, or has */
    am_answer *answer;  /* a reference; NULL though landed: out of memory */
} am_flight;

enum {
    AM_FLIGHTS_MAX = 20000,       /* at one time; more than that fail at once */
    AM_FLIGHTS_OCTETS = 64 << 20, /* of answers that have landed and were not yet taken by all */
    AM_FLIGHTS_SMALL = 4096,      /* octets of an answer that has room beyond */
};

/* Half of them are in flight, or so many octets have landed: no more are asked early, so that there
 * is room for those that are waited for. */
bool am_flights_crowded(const am_flights *t);

/* Somebody waits for it, so that there is room for its answer. True: it has landed before. */
bool am_flight_want(am_flight *f);
bool am_flight_wanted(const am_flight *f);

/* Answers go into `cache`, which must live longer. NULL: out of memory. */
am_flights *am_flights_new(am_cache *cache);
void am_flights_free(am_flights *t); /* all have landed; NULL is fine */

typedef enum am_join {
    AM_JOIN_CACHED, /* *x: a reference to the answer */
    AM_JOIN_JOINED, /* *f: a reference to somebody else's question */
    AM_JOIN_FRESH,  /* *f: a new question; the caller brings it to the engine */
    AM_JOIN_FULL,   /* too many are in flight */
    AM_JOIN_NOMEM,
} am_join;

/* `wanted`: as am_flight_want, from the start. */
am_join am_flights_join(am_flights *t, const am_qkey *k, bool wanted, am_answer **x, am_flight **f);

/* True: the answer is there: *x is a reference, or NULL: out of memory. */
bool am_flight_landed(am_flight *f, am_answer **x);

/* From now on the bell rings when it lands, or it has landed already. It does not any more behind
 * am_flight_unlisten, which is due before the ear's memory goes; more than once is fine. */
void am_flight_listen(am_flight *f, am_ear *ear, am_bell *bell);
void am_flight_unlisten(am_flight *f, am_ear *ear);

/* The answer is there: cached, given to all who wait. One that nobody waits for and that has no
 * room (AM_FLIGHTS_OCTETS) is cached alone: it lands as a failure of ours. Takes the references to
 * x (NULL: out of memory) and the engine's to f. Engine only. */
void am_flight_land(am_flight *f, am_answer *x);

void am_flight_unref(am_flight *f); /* NULL is fine */

int64_t am_now(void); /* milliseconds; the clock that never jumps */

#endif
