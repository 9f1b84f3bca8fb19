/* How many sessions each client has open. */
#ifndef AM_MILTER_CLIENTS_H
#define AM_MILTER_CLIENTS_H

#include "libauth/base/ip.h"

typedef struct am_clients am_clients;

am_clients *am_clients_new(void); /* NULL: out of memory */
void am_clients_free(am_clients *t);

/* One session more for an address; an IPv6 client is its /64. False: it has `limit` already, or
 * there is no memory. Any thread. */
bool am_clients_enter(am_clients *t, const am_ip *ip, unsigned limit);
void am_clients_leave(am_clients *t, const am_ip *ip); /* one less, of those that entered */

#endif
