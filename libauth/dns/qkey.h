/* What a question is known by: lower-case name, type, and a keyed hash of both. Room dns only. */
#ifndef AM_DNS_QKEY_H
#define AM_DNS_QKEY_H

#include "libauth/base/domain.h"
#include "libauth/dns/dns.h"

/* Makes the numbers with which others cannot choose names that collide. */
typedef struct am_seed {
    uint64_t k0, k1;
} am_seed;

typedef struct am_qkey {
    uint64_t hash;
    am_dns_type type;
    uint8_t n;
    char name[AM_DOMAIN_MAX]; /* lower case, no final dot; not ended by NUL */
} am_qkey;

/* False: no random octets to be had. */
bool am_seed_make(am_seed *s);

/* False: the name cannot be asked for (am_domain_askable). */
bool am_qkey_make(const am_seed *s, am_str name, am_dns_type type, am_qkey *out);

static inline bool am_qkey_eq(const am_qkey *a, const am_qkey *b)
{
    return a->hash == b->hash && a->type == b->type &&
           am_str_eq(am_str_n(a->name, a->n), am_str_n(b->name, b->n));
}

/* `n` random octets from the kernel. False: there are none. */
bool am_random(void *p, size_t n);

#endif
