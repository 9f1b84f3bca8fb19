/*
 * macro: SPF's macro strings, parsed into pieces and expanded.
 *
 * For: domain-specs and explanations (RFC 7208 7, RFC 8616 4). Waits: never;
 * %{p} is a value like the others, and whoever fills the table finds it out.
 * Memory: pieces in the caller's room, results in the caller's arena; an
 * expansion holds 1 KB whatever it expands. Callers: spf.
 */
#include "libauth/spf/macro.h"
#include "libauth/base/domain.h"
#include "libauth/base/lex.h"

#include <string.h>

static const char delimiters[] = ".-+,/_=";

/* ---- parsing ---- */

size_t am_spf_string_room(am_str s)
{
    size_t n = 0, i = 0;
    while (i < s.n) {
        n++;
        if (s.p[i] == '%') /* the shortest macro has two octets */
            i += 2;
        else
            while (i < s.n && s.p[i] != '%')
                i++;
    }
    return n;
}

/* RFC 7208 7.1: macro-literal, and SP in an explain-string. */
static bool literal(char c, bool explain)
{
    return (am_is(c, AM_VCHAR) && c != '%') || (explain && c == ' ');
}

static uint8_t delimiter_bit(char c)
{
    const char *hit = c ? strchr(delimiters, c) : NULL;
    return hit ? (uint8_t)(1U << (hit - delimiters)) : 0;
}

/* The number of parts; false for zero (7.3). No value has a million parts. */
static bool parse_keep(am_str s, size_t *i, unsigned *keep)
{
    size_t from = *i;
    unsigned v = 0;
    for (; *i < s.n && am_is(s.p[*i], AM_DIGIT); ++*i)
        v = v > 1000000 ? v : v * 10 + (unsigned)(s.p[*i] - '0');
    *keep = v;
    return *i == from || v > 0;
}

/* "{" letter transformers delimiters "}"; *i stands behind "{". */
static bool parse_braces(am_str s, bool explain, size_t *i, am_spf_piece *out)
{
    char c = *i < s.n ? s.p[(*i)++] : '\0', low = am_lower(c);
    /* RFC 7208 7.2: c, r and t only in "exp" text */
    if (!low || !strchr(explain ? "slodiphvcrt" : "slodiphv", low))
        return false;
    *out = (am_spf_piece){.letter = low, .escape = c != low};
    if (!parse_keep(s, i, &out->keep))
        return false;
    if (*i < s.n && am_lower(s.p[*i]) == 'r') {
        out->reverse = true;
        ++*i;
    }
    for (; *i < s.n && delimiter_bit(s.p[*i]); ++*i)
        out->delims |= delimiter_bit(s.p[*i]);
    if (!out->delims)
        out->delims = delimiter_bit('.');
    return *i < s.n && s.p[(*i)++] == '}';
}

/* One macro-expand; *i stands behind "%". */
static bool parse_macro(am_str s, bool explain, size_t *i, am_spf_piece *out)
{
    char c = *i < s.n ? s.p[(*i)++] : '\0';
    *out = (am_spf_piece){.letter = '%'};
    switch (c) {
    case '%':
        out->text = AM_STR("%");
        return true;
    case '_':
        out->text = AM_STR(" ");
        return true;
    case '-':
        out->text = AM_STR("%20");
        return true;
    case '{':
        return parse_braces(s, explain, i, out);
    default: /* RFC 7208 7.3: any other "%" is a syntax error */
        return false;
    }
}

bool am_spf_string_parse(am_str s, bool explain, am_spf_piece *room, am_spf_string *out)
{
    size_t n = 0, i = 0;
    while (i < s.n) {
        size_t from = i;
        while (i < s.n && literal(s.p[i], explain))
            i++;
        if (i > from)
            room[n++] = (am_spf_piece){.text = am_str_cut(s, from, i)};
        if (i == s.n)
            break;
        if (s.p[i++] != '%' || !parse_macro(s, explain, &i, &room[n++]))
            return false;
    }
    *out = (am_spf_string){room, n};
    return true;
}

size_t am_spf_string_uses(am_spf_string s, char letter)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++)
        n += s.piece[i].letter == letter;
    return n;
}

/* ---- values ---- */

static bool is_value(char letter)
{
    return letter >= 'a' && letter <= 'z';
}

/* Of a letter that is_value, which is one of these: the parser takes no other. */
static size_t place(char letter)
{
    static const unsigned char at[26] = {['s' - 'a'] = 0,
        ['l' - 'a'] = 1,
        ['o' - 'a'] = 2,
        ['d' - 'a'] = 3,
        ['i' - 'a'] = 4,
        ['p' - 'a'] = 5,
        ['h' - 'a'] = 6,
        ['c' - 'a'] = 7,
        ['r' - 'a'] = 8,
        ['t' - 'a'] = 9,
        ['v' - 'a'] = 10};
    return at[letter - 'a'];
}

void am_spf_values_set(am_spf_values *v, char letter, am_str value)
{
    bool bad = value.n > AM_SPF_VALUE_MAX;
    for (size_t i = 0; i < value.n && !bad; i++)
        bad = am_is(value.p[i], AM_HIGH);
    v->of[place(letter)] = value;
    v->unusable[place(letter)] = bad;
}

