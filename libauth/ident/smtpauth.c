/*
 * smtpauth: what the MTA tells of SMTP AUTH, as a verdict.
 *
 * RFC 8601 2.7.4; RFC 4954 5 (AUTH=); RFC 4422 3.1 (names of mechanisms). Waits:
 * never. Memory: the caller's arena. Callers: the pipeline of a message.
 */
#include "libauth/ident/smtpauth.h"
#include "libauth/base/lex.h"
#include "libauth/ident/syntax.h"

#include <string.h>

/* Mechanisms that show a password or a token to whoever reads along: RFC 4616, LOGIN (a draft of
 * 2003), RFC 7628, and XOAUTH2, which came before that. */
static const char *const readable[] = {"PLAIN", "LOGIN", "OAUTHBEARER", "XOAUTH2"};

/* RFC 4422 3.1: 1*20mech-char, upper case. Empty: it is none. */
static bool mechanism_name(am_arena *a, am_str s, am_str *out)
{
    *out = AM_STR("");
    if (s.n == 0 || s.n > 20)
        return true;
    char *p = am_arena_copy(a, s.p, s.n);
    if (!p)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (!am_is(p[i], AM_LDH) && p[i] != '_')
            return true;
        if (p[i] >= 'a' && p[i] <= 'z')
            p[i] = (char)(p[i] - 32);
    }
    *out = am_str_n(p, s.n);
    return true;
}

static bool is_readable(am_str mechanism)
{
    for (size_t i = 0; i < sizeof readable / sizeof *readable; i++)
        if (am_str_is(mechanism, readable[i]))
            return true;
    return false;
}

/* RFC 4954 5: a mailbox. The example of RFC 8601 2.7.4 has it in angle brackets; they change
 * nothing. */
static bool read_mailbox(am_arena *a, am_str s, am_mailbox *out)
{
    if (s.n > 2 && s.p[0] == '<' && s.p[s.n - 1] == '>')
        s = am_str_cut(s, 1, s.n - 1);
    return am_smtp_mailbox_parse(a, s, out);
}

/* RFC 4954 5: AUTH= is a mailbox in xtext, or "<>". */
static am_smtpauth_author read_author(
    am_arena *a, const am_smtpauth_query *q, bool authenticated, am_mailbox *out)
{
    bool sent = q->parameter.p != NULL;
    am_str text = sent ? q->parameter : q->author;
    *out = (am_mailbox){0};
    if (!sent && !text.n)
        return AM_SMTPAUTH_NO_AUTHOR;
    if (am_str_is(text, "<>"))
        return AM_SMTPAUTH_UNKNOWN;
    am_mailbox m;
    if ((sent && !am_xtext_decode(a, text, &text)) || !read_mailbox(a, text, &m))
        return AM_SMTPAUTH_MALFORMED;
    if (!authenticated || !q->trusted)
        return AM_SMTPAUTH_UNTRUSTED;
    *out = m;
    return AM_SMTPAUTH_AUTHOR;
}

/* RFC 4505 1: a trace, no identity */
static bool is_anonymous(am_str mechanism)
{
    return am_str_iis(am_str_trim(mechanism), "ANONYMOUS");
}

bool am_smtpauth_is_login(am_str user, am_str mechanism)
{
    return am_str_trim(user).n > 0 && !is_anonymous(mechanism);
}

am_smtpauth_verdict am_smtpauth_check(am_arena *a, const am_smtpauth_query *q)
{
    static const am_smtpauth_verdict nobody = {
        .result = AM_NONE, .user = {"", 0}, .mechanism = {"", 0}, .reason = ""};
    am_smtpauth_verdict v = nobody;
    am_str mechanism, user = am_str_trim(q->user).n ? q->user : AM_STR("");
    bool ok = mechanism_name(a, q->mechanism, &mechanism);
    bool authenticated = am_smtpauth_is_login(user, q->mechanism);
    v.status = read_author(a, q, authenticated, &v.author);
    if (is_anonymous(q->mechanism))
        v.reason = "anonymous";
    if (authenticated) {
        v.result = AM_PASS;
        v.user = am_str_copy(a, user);
        v.mechanism = mechanism;
        v.cleartext = !q->tls && is_readable(mechanism);
        if (v.cleartext)
            v.reason = "credentials sent in the clear";
    }
    if (ok && v.user.p && !am_arena_failed(a))
        return v;
    v = nobody;
    v.reason = "out of memory";
    return v;
}
