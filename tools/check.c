/*
 * check: judges one message without an MTA: `authmill check`.
 *
 * For: people who ask "why", scripts, and the test suites. Waits: for the DNS,
 * as long as --dns-timeout allows. Memory: one message. Exit status: 0 whatever
 * the verdict is; otherwise sysexits.h.
 */
#include "config.h"

#include "tools/eml.h"
#include "tools/judge.h"
#include "tools/json.h"
#include "tools/show.h"
#include "tools/text.h"
#include "tools/tools.h"

#include "milter/policy.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { HELP_SHOWN = -1 };

typedef enum format { FORMAT_HEADER, FORMAT_TEXT, FORMAT_JSON } format;

typedef struct request {
    const char *helo, *mail_from, *login, *message;
    const char *receiver, *authserv_id, *org_domain, *psl, *config; /* NULL: not given */
    am_judge_list nameservers, zones, rcpts;
    bool spf_only, explain;
    format format;
    am_ip address;
    unsigned wait_ms;
    int64_t now;
} request;

static bool seconds(const char *text, unsigned *ms)
{
    char *end;
    errno = 0;
    double v = strtod(text, &end);
    if (errno || end == text || *end || !isfinite(v) || v < 0.001 || v > 3600)
        return false;
    *ms = (unsigned)(v * 1000);
    return true;
}

/* One function an option: false where the value is none. */
static bool take_ip(request *r, const char *v)
{
    return am_ip_parse(am_str_of(v), &r->address);
}

static bool take_helo(request *r, const char *v)
{
    r->helo = v;
    return true;
}

static bool take_mail_from(request *r, const char *v)
{
    r->mail_from = v;
    return true;
}

static bool take_rcpt(request *r, const char *v)
{
    return am_judge_append(&r->rcpts, v);
}

static bool take_auth(request *r, const char *v)
{
    r->login = v;
    return true;
}

static bool take_receiver(request *r, const char *v)
{
    r->receiver = v;
    return *v != '\0';
}

static bool take_authserv_id(request *r, const char *v)
{
    r->authserv_id = v;
    return *v != '\0';
}

static bool take_nameserver(request *r, const char *v)
{
    return am_judge_append(&r->nameservers, v);
}

static bool take_zone(request *r, const char *v)
{
    return am_judge_append(&r->zones, v);
}

static bool take_dns_timeout(request *r, const char *v)
{
    return seconds(v, &r->wait_ms);
}

static bool take_time(request *r, const char *v)
{
    uint64_t t;
    if (!am_str_number(am_str_of(v), 12, &t) || t == 0)
        return false;
    r->now = (int64_t)t;
    return true;
}

static bool take_org_domain(request *r, const char *v)
{
    r->org_domain = v;
    return strcmp(v, "psl") == 0 || strcmp(v, "tree-walk") == 0;
}

static bool take_psl(request *r, const char *v)
{
    r->psl = v;
    return true;
}

static bool take_spf_only(request *r, const char *v)
{
    (void)v;
    return r->spf_only = true;
}

static bool take_config(request *r, const char *v)
{
    r->config = v;
    return true;
}

static bool take_format(request *r, const char *v)
{
    static const char *const word[] = {"header", "text", "json"};
    for (unsigned i = 0; i < 3; i++)
        if (strcmp(v, word[i]) == 0) {
            r->format = (format)i;
            return true;
        }
    return false;
}

static bool take_explain(request *r, const char *v)
{
    (void)v;
    return r->explain = true;
}

