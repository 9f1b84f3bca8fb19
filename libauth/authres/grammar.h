/* What the files of authres/ share of RFC 8601 2.2; nobody else includes it. */
#ifndef AM_AUTHRES_GRAMMAR_H
#define AM_AUTHRES_GRAMMAR_H

#include "libauth/authres/authres.h"

/* A parser's place in one field's value. */
typedef struct am_authres_text {
    am_arena *arena;
    am_str all, rest; /* rest: what is not read yet, the tail of all */
    am_error *why;    /* may be NULL */
    bool lax;         /* am_authres_parse_lax */
} am_authres_text;

/* [CFWS] authserv-id [ CFWS authres-version ] [CFWS]: up to ";" or the end, or to what should not
 * stand there. False: no id, or a comment or a quoted string that is not closed. The version is 1
 * where none is written. */
bool am_authres_take_id(am_authres_text *t, am_str *id, unsigned *version);

/* Keyword of RFC 5321 4.1.2: letters, digits, inner hyphens. */
bool am_authres_is_keyword(am_str s);

/* token of RFC 2045 5.1, not empty */
bool am_authres_is_token(am_str s);

#endif
