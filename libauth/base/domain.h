/* Domain names as text: lower case, A-labels, no final dot. */
#ifndef AM_BASE_DOMAIN_H
#define AM_BASE_DOMAIN_H

#include "libauth/base/str.h"

enum { AM_DOMAIN_MAX = 253, AM_LABEL_MAX = 63 };

/* Makes the one form in which the house keeps and compares domains: U-labels
 * become A-labels (IDNA 2008, non-transitional, as RFC 8616 wants), letters
 * lower case, one final dot goes. Labels hold letters, digits, "-" and "_".
 * False: not a domain name (empty, empty label, label over 63 or name over 253
 * octets, other octets, invalid U-label), or out of memory. */
bool am_domain_normalise(am_arena *a, am_str in, am_str *out);

/* May this text be asked for? Labels of 1 to 63 octets, 253 in all, at least
 * one label, one final dot allowed; no NUL, no backslash. Anything else is
 * allowed, as SPF macros can yield it. */
bool am_domain_askable(am_str s);

size_t am_domain_labels(am_str s);              /* "a.b.c": 3; "": 0 */
am_str am_domain_tail(am_str s, size_t labels); /* its rightmost labels, or all */
am_str am_domain_parent(am_str s);              /* without the leftmost label; last label: empty */

/* name equals ancestor, or lies below it; ASCII letters alike. An empty
 * ancestor has nothing below it. */
bool am_domain_under(am_str name, am_str ancestor);

#endif
