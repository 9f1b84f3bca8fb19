/*
 * record: the text of a DMARC Policy Record to plain data.
 *
 * RFC 9989 4.7 (tags), 4.8 (grammar), 4.10.1 (unusable policies); RFC 3986 for
 * the form of URIs. Waits: never. Memory: none of its own, ranges point into
 * the caller's text. Callers: libauth/dmarc, and report/ for the URIs.
 *
 * Tag names and keywords are strings of the ABNF and so without case (RFC 5234
 * 2.3); only DMARC1 has one. Of a tag that stands twice the first counts, a
 * wrong one too.
 */
#include "libauth/dmarc/record.h"
#include "libauth/base/lex.h"

#include <string.h>

const char *am_dmarc_policy_word(am_dmarc_policy p)
{
    static const char *const word[] = {"none", "quarantine", "reject"};
    return word[p];
}

static am_str trim_wsp(am_str s)
{
    while (s.n && am_is(s.p[0], AM_WSP))
        s.p++, s.n--;
    while (s.n && am_is(s.p[s.n - 1], AM_WSP))
        s.n--;
    return s;
}

/* dmarc-tag = 1*ALPHA equals 1*dmarc-value. False: no tag. A value with an octet
 * that dmarc-value has not is given as absent. */
static bool split(am_str spec, am_str *name, am_str *value)
{
    size_t eq = am_str_find(spec, '=');
    if (eq == spec.n)
        return false;
    *name = trim_wsp(am_str_cut(spec, 0, eq));
    *value = trim_wsp(am_str_cut(spec, eq + 1, spec.n));
    for (size_t i = 0; i < name->n; i++)
        if (!am_is(name->p[i], AM_ALPHA))
            return false;
    for (size_t i = 0; i < value->n; i++)
        if (!am_is(value->p[i], AM_VCHAR) && value->p[i] != ' ') {
            *value = (am_str){NULL, 0};
            break;
        }
    return name->n > 0;
}

bool am_dmarc_record_is(am_str txt)
{
    /* RFC 9989 4.8: dmarc-version is the very start, white space is allowed behind it only. */
    am_str name, value;
    am_str first = am_str_cut(txt, 0, am_str_find(txt, ';'));
    return first.n && am_is(first.p[0], AM_ALPHA) && split(first, &name, &value) &&
           am_str_iis(name, "v") && am_str_is(value, "DMARC1");
}

static bool request(am_dmarc_record *r, am_str v, am_dmarc_policy *out)
{
    for (am_dmarc_policy p = AM_DMARC_NONE; p <= AM_DMARC_REJECT; p++)
        if (am_str_iis(v, am_dmarc_policy_word(p))) {
            *out = p;
            return true;
        }
    r->bad_policy = true;
    return false;
}

static void set_p(am_dmarc_record *r, am_str v)
{
    r->has_p = request(r, v, &r->p);
}

static void set_sp(am_dmarc_record *r, am_str v)
{
    r->has_sp = request(r, v, &r->sp);
}

static void set_np(am_dmarc_record *r, am_str v)
{
    r->has_np = request(r, v, &r->np);
}

static void set_adkim(am_dmarc_record *r, am_str v)
{
    r->strict_dkim = am_str_iis(v, "s");
}

static void set_aspf(am_dmarc_record *r, am_str v)
{
    r->strict_spf = am_str_iis(v, "s");
}

static void set_t(am_dmarc_record *r, am_str v)
{
    r->testing = am_str_iis(v, "y");
}

static void set_psd(am_dmarc_record *r, am_str v)
{
    r->psd = am_str_iis(v, "y") ? 'y' : am_str_iis(v, "n") ? 'n' : 'u';
}

/* dmarc-fo: 0 or 1, d, s, joined by ":", in any order, each at most once. */
static void set_fo(am_dmarc_record *r, am_str v)
{
    static const char option[] = "01ds";
    unsigned seen[4] = {0};
    if (v.n % 2 == 0)
        return;
    for (size_t i = 0; i < v.n; i++) {
        const char *at = memchr(option, am_lower(v.p[i]), 4);
        if (i % 2 ? v.p[i] != ':' : !at || seen[at - option]++)
            return;
    }
    if (!seen[0] || !seen[1])
        r->fo = v;
}

static am_str uri_list(am_str v)
{
    am_str rest = v, uri;
    return am_dmarc_uri_next(&rest, &uri) ? v : (am_str){NULL, 0};
}

static void set_rua(am_dmarc_record *r, am_str v)
{
    r->rua = uri_list(v);
}

static void set_ruf(am_dmarc_record *r, am_str v)
{
    r->ruf = uri_list(v);
}

