/*
 * header: the fields of one message, exactly as they were sent.
 *
 * For: signatures (RFC 6376 3.4.1 needs every octet), From (RFC 5322 3.6.2),
 * Authentication-Results. Waits: never. Memory: the caller's arena. Callers:
 * message, the methods (reading), tools.
 */
#include "libauth/mail/header.h"
#include "libauth/base/lex.h"

#include <string.h>

static am_field *grow(am_header *h, size_t octets)
{
    if (h->failed)
        return NULL;
    if ((h->max_fields && h->n >= h->max_fields) ||
        (h->max_octets && octets > h->max_octets - h->octets)) {
        h->failed = true;
        return NULL;
    }
    if (h->n == h->cap) {
        size_t cap = h->cap ? 2 * h->cap : 32;
        am_field *f = am_arena_array(h->arena, cap, sizeof *f);
        if (!f) {
            h->failed = true;
            return NULL;
        }
        if (h->n)
            memcpy(f, h->field, h->n * sizeof *f);
        h->field = f;
        h->cap = cap;
    }
    return &h->field[h->n];
}

static void keep(am_header *h, am_field *f, am_str raw, size_t colon)
{
    f->raw = raw;
    f->name = am_str_cut(raw, 0, colon);
    while (f->name.n && am_is(f->name.p[f->name.n - 1], AM_WSP))
        f->name.n--;
    f->value = am_str_cut(raw, colon + 1, raw.n);
    h->octets += raw.n;
    h->n++;
}

static size_t line_feeds(am_str s)
{
    size_t n = 0, at;
    while ((at = am_str_find(s, '\n')) < s.n) {
        n++;
        s = am_str_cut(s, at + 1, s.n);
    }
    return n;
}

/* LF becomes CR LF where it folds. Returns the end; there is room for a CR before every LF. */
static char *copy_folds(char *o, am_str s)
{
    size_t from = 0, at = 0;
    while ((at += am_str_find(am_str_cut(s, at, s.n), '\n')) < s.n) {
        bool fold = at + 1 < s.n && am_is(s.p[at + 1], AM_WSP);
        if (fold && (at == 0 || s.p[at - 1] != '\r')) {
            memcpy(o, s.p + from, at - from);
            o += at - from;
            *o++ = '\r';
            from = at;
        }
        at++;
    }
    if (s.n > from)
        memcpy(o, s.p + from, s.n - from);
    return o + (s.n - from);
}

void am_header_add(am_header *h, am_str name, am_str value)
{
    size_t n = name.n + 1 + value.n + line_feeds(value);
    am_field *f = grow(h, n);
    char *raw = f ? am_arena_alloc(h->arena, n) : NULL;
    if (!raw) {
        h->failed = true;
        return;
    }
    char *o = raw;
    if (name.n)
        memcpy(o, name.p, name.n);
    o += name.n;
    *o++ = ':';
    o = copy_folds(o, value);
    keep(h, f, am_str_n(raw, (size_t)(o - raw)), name.n);
}

void am_header_add_raw(am_header *h, am_str raw)
{
    am_field *f = grow(h, raw.n);
    am_str copy = f ? am_str_copy(h->arena, raw) : (am_str){NULL, 0};
    if (!copy.p)
        h->failed = true;
    else
        keep(h, f, copy, am_str_find(copy, ':'));
}

size_t am_header_count(const am_header *h, const char *name)
{
    size_t n = 0;
    am_str wanted = am_str_of(name);
    for (size_t i = 0; i < h->n; i++)
        n += am_str_ieq(h->field[i].name, wanted);
    return n;
}

size_t am_header_find(const am_header *h, const char *name, size_t nth)
{
    am_str wanted = am_str_of(name);
    for (size_t i = 0; i < h->n; i++)
        if (am_str_ieq(h->field[i].name, wanted) && nth-- == 0)
            return i;
    return h->n;
}

am_str am_unfold(am_arena *a, am_str value)
{
    value = am_str_trim(value);
    char *p = am_arena_alloc(a, value.n + 1);
    size_t n = 0;
    if (!p)
        return (am_str){NULL, 0};
    for (size_t i = 0; i < value.n; i++)
        if (!am_is(value.p[i], AM_CRLF))
            p[n++] = value.p[i];
    return am_str_n(p, n);
}

/* The index of the first c from there on, or s.n. */
static size_t index_from(am_str s, size_t from, char c)
{
    return from + am_str_find(am_str_cut(s, from, s.n), c);
}

am_hidden am_hidden_begin(am_str value)
{
    return (am_hidden){value, index_from(value, 0, '\r'), index_from(value, 0, '\n')};
}

bool am_hidden_next(am_hidden *h, am_str *name, am_str *rest)
{
    while (h->cr < h->value.n || h->lf < h->value.n) {
        size_t from = (h->cr < h->lf ? h->cr : h->lf) + 1;
        h->cr = h->cr < from ? index_from(h->value, from, '\r') : h->cr;
        h->lf = h->lf < from ? index_from(h->value, from, '\n') : h->lf;
        am_str line = am_str_cut(h->value, from, h->cr < h->lf ? h->cr : h->lf);
        size_t colon = am_str_find(line, ':');
        if (colon == line.n || am_is(line.p[0], AM_WSP))
            continue;
        *name = am_str_cut(line, 0, colon);
        *rest = am_str_cut(h->value, from + colon + 1, h->value.n);
        return true;
    }
    return false;
}
