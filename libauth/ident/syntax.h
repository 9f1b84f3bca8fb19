/* Pieces of SMTP's grammar that identities are made of: parameters, xtext, mailboxes, literals. */
#ifndef AM_IDENT_SYNTAX_H
#define AM_IDENT_SYNTAX_H

#include "libauth/base/ip.h"
#include "libauth/mail/address.h"

enum { AM_SMTP_MAILBOX_MAX = 500 }; /* octets; longer ones are refused */

/* The value of a MAIL FROM parameter "KEYWORD=value" (RFC 5321 4.1.2; the keyword in any case).
 * Absent: it is another parameter. A range of `param`. */
am_str am_esmtp_value(am_str param, const char *keyword);

/* xtext (RFC 3461 4), strictly: octets 33 to 126, "+" and two upper-case hexadecimal digits; no
 * bare
 * "+" or "=". What is decoded may hold any octet. False: no xtext, or out of memory. */
bool am_xtext_decode(am_arena *a, am_str s, am_str *out);

/* Mailbox (RFC 5321 4.1.2; UTF-8 as RFC 6531 3.3 allows), strictly: no brackets, no route, nothing
 * beside it. Of an address literal the domain is absent, as in am_mailbox elsewhere. False: no
 * mailbox, over AM_SMTP_MAILBOX_MAX, or out of memory. */
bool am_smtp_mailbox_parse(am_arena *a, am_str s, am_mailbox *out);

/* The one way to write a local-part (RFC 5321 4.1.2: quotes that are not needed mean nothing):
 * without quotes where it is a Dot-string, else quoted, with a backslash before DQUOTE and
 * backslash alone. Absent: out of memory. */
am_str am_local_canonical(am_arena *a, am_str local);

/* "[192.0.2.1]", "[IPv6:2001:db8::1]" (RFC 5321 4.1.3). Leading zeros are refused: some read them
 * as octal. False: anything else; IPv6 is the only tag that is registered. */
bool am_literal_parse(am_str s, am_ip *out);

#endif
