/*
 * replay: runs kept mail through one or two configurations: `authmill replay`.
 *
 * For: administrators who change a configuration and want to see first what it would do. Waits:
 * for files and the DNS (records of a decision log bring their answers along). Memory: a message at
 * a time, once for each configuration. Exit status: 0 whatever is decided; 65 where nothing could
 * be read; otherwise sysexits.h.
 */
#include "config.h"

#include "tools/envelope.h"
#include "tools/judge.h"
#include "tools/json.h"
#include "tools/kept.h"
#include "tools/report.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { HELP_SHOWN = -1, MAX_CONFIGS = 2 };

/* One configuration, and what is needed to judge by it. */
typedef struct column {
    am_judge judge;
    am_options options, again; /* again: for records */
    am_dns *dns;               /* the configuration's own; NULL: not needed yet */
} column;

typedef struct request {
    am_judge_list configs, zones, nameservers;
    bool json, differences;
    am_ip ip; /* client of mail that tells of none */
    int64_t now;
    column column[MAX_CONFIGS];
    size_t columns;
    am_dns *dns; /* of --zone and --nameserver; NULL: neither */
    am_report report;
    int status;
} request;

/* The backend for this message by this configuration; NULL: what is wrong is said. */
static am_dns *dns_for(request *q, column *c, am_dns *recorded)
{
    am_error why;
    if (q->dns || recorded)
        return q->dns ? q->dns : recorded;
    if (!c->dns && !(c->dns = am_conf_dns(c->judge.conf, &why)))
        q->status = am_tool_fail(&am_tool_replay, EX_CONFIG, "%s", why.text);
    return c->dns;
}

static void feed(am_message *m, const am_kept *k, const am_eml *eml, const am_envelope *env)
{
    if (k->record) {
        am_record_feed(k->record, m);
        return;
    }
    am_envelope_feed(m, env);
    am_judge_feed(m, eml);
}

/* What the messages of one kept item are judged from. */
typedef struct item {
    const am_kept *kept;
    const am_eml *eml; /* NULL: a record */
    am_envelope envelope;
    am_dns *recorded; /* a record's own answers, or NULL */
    am_facts facts;
    am_mailbox rcpt;
    int64_t now;
} item;

/* One message by one configuration. False: out of memory, or no DNS. */
static bool judge(request *q, column *c, const item *t, am_reported *out)
{
    am_dns *dns = dns_for(q, c, t->recorded);
    if (!dns)
        return false;
    am_options *o = t->kept->record ? &c->again : &c->options;
    o->now = t->now;
    out->message = am_message_new(dns, o);
    if (!out->message)
        return false;
    feed(out->message, t->kept, t->eml, &t->envelope);
    out->evidence = t->kept->record ? am_record_finish(t->kept->record, out->message)
                                    : am_message_finish(out->message);
    am_facts f = t->facts;
    f.hides = t->kept->record ? f.hides : am_judge_hides(out->message, t->eml);
    out->decision = am_judge_decide(c->judge.conf, out->evidence, &f);
    out->lacks = am_policy_lacks(c->judge.conf, &f);
    am_results_options ro = am_judge_results(c->judge.conf, q->column[0].judge.conf->authserv_id);
    am_judge_tell_rule(&ro, &out->decision);
    out->field = am_judge_field(am_message_arena(out->message), out->evidence, &ro);
    return out->field.p != NULL;
}

/* What was decided when the record was made, as if a configuration had. */
static am_reported as_recorded(const request *q, am_arena *a, const am_record *r)
{
    const am_conf *c = q->column[0].judge.conf;
    am_results_options ro = am_judge_results(c, c->authserv_id);
    am_judge_tell_rule(&ro, &r->decision);
    am_reported x = {.evidence = r->evidence, .decision = r->decision};
    if (r->evidence)
        x.field = am_judge_field(a, r->evidence, &ro);
    return x;
}

static void judge_item(request *q, am_arena *a, const item *t)
{
    am_reported by[MAX_CONFIGS + 1] = {{.message = NULL}};
    const am_record *r = t->kept->record;
    size_t n = 0;
    bool good = true;
    if (r && q->columns == 1)
        by[n++] = as_recorded(q, a, r);
    for (size_t i = 0; good && i < q->columns; i++)
        good = judge(q, &q->column[i], t, &by[n++]);
    if (good)
        am_report_message(&q->report, a, t->kept, by, n);
    else if (q->status == EX_OK)
        q->status = am_tool_fail(&am_tool_replay, EX_SOFTWARE, "out of memory");
    for (size_t i = 0; i < n; i++)
        am_message_free(by[i].message);
}

