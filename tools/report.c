/*
 * report: what configurations would do with kept mail.
 *
 * For: replay. Written while the messages go by: nothing of them is kept but numbers. Waits:
 * never. Memory: jansson's, an object at a time. Callers: tools.
 */
#include "tools/report.h"
#include "tools/judge.h"
#include "tools/json.h"
#include "tools/show.h"
#include "libauth/base/lex.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { NAME_WIDTH = 26, DOMAIN_WIDTH = 24, CELL_WIDTH = 36, BAR_WIDTH = 30, BAR_MS = 100 };

static const char recorded[] = "recorded";

/* The name of a column: a record by one configuration has one more. */
static const char *column_name(const am_report *p, size_t i, size_t n)
{
    size_t more = n - p->configs;
    return i < more ? recorded : p->config[i - more];
}

/* ---- Progress ---- */

static int64_t clock_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void hide_bar(am_report *p)
{
    if (p->bar_shown)
        fputs("\r\033[K", stderr);
    p->bar_shown = false;
}

void am_report_progress(am_report *p, uint64_t done, uint64_t of)
{
    static const char full[] = "##############################";
    static const char empty[] = "..............................";
    int64_t now = p->bar ? clock_ms() : 0;
    if (!p->bar || now < p->next_bar)
        return;
    p->next_bar = now + BAR_MS;
    p->bar_shown = true;
    double part = of && done <= of ? (double)done / (double)of : 0;
    int filled = (int)(part * BAR_WIDTH);
    fflush(stdout);
    if (of)
        fprintf(stderr, "\r[%.*s%.*s] %3.0f%%  %zu messages\033[K", filled, full,
            BAR_WIDTH - filled, empty, part * 100, p->messages);
    else
        fprintf(stderr, "\r%zu messages\033[K", p->messages);
}

void am_report_wrong(am_report *p, const char *name, const char *why)
{
    hide_bar(p);
    p->wrong++;
    fputs("authmill replay: ", stderr);
    am_show(stderr, am_str_of(name));
    fputs(": ", stderr);
    am_show(stderr, am_str_of(why));
    fputc('\n', stderr);
}

/* ---- Differences ---- */

static bool same_decision(const am_decision *x, const am_decision *y)
{
    return x->measure == y->measure && strcmp(x->text, y->text) == 0 &&
           am_str_eq(am_str_of(x->code), am_str_of(y->code)) && strcmp(x->xcode, y->xcode) == 0 &&
           am_str_eq(am_str_of(x->disposition), am_str_of(y->disposition));
}

typedef struct difference {
    bool action, results;
} difference;

static difference compare(const am_reported *by, size_t n)
{
    if (n < 2)
        return (difference){false, false};
    const am_reported *x = &by[n - 2], *y = &by[n - 1];
    return (difference){!same_decision(&x->decision, &y->decision), !am_str_eq(x->field, y->field)};
}

/* ---- The table ---- */

/* At most `width` columns of the text, and blanks up to there. The last one ends the line. */
static void cell(am_str s, size_t width, bool last)
{
    size_t used = 0;
    for (size_t i = 0; i < s.n; i++) {
        size_t need = am_is(s.p[i], AM_VCHAR | AM_WSP) ? 1 : 4;
        if (used + need > width)
            break;
        am_show(stdout, am_str_cut(s, i, i + 1));
        used += need;
    }
    if (last)
        putchar('\n');
    else
        printf("%*s", (int)(width - used) + 2, "");
}

static void table_head(am_report *p, size_t n)
{
    p->begun = true;
    fputs("  ", stdout);
    cell(AM_STR("message"), NAME_WIDTH, false);
    cell(AM_STR("author"), DOMAIN_WIDTH, false);
    for (size_t i = 0; i < n; i++)
        cell(am_str_of(column_name(p, i, n)), CELL_WIDTH, i + 1 == n);
}

/* A record's queue id, or the file without its folder. */
static am_str row_name(const am_kept *kept)
{
    am_str s = am_str_of(kept->name);
    size_t slash = am_str_rfind(s, '/');
    if (kept->record && kept->record->id.n)
        return kept->record->id;
    return slash < s.n ? am_str_cut(s, slash + 1, s.n) : s;
}

static void table_row(
    am_report *p, am_arena *a, const am_kept *kept, const am_reported *by, size_t n, difference d)
{
    if (!p->begun)
        table_head(p, n);
    const am_evidence *e = by[n - 1].evidence;
    fputs(d.action ? "* " : d.results ? "~ " : "  ", stdout);
    cell(row_name(kept), NAME_WIDTH, false);
    cell(e ? e->dmarc.domain : AM_STR(""), DOMAIN_WIDTH, false);
    for (size_t i = 0; i < n; i++) {
        const am_decision *v = &by[i].decision;
        const char *why = v->rule ? v->rule->title : v->why;
        e = by[i].evidence;
        am_str text = am_str_format(a, "dmarc=%s %s%s%s%s",
            e && e->has_dmarc ? am_result_word(e->dmarc.result) : "-", am_measure_word(v->measure),
            *why ? " (" : "", why, *why ? ")" : "");
        cell(text, CELL_WIDTH, i + 1 == n);
    }
}

/* ---- JSON ---- */

static void put(json_t *o, const char *key, am_str value)
{
    json_object_set_new(o, key, am_json_str(value));
}

