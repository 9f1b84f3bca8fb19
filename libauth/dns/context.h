/* What every method needs of the message that it judges. */
#ifndef AM_DNS_CONTEXT_H
#define AM_DNS_CONTEXT_H

#include "libauth/dns/dns.h"

typedef struct am_context {
    am_arena *arena;     /* the message's: what a verdict points to lives there */
    am_dns_session *dns; /* the message's questions */
    am_trace *trace;     /* may be NULL */
    int64_t now;         /* seconds since the epoch */
} am_context;

#endif
