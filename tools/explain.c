/*
 * explain: repeats a decision from the decision log, without the network: `authmill explain`.
 *
 * For: people who ask, days later, why a message was refused. SPF, iprev and DMARC are computed
 * again from the recorded look-ups and the recorded verdicts of DKIM and ARC, policy by the
 * configuration of today or another one; where that is not what was recorded, it is said. Waits:
 * for the file alone. Memory: a line of the log, and one message. Exit status: 0 whatever the
 * verdicts are; otherwise sysexits.h.
 */
#include "config.h"

#include "tools/again.h"
#include "tools/judge.h"
#include "tools/show.h"
#include "tools/text.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HELP_SHOWN = -1 };

typedef struct request {
    const char *id, *log, *config;
    bool json, all;
    am_judge judge;
    bool judged; /* there is a configuration: the decision is computed again too */
} request;

/* ---- One record ---- */

/* Did the second computation ask for it too? Keys of DKIM and ARC are not asked for again. */
static bool asked(const am_dns_lookup *list, size_t n, const am_dns_lookup *l)
{
    for (size_t i = 0; i < n; i++)
        if (list[i].type == l->type && am_str_ieq(list[i].name, l->name))
            return true;
    return false;
}

static void text_head(const am_record *r)
{
    const am_evidence *e = r->evidence;
    char ip[AM_IP_TEXT];
    fputs("record       ", stdout);
    am_show(stdout, r->id);
    fputs(", ", stdout);
    am_show(stdout, r->time);
    printf(", took %.1f ms\n", (double)r->took_us / 1000);
    if (!e)
        return;
    printf("client       %s", e->ip.family ? am_ip_text(&e->ip, ip) : "local");
    if (e->has_helo) {
        fputs(", helo ", stdout);
        am_show(stdout, e->helo);
    }
    fputs(", from ", stdout);
    am_show(stdout, e->mail_from);
    printf(", %u recipient%s\n", r->rcpts, r->rcpts == 1 ? "" : "s");
}

static void text_lacks(const am_policy_gaps *g)
{
    const char *before = "\nrules ask for what is not recorded (";
    for (size_t i = 0; i < AM_JUDGE_GAPS; i++)
        if (am_judge_lacks(g, i)) {
            printf("%s%s", before, am_judge_gap[i]);
            before = ", ";
        }
    fputs(*before == ',' ? "): as if there were none\n" : "", stdout);
}

static void text_rest(am_arena *a, const am_again *x)
{
    const am_record *r = x->record;
    bool first = true;
    for (size_t i = 0; i < r->lookups; i++) {
        const am_dns_lookup *l = &r->lookup[i];
        if (asked(x->asked, x->asks, l))
            continue;
        fputs(first ? "\nlook-ups of what is taken as recorded\n" : "", stdout);
        first = false;
        fputs("  ", stdout);
        am_show(stdout, am_dns_question_text(a, l->name, l->type));
        fputs(" -> ", stdout);
        am_show(stdout, am_dns_answer_text(a, l->answer, l->type));
        fputc('\n', stdout);
    }
    text_lacks(&x->lacks);
    if (x->differences.n == 0)
        puts("\nthe record says the same");
    else
        puts("\nthe record says otherwise");
    for (size_t i = 0; i < x->differences.n; i++) {
        const am_difference *d = &x->differences.item[i];
        printf("  %.*s: then \"", AM_ARG(d->what));
        am_show(stdout, d->recorded);
        fputs("\", now \"", stdout);
        am_show(stdout, d->now);
        puts("\"");
    }
}

/* What policy.shadow would have done then. */
static void text_shadow(const am_decision *d)
{
    printf("\nshadow     %s", am_measure_word(d->measure));
    if (d->rule) {
        fputs(", rule \"", stdout);
        am_show(stdout, am_str_of(d->rule->title));
        fputc('"', stdout);
    }
    fputc('\n', stdout);
}

