/* What stands behind the door dkim.h: engines that evaluate signatures which are parsed,
 * limited and asked for already. libauth/dkim/ alone includes this. */
#ifndef AM_DKIM_ENGINE_H
#define AM_DKIM_ENGINE_H

#include "config.h"
#include "libauth/dkim/dkim.h"
#include "libauth/sig/signature.h"

/* One DKIM-Signature of the message. */
typedef struct am_dkim_item {
    am_signature sig;
    am_dkim_verdict verdict; /* whom it is about is filled in; an engine adds the rest */
    bool evaluate;           /* well formed and within the limit: the engine's work */
} am_dkim_item;

typedef struct am_dkim_job {
    am_context c;            /* for the whole life of the engine */
    am_dkim_options options; /* defaults and legal minimum filled in */
    const am_header *header;
    am_bodies *bodies; /* fed and finished before `finish`, by others */
    am_dkim_item *item;
    size_t n;            /* in the order of the message; at least one has `evaluate` */
    const size_t *order; /* indices of those with `evaluate`, in the order of evaluation */
    size_t evaluated;
} am_dkim_job;

typedef struct am_dkim_ops {
    /* The header is there; NULL: out of memory. Does not wait. */
    void *(*begin)(am_dkim_job *job);
    void (*body)(void *engine, const void *p, size_t n);
    /* Calls one of the am_dkim_judge functions for every item with `evaluate`. May wait for keys,
     * which the door has asked for already. */
    void (*finish)(void *engine);
    /* At any point after begin; frees what is not in the arena. */
    void (*end)(void *engine);
} am_dkim_ops;

extern const am_dkim_ops am_dkim_own_ops; /* check.c */
#ifdef HAVE_LIBOPENDKIM
extern const am_dkim_ops am_dkim_libopendkim_ops; /* opendkim.c */
#endif

/* ---- What engines share ---- */

/* The verdict is this fault's. `detail` may be absent. */
void am_dkim_judge(am_dkim_job *job, am_dkim_item *i, am_sigfault f, am_str detail);

/* The key of the signature, waited for. NULL: there is none that may be used, and the verdict is
 * set: no record, revoked, wrong type, hash or service, RSA under the legal minimum or over the
 * local maximum, t=s. Sets key_bits, testing and secure of the verdict. */
const am_key *am_dkim_key(am_dkim_job *job, am_dkim_item *i);

/* The signature is good over `length` octets of a canonical body of `octets`: pass, or what the
 * local rules make of it (minimum of RSA, unsigned octets). */
void am_dkim_judge_good(am_dkim_job *job, am_dkim_item *i, uint64_t octets);

#endif
