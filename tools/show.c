/*
 * show: text from outside, made harmless for terminals.
 *
 * For: people who look at what a milter or a message says. Octets above 0x7F are
 * shown by number too: among them are controls (C1) and characters that turn or
 * hide their neighbours. Waits: never. Memory: none. Callers: tools.
 */
#include "tools/show.h"

#include "libauth/base/lex.h"

void am_show(FILE *out, am_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (am_is(s.p[i], AM_VCHAR | AM_WSP))
            fputc(s.p[i], out);
        else
            fprintf(out, "\\x%02x", (unsigned char)s.p[i]);
}
