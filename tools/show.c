/*
 * show: text from outside, made harmless for terminals and for JSON.
 *
 * For: RFC 3629 (UTF-8, read strictly). Waits: never. Memory: none, or
 * jansson's. Callers: tools.
 */
#include "tools/show.h"

#include <stdlib.h>

#include "libauth/base/lex.h"

/* The length of the UTF-8 character at `p` and its code point; 0: none. */
static size_t utf8(const char *text, size_t n, uint32_t *code)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *p = (const unsigned char *)text;
    size_t len = p[0] < 0x80   ? 1
                 : p[0] < 0xc2 ? 0
                 : p[0] < 0xe0 ? 2
                 : p[0] < 0xf0 ? 3
                 : p[0] < 0xf5 ? 4
                               : 0;
    if (len == 0 || len > n)
        return 0;
    *code = len == 1 ? p[0] : p[0] & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        *code = *code << 6 | (p[i] & 0x3fu);
    }
    bool surrogate = *code >= 0xd800 && *code <= 0xdfff;
    return *code < least[len] || surrogate || *code > 0x10ffff ? 0 : len;
}

/* Code points that a terminal obeys, or that turn or hide their neighbours. */
static bool harmless(uint32_t code)
{
    static const uint32_t bad[][2] = {
        {0x00, 0x08},
        {0x0a, 0x1f},
        {0x7f, 0x9f},
        {0xad, 0xad},
        {0x61c, 0x61c},
        {0x180e, 0x180e},
        {0x200b, 0x200f},
        {0x2028, 0x202e},
        {0x2060, 0x206f},
        {0xfeff, 0xfeff},
        {0xfff0, 0xfffb},
        {0xe0000, 0xe0fff},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (code >= bad[i][0] && code <= bad[i][1])
            return false;
    return true;
}

void am_show(FILE *out, am_str s)
{
    for (size_t i = 0; i < s.n;) {
        uint32_t code;
        size_t len = utf8(s.p + i, s.n - i, &code);
        if (len && harmless(code)) {
            fwrite(s.p + i, 1, len, out);
            if (code == '\\')
                fputc('\\', out);
            i += len;
        } else {
            fprintf(out, "\\x%02x", (unsigned char)s.p[i++]);
        }
    }
}

json_t *am_show_json(am_str s)
{
    char *copy = malloc(3 * s.n + 1);
    if (!copy)
        return NULL;
    size_t n = 0;
    for (size_t i = 0; i < s.n;) {
        uint32_t code;
        size_t len = utf8(s.p + i, s.n - i, &code);
        am_str put = len ? am_str_cut(s, i, i + len) : AM_STR("\xef\xbf\xbd");
        for (size_t k = 0; k < put.n; k++)
            copy[n++] = put.p[k];
        i += len ? len : 1;
    }
    json_t *j = json_stringn(copy, n);
    free(copy);
    return j;
}
