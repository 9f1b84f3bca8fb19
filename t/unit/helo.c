/* ident/helo: every line of the header's table, the questions asked, and the bounds. */
#include "t/unit/unit.h"

#include "libauth/ident/helo.h"
#include "t/unit/fakedns.h"

#define A(name, ip)                                                                                \
    {                                                                                              \
        name, "A", ip, 0, false                                                                    \
    }
#define AAAA(name, ip)                                                                             \
    {                                                                                              \
        name, "AAAA", ip, 0, false                                                                 \
    }
#define L63 "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijk"
#define V4 "192.0.2.1"
#define V6 "2001:db8::1"

static const fake_rr zone[] = {
    A("mail.example", "192.0.2.1"),
    AAAA("mail.example", "2001:db8::1"),
    A("many.example", "192.0.2.7"),
    A("many.example", "192.0.2.1"),
    A("other.example", "192.0.2.9"),
    AAAA("other.example", "2001:db8::9"),
    A("four.example", "192.0.2.9"),
    AAAA("six.example", "2001:db8::9"),
    {"text.example", "TXT", "x", 0, false},
    {"down.example", "A", "TEMPFAIL", 0, false},
    {"down.example", "AAAA", "TEMPFAIL", 0, false},
    {"half.example", "AAAA", "TEMPFAIL", 0, false},
    A("mx.ours.example", "203.0.113.1"),
    A(L63 ".example", "192.0.2.1"),
    A("xn--bcher-kva.example", "192.0.2.1"),
    A("1.example", "192.0.2.1"),
};

static const char *const own[] = {"mx.ours.example", "Ours.Example.", NULL, ""};

