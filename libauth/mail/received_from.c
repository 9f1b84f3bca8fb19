/*
 * received_from: who the client was, by the from clause of a Received field.
 *
 * For: received (RFC 5321 4.4 Extended-Domain and TCP-info, and the forms of MTAs
 * that write others). A form is a place for each piece: what stands elsewhere is
 * never taken for an address. Waits: never. Memory: ranges into the field.
 * Callers: received.c.
 */
#include "libauth/mail/received_in.h"
#include "libauth/base/lex.h"

#include <string.h>

enum { MAX_LITERAL = 64 };

am_str am_received_word(am_str *rest)
{
    am_str s = am_str_trim(*rest);
    size_t n = 0;
    while (n < s.n && !am_is(s.p[n], AM_FWS))
        n++;
    *rest = am_str_cut(s, n, s.n);
    return am_str_cut(s, 0, n);
}

/* A zone index (RFC 4007 11) says nothing outside its host: "%14" goes. */
static am_str without_zone(am_str s)
{
    size_t at = am_str_find(s, '%');
    for (size_t i = at + 1; i < s.n; i++)
        if (!am_is(s.p[i], AM_ALNUM))
            return s;
    return at && at + 1 < s.n ? am_str_cut(s, 0, at) : s;
}

/* RFC 5321 4.1.3 address-literal; many write IPv6 without its tag. */
bool am_received_literal(am_str text, am_ip *out)
{
    if (text.n < 2 || text.n > MAX_LITERAL || text.p[0] != '[' || text.p[text.n - 1] != ']')
        return false;
    am_str inside = am_str_cut(text, 1, text.n - 1);
    if (am_str_istarts(inside, "IPv6:"))
        return am_ip_parse(am_str_cut(inside, 5, inside.n), out);
    return am_ip_parse(without_zone(inside), out);
}

/* Behind an opening bracket: is it an address up to the closing one? */
static bool encloses_address(am_str text, char closing)
{
    am_ip ip;
    am_str inside = am_str_cut(text, 0, am_str_find(am_str_cut(text, 0, MAX_LITERAL), closing));
    inside = am_str_trim(inside);
    if (am_str_istarts(inside, "IPv6:"))
        inside = am_str_trim(am_str_cut(inside, 5, inside.n));
    return am_ip_parse(without_zone(inside), &ip);
}

bool am_received_has_address(am_str text)
{
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if ((c == '[' || c == '(') &&
            encloses_address(am_str_cut(text, i + 1, text.n), c == '[' ? ']' : ')'))
            return true;
    }
    return false;
}

bool am_received_bare(am_str text, am_str *user, am_ip *out)
{
    am_str s = am_str_trim(text);
    size_t at = am_str_rfind(s, '@');
    *user = (am_str){NULL, 0};
    if (at < s.n) {
        *user = am_str_cut(s, 0, at);
        s = am_str_cut(s, at + 1, s.n);
    }
    for (size_t i = 0; i < user->n; i++) /* the client's ident server may have said it */
        if (!am_is(user->p[i], AM_VCHAR) || user->p[i] == '[')
            return false;
    return am_received_literal(s, out) || am_ip_parse(without_zone(s), out);
}

/* Somewhere in the text stand the octets of an address. */
static bool mentions_address(am_str text)
{
    am_ip ip;
    for (size_t i = 0, n; i < text.n; i += n + 1) {
        for (n = 0; i + n < text.n; n++)
            if (!am_is(text.p[i + n], AM_HEXDIG) && text.p[i + n] != '.' && text.p[i + n] != ':')
                break;
        if (am_ip_parse(am_str_cut(text, i, i + n), &ip))
            return true;
    }
    return false;
}

bool am_received_plain(am_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!am_is(s.p[i], AM_VCHAR | AM_HIGH) || memchr("\"(),;<>\\", s.p[i], 8))
            return false;
    return s.n > 0;
}

static const char *const no_names[] = {
    "unknown", "<unknown>", "unverified", "nxdomain", "dnserror", "unknownhost", "softdnserr"};
