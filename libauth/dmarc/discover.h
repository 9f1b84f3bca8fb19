/* Finding DMARC records and Organizational Domains (RFC 9989 4.10; or by RFC 7489's way). */
#ifndef AM_DMARC_DISCOVER_H
#define AM_DMARC_DISCOVER_H

#include "libauth/dmarc/record.h"

enum { AM_DMARC_QUERIES = 8 }; /* RFC 9989 4.10: of one walk */

typedef struct am_dmarc_found {
    am_str domain;                 /* a tail of the walk's start */
    const am_dmarc_record *record; /* valid until am_dns_end */
} am_dmarc_found;

/* The way up from one domain, taken as far as somebody asked. */
typedef struct am_dmarc_walk {
    am_str start;
    am_str listed_org; /* with a public suffix list: what it says; else absent */
    am_str name[AM_DMARC_QUERIES];
    size_t names, asked;
    am_dmarc_found found[AM_DMARC_QUERIES]; /* in the order of asking */
    size_t n;
    bool ended;        /* nothing more to be asked */
    const char *error; /* why nothing can be concluded (a constant), or NULL */
    bool exists;       /* the first answer proves that the start exists */
    bool secure;       /* every answer so far was vouched for */
} am_dmarc_walk;

/* Writes down the names, and asks nothing. psl NULL: the tree walk's; else
 * the domain and its registrable domain. `domain` is normalised and must outlive the walk. */
void am_dmarc_walk_begin(am_dmarc_walk *w, am_arena *a, const am_psl *psl, am_str domain);

/* Asks for all of them at once and does not wait. */
void am_dmarc_walk_start(const am_dmarc_walk *w, const am_context *c);

/* Waits for the next answer. False: the walk is at its end, or broken off. */
bool am_dmarc_walk_step(am_dmarc_walk *w, const am_context *c);

/* Waits for all that are left. False: broken off; `error` says why. */
bool am_dmarc_walk_finish(am_dmarc_walk *w, const am_context *c);

/* Of a finished walk: the Organizational Domain of its start, a tail of it. */
am_str am_dmarc_walk_org(const am_dmarc_walk *w);

/* Of a finished walk, or of one whose start has a record: the record that gives
 * the policy for its start; NULL: DMARC does not apply. */
const am_dmarc_found *am_dmarc_walk_policy(const am_dmarc_walk *w);

#endif
