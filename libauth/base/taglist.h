/* Tag lists (RFC 6376 3.2): name=value;name=value */
#ifndef AM_BASE_TAGLIST_H
#define AM_BASE_TAGLIST_H

#include "libauth/base/error.h"
#include "libauth/base/str.h"

typedef struct am_tag {
    am_str name;  /* case matters */
    am_str value; /* without the folding white space round it; may be empty */
    am_str span;  /* everything between "=" and ";" or the end, as it stands */
} am_tag;

typedef struct am_taglist {
    const am_tag *tag; /* in the order of the text */
    size_t n;
} am_taglist;

/* Parses the whole of `text` as RFC 6376 3.2 has it (with erratum 5070): every
 * rule of the grammar, and no name twice. Ranges point into `text`. False: not
 * a tag list, or out of memory; `why` (may be NULL) says what and where. */
bool am_taglist_parse(am_arena *a, am_str text, am_taglist *out, am_error *why);

/* The value of the first tag of that name in a list that is not checked; absent: there is none. */
am_str am_taglist_peek(am_str text, const char *name);

/* The tag of that name, or NULL. */
const am_tag *am_taglist_get(const am_taglist *t, const char *name);

/* Takes the next item of a list whose items `sep` separates (RFC 6376's
 * colon lists), trimmed of white space; *rest advances. False: no item left.
 * An empty list has one empty item, as in the grammar. Starts with *rest =
 * the value; afterwards *rest is absent. */
bool am_list_next(am_str *rest, char sep, am_str *item);

#endif