static const struct {
    const char *name;
    int argument;
    bool (*take)(request *r, const char *value);
    const char *right; /* what would be right */
} options[] = {
    {"ip", required_argument, take_ip, "an IPv4 or IPv6 address"},
    {"helo", required_argument, take_helo, NULL},
    {"mail-from", required_argument, take_mail_from, NULL},
    {"rcpt", required_argument, take_rcpt, "at most 32 of them"},
    {"auth", required_argument, take_auth, NULL},
    {"receiver", required_argument, take_receiver, "a host name"},
    {"authserv-id", required_argument, take_authserv_id, "a name"},
    {"nameserver", required_argument, take_nameserver, "at most 32 of them"},
    {"zone", required_argument, take_zone, "at most 32 of them"},
    {"dns-timeout", required_argument, take_dns_timeout, "0.001 to 3600 seconds"},
    {"time", required_argument, take_time, "seconds since 1970"},
    {"org-domain", required_argument, take_org_domain, "tree-walk or psl"},
    {"psl", required_argument, take_psl, NULL},
    {"spf-only", no_argument, take_spf_only, NULL},
    {"config", required_argument, take_config, NULL},
    {"format", required_argument, take_format, "header, text or json"},
    {"explain", no_argument, take_explain, NULL},
};

enum { OPTIONS = sizeof options / sizeof *options };

static int parse_options(request *r, int argc, char **argv)
{
    struct option list[OPTIONS + 2] = {{"help", no_argument, NULL, 'h'}};
    for (int i = 0; i < OPTIONS; i++)
        list[i + 1] = (struct option){options[i].name, options[i].argument, NULL, 256 + i};
    optind = 0;
    for (int o; (o = getopt_long(argc, argv, "h", list, NULL)) != -1;) {
        if (o == 'h') {
            fputs(am_tool_check.usage, stdout);
            return HELP_SHOWN;
        }
        if (o == '?')
            return EX_USAGE; /* getopt has said what is wrong */
        if (!options[o - 256].take(r, optarg))
            return am_tool_fail(&am_tool_check, EX_USAGE, "--%s '%s': wanted %s",
                options[o - 256].name, optarg, options[o - 256].right);
    }
    return EX_OK;
}

static int parse(request *r, int argc, char **argv)
{
    int status = parse_options(r, argc, argv);
    if (status != EX_OK)
        return status;
    if (argc - optind > 1)
        return am_tool_fail(&am_tool_check, EX_USAGE, "one message at a time");
    if (r->spf_only && optind < argc)
        return am_tool_fail(&am_tool_check, EX_USAGE, "--spf-only reads no message");
    if (r->zones.n && r->nameservers.n)
        return am_tool_fail(
            &am_tool_check, EX_USAGE, "--zone asks nobody: no --nameserver with it");
    if (r->spf_only && !r->address.family)
        return am_tool_fail(&am_tool_check, EX_USAGE, "--spf-only needs --ip");
    r->message = optind < argc ? argv[optind] : "-";
    return EX_OK;
}

/* What the message is judged with; made from the request and, where given, the configuration. */
typedef struct setting {
    am_dns *dns;
    am_psl *psl;
    am_conf *conf;
    bool judged; /* a configuration was given: its policy counts */
    am_options options;
    const char *authserv_id;
} setting;

static void feed_envelope(am_message *m, const request *r)
{
    if (r->address.family)
        am_message_client(m, &r->address);
    if (r->helo)
        am_message_helo(m, am_str_of(r->helo));
    am_message_sender(m, am_str_of(r->mail_from ? r->mail_from : ""));
    am_login login = {.user = am_str_of(r->login)};
    if (login.user.n)
        am_message_login(m, &login);
}

/* The Organizational Domain's way: --org-domain, else psl where a list is named, else the
 * configuration's. */
static int set_org_domain(const request *r, setting *s)
{
    am_error why;
    if (!r->org_domain && !r->psl)
        return EX_OK;
    s->options.dmarc.psl = NULL;
    if (r->org_domain && strcmp(r->org_domain, "psl") != 0)
        return EX_OK;
    s->psl = am_psl_load(r->psl, &why);
    if (!s->psl)
        return am_tool_fail(&am_tool_check, EX_NOINPUT, "%s", why.text);
    s->options.dmarc.psl = s->psl;
    return EX_OK;
}

/* What the configuration says; without one: the defaults that the daemon has too. */
static int set_configuration(const request *r, setting *s)
{
    am_error why;
    s->conf = r->config ? am_conf_load(r->config, &why) : am_conf_defaults(&why);
    if (!s->conf)
        return am_tool_fail(&am_tool_check, EX_CONFIG, "%s", why.text);
    am_conf_options(s->conf, &s->options);
    s->authserv_id = s->conf->authserv_id;
    s->judged = r->config != NULL;
    return EX_OK;
}

