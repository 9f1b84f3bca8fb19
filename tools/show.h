/* Text from outside, made harmless for terminals. */
#ifndef AM_TOOLS_SHOW_H
#define AM_TOOLS_SHOW_H

#include <stdbool.h>
#include <stdio.h>

#include "libauth/base/str.h"

/* Prints `s`: printable ASCII, space and TAB as they are, every other octet as \xNN. */
void am_show(FILE *out, am_str s);

/* Is it a terminal that knows how to move its cursor? */
bool am_show_terminal(FILE *out);

/* Colours are wanted on standard output (no-color.org). */
bool am_show_colour(void);

#endif