/* RFC 9989 4.7, table 2. Others are unknown and ignored: pct, rf and ri too. */
static const struct {
    const char *name;
    void (*set)(am_dmarc_record *r, am_str value);
} tags[] = {
    {"p", set_p},
    {"sp", set_sp},
    {"np", set_np},
    {"adkim", set_adkim},
    {"aspf", set_aspf},
    {"t", set_t},
    {"psd", set_psd},
    {"fo", set_fo},
    {"rua", set_rua},
    {"ruf", set_ruf},
};
enum { TAGS = sizeof tags / sizeof *tags };

void am_dmarc_record_parse(am_str txt, am_dmarc_record *out)
{
    bool seen[TAGS] = {false};
    am_dmarc_record r = {.psd = 'u', .fo = AM_STR("0")};
    for (size_t at = 0, end; at < txt.n; at = end + 1) {
        am_str name, value;
        end = at + am_str_find(am_str_cut(txt, at, txt.n), ';');
        if (!split(am_str_cut(txt, at, end), &name, &value))
            continue; /* 4.8: syntax errors behind v are discarded */
        for (size_t i = 0; i < TAGS; i++)
            if (!seen[i] && am_str_iis(name, tags[i].name)) {
                seen[i] = true;
                tags[i].set(&r, value);
            }
    }
    if (!r.has_sp)
        r.sp = r.p;
    if (!r.has_np)
        r.np = r.sp;
    *out = r;
}

bool am_dmarc_record_usable(am_dmarc_record *r, const char **reason)
{
    if (r->has_p && !r->bad_policy)
        return true;
    /* RFC 9989 4.10.1: without a valid rua, no DMARC processing. That goes for an absent p too,
     * where 4.7 would have p=none: a bare psd=y must not make everything below it fail. */
    if (!r->rua.n) {
        *reason = r->bad_policy ? "unusable policy value" : "record without a policy";
        return false;
    }
    /* "as if a record containing p=none was retrieved": the same whether p is wrong or absent. */
    r->p = r->sp = r->np = AM_DMARC_NONE;
    r->has_p = r->has_sp = r->has_np = false;
    return true;
}

/* ---- URIs ---- */

/* dmarc-uri "!" 1*DIGIT [ k m g t ]: the size means nothing any more (4.8). */
static am_str without_size(am_str u)
{
    size_t bang = am_str_find(u, '!'), end = u.n;
    if (end && memchr("kmgt", am_lower(u.p[end - 1]), 4))
        end--;
    if (bang == u.n || bang + 1 >= end)
        return u;
    for (size_t i = bang + 1; i < end; i++)
        if (!am_is(u.p[i], AM_DIGIT))
            return u;
    return am_str_cut(u, 0, bang);
}

/* RFC 3986 3.1: scheme = ALPHA *( ALPHA / DIGIT / "+" / "-" / "." ) */
static bool scheme_ok(am_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!am_is(s.p[i], i ? AM_ALNUM : AM_ALPHA) && !(i && memchr("+-.", s.p[i], 3)))
            return false;
    return s.n > 0;
}

/* The octets behind the scheme: unreserved, reserved but for "," and "!", and
 * %XX. One "#" at most; brackets only where an authority can hold them. */
static bool hier_part_ok(am_str s)
{
    static const char punct[] = "-._~:/?@$&'()*+=";
    bool authority = am_str_istarts(s, "//"), fragment = false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (am_is(c, AM_ALNUM) || memchr(punct, c, sizeof punct - 1))
            continue;
        if (c == '%' && i + 2 < s.n && am_is(s.p[i + 1], AM_HEXDIG) && am_is(s.p[i + 2], AM_HEXDIG))
            i += 2;
        else if (c == '#' && !fragment)
            fragment = true;
        else if (!authority || (c != '[' && c != ']'))
            return false;
    }
    return true;
}

/* RFC 6068 2, as far as a report needs it: somebody@somewhere. */
static bool mailto_ok(am_str s)
{
    am_str to = am_str_cut(s, 0, am_str_find(s, '?'));
    size_t at = am_str_rfind(to, '@');
    return at > 0 && at + 1 < to.n;
}

static bool uri_ok(am_str u)
{
    size_t colon = am_str_find(u, ':');
    am_str scheme = am_str_cut(u, 0, colon), rest = am_str_cut(u, colon + 1, u.n);
    return colon < u.n && scheme_ok(scheme) && hier_part_ok(rest) &&
           (!am_str_iis(scheme, "mailto") || mailto_ok(rest));
}

bool am_dmarc_uri_next(am_str *rest, am_str *uri)
{
    while (rest->n) {
        size_t comma = am_str_find(*rest, ',');
        *uri = without_size(trim_wsp(am_str_cut(*rest, 0, comma)));
        *rest = am_str_cut(*rest, comma + 1, rest->n);
        if (uri_ok(*uri))
            return true;
    }
    return false;
}
