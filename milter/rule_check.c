/*
 * rule_check: rules that cannot be meant.
 *
 * For: milter/conf_check.c. Says only what is certain: a rule that contradicts itself, one above
 * which another one means all of its mail, a date that is over, trust in a public suffix. Waits:
 * never. Memory: one arena, let go. Callers: anyone.
 */
#include "milter/conf_check.h"

#include <stdio.h>
#include <string.h>

/* ---- One test and another ---- */

static bool is_names(const am_test *t)
{
    return t->what->kind == AM_CONDITION_DOMAIN || t->what->kind == AM_CONDITION_TEXT ||
           t->what->kind == AM_CONDITION_NET;
}

/* Wherever `narrow` holds, does `wide`? */
static bool implies(const am_test *narrow, const am_test *wide)
{
    if (narrow->what != wide->what)
        return false;
    if (narrow->what->kind == AM_CONDITION_OVER)
        return narrow->octets >= wide->octets;
    if (narrow->what->kind == AM_CONDITION_UNDER)
        return narrow->octets <= wide->octets;
    if (!is_names(narrow))
        return (narrow->words & ~wide->words) == 0;
    for (size_t i = 0; i < narrow->names.slots; i++)
        if (narrow->names.slot[i].p && !am_names_covers(&wide->names, narrow->names.slot[i]))
            return false;
    return true;
}

/* A message has one value of these, so that two sets of words without a common one never hold
 * together. */
static bool is_single(const am_condition *c)
{
    return c->kind == AM_CONDITION_WORD && strcmp(c->name, "dkim") != 0 &&
           strcmp(c->name, "dmarc-aligned") != 0;
}

static bool excludes(const am_test *a, const am_test *b)
{
    return a->what == b->what && is_single(a->what) && (a->words & b->words) == 0;
}

static const am_group *tests_of(const am_rule *r)
{
    return &r->group[0]; /* what stands in `when` itself */
}

static const am_test *test_named(const am_rule *r, const char *name)
{
    const am_group *g = tests_of(r);
    for (size_t i = 0; i < g->n; i++)
        if (strcmp(g->test[i].what->name, name) == 0)
            return &g->test[i];
    return NULL;
}

/* ---- A rule that contradicts itself ---- */

#define W(value) (1u << (value))
#define ANY_WORDS (~0u)

/* Where the first condition has none but these words, the second one never has any of those (or,
 * not being one of words, nothing at all). */
static const struct {
    const char *first;
    unsigned words;
    const char *second;
    unsigned never;
} impossible[] = {
    {"auth", W(AM_NONE), "auth-user", ANY_WORDS},
    {"own", W(0), "auth", W(AM_PASS)},
    {"own", W(0), "auth-user", ANY_WORDS},
    {"author", W(AM_AUTHOR_BAD), "header-from", ANY_WORDS},
    {"dmarc", W(AM_NONE), "dmarc-policy", ANY_WORDS},
    {"dmarc", W(AM_NONE), "dmarc-testing", ANY_WORDS},
    {"dmarc", W(AM_PASS) | W(AM_NONE), "dmarc-requested", ~W(AM_DMARC_NONE)},
    {"dmarc", W(AM_PASS), "dmarc-aligned", W(0)},
    {"dmarc", W(AM_FAIL), "dmarc-aligned", ~W(0)},
    {"dkim", W(AM_NONE), "dkim-domain", ANY_WORDS},
    {"dkim", W(AM_NONE), "dkim-claimed", ANY_WORDS},
    {"dkim", W(AM_NONE), "dkim-selector", ANY_WORDS},
    {"dkim", W(AM_NONE), "dkim-algorithm", ANY_WORDS},
    {"iprev", ~W(AM_PASS), "iprev-name", ANY_WORDS},
    {"arc", ~W(AM_PASS), "arc-sealer", ANY_WORDS},
    {"list", W(0), "list-id", ANY_WORDS},
    {"arc-trust", W(1), "dmarc", ~W(AM_FAIL)},
    {"tls", W(AM_NONE), "tls-weak", ANY_WORDS},
};

static bool within(const am_test *t, unsigned words)
{
    return t && (t->words & ~words) == 0;
}

