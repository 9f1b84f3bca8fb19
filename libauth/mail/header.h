/* Header fields exactly as they were sent. */
#ifndef AM_MAIL_HEADER_H
#define AM_MAIL_HEADER_H

#include "libauth/base/error.h"
#include "libauth/base/str.h"

typedef struct am_field {
    am_str raw;   /* "Name: value" with CRLF at folds, without the final CRLF */
    am_str name;  /* as sent, without white space before the colon */
    am_str value; /* what follows the colon, leading space and folds included */
} am_field;

/* The fields of one message, top down. Memory: the arena. */
typedef struct am_header {
    am_arena *arena;
    am_field *field;
    size_t n, cap;
    size_t octets, max_fields, max_octets; /* 0: no bound */
    bool failed; /* out of memory, or a bound was met: later fields are not kept */
} am_header;

/* Adds one field from name and value as a milter gets them: bare LF before
 * white space is a fold and becomes CRLF; every other octet stays as it is. */
void am_header_add(am_header *h, am_str name, am_str value);

/* Adds one field from its raw octets ("Name: value", folds as CRLF). */
void am_header_add_raw(am_header *h, am_str raw);

/* How many fields have that name (ASCII letters alike). */
size_t am_header_count(const am_header *h, const char *name);

/* The index of the nth (from 0, top down) field of that name, or h->n. */
size_t am_header_find(const am_header *h, const char *name, size_t nth);

/* The value without the CRLF of its folds: CR and LF taken out, ends
 * trimmed; in the arena. */
am_str am_unfold(am_arena *a, am_str value);

/* What some readers take for fields in the middle of a value: where CR or LF is an octet of it,
 * they have it end a line. Each is found once, top down. */
typedef struct am_hidden {
    am_str value;
    size_t cr, lf; /* the next of each */
} am_hidden;

am_hidden am_hidden_begin(am_str value);

/* `name` as it stands there, `rest`: all that follows its colon, further lines included. False: no
 * more. */
bool am_hidden_next(am_hidden *h, am_str *name, am_str *rest);

#endif
