/*
 * claim: whose Authentication-Results field is it?
 *
 * For: taking out forged fields before our own goes on top (RFC 8601 5). Who reads our
 * field later is not known: a strict parser, a regular expression, a library that decodes encoded
 * words in every field. So the start of the field is read in all the ways that readers differ in,
 * and one that yields our id is enough. Waits: never. Memory: the caller's
 * arena, a few hundred octets, more where U-labels are compared. Callers: policy.
 */
#include "libauth/authres/grammar.h"
#include "libauth/base/base64.h"
#include "libauth/base/domain.h"
#include "libauth/base/lex.h"
#include "libauth/mail/scan.h"

#include <string.h>

enum {
    HEAD = 16384, /* octets of the value in which an id has to stand */
    FLAT = 4 * AM_DOMAIN_MAX,
    CUTS = 32,
    U_LABELS =
        32, /* candidates with U-labels that are looked at: each takes some 25 microseconds */
};

/* How readers differ over comments. */
enum { NEST = 1, PAIRS = 2, QUOTES = 4, ALL_HABITS = 8 };

/* A field's start without all that some readers skip: blanks, line ends, controls, quotes,
 * backslashes, comments. Where something was skipped, or an octet stands that is in no token, an id
 * may have ended: a cut. */
typedef struct flat {
    char text[FLAT];
    size_t n;
    size_t cut[CUTS], cuts;
    bool full; /* there is more than fits */
} flat;

static void cut(flat *f)
{
    if (f->n == 0 || (f->cuts && f->cut[f->cuts - 1] == f->n))
        return;
    if (f->cuts == CUTS)
        f->full = true;
    else
        f->cut[f->cuts++] = f->n;
}

/* Behind the comment that starts at `i`, as a reader of these habits sees it. */
static size_t behind_comment(am_str s, size_t i, unsigned habits)
{
    size_t depth = 1;
    for (i++; i < s.n && depth; i++) {
        char c = s.p[i];
        if (c == '\\' && (habits & PAIRS))
            i++;
        else if (c == '(' && (habits & NEST))
            depth++;
        else if (c == ')')
            depth--;
        else if (c == '"' && (habits & QUOTES))
            i += 1 + am_str_find(am_str_cut(s, i + 1, s.n), '"');
    }
    return i < s.n ? i : s.n;
}

/* Characters beyond ASCII that are blank or cannot be seen: some readers trim them. */
static const struct {
    uint32_t from, to;
} blank_table[] = {
    {0x0080, 0x00A0},
    {0x00AD, 0x00AD},
    {0x1680, 0x1680},
    {0x180E, 0x180E},
    {0x2000, 0x200F},
    {0x2028, 0x202F},
    {0x205F, 0x2064},
    {0x3000, 0x3000},
    {0xFEFF, 0xFEFF},
};

static uint32_t code_point(am_str s, size_t len)
{
    uint32_t c = (unsigned char)s.p[0] & (0xFFU >> (len + 1));
    for (size_t i = 1; i < len; i++)
        c = c << 6 | ((unsigned char)s.p[i] & 0x3F);
    return c;
}

/* Octets of what some readers skip at the start of `s`, comments apart; 0: nothing */
static size_t skipped(am_str s)
{
    if (!am_is(*s.p, AM_HIGH))
        return am_is(*s.p, AM_FWS | AM_CTL) || am_str_find(AM_STR("\"'\\"), *s.p) < 3;
    size_t len = am_utf8_len(s);
    uint32_t c = len ? code_point(s, len) : 0;
    for (size_t i = 0; i < sizeof blank_table / sizeof *blank_table; i++)
        if (c >= blank_table[i].from && c <= blank_table[i].to)
            return len;
    return 0;
}

