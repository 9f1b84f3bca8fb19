/*
 * mta_check: settings of Postfix and Sendmail that do not fit ours.
 *
 * For: `authmill config check`. Reads what postconf(1) prints and sendmail.cf; milters in their
 * order, default action, protocol, time-outs, macros. Says nothing about what it does not
 * understand. Waits: never. Memory: one arena, let go. Callers: anyone.
 */
#include "milter/conf_check.h"

#include <stdio.h>
#include <string.h>

const char *const am_conf_postfix_names[] = {"smtpd_milters", "non_smtpd_milters",
    "milter_default_action", "milter_protocol", "milter_command_timeout", "milter_content_timeout",
    "milter_mail_macros", "milter_connect_macros", NULL};

static const char POSTFIX[] = "Postfix", SENDMAIL[] = "sendmail.cf";

/* ---- Text ---- */

/* The next line, without it and its end. */
static am_str take_line(am_str *rest)
{
    size_t end = am_str_find(*rest, '\n');
    am_str line = am_str_cut(*rest, 0, end);
    *rest = am_str_cut(*rest, end + 1, rest->n);
    return line;
}

/* The value of "name = value"; absent: there is none. */
static am_str setting(am_str text, const char *name)
{
    while (text.n) {
        am_str line = take_line(&text);
        size_t eq = am_str_find(line, '=');
        if (eq < line.n && am_str_is(am_str_trim(am_str_cut(line, 0, eq)), name))
            return am_str_trim(am_str_cut(line, eq + 1, line.n));
    }
    return (am_str){0};
}

/* "30s", "5m", "1h", "30": seconds; false: none of these. */
static bool seconds(am_str s, char unit, uint64_t *out)
{
    static const struct {
        char unit;
        unsigned seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800}};
    if (s.n && (s.p[s.n - 1] < '0' || s.p[s.n - 1] > '9'))
        unit = s.p[--s.n];
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (units[i].unit == unit && am_str_number(s, 8, out)) {
            *out *= units[i].seconds;
            return true;
        }
    return false;
}

/* ---- Sockets ---- */

/* Is it ours? Postfix writes inet:HOST:PORT, Sendmail inet:PORT@HOST, and a path may be relative to
 * the queue. */
static bool is_ours(const am_conf *c, am_str spec)
{
    size_t colon = am_str_find(spec, ':');
    am_str kind = am_str_cut(spec, 0, colon), rest = am_str_cut(spec, colon + 1, spec.n);
    bool path = am_str_is(kind, "unix") || am_str_is(kind, "local");
    if (path != (c->socket.kind == AM_SOCKET_UNIX) || rest.n == 0)
        return false;
    if (path) {
        am_str own = am_str_of(c->socket.path);
        return am_str_eq(own, rest) ||
               (rest.p[0] != '/' && own.n > rest.n && am_str_iends(own, rest) &&
                   own.p[own.n - rest.n - 1] == '/');
    }
    char port[16];
    snprintf(port, sizeof port, "%u", (unsigned)c->socket.port);
    size_t at = am_str_find(rest, '@'), last = am_str_rfind(rest, ':');
    return am_str_is(
        at < rest.n ? am_str_cut(rest, 0, at) : am_str_cut(rest, last + 1, rest.n), port);
}

/* Can a setting of the MTA's be told to be ours at all? */
static bool can_tell(const am_conf *c)
{
    return c->socket.kind != AM_SOCKET_FD && (c->socket.kind == AM_SOCKET_UNIX || c->socket.port);
}

/* ---- Postfix ---- */

/* The next milter of a list, "{ ... }" included. Absent: no more. */
static am_str take_milter(am_str *list)
{
    while (list->n && strchr(" \t,", list->p[0]))
        *list = am_str_cut(*list, 1, list->n);
    size_t end = 0, depth = 0;
    for (; end < list->n && (depth || !strchr(" \t,", list->p[end])); end++) {
        depth += list->p[end] == '{';
        depth -= depth && list->p[end] == '}';
    }
    am_str one = am_str_cut(*list, 0, end);
    *list = am_str_cut(*list, end, list->n);
    return one;
}

/* "{ inet:..., name=value, ... }": what stands first. */
static am_str spec_of(am_str milter)
{
    if (milter.n && milter.p[0] == '{')
        milter = am_str_cut(milter, 1, milter.n);
    milter = am_str_trim(milter);
    for (size_t i = 0; i < milter.n; i++)
        if (strchr(" \t,}", milter.p[i]))
            return am_str_cut(milter, 0, i);
    return milter;
}

