/* Trusted sealers: may a passing ARC chain stand in for a DMARC pass (RFC 8617 7.2.1)? */
#ifndef AM_TRUST_H
#define AM_TRUST_H

#include "libauth/arc/arc.h"
#include "libauth/dmarc/dmarc.h"

typedef struct am_trust_entry {
    am_str domain; /* normalised */
    bool itself, below;
} am_trust_entry;

typedef struct am_trust_list {
    const am_trust_entry *entry;
    size_t n; /* 0: nobody is trusted */
} am_trust_list;

typedef struct am_trust {
    bool overridden;    /* a DMARC fail of this author need not count */
    unsigned instance;  /* of the oldest set that trusted sealers vouch for; 0: none */
    const char *reason; /* a constant: why not; "" where overridden */
} am_trust;

/* Reads one entry: "example.org" for that domain; ".example.org" for every one below it and, as in
 * rules, not itself; "*.example.org" for both. A name of one label cannot have the whole below it
 * trusted, nor, where there is a list (`psl` may be NULL), can a public suffix. False: `why` (may
 * be NULL) says what is wrong. */
bool am_trust_entry_parse(
    am_arena *a, const am_psl *psl, am_str text, am_trust_entry *out, am_error *why);

/* Reads a list: an entry a line (CRLF or LF); "#" starts a comment; empty lines are fine. At most
 * 100000 entries. False: `why` (may be NULL) says "line 3: ...". */
bool am_trust_list_parse(
    am_arena *a, const am_psl *psl, am_str text, am_trust_list *out, am_error *why);

/* Down from the newest set while the seal's d= is trusted; the ARC-Authentication-Results of the
 * oldest set so reached must say dmarc=pass for `author` (the present Author Domain, normalised;
 * may be absent), and say nothing else of it. Does not wait; memory: the arena alone. */
am_trust am_trust_check(
    am_arena *a, const am_trust_list *sealers, const am_arc_verdict *arc, am_str author);

#endif
