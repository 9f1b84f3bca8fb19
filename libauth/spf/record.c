/*
 * record: an SPF record from text to data.
 *
 * For: check, which evaluates it (RFC 7208 4.5, 4.6.1, 5.1-5.7, 6, 12; RFC 4406 3.1). The whole
 * syntax is checked first (4.6). Waits: never. Memory: one block of the caller's,
 * so that a record can be kept with the DNS answer that it came in. Callers: spf.
 */
#include "libauth/spf/record.h"
#include "libauth/base/lex.h"

#include <string.h>

static const am_str version = {"v=spf1", 6};

typedef struct parser {
    am_spf_record *r;
    am_spf_term *term;   /* the next one's room */
    am_spf_piece *piece; /* likewise */
} parser;

/* What is wrong with a term, a constant; NULL: nothing. */
typedef const char *problem;

bool am_spf_record_is(am_str text)
{
    return am_str_ieq(am_str_cut(text, 0, version.n), version) &&
           (text.n == version.n || text.p[version.n] == ' ');
}

/* RFC 7208 4.6.1: name = ALPHA *( ALPHA / DIGIT / "-" / "_" / "." ) */
static size_t name_length(am_str s)
{
    size_t i = 0;
    if (s.n == 0 || !am_is(s.p[0], AM_ALPHA))
        return 0;
    while (i < s.n && (am_is(s.p[i], AM_LDH) || s.p[i] == '_' || s.p[i] == '.'))
        i++;
    return i;
}

bool am_spf_record_is_scope(am_str text, const char *scope)
{
    size_t i = 5;
    bool found = false;
    text = am_str_cut(text, 0, am_str_find(text, ' '));
    if (!am_str_istarts(text, "spf2."))
        return false;
    while (i < text.n && am_is(text.p[i], AM_DIGIT))
        i++;
    if (i == 5 || i == text.n || text.p[i] != '/')
        return false;
    while (i < text.n) { /* at "/" or "," */
        am_str rest = am_str_cut(text, i + 1, text.n);
        am_str id = am_str_cut(rest, 0, name_length(rest));
        found = found || am_str_iis(id, scope);
        i += 1 + id.n;
        if (id.n == 0 || (i < text.n && text.p[i] != ','))
            return false;
    }
    return found;
}

/* Takes the next term; false: no more. RFC 7208 4.6.1: SP alone separates. */
static bool next_term(am_str *rest, am_str *term)
{
    size_t i = 0;
    while (i < rest->n && rest->p[i] == ' ')
        i++;
    am_str s = am_str_cut(*rest, i, rest->n);
    size_t end = am_str_find(s, ' ');
    *term = am_str_cut(s, 0, end);
    *rest = am_str_cut(s, end, s.n);
    return term->n > 0;
}

/* RFC 7208 7.1: toplabel. */
static problem check_toplabel(am_str s)
{
    bool digits = true;
    if (s.n == 0 || s.p[0] == '-' || s.p[s.n - 1] == '-')
        return "bad domain";
    for (size_t i = 0; i < s.n; i++) {
        if (!am_is(s.p[i], AM_LDH))
            return "bad domain";
        digits = digits && am_is(s.p[i], AM_DIGIT);
    }
    return digits ? "top label is all digits (for an address: ip4)" : NULL;
}

/* RFC 7208 7.1: domain-spec = macro-string domain-end. */
static problem parse_domain(parser *p, am_str s, am_spf_string *out)
{
    if (s.n == 0)
        return "empty domain";
    if (!am_spf_string_parse(s, false, p->piece, out))
        return "syntax error in a macro or domain";
    p->piece += out->n;
    const am_spf_piece *last = &out->piece[out->n - 1];
    if (last->letter)
        return NULL;
    am_str end = last->text;
    if (end.p[end.n - 1] == '.')
        end.n--;
    size_t dot = am_str_rfind(end, '.');
    return dot < end.n ? check_toplabel(am_str_cut(end, dot + 1, end.n)) : "domain of one label";
}

/* Takes `slash` and a prefix length off the end of *s, if they stand there. RFC 7208 5.6: no
 * leading zeros, 0 to max. */
static problem take_bits(am_str *s, am_str slash, uint64_t max, uint8_t *bits)
{
    size_t i = s->n;
    while (i > 0 && am_is(s->p[i - 1], AM_DIGIT))
        i--;
    am_str digits = am_str_cut(*s, i, s->n);
    if (digits.n == 0 || i < slash.n || !am_str_eq(am_str_cut(*s, i - slash.n, i), slash))
        return NULL;
    uint64_t v;
    if (!am_str_number(digits, 3, &v) || v > max || (digits.n > 1 && digits.p[0] == '0'))
        return "bad prefix length";
    *bits = (uint8_t)v;
    s->n = i - slash.n;
    return NULL;
}

static problem parse_nothing(parser *p, am_str arg, am_spf_term *t)
{
    (void)p, (void)t;
    return arg.n ? "takes no argument" : NULL;
}

static problem parse_needed(parser *p, am_str arg, am_spf_term *t)
{
    if (arg.n == 0 || arg.p[0] != ':')
        return "needs a domain";
    return parse_domain(p, am_str_cut(arg, 1, arg.n), &t->domain);
}

static problem parse_optional(parser *p, am_str arg, am_spf_term *t)
{
    return arg.n ? parse_needed(p, arg, t) : NULL;
}

/* RFC 7208 5.6: dual-cidr-length, taken off the end: a domain-spec may hold slashes, but no
 * domain-end does. */