/* The line of what contradicts; 0: nothing does. */
static unsigned contradiction(const am_conf *c, const am_rule *r, const char **what)
{
    bool ours = am_conf_spares(c, AM_CLASS_AUTHENTICATED);
    for (size_t i = 0; i < sizeof impossible / sizeof *impossible; i++) {
        if (!ours && strcmp(impossible[i].first, "own") == 0)
            continue;
        const am_test *a = test_named(r, impossible[i].first);
        const am_test *b = test_named(r, impossible[i].second);
        *what = impossible[i].second;
        if (within(a, impossible[i].words) && b && (is_names(b) || within(b, impossible[i].never)))
            return b->line;
    }
    const am_test *over = test_named(r, "size-over"), *under = test_named(r, "size-under");
    *what = "size-under";
    if (over && under && under->octets <= over->octets + 1)
        return under->line;
    for (size_t i = 1; i < r->groups; i++)
        for (size_t k = 0; r->group[i].kind == AM_GROUP_NOT && k < r->group[i].n; k++) {
            const am_test *t = test_named(r, r->group[i].test[k].what->name);
            *what = r->group[i].test[k].what->name;
            if (t && implies(t, &r->group[i].test[k]))
                return r->group[i].test[k].line;
        }
    return 0;
}

static void check_itself(const am_conf *c, const am_rule *r, am_findings *f)
{
    const char *what;
    unsigned line = contradiction(c, r, &what);
    if (line)
        am_finding(f, c->file, line,
            "rule \"%.60s\" can never hold: %s contradicts its other conditions; take one of them "
            "out",
            r->title, what);
}

/* ---- A rule that another one keeps from every message ---- */

static bool some_implies(const am_rule *r, const am_test *wide)
{
    const am_group *g = tests_of(r);
    for (size_t i = 0; i < g->n; i++)
        if (implies(&g->test[i], wide))
            return true;
    return false;
}

/* Does the rule rule out that `t` holds? */
static bool rules_out(const am_rule *r, const am_test *t)
{
    const am_group *all = tests_of(r);
    for (size_t i = 0; i < all->n; i++)
        if (excludes(&all->test[i], t))
            return true;
    for (size_t i = 1; i < r->groups; i++)
        for (size_t k = 0; r->group[i].kind == AM_GROUP_NOT && k < r->group[i].n; k++)
            if (implies(t, &r->group[i].test[k]))
                return true;
    return false;
}

/* Does one of the rule's own any {} fit whole into this one? */
static bool any_within(const am_rule *r, const am_group *wide)
{
    for (size_t i = 1; i < r->groups; i++) {
        const am_group *g = &r->group[i];
        size_t fit = 0;
        for (size_t k = 0; g->kind == AM_GROUP_ANY && k < g->n; k++)
            for (size_t m = 0; m < wide->n; m++)
                if (implies(&g->test[k], &wide->test[m])) {
                    fit++;
                    break;
                }
        if (g->kind == AM_GROUP_ANY && fit == g->n)
            return true;
    }
    return false;
}

static bool group_follows(const am_rule *r, const am_group *g)
{
    if (g->kind == AM_GROUP_ANY && any_within(r, g))
        return true;
    for (size_t i = 0; i < g->n; i++) {
        bool follows =
            g->kind == AM_GROUP_NOT ? rules_out(r, &g->test[i]) : some_implies(r, &g->test[i]);
        if (follows == (g->kind == AM_GROUP_ANY))
            return follows;
    }
    return g->kind != AM_GROUP_ANY;
}

/* Wherever `r` holds, does `above`? */
static bool covers(const am_rule *above, const am_rule *r)
{
    if ((r->own && !above->own) || (above->until && (!r->until || r->until > above->until)))
        return false;
    for (size_t i = 0; i < above->groups; i++)
        if (!group_follows(r, &above->group[i]))
            return false;
    return true;
}

static void check_above(const am_conf *c, size_t n, int64_t now, am_findings *f)
{
    for (size_t i = 0; i < n; i++) {
        const am_rule *above = &c->rule[i];
        if ((above->until && now >= above->until) || !covers(above, &c->rule[n]))
            continue;
        am_finding(f, c->file, c->rule[n].line,
            "rule \"%.60s\" can never decide: rule \"%.60s\" in line %u comes first and means all "
            "of "
            "its mail; put it above that one, or take it out",
            c->rule[n].title, above->title, above->line);
        return;
    }
}

/* ---- The rest ---- */

static void check_until(const am_conf *c, const am_rule *r, int64_t now, am_findings *f)
{
    if (r->until && now >= r->until)
        am_finding(f, c->file, r->until_line,
            "rule \"%.60s\": until is over, it holds no more; take the rule out, or give it "
            "another day",
            r->title);
}

