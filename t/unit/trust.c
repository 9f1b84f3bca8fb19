/* trust: lists of sealers, and whose word overrides a DMARC fail. */
#include "t/unit/unit.h"

#include "libauth/trust.h"

static void entries(void **state)
{
    (void)state;
    static const struct {
        const char *text, *domain; /* NULL: refused */
        enum { ITSELF, BELOW, BOTH } what;
        const char *why;
    } cases[] = {
        {"example.org", "example.org", ITSELF, ""},
        {"Example.ORG.", "example.org", ITSELF, ""},
        {"b\xc3\xbc"
         "cher.example",
            "xn--bcher-kva.example", ITSELF, ""},
        {".example.org", "example.org", BELOW, ""},
        {"*.example.org", "example.org", BOTH, ""},
        {".mail.example.org", "mail.example.org", BELOW, ""},
        {"org", "org", ITSELF, ""},
        {".org", NULL, BELOW, "everything below a single label cannot be trusted"},
        {"*.org", NULL, BELOW, "everything below a single label cannot be trusted"},
        {".org.", NULL, BELOW, "everything below a single label cannot be trusted"},
        {".co.uk", NULL, BELOW, "everything below a public suffix cannot be trusted"},
        {".CO.uk.", NULL, BELOW, "everything below a public suffix cannot be trusted"},
        {".example.co.uk", "example.co.uk", BELOW, ""},
        {"co.uk", "co.uk", ITSELF, ""},
        {"", NULL, ITSELF, "no domain name"},
        {".", NULL, BELOW, "no domain name"},
        {"*", NULL, ITSELF, "no domain name"},
        {"*.", NULL, BELOW, "no domain name"},
        {"..example.org", NULL, BELOW, "no domain name"},
        {"*..example.org", NULL, BELOW, "no domain name"},
        {"*.*.example.org", NULL, BELOW, "no domain name"},
        {"mail.*.example.org", NULL, ITSELF, "no domain name"},
        {"*example.org", NULL, ITSELF, "no domain name"},
        {"example org", NULL, ITSELF, "no domain name"},
        {"a@example.org", NULL, ITSELF, "no domain name"},
        {"[192.0.2.1]", NULL, ITSELF, "no domain name"},
    };
    am_psl *psl = am_psl_load(NULL, NULL);
    if (!psl)
        print_message("# no public suffix list here: what needs one is not looked at\n");
    am_arena *a = am_arena_new(0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        am_trust_entry e = {0};
        am_error why = {""};
        bool by_list = strstr(cases[i].why, "suffix") != NULL;
        bool good = am_trust_entry_parse(a, psl, am_str_of(cases[i].text), &e, &why);
        if (psl || !by_list) {
            want_int(cases[i].text, good, cases[i].domain != NULL);
            want_str(cases[i].text, am_str_of(why.text), cases[i].why);
        }
        if (good && cases[i].domain) {
            want_str(cases[i].text, e.domain, cases[i].domain);
            want_int(cases[i].text, e.below, cases[i].what != ITSELF);
            want_int(cases[i].text, e.itself, cases[i].what != BELOW);
        }
        /* Without a list, single labels alone are known to be suffixes. */
        good = am_trust_entry_parse(a, NULL, am_str_of(cases[i].text), &e, NULL);
        want_int(cases[i].text, good, cases[i].domain != NULL || by_list);
    }
    am_arena_free(a);
    am_psl_free(psl);
}

static void lists(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int n; /* -1: refused */
        const char *why;
    } cases[] = {
        {"", 0, ""},
        {"\n\r\n  \n# nothing\n", 0, ""},
        {"example.org", 1, ""},
        {"example.org\n", 1, ""},
        {"# lists we know\r\nexample.org \t# theirs\r\n\t.example.com\r\n\r\n*.example.net", 3, ""},
        {"example.org\n\nexa mple.com\n", -1, "line 3: no domain name"},
        {"example.org\n# .org\n.org\n", -1,
            "line 3: everything below a single label cannot be trusted"},
    };
    am_arena *a = am_arena_new(0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        am_trust_list l = {0};
        am_error why = {""};
        bool good = am_trust_list_parse(a, NULL, am_str_of(cases[i].text), &l, &why);
        want_int(cases[i].text, good ? (int)l.n : -1, cases[i].n);
        want_str(cases[i].text, am_str_of(why.text), cases[i].why);
    }
    am_trust_list l;
    assert_false(am_trust_list_parse(a, NULL, AM_STR("a.example\0b\n"), &l, NULL));
    am_buf b = {.arena = a};
    for (int i = 0; i < 100001; i++)
        am_buf_format(&b, "d%d.example\n", i);
    am_error why;
    assert_false(am_trust_list_parse(a, NULL, am_buf_get(&b), &l, &why));
    assert_string_equal(why.text, "more than 100000 entries");
    am_str fits =
        am_str_cut(am_buf_get(&b), 0, am_str_rfind(am_str_cut(am_buf_get(&b), 0, b.n - 1), '\n'));
    assert_true(am_trust_list_parse(a, NULL, fits, &l, NULL));
    assert_int_equal(l.n, 100000);
    want_str("last", l.entry[99999].domain, "d99999.example");
    am_arena_free(a);
    a = am_arena_new(80);
    assert_false(am_trust_list_parse(a, NULL, AM_STR("a.example\nb.example\n"), &l, &why));
    am_arena_free(a);
}

