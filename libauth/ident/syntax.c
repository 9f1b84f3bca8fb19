/*
 * syntax: pieces of SMTP's grammar.
 *
 * For: HELO, AUTH= and SUBMITTER= (RFC 5321 4.1.2, 4.1.3; RFC 3461 4; RFC 6531
 * 3.3). Read strictly: what is doubtful is refused. Waits: never. Memory: the
 * caller's arena. Callers: ident, and whoever has the parameters of MAIL FROM.
 */
#include "libauth/ident/syntax.h"
#include "libauth/base/domain.h"
#include "libauth/base/lex.h"
#include "libauth/mail/scan.h"

#include <string.h>

am_str am_esmtp_value(am_str param, const char *keyword)
{
    size_t n = strlen(keyword);
    if (!am_str_istarts(param, keyword) || param.n == n || param.p[n] != '=')
        return (am_str){NULL, 0};
    return am_str_cut(param, n + 1, param.n);
}

static int hex(char c)
{
    static const char digits[] = "0123456789ABCDEF";
    const char *hit = c ? strchr(digits, c) : NULL;
    return hit ? (int)(hit - digits) : -1;
}

bool am_xtext_decode(am_arena *a, am_str s, am_str *out)
{
    char *p = am_arena_alloc(a, s.n + 1);
    size_t n = 0;
    if (!p)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (!am_is(c, AM_VCHAR) || c == '=')
            return false;
        if (c == '+') {
            int high = i + 2 < s.n ? hex(s.p[i + 1]) : -1, low = high < 0 ? -1 : hex(s.p[i + 2]);
            if (low < 0)
                return false;
            c = (char)(unsigned char)(high * 16 + low);
            i += 2;
        }
        p[n++] = c;
    }
    *out = am_str_n(p, n);
    return true;
}

/* Octets of the atom (RFC 5321 4.1.2; RFC 6531 3.3) that `s` begins with. */
static size_t atom_len(am_str s)
{
    size_t i = 0, len = 1;
    while (i < s.n && len) {
        len = am_is(s.p[i], AM_HIGH) ? am_utf8_len(am_str_cut(s, i, s.n)) : am_is(s.p[i], AM_ATEXT);
        i += len;
    }
    return i;
}

/* Octets of the Dot-string that `s` begins with; 0: none, or a dot without an atom behind it. */
static size_t dot_string_len(am_str s)
{
    size_t i = 0;
    for (;;) {
        size_t n = atom_len(am_str_cut(s, i, s.n));
        if (n == 0)
            return 0;
        i += n;
        if (i == s.n || s.p[i] != '.')
            return i;
        i++;
    }
}

/* Octets of the Quoted-string that `s` begins with; 0: none. */
static size_t quoted_string_len(am_str s)
{
    for (size_t i = 1; i < s.n;) {
        bool pair = s.p[i] == '\\';
        if (s.p[i] == '"')
            return i + 1;
        i += pair;
        if (i == s.n)
            return 0;
        /* RFC 5321 4.1.2: qtextSMTP and quoted-pairSMTP are 32 to 126 */
        bool ascii = am_is(s.p[i], AM_VCHAR) || s.p[i] == ' ';
        size_t len = ascii                             ? 1
                     : !pair && am_is(s.p[i], AM_HIGH) ? am_utf8_len(am_str_cut(s, i, s.n))
                                                       : 0;
        if (len == 0)
            return 0;
        i += len;
    }
    return 0;
}

bool am_smtp_mailbox_parse(am_arena *a, am_str s, am_mailbox *out)
{
    am_ip ip;
    *out = (am_mailbox){0};
    if (s.n == 0 || s.n > AM_SMTP_MAILBOX_MAX)
        return false;
    size_t n = s.p[0] == '"' ? quoted_string_len(s) : dot_string_len(s);
    if (n == 0 || n == s.n || s.p[n] != '@')
        return false;
    am_str host = am_str_cut(s, n + 1, s.n);
    if (!am_literal_parse(host, &ip)) {
        /* RFC 5321 4.1.2: a Domain has no final dot */
        if (host.n == 0 || host.p[host.n - 1] == '.' || !am_domain_normalise(a, host, &out->domain))
            return false;
    }
    out->local = am_str_copy(a, am_str_cut(s, 0, n));
    return out->local.p != NULL;
}

/* Without quotes and the backslashes inside them. */
static am_str unquote(am_arena *a, am_str local)
{
    char *p = am_arena_alloc(a, local.n + 1);
    size_t n = 0;
    if (!p)
        return (am_str){NULL, 0};
    bool quoted = false;
    for (size_t i = 0; i < local.n; i++) {
        if (local.p[i] == '"') {
            quoted = !quoted;
            continue;
        }
        if (quoted && local.p[i] == '\\' && i + 1 < local.n)
            i++;
        p[n++] = local.p[i];
    }
    return am_str_n(p, n);
}

am_str am_local_canonical(am_arena *a, am_str local)
{
    am_str plain = unquote(a, local);
    if (!plain.p || (plain.n && dot_string_len(plain) == plain.n))
        return plain;
    am_buf b = {.arena = a};
    am_buf_char(&b, '"');
    for (size_t i = 0; i < plain.n; i++) {
        if (plain.p[i] == '"' || plain.p[i] == '\\')
            am_buf_char(&b, '\\');
        am_buf_char(&b, plain.p[i]);
    }
    am_buf_char(&b, '"');
    return b.failed ? (am_str){NULL, 0} : am_buf_get(&b);
}

bool am_literal_parse(am_str s, am_ip *out)
{
    if (s.n < 2 || s.p[0] != '[' || s.p[s.n - 1] != ']')
        return false;
    s = am_str_cut(s, 1, s.n - 1);
    /* RFC 5321 4.1.3: the colon decides; "[2001:db8::1]" without its tag is no literal */
    if (am_str_find(s, ':') == s.n)
        return am_ip_parse(s, out);
    if (!am_str_istarts(s, "IPv6:"))
        return false;
    s = am_str_cut(s, 5, s.n);
    return am_str_find(s, ':') < s.n && am_ip_parse(s, out);
}
