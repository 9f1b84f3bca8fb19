/*
 * rule_conf: reads rules.
 *
 * For: milter/conf.c. libconfuse reads the text; here it becomes the flat data of milter/rule.h,
 * every value checked and every error with its line. Lists may come from files. Waits: for files.
 * Memory: the configuration's arena. Callers: one thread at a time, before any other is started.
 */
#include "milter/rule_build.h"
#include "libauth/base/lex.h"
#include "milter/option.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- What libconfuse is told ---- */

static const char *const rule_options[] = {
    "action", "reason", "until", "code", "enhanced-code", "text", NULL};
static const char *const group_names[] = {"not", "any", NULL};

cfg_opt_t am_rule_conf_section(am_rule_options *room, cfg_callback_t on_value)
{
    cfg_opt_t end = CFG_END(), *g = room->group, *w = room->when, *r = room->rule;
    for (size_t i = 0; i < am_condition_count; i++) {
        cfg_opt_t one = CFG_STR_LIST_CB(am_condition_table[i].name, NULL, CFGF_NONE, on_value);
        *g++ = *w++ = one;
    }
    *g = end;
    for (const char *const *name = group_names; *name; name++) {
        cfg_opt_t group = CFG_SEC(*name, room->group, CFGF_MULTI);
        *w++ = group;
    }
    *w = end;
    cfg_opt_t when = CFG_SEC("when", room->when, CFGF_NONE);
    *r++ = when;
    for (const char *const *name = rule_options; *name; name++) {
        cfg_opt_t one = CFG_STR_CB(*name, NULL, CFGF_NONE, on_value);
        *r++ = one;
    }
    *r = end;
    cfg_opt_t rule = CFG_SEC("rule", room->rule, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES);
    return rule;
}

bool am_rule_conf_note(am_rule_reader *r, const cfg_t *section, const char *option)
{
    if ((r->places & (r->places - 1)) == 0) { /* 0 and the powers of two */
        am_rule_place *more = realloc(r->place, (r->places ? 2 * r->places : 1) * sizeof *more);
        if (!more)
            return false;
        r->place = more;
    }
    r->place[r->places++] = (am_rule_place){section, option, (unsigned)section->line};
    return true;
}

bool am_rule_conf_is(const char *section)
{
    static const char *const all[] = {"rule", "when", "not", "any", NULL};
    for (const char *const *s = all; *s; s++)
        if (strcmp(section, *s) == 0)
            return true;
    return false;
}

static void nearer(const char *wrong, const char *name, const char *section, unsigned *best,
    const char **found, const char **where)
{
    unsigned d = am_option_distance(wrong, name);
    if (d >= *best)
        return;
    *best = d;
    *found = name;
    *where = section;
}

const char *am_rule_conf_nearest(const char *section, const char *wrong, const char **where)
{
    size_t n = strlen(wrong);
    unsigned best = n < 4 ? 2 : n < 8 ? 3 : 4;
    const char *found = NULL;
    bool in_rule = strcmp(section, "rule") == 0;
    for (const char *const *o = rule_options; *o; o++)
        nearer(wrong, *o, "rule", &best, &found, where);
    nearer(wrong, "when", "rule", &best, &found, where);
    for (const char *const *o = group_names; *o; o++)
        nearer(wrong, *o, "when", &best, &found, where);
    for (size_t i = 0; i < am_condition_count; i++)
        nearer(wrong, am_condition_table[i].name, in_rule ? "when" : section, &best, &found, where);
    return found;
}

/* ---- One rule being built ---- */

bool am_rule_wrong(am_rule_builder *b, unsigned line, const char *fmt, ...)
{
    char text[sizeof b->why->text];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    am_error_set(
        b->why, "%s:%u: rule \"%.40s\": %s", b->conf->file, line ? line : b->line, b->title, text);
    return false;
}

bool am_rule_no_memory(am_rule_builder *b)
{
    am_error_set(b->why, "%s: out of memory", b->conf->file);
    return false;
}

/* The next place of this option; 0: there is no more. Values are asked for nearly in the order in
 * which they stand, so the search goes on from where the last one ended. */
unsigned am_rule_line(am_rule_reader *r, const cfg_t *section, const char *option, size_t *from)
{
    for (*from = *from ? *from : r->first; *from < r->end; (*from)++) {
        const am_rule_place *p = &r->place[*from];
        if (p->section == section && strcmp(p->option, option) == 0) {
            (*from)++;
            return p->line;
        }
    }
    return 0;
}

