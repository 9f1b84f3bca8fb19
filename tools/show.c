/*
 * show: text from outside, made harmless for terminals.
 *
 * For: people who look at what a milter or a message says. Octets above 0x7F are
 * shown by number too: among them are controls (C1) and characters that turn or
 * hide their neighbours. Who looks at a terminal is told more: colours, progress. Waits: never.
 * Memory: none. Callers: tools.
 */
#include "tools/show.h"

#include "libauth/base/lex.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void am_show(FILE *out, am_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (am_is(s.p[i], AM_VCHAR | AM_WSP))
            fputc(s.p[i], out);
        else
            fprintf(out, "\\x%02x", (unsigned char)s.p[i]);
}

bool am_show_terminal(FILE *out)
{
    const char *kind = getenv("TERM");
    return isatty(fileno(out)) && kind && *kind && strcmp(kind, "dumb") != 0;
}

bool am_show_colour(void)
{
    const char *no = getenv("NO_COLOR");
    return (!no || !*no) && am_show_terminal(stdout);
}
