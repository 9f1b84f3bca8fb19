/*
 * option: the table of all options, and how their texts become data.
 *
 * For: milter/conf.c, which reads the file. The table is the one place that knows an option's
 * name, default, range and where it goes; conf/authmill.conf says why. Waits: never. Memory: the
 * configuration's arena. Callers: milter/conf.c.
 */
#include "milter/option.h"
#include "libauth/base/domain.h"
#include "libauth/base/lex.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

static bool parse_text(am_arena *a, const am_option *o, const char *text, void *to)
{
    (void)o;
    const char *copy = am_arena_copy(a, text, strlen(text));
    memcpy(to, &copy, sizeof copy);
    return copy != NULL;
}

/* A name of a user, a group or a host: graphic ASCII, or UTF-8 for an authserv-id. */
static bool parse_name(am_arena *a, const am_option *o, const char *text, void *to)
{
    for (const char *p = text; *p; p++)
        if (!am_is(*p, AM_VCHAR | AM_HIGH))
            return false;
    return strlen(text) <= 253 && parse_text(a, o, text, to);
}

static bool parse_file(am_arena *a, const am_option *o, const char *text, void *to)
{
    return (*text == '\0' || *text == '/') && parse_text(a, o, text, to);
}

static bool parse_listed_file(am_arena *a, const am_option *o, const char *text, void *to)
{
    return *text == '/' && parse_text(a, o, text, to);
}

/* As am_trust_entry_parse reads it, but that a public suffix list is asked later (conf.c), as is a
 * file. */
static bool parse_sealer(am_arena *a, const am_option *o, const char *text, void *to)
{
    am_trust_entry entry;
    if (am_str_istarts(am_str_of(text), "file:/"))
        return parse_text(a, o, text, to);
    if (!am_trust_entry_parse(a, NULL, am_str_of(text), &entry, NULL))
        return false;
    am_str name = am_str_format(a, "%s%.*s",
        entry.below && entry.itself ? "*."
        : entry.below               ? "."
                                    : "",
        AM_ARG(entry.domain));
    memcpy(to, &name.p, sizeof name.p);
    return name.p != NULL;
}

static bool parse_server(am_arena *a, const am_option *o, const char *text, void *to)
{
    am_str s = am_str_of(text);
    size_t at = am_str_find(s, '@');
    am_ip ip;
    uint64_t port;
    if (!am_ip_parse(am_str_cut(s, 0, at), &ip))
        return false;
    if (at < s.n && (!am_str_number(am_str_cut(s, at + 1, s.n), 5, &port) || !port || port > 65535))
        return false;
    return parse_text(a, o, text, to);
}

static bool parse_net(am_arena *a, const am_option *o, const char *text, void *to)
{
    (void)a;
    (void)o;
    return am_net_parse(am_str_of(text), to);
}

static const am_word classes[] = {{"authenticated", AM_CLASS_AUTHENTICATED},
    {"local", AM_CLASS_LOCAL}, {"submission", AM_CLASS_SUBMISSION}, {NULL, 0}};

static bool parse_class(am_arena *a, const am_option *o, const char *text, void *to)
{
    (void)a;
    (void)o;
    for (const am_word *w = classes; w->word; w++)
        if (strcmp(text, w->word) == 0) {
            am_class class = (am_class)w->value;
            memcpy(to, &class, sizeof class);
            return true;
        }
    return false;
}

static bool parse_socket(am_arena *a, const am_option *o, const char *text, void *to)
{
    (void)o;
    return am_socket_parse(a, text, to);
}

static bool parse_word(am_arena *a, const am_option *o, const char *text, void *to)
{
    (void)a;
    for (const am_word *w = o->word; w->word; w++)
        if (am_str_iis(am_str_of(text), w->word)) {
            memcpy(to, &w->value, sizeof w->value);
            return true;
        }
    return false;
}

static bool parse_bool(am_arena *a, const am_option *o, const char *text, void *to)
{
    unsigned value;
    if (!parse_word(a, o, text, &value))
        return false;
    bool yes = value != 0;
    memcpy(to, &yes, sizeof yes);
    return true;
}

static bool parse_number(am_arena *a, const am_option *o, const char *text, void *to)
{
    (void)a;
    uint64_t v;
    if (!am_str_number(am_str_of(text), 10, &v) || (double)v < o->min || (double)v > o->max)
        return false;
    unsigned n = (unsigned)v;
    memcpy(to, &n, sizeof n);
    return true;
}

