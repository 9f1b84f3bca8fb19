/* A message from a file, in octets: header fields and body. */
#ifndef AM_TOOLS_EML_H
#define AM_TOOLS_EML_H

#include "libauth/base/error.h"
#include "libauth/mail/header.h"

typedef struct am_eml {
    am_header header; /* folds as CRLF */
    am_str body;      /* lines end in CRLF; absent: the message ends with its header */
} am_eml;

/* More octets than this are no message (one GiB). */
#define AM_EML_MAX ((size_t)1 << 30)

/* Splits the octets of one message. Where the first line ends in CRLF, only
 * CRLF ends a line and a bare CR or LF is data; otherwise LF ends lines. The
 * last line may lack its end; it stays so. One mbox line ("From ...") on top is
 * passed over. The header ends with the first empty line, or before the first
 * line that is neither field nor fold (as Postfix and Sendmail have it: the
 * body begins with that line). NUL is data.
 * Returns EX_OK; EX_DATAERR where neither a field nor the empty line of an empty header comes
 * first; EX_SOFTWARE where the arena is exhausted; e (may be NULL) says what. Memory: fields in the
 * arena; a body in CRLF lines lies in `octets`. */
int am_eml_parse(am_arena *a, am_str octets, am_eml *out, am_error *e);

/* Reads a file ("-": standard input) and splits it. Everything is in the arena.
 * As above, and EX_NOINPUT where it cannot be read. */
int am_eml_read(am_arena *a, const char *path, am_eml *out, am_error *e);

#endif
