/*
 * base64: RFC 4648 section 4, strict, with RFC 6376's folding white space.
 *
 * For: b=, bh= and p= of DKIM and ARC. A lenient decoder lets two spellings of
 * one signature verify; this one knows a single spelling. Waits: never.
 * Memory: the caller's arena. Callers: anyone.
 */
#include "libauth/base/base64.h"
#include "libauth/base/lex.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* One more than the value of each character of the alphabet; 0: it is none. */
/* clang-format off */
static const unsigned char value_plus_one[256] = {
    ['A'] = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26,
    ['a'] = 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52,
    ['0'] = 53, 54, 55, 56, 57, 58, 59, 60, 61, 62,
    ['+'] = 63, ['/'] = 64,
};
/* clang-format on */

static int value_of(char c)
{
    return value_plus_one[(unsigned char)c] - 1;
}

bool am_base64_decode(am_arena *a, am_str s, am_str *out)
{
    unsigned char *o = am_arena_alloc(a, s.n / 4 * 3 + 4);
    uint32_t bits = 0;
    unsigned have = 0, pad = 0;
    size_t n = 0;
    if (!o)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (am_is(s.p[i], AM_FWS))
            continue;
        int v = value_of(s.p[i]);
        if (s.p[i] == '=' && have >= 2)
            pad++, v = 0;
        else if (v < 0 || pad)
            return false;
        bits = bits << 6 | (uint32_t)v;
        if (++have < 4)
            continue;
        /* RFC 4648 3.5: the bits that padding leaves over are zero. */
        if ((pad == 1 && (bits & 0xff)) || (pad == 2 && (bits & 0xffff)))
            return false;
        o[n++] = (unsigned char)(bits >> 16);
        if (pad < 2)
            o[n++] = (unsigned char)(bits >> 8);
        if (pad < 1)
            o[n++] = (unsigned char)bits;
        have = 0;
        bits = 0;
        if (pad)
            pad = 3; /* nothing but white space may follow */
    }
    if (have)
        return false;
    *out = am_str_n(o, n);
    return true;
}

am_str am_base64_encode(am_arena *a, am_str s)
{
    const unsigned char *p = (const unsigned char *)s.p;
    am_buf b = {.arena = a};
    for (size_t i = 0; i < s.n; i += 3) {
        size_t left = s.n - i;
        uint32_t v = (uint32_t)p[i] << 16 | (left > 1 ? (uint32_t)p[i + 1] << 8 : 0) |
                     (left > 2 ? p[i + 2] : 0);
        am_buf_char(&b, alphabet[v >> 18]);
        am_buf_char(&b, alphabet[v >> 12 & 63]);
        am_buf_char(&b, left > 1 ? alphabet[v >> 6 & 63] : '=');
        am_buf_char(&b, left > 2 ? alphabet[v & 63] : '=');
    }
    return b.failed ? (am_str){NULL, 0} : am_buf_get(&b);
}
