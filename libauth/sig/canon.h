/* Canonicalisation (RFC 6376 3.4): octets in, stretches out. */
#ifndef AM_SIG_CANON_H
#define AM_SIG_CANON_H

#include "libauth/mail/header.h"

typedef enum am_canon { AM_SIMPLE, AM_RELAXED } am_canon;

/* Where canonical octets go; called with stretches of any size but 0. A stretch is valid
 * during the call alone. */
typedef void am_sink(void *to, const void *p, size_t n);

/* One header field in canonical form with its final CRLF (if `crlf`). Relaxed: CRLF before white
 * space is a fold; every other CR and LF is an ordinary octet. */
void am_canon_field(am_canon c, am_str raw, bool crlf, am_sink *sink, void *to);

/* The signature's own field, without a final CRLF: the value of its b= tag and the white space
 * round it are left out (RFC 6376 3.7). A tag list has one b= (3.2); what a comment before ARC's
 * instance holds (RFC 8617 3.9) stands above it, so that the last b= is the tag. */
void am_canon_signature(am_canon c, am_str raw, am_sink *sink, void *to);

/* The body, in chunks of any size; what is unchanged is passed on where it lies. Starts as
 * {.canon = c}. CRLF alone ends a line; a bare CR or LF is an ordinary octet. */
typedef struct am_canon_body {
    am_canon canon;
    uint64_t blank; /* line ends held back: they count only if something follows */
    bool wsp;       /* relaxed: white space held back; it stands before the CR */
    bool cr;        /* a CR held back: the last octet seen, LF may follow */
    bool any;       /* something was passed on */
} am_canon_body;

void am_canon_body_feed(am_canon_body *b, const void *p, size_t n, am_sink *sink, void *to);

/* What was held back, as far as it counts, and the final CRLF. Once. */
void am_canon_body_end(am_canon_body *b, am_sink *sink, void *to);

#endif
