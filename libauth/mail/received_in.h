/* What the files of received share; nobody else includes this. */
#ifndef AM_MAIL_RECEIVED_IN_H
#define AM_MAIL_RECEIVED_IN_H

#include "libauth/mail/received.h"

enum { MAX_ITEMS = 128 };

/* A piece of the field on its top level. */
typedef struct item {
    enum { WORD, COMMENT } kind;
    bool glued;  /* no white space before it */
    bool known;  /* an address in it has been accounted for */
    am_str text; /* of a comment: the text inside */
} item;

enum { FROM, BY, VIA, WITH, ID, FOR, TLS, CLAUSES };

typedef struct clause {
    item *item; /* behind the keyword; NULL: there is no such clause */
    size_t n;
} clause;

typedef struct fields {
    item item[MAX_ITEMS];
    size_t n;
    clause clause[CLAUSES];
    am_str date; /* behind the semicolon; absent: there is none */
} fields;

/* Reads the from clause into *out; the style is known already. The items that
 * hold the client's address and its HELO name become `known`. Returns NULL, or
 * why nothing can be said of the client. */
const char *am_received_from(fields *f, am_received *out);

/* A word that is a name: not empty, no quotes, no angles, nothing that could be a trick. */
bool am_received_plain(am_str s);

/* The next word of `rest`, between white space; empty: no more. */
am_str am_received_word(am_str *rest);

/* "[192.0.2.1]", "[IPv6:2001:db8::1]", "[2001:db8::1]", "[fe80::1%14]". */
bool am_received_literal(am_str text, am_ip *out);

/* An address in brackets or parentheses stands somewhere in the text, whatever is round it. */
bool am_received_has_address(am_str text);

/* "192.0.2.1", "user@192.0.2.1", "user@[192.0.2.1]", "[192.0.2.1]" and nothing else. */
bool am_received_bare(am_str text, am_str *user, am_ip *out);

/* "[192.0.2.1]", "name [192.0.2.1]", "user@name [192.0.2.1] (may be forged)" and
 * nothing else: RFC 5321 4.4 TCP-info, as Sendmail widens it. */
bool am_received_tcp_info(am_str text, am_received *out);

#endif
