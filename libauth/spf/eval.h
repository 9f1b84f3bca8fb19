/* One running check_host: what its parts share. Inside spf only. */
#ifndef AM_SPF_EVAL_H
#define AM_SPF_EVAL_H

#include "libauth/spf/record.h"
#include "libauth/spf/spf.h"

enum { AM_SPF_DEPTH_MAX = 20 }; /* includes inside includes, whatever max_terms allows */

typedef struct am_spf_eval {
    const am_context *c;
    am_spf_scope scope;
    const char *step;   /* for the trace: "spf" or "sender-id" */
    am_spf_options max; /* defaults filled in */
    am_ip ip;
    am_spf_values values; /* d and p are set before each expansion */

    unsigned terms, voids, questions; /* used so far */
    unsigned before;                  /* distinct questions of the message before this check */
    am_result error;                  /* AM_NONE, or temperror or permerror: sticks */
    am_str reason;                    /* of the error, or of the result none */
    bool insecure, local_used;

    am_str mechanism;         /* the outermost directive that decided */
    const am_spf_string *exp; /* of the record in which a fail matched */
    am_str exp_domain;

    bool names_known; /* the client's validated names (5.5) */
    am_str *name;
    size_t names;
    bool names_void; /* no PTR record */
} am_spf_eval;

/* ---- limits.c: questions and what they may cost (4.6.4) ---- */

/* Ends the evaluation with that result, unless it has ended already. Returns false. */
bool am_spf_fail(am_spf_eval *e, am_result result, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Counts a term that queries; false: that was one too many. */
bool am_spf_count_term(am_spf_eval *e);

/* Counts a term whose look-ups came to nothing. */
void am_spf_count_void(am_spf_eval *e, am_str domain);

/* Asks and waits. NULL: one question too many, an error. */
const am_dns_answer *am_spf_ask(am_spf_eval *e, const char *rfc, am_str name, am_dns_type type);

/* The same, and a failed look-up is temperror (NULL). */
const am_dns_answer *am_spf_need(am_spf_eval *e, const char *rfc, am_str name, am_dns_type type);

void am_spf_note(am_spf_eval *e, const char *rfc, am_str about, const char *decision);

/* ---- match.c: the mechanisms (5) ---- */

/* Where a term stands. */
typedef struct am_spf_place {
    am_str domain; /* the current <domain> */
    unsigned depth;
} am_spf_place;

/* Does it match? False with e->error set: it failed. */
bool am_spf_match(am_spf_eval *e, const am_spf_place *at, const am_spf_term *t);

/* The section of RFC 7208 that defines the mechanism. */
const char *am_spf_section(am_spf_kind kind);

/* The target-name. False: it is no name that can be asked for (no match), or an error. `counted`:
 * %{p} counts as a term. */
bool am_spf_target(am_spf_eval *e, am_str domain, am_spf_string spec, bool counted, am_str *target);

/* Sets %{p} for the current domain if the string wants it. */
bool am_spf_set_p(am_spf_eval *e, am_str domain, am_spf_string s, bool counted);

/* ---- warm.c: early asking ---- */

/* Asks for the domain's record, and, as answers come, for what its terms will need, as far as the
 * limits allow; for the domain's own addresses and MX as well where the client's HELO name lies
 * below it. Of `e` what begin() sets is used, and copied. */
void am_spf_warm(const am_spf_eval *e, am_str domain, am_str helo);

/* ---- check.c ---- */

/* check_host (4). None, or an error, sets e->reason. */
am_result am_spf_check_host(am_spf_eval *e, am_spf_place at);

/* The one record among the answer's that counts in the scope, parsed (4.5, 4.6; RFC 4406 4.4).
 * none, permerror: `why` says what; pass: *out is there; temperror: out of memory. A record too
 * large to be kept with its answer goes into the arena; without one (a NULL) that is temperror. */
am_result am_spf_select(am_arena *a, const am_dns_answer *x, am_spf_scope scope,
    const am_spf_record **out, am_error *why);

#endif