static json_t *outcome(am_arena *a, const char *config, const am_reported *x)
{
    const am_decision *d = &x->decision;
    json_t *o = json_object();
    put(o, "config", am_str_of(config));
    put(o, "action", am_str_of(am_action_word(d->action)));
    put(o, "measure", am_str_of(am_measure_word(d->measure)));
    am_judge_tell_why(o, a, d);
    put(o, "disposition", am_str_of(d->disposition));
    put(o, "authentication_results", x->field);
    return o;
}

static json_t *message_json(
    am_report *p, am_arena *a, const am_kept *kept, const am_reported *by, size_t n, difference d)
{
    char ip[AM_IP_TEXT] = "";
    const am_evidence *e = by[n - 1].evidence;
    json_t *o = json_object(), *outcomes = json_array(), *differs = json_array();
    put(o, "name", am_str_of(kept->name));
    if (kept->record)
        put(o, "id", kept->record->id);
    put(o, "client", am_str_of(e && e->ip.family ? am_ip_text(&e->ip, ip) : ""));
    put(o, "helo", e ? e->helo : AM_STR(""));
    put(o, "mail_from", e ? e->mail_from : AM_STR(""));
    put(o, "author", e ? e->dmarc.domain : AM_STR(""));
    for (size_t i = 0; i < n; i++)
        json_array_append_new(outcomes, outcome(a, column_name(p, i, n), &by[i]));
    json_object_set_new(o, "outcomes", outcomes);
    if (d.action)
        json_array_append_new(differs, json_string("action"));
    if (d.results)
        json_array_append_new(differs, json_string("results"));
    json_object_set_new(o, "differs", differs);
    return o;
}

static void print_json(json_t *o)
{
    json_dumpf(o, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
    json_decref(o);
}

/* ---- The door ---- */

void am_report_begin(
    am_report *p, const char *const *config, size_t n, bool json, bool differences_only)
{
    *p = (am_report){.config = config,
        .configs = n,
        .json = json,
        .differences_only = differences_only,
        .bar = am_show_terminal(stderr)};
    if (!json)
        return;
    fputs("{\"configs\": ", stdout);
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, am_json_str(am_str_of(config[i])));
    print_json(list);
    fputs(",\n\"messages\": [", stdout);
}

static void count_gaps(am_report *p, const am_reported *by, size_t n)
{
    for (size_t k = 0; k < AM_JUDGE_GAPS; k++) {
        bool lacks = false;
        for (size_t i = 0; i < n; i++)
            lacks = lacks || am_judge_lacks(&by[i].lacks, k);
        p->lacks[k] += lacks;
    }
}

void am_report_message(
    am_report *p, am_arena *a, const am_kept *kept, const am_reported *by, size_t n)
{
    difference d = compare(by, n);
    p->messages++;
    p->otherwise += d.action;
    p->results += d.results && !d.action;
    for (size_t i = 0; i < p->configs; i++)
        p->action[i][by[n - p->configs + i].decision.action]++;
    count_gaps(p, by, n);
    if (p->differences_only && !d.action && !d.results)
        return;
    hide_bar(p);
    if (p->json) {
        fputs(p->shown ? ",\n" : "\n", stdout);
        print_json(message_json(p, a, kept, by, n, d));
    } else {
        table_row(p, a, kept, by, n, d);
    }
    p->shown++;
}

static json_t *summary(const am_report *p)
{
    json_t *o = json_object(), *actions = json_array(), *lacks = json_object();
    json_object_set_new(o, "messages", json_integer((json_int_t)p->messages));
    json_object_set_new(o, "decided_otherwise", json_integer((json_int_t)p->otherwise));
    json_object_set_new(o, "other_results", json_integer((json_int_t)p->results));
    json_object_set_new(o, "unread", json_integer((json_int_t)p->wrong));
    for (size_t i = 0; i < p->configs; i++) {
        json_t *one = json_object();
        for (size_t k = 0; k < AM_REPORT_ACTIONS; k++)
            if (p->action[i][k])
                json_object_set_new(
                    one, am_action_word((am_action)k), json_integer((json_int_t)p->action[i][k]));
        json_array_append_new(actions, one);
    }
    json_object_set_new(o, "actions", actions);
    for (size_t k = 0; k < AM_JUDGE_GAPS; k++)
        json_object_set_new(lacks, am_judge_gap[k], json_integer((json_int_t)p->lacks[k]));
    json_object_set_new(o, "not_recorded", lacks);
    return o;
}

static void text_gaps(const am_report *p)
{
    const char *before = "rules ask for what is not recorded (";
    for (size_t k = 0; k < AM_JUDGE_GAPS; k++)
        if (p->lacks[k]) {
            printf("%s%s of %zu", before, am_judge_gap[k], p->lacks[k]);
            before = ", ";
        }
    fputs(*before == ',' ? "): as if there were none\n" : "", stdout);
}

void am_report_end(am_report *p)
{
    hide_bar(p);
    if (p->json) {
        fputs("\n],\n\"summary\": ", stdout);
        print_json(summary(p));
        fputs("}\n", stdout);
        return;
    }
    printf("%s%zu messages, %zu decided otherwise (*), %zu with other results alone (~), "
           "%zu unread\n",
        p->begun ? "\n" : "", p->messages, p->otherwise, p->results, p->wrong);
    for (size_t i = 0; i < p->configs; i++) {
        const char *comma = ": ";
        fputs("  ", stdout);
        am_show(stdout, am_str_of(p->config[i]));
        for (size_t k = 0; k < AM_REPORT_ACTIONS; k++)
            if (p->action[i][k]) {
                printf("%s%zu %s", comma, p->action[i][k], am_action_word((am_action)k));
                comma = ", ";
            }
        putchar('\n');
    }
    text_gaps(p);
}
