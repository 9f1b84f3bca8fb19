/*
 * conf_check: what reads well and yet cannot be meant.
 *
 * For: `authmill config check`, `authmilld -t`, start and reload. Waits: am_conf_check_resolvers,
 * for the DNS; else for files. Memory: one arena, let go. Callers: one thread at a time.
 */
#include "milter/conf_check.h"
#include "libauth/base/domain.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

enum { ASK_MS = 3000, TRY_MS = 700 };

void am_finding(am_findings *f, const char *file, unsigned line, const char *fmt, ...)
{
    char text[700], what[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    if (line)
        snprintf(text, sizeof text, "%.160s:%u: %s", file, line, what);
    else
        snprintf(text, sizeof text, "%.160s: %s", file, what);
    for (char *p = text; *p; p++)
        if ((unsigned char)*p < ' ' || (unsigned char)*p > '~')
            *p = '?';
    f->n++;
    f->found(f->to, text);
}

bool am_conf_acts(const am_conf *c)
{
    for (size_t i = 0; i < c->rules; i++)
        if (c->rule[i].measure > AM_MEASURE_HEADER)
            return true;
    return c->dmarc.enforce || c->dmarc.malformed_from > AM_MALFORMED_PERMERROR;
}

static bool has_class(const am_conf_classes *l, am_class wanted)
{
    for (unsigned i = 0; i < l->n; i++)
        if (l->item[i] == wanted)
            return true;
    return false;
}

bool am_conf_spares(const am_conf *c, am_class class)
{
    return has_class(&c->exempt, class) || has_class(&c->skip, class);
}

/* ---- Trust ---- */

bool am_conf_is_suffix(am_arena *a, const am_psl *psl, am_str domain)
{
    am_str org;
    if (am_domain_labels(domain) < 2)
        return true;
    return psl && !am_psl_org_domain(psl, a, domain, &org) && !am_arena_failed(a);
}

static void check_sealers(const am_conf *c, const am_psl *psl, am_arena *a, am_findings *f)
{
    const am_trust_list *l = &c->arc.sealers;
    for (size_t i = 0; i < l->n; i++) {
        am_str domain = l->entry[i].domain;
        if (am_conf_is_suffix(a, psl, domain))
            am_finding(f, c->file, am_conf_line(c, "arc", "trusted-sealers"),
                "arc.trusted-sealers: \"%.*s\" is a public suffix, anybody can have a name below "
                "it; "
                "name the sealer's own domain",
                (int)(domain.n > 60 ? 60 : domain.n), domain.p);
    }
}

/* ---- Whom nothing is done to ---- */

/* Do the networks of one family hold every address: one with no bits, or both halves? */
static bool holds_all(const am_conf_nets *l, unsigned family)
{
    unsigned halves = 0;
    for (unsigned i = 0; i < l->n; i++) {
        if (l->item[i].ip.family != family || l->item[i].bits > 1)
            continue;
        halves |= l->item[i].bits == 0 ? 3 : l->item[i].ip.octet[0] & 0x80 ? 2 : 1;
    }
    return halves == 3;
}

static void check_everybody(const am_conf *c, am_findings *f)
{
    bool v4 = holds_all(&c->local_networks, 4), v6 = holds_all(&c->local_networks, 6);
    if (holds_all(&c->trusted_relays, 4) || holds_all(&c->trusted_relays, 6))
        am_finding(f, c->file, am_conf_line(c, "", "trusted-relays"),
            "trusted-relays holds all addresses, so that nobody is a client and SPF judges none; "
            "name "
            "your own relays");
    if ((v4 || v6) && am_conf_acts(c) && am_conf_spares(c, AM_CLASS_LOCAL))
        am_finding(f, c->file, am_conf_line(c, "", "local-networks"),
            "local-networks holds all addresses of IPv%s, so that nothing is ever enforced upon "
            "them; "
            "name your own networks",
            v4 && v6 ? "4 and IPv6"
            : v4     ? "4"
                     : "6");
}

/* ---- What nobody sees ---- */

static bool sets_aside(const am_conf *c)
{
    for (size_t i = 0; i < c->rules; i++)
        if (c->rule[i].measure >= AM_MEASURE_QUARANTINE && c->rule[i].measure <= AM_MEASURE_DISCARD)
            return true;
    return c->dmarc.enforce || c->dmarc.malformed_from == AM_MALFORMED_QUARANTINE;
}

static void check_sight(const am_conf *c, am_findings *f)
{
    unsigned line = am_conf_line(c, "log", "level");
    if (c->log.level < LOG_INFO && c->policy.monitor)
        am_finding(f, c->file, line,
            "log.level: policy.mode = monitor tells what it would do in the log alone, and this "
            "level "
            "keeps that out; set log.level = info");
    else if (c->log.level < LOG_INFO && sets_aside(c))
        am_finding(f, c->file, line,
            "log.level: mail is quarantined or discarded, and this level keeps out the lines that "
            "say "
            "which; set log.level = info");
    if (c->log.level < LOG_INFO && c->shadow)
        am_finding(f, c->file, line,
            "log.level: policy.shadow speaks in the log alone, and this level keeps that out; set "
            "log.level = info");
    if (am_str_iis(am_str_of(c->policy.note_field), c->policy.quarantine_field))
        am_finding(f, c->file, am_conf_line(c, "policy", "note-field"),
            "policy.note-field: the same as policy.quarantine-field, a filter cannot tell one from "
            "the "
            "other; give it another name");
}

/* ---- Whose worker it is ---- */

static void check_user(const am_conf *c, am_findings *f)
{
    const struct passwd *p = *c->user ? getpwnam(c->user) : NULL;
    if (p && p->pw_uid == 0)
        am_finding(f, c->file, am_conf_line(c, "", "user"),
            "user: the worker stays root, without its capabilities, but owner of its files; name a "
            "user of its own");
}

/* ---- Numbers that do not go together ---- */

static void check_numbers(const am_conf *c, am_findings *f)
{
    if (c->dkim.min_rsa_bits > c->dkim.max_rsa_bits)
        am_finding(f, c->file, am_conf_line(c, "dkim", "min-rsa-bits"),
            "dkim.min-rsa-bits: more than dkim.max-rsa-bits, no RSA key is right; make it less "
            "than %u",
            c->dkim.max_rsa_bits);
    if (c->dns.try_ms > c->dns.timeout_ms)
        am_finding(f, c->file, am_conf_line(c, "dns", "try"),
            "dns.try: longer than dns.timeout, so that nothing is asked twice; make it less than "
            "%g",
            c->dns.timeout_ms / 1000.0);
    unsigned line = am_conf_line(c, "limits", "sessions-per-client");
    if (line && c->limits.client_sessions > c->limits.sessions)
        am_finding(f, c->file, line,
            "limits.sessions-per-client: more than limits.sessions, one client can take all; make "
            "it "
            "less than %u",
            c->limits.sessions);
}

/* ---- All of it ---- */

static void check_one(const am_conf *c, const am_psl *psl, int64_t now, am_findings *f)
{
    am_arena *a = am_arena_new(0);
    if (!a)
        return;
    check_everybody(c, f);
    check_user(c, f);
    check_sealers(c, psl, a, f);
    check_sight(c, f);
    check_numbers(c, f);
    am_conf_check_rules(c, psl, now, f);
    am_arena_free(a);
}

void am_conf_check_meaning(const am_conf *c, int64_t now, am_findings *f)
{
    am_psl *own = c->dmarc.psl ? NULL : am_psl_load(NULL, NULL);
    const am_psl *psl = c->dmarc.psl ? c->dmarc.psl : own;
    check_one(c, psl, now, f);
    if (c->shadow)
        check_one(c->shadow, psl, now, f);
    am_psl_free(own);
}

/* ---- Resolvers ---- */

/* RFC 6761 6.4: every resolver knows this name without asking anybody. NULL: it answers. */
static const char *ask(
    const char *const *server, unsigned n, const char *resolv_conf, am_error *why)
{
    am_dns_options o = {
        .nameserver = server, .nameservers = n, .resolv_conf = resolv_conf, .try_ms = TRY_MS};
    am_dns_limits limits = {.wait_ms = ASK_MS};
    am_dns *d = am_dns_network(&o, why);
    if (!d)
        return why->text;
    am_arena *a = am_arena_new(0);
    am_dns_session *s = a ? am_dns_begin(d, a, &limits, NULL) : NULL;
    const am_dns_answer *x =
        s ? am_dns_wait(s, "check", "6761 6.4", AM_STR("invalid"), AM_DNS_TXT) : NULL;
    if (x && x->status == AM_DNS_TEMPFAIL)
        am_error_set(why, "%s", x->reason);
    else
        *why->text = '\0';
    am_dns_end(s);
    am_arena_free(a);
    am_dns_free(d);
    return *why->text ? why->text : NULL;
}

void am_conf_check_resolvers(const am_conf *c, am_findings *f)
{
    am_error why;
    const char *wrong;
    if (c->dns.zones.n)
        return;
    for (unsigned i = 0; i < c->dns.nameservers.n; i++)
        if ((wrong = ask(&c->dns.nameservers.item[i], 1, NULL, &why)))
            am_finding(f, c->file, am_conf_line(c, "dns", "nameservers"),
                "dns.nameservers: %s does not answer (%s); start it, or name one that does",
                c->dns.nameservers.item[i], wrong);
    if (!c->dns.nameservers.n && (wrong = ask(NULL, 0, c->dns.resolv_conf, &why)))
        am_finding(f, c->file, am_conf_line(c, "dns", "resolv-conf"),
            "dns.resolv-conf: no resolver of %s answers (%s); set dns.nameservers to one that does",
            c->dns.resolv_conf, wrong);
}
