/* Authentication-Results (RFC 8601) as data, to text, and back. */
#ifndef AM_AUTHRES_AUTHRES_H
#define AM_AUTHRES_AUTHRES_H

#include "libauth/base/error.h"
#include "libauth/base/str.h"

/* ptype.property=value; ptype and property are constants when we write. */
typedef struct am_property {
    am_str ptype, property;
    am_str value; /* raw octets: the writer quotes, or leaves the property out */
} am_property;

typedef struct am_resinfo {
    am_str method;  /* "spf" */
    am_str result;  /* "pass" */
    am_str reason;  /* "" or absent: none */
    am_str comment; /* "" or absent: none; written in parentheses */
    const am_property *property;
    size_t properties;
} am_resinfo;

typedef struct am_authres {
    am_str id;        /* authserv-id, unquoted and unescaped */
    unsigned version; /* 1 */
    const am_resinfo *result;
    size_t results; /* 0: "none" */
} am_authres;

/* The value of the field, folded at 78 columns (a TAB counts as 8) with `eol` ("\n" for a milter,
 * "\r\n") before a TAB; `column` is where the value starts (24 behind "Authentication-Results: ").
 * The id is never folded away from the field's name, and each result starts a line. No
 * line is over 998 octets. Method, result, ptype and property are written in lower case.
 *
 * Nothing from outside can end a value, a comment or the field. Controls (C0, DEL, C1), line and
 * direction marks and characters that take no room (U+200B, U+FEFF, ...) become '?', one a
 * character; octets that are not valid UTF-8 one '?' each. Properties: written as a token, as
 * [local-part]@domain, else quoted; left out where the value is absent, over 500 octets, or over
 * 900 as it would be written, or where ptype or property is no keyword. Id, reason and comment are
 * cut behind 400 octets, between characters; in a comment each run of spaces becomes one, those at
 * its ends go, DQUOTE becomes an apostrophe. A result whose method or result word is no keyword
 * (RFC 5321 4.1.2) is left out. Absent: out of memory. */
am_str am_authres_write(am_arena *a, const am_authres *r, const char *eol, size_t column);

/* Reads a field's value, folds (CRLF or LF) and comments included. Keywords come in lower case;
 * `comment` is the first one behind the result word, its white space reduced to single spaces;
 * results with a method version other than 1 are left out (RFC 8601 2.6). False: it does not
 * parse; why (may be NULL) says where. At most 100 results of 50 properties. A
 * version other than 1 parses as far as the version (results are 0, version is set). */
bool am_authres_parse(am_arena *a, am_str value, am_authres *out, am_error *why);

/* The same, and lets pass three things that widely used hosts write against the grammar: a
 * pair without a ptype ("dmarc=pass action=none header.from=example.org"), which is skipped; an
 * unquoted value with "/", "=" or "?" in it (header.b=ab/c=); a final ";". For results that
 * somebody we trust has signed, never for a field that says that it is ours. */
bool am_authres_parse_lax(am_arena *a, am_str value, am_authres *out, am_error *why);

typedef enum am_claim {
    AM_CLAIM_OTHER,   /* another host's */
    AM_CLAIM_OURS,    /* claims our authserv-id, however it is spelt */
    AM_CLAIM_UNKNOWN, /* no authserv-id can be read from it without doubt */
} am_claim;

/* Whose field is it? Quoted, folded, commented, other case, with version, A-labels or U-labels (RFC
 * 8601 5). `id` is our authserv-id.
 *
 * OURS: some reader could see our id at the field's start, however careless the reader, and
 * whatever follows the id. OTHER: the start parses (RFC 8601 2.2), bears version 1 and no reader
 * could see our id. UNKNOWN: everything else, among it other versions (RFC 8601 5: to be removed
 * unless the peer is trusted), control octets anywhere, encoded words in the id, and out of memory.
 */
am_claim am_authres_claim(am_arena *a, am_str value, am_str id);

#endif
