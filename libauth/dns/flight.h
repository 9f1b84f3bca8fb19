/* Questions in flight: asked once, waited for by many. Room dns only. */
#ifndef AM_DNS_FLIGHT_H
#define AM_DNS_FLIGHT_H

#include "libauth/dns/cache.h"

#include <pthread.h>

typedef struct am_flights am_flights;

typedef struct am_flight {
    am_qkey key;
    am_flights *table;
    struct am_flight *next;  /* in its bucket */
    struct am_flight *inbox; /* behind it in the engine's inbox */
    /* The rest is the table's. */
    atomic_uint refs;
    pthread_cond_t land;
    bool landed;
    am_answer *answer; /* a reference; NULL though landed: out of memory */
} am_flight;

enum { AM_FLIGHTS_MAX = 20000 }; /* at one time; more than that fail at once */

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

am_join am_flights_join(am_flights *t, const am_qkey *k, am_answer **x, am_flight **f);

/* Waits until the answer is there or `until` (milliseconds, am_now). True:
 * *x is a reference, or NULL: out of memory. */
bool am_flight_wait(am_flight *f, int64_t until, am_answer **x);

/* The answer is there: cached, given to all who wait. Takes the references to
 * x (NULL: out of memory) and the engine's to f. Engine only. */
void am_flight_land(am_flight *f, am_answer *x);

void am_flight_unref(am_flight *f); /* NULL is fine */

int64_t am_now(void); /* milliseconds; the clock that never jumps */

#endif
