/*
 * scan: folding white space, comments, quoted strings.
 *
 * For: the parsers of From and of Authentication-Results (RFC 5322 3.2.2, 3.2.4,
 * obsolete forms 4.1 and 4.2; UTF-8 as RFC 6532 has it). Waits: never. Memory: ranges into the
 * caller's text, but for am_scan_unquote. Callers: parsers of mail/ and above.
 */
#include "libauth/mail/scan.h"
#include "libauth/base/lex.h"

/* RFC 3629 4: what the first octet says of the length and of the second octet. */
static const struct {
    unsigned char from, to, len, second_from, second_to;
} utf8_table[] = {
    {0xC2, 0xDF, 2, 0x80, 0xBF},
    {0xE0, 0xE0, 3, 0xA0, 0xBF},
    {0xE1, 0xEC, 3, 0x80, 0xBF},
    {0xED, 0xED, 3, 0x80, 0x9F},
    {0xEE, 0xEF, 3, 0x80, 0xBF},
    {0xF0, 0xF0, 4, 0x90, 0xBF},
    {0xF1, 0xF3, 4, 0x80, 0xBF},
    {0xF4, 0xF4, 4, 0x80, 0x8F},
};

size_t am_utf8_len(am_str s)
{
    const unsigned char *o = (const unsigned char *)s.p;
    if (s.n && o[0] < 0x80)
        return 1;
    for (size_t i = 0; s.n && i < sizeof utf8_table / sizeof *utf8_table; i++) {
        size_t len = utf8_table[i].len;
        if (o[0] < utf8_table[i].from || o[0] > utf8_table[i].to)
            continue;
        if (len > s.n || o[1] < utf8_table[i].second_from || o[1] > utf8_table[i].second_to)
            return 0;
        for (size_t k = 2; k < len; k++)
            if (o[k] < 0x80 || o[k] > 0xBF)
                return 0;
        return len;
    }
    return 0;
}

/* Octets of the line end of a fold at s.p; 0: no fold. */
static size_t fold_len(am_str s, bool lf)
{
    size_t eol = 0;
    if (s.n > 1 && s.p[0] == '\r' && s.p[1] == '\n')
        eol = 2;
    else if (lf && s.n && s.p[0] == '\n')
        eol = 1;
    return eol && eol < s.n && am_is(s.p[eol], AM_WSP) ? eol : 0;
}

bool am_scan_clean(am_str s, bool lf)
{
    for (;;) {
        size_t plain = 0, len = 0;
        while (plain < s.n && am_is(s.p[plain], AM_VCHAR | AM_WSP))
            plain++;
        s = am_str_cut(s, plain, s.n);
        if (s.n == 0)
            return true;
        if (am_is(*s.p, AM_HIGH))
            len = am_utf8_len(s);
        else if (am_is(*s.p, AM_CRLF))
            len = fold_len(s, lf);
        if (len == 0)
            return false;
        s = am_str_cut(s, len, s.n);
    }
}

/* At a backslash: does a quoted pair stand there? A fold is never quoted. */
static bool pair_at(am_str s, size_t i)
{
    return i + 1 < s.n && !am_is(s.p[i + 1], AM_CRLF);
}

bool am_scan_comment(am_str *s, am_str *inside)
{
    unsigned depth = 0;
    for (size_t i = 0; i < s->n; i++) {
        char c = s->p[i];
        if (c == '\\' && !pair_at(*s, i++))
            return false;
        if (c == '(' && ++depth > AM_COMMENT_DEPTH)
            return false;
        if (c == ')' && --depth == 0) {
            *inside = am_str_cut(*s, 1, i);
            *s = am_str_cut(*s, i + 1, s->n);
            return true;
        }
    }
    return false;
}

bool am_scan_cfws(am_str *s, am_str *comment)
{
    for (;;) {
        am_str inside;
        size_t i = 0;
        while (i < s->n && am_is(s->p[i], AM_FWS))
            i++;
        *s = am_str_cut(*s, i, s->n);
        if (!s->n || *s->p != '(')
            return true;
        if (!am_scan_comment(s, &inside))
            return false;
        if (comment && !comment->p)
            *comment = inside;
    }
}

bool am_scan_quoted(am_str *s, am_str *inside)
{
    for (size_t i = 1; i < s->n; i++) {
        char c = s->p[i];
        if (c == '\\' && !pair_at(*s, i++))
            return false;
        if (c == '"') {
            *inside = am_str_cut(*s, 1, i);
            *s = am_str_cut(*s, i + 1, s->n);
            return true;
        }
    }
    return false;
}

am_str am_scan_unquote(am_arena *a, am_str inside)
{
    char *p = am_arena_alloc(a, inside.n + 1);
    size_t n = 0;
    if (!p)
        return (am_str){NULL, 0};
    for (size_t i = 0; i < inside.n; i++) {
        if (am_is(inside.p[i], AM_CRLF))
            continue;
        if (inside.p[i] == '\\' && pair_at(inside, i))
            i++;
        p[n++] = inside.p[i];
    }
    return am_str_n(p, n);
}