/* Up to the first ";" outside comments. */
static void flatten(flat *f, am_str s, unsigned habits)
{
    f->n = f->cuts = 0;
    f->full = false;
    for (size_t i = 0; i < s.n && s.p[i] != ';' && !f->full;) {
        size_t skip =
            s.p[i] == '(' ? behind_comment(s, i, habits) - i : skipped(am_str_cut(s, i, s.n));
        if (skip || !am_is(s.p[i], AM_TOKEN | AM_HIGH))
            cut(f);
        if (!skip && f->n == FLAT)
            f->full = true;
        else if (!skip)
            f->text[f->n++] = am_lower(s.p[i]);
        i += skip ? skip : 1;
    }
    cut(f);
}

/* Our id: flat text in lower case, and as A-labels where it is a domain. */
typedef struct ours {
    am_str flat, domain;
    unsigned left; /* of U_LABELS */
    bool doubt;    /* there was too much to tell */
} ours;

static am_str without_final_dots(am_str s)
{
    while (s.n && s.p[s.n - 1] == '.')
        s.n--;
    return s;
}

/* "xn--" and a final "-" hold an ASCII label (RFC 3492): who turns A-labels into U-labels
 * without checking them back sees that label. `room` holds FLAT octets. */
static am_str without_hollow_labels(am_str s, char *room)
{
    size_t n = 0;
    for (size_t at = 0; at < s.n;) {
        am_str label = am_str_cut(s, at, s.n);
        label.n = am_str_find(label, '.');
        at += label.n + 1;
        if (am_str_istarts(label, "xn--") && label.n > 5 && label.p[label.n - 1] == '-')
            label = am_str_cut(label, 4, label.n - 1);
        memcpy(room + n, label.p, label.n);
        n += label.n;
        if (at <= s.n)
            room[n++] = '.';
    }
    return am_str_n(room, n);
}

static bool same(am_arena *a, am_str candidate, ours *o)
{
    char room[FLAT];
    am_str domain;
    candidate = without_final_dots(without_hollow_labels(candidate, room));
    if (candidate.n == 0)
        return false;
    if (am_str_ieq(candidate, o->flat) || am_str_ieq(candidate, o->domain))
        return true;
    /* A-labels are no fewer; one that is empty can stand at the end, for the root. */
    if (am_str_is_ascii(candidate) || am_domain_labels(candidate) > am_domain_labels(o->domain) + 1)
        return false;
    o->doubt = o->doubt || o->left == 0;
    if (o->left == 0)
        return false;
    o->left--;
    /* RFC 8601 5: A-labels and U-labels are the same */
    return am_domain_normalise(a, candidate, &domain) && am_str_eq(domain, o->domain);
}

/* Does a reader of some habits see our id at the start? */
static bool seen(am_arena *a, am_str head, ours *o)
{
    flat f;
    unsigned habits = am_str_find(head, '(') < head.n ? ALL_HABITS : 1;
    while (habits-- > 0) {
        flatten(&f, head, habits);
        for (size_t i = 0; i < f.cuts; i++)
            if (same(a, am_str_n(f.text, f.cut[i]), o))
                return true;
        o->doubt = o->doubt || f.full;
    }
    return false;
}

static int hex(char c)
{
    if (am_is(c, AM_DIGIT))
        return c - '0';
    return am_is(c, AM_HEXDIG) ? am_lower(c) - 'a' + 10 : -1;
}

static void decode_q(am_buf *out, am_str text)
{
    for (size_t i = 0; i < text.n; i++) {
        int high = i + 2 < text.n && text.p[i] == '=' ? hex(text.p[i + 1]) : -1;
        int low = high >= 0 ? hex(text.p[i + 2]) : -1;
        if (low >= 0) {
            am_buf_char(out, (char)(16 * high + low));
            i += 2;
        } else if (text.p[i] == '_') {
            am_buf_char(out, ' ');
        } else {
            am_buf_char(out, text.p[i]);
        }
    }
}

static void decode_b(am_buf *out, am_str text)
{
    am_buf padded = {.arena = out->arena};
    am_str plain = {NULL, 0};
    while (text.n && text.p[text.n - 1] == '=')
        text.n--;
    am_buf_str(&padded, text);
    while (padded.n % 4 && !padded.failed)
        am_buf_char(&padded, '=');
    if (am_base64_decode(out->arena, am_buf_get(&padded), &plain))
        am_buf_str(out, plain);
}

