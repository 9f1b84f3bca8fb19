/* A DNS for unit tests: answers from a table, in the same thread. It stands in
 * for libauth/dns at link time: list t/unit/fakedns.c in the program's SOURCES. */
#ifndef AM_T_UNIT_FAKEDNS_H
#define AM_T_UNIT_FAKEDNS_H

#include "libauth/dns/dns.h"

/* type: "A", "AAAA", "MX", "PTR", "TXT", or "ANY" for rows without a record.
 * data: the record ("10 mx.example" for MX); or "TEMPFAIL", "NODATA". `n`: the octets of
 * TXT data, 0 for a C string. Names without a row are NXDOMAIN, unless a name below has one. */
typedef struct fake_rr {
    const char *name, *type, *data;
    size_t n;
    bool secure;
} fake_rr;

/* A session over rows[0..n). Questions are counted once a name and type. */
am_dns_session *fake_dns(am_arena *a, const fake_rr *rows, size_t n, am_trace *trace);
unsigned fake_dns_waited(const am_dns_session *s);  /* distinct questions waited for */
unsigned fake_dns_started(const am_dns_session *s); /* distinct questions started early */
/* "TXT example.org" stands for the nth (from 0) question waited for, in order; NULL: no more. */
const char *fake_dns_question(const am_dns_session *s, unsigned nth);

#endif
