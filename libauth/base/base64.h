/* Base64 (RFC 4648), read strictly. */
#ifndef AM_BASE_BASE64_H
#define AM_BASE_BASE64_H

#include "libauth/base/str.h"

/* Decodes `s`; folding white space (RFC 6376 2.10) may stand anywhere in it.
 * Wanted: whole groups of four, padding only at the end, unused bits zero.
 * False: something else stands there, or out of memory. Empty decodes to empty. */
bool am_base64_decode(am_arena *a, am_str s, am_str *out);

/* Encodes without line breaks; absent when the arena is exhausted. */
am_str am_base64_encode(am_arena *a, am_str s);

#endif