static bool parse_mode(am_arena *a, const am_option *o, const char *text, void *to)
{
    (void)a;
    (void)o;
    size_t n = strlen(text);
    if (n < 3 || n > 4 || strspn(text, "01234567") != n || (n == 4 && *text != '0'))
        return false;
    unsigned mode = (unsigned)strtoul(text, NULL, 8);
    memcpy(to, &mode, sizeof mode);
    return true;
}

/* Seconds with at most three decimals, kept as milliseconds. */
static bool parse_seconds(am_arena *a, const am_option *o, const char *text, void *to)
{
    (void)a;
    am_str s = am_str_of(text);
    size_t dot = am_str_find(s, '.');
    am_str fraction = am_str_cut(s, dot + 1, s.n);
    uint64_t whole, part = 0;
    if (!am_str_number(am_str_cut(s, 0, dot), 6, &whole) ||
        (dot < s.n && !am_str_number(fraction, 3, &part)))
        return false;
    for (size_t i = fraction.n; i < 3; i++)
        part *= 10;
    double ms = (double)(whole * 1000 + part);
    if (ms < o->min * 1000 || ms > o->max * 1000)
        return false;
    unsigned value = (unsigned)ms;
    memcpy(to, &value, sizeof value);
    return true;
}

/* Octets; K, M and G stand for powers of 1024. */
bool am_option_octets(am_arena *a, const am_option *o, const char *text, void *to)
{
    (void)a;
    static const char unit[] = "KMG";
    am_str s = am_str_of(text);
    uint64_t v;
    unsigned shift = 0;
    if (s.n && !am_is(s.p[s.n - 1], AM_DIGIT)) {
        const char *u = strchr(unit, s.p[s.n - 1] & ~0x20);
        if (!u || !*u)
            return false;
        shift = 10 * (unsigned)(u - unit + 1);
        s.n--;
    }
    if (!am_str_number(s, 10, &v) || (double)v * (double)(1u << shift) > o->max)
        return false;
    v <<= shift;
    if ((double)v < o->min)
        return false;
    size_t octets = v > SIZE_MAX ? SIZE_MAX : (size_t)v;
    memcpy(to, &octets, sizeof octets);
    return true;
}

/* The name of a field of ours. It is taken out where others wrote it, so no name of theirs. */
static bool parse_field_name(am_arena *a, const am_option *o, const char *text, void *to)
{
    size_t n = strlen(text);
    for (size_t i = 0; i < n; i++)
        if (!am_is(text[i], AM_LDH))
            return false;
    return n > 2 && n <= 60 && am_str_istarts(am_str_of(text), "X-") && parse_text(a, o, text, to);
}

static bool parse_template(am_arena *a, const am_option *o, const char *text, void *to)
{
    (void)o;
    return am_template_parse(a, am_str_of(text), to, NULL);
}

static bool parse_url(am_arena *a, const am_option *o, const char *text, void *to)
{
    bool good = *text == '\0' || am_str_istarts(am_str_of(text), "https://") ||
                am_str_istarts(am_str_of(text), "http://");
    return good && !strchr(text, ' ') && parse_template(a, o, text, to) &&
           !am_template_uses(to, AM_PLACE_URL);
}

static const am_word yes_no[] = {
    {"yes", 1}, {"no", 0}, {"true", 1}, {"false", 0}, {"on", 1}, {"off", 0}, {NULL, 0}};
static const am_word action[] = {
    {"accept", AM_CONF_ACCEPT}, {"tempfail", AM_CONF_TEMPFAIL}, {NULL, 0}};
static const am_word log_to[] = {{"syslog", AM_LOG_SYSLOG}, {"stderr", AM_LOG_STDERR}, {NULL, 0}};
static const am_word level[] = {{"error", LOG_ERR}, {"warning", LOG_WARNING}, {"info", LOG_INFO},
    {"debug", LOG_DEBUG}, {NULL, 0}};
static const am_word facility[] = {{"mail", LOG_MAIL}, {"daemon", LOG_DAEMON}, {"user", LOG_USER},
    {"local0", LOG_LOCAL0}, {"local1", LOG_LOCAL1}, {"local2", LOG_LOCAL2}, {"local3", LOG_LOCAL3},
    {"local4", LOG_LOCAL4}, {"local5", LOG_LOCAL5}, {"local6", LOG_LOCAL6}, {"local7", LOG_LOCAL7},
    {NULL, 0}};
static const am_word engine[] = {
    {"own", AM_DKIM_OWN}, {"libopendkim", AM_DKIM_LIBOPENDKIM}, {NULL, 0}};