static int make_setting(const request *r, setting *s)
{
    am_error why;
    int status = set_configuration(r, s);
    if (status == EX_OK)
        status = set_org_domain(r, s);
    if (status != EX_OK)
        return status;
    if (r->receiver)
        s->options.receiver = r->receiver;
    if (r->authserv_id)
        s->authserv_id = r->authserv_id;
    if (r->wait_ms)
        s->options.dns.wait_ms = r->wait_ms;
    s->options.explain = r->explain;
    s->options.now = r->now;
    if (!s->judged || r->zones.n || r->nameservers.n)
        return am_judge_dns(&am_tool_check, &r->zones, &r->nameservers, &s->dns);
    s->dns = am_conf_dns(s->conf, &why);
    return s->dns ? EX_OK : am_tool_fail(&am_tool_check, EX_CONFIG, "%s", why.text);
}

static void free_setting(setting *s)
{
    am_dns_free(s->dns);
    am_psl_free(s->psl);
    am_conf_free(s->conf);
}

/* What rules see besides the evidence, as the milter would have it. */
static am_facts facts_of(am_message *m, const request *r, const am_eml *eml)
{
    am_arena *a = am_message_arena(m);
    am_mailbox *rcpt = am_arena_array(a, r->rcpts.n + 1, sizeof *rcpt);
    am_facts f = {.stage = AM_STAGE_END,
        .can_quarantine = true,
        .rcpt = rcpt,
        .rcpts = rcpt ? r->rcpts.n : 0,
        .now = r->now ? r->now : time(NULL)};
    for (size_t i = 0; i < f.rcpts; i++)
        if (!am_path_parse(a, am_str_of(r->rcpts.item[i]), &rcpt[i]))
            rcpt[i] = (am_mailbox){.local = am_str_of(r->rcpts.item[i])};
    for (size_t i = 0; eml && i < eml->header.n; i++)
        f.octets += eml->header.field[i].raw.n + 2;
    f.octets += eml ? eml->body.n : 0;
    f.hides = eml && am_judge_hides(m, eml);
    am_facts_of_header(a, am_message_header(m), &f);
    return f;
}

/* Without a configuration nothing is refused, and the disposition is what the domain asks for. */
static am_decision decide(
    const setting *s, const am_evidence *e, const am_facts *f, am_results_options *ro)
{
    if (!s->judged) {
        am_decision d = am_policy_accept("");
        d.disposition = am_dmarc_policy_word(e->dmarc.requested);
        return d;
    }
    am_decision d = am_judge_decide(s->conf, e, f);
    am_judge_tell_rule(ro, &d);
    return d;
}

static void print_header(am_str value)
{
    fputs("Authentication-Results: ", stdout);
    fwrite(value.p, 1, value.n, stdout);
    fputc('\n', stdout);
}

static json_t *object(am_arena *a, const request *r, const am_evidence *e,
    const am_results_options *ro, const am_decision *d)
{
    am_json_outcome o = {am_action_word(d->action), d->disposition, am_judge_field(a, e, ro)};
    json_t *json = o.authres.p ? am_json_evidence(e, &o, r->explain) : NULL;
    if (json && r->config)
        am_judge_tell_why(json, a, d);
    return json;
}

static int print(am_arena *a, const request *r, const am_evidence *e, const am_results_options *ro,
    const am_decision *d)
{
    am_authres results = am_results(a, e, ro);
    am_str value = am_authres_write(a, &results, "\n", sizeof "Authentication-Results: " - 1);
    if (!value.p || am_arena_failed(a))
        return am_tool_fail(&am_tool_check, EX_SOFTWARE, "out of memory");
    if (r->format == FORMAT_HEADER) {
        print_header(value);
    } else if (r->format == FORMAT_TEXT) {
        am_text_evidence(stdout, e, d, r->explain, am_show_colour());
    } else {
        json_t *json = object(a, r, e, ro, d);
        if (!json)
            return am_tool_fail(&am_tool_check, EX_SOFTWARE, "out of memory");
        /* Main sees what was not written. */
        (void)json_dumpf(json, stdout, JSON_INDENT(1) | JSON_ENSURE_ASCII);
        fputc('\n', stdout);
        json_decref(json);
    }
    return EX_OK;
}