static void judge_record(request *q, am_arena *a, item *t)
{
    am_error why;
    const am_record *r = t->kept->record;
    if (!r->evidence || (r->cut && !r->lookups)) {
        am_report_wrong(&q->report, t->kept->name, "too little was recorded");
        return;
    }
    t->facts = r->facts;
    t->now = q->now ? q->now : r->evidence->now;
    t->recorded = am_record_dns(r, &why);
    if (t->recorded)
        judge_item(q, a, t);
    else
        q->status = am_tool_fail(&am_tool_replay, EX_SOFTWARE, "%s", why.text);
    am_dns_free(t->recorded);
}

/* What rules may ask for besides: recipient, size, list mail. */
static void set_facts(am_arena *a, item *t)
{
    const am_eml *eml = t->eml;
    t->facts = (am_facts){.stage = AM_STAGE_END,
        .can_quarantine = true,
        .rcpt = &t->rcpt,
        .octets = eml->body.n,
        .now = t->now ? t->now : time(NULL)};
    t->facts.rcpts = t->envelope.rcpt.n && am_path_parse(a, t->envelope.rcpt, &t->rcpt);
    for (size_t i = 0; i < eml->header.n; i++)
        t->facts.octets += eml->header.field[i].raw.n + 2;
    am_facts_of_header(a, &eml->header, &t->facts);
}

static void judge_mail(request *q, am_arena *a, item *t)
{
    am_eml eml;
    am_error why;
    const am_conf_nets *local = &q->column[0].judge.conf->local_networks;
    if (am_eml_parse(a, t->kept->octets, &eml, &why) != EX_OK) {
        am_report_wrong(&q->report, t->kept->name, why.text);
        return;
    }
    t->eml = &eml;
    t->envelope = am_envelope_of(&eml.header, local->item, local->n);
    if (!t->envelope.client.family)
        t->envelope.client = q->ip;
    t->now = q->now ? q->now : t->envelope.time;
    set_facts(a, t);
    judge_item(q, a, t);
}

static bool take(void *with, const am_kept *kept)
{
    request *q = with;
    am_arena *a = am_arena_new(0);
    item t = {.kept = kept};
    if (!a)
        q->status = am_tool_fail(&am_tool_replay, EX_SOFTWARE, "out of memory");
    else if (kept->record)
        judge_record(q, a, &t);
    else
        judge_mail(q, a, &t);
    am_arena_free(a);
    return q->status == EX_OK;
}

static void wrong(void *with, const char *name, const char *why)
{
    am_report_wrong(&((request *)with)->report, name, why);
}

static void progress(void *with, uint64_t done, uint64_t of)
{
    am_report_progress(&((request *)with)->report, done, of);
}

static int read_sources(request *q, char **source, int n)
{
    am_error why;
    am_kept_reader r = {q, take, wrong, progress};
    const char *name[MAX_CONFIGS];
    for (size_t i = 0; i < q->columns; i++)
        name[i] = q->column[i].judge.file ? q->column[i].judge.file : "built-in defaults";
    am_report_begin(&q->report, name, q->columns, q->json, q->differences);
    for (int i = 0; i < n && q->status == EX_OK; i++) {
        int status = am_kept_read(source[i], &r, &why);
        if (status != EX_OK)
            q->status = am_tool_fail(&am_tool_replay, status, "%s", why.text);
    }
    am_report_end(&q->report);
    if (q->status == EX_OK && q->report.messages == 0)
        q->status = am_tool_fail(&am_tool_replay, EX_DATAERR, "no message could be read");
    return q->status;
}

/* ---- Options ---- */