/* A milter's own setting "name=value" within its braces, or the general one. */
static am_str milter_setting(am_str text, am_str ours, const char *name, const char *general)
{
    size_t n = strlen(name);
    for (size_t i = 0; i + n + 1 < ours.n; i++) {
        am_str at = am_str_cut(ours, i, ours.n);
        if (!strchr(" \t,{", ours.p[i]) || !am_str_istarts(am_str_cut(at, 1, at.n), name) ||
            at.p[n + 1] != '=')
            continue;
        am_str value = am_str_trim(am_str_cut(at, n + 2, at.n));
        return spec_of(value);
    }
    return setting(text, general);
}

static void check_order(const am_conf *c, am_str list, am_str *ours, am_findings *f)
{
    am_str first = {0};
    for (am_str m; (m = take_milter(&list)).n;) {
        am_str spec = spec_of(m);
        if (is_ours(c, spec)) {
            *ours = m;
            break;
        }
        first = first.n ? first : spec;
    }
    if (ours->n && first.n)
        am_finding(f, POSTFIX, 0,
            "smtpd_milters: %.*s stands before authmilld, and what it changes breaks the "
            "signatures that "
            "are checked behind it; put authmilld first",
            (int)(first.n > 80 ? 80 : first.n), first.p);
}

static void check_presence(const am_conf *c, am_str text, bool there, am_findings *f)
{
    am_str other = setting(text, "non_smtpd_milters");
    if (there || !can_tell(c))
        return;
    for (am_str m; (m = take_milter(&other)).n;)
        if (is_ours(c, spec_of(m))) {
            am_finding(f, POSTFIX, 0,
                "non_smtpd_milters names %s, which is for mail that was not received; put it into "
                "smtpd_milters",
                c->socket.text);
            return;
        }
    am_finding(f, POSTFIX, 0,
        "smtpd_milters does not name %s, so that no mail comes here; add it, in front of the "
        "others",
        c->socket.text);
}

static void check_action(const am_conf *c, am_str action, am_findings *f)
{
    if (am_str_is(action, "reject"))
        am_finding(f, POSTFIX, 0,
            "milter_default_action = reject: mail is lost whenever authmilld is away; set "
            "tempfail");
    else if (am_str_is(action, "accept") && am_conf_acts(c))
        am_finding(f, POSTFIX, 0,
            "milter_default_action = accept: mail passes unseen, with forged results, whenever "
            "authmilld "
            "is away; set tempfail");
}

/* The time that we may take has to be less than the MTA's patience. */
static void check_patience(const am_conf *c, const char *file, const char *name, am_str value,
    char unit, const char *right, am_findings *f)
{
    uint64_t s;
    if (value.n && seconds(value, unit, &s) && s * 1000 <= c->dns.timeout_ms)
        am_finding(f, file, 0,
            "%s = %.*s: not longer than dns.timeout (%g s), so that the MTA gives up first; set %s",
            name, (int)(value.n > 20 ? 20 : value.n), value.p, c->dns.timeout_ms / 1000.0, right);
}

static bool has_word(am_str list, const char *word)
{
    for (am_str w; (w = take_milter(&list)).n;)
        if (am_str_is(w, word))
            return true;
    return false;
}

/* From protocol 6 on we ask for the macros that we want; earlier ones send what is configured. */
static void check_protocol(const am_conf *c, am_str text, am_findings *f)
{
    am_str protocol = setting(text, "milter_protocol");
    am_str mail = setting(text, "milter_mail_macros"),
           connect = setting(text, "milter_connect_macros");
    uint64_t v;
    if (!protocol.n || !am_str_number(am_str_cut(protocol, 0, 1), 1, &v) || v >= 6)
        return;
    am_finding(f, POSTFIX, 0,
        "milter_protocol = %.*s: without the exact space in fields, signatures with simple "
        "canonicalisation break; set 6",
        (int)(protocol.n > 20 ? 20 : protocol.n), protocol.p);
    if (mail.n && !has_word(mail, "{auth_authen}"))
        am_finding(f, POSTFIX, 0,
            "milter_mail_macros does not send {auth_authen}, so that your own users are not known; "
            "add "
            "it");
    if (connect.n && c->asks.listener && !has_word(connect, "{daemon_name}"))
        am_finding(f, POSTFIX, 0,
            "milter_connect_macros does not send {daemon_name}, which the condition listener asks "
            "for; "
            "add it");
}