static int judge(const request *r, const setting *s, const am_eml *eml)
{
    am_message *m = am_message_new(s->dns, &s->options);
    if (!m)
        return am_tool_fail(&am_tool_check, EX_SOFTWARE, "out of memory");
    feed_envelope(m, r);
    if (eml)
        am_judge_feed(m, eml);
    const am_evidence *e = am_message_finish(m);
    am_results_options ro = am_judge_results(s->conf, s->authserv_id);
    am_facts f = facts_of(m, r, eml);
    am_decision d = decide(s, e, &f, &ro);
    int status = print(am_message_arena(m), r, e, &ro, &d);
    if (e->fault && status == EX_OK)
        status = am_tool_fail(&am_tool_check, EX_SOFTWARE, "%s", e->fault);
    am_message_free(m);
    return status;
}

static int am_check_run(int argc, char **argv)
{
    request r = {0};
    setting s = {0};
    am_error why;
    am_eml eml;
    int status = parse(&r, argc, argv);
    if (status == HELP_SHOWN)
        return EX_OK;
    am_arena *a = status == EX_OK ? am_arena_new(0) : NULL;
    if (!a)
        return status == EX_OK ? am_tool_fail(&am_tool_check, EX_SOFTWARE, "out of memory")
                               : status;
    if (!r.spf_only && (status = am_eml_read(a, r.message, &eml, &why)) != EX_OK)
        am_tool_fail(&am_tool_check, status, "%s", why.text);
    else if ((status = make_setting(&r, &s)) == EX_OK)
        status = judge(&r, &s, r.spf_only ? NULL : &eml);
    free_setting(&s);
    am_arena_free(a);
    return status;
}

static const char usage[] =
    "usage: authmill check [options] [MESSAGE.eml | -]\n"
    "       authmill check --spf-only --ip ADDR [options]\n"
    "\n"
    "Judges one message as the milter would, without an MTA.\n"
    "\n"
    "envelope\n"
    "  --ip ADDR              address of the SMTP client; without it: no SPF, no iprev, and\n"
    "                         nothing is enforced (it counts as submitted on this host)\n"
    "  --helo NAME            what it said in HELO or EHLO\n"
    "  --mail-from ADDR       the reverse-path; '' and '<>' are the null sender, as is none\n"
    "  --rcpt ADDR            a recipient (may be repeated)\n"
    "  --auth USER            the client had authenticated as USER\n"
    "this host\n"
    "  --receiver NAME        its name; default: the host's\n"
    "  --authserv-id ID       the id in Authentication-Results; default: the host's name\n"
    "  --config FILE          what is not given here, as the daemon's configuration has it\n"
    "DNS\n"
    "  --nameserver ADDR[@PORT]  ask this resolver (may be repeated); default: resolv.conf\n"
    "  --zone FILE            ask nobody: answer from an RFC 1035 master file (may be repeated)\n"
    "  --dns-timeout SECONDS  for all look-ups of the message together; default: 20\n"
    "judgement\n"
    "  --time EPOCH           the present moment, for x= and t= of signatures\n"
    "  --org-domain HOW       tree-walk (RFC 9989; default) or psl (RFC 7489)\n"
    "  --psl FILE             psl, by this list; default: the system's\n"
    "  --spf-only             read no message: SPF and iprev alone\n"
    "output\n"
    "  --format HOW           header (default), text or json\n"
    "  --explain              with text or json: every look-up and decision, with its RFC section\n"
    "\n"
    "examples\n"
    "  authmill check --ip 192.0.2.1 --helo mx.example.org --mail-from a@example.org mail.eml\n"
    "  authmill check --format text --explain < mail.eml\n"
    "  authmill check --spf-only --ip 192.0.2.1 --mail-from a@example.org --format json\n";

const am_tool am_tool_check = {"check", "judge one message without an MTA", usage, am_check_run};