/* ---- Whom to believe ---- */

#define NOT_PASS "its results do not say dmarc=pass of the author"
#define NOT_READ "its results cannot be read"
#define PASS "mx.one.example; dmarc=pass header.from=author.example"
#define FAIL "mx.one.example; dmarc=fail header.from=author.example"

/* Chains by their sealers, oldest first; every one is believed by the list
 * "one.example, .big.example, *.all.example, three.example". */
static const struct {
    const char *sealers; /* with blanks between */
    const char *results[3];
    const char *author;
    unsigned instance;
    const char *why; /* "": overridden */
} walks[] = {
    {"one.example", {PASS}, "author.example", 1, ""},
    {"one.example", {FAIL}, "author.example", 1, NOT_PASS},
    {"one.example", {PASS}, "other.example", 1, NOT_PASS},
    {"one.example", {PASS}, NULL, 1, "no author domain"},
    {"two.example", {PASS}, "author.example", 0, "the newest sealer is not trusted"},
    /* the newest counts first */
    {"one.example two.example", {PASS, PASS}, "author.example", 0,
        "the newest sealer is not trusted"},
    /* the oldest that trusted sealers vouch for without a break: what it says, nothing else */
    {"two.example one.example", {PASS, PASS}, "author.example", 2, ""},
    {"two.example one.example", {FAIL, PASS}, "author.example", 2, ""},
    {"two.example one.example", {PASS, FAIL}, "author.example", 2, NOT_PASS},
    {"one.example three.example", {PASS, FAIL}, "author.example", 1, ""},
    {"one.example three.example", {FAIL, PASS}, "author.example", 1, NOT_PASS},
    {"one.example two.example three.example", {PASS, PASS, FAIL}, "author.example", 3, NOT_PASS},
    {"one.example two.example three.example", {FAIL, FAIL, PASS}, "author.example", 3, ""},
    /* exact entries; those for all below, which are not themselves, as in rules; and both */
    {"mail.one.example", {PASS}, "author.example", 0, "the newest sealer is not trusted"},
    {"example", {PASS}, "author.example", 0, "the newest sealer is not trusted"},
    {"xone.example", {PASS}, "author.example", 0, "the newest sealer is not trusted"},
    {"big.example", {PASS}, "author.example", 0, "the newest sealer is not trusted"},
    {"BIG.example", {PASS}, "author.example", 0, "the newest sealer is not trusted"},
    {"x.big.example", {PASS}, "author.example", 1, ""},
    {"a.b.big.example", {PASS}, "author.example", 1, ""},
    {"all.example", {PASS}, "author.example", 1, ""},
    {"x.all.example", {PASS}, "author.example", 1, ""},
    {"xall.example", {PASS}, "author.example", 0, "the newest sealer is not trusted"},
    {"verybig.example", {PASS}, "author.example", 0, "the newest sealer is not trusted"},
    {"big.example.evil.example", {PASS}, "author.example", 0, "the newest sealer is not trusted"},
};

#define ONE(results_, why_)                                                                        \
    {                                                                                              \
        "one.example", {results_}, "author.example", 1, why_                                       \
    }
#define ID "mx.one.example; "