static void print_text(am_arena *a, const am_again *x)
{
    text_head(x->record);
    if (x->evidence)
        am_text_evidence(stdout, x->evidence, &x->decision, x->computed, am_show_colour());
    else
        am_text_decision(stdout, &x->decision); /* nothing was found out */
    if (x->record->shadowed)
        text_shadow(&x->record->shadow);
    if (x->computed)
        text_rest(a, x);
    else if (x->evidence)
        puts("\nas recorded: the look-ups did not fit in the log, nothing can be computed again");
}

static int print_json(am_arena *a, const request *q, const am_again *x)
{
    json_t *json = am_again_json(a, x, &q->judge);
    size_t how = JSON_ENSURE_ASCII | (q->all ? JSON_COMPACT : JSON_INDENT(1));
    if (!json)
        return am_tool_fail(&am_tool_explain, EX_SOFTWARE, "out of memory");
    (void)json_dumpf(json, stdout, how); /* main sees what was not written */
    fputc('\n', stdout);
    json_decref(json);
    return EX_OK;
}

static int explain(am_arena *a, const request *q, const am_record *r)
{
    am_again x;
    am_error why;
    if (!am_again_judge(a, r, &q->judge, q->judged, &x, &why))
        return am_tool_fail(&am_tool_explain, EX_SOFTWARE, "%s", why.text);
    int status = EX_OK;
    if (q->json)
        status = print_json(a, q, &x);
    else
        print_text(a, &x);
    am_again_end(&x);
    return status;
}

/* ---- The log ---- */

typedef struct search {
    const request *request;
    const char *needle; /* the id as a line spells it, with its quotes */
    size_t found, bad;
    char *last; /* the newest line that fits, malloc'd */
    size_t last_n;
    am_error why; /* of the last bad line */
} search;

/* Reads a line that names the id; it may be another member that does. */
static int consider(search *s, const char *line, size_t n, size_t number)
{
    am_record r;
    am_error why;
    am_arena *a = am_arena_new(0);
    int status = EX_OK;
    if (!a)
        return am_tool_fail(&am_tool_explain, EX_SOFTWARE, "out of memory");
    if (!am_record_read(a, line, n, &r, &why)) {
        s->bad++;
        am_error_set(&s->why, "line %zu: %.200s", number, why.text);
    } else if (am_str_is(r.id, s->request->id)) {
        if (s->request->all && s->found && !s->request->json)
            putchar('\n');
        s->found++;
        if (s->request->all)
            status = explain(a, s->request, &r);
        char *copy = s->request->all ? NULL : malloc(n);
        if (copy) {
            memcpy(copy, line, n);
            free(s->last);
            s->last = copy;
            s->last_n = n;
        }
    }
    am_arena_free(a);
    return status;
}

static int scan(search *s, FILE *f, const char *log)
{
    char *line = NULL;
    size_t room = 0;
    int status = EX_OK;
    size_t number = 0;
    for (ssize_t n; status == EX_OK && (n = getline(&line, &room, f)) >= 0;) {
        number++;
        if (memmem(line, (size_t)n, s->needle, strlen(s->needle)))
            status = consider(s, line, (size_t)n, number);
    }
    if (status == EX_OK && !feof(f)) /* no ferror where memory is short */
        status = am_tool_fail(
            &am_tool_explain, ferror(f) ? EX_NOINPUT : EX_SOFTWARE, "%s: %s", log, strerror(errno));
    free(line);
    return status;
}

static int report(search *s, const char *log)
{
    const request *q = s->request;
    am_record r;
    am_error why;
    if (s->found == 0 && s->bad)
        return am_tool_fail(
            &am_tool_explain, EX_DATAERR, "%s: no record of %s; %s", log, q->id, s->why.text);
    if (s->found == 0)
        return am_tool_fail(&am_tool_explain, EX_NOINPUT, "%s: no record of %s", log, q->id);
    if (q->all)
        return EX_OK;
    am_arena *a = am_arena_new(0);
    int status = EX_SOFTWARE;
    if (a && s->last && am_record_read(a, s->last, s->last_n, &r, &why))
        status = explain(a, q, &r);
    else
        am_tool_fail(&am_tool_explain, EX_SOFTWARE, "out of memory");
    if (status == EX_OK && s->found > 1 && !q->json)
        printf("\n%zu records have this id; this is the newest, --all shows all\n", s->found);
    am_arena_free(a);
    return status;
}

