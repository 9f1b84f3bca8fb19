/*
 * write: Authentication-Results from data to text (RFC 8601 2.2, folded as RFC 5322 2.1.1 and
 * 2.2.3 have it).
 *
 * For: the field that the host puts on top. What came from outside is sanitised first and then
 * written in a form out of which nothing can lead: token, address, quoted string with quoted pairs,
 * or comment with quoted pairs. Waits: never. Memory: the caller's arena. Callers: message's users,
 * reports, tools.
 */
#include "libauth/authres/grammar.h"
#include "libauth/base/lex.h"
#include "libauth/mail/scan.h"

enum {
    WIDTH = 78,    /* RFC 5322 2.1.1: lines should not be longer */
    TAB_WIDTH = 8, /* counted so that lines look right, too */
    MAX_VALUE = 500,
    MAX_FREE_TEXT = 400, /* with every octet escaped still a line under 998 */
    MAX_PIECE = 900,     /* of what cannot be folded */
};

typedef struct writer {
    am_arena *arena;
    am_buf out;
    const char *eol;
    size_t column;
} writer;

/* One piece that stays whole, behind a blank or a fold; one column is left for ";". */
static void piece(writer *w, am_str text, bool fold)
{
    if (fold || w->column + 1 + text.n >= WIDTH) {
        am_buf_cstr(&w->out, w->eol);
        am_buf_char(&w->out, '\t');
        w->column = TAB_WIDTH;
    } else {
        am_buf_char(&w->out, ' ');
        w->column++;
    }
    am_buf_str(&w->out, text);
    w->column += text.n;
}

/* Characters that nobody sees and that change what is read: C1 controls; line and paragraph
 * separators, where some readers end lines; marks that turn text around; what takes no room. U+200C
 * and 200D stay: some scripts need them. */
static const struct {
    uint32_t from, to;
} unseen[] = {{0x80, 0x9F}, {0xAD, 0xAD}, {0x61C, 0x61C}, {0x180E, 0x180E}, {0x200B, 0x200B},
    {0x200E, 0x200F}, {0x2028, 0x202E}, {0x2060, 0x206F}, {0xFEFF, 0xFEFF}, {0xFFF9, 0xFFFB},
    {0xE0000, 0xE007F}};

/* Of valid UTF-8, `len` octets, two at least. */
static bool is_unseen(am_str s, size_t len)
{
    uint32_t c = (unsigned char)*s.p & (0x7Fu >> len);
    for (size_t i = 1; i < len; i++)
        c = c << 6 | ((unsigned char)s.p[i] & 0x3F);
    for (size_t i = 0; i < sizeof unseen / sizeof *unseen; i++)
        if (c >= unseen[i].from && c <= unseen[i].to)
            return true;
    return false;
}

/* Visible ASCII, spaces and UTF-8; each other character or octet becomes '?'.
 * At most `max` octets, cut between characters. Absent: no memory. */
static am_str sanitised(writer *w, am_str in, size_t max)
{
    size_t n = 0;
    char *p = am_arena_alloc(w->arena, (in.n < max ? in.n : max) + 1);
    if (!p) {
        w->out.failed = true;
        return (am_str){NULL, 0};
    }
    while (in.n) {
        size_t len = am_utf8_len(in);
        bool bad = len == 0 || am_is(*in.p, AM_CTL) || (len > 1 && is_unseen(in, len));
        if (n + (bad ? 1 : len) > max)
            break;
        for (size_t i = 0; i < len && !bad; i++)
            p[n++] = in.p[i];
        if (bad)
            p[n++] = '?';
        in = am_str_cut(in, len ? len : 1, in.n);
    }
    return am_str_n(p, n);
}

/* `text` with a backslash before each of `specials`. */
static void escaped(am_buf *b, am_str text, am_str specials)
{
    for (size_t i = 0; i < text.n; i++) {
        if (am_str_find(specials, text.p[i]) < specials.n)
            am_buf_char(b, '\\');
        am_buf_char(b, text.p[i]);
    }
}

/* value = token / quoted-string */
static void value(am_buf *b, am_str text)
{
    if (am_authres_is_token(text)) {
        am_buf_str(b, text);
        return;
    }
    am_buf_char(b, '"');
    escaped(b, text, AM_STR("\"\\"));
    am_buf_char(b, '"');
}

/* domain-name = sub-domain 1*("." sub-domain) (RFC 6376 3.5); U-labels as RFC 6531 3.3 has them */
static bool is_domain_name(am_str s)
{
    size_t dots = 0;
    for (size_t i = 0; i < s.n; i++) {
        bool edge = i == 0 || i + 1 == s.n || s.p[i - 1] == '.' || s.p[i + 1] == '.';
        if (s.p[i] == '.' ? edge : !am_is(s.p[i], (edge ? AM_ALNUM : AM_LDH) | AM_HIGH))
            return false;
        dots += s.p[i] == '.';
    }
    return dots > 0;
}

