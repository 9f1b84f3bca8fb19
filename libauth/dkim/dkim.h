/* DKIM (RFC 6376, 8301, 8463, 8553, 8616): the signatures of one message and their verdicts. */
#ifndef AM_DKIM_DKIM_H
#define AM_DKIM_DKIM_H

#include "libauth/base/result.h"
#include "libauth/dns/context.h"
#include "libauth/mail/header.h"
#include "libauth/sig/bodyhash.h"

typedef enum am_dkim_engine { AM_DKIM_OWN, AM_DKIM_LIBOPENDKIM } am_dkim_engine;

typedef struct am_dkim_options {
    am_dkim_engine engine;
    unsigned max_signatures; /* evaluated; 0: 10 */
    bool
        body_length_policy; /* l= that leaves octets of the body unsigned is "policy", not "pass" */
    unsigned min_rsa_bits;  /* below 1024 counts as 1024 */
    unsigned max_rsa_bits;  /* 0: 4096 */
    unsigned clock_drift;   /* seconds of grace for x= and for t= in the future */
} am_dkim_options;

typedef struct am_dkim_verdict {
    am_result result;   /* never AM_NONE, never AM_SOFTFAIL */
    am_str domain;      /* d=, normalised where it can be; absent where the tag list has none */
    am_str selector;    /* s= */
    am_str identity;    /* i=, or "@" and d= */
    am_str algorithm;   /* a= as written */
    am_str signature;   /* b= without white space */
    unsigned key_bits;  /* 0: no key was seen */
    const char *reason; /* a constant; "" for an unqualified pass */
    am_str detail;      /* more of the reason, from outside (quote it); or absent. A pass with the
                           reason "unsigned" names the header fields that stand more often than they
                           are signed: "subject, reply-to" */
    bool testing;       /* the key says t=y */
    bool secure;        /* the key record was vouched for by the resolver */
    size_t field;       /* index of the DKIM-Signature in the header */
} am_dkim_verdict;

typedef struct am_dkim am_dkim;

/* Parses and limits the signatures, asks for their keys, says which body digests it
 * wants. `author`: the Author Domain for the order of evaluation (absent: none). `bodies` is fed
 * and finished by the caller. NULL: out of memory. */
am_dkim *am_dkim_begin(const am_context *c, const am_dkim_options *o, const am_header *h,
    am_str author, am_bodies *bodies);

/* The selector's question of one field, asked as soon as the field is seen; does not wait. Not for
 * more fields of a message than are evaluated: the questions of a session are numbered. */
void am_dkim_start(const am_context *c, am_str value);

/* Every body chunk (only libopendkim behind the door needs it). */
void am_dkim_body(am_dkim *d, const void *p, size_t n);

/* All keys at once, so that a name server that is dead costs its own signature alone; am_dkim_begin
 * has done it unless nothing may be asked early. Does not wait. */
void am_dkim_ask(const am_dkim *d);

/* After the body: one verdict a signature, in the message's order. Waits for keys. */
const am_dkim_verdict *am_dkim_finish(am_dkim *d, size_t *n);

/* Signatures beyond the limit (their verdicts are neutral, "not evaluated"). Those beyond the
 * first thousand are not even parsed: their verdicts name no domain. */
size_t am_dkim_skipped(const am_dkim *d);

void am_dkim_end(am_dkim *d); /* lets everything go, at any point; NULL is fine */

#endif