static const am_word body_length[] = {{"policy", 1}, {"pass", 0}, {NULL, 0}};
static const am_word org_domain[] = {{"tree-walk", 0}, {"psl", 1}, {NULL, 0}};
static const am_word reject_at[] = {
    {"mail", AM_STAGE_MAIL}, {"rcpt", AM_STAGE_RCPT}, {"end", AM_STAGE_END}, {NULL, 0}};
static const am_word mode[] = {{"enforce", 0}, {"monitor", 1}, {NULL, 0}};
static const am_word set_aside[] = {{"hold", 0}, {"header", 1}, {NULL, 0}};
static const am_word malformed[] = {{"permerror", AM_MALFORMED_PERMERROR},
    {"reject", AM_MALFORMED_REJECT}, {"quarantine", AM_MALFORMED_QUARANTINE}, {NULL, 0}};

#define AT(member) .offset = offsetof(am_conf, member)
#define TEXT(member, rule) AT(member), .parse = (rule)
#define NUMBER(member, from, to) AT(member), .parse = parse_number, .min = (from), .max = (to)
#define SECONDS(member, from, to) AT(member), .parse = parse_seconds, .min = (from), .max = (to)
#define OCTETS(member, from, to) AT(member), .parse = am_option_octets, .min = (from), .max = (to)
#define WORD(member, words) AT(member), .parse = parse_word, .word = (words)
#define BOOL(member, words) AT(member), .parse = parse_bool, .word = (words)
#define LIST(member, rule)                                                                         \
    .offset = offsetof(am_conf, member.n), .item = offsetof(am_conf, member.item),                 \
    .size = sizeof(((am_conf *)0)->member.item[0]), .parse = (rule)

#define KIB (double)(1 << 10)
#define MIB (double)(1 << 20)
#define GIB (double)(1 << 30)

static const char template_right[] =
    "printable ASCII, at most 300 octets, with %{domain} and the like where "
    "wanted, %% for the sign itself";
static const char field_right[] = "the name of a field that begins with X-";