/* local-part of RFC 5322 3.4.1: dot-atom or quoted-string, UTF-8 allowed (RFC 6531 3.3); or none */
static bool is_local_part(am_str s)
{
    am_str inside;
    if (s.n && *s.p == '"')
        return am_scan_quoted(&s, &inside) && s.n == 0;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '.' ? i == 0 || i + 1 == s.n || s.p[i - 1] == '.'
                          : !am_is(s.p[i], AM_ATEXT | AM_HIGH))
            return false;
    return true;
}

/* pvalue = value / [ [ local-part ] "@" ] domain-name; `text` is sanitised */
static void pvalue(am_buf *b, am_str text)
{
    size_t at = am_str_rfind(text, '@');
    bool address = at < text.n && is_local_part(am_str_cut(text, 0, at));
    if (is_domain_name(address ? am_str_cut(text, at + 1, text.n) : text))
        am_buf_str(b, text);
    else
        value(b, text);
}

static void property(writer *w, const am_property *p)
{
    am_buf b = {.arena = w->arena};
    if (!p->value.p || p->value.n > MAX_VALUE || !am_authres_is_keyword(p->ptype) ||
        !am_authres_is_keyword(p->property))
        return;
    am_buf_str(&b, p->ptype);
    am_buf_char(&b, '.');
    am_buf_str(&b, p->property);
    for (size_t i = 0; i < b.n; i++)
        b.p[i] = am_lower(b.p[i]);
    am_buf_char(&b, '=');
    pvalue(&b, sanitised(w, p->value, MAX_VALUE));
    w->out.failed = w->out.failed || b.failed;
    if (b.n <= MAX_PIECE)
        piece(w, am_buf_get(&b), false);
}

static void reason(writer *w, am_str text)
{
    am_buf b = {.arena = w->arena};
    am_buf_cstr(&b, "reason=");
    value(&b, sanitised(w, text, MAX_FREE_TEXT));
    w->out.failed = w->out.failed || b.failed;
    piece(w, am_buf_get(&b), false);
}

/* A comment may be folded at its spaces; runs of them become one. DQUOTE becomes an apostrophe:
 * some readers look for quoted strings within comments. */
static void comment(writer *w, am_str text)
{
    am_str rest = am_str_trim(sanitised(w, text, MAX_FREE_TEXT));
    bool first = true;
    while (rest.n) {
        size_t end = am_str_find(rest, ' ');
        am_buf b = {.arena = w->arena};
        if (first)
            am_buf_char(&b, '(');
        escaped(&b, am_str_cut(rest, 0, end), AM_STR("()\\"));
        rest = am_str_trim(am_str_cut(rest, end, rest.n));
        if (!rest.n)
            am_buf_char(&b, ')');
        for (size_t i = 0; i < b.n; i++)
            if (b.p[i] == '"')
                b.p[i] = '\'';
        w->out.failed = w->out.failed || b.failed;
        piece(w, am_buf_get(&b), false);
        first = false;
    }
}

/* False: left out, as method or result is no keyword. */
static bool result(writer *w, const am_resinfo *r)
{
    if (!am_authres_is_keyword(r->method) || !am_authres_is_keyword(r->result))
        return false;
    if (r->method.n + r->result.n > MAX_PIECE)
        return false;
    am_buf b = {.arena = w->arena};
    am_buf_str(&b, r->method);
    am_buf_char(&b, '=');
    am_buf_str(&b, r->result);
    for (size_t i = 0; i < b.n; i++)
        b.p[i] = am_lower(b.p[i]);
    w->out.failed = w->out.failed || b.failed;
    am_buf_char(&w->out, ';');
    piece(w, am_buf_get(&b), true);
    comment(w, r->comment);
    if (r->reason.n)
        reason(w, r->reason);
    for (size_t i = 0; i < r->properties; i++)
        property(w, &r->property[i]);
    return true;
}

am_str am_authres_write(am_arena *a, const am_authres *r, const char *eol, size_t column)
{
    writer w = {.arena = a, .out = {.arena = a}, .eol = eol};
    bool any = false;
    value(&w.out, sanitised(&w, r->id, MAX_FREE_TEXT));
    w.column = column + w.out.n;
    if (r->version > 1) {
        am_buf version = {.arena = a};
        am_buf_format(&version, "%u", r->version);
        w.out.failed = w.out.failed || version.failed;
        piece(&w, am_buf_get(&version), false);
    }
    for (size_t i = 0; i < r->results; i++)
        any = result(&w, &r->result[i]) || any;
    if (!any) {
        am_buf_char(&w.out, ';');
        piece(&w, AM_STR("none"), false);
    }
    return w.out.failed ? (am_str){NULL, 0} : am_buf_get(&w.out);
}