/* ptr: the reverse name; "+" before it: iprev passed. flags: l literal, r reverse, s resolves. */
static const struct {
    const char *name, *ip, *ptr, *want, *flags;
    unsigned questions;
    bool local;
} cases[] = {
    /* syntax: RFC 5321 4.1.1.1, 4.1.2 */
    {"", V4, NULL, "fail no name", "", 0, false},
    {".", V4, NULL, "fail malformed name", "", 0, false},
    {" ", V4, NULL, "fail malformed name", "", 0, false},
    {"mail.example.", V4, NULL, "fail malformed name", "", 0, false},
    {"mail..example", V4, NULL, "fail malformed name", "", 0, false},
    {".mail.example", V4, NULL, "fail malformed name", "", 0, false},
    {"-mail.example", V4, NULL, "fail malformed name", "", 0, false},
    {"mail-.example", V4, NULL, "fail malformed name", "", 0, false},
    {"mail.example x", V4, NULL, "fail malformed name", "", 0, false},
    {"b\xc3\xbc"
     "cher.example",
        V4, NULL, "fail malformed name", "", 0, false},
    {"mail.example\x01", V4, NULL, "fail malformed name", "", 0, false},
    {"(mail.example)", V4, NULL, "fail malformed name", "", 0, false},
    {"my_host.example", V4, NULL, "fail underscore in the name", "", 0, false},
    {"my_host..example", V4, NULL, "fail malformed name", "", 0, false},
    {"my_host.-.example", V4, NULL, "fail malformed name", "", 0, false},
    {"192.0.2.1", V4, NULL, "fail address without brackets", "", 0, false},
    {"2001:db8::1", V6, NULL, "fail address without brackets", "", 0, false},
    {"mail.123", V4, NULL, "fail address without brackets", "", 0, false},
    {"12345", V4, NULL, "fail address without brackets", "", 0, false},
    {L63 ".example", V4, NULL, "pass ", "s", 1, false},
    {L63 "a.example", V4, NULL, "fail malformed name", "", 0, false},
    {L63 "." L63 "." L63 "." L63 ".example", V4, NULL, "fail malformed name", "", 0, false},
    {"xn--bcher-kva.example", V4, NULL, "pass ", "s", 1, false},
    {"1.example", V4, NULL, "pass ", "s", 1, false},
    /* literals: RFC 5321 4.1.3 */
    {"[192.0.2.1]", V4, NULL, "pass ", "l", 0, false},
    {"[192.0.2.1]", "::ffff:192.0.2.1", NULL, "pass ", "l", 0, false},
    {"[IPv6:2001:DB8:0:0::1]", V6, NULL, "pass ", "l", 0, false},
    {"[ipv6:2001:db8::1]", V6, NULL, "pass ", "l", 0, false},
    {"[IPv6:::ffff:192.0.2.1]", V4, NULL, "pass ", "l", 0, false},
    {"[192.0.2.2]", V4, NULL, "fail address literal of another host", "l", 0, false},
    {"[192.0.2.1]", V6, NULL, "fail address literal of another host", "l", 0, false},
    {"[2001:db8::1]", V6, NULL, "fail malformed address literal", "l", 0, false},
    {"[IPv6:192.0.2.1]", V4, NULL, "fail malformed address literal", "l", 0, false},
    {"[X25:1234]", V4, NULL, "fail malformed address literal", "l", 0, false},
    {"[192.0.2.01]", V4, NULL, "fail malformed address literal", "l", 0, false},
    {"[192.0.2.256]", V4, NULL, "fail malformed address literal", "l", 0, false},
    {"[192.0.2.1", V4, NULL, "fail malformed address literal", "l", 0, false},
    {"[192.0.2.1]x", V4, NULL, "fail malformed address literal", "l", 0, false},
    {"[192.0.2.1 ]", V4, NULL, "fail malformed address literal", "l", 0, false},
    {"[]", V4, NULL, "fail malformed address literal", "l", 0, false},
    {"[", V4, NULL, "fail malformed address literal", "l", 0, false},
    {"[192.0.2.1]", "", NULL, "neutral no client address", "l", 0, false},
    {"mail.example", "", NULL, "neutral no client address", "", 0, false},
    /* our own names */
    {"mx.ours.example", V4, NULL, "fail claims to be this host", "", 0, false},
    {"MX.Ours.Example", V4, NULL, "fail claims to be this host", "", 0, false},
    {"ours.example", V4, "+ours.example", "fail claims to be this host", "", 0, false},
    {"mx.ours.example", "127.0.0.1", NULL, "neutral our own name from a client of ours", "", 0,
        true},
    {"a.mx.ours.example", V4, NULL, "fail the name has no address", "", 1, false},
    {"localhost", V4, NULL, "fail claims to be this host", "", 0, false},
    {"localhost.localdomain", V4, NULL, "fail claims to be this host", "", 0, false},
    {"x.LOCALHOST", V4, NULL, "fail claims to be this host", "", 0, false},
    {"localhost", "127.0.0.1", NULL, "neutral our own name from a client of ours", "", 0, true},
    /* names: RFC 5321 2.3.5, 4.1.4 */
    {"desktop", V4, NULL, "neutral name of a single label", "", 0, false},
    {"mail.example", V4, NULL, "pass ", "s", 1, false},
    {"MAIL.Example", V4, NULL, "pass ", "s", 1, false},
    {"mail.example", V6, NULL, "pass ", "s", 1, false},
    {"mail.example", "::ffff:192.0.2.1", NULL, "pass ", "s", 1, false},
    {"many.example", V4, NULL, "pass ", "s", 1, false},
    {"mail.example", V4, "+Mail.example", "pass ", "r", 0, false},
    {"mail.example", V4, "mail.example", "pass ", "s", 1, false},
    {"other.example", V4, "other.example", "fail the name leads to other addresses", "", 1, false},
    {"other.example", V4, "+mail.example", "fail the name leads to other addresses", "", 1, false},
    {"other.example", V6, NULL, "fail the name leads to other addresses", "", 1, false},
    {"four.example", V6, NULL, "neutral the name has addresses of the other family alone", "", 2,
        false},
    {"six.example", V4, NULL, "neutral the name has addresses of the other family alone", "", 2,
        false},
    {"text.example", V4, NULL, "fail the name has no address", "", 2, false},
    {"gone.example", V4, NULL, "fail the name has no address", "", 1, false},
    {"down.example", V4, NULL, "temperror look-up failed", "", 1, false},
    {"half.example", V4, NULL, "temperror look-up failed", "", 2, false},
};

static am_iprev_verdict iprev_of(const char *ptr)
{
    am_iprev_verdict v = {.result = AM_FAIL, .name = AM_STR(""), .reason = ""};
    if (ptr && *ptr == '+') {
        v.result = AM_PASS;
        ptr++;
    }
    v.name = am_str_of(ptr);
    return v;
}

static am_helo_query query(size_t i, const am_iprev_verdict *iprev)
{
    am_helo_query q = {.name = am_str_of(cases[i].name),
        .iprev = cases[i].ptr ? iprev : NULL,
        .own = own,
        .owns = 4,
        .local = cases[i].local};
    if (strncmp(cases[i].ip, "::ffff:", 7) == 0) { /* as a careless caller might have it */
        am_ip four;
        assert_true(am_ip_parse(am_str_of(cases[i].ip + 7), &four));
        q.ip.family = 6;
        q.ip.octet[10] = q.ip.octet[11] = 0xff;
        memcpy(q.ip.octet + 12, four.octet, 4);
    } else if (*cases[i].ip) {
        assert_true(am_ip_parse(am_str_of(cases[i].ip), &q.ip));
    }
    return q;
}