/* One trusted set: what its results may say. */
static const struct {
    const char *sealers, *results[3], *author;
    unsigned instance;
    const char *why;
} sayings[] = {
    ONE(ID "spf=fail smtp.mailfrom=x.example; dmarc=pass header.from=author.example; arc=none", ""),
    ONE(" (c) mx.one.example (c) 1;\r\n\tDMARC = Pass (p=reject) header . from = Author.EXAMPLE",
        ""),
    ONE(ID "dmarc=pass header.from=author.example.", ""),
    ONE(ID "dmarc=pass header.from=\"author.example\"", ""),
    ONE(ID "dmarc=pass reason=\"x\" policy.dmarc=none header.from=author.example", ""),
    ONE(ID "dmarc/1=pass header.from=author.example", ""),
    ONE(ID "dmarc=pass header.from=author.example; dmarc=pass header.from=author.example", ""),
    ONE(ID "dmarc=fail header.from=other.example; dmarc=pass header.from=author.example", ""),
    /* not of this author, or not of anybody */
    ONE(ID "none", NOT_PASS),
    ONE("mx.one.example", NOT_READ),
    ONE("", NOT_READ),
    ONE(ID "dmarc=pass", NOT_PASS),
    ONE(ID "dmarc=pass header.from=other.example", NOT_PASS),
    ONE(ID "dmarc=pass header.from=sub.author.example", NOT_PASS),
    ONE(ID "dmarc=pass header.from=example", NOT_PASS),
    ONE(ID "dmarc=pass header.from=joe@author.example", NOT_PASS),
    ONE(ID "dmarc=pass smtp.from=author.example", NOT_PASS),
    ONE(ID "dmarc=pass header.d=author.example", NOT_PASS),
    ONE(ID "dmarc=pass (header.from=author.example)", NOT_PASS),
    ONE(ID "dmarc=pass reason=\"header.from=author.example\"", NOT_PASS),
    ONE(ID "dmarc=pass header.from=other.example header.from=author.example", NOT_PASS),
    ONE(ID "dmarc=pass header.from=author.example header.from=other.example", NOT_PASS),
    ONE(ID "dmarc/2=pass header.from=author.example", NOT_PASS),
    ONE("mx.one.example 2; dmarc=pass header.from=author.example", NOT_PASS),
    ONE(ID "x-dmarc=pass header.from=author.example", NOT_PASS),
    ONE(ID "dkim=pass header.d=author.example; spf=pass smtp.mailfrom=author.example", NOT_PASS),
    /* not a pass */
    ONE(ID "dmarc=none header.from=author.example", NOT_PASS),
    ONE(ID "dmarc=temperror header.from=author.example", NOT_PASS),
    ONE(ID "dmarc=bestguesspass header.from=author.example", NOT_PASS),
    ONE(ID "dmarc=\"pass\" header.from=author.example", NOT_READ),
    /* two opinions: one is not the sealer's */
    ONE(ID "dmarc=pass header.from=author.example; dmarc=fail header.from=author.example",
        NOT_PASS),
    ONE(ID "dmarc=fail header.from=author.example; dmarc=pass header.from=author.example",
        NOT_PASS),
    ONE(ID "dmarc=pass header.from=author.example; dmarc=fail", NOT_PASS),
    /* against the grammar, and found in the mail of large hosts */
    ONE(ID "spf=pass (sender ip is 192.0.2.1) smtp.rcpttodomain=b.example "
           "smtp.mailfrom=author.example; dmarc=pass (p=reject sp=reject pct=100) action=none "
           "header.from=author.example; dkim=pass (signature was verified) "
           "header.d=author.example; arc=pass (0 oda=1 ltdi=1 spf=[1,1,smtp.mailfrom=a.example])",
        ""),
    ONE(ID "dkim=pass header.i=@author.example header.s=s1 header.b=aB/c+d=E; "
           "dmarc=pass (p=REJECT dis=NONE) header.from=author.example;",
        ""),
    ONE(ID "dmarc=fail action=oreject header.from=author.example", NOT_PASS),
    ONE(ID "dmarc=pass action=header.from=author.example", NOT_PASS),
    ONE(ID "dmarc=pass header.from=author.example;;", NOT_READ),
    ONE(ID "dmarc=pass header.from=author.example; (", NOT_READ),
    ONE(ID "dmarc=pass header.from=author.example \"", NOT_READ),
    ONE(ID "dmarc=pass header.from=author.example\x01", NOT_READ),
};

static am_trust_list believed(am_arena *a)
{
    am_trust_list l;
    assert_true(am_trust_list_parse(
        a, NULL, AM_STR("one.example\n.big.example\n*.all.example\nthree.example"), &l, NULL));
    return l;
}

