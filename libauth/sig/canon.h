/* Canonicalisation (RFC 6376 3.4): octets in, stretches out. */
#ifndef AM_SIG_CANON_H
#define AM_SIG_CANON_H

#include "libauth/mail/header.h"

typedef enum am_canon { AM_SIMPLE, AM_RELAXED } am_canon;

/* Where canonical octets go; called with stretches of any size. */
typedef void am_sink(void *to, const void *p, size_t n);

/* One header field in canonical form with its final CRLF (if `crlf`). */
void am_canon_field(am_canon c, am_str raw, bool crlf, am_sink *sink, void *to);

/* The signature's own field: the value of its first b= tag emptied. */
void am_canon_signature(am_canon c, am_str raw, am_sink *sink, void *to);

/* The body, in chunks of any size; what is unchanged is passed on where it lies. */
typedef struct am_canon_body {
    am_canon canon;
    uint64_t blank; /* line ends held back: they count only if something follows */
    bool wsp;       /* relaxed: white space held back */
    bool cr;        /* a CR held back */
    bool line;      /* the present line holds octets */
    bool any;       /* something was passed on */
} am_canon_body;

void am_canon_body_feed(am_canon_body *b, const void *p, size_t n, am_sink *sink, void *to);
void am_canon_body_end(am_canon_body *b, am_sink *sink, void *to);

#endif
