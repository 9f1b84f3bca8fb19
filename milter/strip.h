/* Which fields of a message must go: Authentication-Results that claim to be ours (RFC 8601 5), and
 * all that bear the name of a field that only we write. */
#ifndef AM_MILTER_STRIP_H
#define AM_MILTER_STRIP_H

#include "libauth/authres/authres.h"
#include "libauth/mail/header.h"

/* Walks upwards: deleting a field shifts the numbers of those below it alone. */
typedef struct am_strip {
    const char *name;        /* of the fields that are looked for */
    am_arena *arena;         /* for parsing */
    const am_header *header; /* the message's fields as far as they were kept */
    am_str id;               /* our authserv-id; absent: every field of the name goes */
    size_t kept;             /* how many such fields header holds */
    size_t above;            /* fields of header that were not looked at yet */
    size_t spared;           /* so many fields on top of header stay whatever they say; 0 */
    bool hidden;             /* fields of any name that hide one of ours within their value */
    size_t looked;           /* how many hidden ones were looked at */
    size_t number;           /* of the field to delete, counted per name from 1 */
} am_strip;

/* `seen`: how many Authentication-Results fields arrived in all; those that a bound kept out of
 * `header` are not known, and go. */
am_strip am_strip_begin(am_arena *a, const am_header *header, am_str id, size_t seen);

/* Fields of other names in whose value some reader finds an Authentication-Results of ours, behind
 * a CR or LF that is no fold. Last of the walks: `name` is each field's own. */
am_strip am_strip_begin_hidden(am_arena *a, const am_header *header, am_str id);

/* All fields of a name; it must outlive the walk. */
am_strip am_strip_begin_all(const am_header *header, const char *name, size_t seen);

/* The next one to delete is `number`; false: no more. Without memory, fields count as forged; and
 * so do those below the first 200 of the name, or behind the first 200 hidden ones, which are not
 * looked at. */
bool am_strip_next(am_strip *s);

/* Does some reader find an Authentication-Results of anybody within this field's value? */
bool am_strip_hides_results(am_str value);

/* Is this the name of the field? ARC-Authentication-Results is another. */
bool am_strip_is_results(am_str name);

#endif