static const char *const greetings[] = {"HELO", "EHLO", "LHLO"};

static bool one_of(am_str s, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (am_str_iis(s, list[i]))
            return true;
    return false;
}

#define ONE_OF(s, list) one_of(s, list, sizeof(list) / sizeof *(list))

/* What the MTA put down as the name of the address; words for "none" are none. */
static bool host_name(am_str s, am_str *out)
{
    *out = (am_str){NULL, 0};
    if (ONE_OF(s, no_names))
        return true;
    if (s.n && s.p[s.n - 1] == '.')
        s.n--;
    if (s.n == 0 || ONE_OF(s, greetings))
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!am_is(s.p[i], AM_LDH | AM_HIGH) && s.p[i] != '.' && s.p[i] != '_')
            return false;
    *out = s;
    return true;
}

bool am_received_tcp_info(am_str text, am_received *out)
{
    am_str rest = text, word = am_received_word(&rest), name = {NULL, 0};
    size_t at = am_str_rfind(word, '@'); /* RFC 1413: what the client's ident server said */
    if (at < word.n) {
        if (am_str_find(word, '[') < at || am_str_find(word, '=') < at)
            return false;
        word = am_str_cut(word, at + 1, word.n);
    }
    if (word.n && *word.p != '[') {
        if (!host_name(word, &name))
            return false;
        word = am_received_word(&rest);
    }
    am_ip ip;
    if (!am_received_literal(word, &ip))
        return false;
    rest = am_str_trim(rest);
    bool forged = am_str_iis(rest, "(may be forged)");
    if (rest.n && !forged)
        return false;
    out->ip = ip;
    out->name = name;
    out->forged = forged;
    return true;
}

/* "helo=x ident=y port=z", each once at the most */
static bool exim_pairs(am_str text, am_str *helo)
{
    static const char *const keys[] = {"helo=", "ident=", "port="};
    bool seen[3] = {false, false, false};
    for (;;) {
        am_str word = am_received_word(&text);
        size_t k = 0;
        if (word.n == 0)
            return true;
        while (k < 3 && !am_str_istarts(word, keys[k]))
            k++;
        if (k == 3 || seen[k])
            return false;
        seen[k] = true;
        am_str value = am_str_cut(word, am_str_find(word, '=') + 1, word.n);
        if (value.n && !am_received_plain(value))
            return false;
        if (k == 0)
            *helo = value;
    }
}

/* "[192.0.2.1]" or "[192.0.2.1]:port" */
static bool exim_address(am_str word, am_ip *ip)
{
    uint64_t port;
    size_t end = am_str_find(word, ']') + 1;
    am_str behind = am_str_cut(word, end, word.n);
    if (behind.n && (*behind.p != ':' || !am_str_number(am_str_cut(behind, 1, behind.n), 5, &port)))
        return false;
    return am_received_literal(am_str_cut(word, 0, end), ip);
}

/* The text of the nth item where that is a comment; absent: it is not. */
static am_str comment(const clause *from, size_t n)
{
    bool there = n < from->n && from->item[n].kind == COMMENT;
    return there ? from->item[n].text : (am_str){NULL, 0};
}

/* NAME ([IP] helo=HELO): the name is what the DNS and the address agree upon;
 * where no helo= stands, HELO was the same. */
static size_t exim_named(const clause *from, am_received *out)
{
    am_str rest = comment(from, 1), helo = {NULL, 0}, name;
    am_ip ip;
    if (!host_name(from->item[0].text, &name) || !exim_address(am_received_word(&rest), &ip) ||
        !exim_pairs(rest, &helo))
        return 0;
    out->ip = ip;
    out->name = name;
    out->helo = helo.p ? helo : name;
    return 2;
}

/* [IP], [IP] (port=P helo=HELO), [IP]:P (helo=HELO): the address stands first */
static size_t exim_unnamed(const clause *from, am_received *out)
{
    am_str helo = {NULL, 0};
    am_ip ip;
    if (!exim_address(from->item[0].text, &ip) || !exim_pairs(comment(from, 1), &helo))
        return 0;
    out->ip = ip;
    out->helo = helo;
    return from->n > 1 ? 2 : 1;
}

