/* x-auth-align: does the login own MAIL FROM, From and Sender? */
#ifndef AM_IDENT_AUTHALIGN_H
#define AM_IDENT_AUTHALIGN_H

#include "libauth/base/result.h"
#include "libauth/ident/loginmap.h"

typedef struct am_authalign_query {
    am_str user; /* the login (am_smtpauth_verdict); empty or absent: not authenticated */
    const am_mailbox *sender; /* MAIL FROM; the null path, or NULL: nothing to own there */
    const am_header *header;  /* for From and Sender; NULL: the envelope alone */
} am_authalign_query;

enum { AM_AUTHALIGN_MAIL_FROM = 1, AM_AUTHALIGN_FROM = 2, AM_AUTHALIGN_SENDER = 4 };

typedef struct am_authalign_verdict {
    am_result result;   /* pass: every identity that is there is the login's; fail; none */
    const char *reason; /* a constant; none: "not authenticated", "no address to own", "out of
                           memory"; fail: which of the three are not owned, "header not kept whole",
                           or "too many addresses"; pass: "" */
    unsigned there;     /* AM_AUTHALIGN_ bits: identities that were looked at */
    unsigned foreign;   /* of these, the ones that are not the login's */
    am_str address;     /* fail: the first address that is not; empty where it cannot be read */
} am_authalign_verdict;

/* Does not wait. Every mailbox of every From and Sender field counts, 100 in all; a field that
 * cannot be read, or an address literal, is nobody's. Empty fields are not there. Reply-To and
 * Resent-* do not matter. Out of memory is none. */
am_authalign_verdict am_authalign_check(
    am_arena *a, const am_loginmap *map, const am_authalign_query *q);

#endif
