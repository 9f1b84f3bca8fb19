/* ARC (RFC 8617): the chain of one message and its verdict. */
#ifndef AM_ARC_ARC_H
#define AM_ARC_ARC_H

#include "libauth/base/result.h"
#include "libauth/dns/context.h"
#include "libauth/mail/header.h"
#include "libauth/sig/bodyhash.h"

enum { AM_ARC_MAX = 50 }; /* RFC 8617 4.2.1: instances */

typedef struct am_arc_options {
    unsigned max_sets;     /* beyond: fail; 0 or more than 50: 50 */
    unsigned min_rsa_bits; /* below 1024 counts as 1024 */
    unsigned max_rsa_bits; /* 0: 4096 */
    unsigned clock_drift;  /* seconds, for t= and x= of an ARC-Message-Signature */
} am_arc_options;

/* One set of a chain whose structure is right. */
typedef struct am_arc_set {
    am_str sealer;   /* d= of the ARC-Seal, normalised */
    am_str selector; /* its s= */
    am_str results;  /* the ARC-Authentication-Results' value behind "i=N;", raw */
} am_arc_set;

typedef struct am_arc_verdict {
    am_result result;      /* none, pass, fail: there is no temporary result (5.2.1) */
    unsigned instance;     /* the highest one; 0: no chain, or none can be told */
    unsigned oldest_pass;  /* pass: lowest instance of the unbroken run of valid AMS; 0: all are.
                              In headers of many octets not all of them are tried */
    const char *reason;    /* a constant; "" for none and pass */
    unsigned at;           /* fail: the instance that the reason is about; 0: the chain's */
    const am_arc_set *set; /* set[0] is instance 1; NULL unless the structure is right */
    size_t sets;
    const char *open; /* pass: what the newest AMS leaves to anybody's change, a constant ("part of
                         the body is not signed", "From is not signed"); NULL: neither */
    bool secure;      /* every key was vouched for by the resolver */
    bool fault;       /* fail for want of memory: ours, not the chain's */
} am_arc_verdict;

typedef struct am_arc am_arc;

/* Collects the sets, judges the structure, asks for the newest keys, and says which body digests it
 * wants. `bodies` is fed and finished by the caller. NULL: out of memory. */
am_arc *am_arc_begin(
    const am_context *c, const am_arc_options *o, const am_header *h, am_bodies *bodies);

/* The key's question of one ARC-Seal or ARC-Message-Signature, as soon as the field is seen. */
void am_arc_start(const am_context *c, am_str value);

/* After the body. Waits for keys. Everything lives in the context's arena. */
am_arc_verdict am_arc_finish(am_arc *arc);

#endif
