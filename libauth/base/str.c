/*
 * str: ranges of octets and growing text.
 *
 * For: every string in the house; nothing from outside is trusted to end in
 * NUL. Waits: never. Memory: ranges own nothing; copies and growing text live
 * in the caller's arena. Callers: anyone.
 */
#include "libauth/base/str.h"
#include "libauth/base/lex.h"

#include <stdio.h>

int am_str_icmp(am_str a, am_str b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    for (size_t i = 0; i < n; i++) {
        int d = (unsigned char)am_lower(a.p[i]) - (unsigned char)am_lower(b.p[i]);
        if (d)
            return d;
    }
    return (a.n > b.n) - (a.n < b.n);
}

bool am_str_istarts(am_str s, const char *c)
{
    size_t n = strlen(c);
    return s.n >= n && am_str_iis(am_str_cut(s, 0, n), c);
}

bool am_str_iends(am_str s, am_str tail)
{
    return s.n >= tail.n && am_str_ieq(am_str_cut(s, s.n - tail.n, s.n), tail);
}

size_t am_str_rfind(am_str s, char c)
{
    for (size_t i = s.n; i > 0; i--)
        if (s.p[i - 1] == c)
            return i - 1;
    return s.n;
}

bool am_str_is_ascii(am_str s)
{
    size_t i = 0;
    uint64_t eight, high = 0;
    for (; i + sizeof eight <= s.n; i += sizeof eight) { /* whole headers are asked about */
        memcpy(&eight, s.p + i, sizeof eight);
        high |= eight;
    }
    for (; i < s.n; i++)
        high |= (unsigned char)s.p[i];
    return !(high & 0x8080808080808080);
}

am_str am_str_trim(am_str s)
{
    while (s.n && am_is(s.p[0], AM_FWS))
        s.p++, s.n--;
    while (s.n && am_is(s.p[s.n - 1], AM_FWS))
        s.n--;
    return s;
}

am_str am_str_copy(am_arena *a, am_str s)
{
    char *p = am_arena_copy(a, s.p, s.n);
    return p ? (am_str){p, s.n} : (am_str){NULL, 0};
}

am_str am_str_lower(am_arena *a, am_str s)
{
    char *p = am_arena_copy(a, s.p, s.n);
    if (!p)
        return (am_str){NULL, 0};
    for (size_t i = 0; i < s.n; i++)
        p[i] = am_lower(p[i]);
    return (am_str){p, s.n};
}

am_str am_str_join(am_arena *a, am_str x, am_str y)
{
    return am_str_join3(a, x, y, (am_str){NULL, 0});
}

am_str am_str_join3(am_arena *a, am_str x, am_str y, am_str z)
{
    const am_str part[] = {x, y, z};
    bool fits = y.n < SIZE_MAX - x.n && z.n < SIZE_MAX - x.n - y.n;
    char *p = fits ? am_arena_alloc(a, x.n + y.n + z.n + 1) : NULL;
    size_t n = 0;
    if (!p)
        return (am_str){NULL, 0};
    for (size_t i = 0; i < 3; i++) {
        if (part[i].n)
            memcpy(p + n, part[i].p, part[i].n);
        n += part[i].n;
    }
    return (am_str){p, n};
}

am_str am_str_format(am_arena *a, const char *fmt, ...)
{
    char small[256]; /* most texts fit, and are formatted once */
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(small, sizeof small, fmt, ap);
    va_end(ap);
    char *p = n < 0 ? NULL : am_arena_alloc(a, (size_t)n + 1);
    if (p && (size_t)n < sizeof small)
        memcpy(p, small, (size_t)n);
    else if (p)
        vsnprintf(p, (size_t)n + 1, fmt, again);
    va_end(again);
    return p ? (am_str){p, (size_t)n} : (am_str){NULL, 0};
}

bool am_str_number(am_str s, unsigned digits, uint64_t *out)
{
    uint64_t v = 0;
    if (s.n == 0 || s.n > digits || s.n > 76)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (!am_is(s.p[i], AM_DIGIT))
            return false;
        unsigned d = (unsigned)(s.p[i] - '0');
        v = v > (UINT64_MAX - d) / 10 ? UINT64_MAX : v * 10 + d;
    }
    *out = v;
    return true;
}

/* Room for n more octets and a NUL. */
static bool reserve(am_buf *b, size_t n)
{
    if (b->failed || (b->max && (n > b->max || b->n > b->max - n)) || n > SIZE_MAX / 4 - b->n) {
        b->failed = true;
        return false;
    }
    if (b->p && b->n + n < b->cap)
        return true;
    size_t cap = b->cap ? b->cap : 64;
    while (cap <= b->n + n)
        cap *= 2;
    char *p = am_arena_alloc(b->arena, cap);
    if (!p) {
        b->failed = true;
        return false;
    }
    if (b->n)
        memcpy(p, b->p, b->n);
    b->p = p;
    b->cap = cap;
    return true;
}

void am_buf_add(am_buf *b, const void *p, size_t n)
{
    if (!reserve(b, n))
        return;
    if (n)
        memcpy(b->p + b->n, p, n);
    b->n += n;
    b->p[b->n] = '\0';
}

void am_buf_str(am_buf *b, am_str s)
{
    am_buf_add(b, s.p, s.n);
}

void am_buf_cstr(am_buf *b, const char *c)
{
    am_buf_add(b, c, strlen(c));
}

void am_buf_char(am_buf *b, char c)
{
    am_buf_add(b, &c, 1);
}

void am_buf_format(am_buf *b, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0)
        b->failed = true;
    else if (reserve(b, (size_t)n)) {
        vsnprintf(b->p + b->n, (size_t)n + 1, fmt, again);
        b->n += (size_t)n;
    }
    va_end(again);
}

am_str am_buf_get(const am_buf *b)
{
    return (am_str){b->p ? b->p : "", b->n};
}