/* Given twice, or with nothing in it? Sets the line of the first value. False: why. */
bool am_rule_good_count(am_rule_builder *b, cfg_t *section, cfg_opt_t *opt, unsigned *line)
{
    size_t at = 0, n = 0;
    unsigned last = 0;
    *line = 0;
    for (unsigned l; (l = am_rule_line(b->reader, section, opt->name, &at)); n++) {
        *line = *line ? *line : l;
        last = l;
    }
    if (n > cfg_opt_size(opt))
        return am_rule_wrong(b, last, "%s is given twice; keep one of them", opt->name);
    if (n == 0)
        return am_rule_wrong(b, 0, "%s holds nothing; give it a value, or leave it out", opt->name);
    return true;
}

bool am_rule_is_given(const cfg_opt_t *opt)
{
    return opt->flags & CFGF_MODIFIED;
}

/* ---- What is to be done ---- */

static const char *text_of(cfg_t *section, const char *name)
{
    const char *s = cfg_getstr(section, name);
    return s ? s : "";
}

static bool is_printable(const char *s, size_t max)
{
    for (const char *p = s; *p; p++)
        if (!am_is(*p, AM_VCHAR) && *p != ' ')
            return false;
    return strlen(s) <= max;
}

static bool read_action(am_rule_builder *b, const char *value, unsigned line)
{
    static const char *const word[] = {
        "accept", "header", "quarantine", "hold", "discard", "tempfail", "reject"};
    for (unsigned i = 0; i < sizeof word / sizeof *word; i++)
        if (am_str_iis(am_str_of(value), word[i])) {
            b->rule.measure = (am_measure)i;
            return true;
        }
    return am_rule_wrong(b, line,
        "action: \"%.40s\" is not right; wanted: accept, header, quarantine, hold, reject, "
        "tempfail "
        "or discard",
        value);
}

static bool read_reason(am_rule_builder *b, const char *value, unsigned line)
{
    b->rule.reason = am_arena_copy(b->conf->arena, value, strlen(value));
    if (!b->rule.reason)
        return am_rule_no_memory(b);
    return is_printable(value, 200) ||
           am_rule_wrong(
               b, line, "reason is not right; wanted: printable ASCII, at most 200 octets");
}

/* The last day on which the rule holds (UTC). */
static bool read_until(am_rule_builder *b, const char *value, unsigned line)
{
    struct tm t = {0}, again;
    uint64_t year, month, day;
    am_str s = am_str_of(value);
    bool form = s.n == 10 && s.p[4] == '-' && s.p[7] == '-' &&
                am_str_number(am_str_cut(s, 0, 4), 4, &year) &&
                am_str_number(am_str_cut(s, 5, 7), 2, &month) &&
                am_str_number(am_str_cut(s, 8, 10), 2, &day);
    if (form) {
        t = (struct tm){.tm_year = (int)year - 1900, .tm_mon = (int)month - 1, .tm_mday = (int)day};
        again = t;
        time_t at = timegm(&again);
        if (year >= 1971 && again.tm_mon == t.tm_mon && again.tm_mday == t.tm_mday) {
            b->rule.until = (int64_t)at + 86400;
            b->rule.until_line = line;
            return true;
        }
    }
    return am_rule_wrong(
        b, line, "until: \"%.40s\" is not right; wanted: a day as 2027-01-31", value);
}

static bool refuses(const am_rule_builder *b)
{
    return b->rule.measure == AM_MEASURE_REJECT || b->rule.measure == AM_MEASURE_TEMPFAIL;
}

static char class_of(const am_rule_builder *b)
{
    return b->rule.measure == AM_MEASURE_REJECT ? '5' : '4';
}

static bool wrong_code(
    am_rule_builder *b, unsigned line, const char *option, const char *value, const char *form)
{
    if (!refuses(b))
        return am_rule_wrong(b, line, "%s is for reject and tempfail; leave it out", option);
    return am_rule_wrong(
        b, line, "%s: \"%.40s\" is not right; wanted: %c%s", option, value, class_of(b), form);
}

/* RFC 5321 4.2.1 */
static bool read_code(am_rule_builder *b, const char *value, unsigned line)
{
    uint64_t v;
    b->rule.code = am_arena_copy(b->conf->arena, value, strlen(value));
    if (!b->rule.code)
        return am_rule_no_memory(b);
    if (!refuses(b) || strlen(value) != 3 || !am_str_number(am_str_of(value), 3, &v) ||
        *value != class_of(b) || value[1] > '5' || v == 421)
        return wrong_code(b, line, "code", value, "NN, such as 550 for reject or 451 for tempfail");
    return true;
}

/* RFC 3463 2: class "." subject "." detail */
static bool read_status(am_rule_builder *b, const char *value, unsigned line)
{
    am_str s = am_str_of(value);
    size_t dot = am_str_find(am_str_cut(s, 2, s.n), '.');
    uint64_t v;
    b->rule.status = am_arena_copy(b->conf->arena, value, s.n);
    if (!b->rule.status)
        return am_rule_no_memory(b);
    am_str rest = am_str_cut(s, 2, s.n);
    if (!refuses(b) || s.n < 5 || *value != class_of(b) || value[1] != '.' ||
        !am_str_number(am_str_cut(rest, 0, dot), 3, &v) ||
        !am_str_number(am_str_cut(rest, dot + 1, rest.n), 3, &v))
        return wrong_code(b, line, "enhanced-code", value,
            ".N.N, such as 5.7.1 for reject or 4.7.1 for tempfail");
    return true;
}

