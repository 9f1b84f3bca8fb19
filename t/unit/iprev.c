/* ident/iprev: the table of RFC 8601 3, and the bounds. */
#include "t/unit/unit.h"

#include "libauth/ident/iprev.h"
#include "t/unit/fakedns.h"

#define ROW(name, type, data)                                                                      \
    {                                                                                              \
        name, type, data, 0, false                                                                 \
    }
#define R "1.2.0.192.in-addr.arpa"
#define R6 "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"
#define ELEVEN                                                                                     \
    ROW(R, "PTR", "n0.example"), ROW(R, "PTR", "n1.example"), ROW(R, "PTR", "n2.example"),         \
        ROW(R, "PTR", "n3.example"), ROW(R, "PTR", "n4.example"), ROW(R, "PTR", "n5.example"),     \
        ROW(R, "PTR", "n6.example"), ROW(R, "PTR", "n7.example"), ROW(R, "PTR", "n8.example"),     \
        ROW(R, "PTR", "n9.example"), ROW(R, "PTR", "n10.example")

static const struct {
    const char *name, *ip;
    fake_rr rows[16];
    const char *want; /* result, name, and "+" where secure */
    unsigned questions;
} cases[] = {
    {"match", "192.0.2.1", {ROW(R, "PTR", "mail.example"), ROW("mail.example", "A", "192.0.2.1")},
        "pass mail.example", 2},
    {"match, secure", "192.0.2.1",
        {{R, "PTR", "mail.example", 0, true}, {"mail.example", "A", "192.0.2.1", 0, true}},
        "pass mail.example +", 2},
    {"match, forward only is secure", "192.0.2.1",
        {ROW(R, "PTR", "mail.example"), {"mail.example", "A", "192.0.2.1", 0, true}},
        "pass mail.example", 2},
    {"match of IPv6", "2001:db8::1",
        {ROW(R6, "PTR", "mail.example"), ROW("mail.example", "AAAA", "2001:DB8:0::1")},
        "pass mail.example", 2},
    {"a mapped address is IPv4", "::ffff:192.0.2.1",
        {ROW(R, "PTR", "mail.example"), ROW("mail.example", "A", "192.0.2.1")}, "pass mail.example",
        2},
    {"the second address matches", "192.0.2.1",
        {ROW(R, "PTR", "mail.example"), ROW("mail.example", "A", "192.0.2.9"),
            ROW("mail.example", "A", "192.0.2.1")},
        "pass mail.example", 2},
    {"the second name matches", "192.0.2.1",
        {ROW(R, "PTR", "a.example"), ROW(R, "PTR", "b.example"), ROW("a.example", "A", "192.0.2.9"),
            ROW("b.example", "A", "192.0.2.1")},
        "pass b.example", 3},
    {"a match wins over an error before it", "192.0.2.1",
        {ROW(R, "PTR", "a.example"), ROW(R, "PTR", "b.example"), ROW("a.example", "A", "TEMPFAIL"),
            ROW("b.example", "A", "192.0.2.1")},
        "pass b.example", 3},
    {"other addresses", "192.0.2.1",
        {ROW(R, "PTR", "mail.example"), ROW("mail.example", "A", "192.0.2.2")}, "fail mail.example",
        2},
    {"other addresses, secure", "192.0.2.1",
        {{R, "PTR", "mail.example", 0, true}, {"mail.example", "A", "192.0.2.2", 0, true}},
        "fail mail.example +", 2},
    {"the name does not exist", "192.0.2.1", {ROW(R, "PTR", "mail.example")}, "fail mail.example",
        2},
    {"the name has no address", "192.0.2.1",
        {ROW(R, "PTR", "mail.example"), ROW("mail.example", "TXT", "x")}, "fail mail.example", 2},
    {"an address of the other family", "192.0.2.1",
        {ROW(R, "PTR", "mail.example"), ROW("mail.example", "AAAA", "2001:db8::1")},
        "fail mail.example", 2},
    {"an error without a match", "192.0.2.1",
        {ROW(R, "PTR", "a.example"), ROW(R, "PTR", "b.example"), ROW("a.example", "A", "192.0.2.9"),
            ROW("b.example", "A", "TEMPFAIL")},
        "temperror a.example", 3},
    {"an error of the other family means nothing", "192.0.2.1",
        {ROW(R, "PTR", "a.example"), ROW("a.example", "A", "192.0.2.9"),
            ROW("a.example", "AAAA", "TEMPFAIL")},
        "fail a.example", 2},
    {"no reverse name", "192.0.2.1", {ROW(NULL, NULL, NULL)}, "permerror ", 1},
    {"a reverse name without PTR", "192.0.2.1", {ROW(R, "TXT", "x")}, "permerror ", 1},
    {"an error of the reverse look-up", "192.0.2.1", {ROW(R, "PTR", "TEMPFAIL")}, "temperror ", 1},
    {"the root as name", "192.0.2.1", {ROW(R, "PTR", "")}, "fail ", 2},
    {"a name that cannot be asked for", "192.0.2.1", {ROW(R, "PTR", "a\\046b.example")},
        "fail a\\046b.example", 2},
    {"ten names are tried", "192.0.2.1", {ELEVEN, ROW("n9.example", "A", "192.0.2.1")},
        "pass n9.example", 11},
    {"the eleventh is not", "192.0.2.1", {ELEVEN, ROW("n10.example", "A", "192.0.2.1")},
        "fail n0.example", 11},
    {"the same name twice is one question", "192.0.2.1",
        {ROW(R, "PTR", "a.example"), ROW(R, "PTR", "a.example")}, "fail a.example", 2},
    {"no address", "", {ROW(NULL, NULL, NULL)}, "permerror ", 0},
};

