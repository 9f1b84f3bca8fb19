/* Test vectors from files: one a line, "name TAB want TAB text"; "#" starts a comment. In the text
 * \r \n \t \\ and \xHH stand for octets, NUL included. */
#ifndef AM_T_VECTORS_H
#define AM_T_VECTORS_H

#include "t/unit/unit.h"

#include <stdlib.h>

enum { VECTOR_MAX = 4096 };

/* In place; what stands behind a backslash otherwise is an error of the file. */
static inline size_t vector_unescape(char *s)
{
    size_t n = 0;
    for (const char *p = s; *p; p++) {
        unsigned octet;
        int len = 1;
        if (*p != '\\') {
            s[n++] = *p;
            continue;
        }
        switch (*++p) {
        case 'r':
            octet = '\r';
            break;
        case 'n':
            octet = '\n';
            break;
        case 't':
            octet = '\t';
            break;
        case '\\':
            octet = '\\';
            break;
        default:
            assert_int_equal(sscanf(p, "x%2x%n", &octet, &len), 1);
        }
        s[n++] = (char)octet;
        p += len - 1;
    }
    return n;
}

/* Calls `each` for every vector of a file below the source directory; returns how many there were.
 */
static inline size_t each_vector(
    const char *path, void (*each)(const char *name, am_str want, am_str text))
{
    const char *src = getenv("AUTHMILL_SRC");
    char line[VECTOR_MAX];
    size_t n = 0;
    snprintf(line, sizeof line, "%s/%s", src ? src : ".", path);
    FILE *f = fopen(line, "r");
    if (!f)
        fail_msg("%s: cannot be read; AUTHMILL_SRC names the source directory", line);
    while (fgets(line, sizeof line, f)) {
        char *end = strchr(line, '\n'), *want = strchr(line, '\t');
        char *text = want ? strchr(want + 1, '\t') : NULL;
        if (*line == '#' || *line == '\n')
            continue;
        if (!end || !text)
            fail_msg("%s: no vector: %s", path, line);
        *end = *want++ = *text++ = '\0';
        each(line, am_str_of(want), am_str_n(text, vector_unescape(text)));
        n++;
    }
    fclose(f);
    return n;
}

#endif
