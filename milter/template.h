/* Texts of replies: printable ASCII, with places for what is known of a message. */
#ifndef AM_MILTER_TEMPLATE_H
#define AM_MILTER_TEMPLATE_H

#include "libauth/base/error.h"
#include "libauth/base/str.h"

/* What can stand between "%{" and "}". */
typedef enum am_place {
    AM_PLACE_TEXT, /* no place: text of the template's own */
    AM_PLACE_DOMAIN,
    AM_PLACE_SENDER_DOMAIN,
    AM_PLACE_CLIENT,
    AM_PLACE_HELO,
    AM_PLACE_RECEIVER,
    AM_PLACE_RULE,
    AM_PLACE_REASON,
    AM_PLACE_URL,
    AM_PLACES
} am_place;

typedef struct am_template {
    size_t n;
    const struct am_template_piece {
        am_place place;
        am_str text; /* PLACE_TEXT */
    } * piece;
} am_template;

enum { AM_TEMPLATE_MAX = 300 }; /* octets of a template */

/* False: `why` (may be NULL) says what is wrong and what would be right. */
bool am_template_parse(am_arena *a, am_str text, am_template *out, am_error *why);

/* Fills in; the values are printable ASCII already. Cut where there is no room. Returns `text`. */
const char *am_template_fill(
    const am_template *t, const char *const value[AM_PLACES], char *text, size_t size);

bool am_template_uses(const am_template *t, am_place place);

#endif
