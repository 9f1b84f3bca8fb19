/*
 * rule_conf: reads rules.
 *
 * For: milter/conf.c. libconfuse reads the text; here it becomes the flat data of milter/rule.h,
 * every value checked and every error with its line. Lists may come from files. Waits: for files.
 * Memory: the configuration's arena. Callers: one thread at a time, before any other is started.
 */
#include "milter/rule_conf.h"
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

typedef struct builder {
    am_rule_reader *reader;
    am_conf *conf;
    am_error *why;
    const char *title;
    unsigned line; /* of the rule's first value */
    am_rule rule;
    am_buf source;
} builder;

static bool wrong(builder *b, unsigned line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static bool wrong(builder *b, unsigned line, const char *fmt, ...)
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

static bool no_memory(builder *b)
{
    am_error_set(b->why, "%s: out of memory", b->conf->file);
    return false;
}

/* The next place of this option; 0: there is no more. Values are asked for nearly in the order in
 * which they stand, so the search goes on from where the last one ended. */
static unsigned place(am_rule_reader *r, const cfg_t *section, const char *option, size_t *from)
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
static bool good_count(builder *b, cfg_t *section, cfg_opt_t *opt, unsigned *line)
{
    size_t at = 0, n = 0;
    unsigned last = 0;
    *line = 0;
    for (unsigned l; (l = place(b->reader, section, opt->name, &at)); n++) {
        *line = *line ? *line : l;
        last = l;
    }
    if (n > cfg_opt_size(opt))
        return wrong(b, last, "%s is given twice; keep one of them", opt->name);
    if (n == 0)
        return wrong(b, 0, "%s holds nothing; give it a value, or leave it out", opt->name);
    return true;
}

static bool is_given(const cfg_opt_t *opt)
{
    return opt->flags & CFGF_MODIFIED;
}

/* ---- Conditions ---- */

static bool wrong_value(builder *b, unsigned line, const am_condition *c, const char *value)
{
    char right[160];
    return wrong(b, line, "%s: \"%.40s\" is not right; wanted: %s", c->name, value,
        am_condition_right(c, right, sizeof right));
}

static bool read_words(builder *b, cfg_opt_t *opt, const unsigned *line, am_test *t)
{
    for (unsigned i = 0; i < cfg_opt_size(opt); i++) {
        const char *value = cfg_opt_getnstr(opt, i);
        const am_choice *w = t->what->choice;
        while (w->word && !am_str_iis(am_str_of(value), w->word))
            w++;
        if (!w->word)
            return wrong_value(b, line[i], t->what, value);
        t->words |= 1u << w->value;
    }
    return true;
}

static am_names_kind names_kind(const am_condition *c)
{
    return c->kind == AM_CONDITION_NET    ? AM_NAMES_NET
           : c->kind == AM_CONDITION_TEXT ? AM_NAMES_TEXT
                                          : AM_NAMES_DOMAIN;
}

/* The rest of "file:/PATH", or NULL. */
static const char *list_file(const char *value)
{
    return strncmp(value, "file:", 5) == 0 ? value + 5 : NULL;
}

typedef struct keys {
    am_str *key; /* malloc'd */
    size_t n;
} keys;

static bool read_file(builder *b, unsigned line, const am_condition *c, const char *file, keys *k)
{
    char right[160];
    am_error e;
    if (*file != '/')
        return wrong(b, line, "%s: \"file:%.40s\" is not right; wanted: file:/PATH", c->name, file);
    if (!am_names_read(b->conf->arena, names_kind(c), file,
            am_condition_right(c, right, sizeof right), &k->key, &k->n, &e))
        return wrong(b, line, "%s: %s", c->name, e.text);
    return true;
}

static bool add_key(builder *b, unsigned line, const am_condition *c, const char *value, keys *k)
{
    am_str key;
    if (!am_names_key(b->conf->arena, names_kind(c), am_str_of(value), &key))
        return am_arena_failed(b->conf->arena) ? no_memory(b) : wrong_value(b, line, c, value);
    if ((k->n & (k->n - 1)) == 0) {
        am_str *more = realloc(k->key, (k->n ? 2 * k->n : 1) * sizeof *more);
        if (!more)
            return no_memory(b);
        k->key = more;
    }
    k->key[k->n++] = key;
    return true;
}

/* RFC 5321 4.5.5: of all addresses only a reverse-path can be null. */
static bool null_is_right(builder *b, unsigned line, const am_condition *c, const keys *k)
{
    for (size_t i = 0; !c->null && i < k->n; i++)
        if (c->kind == AM_CONDITION_DOMAIN && am_str_is(k->key[i], "<>"))
            return wrong_value(b, line, c, "<>");
    return true;
}

static bool read_names(builder *b, cfg_opt_t *opt, const unsigned *line, am_test *t)
{
    keys k = {NULL, 0};
    bool good = true;
    for (unsigned i = 0; good && i < cfg_opt_size(opt); i++) {
        const char *value = cfg_opt_getnstr(opt, i), *file = list_file(value);
        good = file ? read_file(b, line[i], t->what, file, &k)
                    : add_key(b, line[i], t->what, value, &k);
    }
    good = good && null_is_right(b, line[0], t->what, &k);
    if (good && k.n == 0)
        good = wrong(
            b, line[0], "%s: the file names nothing; wanted: one entry a line", t->what->name);
    if (good && !am_names_make(b->conf->arena, names_kind(t->what), k.key, k.n, &t->names))
        good = no_memory(b);
    uint64_t sum = 0; /* so that a changed file is a changed rule */
    for (size_t i = 0; i < k.n; i++)
        for (size_t j = 0; j < k.key[i].n; j++)
            sum = (sum ^ (unsigned char)k.key[i].p[j]) * 1099511628211u;
    am_buf_format(&b->source, "#%zu/%llx", k.n, (unsigned long long)sum);
    free(k.key);
    return good;
}

static bool read_octets(builder *b, cfg_opt_t *opt, const unsigned *line, am_test *t)
{
    am_option range = {.min = 0, .max = 1 << 30};
    size_t octets = 0;
    if (cfg_opt_size(opt) != 1)
        return wrong(b, line[1], "%s: one value is wanted", t->what->name);
    if (!am_option_octets(b->conf->arena, &range, cfg_opt_getnstr(opt, 0), &octets))
        return wrong_value(b, line[0], t->what, cfg_opt_getnstr(opt, 0));
    t->octets = octets;
    return true;
}

static bool read_test(builder *b, cfg_t *section, cfg_opt_t *opt, am_test *t)
{
    *t = (am_test){.what = am_condition_find(opt->name)};
    unsigned n = cfg_opt_size(opt);
    if (!good_count(b, section, opt, &t->line))
        return false;
    unsigned *line = calloc(n + 1, sizeof *line);
    if (!line)
        return no_memory(b);
    size_t at = 0;
    am_buf_format(&b->source, " %s=", opt->name);
    for (unsigned i = 0; i < n; i++) {
        line[i] = place(b->reader, section, opt->name, &at);
        am_buf_format(&b->source, "%s,", cfg_opt_getnstr(opt, i));
    }
    bool good = t->what->kind == AM_CONDITION_WORD ? read_words(b, opt, line, t)
                : t->what->kind == AM_CONDITION_OVER || t->what->kind == AM_CONDITION_UNDER
                    ? read_octets(b, opt, line, t)
                    : read_names(b, opt, line, t);
    free(line);
    return good;
}

/* The tests of one section, groups left out. */
static bool read_group(builder *b, cfg_t *section, am_group_kind kind, am_group *g)
{
    size_t n = 0;
    for (cfg_opt_t *o = section->opts; o->name; o++)
        n += o->type != CFGT_SEC && is_given(o);
    am_test *test = am_arena_array(b->conf->arena, n + 1, sizeof *test);
    if (!test)
        return no_memory(b);
    *g = (am_group){.kind = kind, .test = test, .n = n};
    am_buf_format(&b->source, " %u{", (unsigned)kind);
    for (cfg_opt_t *o = section->opts; o->name; o++)
        if (o->type != CFGT_SEC && is_given(o)) {
            if (!read_test(b, section, o, test))
                return false;
            b->rule.own = b->rule.own || test->what->own;
            test++;
        }
    am_buf_char(&b->source, '}');
    return true;
}

static bool read_groups(builder *b, cfg_t *when)
{
    size_t max = 1 + cfg_size(when, "not") + cfg_size(when, "any");
    am_group *g = am_arena_array(b->conf->arena, max, sizeof *g);
    if (!g)
        return no_memory(b);
    b->rule.group = g;
    b->rule.groups = max;
    if (!read_group(b, when, AM_GROUP_ALL, g++))
        return false;
    for (unsigned k = 0; k < 2; k++) {
        am_group_kind kind = k ? AM_GROUP_ANY : AM_GROUP_NOT;
        for (unsigned i = 0; i < cfg_size(when, group_names[k]); i++, g++) {
            if (!read_group(b, cfg_getnsec(when, group_names[k], i), kind, g))
                return false;
            if (g->n == 0)
                return wrong(
                    b, 0, "%s {} holds nothing; wanted: conditions as in when {}", group_names[k]);
        }
    }
    return true;
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

static bool read_action(builder *b, const char *value, unsigned line)
{
    static const char *const word[] = {
        "accept", "header", "quarantine", "hold", "discard", "tempfail", "reject"};
    for (unsigned i = 0; i < sizeof word / sizeof *word; i++)
        if (am_str_iis(am_str_of(value), word[i])) {
            b->rule.measure = (am_measure)i;
            return true;
        }
    return wrong(b, line,
        "action: \"%.40s\" is not right; wanted: accept, header, quarantine, hold, reject, "
        "tempfail "
        "or discard",
        value);
}

static bool read_reason(builder *b, const char *value, unsigned line)
{
    b->rule.reason = am_arena_copy(b->conf->arena, value, strlen(value));
    if (!b->rule.reason)
        return no_memory(b);
    return is_printable(value, 200) ||
           wrong(b, line, "reason is not right; wanted: printable ASCII, at most 200 octets");
}

/* The last day on which the rule holds (UTC). */
static bool read_until(builder *b, const char *value, unsigned line)
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
    return wrong(b, line, "until: \"%.40s\" is not right; wanted: a day as 2027-01-31", value);
}

static bool refuses(const builder *b)
{
    return b->rule.measure == AM_MEASURE_REJECT || b->rule.measure == AM_MEASURE_TEMPFAIL;
}

static char class_of(const builder *b)
{
    return b->rule.measure == AM_MEASURE_REJECT ? '5' : '4';
}

static bool wrong_code(
    builder *b, unsigned line, const char *option, const char *value, const char *form)
{
    if (!refuses(b))
        return wrong(b, line, "%s is for reject and tempfail; leave it out", option);
    return wrong(
        b, line, "%s: \"%.40s\" is not right; wanted: %c%s", option, value, class_of(b), form);
}

/* RFC 5321 4.2.1 */
static bool read_code(builder *b, const char *value, unsigned line)
{
    uint64_t v;
    b->rule.code = am_arena_copy(b->conf->arena, value, strlen(value));
    if (!b->rule.code)
        return no_memory(b);
    if (!refuses(b) || strlen(value) != 3 || !am_str_number(am_str_of(value), 3, &v) ||
        *value != class_of(b) || value[1] > '5' || v == 421)
        return wrong_code(b, line, "code", value, "NN, such as 550 for reject or 451 for tempfail");
    return true;
}

/* RFC 3463 2: class "." subject "." detail */
static bool read_status(builder *b, const char *value, unsigned line)
{
    am_str s = am_str_of(value);
    size_t dot = am_str_find(am_str_cut(s, 2, s.n), '.');
    uint64_t v;
    b->rule.status = am_arena_copy(b->conf->arena, value, s.n);
    if (!b->rule.status)
        return no_memory(b);
    am_str rest = am_str_cut(s, 2, s.n);
    if (!refuses(b) || s.n < 5 || *value != class_of(b) || value[1] != '.' ||
        !am_str_number(am_str_cut(rest, 0, dot), 3, &v) ||
        !am_str_number(am_str_cut(rest, dot + 1, rest.n), 3, &v))
        return wrong_code(b, line, "enhanced-code", value,
            ".N.N, such as 5.7.1 for reject or 4.7.1 for tempfail");
    return true;
}

static bool read_text(builder *b, const char *value, unsigned line)
{
    am_error e;
    if (b->rule.measure == AM_MEASURE_ACCEPT || b->rule.measure == AM_MEASURE_DISCARD)
        return wrong(b, line, "text is for what somebody is told; leave it out, reason says why");
    b->rule.has_text = true;
    return am_template_parse(b->conf->arena, am_str_of(value), &b->rule.text, &e) ||
           wrong(b, line, "text: %s", e.text);
}

static bool read_measure(builder *b, cfg_t *section)
{
    static const struct {
        const char *option;
        bool (*read)(builder *b, const char *value, unsigned line);
    } part[] = {{"action", read_action}, {"reason", read_reason}, {"until", read_until},
        {"code", read_code}, {"enhanced-code", read_status}, {"text", read_text}};
    for (size_t i = 0; i < sizeof part / sizeof *part; i++) {
        cfg_opt_t *o = cfg_getopt(section, part[i].option);
        unsigned line;
        if (!is_given(o))
            continue;
        if (!good_count(b, section, o, &line) || !part[i].read(b, text_of(section, o->name), line))
            return false;
        am_buf_format(&b->source, " %s=%s", o->name, text_of(section, o->name));
    }
    if (!is_given(cfg_getopt(section, "action")))
        return wrong(b, 0,
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

static bool build(builder *b, cfg_t *section)
{
    size_t n = strlen(b->title);
    if (n == 0 || !is_printable(b->title, 100) || strpbrk(b->title, "\"\\"))
        return wrong(b, b->line,
            "the title is not right; wanted: printable ASCII without quotes or "
            "backslashes, at most 100 octets");
    b->rule = (am_rule){.title = am_arena_copy(b->conf->arena, b->title, n),
        .reason = "",
        .code = "",
        .status = "",
        .line = b->line};
    if (!b->rule.title)
        return no_memory(b);
    if (!read_groups(b, cfg_getsec(section, "when")) || !read_measure(b, section))
        return false;
    b->rule.source = am_buf_get(&b->source).p;
    return !b->source.failed || no_memory(b);
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
        builder b = {.reader = r,
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
