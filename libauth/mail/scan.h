/* What all structured header fields are made of: RFC 5322 3.2, 4.1, 4.2; RFC 6532. */
#ifndef AM_MAIL_SCAN_H
#define AM_MAIL_SCAN_H

#include "libauth/base/str.h"

enum { AM_COMMENT_DEPTH = 50 }; /* deeper nests are refused, not followed */

/* Octets of the UTF-8 character that `s` begins with (RFC 3629); 0: none. */
size_t am_utf8_len(am_str s);

/* Nothing but visible ASCII, SP, TAB, valid UTF-8, and folds: CRLF before SP or
 * TAB, with `lf` also a bare LF there. The functions below want such text. */
bool am_scan_clean(am_str s, bool lf);

/* Takes [CFWS] from the front of *s. The text inside the first comment goes to
 * *comment where that is absent (NULL: not wanted). False: a comment that is
 * not closed, or nested deeper than AM_COMMENT_DEPTH; *s then stays before it. */
bool am_scan_cfws(am_str *s, am_str *comment);

/* *s begins with "(": takes that one comment; *inside is what stands between its
 * parentheses. False: as above; *s stays. */
bool am_scan_comment(am_str *s, am_str *inside);

/* *s begins with a DQUOTE: takes the quoted string; *inside is what stands
 * between the quotes, as it is written. False: not closed. */
bool am_scan_quoted(am_str *s, am_str *inside);

/* The inside of a quoted string or comment as it is meant: without the
 * backslashes of quoted pairs and the line ends of folds. Absent: no memory. */
am_str am_scan_unquote(am_arena *a, am_str inside);

#endif
