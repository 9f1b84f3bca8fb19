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

/* The value of the field, folded at 78 columns with `eol` ("\n" for a milter, "\r\n") before a
 * TAB; `column` is where the value starts (22 behind "Authentication-Results: "). Nothing from
 * outside can end a value, a comment or the field: controls and 8-bit octets that are not valid
 * UTF-8 become '?'. Absent: out of memory. */
am_str am_authres_write(am_arena *a, const am_authres *r, const char *eol, size_t column);

/* Reads a field's value, folds and comments included. False: it does not parse; why says where. A
 * version other than 1 parses as far as the version (results are 0, version is set). */
bool am_authres_parse(am_arena *a, am_str value, am_authres *out, am_error *why);

typedef enum am_claim {
    AM_CLAIM_OTHER,   /* another host's */
    AM_CLAIM_OURS,    /* claims our authserv-id, however it is spelt */
    AM_CLAIM_UNKNOWN, /* no authserv-id can be read from it */
} am_claim;

/* Whose field is it? Quoted, folded, commented, other case, with version, A-labels or U-labels (RFC
 * 8601 5). `id` is our authserv-id. */
am_claim am_authres_claim(am_arena *a, am_str value, am_str id);

#endif
