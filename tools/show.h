/* Text from outside, made harmless for terminals and for JSON. */
#ifndef AM_TOOLS_SHOW_H
#define AM_TOOLS_SHOW_H

#include <jansson.h>
#include <stdio.h>

#include "libauth/base/str.h"

/* Prints `s` so that a terminal shows it and does nothing else: printable ASCII
 * and UTF-8 stay, every other octet (controls, C1 controls, text that turns or
 * hides, invalid UTF-8) becomes \xNN; TAB stays, and a backslash is doubled. */
void am_show(FILE *out, am_str s);

/* A JSON string; octets that are no UTF-8 become U+FFFD each. Absent and empty
 * become "". NULL: no memory. */
json_t *am_show_json(am_str s);

#endif
