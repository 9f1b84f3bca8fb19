/* Answers from RFC 1035 master files. Room dns only. */
#ifndef AM_DNS_ZONEFILE_H
#define AM_DNS_ZONEFILE_H

#include "libauth/dns/answer.h"

typedef struct am_zone am_zone;

/* All files together are one tree. NULL: `why` says which line is wrong. */
am_zone *am_zone_read(const char *const *file, size_t n, am_error *why);
void am_zone_free(am_zone *z); /* NULL is fine */

/* A new answer; the name is one that can be asked for. NULL: out of memory. */
am_answer *am_zone_answer(const am_zone *z, am_str name, am_dns_type type);

#endif
