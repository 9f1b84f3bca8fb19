/* The thread that asks over the network. Room dns only. */
#ifndef AM_DNS_ENGINE_H
#define AM_DNS_ENGINE_H

#include "libauth/dns/flight.h"
#include "libauth/dns/servers.h"

typedef struct am_engine am_engine;

/* Starts the thread. TTLs are cut at max_ttl seconds. NULL: `why` says what is wrong. */
am_engine *am_engine_new(const am_servers *servers, uint32_t max_ttl, am_error *why);

/* Takes the engine's reference to a fresh flight; it lands in time, whatever
 * happens. Does not wait. Any thread. */
void am_engine_ask(am_engine *e, am_flight *f);

/* Ends the thread; what is in flight lands as a failure. NULL is fine. */
void am_engine_free(am_engine *e);

uint64_t am_engine_sent(const am_engine *e); /* packets */

#endif