/* The chain's sets; the blanks of `sealers` part them. */
static size_t make_sets(am_arc_set *set, const char *sealers, const char *const *results)
{
    size_t n = 0;
    for (am_str rest = am_str_of(sealers); rest.n; n++) {
        size_t end = am_str_find(rest, ' ');
        set[n] = (am_arc_set){am_str_cut(rest, 0, end), AM_STR("s"), am_str_of(results[n])};
        rest = am_str_cut(rest, end + 1, rest.n);
    }
    return n;
}

static am_trust run(am_arena *a, const char *sealers, const char *const *results,
    const char *author, am_result result, const char *open)
{
    am_arc_set set[3];
    size_t n = make_sets(set, sealers, results);
    am_arc_verdict v = {
        .result = result, .instance = (unsigned)n, .set = set, .sets = n, .open = open};
    am_trust_list l = believed(a);
    return am_trust_check(a, &l, &v, am_str_of(author));
}

static void want_trust(const char *what, am_trust t, unsigned instance, const char *why)
{
    want_str(what, am_str_of(t.reason), why);
    want_int(what, t.instance, instance);
    want_int(what, t.overridden, *why == '\0');
}

static void whom(void **state)
{
    (void)state;
    am_arena *a = am_arena_new(0);
    for (size_t i = 0; i < sizeof walks / sizeof *walks; i++)
        want_trust(walks[i].sealers,
            run(a, walks[i].sealers, walks[i].results, walks[i].author, AM_PASS, NULL),
            walks[i].instance, walks[i].why);
    am_arena_free(a);
}

static void what(void **state)
{
    (void)state;
    am_arena *a = am_arena_new(0);
    for (size_t i = 0; i < sizeof sayings / sizeof *sayings; i++)
        want_trust(sayings[i].results[0],
            run(a, sayings[i].sealers, sayings[i].results, sayings[i].author, AM_PASS, NULL),
            sayings[i].instance, sayings[i].why);
    am_arena_free(a);
}

/* Whatever the results say: nothing of a chain that does not pass, or whose newest AMS leaves the
 * message open to anybody's change; nobody is trusted where the list is empty. */
static void never(void **state)
{
    (void)state;
    am_arena *a = am_arena_new(0);
    const char *pass[] = {PASS};
    static const am_result bad[] = {
        AM_NONE, AM_FAIL, AM_TEMPERROR, AM_PERMERROR, AM_NEUTRAL, AM_SOFTFAIL, AM_POLICY};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        want_trust(am_result_word(bad[i]),
            run(a, "one.example", pass, "author.example", bad[i], NULL), 0, "no valid chain");
    want_trust("open", run(a, "one.example", pass, "author.example", AM_PASS, "From is not signed"),
        1, "From is not signed");
    am_arc_verdict v = {.result = AM_PASS, .instance = 1};
    am_trust_list l = believed(a);
    want_trust("no sets", am_trust_check(a, &l, &v, AM_STR("author.example")), 0, "no valid chain");
    am_arc_set set = {AM_STR("one.example"), AM_STR("s"), AM_STR(PASS)};
    v.set = &set;
    v.sets = 1;
    l = (am_trust_list){NULL, 0};
    want_trust("no list", am_trust_check(a, &l, &v, AM_STR("author.example")), 0,
        "the newest sealer is not trusted");
    am_arena_free(a);
}

/* Without memory nothing is overridden. */
static void no_memory(void **state)
{
    (void)state;
    unsigned good = 0, bad = 0;
    am_arena *keep = am_arena_new(0);
    am_trust_list l = believed(keep);
    am_arc_set set = {AM_STR("one.example"), AM_STR("s"), AM_STR(PASS)};
    am_arc_verdict v = {.result = AM_PASS, .instance = 1, .set = &set, .sets = 1};
    for (size_t cap = 1; cap < 40000; cap += 13) {
        am_arena *a = am_arena_new(cap);
        am_trust t = am_trust_check(a, &l, &v, AM_STR("author.example"));
        want_str("reason", am_str_of(t.reason), am_arena_failed(a) ? "out of memory" : "");
        assert_int_equal(t.overridden, !am_arena_failed(a));
        good += t.overridden;
        bad += !t.overridden;
        am_arena_free(a);
    }
    assert_true(good > 0 && bad > 10);
    am_arena_free(keep);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries),
        cmocka_unit_test(lists),
        cmocka_unit_test(whom),
        cmocka_unit_test(what),
        cmocka_unit_test(never),
        cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
