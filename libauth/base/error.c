/*
 * error: one line that says what is wrong.
 *
 * For: parsers and constructors that fail. Waits: never. Memory: the caller's
 * struct. Callers: anyone.
 */
#include "libauth/base/error.h"
#include "libauth/base/lex.h"

#include <stdarg.h>
#include <stdio.h>

void am_error_set(am_error *e, const char *fmt, ...)
{
    if (!e)
        return;
    va_list ap;
    va_start(ap, fmt);
    if (vsnprintf(e->text, sizeof e->text, fmt, ap) < 0)
        e->text[0] = '\0';
    va_end(ap);
    for (char *p = e->text; *p; p++)
        if (am_is(*p, AM_CTL | AM_HIGH))
            *p = '?';
}