static bool read_text(am_rule_builder *b, const char *value, unsigned line)
{
    am_error e;
    if (b->rule.measure == AM_MEASURE_ACCEPT || b->rule.measure == AM_MEASURE_DISCARD)
        return am_rule_wrong(
            b, line, "text is for what somebody is told; leave it out, reason says why");
    b->rule.has_text = true;
    return am_template_parse(b->conf->arena, am_str_of(value), &b->rule.text, &e) ||
           am_rule_wrong(b, line, "text: %s", e.text);
}

static bool read_measure(am_rule_builder *b, cfg_t *section)
{
    static const struct {
        const char *option;
        bool (*read)(am_rule_builder *b, const char *value, unsigned line);
    } part[] = {{"action", read_action}, {"reason", read_reason}, {"until", read_until},
        {"code", read_code}, {"enhanced-code", read_status}, {"text", read_text}};
    for (size_t i = 0; i < sizeof part / sizeof *part; i++) {
        cfg_opt_t *o = cfg_getopt(section, part[i].option);
        unsigned line;
        if (!am_rule_is_given(o))
            continue;
        if (!am_rule_good_count(b, section, o, &line) ||
            !part[i].read(b, text_of(section, o->name), line))
            return false;
        am_buf_format(&b->source, " %s=%s", o->name, text_of(section, o->name));
    }
    if (!am_rule_is_given(cfg_getopt(section, "action")))
        return am_rule_wrong(b, 0,
            "no action; wanted: action = accept, header, quarantine, hold, reject, "
            "tempfail or discard");
    return true;
}

/* ---- All of them ---- */

/* Goes on to the next rule's places, which end with its own mark. Its first value's line. */
static unsigned next_rule(am_rule_reader *r, const cfg_t *section)
{
    r->first = r->end;
    while (r->end < r->places &&
           !(r->place[r->end].section == section && *r->place[r->end].option == '\0'))
        r->end++;
    r->end++;
    return r->first < r->places ? r->place[r->first].line : 0;
}

static bool build(am_rule_builder *b, cfg_t *section)
{
    size_t n = strlen(b->title);
    if (n == 0 || !is_printable(b->title, 100) || strpbrk(b->title, "\"\\"))
        return am_rule_wrong(b, b->line,
            "the title is not right; wanted: printable ASCII without quotes or "
            "backslashes, at most 100 octets");
    b->rule = (am_rule){.title = am_arena_copy(b->conf->arena, b->title, n),
        .reason = "",
        .code = "",
        .status = "",
        .line = b->line};
    if (!b->rule.title)
        return am_rule_no_memory(b);
    if (!am_rule_read_when(b, cfg_getsec(section, "when")) || !read_measure(b, section))
        return false;
    b->rule.source = am_buf_get(&b->source).p;
    return !b->source.failed || am_rule_no_memory(b);
}

/* So that a session gathers only what somebody asks for. */
static void note_asks(am_conf *c, const am_rule *r)
{
    const struct {
        const char *condition;
        bool *asks;
    } all[] = {{"rcpt", &c->asks.rcpt}, {"size-over", &c->asks.octets},
        {"size-under", &c->asks.octets}, {"list", &c->asks.header}, {"list-id", &c->asks.header},
        {"listener", &c->asks.listener}, {"iprev", &c->asks.client},
        {"iprev-name", &c->asks.client}, {"spf-helo", &c->asks.client}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        *all[i].asks = *all[i].asks || am_rule_names(r, all[i].condition);
}

bool am_rule_conf_build(am_rule_reader *r, cfg_t *root, am_conf *c, am_error *why)
{
    unsigned n = cfg_size(root, "rule");
    am_rule *rule = am_arena_array(c->arena, n + 1, sizeof *rule);
    am_error_set(
        why, "%s: %s", c->file, n > AM_RULE_MAX ? "more than 10000 rules" : "out of memory");
    if (!rule || n > AM_RULE_MAX)
        return false;
    for (unsigned i = 0; i < n; i++) {
        cfg_t *section = cfg_getnsec(root, "rule", i);
        am_rule_builder b = {.reader = r,
            .conf = c,
            .why = why,
            .title = cfg_title(section),
            .line = next_rule(r, section),
            .source = {.arena = c->arena}};
        if (!build(&b, section))
            return false;
        rule[i] = b.rule;
        note_asks(c, &b.rule);
    }
    c->rule = rule;
    c->rules = n;
    return true;
}
