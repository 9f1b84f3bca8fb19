/*
 * clients: counts the open sessions of each client.
 *
 * For: limits.sessions-per-client. A hash table of those that have any; one lock, held for a few
 * instructions. Waits: for the lock. Memory: one small piece a client, bounded by limits.sessions.
 * Callers: any thread.
 */
#include "milter/clients.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 1024 };

typedef struct client {
    struct client *next;
    am_ip who;
    unsigned sessions;
} client;

struct am_clients {
    pthread_mutex_t lock;
    uint64_t seed;
    client *bucket[BUCKETS];
};

am_clients *am_clients_new(void)
{
    am_clients *t = calloc(1, sizeof *t);
    if (t && pthread_mutex_init(&t->lock, NULL) != 0) {
        free(t);
        t = NULL;
    }
    if (t)
        t->seed = (uintptr_t)t; /* who fills one bucket must know more than the code */
    return t;
}

void am_clients_free(am_clients *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < BUCKETS; i++)
        for (client *c = t->bucket[i], *next; c; c = next) {
            next = c->next;
            free(c);
        }
    pthread_mutex_destroy(&t->lock);
    free(t);
}

/* A host of IPv6 has a whole /64 to itself (RFC 7421). */
static am_ip whole(const am_ip *ip)
{
    am_ip who = {.family = ip->family};
    memcpy(who.octet, ip->octet, ip->family == 4 ? 4 : 8);
    return who;
}

/* Where the client is linked, or where it would be. */
static client **find(am_clients *t, const am_ip *who)
{
    uint64_t h = t->seed;
    for (size_t i = 0; i < 8; i++)
        h = (h ^ who->octet[i]) * 1099511628211u;
    client **at = &t->bucket[(h >> 32) % BUCKETS];
    while (*at && !am_ip_eq(&(*at)->who, who))
        at = &(*at)->next;
    return at;
}

bool am_clients_enter(am_clients *t, const am_ip *ip, unsigned limit)
{
    am_ip who = whole(ip);
    pthread_mutex_lock(&t->lock);
    client **at = find(t, &who);
    if (!*at && (*at = calloc(1, sizeof **at)))
        (*at)->who = who;
    bool good = *at && (*at)->sessions < limit;
    if (good)
        (*at)->sessions++;
    pthread_mutex_unlock(&t->lock);
    return good;
}

void am_clients_leave(am_clients *t, const am_ip *ip)
{
    am_ip who = whole(ip);
    pthread_mutex_lock(&t->lock);
    client **at = find(t, &who), *c = *at;
    if (c && --c->sessions == 0) {
        *at = c->next;
        free(c);
    }
    pthread_mutex_unlock(&t->lock);
}
