/* The Purported Responsible Address (RFC 4407), and SUBMITTER (RFC 4405), which claims it. */
#ifndef AM_IDENT_PRA_H
#define AM_IDENT_PRA_H

#include "libauth/mail/address.h"

typedef struct am_pra {
    bool found;
    am_mailbox mailbox; /* found: its domain is there */
    const char *field;  /* found: "resent-sender", "resent-from", "sender" or "from" */
    const char *reason; /* not found: a constant: "no From field", "several Sender fields", "several
                           From fields", "header not kept whole", "out of memory", "the responsible
                           field holds several mailboxes", "... no mailbox", "... no domain", "...
                           is malformed"; else "" */
} am_pra;

/* Does not wait. A header of which not all was kept has no PRA: the field that decides may be
 * missing. */
am_pra am_pra_find(am_arena *a, const am_header *h);

typedef enum am_submitter_status {
    AM_SUBMITTER_NONE,      /* not sent */
    AM_SUBMITTER_MALFORMED, /* no xtext, or no mailbox in it */
    AM_SUBMITTER_MATCH,     /* it is the PRA */
    AM_SUBMITTER_MISMATCH,  /* RFC 4405 4.2: "Submitter does not match header" */
    AM_SUBMITTER_NO_PRA,    /* RFC 4405 4.2: "Cannot verify submitter address" */
} am_submitter_status;

typedef struct am_submitter {
    am_submitter_status status;
    am_mailbox mailbox; /* what was sent; MALFORMED and NONE: absent */
    const char *reason; /* a constant; "" for MATCH and NONE */
} am_submitter;

/* Holds the value of MAIL FROM's SUBMITTER= (as sent, am_esmtp_value; absent: not sent) against the
 * PRA. Domains compare in their house form; local-parts octet for octet (RFC 5321 2.4: their case
 * is the domain's matter), needless quotes aside. Out of memory is MALFORMED. */
am_submitter am_submitter_check(am_arena *a, am_str value, const am_pra *pra);

#endif
