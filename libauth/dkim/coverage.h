/* Which header fields a DKIM signature leaves open. */
#ifndef AM_DKIM_COVERAGE_H
#define AM_DKIM_COVERAGE_H

#include "libauth/mail/header.h"

/* Fields that readers see or act on, may stand once (RFC 5322 3.6), and stand in the message more
 * often than the colon list `names` (h=) covers: "subject" or "from, subject"; "" is none. A field
 * that stands once and is not in `names` at all was never claimed, and is not told. In the arena;
 * absent: out of memory. Does not wait. */
am_str am_dkim_uncovered(am_arena *a, const am_header *h, am_str names);

#endif
