/* An answer as one block: counted, never changed, with what was parsed from it. Room dns only. */
#ifndef AM_DNS_ANSWER_H
#define AM_DNS_ANSWER_H

#include "libauth/dns/dns.h"

#include <stdatomic.h>

/* An object that somebody made from the answer. */
typedef struct am_parsed {
    const void *kind;
    void *obj;
    void (*destroy)(void *obj);
    struct am_parsed *next;
} am_parsed;

enum { AM_ANSWER_SLOTS = 2 }; /* objects that need no memory of their own */

typedef struct am_answer {
    am_dns_answer pub; /* what the door shows; first, so that its address is the block's */
    atomic_uint refs;
    atomic_uint slots; /* of `slot`, handed out so far */
    _Atomic(am_parsed *) parsed;
    am_parsed slot[AM_ANSWER_SLOTS];
    size_t bytes; /* of the block */
    bool ours;    /* TEMPFAIL for a bound of ours, and not for anything that the DNS did */
    char *fill;   /* while it is built: where the next octets go */
} am_answer;

/* A block for `n` records with `octets` octets of text, one reference. The
 * maker fills pub.rr through am_answer_rr. NULL: out of memory. */
am_answer *am_answer_new(am_dns_status status, size_t n, size_t octets);
am_answer *am_answer_failed(const char *reason); /* TEMPFAIL; `reason` is a constant */
am_answer *am_answer_ours(const char *reason);   /* the same, and `ours` */

/* One that lives in its owner's memory: never given back, but cleared. */
void am_answer_init(am_answer *x, am_dns_status status, const char *reason);
void am_answer_clear(am_answer *x); /* destroys what was parsed */

am_dns_rr *am_answer_rr(am_answer *x, size_t i);

am_answer *am_answer_ref(am_answer *x);
void am_answer_unref(am_answer *x); /* NULL is fine */

#endif