static int look_up(const request *q, const char *log)
{
    am_arena *a = am_arena_new(0);
    am_str needle = a ? am_record_spell(a, am_str_of(q->id)) : (am_str){0};
    search s = {.request = q, .needle = needle.p};
    bool input = strcmp(log, "-") == 0;
    const char *name = input ? "standard input" : log;
    int status = EX_OK;
    FILE *f = input ? stdin : fopen(log, "re");
    if (!needle.p)
        status = am_tool_fail(&am_tool_explain, EX_SOFTWARE, "out of memory");
    else if (!f)
        status = am_tool_fail(&am_tool_explain, EX_NOINPUT, "%s: %s", log, strerror(errno));
    else if ((status = scan(&s, f, name)) == EX_OK)
        status = report(&s, name);
    if (f && !input)
        fclose(f);
    free(s.last);
    am_arena_free(a);
    return status;
}

/* ---- Options ---- */

static const char usage[] =
    "usage: authmill explain [options] QUEUE-ID\n"
    "\n"
    "Repeats a decision from the decision log, without the network, and says where the repetition\n"
    "differs from what was recorded.\n"
    "\n"
    "  --log FILE       the decision log; '-' is standard input; default: the configuration's\n"
    "  --config FILE    policy as this file has it; default: the daemon's configuration\n"
    "  --all            every record of the id, not only the newest; JSON: a line each\n"
    "  --format HOW     text (default) or json\n"
    "\n"
    "examples\n"
    "  authmill explain 4XyzAb1\n"
    "  zcat /var/log/authmill/decisions.1.gz | authmill explain --log - 4XyzAb1\n"
    "  journalctl -t authmill-decision -o cat | authmill explain --log - 4XyzAb1\n";

static int parse(request *q, int argc, char **argv)
{
    static const struct option list[] = {{"help", no_argument, NULL, 'h'},
        {"log", required_argument, NULL, 'l'}, {"config", required_argument, NULL, 'c'},
        {"all", no_argument, NULL, 'a'}, {"format", required_argument, NULL, 'f'},
        {NULL, 0, NULL, 0}};
    optind = 0;
    for (int o; (o = getopt_long(argc, argv, "h", list, NULL)) != -1;) {
        if (o == 'h') {
            fputs(usage, stdout);
            return HELP_SHOWN;
        } else if (o == 'l') {
            q->log = optarg;
        } else if (o == 'c') {
            q->config = optarg;
        } else if (o == 'a') {
            q->all = true;
        } else if (o == 'f' && (strcmp(optarg, "json") == 0 || strcmp(optarg, "text") == 0)) {
            q->json = *optarg == 'j';
        } else if (o == 'f') {
            return am_tool_fail(
                &am_tool_explain, EX_USAGE, "--format '%s': wanted text or json", optarg);
        } else {
            return EX_USAGE; /* getopt has said what is wrong */
        }
    }
    if (argc - optind != 1)
        return am_tool_fail(&am_tool_explain, EX_USAGE, "one queue id is wanted");
    q->id = argv[optind];
    return EX_OK;
}

static int run(int argc, char **argv)
{
    request q = {0};
    int status = parse(&q, argc, argv);
    if (status != EX_OK)
        return status == HELP_SHOWN ? EX_OK : status;
    status = am_judge_load(&am_tool_explain, q.config, &q.judge);
    if (status != EX_OK)
        return status;
    q.judged = q.judge.file != NULL;
    const char *log = q.log ? q.log : q.judge.conf->decision_log.path;
    if (*log)
        status = look_up(&q, log);
    else
        status = am_tool_fail(&am_tool_explain, EX_USAGE,
            "where is the log? The configuration has no decision-log.path; give --log");
    am_judge_free(&q.judge);
    return status;
}

const am_tool am_tool_explain = {
    "explain", "repeat a decision from the decision log, without the network", usage, run};
