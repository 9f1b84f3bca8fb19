/*
 * canon: the two canonical forms of header fields and bodies (RFC 6376 3.4).
 *
 * For: the hashes of DKIM and ARC. Stretches that stay as they are go to the
 * sink where they lie; nothing is copied and nothing allocated. CRLF alone is a
 * line end: a bare CR or a bare LF is an ordinary octet, as it is to RFC 6376's
 * grammar. Waits: never. Memory: none but the caller's. Callers: bodyhash,
 * verify, arc.
 */
#include "libauth/sig/canon.h"
#include "libauth/base/lex.h"

#include <string.h>

/* ---- Header fields ---- */

typedef struct relaxing {
    am_sink *sink;
    void *to;
    bool begun; /* something of the value was passed on */
    bool wsp;   /* white space was left out since */
} relaxing;

static void send(relaxing *r, const char *p, size_t n)
{
    if (n == 0)
        return;
    /* RFC 6376 3.4.2: runs become one SP; none behind the colon, none at the end. */
    if (r->wsp && r->begun)
        r->sink(r->to, " ", 1);
    r->wsp = false;
    r->begun = true;
    r->sink(r->to, p, n);
}

static bool fold_at(am_str s, size_t i)
{
    return s.n - i >= 3 && s.p[i] == '\r' && s.p[i + 1] == '\n' && am_is(s.p[i + 2], AM_WSP);
}

/* The octets of white space and folds at i. */
static size_t white(am_str s, size_t i)
{
    size_t from = i;
    for (;;) {
        if (i < s.n && am_is(s.p[i], AM_WSP))
            i++;
        else if (i < s.n && fold_at(s, i))
            i += 2;
        else
            return i - from;
    }
}

/* A part of a value. Parts may be cut anywhere but within white space. */
static void relax(relaxing *r, am_str s)
{
    size_t from = 0, i = 0;
    while (i < s.n) {
        if (!am_is(s.p[i], AM_WSP | AM_CRLF)) {
            i++;
            continue;
        }
        size_t w = white(s, i);
        bool as_it_is = w == 0 || (w == 1 && s.p[i] == ' ' && i > from && i + 1 < s.n);
        if (!as_it_is) {
            send(r, s.p + from, i - from);
            r->wsp = true;
            from = i + w;
        }
        i += w ? w : 1;
    }
    send(r, s.p + from, s.n - from);
}

/* RFC 6376 3.4.2: the name in lower case, no white space round the colon. */
static void relax_name(am_str name, am_sink *sink, void *to)
{
    char text[128];
    while (name.n && am_is(name.p[name.n - 1], AM_WSP))
        name.n--;
    while (name.n) {
        size_t n = name.n < sizeof text ? name.n : sizeof text;
        for (size_t i = 0; i < n; i++)
            text[i] = am_lower(name.p[i]);
        sink(to, text, n);
        name = am_str_cut(name, n, name.n);
    }
    sink(to, ":", 1);
}

/* raw[0, cut) and raw[resume, n) as one field. */
static void put_field(am_canon c, am_str raw, size_t cut, size_t resume, am_sink *sink, void *to)
{
    am_str head = am_str_cut(raw, 0, cut), tail = am_str_cut(raw, resume, raw.n);
    if (c == AM_RELAXED) {
        size_t colon = am_str_find(head, ':');
        relaxing r = {.sink = sink, .to = to};
        relax_name(am_str_cut(head, 0, colon), sink, to);
        relax(&r, am_str_cut(head, colon + 1, head.n));
        relax(&r, tail);
        return;
    }
    if (head.n)
        sink(to, head.p, head.n);
    if (tail.n)
        sink(to, tail.p, tail.n);
}

void am_canon_field(am_canon c, am_str raw, bool crlf, am_sink *sink, void *to)
{
    put_field(c, raw, raw.n, raw.n, sink, to);
    if (crlf)
        sink(to, "\r\n", 2);
}

void am_canon_signature(am_canon c, am_str raw, am_sink *sink, void *to)
{
    size_t cut = raw.n, resume = raw.n, end;
    for (size_t at = am_str_find(raw, ':') + 1; at < raw.n; at = end + 1) {
        end = at + am_str_find(am_str_cut(raw, at, raw.n), ';');
        size_t eq = at + am_str_find(am_str_cut(raw, at, end), '=');
        if (eq < end && am_str_is(am_str_trim(am_str_cut(raw, at, eq)), "b")) {
            cut = eq + 1;
            resume = end;
        }
    }
    put_field(c, raw, cut, resume, sink, to);
}