static void table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        am_arena *a = am_arena_new(0);
        am_trace trace = {.arena = a};
        am_context c = {.arena = a, .trace = &trace};
        c.dns = fake_dns(a, zone, sizeof zone / sizeof *zone, &trace);
        am_iprev_verdict iprev = iprev_of(cases[i].ptr);
        am_helo_query q = query(i, &iprev);
        am_helo_verdict v = am_helo_check(&c, &q);
        am_str got = am_str_format(a, "%s %s", am_result_word(v.result), v.reason);
        want_str(cases[i].name, got, cases[i].want);
        got = am_str_format(
            a, "%s%s%s", v.literal ? "l" : "", v.reverse ? "r" : "", v.resolves ? "s" : "");
        want_str(cases[i].name, got, cases[i].flags);
        want_int(cases[i].name, fake_dns_waited(c.dns), cases[i].questions);
        assert_true(am_str_ieq(v.name, q.name));
        assert_non_null(v.name.p);
        assert_non_null(trace.last);
        am_dns_end(c.dns);
        am_arena_free(a);
    }
}

/* Asked early: what the check will wait for first; and nothing where it will not ask. */
static void start_asks_and_waits_for_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        am_arena *a = am_arena_new(0);
        am_context c = {.arena = a, .dns = fake_dns(a, zone, sizeof zone / sizeof *zone, NULL)};
        am_helo_query q = query(i, NULL);
        am_helo_start(&c, &q.ip, q.name);
        want_int(cases[i].name, fake_dns_waited(c.dns), 0);
        if (cases[i].questions)
            want_int(cases[i].name, fake_dns_started(c.dns), 1);
        am_helo_check(&c, &q);
        /* no question beyond the first that was not needed */
        if (cases[i].questions == 1 && !cases[i].ptr)
            want_int(cases[i].name, fake_dns_waited(c.dns), 1);
        am_dns_end(c.dns);
        am_arena_free(a);
    }
}

static void hostile_names(void **state)
{
    (void)state;
    static char big[100000];
    static const struct {
        const char *p;
        size_t n;
    } raw[] = {{"mail.example\0.evil.example", 26}, {"\0", 1}, {"[192.0.2.1\0]", 12}, {"a.\0b", 4},
        {"[IPv6:\0]", 8}};
    am_ip ip;
    assert_true(am_ip_parse(AM_STR(V4), &ip));
    for (size_t i = 0; i < sizeof raw / sizeof *raw + 2; i++) {
        am_arena *a = am_arena_new(0);
        am_context c = {.arena = a, .dns = fake_dns(a, zone, sizeof zone / sizeof *zone, NULL)};
        am_helo_query q = {.ip = ip};
        memset(big, i == 5 ? '.' : 'a', sizeof big);
        q.name = i < 5 ? am_str_n(raw[i].p, raw[i].n) : am_str_n(big, sizeof big);
        am_helo_start(&c, &ip, q.name);
        am_helo_verdict v = am_helo_check(&c, &q);
        want_int("hostile", v.result, AM_FAIL);
        want_int("hostile", fake_dns_started(c.dns) + fake_dns_waited(c.dns), 0);
        am_dns_end(c.dns);
        am_arena_free(a);
    }
    am_arena *a = am_arena_new(0);
    am_helo_query absent = {.ip = ip};
    am_context c = {.arena = a};
    am_helo_verdict v = am_helo_check(&c, &absent);
    want_str("absent", am_str_of(v.reason), "no name");
    assert_non_null(v.name.p);
    am_arena_free(a);
}

/* An exhausted arena is temperror, never pass. */
static void no_memory(void **state)
{
    (void)state;
    unsigned errors = 0, passes = 0;
    for (size_t cap = 1; cap < 40; cap++) {
        am_arena *a = am_arena_new(0), *small = am_arena_new(cap);
        am_context c = {.arena = small, .dns = fake_dns(a, zone, 2, NULL)};
        am_helo_query q = {.name = AM_STR("mail.example")};
        am_ip_parse(AM_STR(V4), &q.ip);
        am_helo_verdict v = am_helo_check(&c, &q);
        errors += v.result == AM_TEMPERROR && strcmp(v.reason, "out of memory") == 0;
        passes += v.result == AM_PASS && v.name.n == 12;
        am_dns_end(c.dns);
        am_arena_free(small);
        am_arena_free(a);
    }
    assert_int_equal(errors, 12); /* the name and its NUL are 13 octets */
    assert_int_equal(passes, 27);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table),
        cmocka_unit_test(start_asks_and_waits_for_nothing),
        cmocka_unit_test(hostile_names),
        cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests_name("helo", tests, NULL, NULL);
}