static problem parse_dual(parser *p, am_str arg, am_spf_term *t)
{
    problem bad = take_bits(&arg, AM_STR("//"), 128, &t->bits6);
    if (!bad)
        bad = take_bits(&arg, AM_STR("/"), 32, &t->bits4);
    return bad ? bad : parse_optional(p, arg, t);
}

static problem parse_ip4(parser *p, am_str arg, am_spf_term *t)
{
    (void)p;
    am_str s = am_str_cut(arg, 1, arg.n);
    if (arg.n == 0 || arg.p[0] != ':' || am_str_find(s, ':') < s.n || !am_net_parse(s, &t->net))
        return "bad IPv4 network";
    return NULL;
}

static problem parse_ip6(parser *p, am_str arg, am_spf_term *t)
{
    (void)p;
    t->net.bits = 128;
    am_str s = am_str_cut(arg, 1, arg.n);
    problem bad = take_bits(&s, AM_STR("/"), 128, &t->net.bits);
    if (bad)
        return bad;
    if (arg.n == 0 || arg.p[0] != ':' || am_str_find(s, ':') == s.n || !am_ip_parse(s, &t->net.ip))
        return "bad IPv6 network";
    if (t->net.ip.family == 4) { /* it was mapped; RFC 7208 5: such clients are IPv4 clients */
        unsigned char o[16] = {[10] = 0xff, [11] = 0xff};
        memcpy(o + 12, t->net.ip.octet, 4);
        memcpy(t->net.ip.octet, o, sizeof o);
        t->net.ip.family = 6;
    }
    return NULL;
}

static const struct {
    const char *name;
    am_spf_kind kind;
    problem (*parse)(parser *p, am_str arg, am_spf_term *t);
} mechanisms[] = {
    {"all", AM_SPF_ALL, parse_nothing},
    {"include", AM_SPF_INCLUDE, parse_needed},
    {"a", AM_SPF_A, parse_dual},
    {"mx", AM_SPF_MX, parse_dual},
    {"ptr", AM_SPF_PTR, parse_optional},
    {"ip4", AM_SPF_IP4, parse_ip4},
    {"ip6", AM_SPF_IP6, parse_ip6},
    {"exists", AM_SPF_EXISTS, parse_needed},
};

/* RFC 7208 6: redirect and exp once each at the most; others are checked and forgotten. */
static problem parse_modifier(parser *p, am_str name, am_str value)
{
    am_spf_string *known = am_str_iis(name, "redirect") ? &p->r->redirect
                           : am_str_iis(name, "exp")    ? &p->r->exp
                                                        : NULL;
    am_spf_string ignored;
    if (!known)
        return am_spf_string_parse(value, false, p->piece, &ignored) ? NULL : "syntax error";
    return known->n ? "a second time" : parse_domain(p, value, known);
}

static bool parse_qualifier(char c, am_result *out)
{
    *out = c == '-' ? AM_FAIL : c == '~' ? AM_SOFTFAIL : c == '?' ? AM_NEUTRAL : AM_PASS;
    return c == '+' || *out != AM_PASS;
}

static problem parse_term(parser *p, am_str s)
{
    size_t n = name_length(s);
    if (n && n < s.n && s.p[n] == '=')
        return parse_modifier(p, am_str_cut(s, 0, n), am_str_cut(s, n + 1, s.n));
    am_spf_term *t = p->term;
    *t = (am_spf_term){.bits4 = 32, .bits6 = 128};
    t->text = parse_qualifier(s.p[0], &t->result) ? am_str_cut(s, 1, s.n) : s;
    n = name_length(t->text);
    am_str name = am_str_cut(t->text, 0, n);
    for (size_t i = 0; i < sizeof mechanisms / sizeof *mechanisms; i++) {
        if (!am_str_iis(name, mechanisms[i].name))
            continue;
        t->kind = mechanisms[i].kind;
        p->term++;
        p->r->terms++;
        return mechanisms[i].parse(p, am_str_cut(t->text, n, t->text.n), t);
    }
    return "unknown mechanism";
}

/* What follows the version. */
static am_str terms_of(am_str text)
{
    return am_str_cut(text, am_str_find(text, ' '), text.n);
}

/* Terms and pieces that the text can hold at the most. */
static size_t count_terms(am_str text, size_t *pieces)
{
    size_t n = 0;
    am_str rest = terms_of(text), term;
    *pieces = 0;
    for (; next_term(&rest, &term); n++) {
        size_t i = 0; /* what can be a macro string follows ":" or "=" */
        while (i < term.n && term.p[i] != ':' && term.p[i] != '=')
            i++;
        *pieces += am_spf_string_room(am_str_cut(term, i + 1, term.n));
    }
    return n;
}

size_t am_spf_record_size(am_str text)
{
    size_t pieces, terms = count_terms(text, &pieces);
    return sizeof(am_spf_record) + terms * sizeof(am_spf_term) + pieces * sizeof(am_spf_piece) +
           text.n;
}

const am_spf_record *am_spf_record_parse(am_str text, void *block, am_error *why)
{
    size_t pieces, terms = count_terms(text, &pieces);
    parser p = {.r = block};
    *p.r = (am_spf_record){0};
    p.term = (am_spf_term *)(void *)(p.r + 1);
    p.r->term = p.term;
    p.piece = (am_spf_piece *)(void *)(p.term + terms);
    char *copy = (char *)(p.piece + pieces);
    memcpy(copy, text.p, text.n);
    am_str rest = terms_of(am_str_n(copy, text.n)), term;
    while (next_term(&rest, &term)) {
        problem bad = parse_term(&p, term);
        if (!bad)
            continue;
        am_error_set(why, "\"%.*s\": %s", AM_ARG(am_str_cut(term, 0, 150)), bad);
        return NULL;
    }
    return p.r;
}
