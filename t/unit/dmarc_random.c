/* dmarc over random zones, held against a second, naive implementation of RFC 9989 4.10
 * that goes by the text, step after step and rule after rule. */
#include "t/unit/dmarc_zone.h"

#include "libauth/base/domain.h"
#include "libauth/dmarc/discover.h"

/* A name is its labels, the top one last, and what stands at _dmarc of it. */
typedef struct node {
    char name[64];
    char psd;    /* of its record; 0: no record */
    int records; /* how many */
} node;

typedef struct tree {
    node node[40];
    int n;
    uint32_t seed;
} tree;

static uint32_t draw(tree *t, uint32_t below)
{
    t->seed = t->seed * 1664525u + 1013904223u;
    return (t->seed >> 16) % below;
}

static void random_name(tree *t, char *out, size_t max_labels)
{
    size_t labels = 1 + draw(t, (uint32_t)max_labels);
    for (size_t i = 0; i < labels; i++) {
        *out++ = "ab"[draw(t, 2)];
        *out++ = i + 1 < labels ? '.' : '\0';
    }
}

static const node *at(const tree *t, const char *name)
{
    for (int i = 0; i < t->n; i++)
        if (strcmp(t->node[i].name, name) == 0)
            return &t->node[i];
    return NULL;
}

/* A tree of records at start's parents and at random names. */
static am_dns_session *grow(am_arena *a, tree *t, const char *start)
{
    am_buf b = {.arena = a};
    t->n = 0;
    for (const char *p = start; p; p = strchr(p, '.') ? strchr(p, '.') + 1 : NULL)
        if (draw(t, 3) == 0)
            snprintf(t->node[t->n++].name, sizeof t->node[0].name, "%s", p);
    while (t->n < 16) {
        char name[64];
        random_name(t, name, 4);
        if (at(t, name))
            break;
        snprintf(t->node[t->n++].name, sizeof name, "%s", name);
    }
    for (int i = 0; i < t->n; i++) {
        node *n = &t->node[i];
        n->records = (int)draw(t, 8) ? 1 : 2;
        n->psd = "uuuyn"[draw(t, 5)];
        for (int k = 0; k < n->records; k++)
            am_buf_format(&b, "%s%s p=none; psd=%c", i + k ? " | " : "", n->name,
                k ? "uyn"[draw(t, 3)] : n->psd);
    }
    return zone(a, t->n ? am_str_copy(a, am_buf_get(&b)).p : "");
}

static int dots(const char *s)
{
    int n = 0;
    for (; *s; s++)
        n += *s == '.';
    return n;
}

/* RFC 9989 4.10 step by step: the names that have a valid record, longest first. */
static int naive_set(const tree *t, const char *start, const node *set[])
{
    int n = 0, x = dots(start) + 1;
    const char *target = start;
    for (int query = 1;; query++) {
        const node *here = at(t, target);
        if (here && here->records == 1) {
            set[n++] = here;
            if (here->psd != 'u')
                return n;
        }
        int wanted = query == 1 && x >= 8 ? 7 : dots(target);
        if (wanted == 0)
            return n;
        while (dots(target) + 1 > wanted)
            target = strchr(target, '.') + 1;
    }
}

/* 4.10.2: rules 1, 2, 3 in their order over the whole set. */
static const char *naive_org(const char *start, const node *set[], int n)
{
    for (int i = 0; i < n; i++) {
        if (set[i]->psd == 'n')
            return set[i]->name;
        if (set[i]->psd == 'y' && strcmp(set[i]->name, start) != 0) {
            const char *org = start;
            while (dots(org) > dots(set[i]->name) + 1)
                org = strchr(org, '.') + 1;
            return org;
        }
    }
    return n ? set[n - 1]->name : start;
}

/* 4.10.1: Author Domain, Organizational Domain, public suffix. */
static const char *naive_policy(const tree *t, const char *start, const node *set[], int n)
{
    const node *own = at(t, start);
    if (own && own->records == 1)
        return start;
    const char *org = naive_org(start, set, n);
    for (int i = 0; i < n; i++)
        if (strcmp(set[i]->name, org) == 0)
            return org;
    for (int i = 0; i < n; i++)
        if (set[i]->psd == 'y')
            return set[i]->name;
    return "";
}

static void random_zones(void **state)
{
    (void)state;
    tree t = {.seed = 9989};
    unsigned deep = 0, suffixes = 0, without = 0;
    for (int i = 0; i < 4000; i++) {
        const node *set[16];
        char start[64], what[128];
        random_name(&t, start, 12);
        am_arena *a = am_arena_new(0);
        am_dns_session *s = grow(a, &t, start);
        am_context c = {.arena = a, .dns = s};
        am_dmarc_walk w;
        snprintf(what, sizeof what, "tree %d, start %s", i, start);
        am_dmarc_walk_begin(&w, a, NULL, am_str_of(start));
        want_int(what, am_dmarc_walk_finish(&w, &c), true);
        int n = naive_set(&t, start, set);
        const am_dmarc_found *f = am_dmarc_walk_policy(&w);
        want_int(what, w.n, n);
        want_str(what, am_dmarc_walk_org(&w), naive_org(start, set, n));
        want_str(what, f ? f->domain : AM_STR(""), naive_policy(&t, start, set, n));
        assert_true(fake_dns_waited(s) <= AM_DMARC_QUERIES);
        deep += dots(start) >= 8 && n > 1;
        suffixes += n && set[n - 1]->psd == 'y' && strcmp(set[n - 1]->name, start) != 0;
        without += !f;
        am_dns_end(s);
        am_arena_free(a);
    }
    /* the trees are worth something */
    assert_true(deep > 100 && suffixes > 200 && without > 200);
}

/* An identifier aligns where its Organizational Domain is the author's: the walks
 * that check.c spares itself change nothing. */
static void random_alignment(void **state)
{
    (void)state;
    tree t = {.seed = 7489};
    unsigned aligned = 0, apart = 0;
    for (int i = 0; i < 4000; i++) {
        const node *set[16], *id_set[16];
        char start[64], domain[64], what[256];
        random_name(&t, start, 5);
        random_name(&t, domain, 5);
        snprintf(what, sizeof what, "tree %d, author %s, identifier %s", i, start, domain);
        am_arena *a = am_arena_new(0);
        am_dns_session *s = grow(a, &t, start);
        am_context c = {.arena = a, .dns = s};
        am_author author = {
            .status = AM_AUTHOR_ONE, .mailbox.domain = am_str_of(start), .reason = ""};
        am_dmarc_id id = {AM_DMARC_DKIM, am_str_of(domain), AM_PASS};
        am_dmarc_verdict v = am_dmarc_check(&c, &(am_dmarc_options){0}, &author, &id, 1);
        int n = naive_set(&t, start, set), m = naive_set(&t, domain, id_set);
        bool same = strcmp(naive_org(start, set, n), naive_org(domain, id_set, m)) == 0;
        bool applies = naive_policy(&t, start, set, n)[0] != 0;
        want_int(what, v.result, !applies ? AM_NONE : same ? AM_PASS : AM_FAIL);
        want_int(what, v.dkim_aligned, applies && same);
        aligned += applies && same && strcmp(start, domain) != 0;
        apart += applies && !same;
        am_dns_end(s);
        am_arena_free(a);
    }
    assert_true(aligned > 200 && apart > 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_zones),
        cmocka_unit_test(random_alignment),
    };
    return cmocka_run_group_tests_name("dmarc_random", tests, NULL, NULL);
}
