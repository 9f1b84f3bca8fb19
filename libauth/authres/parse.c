/*
 * parse: Authentication-Results from text to data (RFC 8601 2.2).
 *
 * For: results of trusted hosts, ARC-Authentication-Results, tests. The whole grammar, comments
 * and folds everywhere; one form is not read: blanks around the dots of a
 * local-part (RFC 5322 4.4), which cannot be told from the next property. Waits: never.
 * Memory: the caller's arena. Callers: policy, arc, tools.
 */
#include "libauth/authres/grammar.h"
#include "libauth/base/lex.h"
#include "libauth/mail/scan.h"

#include <limits.h>
#include <string.h>

enum { MAX_RESULTS = 100, MAX_PROPERTIES = 50 };

static bool fail(am_authres_text *t, const char *what)
{
    am_error_set(t->why, "%s, at octet %zu", what, t->all.n - t->rest.n);
    return false;
}

static bool no_memory(am_authres_text *t)
{
    am_error_set(t->why, "out of memory");
    return false;
}

static bool at(const am_authres_text *t, char c)
{
    return t->rest.n && *t->rest.p == c;
}

/* Takes the next `n` octets. */
static am_str take(am_authres_text *t, size_t n)
{
    am_str taken = am_str_cut(t->rest, 0, n);
    t->rest = am_str_cut(t->rest, n, t->rest.n);
    return taken;
}

static size_t run(am_str s, unsigned classes)
{
    size_t n = 0;
    while (n < s.n && am_is(s.p[n], classes))
        n++;
    return n;
}

static bool blank(am_authres_text *t)
{
    return am_scan_cfws(&t->rest, NULL) || fail(t, "a comment that is not closed or too deep");
}

/* [CFWS] c [CFWS] */
static bool expect(am_authres_text *t, char c)
{
    char what[] = "no '?'";
    what[4] = c;
    if (!blank(t))
        return false;
    if (!at(t, c))
        return fail(t, what);
    take(t, 1);
    return blank(t);
}

bool am_authres_is_keyword(am_str s)
{
    return s.n && run(s, AM_LDH) == s.n && am_is(s.p[0], AM_ALNUM) && am_is(s.p[s.n - 1], AM_ALNUM);
}

bool am_authres_is_token(am_str s)
{
    return s.n && run(s, AM_TOKEN) == s.n;
}

/* A Keyword, in lower case. */
static bool keyword(am_authres_text *t, am_str *out)
{
    am_str word = am_str_cut(t->rest, 0, run(t->rest, AM_LDH));
    if (!am_authres_is_keyword(word))
        return fail(t, "no keyword");
    *out = am_str_lower(t->arena, take(t, word.n));
    return out->p || no_memory(t);
}

static bool quoted(am_authres_text *t, am_str *raw, am_str *meant)
{
    am_str before = t->rest, inside;
    if (!am_scan_quoted(&t->rest, &inside))
        return fail(t, "a quoted string that is not closed");
    *raw = am_str_cut(before, 0, before.n - t->rest.n);
    *meant = am_scan_unquote(t->arena, inside);
    return meant->p || no_memory(t);
}

/* value = token / quoted-string (RFC 2045 5.1, RFC 6532); UTF-8 without quotes too (RFC 8601 2.5:
 * "may be expressed in UTF-8") */
static bool value(am_authres_text *t, am_str *out)
{
    am_str raw;
    if (at(t, '"'))
        return quoted(t, &raw, out);
    size_t n = run(t->rest, AM_TOKEN | AM_HIGH);
    if (n == 0)
        return fail(t, "no value");
    *out = am_str_copy(t->arena, take(t, n));
    return out->p || no_memory(t);
}

/* 1*DIGIT; what does not fit is a version that nobody knows. */
static bool version_number(am_authres_text *t, unsigned *out)
{
    uint64_t v;
    size_t n = run(t->rest, AM_DIGIT);
    if (!am_str_number(take(t, n), 76, &v))
        return fail(t, "no version");
    *out = v > UINT_MAX ? UINT_MAX : (unsigned)v;
    return true;
}

bool am_authres_take_id(am_authres_text *t, am_str *id, unsigned *version)
{
    *version = 1;
    if (!blank(t) || !value(t, id))
        return false;
    size_t before = t->rest.n;
    if (!blank(t))
        return false;
    if (t->rest.n < before && t->rest.n && am_is(*t->rest.p, AM_DIGIT))
        return version_number(t, version) && blank(t);
    return true;
}

/* The domain behind an "@": domain-name (RFC 6376 3.5, RFC 6531); single labels
 * and "_" are let through. */
static bool behind_at(am_authres_text *t, am_str local, am_str *out)
{
    take(t, 1);
    size_t n = 0;
    while (n < t->rest.n && (am_is(t->rest.p[n], AM_LDH | AM_HIGH) || strchr("._", t->rest.p[n])))
        n++;
    if (n == 0)
        return fail(t, "no domain");
    *out = am_str_join3(t->arena, local, AM_STR("@"), am_str_n(t->rest.p, n));
    take(t, n);
    return out->p || no_memory(t);
}

/* pvalue = [CFWS] ( value / [ [ local-part ] "@" ] domain-name ) [CFWS] */
static bool pvalue(am_authres_text *t, am_str *out)
{
    am_str raw, meant = {NULL, 0};
    if (!blank(t))
        return false;
    if (at(t, '"')) {
        if (!quoted(t, &raw, &meant))
            return false;
    } else {
        size_t n = 0;
        while (n < t->rest.n && (am_is(t->rest.p[n], AM_ATEXT | AM_HIGH) || t->rest.p[n] == '.'))
            n++;
        raw = take(t, n);
    }
    if (!blank(t))
        return false;
    if (at(t, '@'))
        return behind_at(t, raw, out) && blank(t);
    if (!meant.p && !t->lax && run(raw, AM_TOKEN | AM_HIGH) != raw.n)
        return fail(t, "a value that wants quotes");
    if (!meant.p && raw.n == 0)
        return fail(t, "no value");
    *out = meant.p ? meant : am_str_copy(t->arena, raw);
    return out->p || no_memory(t);
}

