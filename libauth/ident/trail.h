/* Audit of the Received trail: do the hosts that say they passed the message on agree? */
#ifndef AM_IDENT_TRAIL_H
#define AM_IDENT_TRAIL_H

#include "libauth/base/result.h"
#include "libauth/dns/context.h"
#include "libauth/mail/header.h"
#include "libauth/mail/received.h"

enum { AM_TRAIL_HOPS = 100 }; /* Received fields that are read; of more, the topmost */

typedef struct am_trail_hop {
    size_t field; /* index in the header */
    am_received received;
} am_trail_hop;

typedef struct am_trail {
    /* AM_FAIL: what honest chains never show. AM_NEUTRAL: odd, or nothing to judge.
     * AM_PASS: nothing odd; a liar can bring that about. */
    am_result result;
    am_str reason;           /* one sentence of constants and the number of a field (from 1, top
                                down, of Received fields alone), never text from outside; pass: absent */
    const am_trail_hop *hop; /* top down; in the arena */
    size_t hops;
} am_trail;

/* Judges the Received fields, and the host of Message-ID against the origin: the
 * lowest host, and `author` (the Author Domain; absent: unknown). Uses the arena,
 * the trace and the clock of the context, and never its DNS. */
am_trail am_trail_check(const am_context *context, const am_header *header, am_str author);

#endif
