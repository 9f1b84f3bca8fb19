/* IP addresses and networks. */
#ifndef AM_BASE_IP_H
#define AM_BASE_IP_H

#include "libauth/base/str.h"

typedef struct am_ip {
    unsigned char family;    /* 4, 6, or 0: no address */
    unsigned char octet[16]; /* network order; IPv4 uses the first four */
} am_ip;

typedef struct am_net {
    am_ip ip;
    unsigned char bits; /* 0 to 32, or 0 to 128 */
} am_net;

enum { AM_IP_TEXT = 46 }; /* room for any address and its NUL */

/* "192.0.2.1", "2001:db8::1"; nothing before or behind. IPv4-mapped IPv6
 * (::ffff:192.0.2.1) becomes IPv4. False: no address. */
bool am_ip_parse(am_str s, am_ip *out);

/* From 4 or 16 octets in network order; mapped addresses become IPv4. */
am_ip am_ip_of(const void *octets, size_t n);

/* "ADDR" or "ADDR/BITS", without leading zeros in BITS. */
bool am_net_parse(am_str s, am_net *out);

/* Canonical text (RFC 5952 for IPv6); returns `text`. */
const char *am_ip_text(const am_ip *ip, char text[static AM_IP_TEXT]);

bool am_ip_eq(const am_ip *a, const am_ip *b);
bool am_ip_in(const am_ip *ip, const am_net *net); /* families differ: false */

/* The name for a PTR query: "1.2.0.192.in-addr.arpa"; absent: no memory. */
am_str am_ip_reverse(am_arena *a, const am_ip *ip);

#endif
