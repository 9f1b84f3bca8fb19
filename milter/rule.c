/*
 * rule: does a rule mean this message?
 *
 * For: milter/policy.c. A rule is a list of groups of tests, all of which have to hold; a test asks
 * one row of milter/condition.c. Before the end of a message some tests cannot be told yet: they
 * are neither yes nor no, and a rule that needs them is not passed over. Waits: never. Memory:
 * none. Callers: anyone.
 */
#include "milter/rule.h"

#include <string.h>

static bool fits(const am_test *t, const am_seen *v)
{
    switch (t->what->kind) {
    case AM_CONDITION_WORD:
        return t->words & 1u << v->word;
    case AM_CONDITION_DOMAIN:
        return am_names_has_mailbox(&t->names, &v->name);
    case AM_CONDITION_TEXT:
        return v->text.n && am_names_has_text(&t->names, v->text);
    case AM_CONDITION_NET:
        return am_names_has_ip(&t->names, &v->ip);
    case AM_CONDITION_OVER:
        return v->octets > t->octets;
    case AM_CONDITION_UNDER:
        return v->octets < t->octets;
    }
    return false;
}

am_truth am_test_holds(const am_test *t, const am_case *c)
{
    am_seen v = {0};
    if (t->what->stage > c->f->stage)
        return AM_LATER;
    for (size_t i = 0; t->what->get(c, i, &v); i++)
        if (fits(t, &v))
            return AM_YES;
    return AM_NO;
}

/* What one test decides alone, and what the group is where none does. */
static const struct {
    am_truth decides, gives, otherwise;
} groups[] = {
    [AM_GROUP_ALL] = {AM_NO, AM_NO, AM_YES},
    [AM_GROUP_NOT] = {AM_YES, AM_NO, AM_YES},
    [AM_GROUP_ANY] = {AM_YES, AM_YES, AM_NO},
};

static am_truth group_holds(const am_group *g, const am_case *c)
{
    bool later = false;
    for (size_t i = 0; i < g->n; i++) {
        am_truth t = am_test_holds(&g->test[i], c);
        if (t == groups[g->kind].decides)
            return groups[g->kind].gives;
        later = later || t == AM_LATER;
    }
    return later ? AM_LATER : groups[g->kind].otherwise;
}

am_truth am_rule_matches(const am_rule *r, const am_case *c)
{
    bool later = false;
    if ((c->own && !r->own) || (r->until && c->f->now >= r->until))
        return AM_NO;
    for (size_t i = 0; i < r->groups; i++) {
        am_truth t = group_holds(&r->group[i], c);
        if (t == AM_NO)
            return AM_NO;
        later = later || t == AM_LATER;
    }
    return later ? AM_LATER : AM_YES;
}

am_truth am_rule_first(const am_rule *rule, size_t n, const am_case *c, const am_rule **found)
{
    for (size_t i = 0; i < n; i++) {
        am_truth t = am_rule_matches(&rule[i], c);
        if (t == AM_NO)
            continue;
        if (t == AM_YES)
            *found = &rule[i];
        return t;
    }
    return AM_NO;
}

bool am_rule_names(const am_rule *r, const char *condition)
{
    for (size_t i = 0; i < r->groups; i++)
        for (size_t k = 0; k < r->group[i].n; k++)
            if (strcmp(r->group[i].test[k].what->name, condition) == 0)
                return true;
    return false;
}

/* The detail of the first failure that the test was about. */
static const char *test_detail(const am_test *t, const am_case *c)
{
    am_seen v = {0};
    for (size_t i = 0; t->what->choice && t->what->get(c, i, &v); i++)
        for (const am_choice *w = t->what->choice; w->word; w++)
            if (w->value == v.word && fits(t, &v) && w->detail)
                return w->detail;
    return NULL;
}

const char *am_rule_detail(const am_rule *r, const am_case *c, const am_condition **by)
{
    const char *detail = NULL;
    *by = NULL;
    for (size_t i = 0; i < r->groups; i++) {
        const am_group *g = &r->group[i];
        for (size_t k = 0; g->kind != AM_GROUP_NOT && k < g->n; k++) {
            bool known = g->test[k].what->stage <= c->f->stage;
            const char *d = known ? test_detail(&g->test[k], c) : NULL;
            if (d && detail && strcmp(d, detail) != 0)
                return "7.26"; /* RFC 7372 3.3: more than one method */
            if (d && !detail) {
                detail = d;
                *by = g->test[k].what;
            }
        }
    }
    return detail ? detail : "7.1";
}
