/* DMARC (RFC 9989; RFC 7489's way of finding the Organizational Domain as an option). */
#ifndef AM_DMARC_DMARC_H
#define AM_DMARC_DMARC_H

#include "libauth/base/result.h"
#include "libauth/dns/context.h"
#include "libauth/mail/address.h"

typedef enum am_dmarc_policy {
    AM_DMARC_NONE,
    AM_DMARC_QUARANTINE,
    AM_DMARC_REJECT
} am_dmarc_policy;

typedef struct am_psl am_psl;                         /* a public suffix list (libpsl); immutable */
am_psl *am_psl_load(const char *file, am_error *why); /* NULL file: the system's */
void am_psl_free(am_psl *p);

/* The registrable domain of a normalised domain, a tail of it. False: there is
 * none, as the domain is a public suffix itself; or out of memory. */
bool am_psl_org_domain(const am_psl *p, am_arena *a, am_str domain, am_str *org);

typedef struct am_dmarc_options {
    const am_psl *psl;  /* NULL: tree walk (RFC 9989); else RFC 7489's way */
    unsigned max_walks; /* distinct identifier domains walked; 0: 12 */
} am_dmarc_options;

/* An identifier that a method authenticated, or might have. */
typedef struct am_dmarc_id {
    enum { AM_DMARC_SPF, AM_DMARC_DKIM } method;
    am_str domain;    /* normalised */
    am_result result; /* pass; temperror; anything else cannot align */
} am_dmarc_id;

typedef struct am_dmarc_verdict {
    am_result result;          /* none, pass, fail, temperror, permerror */
    am_str domain;             /* Author Domain; absent where From gave none */
    am_str org_domain;         /* its Organizational Domain; absent where not found out */
    am_str policy_domain;      /* where the record is; absent: no record applies */
    am_dmarc_policy policy;    /* p, sp or np as it applies, before t= */
    am_dmarc_policy requested; /* what the domain asks for this message: fail: policy, one down for
                                  t=y; permerror of the From field: reject; else none */
    bool has_policy;           /* policy means something */
    bool testing;              /* t=y */
    bool spf_aligned, dkim_aligned; /* an identifier passed and aligns */
    bool from_malformed;            /* permerror because of the From field */
    const char *reason;             /* a constant, or "" */
    bool secure;
    /* For reports (RFC 9990), as published or default. */
    struct {
        am_dmarc_policy p, sp, np;
        bool has_p, has_sp, has_np, strict_dkim, strict_spf;
        char psd; /* 'y', 'n', 'u' */
        am_str rua, ruf, fo;
    } record;
} am_dmarc_verdict;

const char *am_dmarc_policy_word(am_dmarc_policy p);

/* Asks for every name of the domain's tree walk at once; does not wait. */
void am_dmarc_start(const am_context *c, const am_dmarc_options *o, am_str domain);

/* May wait. */
am_dmarc_verdict am_dmarc_check(const am_context *c, const am_dmarc_options *o,
    const am_author *author, const am_dmarc_id *id, size_t n);

#endif
