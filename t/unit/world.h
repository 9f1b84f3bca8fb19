/* A small world for tests: domains with SPF, DKIM keys, DMARC and hosts of all kinds, drawn by
 * chance from a seed, as a zone file and as a DNS server that answers the same. */
#ifndef AM_T_UNIT_WORLD_H
#define AM_T_UNIT_WORLD_H

#include "t/unit/dns_server.h"
#include "t/unit/signer.h"

typedef struct chance {
    uint64_t state; /* not 0 */
} chance;

unsigned draw(chance *c, unsigned n); /* 0 to n-1 */

enum { WORLD_DOMAINS = 16, WORLD_RECORDS = 1000, WORLD_CLIENTS = 4 };

typedef struct world_rr {
    char name[80], type[5], data[600]; /* as in a zone file; TXT without quotes, in one string */
    unsigned ttl;
} world_rr;

typedef struct world {
    world_rr rr[WORLD_RECORDS];
    size_t n;
    EVP_PKEY *rsa, *ed25519;
} world;

/* Selectors of every domain: rsa, ed25519, other (another key), revoked, broken; "none" has none.
 * Domains are d0.test, d1.test, ... and a.d0.test below each; clients 192.0.2.1, 192.0.2.2, ... */
world *world_new(uint64_t seed);
void world_free(world *w);

void world_zone(const world *w, const char *path); /* writes the file */
void world_answer(server *s, const query *q);      /* for start_server; s->with is the world */

#endif
