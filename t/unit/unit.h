/* What the unit tests share: cmocka, and ranges compared as text. */
#ifndef AM_T_UNIT_H
#define AM_T_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "libauth/base/str.h"

/* Fails with both texts; `what` names the case of a table. */
#define want_str(what, got, want) want_str_at(what, got, am_str_of(want), __FILE__, __LINE__)

static inline void want_str_at(
    const char *what, am_str got, am_str want, const char *file, int line)
{
    if (am_str_eq(got, want))
        return;
    print_error("%s: got \"%.*s\", want \"%.*s\"\n", what, AM_ARG(got), AM_ARG(want));
    _fail(file, line);
}

#define want_int(what, got, want) want_int_at(what, (long)(got), (long)(want), __FILE__, __LINE__)

static inline void want_int_at(const char *what, long got, long want, const char *file, int line)
{
    if (got == want)
        return;
    print_error("%s: got %ld, want %ld\n", what, got, want);
    _fail(file, line);
}

#endif
