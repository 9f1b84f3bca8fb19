/* Signature fields as plain data: DKIM-Signature (RFC 6376 3.5), and ARC's two of the
 * same kind (RFC 8617 4.1.2, 4.1.3). Every rule that needs neither the DNS nor the body. */
#ifndef AM_SIG_SIGNATURE_H
#define AM_SIG_SIGNATURE_H

#include "libauth/base/result.h"
#include "libauth/base/taglist.h"
#include "libauth/sig/bodyhash.h"
#include "libauth/sig/key.h"

typedef enum am_sigkind {
    AM_SIG_DKIM = 1,
    AM_SIG_AMS = 2, /* ARC-Message-Signature: i= is the instance, v= is ignored, no c= is
                       relaxed/relaxed */
    AM_SIG_AS = 4,  /* ARC-Seal: no bh=, no h=, always relaxed */
} am_sigkind;

/* One way to be wrong: what it makes of the signature, in words, and where an RFC says so. */
typedef struct am_fault {
    am_result result;
    const char *reason; /* lower case, no full stop */
    const char *rfc;    /* "6376 6.1.1" */
} am_fault;

/* Everything that can be wrong with a signature apart from its key record. */
typedef enum am_sigfault {
    AM_SIG_GOOD, /* nothing is */
    AM_SIG_NO_MEMORY,
    AM_SIG_TAG_LIST, /* neutral: the shape of the field */
    AM_SIG_MISSING_TAG,
    AM_SIG_VERSION,
    AM_SIG_ALGORITHM,
    AM_SIG_CANON,
    AM_SIG_QUERY,
    AM_SIG_TAG_VALUE,
    AM_SIG_SHA1, /* permerror: what it says */
    AM_SIG_NO_FROM,
    AM_SIG_OUTSIDE,
    AM_SIG_EXPIRED,
    AM_SIG_FUTURE,
    AM_SIG_STRICT,
    AM_SIG_RSA_SHORT,
    AM_SIG_HEADER,
    AM_SIG_BODY_SHORT, /* fail: what was signed is not what came */
    AM_SIG_BODY_HASH,
    AM_SIG_MISMATCH,
    AM_SIG_RSA_WEAK, /* policy: verified, and not wanted here */
    AM_SIG_RSA_LONG,
    AM_SIG_UNSIGNED,
    AM_SIG_OPEN, /* pass, with fields beside the signed ones: the detail names them */
    AM_SIG_SKIPPED,
    AM_SIG_CRYPTO,
    AM_SIG_FAULTS
} am_sigfault;

const am_fault *am_sigfault_get(am_sigfault f); /* a constant, never NULL */

typedef struct am_signature {
    const am_fault *fault; /* NULL: well formed. Else the members below are for showing alone */
    am_str detail;         /* which tag, or what about it; from outside; or absent */

    am_taglist tags;  /* a broken list: what can be recognised of it */
    am_str domain;    /* d=, normalised where it can be; absent: none */
    am_str selector;  /* s= as written; absent: none */
    am_str identity;  /* DKIM: i= decoded, or "@" and d=; else absent */
    am_str algorithm; /* a= as written; absent: none */
    am_str signature; /* b= without white space; absent: none */

    am_key_type key_type;
    am_str key_name;       /* where the key is, for the DNS; absent: no such name can be */
    am_str data;           /* b= decoded */
    am_str hash;           /* bh= decoded; not in AS */
    am_str names;          /* h=, to be walked with am_list_next(':'); not in AS */
    am_canon header, body; /* c= */
    uint64_t length;       /* l=, or AM_BODY_WHOLE */
    uint64_t created;      /* t=, seconds since the epoch; has_created */
    uint64_t expires;      /* x=; has_expires */
    bool has_created, has_expires;
    bool subdomain;    /* DKIM: the domain of i= is below d=, not d= itself */
    unsigned instance; /* AMS, AS: i=, 1 to 999 */
} am_signature;

/* Parses the value of a signature field. Ranges point into `value` and the arena. */
am_signature am_signature_parse(am_arena *a, am_sigkind kind, am_str value);

/* x= in the past, or t= in the future, by more than `drift` seconds; NULL: neither. */
const am_fault *am_signature_time(const am_signature *s, int64_t now, unsigned drift);

/* The name of the key, from d= and s= alone, whatever the rest is: for asking early. Absent: they
 * are not what a signature may have. */
am_str am_signature_key_name(am_arena *a, am_str value);

#endif
