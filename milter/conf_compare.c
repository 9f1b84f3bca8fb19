/*
 * conf_compare: what is not the same in two configurations, by name.
 *
 * For: a reload's line in the log. Waits: never. Memory: none. Callers: anyone.
 */
#include "milter/conf.h"
#include "milter/option.h"

#include <stdio.h>
#include <string.h>

static const am_rule *rule_titled(const am_conf *c, const char *title)
{
    for (size_t i = 0; i < c->rules; i++)
        if (strcmp(c->rule[i].title, title) == 0)
            return &c->rule[i];
    return NULL;
}

static void say_rule(const char *title, const char *what, am_conf_say *say, void *to)
{
    char name[160];
    snprintf(name, sizeof name, "rule \"%s\"", title);
    say(to, name, "", what);
}

/* Rules that both have: changed in themselves, or standing in another order among each other. */
static void compare_rules(const am_conf *was, const am_conf *is, am_conf_say *say, void *to)
{
    const am_rule *latest = NULL;
    for (size_t i = 0; i < was->rules; i++)
        if (!rule_titled(is, was->rule[i].title))
            say_rule(was->rule[i].title, "gone", say, to);
    for (size_t i = 0; i < is->rules; i++) {
        const am_rule *old = rule_titled(was, is->rule[i].title);
        if (!old)
            say_rule(is->rule[i].title, "new", say, to);
        else if (strcmp(old->source, is->rule[i].source) != 0)
            say_rule(old->title, "changed", say, to);
        else if (latest && old < latest)
            say_rule(old->title, "moved", say, to);
        latest = old && (!latest || old > latest) ? old : latest;
    }
}

void am_conf_compare(const am_conf *was, const am_conf *is, am_conf_say *say, void *to)
{
    char name[80];
    for (size_t i = 0; i < am_option_count; i++) {
        const am_option *o = &am_option_table[i];
        if (strcmp(was->value[i], is->value[i]) == 0)
            continue;
        snprintf(name, sizeof name, "%s%s%s", o->section, *o->section ? "." : "", o->name);
        say(to, name, was->value[i], is->value[i]);
    }
    compare_rules(was, is, say, to);
}
