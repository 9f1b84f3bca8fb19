/* Mailboxes: the author (From), and the envelope's paths. */
#ifndef AM_MAIL_ADDRESS_H
#define AM_MAIL_ADDRESS_H

#include "libauth/mail/header.h"

typedef struct am_mailbox {
    am_str local;  /* local-part as written, comments and folds gone, quotes kept */
    am_str domain; /* am_domain_normalise'd; absent: none, or an address literal */
} am_mailbox;

typedef enum am_author_status {
    AM_AUTHOR_ONE, /* exactly one author domain (several mailboxes of one domain count as one) */
    AM_AUTHOR_BAD, /* permerror: none, several fields, several domains, syntax in doubt */
} am_author_status;

/* Who wrote the message: RFC 5322 3.4, 3.6.2, 4.4, RFC 6854, read as specs 1.5 says. */
typedef struct am_author {
    am_author_status status;
    am_mailbox mailbox; /* the first one; ONE only */
    const char *reason; /* BAD: a constant in lower case: "no From field", "several From fields",
                           "several author domains", "no author domain" (a group without members, an
                           address literal), "header not kept whole", "out of memory", or
                           "malformed From field: " and what am_mailbox_list_parse says of it */
} am_author;

/* From all From fields of the header. A header of which not all was kept is
 * BAD: it may hold another From. Out of memory is BAD. */
am_author am_author_parse(am_arena *a, const am_header *h);

/* Would some reader take a field of that name for From, right or wrong? */
bool am_author_alike(am_str name);

/* All mailboxes of one address-list value, strictly (for Sender, Resent-*,
 * and as the core of am_author_parse). False: the syntax leaves doubt; `reason`
 * is a constant ("unclosed quoted string"). Groups yield their members, and may
 * be empty: true with *n 0. At most 1000 mailboxes. Line ends of folds are CRLF. */
bool am_mailbox_list_parse(
    am_arena *a, am_str value, am_mailbox **list, size_t *n, const char **reason);

/* A path of the SMTP envelope (RFC 5321 4.1.2), with or without <>: source
 * routes are dropped, the last "@" outside quotes separates. "" and "<>" are
 * the null path: local and domain absent, true. False: no address. The domain
 * is normalised where it can be; otherwise (address literals too) it is kept as
 * lower-case text for SPF to judge. Without "@": only a local-part; "@domain": an empty
 * one. False too: control octets, open quotes, one angle bracket without the other. */
bool am_path_parse(am_arena *a, am_str path, am_mailbox *out);

#endif