bool am_spf_values_ip(am_arena *a, am_spf_values *v, const am_ip *ip)
{
    static const char hex[] = "0123456789ABCDEF";
    char text[AM_IP_TEXT], dotted[64];
    am_str c = am_str_copy(a, am_str_of(am_ip_text(ip, text))), i = c;
    if (ip->family == 6) { /* RFC 7208 7.3: 32 nibbles with dots between */
        for (size_t k = 0; k < 32; k++) {
            dotted[2 * k] = hex[k % 2 ? ip->octet[k / 2] & 15 : ip->octet[k / 2] >> 4];
            dotted[2 * k + 1] = '.';
        }
        i = am_str_copy(a, am_str_n(dotted, 63));
    }
    am_spf_values_set(v, 'c', c);
    am_spf_values_set(v, 'i', i);
    am_spf_values_set(v, 'v', ip->family == 6 ? AM_STR("ip6") : AM_STR("in-addr"));
    return c.p && i.p;
}

bool am_spf_string_usable(am_spf_string s, const am_spf_values *v)
{
    for (size_t i = 0; i < s.n; i++)
        if (is_value(s.piece[i].letter) && v->unusable[place(s.piece[i].letter)])
            return false;
    return true;
}

/* ---- expansion ---- */

enum { TAIL = AM_DOMAIN_MAX + 2, ROOM = 1024 };

/* Keeps the first octets, or (tail) at least the last TAIL ones. */
typedef struct sink {
    char p[ROOM];
    size_t n, max;
    bool tail, full;
} sink;

static void put(sink *o, char c)
{
    if (o->n == o->max) {
        o->full = true;
        if (!o->tail)
            return;
        memmove(o->p, o->p + o->n - TAIL, TAIL);
        o->n = TAIL;
    }
    o->p[o->n++] = c;
}

static void put_all(sink *o, am_str s)
{
    for (size_t i = 0; i < s.n; i++)
        put(o, s.p[i]);
}

/* RFC 7208 7.3, RFC 3986 2.3: what is not unreserved is escaped. */
static void put_escaped(sink *o, bool escape, char c)
{
    static const char hex[] = "0123456789ABCDEF";
    unsigned char u = (unsigned char)c;
    if (!escape || am_is(c, AM_ALNUM) || c == '-' || c == '.' || c == '_' || c == '~') {
        put(o, c);
        return;
    }
    put(o, '%');
    put(o, hex[u >> 4]);
    put(o, hex[u & 15]);
}

static bool splits(const am_spf_piece *m, char c)
{
    return (m->delims & delimiter_bit(c)) != 0;
}

/* The first, or the last, m->keep parts of the value. */
static am_str parts(const am_spf_piece *m, am_str v)
{
    unsigned seen = 0;
    if (!m->keep)
        return v;
    if (m->reverse) {
        for (size_t i = 0; i < v.n; i++)
            if (splits(m, v.p[i]) && ++seen == m->keep)
                return am_str_cut(v, 0, i);
    } else {
        for (size_t i = v.n; i > 0; i--)
            if (splits(m, v.p[i - 1]) && ++seen == m->keep)
                return am_str_cut(v, i, v.n);
    }
    return v;
}

/* RFC 7208 7.3: split, reverse, keep the rightmost parts, join with dots. Of the reversed list the
 * rightmost parts are the leftmost of the value. */
static void put_value(sink *o, const am_spf_piece *m, am_str v)
{
    v = parts(m, v);
    if (!m->reverse) {
        for (size_t i = 0; i < v.n; i++)
            put_escaped(o, m->escape, splits(m, v.p[i]) ? '.' : v.p[i]);
        return;
    }
    for (size_t i = v.n, end = v.n; v.n; i--) {
        if (i > 0 && !splits(m, v.p[i - 1]))
            continue;
        for (size_t k = i; k < end; k++)
            put_escaped(o, m->escape, v.p[k]);
        if (i == 0)
            break;
        put(o, '.');
        end = i - 1;
    }
}

static void put_piece(sink *o, const am_spf_piece *m, const am_spf_values *v)
{
    if (is_value(m->letter))
        put_value(o, m, v->of[place(m->letter)]);
    else
        put_all(o, m->text);
}

static void open_sink(sink *o, size_t max, bool tail)
{
    o->n = 0, o->max = max, o->tail = tail, o->full = false;
}

/* The first piece that can be seen in a name: what stands before it is cut off by what follows.
 * (A record of 64 KB may hold 16000 macros.) */
static size_t first_needed(am_spf_string s, const am_spf_values *v)
{
    sink o;
    size_t octets = 0, i = s.n;
    for (; i > 0 && octets < TAIL; i--) {
        open_sink(&o, TAIL, false);
        put_piece(&o, &s.piece[i - 1], v);
        octets += o.n;
    }
    return i;
}

am_str am_spf_expand_name(am_arena *a, am_spf_string s, const am_spf_values *v)
{
    sink o;
    open_sink(&o, ROOM, true);
    for (size_t i = first_needed(s, v); i < s.n; i++)
        put_piece(&o, &s.piece[i], v);
    am_str name = {o.p, o.n};
    if (name.n && name.p[name.n - 1] == '.')
        name.n--;
    if (name.n > AM_DOMAIN_MAX) { /* RFC 7208 7.3: whole labels go from the left */
        am_str last = am_str_cut(name, name.n - AM_DOMAIN_MAX - 1, name.n);
        size_t dot = am_str_find(last, '.');
        if (dot < last.n)
            name = am_str_cut(last, dot + 1, last.n);
    }
    return am_str_copy(a, name);
}

am_str am_spf_expand_text(am_arena *a, am_spf_string s, const am_spf_values *v, size_t max)
{
    sink o;
    open_sink(&o, max < ROOM ? max : ROOM, false);
    for (size_t i = 0; i < s.n && !o.full; i++)
        put_piece(&o, &s.piece[i], v);
    return am_str_copy(a, am_str_n(o.p, o.n));
}