/* ---- Bodies: squeeze (relaxed alone) reduces white space, and hands on to lines, which
 * holds back line ends until something follows. ---- */

typedef struct flow {
    am_canon_body *b;
    am_sink *sink;
    void *to;
} flow;

static void release(const flow *f)
{
    static const char ends[] = "\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n";
    while (f->b->blank) {
        uint64_t n = f->b->blank < 16 ? f->b->blank : 16;
        f->sink(f->to, ends, 2 * (size_t)n);
        f->b->blank -= n;
    }
    f->b->any = true;
}

/* Octets in which CR LF are never torn apart: passes on all but the line ends at the end. */
static void lines(const flow *f, const char *p, size_t n)
{
    while (n >= 2 && p[0] == '\r' && p[1] == '\n') {
        f->b->blank++;
        p += 2;
        n -= 2;
    }
    if (n == 0)
        return;
    release(f);
    size_t keep = n;
    while (keep >= 2 && p[keep - 1] == '\n' && p[keep - 2] == '\r')
        keep -= 2;
    f->b->blank = (n - keep) / 2;
    f->sink(f->to, p, keep);
}

enum { BLOCK = 64 };

/* May relaxed change something in p[0, BLOCK)? Reads p[BLOCK] too. No branch within, so that a
 * compiler can take many octets at a time. */
static bool block_changes(const char *p)
{
    unsigned char hit = 0;
    for (size_t i = 0; i < BLOCK; i++) {
        char c = p[i], d = p[i + 1];
        hit |=
            (unsigned char)((c == '\t') | ((c == ' ') & ((d == ' ') | (d == '\t') | (d == '\r'))));
    }
    return hit != 0;
}

/* How many octets relaxed leaves as they are: up to a TAB, or a SP that is the last octet, or has
 * white space or CR behind it. */
static size_t unchanged(const char *p, size_t n)
{
    size_t i = 0;
    while (n - i > BLOCK && !block_changes(p + i))
        i += BLOCK;
    for (; i < n; i++) {
        if (p[i] == '\t')
            break;
        if (p[i] == ' ' && (i + 1 == n || am_is(p[i + 1], AM_WSP) || p[i + 1] == '\r'))
            break;
    }
    return i;
}

/* RFC 6376 3.4.4 a, on octets in which CR LF are never torn apart. */
static void squeeze(const flow *f, const char *p, size_t n)
{
    while (n) {
        size_t skip = 0;
        while (f->b->wsp && skip < n && am_is(p[skip], AM_WSP))
            skip++;
        p += skip;
        n -= skip;
        if (n == 0)
            return;
        bool line_end = n >= 2 && p[0] == '\r' && p[1] == '\n';
        if (f->b->wsp && !line_end)
            lines(f, " ", 1);
        f->b->wsp = false;
        size_t same = unchanged(p, n);
        if (same)
            lines(f, p, same);
        f->b->wsp = same < n;
        p += same;
        n -= same;
    }
}

static void put(const flow *f, const char *p, size_t n)
{
    if (f->b->canon == AM_RELAXED)
        squeeze(f, p, n);
    else
        lines(f, p, n);
}

void am_canon_body_feed(am_canon_body *b, const void *data, size_t n, am_sink *sink, void *to)
{
    const flow f = {b, sink, to};
    const char *p = data;
    if (n == 0)
        return;
    if (b->cr) {
        bool lf = *p == '\n';
        b->cr = false;
        put(&f, "\r\n", lf ? 2 : 1);
        p += lf;
        n -= lf;
    }
    b->cr = n && p[n - 1] == '\r';
    n -= b->cr;
    if (n)
        put(&f, p, n);
}

void am_canon_body_end(am_canon_body *b, am_sink *sink, void *to)
{
    const flow f = {b, sink, to};
    if (b->cr)
        put(&f, "\r", 1);
    b->cr = b->wsp = false;
    b->blank = 0;
    /* RFC 6376 3.4.3: an empty body is CRLF; 3.4.4: it is nothing. */
    if (b->any || b->canon == AM_SIMPLE)
        sink(to, "\r\n", 2);
    b->any = true;
}
