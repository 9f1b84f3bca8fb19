/* Sets of domains, addresses, words or networks: made once, then only asked. */
#ifndef AM_MILTER_NAMES_H
#define AM_MILTER_NAMES_H

#include "libauth/base/error.h"
#include "libauth/base/ip.h"
#include "libauth/mail/address.h"

typedef enum am_names_kind {
    AM_NAMES_DOMAIN, /* "a.example", ".a.example" (what lies below, not itself), "x@a.example", "<>"
                      */
    AM_NAMES_TEXT,   /* any printable text, ASCII letters alike */
    AM_NAMES_NET,    /* "192.0.2.1", "2001:db8::/32" */
} am_names_kind;

/* Flat and immutable; lives in the arena that it was made in. */
typedef struct am_names {
    am_names_kind kind;
    size_t n;     /* entries */
    size_t slots; /* a power of two, or 0 */
    const am_str *slot;
    bool v4[33], v6[129]; /* NET: the lengths of prefixes that occur */
} am_names;

/* The form in which an entry is kept: lower case, domains normalised. A network's is binary.
 * False: it is none of its kind, or out of memory. */
bool am_names_key(am_arena *a, am_names_kind kind, am_str text, am_str *key);

/* From `n` keys; false: out of memory. Twice the same counts once. */
bool am_names_make(am_arena *a, am_names_kind kind, const am_str *key, size_t n, am_names *out);

/* Keys of a file, one entry a line; "#" starts a comment, blank lines are nothing. Added to the
 * growing array at *key (malloc'd; the caller frees it, in any case). False: `why` says
 * "file:line: what, and what would be right". */
bool am_names_read(am_arena *a, am_names_kind kind, const char *file, const char *right,
    am_str **key, size_t *n, am_error *why);

bool am_names_has_text(const am_names *s, am_str text);
bool am_names_has_mailbox(const am_names *s, const am_mailbox *m); /* local absent: a bare domain */
bool am_names_has_ip(const am_names *s, const am_ip *ip);

/* Does everything that `key` stands for belong to the set? */
bool am_names_covers(const am_names *s, am_str key);

/* A key as an administrator would write it. */
am_str am_names_text(am_arena *a, am_names_kind kind, am_str key);

#endif