/* Clients of local-networks are own ones, whom the rule does not mean. */
static void check_client(const am_conf *c, const am_rule *r, am_findings *f)
{
    const am_test *t = test_named(r, "client");
    am_names local = {.n = 0};
    am_str key[AM_CONF_LIST_MAX];
    am_arena *a = t && !r->own && am_conf_spares(c, AM_CLASS_LOCAL) ? am_arena_new(0) : NULL;
    bool good = a != NULL;
    for (unsigned i = 0; good && i < c->local_networks.n; i++) {
        char text[AM_IP_TEXT];
        const am_net *net = &c->local_networks.item[i];
        am_str as_text = am_str_format(a, "%s/%u", am_ip_text(&net->ip, text), net->bits);
        good = am_names_key(a, AM_NAMES_NET, as_text, &key[i]);
    }
    good = good && am_names_make(a, AM_NAMES_NET, key, c->local_networks.n, &local);
    for (size_t i = 0; good && i < t->names.slots; i++)
        good = !t->names.slot[i].p || am_names_covers(&local, t->names.slot[i]);
    if (good)
        am_finding(f, c->file, t->line,
            "rule \"%.60s\" can never hold: all of client are local-networks, whom a rule means "
            "only "
            "where it says so; add own = yes",
            r->title);
    am_arena_free(a);
}

/* Accepting whatever comes from below a public suffix is trusting anybody. */
static void check_suffix(
    const am_conf *c, const am_rule *r, const am_test *t, const am_psl *psl, am_findings *f)
{
    am_arena *a = am_arena_new(0);
    for (size_t i = 0; a && i < t->names.slots; i++) {
        am_str key = t->names.slot[i];
        size_t at = am_str_rfind(key, '@');
        if (!key.p || at < key.n || am_str_is(key, "<>"))
            continue;
        if (!am_conf_is_suffix(a, psl, key.p[0] == '.' ? am_str_cut(key, 1, key.n) : key))
            continue;
        am_finding(f, c->file, t->line,
            "rule \"%.60s\": %s: \"%.*s\" is a public suffix, anybody can have a name below it; "
            "name the "
            "domains that are meant",
            r->title, t->what->name, (int)(key.n > 80 ? 80 : key.n), key.p);
        break;
    }
    am_arena_free(a);
}

static void check_trust(const am_conf *c, const am_rule *r, const am_psl *psl, am_findings *f)
{
    for (size_t i = 0; r->measure == AM_MEASURE_ACCEPT && i < r->groups; i++)
        for (size_t k = 0; r->group[i].kind != AM_GROUP_NOT && k < r->group[i].n; k++)
            if (r->group[i].test[k].what->kind == AM_CONDITION_DOMAIN &&
                strcmp(r->group[i].test[k].what->name, "rcpt") != 0)
                check_suffix(c, r, &r->group[i].test[k], psl, f);
}

static bool is_early(const am_rule *r)
{
    for (size_t i = 0; i < r->groups; i++)
        for (size_t k = 0; k < r->group[i].n; k++)
            if (r->group[i].test[k].what->stage == AM_STAGE_END)
                return false;
    return r->measure == AM_MEASURE_REJECT || r->measure == AM_MEASURE_TEMPFAIL;
}

static void check_early(const am_conf *c, am_findings *f)
{
    bool any = c->spf.reject_at == AM_STAGE_END;
    for (size_t i = 0; !any && i < c->rules; i++)
        any = is_early(&c->rule[i]);
    if (!any)
        am_finding(f, c->file, am_conf_line(c, "spf", "reject-at"),
            "spf.reject-at: no rule refuses by the envelope alone, so there is nothing to do "
            "early; add "
            "one such as when { spf = fail } action = reject, or leave it out");
}

/* Does a rule mean every message there is, so that the default never comes? */
static void check_default(const am_conf *c, const am_rule *r, am_findings *f)
{
    for (size_t i = 0; i < r->groups; i++)
        if (r->group[i].n)
            return;
    if (c->dmarc.enforce && !r->until)
        am_finding(f, c->file, am_conf_line(c, "dmarc", "enforce"),
            "dmarc.enforce: rule \"%.60s\" in line %u means every message, so that it counts for "
            "none; "
            "give the rule a when {}, or take it out",
            r->title, r->line);
}

void am_conf_check_rules(const am_conf *c, const am_psl *psl, int64_t now, am_findings *f)
{
    for (size_t i = 0; i < c->rules; i++) {
        const am_rule *r = &c->rule[i];
        check_until(c, r, now, f);
        check_itself(c, r, f);
        check_client(c, r, f);
        check_trust(c, r, psl, f);
        check_default(c, r, f);
        check_above(c, i, now, f);
    }
    check_early(c, f);
}
