/*
 * rule_when: reads the conditions of a rule.
 *
 * For: milter/rule_conf.c, whose other half this is. Every value is checked against its row of
 * milter/condition.c; lists may come from files. Waits: for files. Memory: the configuration's
 * arena. Callers: milter/rule_conf.c.
 */
#include "milter/option.h"
#include "milter/rule_build.h"

#include <stdlib.h>
#include <string.h>

/* ---- Conditions ---- */

static bool wrong_value(am_rule_builder *b, unsigned line, const am_condition *c, const char *value)
{
    char right[160];
    return am_rule_wrong(b, line, "%s: \"%.40s\" is not right; wanted: %s", c->name, value,
        am_condition_right(c, right, sizeof right));
}

static bool read_words(am_rule_builder *b, cfg_opt_t *opt, const unsigned *line, am_test *t)
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

static bool read_file(
    am_rule_builder *b, unsigned line, const am_condition *c, const char *file, keys *k)
{
    char right[160];
    am_error e;
    if (*file != '/')
        return am_rule_wrong(
            b, line, "%s: \"file:%.40s\" is not right; wanted: file:/PATH", c->name, file);
    if (!am_names_read(b->conf->arena, names_kind(c), file,
            am_condition_right(c, right, sizeof right), &k->key, &k->n, &e))
        return am_rule_wrong(b, line, "%s: %s", c->name, e.text);
    return true;
}

static bool add_key(
    am_rule_builder *b, unsigned line, const am_condition *c, const char *value, keys *k)
{
    am_str key;
    if (!am_names_key(b->conf->arena, names_kind(c), am_str_of(value), &key))
        return am_arena_failed(b->conf->arena) ? am_rule_no_memory(b)
                                               : wrong_value(b, line, c, value);
    if ((k->n & (k->n - 1)) == 0) {
        am_str *more = realloc(k->key, (k->n ? 2 * k->n : 1) * sizeof *more);
        if (!more)
            return am_rule_no_memory(b);
        k->key = more;
    }
    k->key[k->n++] = key;
    return true;
}

/* RFC 5321 4.5.5: of all addresses only a reverse-path can be null. */
static bool null_is_right(am_rule_builder *b, unsigned line, const am_condition *c, const keys *k)
{
    for (size_t i = 0; !c->null && i < k->n; i++)
        if (c->kind == AM_CONDITION_DOMAIN && am_str_is(k->key[i], "<>"))
            return wrong_value(b, line, c, "<>");
    return true;
}

static bool read_names(am_rule_builder *b, cfg_opt_t *opt, const unsigned *line, am_test *t)
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
        good = am_rule_wrong(
            b, line[0], "%s: the file names nothing; wanted: one entry a line", t->what->name);
    if (good && !am_names_make(b->conf->arena, names_kind(t->what), k.key, k.n, &t->names))
        good = am_rule_no_memory(b);
    uint64_t sum = 0; /* so that a changed file is a changed rule */
    for (size_t i = 0; i < k.n; i++)
        for (size_t j = 0; j < k.key[i].n; j++)
            sum = (sum ^ (unsigned char)k.key[i].p[j]) * 1099511628211u;
    am_buf_format(&b->source, "#%zu/%llx", k.n, (unsigned long long)sum);
    free(k.key);
    return good;
}

static bool read_octets(am_rule_builder *b, cfg_opt_t *opt, const unsigned *line, am_test *t)
{
    am_option range = {.min = 0, .max = 1 << 30};
    size_t octets = 0;
    if (cfg_opt_size(opt) != 1)
        return am_rule_wrong(b, line[1], "%s: one value is wanted", t->what->name);
    if (!am_option_octets(b->conf->arena, &range, cfg_opt_getnstr(opt, 0), &octets))
        return wrong_value(b, line[0], t->what, cfg_opt_getnstr(opt, 0));
    t->octets = octets;
    return true;
}

static bool read_test(am_rule_builder *b, cfg_t *section, cfg_opt_t *opt, am_test *t)
{
    *t = (am_test){.what = am_condition_find(opt->name)};
    unsigned n = cfg_opt_size(opt);
    if (!am_rule_good_count(b, section, opt, &t->line))
        return false;
    unsigned *line = calloc(n + 1, sizeof *line);
    if (!line)
        return am_rule_no_memory(b);
    size_t at = 0;
    am_buf_format(&b->source, " %s=", opt->name);
    for (unsigned i = 0; i < n; i++) {
        line[i] = am_rule_line(b->reader, section, opt->name, &at);
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
static bool read_group(am_rule_builder *b, cfg_t *section, am_group_kind kind, am_group *g)
{
    size_t n = 0;
    for (cfg_opt_t *o = section->opts; o->name; o++)
        n += o->type != CFGT_SEC && am_rule_is_given(o);
    am_test *test = am_arena_array(b->conf->arena, n + 1, sizeof *test);
    if (!test)
        return am_rule_no_memory(b);
    *g = (am_group){.kind = kind, .test = test, .n = n};
    am_buf_format(&b->source, " %u{", (unsigned)kind);
    for (cfg_opt_t *o = section->opts; o->name; o++)
        if (o->type != CFGT_SEC && am_rule_is_given(o)) {
            if (!read_test(b, section, o, test))
                return false;
            b->rule.own = b->rule.own || test->what->own;
            test++;
        }
    am_buf_char(&b->source, '}');
    return true;
}

bool am_rule_read_when(am_rule_builder *b, cfg_t *when)
{
    static const char *const name[] = {"not", "any"};
    size_t max = 1 + cfg_size(when, "not") + cfg_size(when, "any");
    am_group *g = am_arena_array(b->conf->arena, max, sizeof *g);
    if (!g)
        return am_rule_no_memory(b);
    b->rule.group = g;
    b->rule.groups = max;
    if (!read_group(b, when, AM_GROUP_ALL, g++))
        return false;
    for (unsigned k = 0; k < 2; k++) {
        am_group_kind kind = k ? AM_GROUP_ANY : AM_GROUP_NOT;
        for (unsigned i = 0; i < cfg_size(when, name[k]); i++, g++) {
            if (!read_group(b, cfg_getnsec(when, name[k], i), kind, g))
                return false;
            if (g->n == 0)
                return am_rule_wrong(
                    b, 0, "%s {} holds nothing; wanted: conditions as in when {}", name[k]);
        }
    }
    return true;
}
