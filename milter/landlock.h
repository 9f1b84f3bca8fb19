/* Landlock: the kernel's own list of files and ports that a process may still reach. */
#ifndef AM_MILTER_LANDLOCK_H
#define AM_MILTER_LANDLOCK_H

#include "libauth/base/error.h"

#include <stdbool.h>
#include <stddef.h>

/* What stays within reach; everything else that the kernel's Landlock knows is refused. */
typedef struct am_landlock_rules {
    const char *const
        *readable; /* files, or directories with all below; absent ones are no error */
    size_t n_readable;
    const unsigned *ports; /* TCP ports that may be connected to (from ABI 4 on) */
    size_t n_ports;
} am_landlock_rules;

/* The kernel's version of it; 0: this kernel (or this build) has none. */
int am_landlock_version(void);

/* Binds this thread and all that it starts, for good. No file can be written, made, listed or
 * executed any more; no TCP port be bound but one that the kernel chooses. Wants no-new-privileges.
 * True where the kernel has no Landlock. False: `why`. */
bool am_landlock_enter(const am_landlock_rules *r, am_error *why);

#endif
