/*
 * taglist: RFC 6376 3.2 (erratum 5070), for signatures, key records and ARC.
 *
 * For: the shape alone; what a tag means is its owner's matter. Waits: never.
 * Memory: the array in the caller's arena, ranges into the caller's text.
 * Callers: anyone.
 */
#include "libauth/base/taglist.h"
#include "libauth/base/lex.h"

enum { MAX_TAGS = 100 };

/* tag-name = ALPHA *ALNUMPUNC */
static bool name_ok(am_str s)
{
    if (s.n == 0 || !am_is(s.p[0], AM_ALPHA))
        return false;
    for (size_t i = 1; i < s.n; i++)
        if (!am_is(s.p[i], AM_ALNUM) && s.p[i] != '_')
            return false;
    return true;
}

/* tag-value = [ tval *( 1*(WSP / FWS) tval ) ], tval = 1*VALCHAR; RFC 8616 adds
 * UTF-8 to VALCHAR. FWS is [*WSP CRLF] 1*WSP: a line end needs white space behind it. */
static bool value_ok(am_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (am_is(s.p[i], AM_VCHAR | AM_WSP | AM_HIGH))
            continue;
        size_t eol = s.p[i] == '\r' && i + 1 < s.n && s.p[i + 1] == '\n' ? i + 1 : i;
        if (s.p[eol] != '\n' || eol + 1 >= s.n || !am_is(s.p[eol + 1], AM_WSP))
            return false;
        i = eol;
    }
    return true;
}

static bool parse_one(am_str spec, am_tag *t, am_error *why)
{
    size_t eq = am_str_find(spec, '=');
    t->name = am_str_trim(am_str_cut(spec, 0, eq));
    t->span = am_str_cut(spec, eq + 1, spec.n);
    t->value = am_str_trim(t->span);
    if (eq == spec.n)
        am_error_set(why, "a tag without =");
    else if (!name_ok(t->name))
        am_error_set(why, "a tag name that is none");
    else if (!value_ok(t->value))
        am_error_set(why, "a forbidden octet in the value of %.*s=", AM_ARG(t->name));
    else
        return true;
    return false;
}

bool am_taglist_parse(am_arena *a, am_str text, am_taglist *out, am_error *why)
{
    size_t specs = 1;
    for (size_t i = 0; (i += am_str_find(am_str_cut(text, i, text.n), ';')) < text.n; i++)
        specs++;
    if (specs > MAX_TAGS) {
        am_error_set(why, "more than %d tags", MAX_TAGS);
        return false;
    }
    am_tag *tag = am_arena_array(a, specs, sizeof *tag);
    if (!tag) {
        am_error_set(why, "out of memory");
        return false;
    }
    size_t n = 0;
    for (size_t at = 0; at <= text.n;) {
        size_t end = at + am_str_find(am_str_cut(text, at, text.n), ';');
        am_str spec = am_str_cut(text, at, end);
        if (end == text.n && n > 0 && am_str_trim(spec).n == 0)
            break; /* tag-list = tag-spec *( ";" tag-spec ) [ ";" ] */
        if (!parse_one(spec, &tag[n], why))
            return false;
        for (size_t i = 0; i < n; i++)
            if (am_str_eq(tag[i].name, tag[n].name)) {
                am_error_set(why, "%.*s= stands twice", AM_ARG(tag[n].name));
                return false;
            }
        n++;
        at = end + 1;
    }
    *out = (am_taglist){tag, n};
    return true;
}

am_str am_taglist_peek(am_str text, const char *name)
{
    am_str spec;
    while (am_list_next(&text, ';', &spec)) {
        size_t eq = am_str_find(spec, '=');
        if (eq < spec.n && am_str_is(am_str_trim(am_str_cut(spec, 0, eq)), name))
            return am_str_trim(am_str_cut(spec, eq + 1, spec.n));
    }
    return (am_str){NULL, 0};
}

const am_tag *am_taglist_get(const am_taglist *t, const char *name)
{
    am_str wanted = am_str_of(name);
    for (size_t i = 0; i < t->n; i++)
        if (am_str_eq(t->tag[i].name, wanted))
            return &t->tag[i];
    return NULL;
}

bool am_list_next(am_str *rest, char sep, am_str *item)
{
    if (!rest->p)
        return false;
    size_t at = am_str_find(*rest, sep);
    *item = am_str_trim(am_str_cut(*rest, 0, at));
    *rest = at < rest->n ? am_str_cut(*rest, at + 1, rest->n) : (am_str){NULL, 0};
    return true;
}
