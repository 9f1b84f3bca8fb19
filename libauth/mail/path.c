/*
 * path: reverse-paths and forward-paths of the SMTP envelope.
 *
 * For: SPF, the results, reports (RFC 5321 4.1.2; source routes: appendix C).
 * What a server took as an envelope address is read leniently, so that its domain is judged; only
 * where no one domain can be meant it is no address. Waits: never. Memory: the
 * caller's arena. Callers: message, tools.
 */
#include "libauth/mail/address.h"
#include "libauth/base/domain.h"
#include "libauth/base/lex.h"

/* What stands outside quotes of a path. */
typedef struct marks {
    size_t colon; /* the first ":" outside brackets, or n */
    size_t at;    /* the last "@", or n */
    bool ok;      /* quotes are closed; no "<" or ">" outside them, no blank behind the last "@" */
} marks;

static marks look(am_str s)
{
    marks m = {s.n, s.n, true};
    bool quoted = false, brackets = false;
    size_t blank = s.n; /* the last one outside quotes */
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '\\') /* RFC 5321 4.1.2 quoted-pairSMTP; outside quotes: RFC 821 4.1.2 */
            m.ok = m.ok && ++i < s.n;
        else if (c == '"')
            quoted = !quoted;
        else if (quoted)
            continue;
        else if (c == '[' || c == ']')
            brackets = c == '[';
        else if (c == ':' && !brackets && m.colon == s.n)
            m.colon = i;
        else if (c == '@')
            m.at = i;
        else if (am_is(c, AM_WSP))
            blank = i;
        else if (c == '<' || c == '>')
            m.ok = false;
    }
    m.ok = m.ok && !quoted && (blank == s.n || (m.at < s.n && blank < m.at));
    return m;
}

/* The text in angle brackets, or all of it; false: one bracket without the other. */
static bool open_brackets(am_str *s)
{
    *s = am_str_trim(*s);
    if (s->n == 0 || *s->p != '<')
        return true;
    if (s->n < 2 || s->p[s->n - 1] != '>')
        return false;
    *s = am_str_trim(am_str_cut(*s, 1, s->n - 1));
    return true;
}

bool am_path_parse(am_arena *a, am_str path, am_mailbox *out)
{
    *out = (am_mailbox){0};
    for (size_t i = 0; i < path.n; i++)
        if (am_is(path.p[i], AM_CTL) && path.p[i] != '\t')
            return false;
    if (!open_brackets(&path))
        return false;
    if (path.n == 0) /* RFC 5321 4.5.5: the null reverse-path */
        return true;
    marks m = look(path);
    if (*path.p == '@' && m.colon < path.n) { /* RFC 5321 appendix C: to be ignored */
        path = am_str_trim(am_str_cut(path, m.colon + 1, path.n));
        m = look(path);
    }
    if (!m.ok || path.n == 0 || m.at + 1 == path.n)
        return false;
    out->local = am_str_copy(a, am_str_cut(path, 0, m.at));
    if (m.at < path.n) {
        am_str host = am_str_cut(path, m.at + 1, path.n);
        if (!am_domain_normalise(a, host, &out->domain))
            out->domain = am_str_lower(a, host);
        if (!out->domain.p)
            return false;
    }
    return out->local.p != NULL;
}