/* NAME (HELO HELO) (USER@IP): qmail and kin; Cisco ESA writes ([IP]) */
static size_t greeted(const clause *from, am_received *out)
{
    am_str rest = comment(from, 1), user, name, word = am_received_word(&rest);
    am_ip ip;
    if (!ONE_OF(word, greetings) || !am_received_bare(comment(from, 2), &user, &ip))
        return 0;
    am_str helo = am_received_word(&rest);
    if (am_str_trim(rest).n || (helo.n && !am_received_plain(helo)))
        return 0;
    out->ip = ip;
    out->helo = helo;
    out->name = host_name(from->item[0].text, &name) ? name : (am_str){NULL, 0};
    if (am_ip_parse(out->name, &ip)) /* Yahoo writes the address for want of a name */
        out->name = (am_str){NULL, 0};
    out->user = user;
    return 3;
}

/* NAME (IP): Exchange, where the name is HELO; qmail, where HELO was the same as the name */
static size_t bare(const clause *from, am_received *out)
{
    am_str user, name;
    am_ip ip;
    if (!am_received_bare(comment(from, 1), &user, &ip))
        return 0;
    if (out->style == AM_STYLE_EXCHANGE && !user.p) {
        out->helo = from->item[0].text;
    } else if (out->style == AM_STYLE_QMAIL && host_name(from->item[0].text, &name)) {
        out->name = out->helo = name;
        out->user = user;
    } else {
        return 0;
    }
    out->ip = ip;
    return 2;
}

/* HELO (NAME [IP]): RFC 5321 4.4 */
static size_t tcp_info(const clause *from, am_received *out)
{
    if (!am_received_tcp_info(comment(from, 1), out))
        return 0;
    out->helo = from->item[0].text;
    return 2;
}

/* NAME [IP]: fetchmail, which puts down the server that it asks */
static size_t fetched(const clause *from, am_received *out)
{
    am_str name;
    am_ip ip;
    if (out->via != AM_VIA_FETCH || from->n < 2 || from->item[1].kind != WORD ||
        !host_name(from->item[0].text, &name) || !am_received_literal(from->item[1].text, &ip))
        return 0;
    out->ip = ip;
    out->name = name;
    return 2;
}

/* Each returns how many items it has accounted for; 0: not this form. */
typedef size_t form(const clause *, am_received *);
/* Exim puts the address first and HELO behind it: read as another's, it would be turned round. */
static form *const exim_forms[] = {exim_named, exim_unnamed};
static form *const other_forms[] = {greeted, bare, tcp_info, fetched};

static size_t try_forms(const clause *from, am_received *out)
{
    bool exim = out->style == AM_STYLE_EXIM;
    form *const *forms = exim ? exim_forms : other_forms;
    size_t n = exim ? sizeof exim_forms : sizeof other_forms, used = 0;
    for (size_t i = 0; used == 0 && i < n / sizeof *forms; i++)
        used = forms[i](from, out);
    return used;
}

const char *am_received_from(fields *f, am_received *out)
{
    clause from = f->clause[FROM];
    size_t used, words = 0;
    if (from.n == 0 || from.item[0].kind != WORD || !am_received_plain(from.item[0].text))
        return "no plain name in the from clause";
    for (size_t i = 0; i < from.n; i++) {
        words += from.item[i].kind == WORD;
        if (from.item[i].glued)
            return "no white space round a comment of the from clause";
    }
    used = try_forms(&from, out);
    if (words > (out->via == AM_VIA_FETCH && used ? 2 : 1))
        return "several words in the from clause";
    if (used == 0 && out->via != AM_VIA_LOCAL && out->via != AM_VIA_FETCH)
        out->helo = from.item[0].text;
    from.item[0].known = true;
    for (size_t i = 1; i < from.n; i++) {
        from.item[i].known = i < used;
        if (i >= used && mentions_address(from.item[i].text))
            return used ? "several addresses" : "an address in no known form";
    }
    return NULL;
}
