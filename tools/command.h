/* Another program's output. */
#ifndef AM_TOOLS_COMMAND_H
#define AM_TOOLS_COMMAND_H

#include "libauth/base/str.h"

/* Runs argv[0] (a path; argv ends in NULL) without a shell, without input and with its errors
 * thrown away, for `ms` at most. What it printed, at most `max` octets, in the arena; absent: it
 * could not run, failed, or took too long. */
am_str am_command_output(am_arena *a, char *const argv[], unsigned ms, size_t max);

#endif