void am_conf_check_postfix(const am_conf *c, am_str text, am_findings *f)
{
    am_str ours = {0};
    check_order(c, setting(text, "smtpd_milters"), &ours, f);
    check_presence(c, text, ours.n > 0, f);
    if (!ours.n && can_tell(c))
        return; /* the rest is about others */
    check_action(c, milter_setting(text, ours, "default_action", "milter_default_action"), f);
    check_protocol(c, text, f);
    check_patience(c, POSTFIX, "milter_content_timeout",
        milter_setting(text, ours, "content_timeout", "milter_content_timeout"), 's', "300s", f);
    if (c->spf.reject_at != AM_STAGE_END)
        check_patience(c, POSTFIX, "milter_command_timeout",
            milter_setting(text, ours, "command_timeout", "milter_command_timeout"), 's',
            "more, or spf.reject-at = end", f);
}

/* ---- Sendmail ---- */

/* "X=value" of a milter's line, up to the next comma. */
static am_str equate(am_str line, char letter)
{
    for (size_t i = 0; i + 1 < line.n; i++)
        if (line.p[i] == letter && line.p[i + 1] == '=' && i > 0 && strchr(" \t,", line.p[i - 1])) {
            am_str value = am_str_cut(line, i + 2, line.n);
            return am_str_trim(am_str_cut(value, 0, am_str_find(value, ',')));
        }
    return (am_str){0};
}

/* "C:5m;S:30s;R:60s;E:2m": the one for a letter. */
static am_str sendmail_timeout(am_str all, char letter)
{
    while (all.n) {
        size_t end = am_str_find(all, ';');
        am_str one = am_str_trim(am_str_cut(all, 0, end));
        if (one.n > 2 && one.p[0] == letter && one.p[1] == ':')
            return am_str_cut(one, 2, one.n);
        all = am_str_cut(all, end + 1, all.n);
    }
    return (am_str){0};
}

static void check_filter(const am_conf *c, am_str line, am_findings *f)
{
    am_str name = am_str_trim(am_str_cut(line, 1, am_str_find(line, ',')));
    am_str timeouts = equate(line, 'T'), flags = equate(line, 'F');
    int n = (int)(name.n > 40 ? 40 : name.n);
    if (flags.n == 0 && am_conf_acts(c))
        am_finding(f, SENDMAIL, 0,
            "filter %.*s has no F=: mail passes unseen, with forged results, whenever authmilld is "
            "away; "
            "set F=T",
            n, name.p);
    if (am_str_find(flags, 'R') < flags.n)
        am_finding(f, SENDMAIL, 0,
            "filter %.*s has F=R: mail is lost whenever authmilld is away; set F=T", n, name.p);
    am_str reply = sendmail_timeout(timeouts, 'R'), end = sendmail_timeout(timeouts, 'E');
    check_patience(
        c, SENDMAIL, "time-out E", end.n ? end : AM_STR("5m"), 's', "more, such as T=E:5m", f);
    if (c->spf.reject_at != AM_STAGE_END)
        check_patience(c, SENDMAIL, "time-out R", reply.n ? reply : AM_STR("10s"), 's',
            "more, such as T=R:60s, or spf.reject-at = end", f);
}

static void check_filters(const am_conf *c, am_str list, am_str name, am_findings *f)
{
    am_str first = am_str_trim(am_str_cut(list, 0, am_str_find(list, ',')));
    if (first.n && !am_str_eq(first, name))
        am_finding(f, SENDMAIL, 0,
            "InputMailFilters: %.*s stands before %.*s, and what it changes breaks the signatures "
            "that "
            "are checked behind it; put authmilld first",
            (int)(first.n > 40 ? 40 : first.n), first.p, (int)(name.n > 40 ? 40 : name.n), name.p);
    (void)c;
}

void am_conf_check_sendmail(const am_conf *c, am_str text, am_findings *f)
{
    am_str rest = text, name = {0}, filters = {0};
    while (rest.n) {
        am_str line = take_line(&rest);
        if (am_str_istarts(line, "O InputMailFilters="))
            filters = am_str_cut(line, am_str_find(line, '=') + 1, line.n);
        if (line.n < 2 || line.p[0] != 'X' || !is_ours(c, equate(line, 'S')))
            continue;
        name = am_str_trim(am_str_cut(line, 1, am_str_find(line, ',')));
        check_filter(c, line, f);
    }
    if (name.n)
        check_filters(c, filters, name, f);
    else if (can_tell(c))
        am_finding(f, SENDMAIL, 0, "no filter has S=%s, so that no mail comes here; add it",
            c->socket.text);
}