/* encoded-word = "=?" charset "?" encoding "?" encoded-text "?=" (RFC 2047 2) at the start of `s`:
 * decodes it, as if every charset held ASCII. Octets it takes; 0: none stands there. */
static size_t decode_word(am_buf *out, am_str s)
{
    am_str part[3];
    size_t at = 2;
    if (!am_str_istarts(s, "=?"))
        return 0;
    for (int i = 0; i < 3; i++) {
        part[i] = am_str_cut(s, at, s.n);
        part[i].n = am_str_find(part[i], '?');
        at += part[i].n + 1;
    }
    if (at >= s.n || s.p[at] != '=')
        return 0;
    if (am_str_iis(part[1], "q"))
        decode_q(out, part[2]);
    else if (am_str_iis(part[1], "b"))
        decode_b(out, part[2]);
    else
        return 0;
    return at + 1;
}

/* `head` as a library shows it that decodes encoded words everywhere; absent: no memory */
static am_str decoded(am_arena *a, am_str head)
{
    am_buf b = {.arena = a};
    for (size_t i = 0; i < head.n;) {
        size_t len = decode_word(&b, am_str_cut(head, i, head.n));
        if (len == 0)
            am_buf_char(&b, head.p[i++]);
        i += len;
    }
    return b.failed ? (am_str){NULL, 0} : am_buf_get(&b);
}

/* Neither NUL nor another control, nor a line end that is no fold: some readers end a field there.
 */
static bool one_field(am_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        am_str behind = am_str_cut(s, i + 1, i + 2);
        if (s.p[i] == '\r' && !am_str_is(behind, "\n"))
            return false;
        if (s.p[i] == '\n' && !(behind.n && am_is(*behind.p, AM_WSP)))
            return false;
        if (am_is(s.p[i], AM_CTL) && !am_is(s.p[i], AM_FWS))
            return false;
    }
    return true;
}

static bool holds_encoded_word(am_str s)
{
    for (size_t i = 0; i + 1 < s.n; i++)
        if (s.p[i] == '=' && s.p[i + 1] == '?')
            return true;
    return false;
}

static bool our_id(am_arena *a, am_str id, ours *o)
{
    flat f;
    flatten(&f, id, NEST | PAIRS);
    *o = (ours){.left = U_LABELS};
    o->flat = am_str_copy(a, without_final_dots(am_str_n(f.text, f.n)));
    if (!am_domain_normalise(a, id, &o->domain))
        o->domain = o->flat;
    return o->flat.p != NULL;
}

am_claim am_authres_claim(am_arena *a, am_str value, am_str id)
{
    ours o;
    am_str head = am_str_cut(value, 0, HEAD), theirs;
    bool encoded = holds_encoded_word(head);
    unsigned version;
    if (!our_id(a, id, &o))
        return AM_CLAIM_UNKNOWN;
    if (seen(a, head, &o))
        return AM_CLAIM_OURS;
    if (encoded && seen(a, decoded(a, head), &o))
        return AM_CLAIM_OURS;
    am_authres_text t = {.arena = a, .all = head, .rest = head};
    if (!am_authres_take_id(&t, &theirs, &version))
        return AM_CLAIM_UNKNOWN;
    if (id.n && am_str_ieq(theirs, id)) /* ids with parentheses: no comments in quotes */
        return AM_CLAIM_OURS;
    am_str before = am_str_cut(head, 0, head.n - t.rest.n);
    bool complete = t.rest.n ? *t.rest.p == ';' : head.n == value.n;
    if (version != 1 || !complete || o.doubt || !one_field(value) || !am_scan_clean(before, true) ||
        holds_encoded_word(before))
        return AM_CLAIM_UNKNOWN;
    return am_arena_failed(a) ? AM_CLAIM_UNKNOWN : AM_CLAIM_OTHER;
}