const am_option am_option_table[] = {
    {"", "socket", "unix:/run/authmill/authmill.sock", TEXT(socket, parse_socket),
        .right = "unix:/PATH, inet:PORT@HOST, inet6:PORT@HOST or fd:N (N from 3)"},
    {"", "socket-mode", "0660", TEXT(socket_mode, parse_mode),
        .right = "permissions in octal, such as 0660"},
    {"", "socket-group", "", TEXT(socket_group, parse_name), .right = "the name of a group"},
    {"", "user", "", TEXT(user, parse_name), .right = "the name of a user"},
    {"", "pid-file", "", TEXT(pid_file, parse_file), .right = "a path that starts with /"},
    {"", "authserv-id", "", TEXT(authserv_id, parse_name),
        .right = "a name without spaces, of at most 253 octets"},
    {"", "receiver", "", TEXT(receiver, parse_name),
        .right = "a host name without spaces, of at most 253 octets"},
    {"", "local-networks", "{\"127.0.0.0/8\", \"::1/128\"}", LIST(local_networks, parse_net),
        .right = "addresses or networks, such as 192.0.2.0/24 or 2001:db8::/32"},
    {"", "trusted-relays", "{}", LIST(trusted_relays, parse_net),
        .right = "addresses or networks, such as 192.0.2.0/24 or 2001:db8::/32"},
    {"", "skip", "{}", LIST(skip, parse_class), .right = "authenticated, local or submission"},
    {"", "exempt", "{\"authenticated\", \"local\", \"submission\"}", LIST(exempt, parse_class),
        .right = "authenticated, local or submission"},
    {"", "on-fault", "tempfail", WORD(on_fault, action)},
    {"", "on-dns-failure", "accept", WORD(on_dns_failure, action)},
    {"", "drain", "30", SECONDS(drain_ms, 0, 600)},
    {"", "sandbox", "yes", BOOL(sandbox, yes_no)},
    {"log", "to", "syslog", WORD(log.to, log_to)},
    {"log", "facility", "mail", WORD(log.facility, facility)},
    {"log", "level", "info", WORD(log.level, level)},
    {"dns", "nameservers", "{}", LIST(dns.nameservers, parse_server),
        .right = "addresses of resolvers, as ADDR or ADDR@PORT"},
    {"dns", "zones", "{}", LIST(dns.zones, parse_listed_file),
        .right = "paths of zone files that start with /"},
    {"dns", "resolv-conf", "/etc/resolv.conf", TEXT(dns.resolv_conf, parse_listed_file),
        .right = "a path that starts with /"},
    {"dns", "timeout", "20", SECONDS(dns.timeout_ms, 0.001, 240)},
    {"dns", "try", "1.5", SECONDS(dns.try_ms, 0.05, 60)},
    {"dns", "cache", "16M", OCTETS(dns.cache, 64 * KIB, 4 * GIB)},
    {"dns", "max-ttl", "86400", NUMBER(dns.max_ttl, 1, 604800)},
    {"dns", "trust-ad", "no", BOOL(dns.trust_ad, yes_no)},
    {"dns", "prefetch", "yes", BOOL(dns.prefetch, yes_no)},
    {"spf", "max-terms", "10", NUMBER(spf.max_terms, 1, 100)},
    {"spf", "max-void", "2", NUMBER(spf.max_void, 1, 100)},
    {"spf", "max-names", "10", NUMBER(spf.max_names, 1, 100)},
    {"spf", "max-questions", "64", NUMBER(spf.max_questions, 10, 1000)},
    {"spf", "reject-at", "end", WORD(spf.reject_at, reject_at)},
    {"dkim", "engine", "own", WORD(dkim.engine, engine)},
    {"dkim", "max-signatures", "10", NUMBER(dkim.max_signatures, 1, 100)},
    {"dkim", "body-length", "policy", BOOL(dkim.body_length_policy, body_length)},
    {"dkim", "min-rsa-bits", "1024", NUMBER(dkim.min_rsa_bits, 1024, 16384)},
    {"dkim", "max-rsa-bits", "4096", NUMBER(dkim.max_rsa_bits, 1024, 16384)},
    {"dkim", "clock-drift", "300", NUMBER(dkim.clock_drift, 0, 86400)},
    {"arc", "trusted-sealers", "{}", LIST(arc.trusted_sealers, parse_sealer),
        .right = "domains such as example.org, .example.org for all below it, or file:/PATH"},
    {"arc", "max-sets", "50", NUMBER(arc.max_sets, 1, AM_ARC_MAX)},
    {"dmarc", "enforce", "no", BOOL(dmarc.enforce, yes_no)},
    {"dmarc", "org-domain", "tree-walk", BOOL(dmarc.use_psl, org_domain)},
    {"dmarc", "psl", "", TEXT(dmarc.psl_file, parse_file), .right = "a path that starts with /"},
    {"dmarc", "max-walks", "12", NUMBER(dmarc.max_walks, 1, 100)},
    {"dmarc", "malformed-from", "", WORD(dmarc.malformed_from, malformed)},
    {"dmarc", "reject-text", "Email rejected per DMARC policy for %{domain}",
        TEXT(dmarc.text, parse_template), .right = template_right},
    {"policy", "mode", "enforce", BOOL(policy.monitor, mode)},
    {"policy", "shadow", "", TEXT(policy.shadow_file, parse_file),
        .right = "a path that starts with /"},
    {"policy", "quarantine", "hold", BOOL(policy.by_field, set_aside)},
    {"policy", "quarantine-field", "X-Authmill-Quarantine",
        TEXT(policy.quarantine_field, parse_field_name), .right = field_right},
    {"policy", "note-field", "X-Authmill-Note", TEXT(policy.note_field, parse_field_name),
        .right = field_right},
    {"policy", "url", "", TEXT(policy.url, parse_url),
        .right =
            "http://... or https://... without spaces, with %{domain} and the like where wanted"},
    {"limits", "header-octets", "8M", OCTETS(limits.header_octets, 64 * KIB, 64 * MIB)},
    {"limits", "fields", "10000", NUMBER(limits.fields, 100, 100000)},
    {"limits", "memory", "64M", OCTETS(limits.memory, 1 * MIB, 2 * GIB)},
    {"limits", "memory-total", "1G", OCTETS(limits.memory_total, 16 * MIB, 1024 * GIB)},
    {"limits", "dns-questions", "150", NUMBER(limits.dns_questions, 10, 10000)},
    {"limits", "sessions", "10000", NUMBER(limits.sessions, 1, AM_CONF_SESSIONS_MAX)},
    {"limits", "sessions-per-client", "100",
        NUMBER(limits.client_sessions, 0, AM_CONF_SESSIONS_MAX)},
    {"limits", "recipients", "1000", NUMBER(limits.recipients, 1, 100000)},
    {"limits", "silence", "7200", NUMBER(limits.silence, 10, 86400)},
    {"decision-log", "path", "", TEXT(decision_log.path, parse_file),
        .right = "a path that starts with /"},
    {"decision-log", "journal", "no", BOOL(decision_log.journal, yes_no)},
    {"authres", "full-sender", "no", BOOL(authres.full_sender, yes_no)},
    {"authres", "dnssec", "no", BOOL(authres.dnssec, yes_no)},
    {"authres", "keep-relayed", "no", BOOL(authres.keep_relayed, yes_no)},
    {"methods", "helo", "no", BOOL(methods.helo, yes_no)},
    {"methods", "tls", "no", BOOL(methods.tls, yes_no)},
    {"methods", "trail", "no", BOOL(methods.trail, yes_no)},
    {"methods", "sender-id", "no", BOOL(methods.sender_id, yes_no)},
    {"methods", "login-map", "", TEXT(methods.login_map_file, parse_file),
        .right = "a path that starts with /"},
    {"methods", "trust-auth-parameter", "no", BOOL(methods.trust_auth_parameter, yes_no)},
};
const size_t am_option_count = sizeof am_option_table / sizeof *am_option_table;