static const char usage[] =
    "usage: authmill replay [options] SOURCE ...\n"
    "\n"
    "Runs kept mail through one or two configurations, and prints what each would do and where "
    "they\n"
    "differ. SOURCE is a folder of messages (or a Maildir), an mbox, a decision log, or a "
    "message;\n"
    "'-' is standard input. A decision log through one configuration is compared with what was\n"
    "decided then.\n"
    "\n"
    "  --config FILE             a configuration; twice: compare; default: the daemon's\n"
    "  --zone FILE               ask nobody: answer from a master file (may be repeated)\n"
    "  --nameserver ADDR[@PORT]  ask this resolver (may be repeated)\n"
    "                            default: a record's own answers; the configuration's DNS\n"
    "  --ip ADDR                 the client of mail whose Received fields tell of none; default: "
    "it\n"
    "                            counts as submitted on this host\n"
    "  --time EPOCH              the present moment; default: when the message came\n"
    "  --differences             only messages that are decided otherwise or have other results\n"
    "  --format HOW              text (default) or json\n"
    "\n"
    "examples\n"
    "  authmill replay --config authmill.conf --config new.conf ~/Maildir\n"
    "  authmill replay --config new.conf --differences /var/log/authmill/decisions\n";

static bool take_time(request *q, const char *v)
{
    uint64_t t;
    bool good = am_str_number(am_str_of(v), 12, &t) && t > 0;
    q->now = good ? (int64_t)t : 0;
    return good;
}

static bool take_format(request *q, const char *v)
{
    q->json = strcmp(v, "json") == 0;
    return q->json || strcmp(v, "text") == 0;
}

static bool take_config(request *q, const char *v)
{
    return q->configs.n < MAX_CONFIGS && am_judge_append(&q->configs, v);
}

static bool take_option(request *q, int option, const char *value)
{
    switch (option) {
    case 'c':
        return take_config(q, value);
    case 'z':
        return am_judge_append(&q->zones, value);
    case 'n':
        return am_judge_append(&q->nameservers, value);
    case 'i':
        return am_ip_parse(am_str_of(value), &q->ip);
    case 't':
        return take_time(q, value);
    case 'f':
        return take_format(q, value);
    default:
        return q->differences = true;
    }
}

static int parse(request *q, int argc, char **argv)
{
    static const struct option list[] = {{"help", no_argument, NULL, 'h'},
        {"config", required_argument, NULL, 'c'}, {"zone", required_argument, NULL, 'z'},
        {"nameserver", required_argument, NULL, 'n'}, {"ip", required_argument, NULL, 'i'},
        {"time", required_argument, NULL, 't'}, {"differences", no_argument, NULL, 'd'},
        {"format", required_argument, NULL, 'f'}, {NULL, 0, NULL, 0}};
    int at;
    optind = 0;
    for (int o; (o = getopt_long(argc, argv, "h", list, &at)) != -1;) {
        if (o == 'h') {
            fputs(usage, stdout);
            return HELP_SHOWN;
        }
        if (o == '?')
            return EX_USAGE; /* getopt has said what is wrong */
        if (!take_option(q, o, optarg))
            return am_tool_fail(&am_tool_replay, EX_USAGE,
                "--%s '%s' is one too many, or not right", list[at].name, optarg);
    }
    if (optind == argc)
        return am_tool_fail(&am_tool_replay, EX_USAGE, "what is to be replayed?");
    if (q->zones.n && q->nameservers.n)
        return am_tool_fail(
            &am_tool_replay, EX_USAGE, "--zone asks nobody: no --nameserver with it");
    return EX_OK;
}

static int load(request *q)
{
    int status = EX_OK;
    if (q->zones.n || q->nameservers.n)
        status = am_judge_dns(&am_tool_replay, &q->zones, &q->nameservers, &q->dns);
    q->columns = q->configs.n ? q->configs.n : 1;
    for (size_t i = 0; i < q->columns && status == EX_OK; i++) {
        status = am_judge_load(
            &am_tool_replay, q->configs.n ? q->configs.item[i] : NULL, &q->column[i].judge);
        if (status != EX_OK)
            break;
        am_conf_options(q->column[i].judge.conf, &q->column[i].options);
        q->column[i].again = q->column[i].options;
        am_record_unbound(&q->column[i].again);
    }
    return status;
}

static int run(int argc, char **argv)
{
    request q = {.status = EX_OK};
    int status = parse(&q, argc, argv);
    if (status == HELP_SHOWN)
        return EX_OK;
    if (status == EX_OK)
        status = load(&q);
    if (status == EX_OK)
        status = read_sources(&q, argv + optind, argc - optind);
    for (size_t i = 0; i < MAX_CONFIGS; i++) {
        am_dns_free(q.column[i].dns);
        am_judge_free(&q.column[i].judge);
    }
    am_dns_free(q.dns);
    return status;
}

const am_tool am_tool_replay = {
    "replay", "run kept mail through one or two configurations", usage, run};
