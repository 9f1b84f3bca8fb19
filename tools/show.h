/* Text from outside, made harmless for terminals. */
#ifndef AM_TOOLS_SHOW_H
#define AM_TOOLS_SHOW_H

#include <stdio.h>

#include "libauth/base/str.h"

/* Prints `s`: printable ASCII, space and TAB as they are, every other octet as \xNN. */
void am_show(FILE *out, am_str s);

#endif