const am_option *am_option_find(const char *section, const char *name)
{
    for (size_t i = 0; i < am_option_count; i++)
        if (strcmp(am_option_table[i].section, section) == 0 &&
            strcmp(am_option_table[i].name, name) == 0)
            return &am_option_table[i];
    return NULL;
}

bool am_option_section(const char *name)
{
    for (size_t i = 0; i < am_option_count; i++)
        if (*name && strcmp(am_option_table[i].section, name) == 0)
            return true;
    return false;
}

/* How many letters must be put in, taken out or changed (Levenshtein); long words are far. */
unsigned am_option_distance(const char *a, const char *b)
{
    enum { LONG = 24 };
    unsigned row[LONG + 1];
    size_t n = strlen(a), m = strlen(b);
    if (n > LONG || m > LONG)
        return LONG;
    for (size_t j = 0; j <= m; j++)
        row[j] = (unsigned)j;
    for (size_t i = 1; i <= n; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= m; j++) {
            unsigned best = diagonal + (am_lower(a[i - 1]) != am_lower(b[j - 1]));
            diagonal = row[j];
            if (best > row[j] + 1)
                best = row[j] + 1;
            if (best > row[j - 1] + 1)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[m];
}

const char *am_option_nearest(const char *section, const char *wrong, const char **where)
{
    const char *found = NULL;
    size_t n = strlen(wrong);
    for (size_t i = 0; i < am_option_count; i++) { /* dmarc.enforce, as messages have it */
        const am_option *o = &am_option_table[i];
        size_t dot = strlen(o->section);
        if (dot && dot < n && wrong[dot] == '.' && strncmp(wrong, o->section, dot) == 0 &&
            strcmp(wrong + dot + 1, o->name) == 0) {
            *where = o->section;
            return o->name;
        }
    }
    /* Two points a letter, one for another section: as much as this is not near. */
    unsigned best = n < 4 ? 4 : n < 8 ? 6 : 8;
    for (size_t i = 0; i < am_option_count; i++) {
        const am_option *o = &am_option_table[i];
        unsigned score =
            2 * am_option_distance(wrong, o->name) + (strcmp(o->section, section) != 0);
        if (score < best) {
            best = score;
            found = o->name;
            *where = o->section;
        }
        if (*section == '\0' && *o->section && 2 * am_option_distance(wrong, o->section) < best) {
            best = 2 * am_option_distance(wrong, o->section);
            found = o->section;
            *where = "";
        }
    }
    return found;
}

const char *am_option_right(const am_option *o, char *text, size_t size)
{
    am_error words;
    size_t n = 0;
    if (o->right) {
        snprintf(text, size, "%s", o->right);
    } else if (o->word) {
        for (const am_word *w = o->word; w->word && n + 32 < sizeof words.text; w++)
            n += (size_t)snprintf(words.text + n, sizeof words.text - n, "%s%s",
                n == 0      ? ""
                : w[1].word ? ", "
                            : " or ",
                w->word);
        snprintf(text, size, "%s", words.text);
    } else if (o->parse == am_option_octets) {
        snprintf(text, size, "octets from %.0fK to %.0fM, such as 64M", o->min / KIB, o->max / MIB);
    } else {
        snprintf(text, size, "%s from %g to %.0f",
            o->parse == parse_seconds ? "seconds" : "a number", o->min, o->max);
    }
    return text;
}