/* Comments are for people: inner folds and runs of blanks become one space. */
static am_str tidy(am_arena *a, am_str comment)
{
    am_str meant = am_scan_unquote(a, comment);
    am_buf b = {.arena = a};
    for (size_t i = 0; i < meant.n; i++) {
        if (!am_is(meant.p[i], AM_WSP))
            am_buf_char(&b, meant.p[i]);
        else if (i + 1 < meant.n && !am_is(meant.p[i + 1], AM_WSP) && b.n)
            am_buf_char(&b, ' ');
    }
    return b.failed || !meant.p ? (am_str){NULL, 0} : am_buf_get(&b);
}

typedef struct properties {
    am_property *list;
    size_t n;
} properties;

/* propspec = ptype [CFWS] "." [CFWS] property [CFWS] "=" pvalue; the ptype is read */
static bool property(am_authres_text *t, am_str ptype, properties *ps)
{
    if (!ps->list)
        ps->list = am_arena_array(t->arena, MAX_PROPERTIES, sizeof *ps->list);
    if (!ps->list)
        return no_memory(t);
    if (ps->n == MAX_PROPERTIES)
        return fail(t, "too many properties");
    am_property *p = &ps->list[ps->n++];
    p->ptype = ptype;
    return expect(t, '.') && keyword(t, &p->property) && expect(t, '=') && pvalue(t, &p->value);
}

/* "reason" [CFWS] "=" [CFWS] value, and CFWS where more follows; "reason" is read */
static bool reason(am_authres_text *t, am_str *out)
{
    if (!expect(t, '=') || !value(t, out))
        return false;
    size_t before = t->rest.n;
    if (!blank(t))
        return false;
    return t->rest.n < before || !t->rest.n || at(t, ';') || fail(t, "no blank behind the reason");
}

/* What is no propspec, for want of a ptype: "=" and a value; the keyword is read. */
static bool skip_pair(am_authres_text *t)
{
    am_str ignored;
    return expect(t, '=') && pvalue(t, &ignored);
}

/* [ CFWS reasonspec ] [ CFWS 1*propspec ], up to ";" or the end */
static bool details(am_authres_text *t, am_resinfo *r)
{
    properties ps = {NULL, 0};
    am_str word;
    if (!am_scan_cfws(&t->rest, &r->comment))
        return blank(t);
    while (t->rest.n && !at(t, ';')) {
        if (!keyword(t, &word) || !blank(t))
            return false;
        if (at(t, '=') && am_str_is(word, "reason") && !r->reason.p && ps.n == 0) {
            if (!reason(t, &r->reason))
                return false;
        } else if (t->lax && at(t, '=')) {
            if (!skip_pair(t))
                return false;
        } else if (!property(t, word, &ps)) {
            return false;
        }
    }
    r->property = ps.list;
    r->properties = ps.n;
    if (r->comment.p) {
        r->comment = tidy(t->arena, r->comment);
        return r->comment.p || no_memory(t);
    }
    return true;
}

/* [CFWS] "=" [CFWS] result and what follows; method and "/" are read */
static bool resinfo(am_authres_text *t, am_str method, unsigned *version, am_resinfo *r)
{
    *r = (am_resinfo){.method = method};
    *version = 1;
    if (at(t, '/') && (!expect(t, '/') || !version_number(t, version)))
        return false;
    return expect(t, '=') && keyword(t, &r->result) && details(t, r);
}

/* no-result / 1*resinfo */
static bool results(am_authres_text *t, am_authres *out)
{
    am_resinfo *list = am_arena_array(t->arena, MAX_RESULTS, sizeof *list);
    if (!list)
        return no_memory(t);
    out->result = list;
    for (bool first = true; first || t->rest.n; first = false) {
        am_str method;
        unsigned version;
        if (!expect(t, ';'))
            return false;
        if (t->lax && !first && t->rest.n == 0)
            return true;
        if (!keyword(t, &method) || !blank(t))
            return false;
        if (first && am_str_is(method, "none") && t->rest.n == 0)
            return true;
        if (out->results == MAX_RESULTS)
            return fail(t, "too many results");
        if (!resinfo(t, method, &version, &list[out->results]))
            return false;
        out->results += version == 1; /* RFC 8601 2.6: other versions may mean something else */
    }
    return true;
}

static bool parse(am_authres_text *t, am_authres *out)
{
    *out = (am_authres){0};
    if (!am_scan_clean(t->all, true)) {
        am_error_set(t->why, "a control octet, a bare line end or invalid UTF-8");
        return false;
    }
    if (!am_authres_take_id(t, &out->id, &out->version))
        return false;
    return out->version != 1 || results(t, out); /* RFC 8601 2.6: stop at other versions */
}

bool am_authres_parse(am_arena *a, am_str value_text, am_authres *out, am_error *why)
{
    am_authres_text t = {.arena = a, .all = value_text, .rest = value_text, .why = why};
    return parse(&t, out);
}

bool am_authres_parse_lax(am_arena *a, am_str value_text, am_authres *out, am_error *why)
{
    am_authres_text t = {
        .arena = a, .all = value_text, .rest = value_text, .why = why, .lax = true};
    return parse(&t, out);
}
