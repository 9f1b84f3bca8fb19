/* auth (RFC 8601 2.7.4): who logged in (RFC 4954), how, and for whom the client says it speaks. */
#ifndef AM_IDENT_SMTPAUTH_H
#define AM_IDENT_SMTPAUTH_H

#include "libauth/base/result.h"
#include "libauth/mail/address.h"

typedef struct am_smtpauth_query {
    am_str user;      /* {auth_authen}, as the MTA gives it; empty or absent: nobody logged in */
    am_str mechanism; /* {auth_type} */
    am_str parameter; /* value of MAIL FROM's AUTH=, as sent (am_esmtp_value); absent: not sent */
    am_str author; /* {auth_author}: the same, decoded by the MTA; used where parameter is absent */
    bool trusted;  /* this client may say for whom it speaks (RFC 4954 5: sufficiently trusted) */
    bool tls;      /* the connection is encrypted */
} am_smtpauth_query;

typedef enum am_smtpauth_author {
    AM_SMTPAUTH_NO_AUTHOR, /* AUTH= was not sent */
    AM_SMTPAUTH_UNKNOWN,   /* "<>": the submitter is not known */
    AM_SMTPAUTH_MALFORMED, /* no xtext, or no mailbox in it: treated as "<>" */
    AM_SMTPAUTH_UNTRUSTED, /* not authenticated, or not trusted: treated as "<>" (RFC 4954 5) */
    AM_SMTPAUTH_AUTHOR,    /* author is what a trusted client says */
} am_smtpauth_author;

typedef struct am_smtpauth_verdict {
    am_result result;          /* pass: the client authenticated; none: it did not */
    am_str user;               /* pass: as given; else empty */
    am_str mechanism;          /* pass: upper case; empty where it is no SASL name (RFC 4422 3.1) */
    am_smtpauth_author status; /* of the author */
    am_mailbox author;         /* AUTHOR only; else absent */
    bool cleartext;            /* the credentials could be read on the wire */
    const char *reason; /* a constant: "credentials sent in the clear" (pass), "anonymous", "out of
                           memory" (none); else "" */
} am_smtpauth_verdict;

/* Has somebody logged in? A name of white space is none, and ANONYMOUS (RFC 4505) is nobody's. */
bool am_smtpauth_is_login(am_str user, am_str mechanism);

/* Does not wait. Strings live in the arena. ANONYMOUS (RFC 4505) authenticates nobody: none.
 * Out of memory is none: an unauthenticated client. */
am_smtpauth_verdict am_smtpauth_check(am_arena *a, const am_smtpauth_query *q);

#endif