static size_t count(const fake_rr *rows)
{
    size_t n = 0;
    while (n < 16 && rows[n].name)
        n++;
    return n;
}

static void table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        am_arena *a = am_arena_new(0);
        am_dns_session *s = fake_dns(a, cases[i].rows, count(cases[i].rows), NULL);
        am_context c = {.arena = a, .dns = s};
        am_ip ip = {0};
        assert_int_equal(am_ip_parse(am_str_of(cases[i].ip), &ip), cases[i].ip[0] != 0);
        am_iprev_start(&c, &ip);
        unsigned early = fake_dns_started(s);
        want_int(cases[i].name, early > 0, ip.family != 0);
        want_int(cases[i].name, fake_dns_waited(s), 0);
        am_iprev_verdict v = am_iprev_check(&c, &ip);
        want_str(cases[i].name,
            am_str_format(
                a, "%s %.*s%s", am_result_word(v.result), AM_ARG(v.name), v.secure ? " +" : ""),
            cases[i].want);
        want_int(cases[i].name, *v.reason == 0, v.result == AM_PASS);
        want_int(cases[i].name, fake_dns_waited(s), cases[i].questions);
        want_int(cases[i].name, fake_dns_started(s), early); /* all of them ahead */
        am_dns_end(s);
        am_arena_free(a);
    }
}

/* All names are asked for before the first is waited for. */
static void asks_at_once(void **state)
{
    (void)state;
    static const fake_rr rows[] = {ELEVEN, ROW("n0.example", "A", "192.0.2.1")};
    am_arena *a = am_arena_new(0);
    am_dns_session *s = fake_dns(a, rows, sizeof rows / sizeof *rows, NULL);
    am_context c = {.arena = a, .dns = s};
    am_ip ip;
    am_ip_parse(AM_STR("192.0.2.1"), &ip);
    am_iprev_start(&c, &ip);
    assert_int_equal(am_iprev_check(&c, &ip).result, AM_PASS);
    assert_int_equal(fake_dns_started(s), 11);
    assert_int_equal(fake_dns_waited(s), 2);
    am_dns_end(s);
    am_arena_free(a);
}

/* The HELO name's addresses are asked for ahead unless the client's names are known. */
static void guesses_while_it_waits(void **state)
{
    (void)state;
    static const fake_rr rows[] = {ROW(R, "PTR", "mail.example")};
    am_arena *a = am_arena_new(0);
    am_dns_session *s = fake_dns(a, rows, 1, NULL);
    am_context c = {.arena = a, .dns = s};
    am_ip ip;
    am_ip_parse(AM_STR("192.0.2.1"), &ip);
    am_iprev_early *e = am_iprev_start(&c, &ip); /* this DNS answers at once */
    assert_int_equal(fake_dns_started(s), 2);
    am_iprev_guess(e, AM_STR("other.example"));
    am_iprev_guess(NULL, AM_STR("other.example"));
    assert_int_equal(fake_dns_started(s), 2);
    am_dns_end(s);
    am_arena_free(a);
}

/* An exhausted arena is temperror, never pass. */
static void no_memory(void **state)
{
    (void)state;
    static const fake_rr rows[] = {
        ROW(R, "PTR", "mail.example"), ROW("mail.example", "A", "192.0.2.1")};
    am_ip ip;
    am_ip_parse(AM_STR("192.0.2.1"), &ip);
    unsigned errors = 0, passes = 0;
    for (size_t cap = 1; cap < 200; cap++) {
        am_arena *a = am_arena_new(0), *small = am_arena_new(cap);
        am_dns_session *s = fake_dns(a, rows, 2, NULL);
        am_context c = {.arena = small, .dns = s};
        am_iprev_start(&c, &ip);
        am_iprev_verdict v = am_iprev_check(&c, &ip);
        if (am_arena_failed(small) && v.result == AM_TEMPERROR)
            errors++;
        else if (v.result == AM_PASS && v.name.n == 12)
            passes++;
        else
            fail_msg("cap %zu: %s", cap, am_result_word(v.result));
        am_dns_end(s);
        am_arena_free(small);
        am_arena_free(a);
    }
    assert_true(errors > 10 && passes > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table),
        cmocka_unit_test(asks_at_once),
        cmocka_unit_test(guesses_while_it_waits),
        cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests_name("iprev", tests, NULL, NULL);
}
