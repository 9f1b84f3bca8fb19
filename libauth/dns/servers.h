/* Whom to ask: the resolvers, and how they are getting on. Room dns only. */
#ifndef AM_DNS_SERVERS_H
#define AM_DNS_SERVERS_H

#include "libauth/dns/dns.h"

#include <sys/socket.h>

typedef struct am_server {
    struct sockaddr_storage address;
    socklen_t length;
    bool loopback;
    /* How it is getting on; the engine's thread only. Moments: am_now. */
    unsigned misses;    /* tries without an answer since the last answer */
    int64_t missed;     /* the last of them */
    int64_t answered;   /* the last answer */
    int64_t down_until; /* asked last until then */
    unsigned recased;   /* answers that changed the letters' case, in a row */
    int64_t plain_until, no_edns_until;
} am_server;

typedef struct am_servers {
    am_server server[AM_SERVERS_MAX];
    size_t n;
    unsigned try_ms;
    unsigned rounds; /* each server is tried so often at the most */
    bool trust_ad;
} am_servers;

/* From the options, else resolv.conf's, else 127.0.0.1. False: `why` says what is wrong. */
bool am_servers_read(const am_dns_options *o, am_servers *out, am_error *why);

/* The best server whose bit is not in `except`: in their order, those that
 * are down last. -1: none is left. */
int am_servers_pick(const am_servers *s, unsigned except, int64_t now);

/* A try that left at `sent` was in vain: a miss, unless something else was answered since, or one
 * was counted within the time of a try. */
void am_server_missed(am_servers *all, unsigned server, int64_t sent, int64_t now);
void am_server_answered(am_server *s, int64_t now);
void am_server_recased(am_server *s, int64_t now);

#endif
