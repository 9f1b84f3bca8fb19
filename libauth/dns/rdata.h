/* Names and record data as they stand in packets, and their flat form. Room dns only. */
#ifndef AM_DNS_RDATA_H
#define AM_DNS_RDATA_H

#include "libauth/dns/answer.h"

enum { AM_NAME_OCTETS = 255, AM_TYPE_CNAME = 5 };

typedef struct am_wire_name {
    uint8_t n; /* octets, the root's label included */
    uint8_t octet[AM_NAME_OCTETS];
} am_wire_name;

/* Label by label from text that am_domain_askable takes; false for other text. */
bool am_name_of_text(am_str text, am_wire_name *out);

/* Reads the name at p[at] of p[0..n), compression undone. The offset behind
 * it, or 0: no name stands there. */
size_t am_name_read(const uint8_t *p, size_t n, size_t at, am_wire_name *out);

bool am_name_eq(const am_wire_name *a, const am_wire_name *b); /* ASCII letters alike */
bool am_name_under(const am_wire_name *name, const am_wire_name *ancestor); /* or equal */

/* The text form of am_dns_rr.data; its length. `out` NULL: the length alone. */
size_t am_name_text(const am_wire_name *name, char *out);

/* The data of one record: p[at..at+len) of p[0..n), len within n. */
typedef struct am_rdata {
    const uint8_t *p;
    size_t n, at, len;
} am_rdata;

/* Octets of text that the record needs; SIZE_MAX: it is malformed. */
size_t am_rdata_octets(const am_rdata *rd, am_dns_type type);

/* Sets record `i` of an answer that has room for it; the record is well formed. */
void am_rdata_fill(const am_rdata *rd, am_dns_type type, am_answer *x, size_t i);

#endif
