/* Text as ranges that own nothing, and text that grows in an arena. */
#ifndef AM_BASE_STR_H
#define AM_BASE_STR_H

#include "libauth/base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <string.h>

/* A range of octets. Owns nothing, does not end in NUL, may hold NUL.
 * {NULL, 0} is "absent"; {non-NULL, 0} is "empty". */
typedef struct am_str {
    const char *p;
    size_t n;
} am_str;

#define AM_STR(literal) ((am_str){(literal), sizeof(literal) - 1})
/* printf("%.*s", AM_ARG(s)): only for text known to be safe where it goes. */
#define AM_ARG(s) (int)((s).n > INT32_MAX ? INT32_MAX : (s).n), (s).n ? (s).p : ""

/* What is called a hundred times a message stands here, where a literal's length is known. */

/* From a C string; NULL becomes absent. */
static inline am_str am_str_of(const char *c)
{
    return (am_str){c, c ? strlen(c) : 0};
}

static inline am_str am_str_n(const void *p, size_t n)
{
    return (am_str){(const char *)p, n};
}

/* [from, to), both bounded by s.n */
static inline am_str am_str_cut(am_str s, size_t from, size_t to)
{
    if (to > s.n)
        to = s.n;
    if (from > to)
        from = to;
    return (am_str){s.p ? s.p + from : NULL, to - from};
}

int am_str_icmp(am_str a, am_str b); /* for sorting, ASCII letters alike, locale-free */

/* Octet for octet. */
static inline bool am_str_eq(am_str a, am_str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* ASCII letters alike. */
static inline bool am_str_ieq(am_str a, am_str b)
{
    return a.n == b.n && am_str_icmp(a, b) == 0;
}

/* The same with C strings. */
static inline bool am_str_is(am_str a, const char *c)
{
    return am_str_eq(a, am_str_of(c));
}

static inline bool am_str_iis(am_str a, const char *c)
{
    return am_str_ieq(a, am_str_of(c));
}

/* No octet above 0x7F. */
bool am_str_is_ascii(am_str s);

/* The index of the first c, or s.n. */
static inline size_t am_str_find(am_str s, char c)
{
    const char *hit = s.n ? (const char *)memchr(s.p, c, s.n) : NULL;
    return hit ? (size_t)(hit - s.p) : s.n;
}

bool am_str_istarts(am_str s, const char *c); /* begins with c, ASCII letters alike */
bool am_str_iends(am_str s, am_str tail);     /* ends with tail, ASCII letters alike */
size_t am_str_rfind(am_str s, char c);        /* index of the last c, or s.n */
am_str am_str_trim(am_str s);                 /* without SP, TAB, CR, LF at both ends */

/* Copies; absent when the arena is exhausted. A NUL stands behind each copy. */
am_str am_str_copy(am_arena *a, am_str s);
am_str am_str_lower(am_arena *a, am_str s);          /* ASCII letters only */
am_str am_str_join(am_arena *a, am_str x, am_str y); /* one behind the other */
am_str am_str_join3(am_arena *a, am_str x, am_str y, am_str z);
/* As printf: a %.*s ends at a NUL. For octets from outside that may have one: am_str_join(). */
am_str am_str_format(am_arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* A decimal number of 1 to `digits` digits and nothing else. */
bool am_str_number(am_str s, unsigned digits, uint64_t *out);

/* Growing text. Starts as {.arena = a}. When the arena is exhausted, or `max`
 * octets (0: no bound) would be exceeded, `failed` becomes true and stays so;
 * what was there remains. */
typedef struct am_buf {
    am_arena *arena;
    char *p;
    size_t n, cap, max;
    bool failed;
} am_buf;

void am_buf_add(am_buf *b, const void *p, size_t n);
void am_buf_str(am_buf *b, am_str s);
void am_buf_cstr(am_buf *b, const char *c);
void am_buf_char(am_buf *b, char c);
void am_buf_format(am_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
am_str am_buf_get(const am_buf *b); /* valid until the next am_buf_ call; a NUL stands behind it
                                       unless nothing was ever added */

#endif
