/* A DNS whose zone is part of the input. It stands in for libauth/dns at link time. */
#ifndef AM_FUZZ_FAKEDNS_H
#define AM_FUZZ_FAKEDNS_H

#include "libauth/dns/dns.h"

/* A row is "NAME TYPE DATA": type A, AAAA, MX ("10 host"), PTR, TXT, or ANY for a name without
 * records; data FAIL is a temporary failure; \DDD in names and data is an octet. "+" before the
 * name: vouched for. A name "*.x" answers for all below x. */
typedef struct fake_zone fake_zone;

fake_zone *fake_zone_new(void);
bool fake_zone_row(fake_zone *z, am_str row); /* false: no such row */
void fake_zone_late(fake_zone *z);            /* am_dns_then hands on in the next wait or poll */
am_dns *fake_zone_dns(fake_zone *z);          /* for am_dns_begin */
void fake_zone_free(fake_zone *z);

/* What a session was asked so far: calls of am_dns_wait, and distinct questions of any kind. */
unsigned fake_dns_waits(const am_dns_session *s);
unsigned fake_dns_questions(const am_dns_session *s);
unsigned fake_dns_waits_for(const am_dns_session *s, am_dns_type type);

#endif
