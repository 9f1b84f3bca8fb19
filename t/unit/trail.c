/* trail: chains that are honest, odd, and of a kind that honest ones never show. */
#include "t/unit/unit.h"

#include "libauth/ident/trail.h"

#define AT(clock) "Mon, 01 Jan 2024 " clock " +0000"
#define FROM(helo, name, ip) "from " helo " (" name " [" ip "]) "
#define BY(host, clock) "by " host " (Postfix) with ESMTP id 4F3B81C0123; " AT(clock)

enum { MAX_FIELDS = 6, NOW = 1704103200 }; /* 1 Jan 2024 10:00:00 UTC */

#define MX                                                                                         \
    FROM("mail.example.org", "mail.example.org", "192.0.2.25") BY("mx.example.net", "10:00:00")
#define SUBMIT                                                                                     \
    "from [10.0.0.2] (dsl.example.com [198.51.100.7]) (Authenticated sender: alice) "              \
    "by mail.example.org (Postfix) with ESMTPSA id 1; " AT("09:59:00")

static const struct {
    const char *what;
    const char *field[MAX_FIELDS]; /* Received, top down; "Message-ID: ..." */
    am_result want;
    const char *reason;
} cases[] = {
    {"an honest chain", {MX, SUBMIT, "Message-ID: <1@example.org>"}, AM_PASS, ""},
    {"one hop", {MX}, AM_PASS, ""},
    {"a host in the house in between",
        {MX,
            "from exch01.example.local (unknown [10.0.0.3]) by mail.example.org (Postfix) with "
            "ESMTP id 1; " AT("09:59:30"),
            "from EXCH01.example.local ([::1]) by EXCH01.example.local ([::1]) with mapi id "
            "15.0.1.2; " AT("09:59:29")},
        AM_PASS, ""},
    {"another host of the same house",
        {MX, FROM("a.example.com", "a.example.com", "198.51.100.7")
                 BY("out7.example.org", "09:59:00")},
        AM_PASS, ""},
    {"the reverse name is the host below",
        {FROM("gw.example.com", "mail.example.org", "192.0.2.25") BY("mx.example.net", "10:00:00"),
            FROM("a.example.com", "a.example.com", "198.51.100.7")
                BY("mail.example.org", "09:59:00")},
        AM_NEUTRAL, "Received field 1 has a HELO name far from the reverse name"},
    {"no host is told", {"by mx.example.net (Postfix, from userid 0) id 1; " AT("10:00:00")},
        AM_PASS, ""},
    {"houses under co.uk",
        {FROM("mail.a.co.uk", "mail.a.co.uk", "192.0.2.25") BY("mx.example.net", "10:00:00"),
            FROM("x.example.com", "x.example.com", "198.51.100.7") BY("mail.b.co.uk", "09:59:00")},
        AM_NEUTRAL, "Received field 1 names another client than the host that wrote the next"},
    {"another host",
        {MX, FROM("x.example.com", "x.example.com", "198.51.100.7")
                 BY("mail.elsewhere.example", "09:59:00")},
        AM_NEUTRAL, "Received field 1 names another client than the host that wrote the next"},
    {"HELO far from the reverse name",
        {FROM("mail.example.org", "static-25.isp.example", "192.0.2.25")
                BY("mx.example.net", "10:00:00")},
        AM_NEUTRAL, "Received field 1 has a HELO name far from the reverse name"},
    {"a log-in may come from any name",
        {"from pc.example.org (dsl.isp.example [198.51.100.7]) (Authenticated sender: alice) "
         "by mail.example.org (Postfix) with ESMTPSA id 1; " AT("09:59:00")},
        AM_PASS, ""},
    {"may be forged",
        {"from m.example.org (m.example.org [192.0.2.25] (may be forged)) by mx.example.net "
         "(8.17.1/8.17.1) with ESMTP id 1; " AT("10:00:00")},
        AM_NEUTRAL, "Received field 1 has a reverse name that may be forged"},
    /* time */
    {"an hour too early is nothing",
        {MX, FROM("m", "m", "192.0.2.1") BY("mail.example.org", "11:00:00")}, AM_PASS, ""},
    {"over an hour back", {MX, FROM("m", "m", "192.0.2.1") BY("mail.example.org", "11:00:01")},
        AM_NEUTRAL, "Received field 2 is over an hour later than the one above it"},
    {"a day back", {MX, "by mail.example.org id 1; Tue, 02 Jan 2024 10:00:00 +0000"}, AM_NEUTRAL,
        "Received field 2 is over an hour later than the one above it"},
    {"over a day back", {MX, "by mail.example.org id 1; Tue, 02 Jan 2024 10:00:01 +0000"}, AM_FAIL,
        "Received field 2 is over a day later than the one above it"},
    {"over a day back, past a field without a date",
        {MX, "by mail.example.org id 1",
            "by mail.example.org id 1; Tue, 02 Jan 2024 10:00:01 +0000"},
        AM_FAIL, "Received field 3 is over a day later than the one above it"},
    {"a day back by a zone that nobody knows",
        {MX, "by mail.example.org id 1; Tue, 02 Jan 2024 12:00:00 CEST"}, AM_PASS, ""},
    {"a queue of a month is honest",
        {MX, "by mail.example.org id 1; Fri, 01 Dec 2023 10:00:01 +0000"}, AM_PASS, ""},
    {"an hour in the future", {"by mx.example.net id 1; " AT("11:00:01")}, AM_NEUTRAL,
        "Received field 1 is over an hour in the future"},
    {"over a day in the future", {"by mx.example.net id 1; Wed, 03 Jan 2024 10:00:00 +0000"},
        AM_FAIL, "Received field 1 is over a day in the future"},
    {"the worst is told first",
        {FROM("a.example.org", "b.isp.example", "192.0.2.1") BY("mx.example.net", "10:00:00"),
            "by mail.example.org id 1; Tue, 02 Jan 2024 10:00:01 +0000"},
        AM_FAIL, "Received field 2 is over a day later than the one above it"},
    /* garbage */
    {"garbage on top", {"hello", MX}, AM_FAIL,
        "Received field 1 is no trace field: no clause of a trace field"},
    {"garbage third", {MX, SUBMIT, "hello"}, AM_FAIL,
        "Received field 3 is no trace field: no clause of a trace field"},
    {"garbage fourth", {MX, SUBMIT, SUBMIT, "hello"}, AM_NEUTRAL,
        "Received field 4 is no trace field: no clause of a trace field"},
    {"two addresses", {"from m (a [192.0.2.1]) (b [192.0.2.2]) by mx.example.net; " AT("10:00:00")},
        AM_NEUTRAL, "Received field 1 does not say for certain who sent it: several addresses"},
    {"nothing", {NULL}, AM_NEUTRAL, "no Received field"},
    /* Message-ID */
    {"Message-ID of the author", {MX, "Message-ID: <1@mail.author.example>"}, AM_PASS, ""},
    {"Message-ID of the lowest host", {MX, SUBMIT, "Message-ID:\r\n <1@pc7.example.org>"}, AM_PASS,
        ""},
    {"Message-ID of the submitting client", {MX, SUBMIT, "Message-ID: <1@dsl.example.com> (x)"},
        AM_PASS, ""},
    {"Message-ID of a host that nobody knows", {MX, SUBMIT, "Message-ID: <1@pc7.local>"}, AM_PASS,
        ""},
    {"Message-ID of a literal", {MX, SUBMIT, "Message-ID: <1@[10.0.0.1]>"}, AM_PASS, ""},
    {"Message-ID of another", {MX, SUBMIT, "Message-ID: <1@bulk.elsewhere.example>"}, AM_NEUTRAL,
        "the host of Message-ID is neither the origin's nor the author's"},
    {"Message-ID of a host in the middle",
        {MX, SUBMIT, "by x.other.example with SMTP; " AT("09:58:00"),
            "Message-ID: <1@mail.example.org>"},
        AM_NEUTRAL, "the host of Message-ID is neither the origin's nor the author's"},
    {"two Message-IDs", {MX, "Message-ID: <1@example.org>", "Message-ID: <2@example.org>"},
        AM_NEUTRAL, "several Message-ID fields"},
    {"Message-ID without <>", {MX, "Message-ID: 1@example.org"}, AM_NEUTRAL,
        "malformed Message-ID"},
    {"Message-ID without @", {MX, "Message-ID: <1>"}, AM_NEUTRAL, "malformed Message-ID"},
    {"Message-ID without a host", {MX, "Message-ID: <1@>"}, AM_NEUTRAL, "malformed Message-ID"},
    {"Message-ID without an end", {MX, "Message-ID: <1@example.org"}, AM_NEUTRAL,
        "malformed Message-ID"},
    {"Message-ID with text behind it", {MX, "Message-ID: <1@example.org> x"}, AM_NEUTRAL,
        "malformed Message-ID"},
    {"Message-ID empty", {MX, "Message-ID:"}, AM_NEUTRAL, "malformed Message-ID"},
};

static void add(am_header *h, const char *field)
{
    if (strncmp(field, "Message-ID:", 11) == 0)
        am_header_add_raw(h, am_str_of(field));
    else
        am_header_add(h, AM_STR("Received"), am_str_of(field));
}

static void trail_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        am_arena *a = am_arena_new(0);
        am_header h = {.arena = a};
        am_trace trace = {.arena = a};
        am_context c = {.arena = a, .trace = &trace, .now = NOW};
        for (size_t k = 0; k < MAX_FIELDS && cases[i].field[k]; k++)
            add(&h, cases[i].field[k]);
        am_trail t = am_trail_check(&c, &h, AM_STR("author.example"));
        want_str(cases[i].what, t.reason, cases[i].reason);
        want_int(cases[i].what, t.result, cases[i].want);
        want_int(cases[i].what, t.hops, am_header_count(&h, "Received"));
        want_int(cases[i].what, trace.n, t.hops + 1);
        for (size_t k = 0; k < t.hops; k++)
            assert_true(am_str_iis(h.field[t.hop[k].field].name, "Received"));
        am_arena_free(a);
    }
}

/* Without an author there is only the origin to compare with, and without either nothing. */
static void no_author(void **state)
{
    (void)state;
    static const struct {
        const char *lowest;
        am_result want;
    } table[] = {
        {"by mail.example.org with SMTP; " AT("10:00:00"), AM_PASS},
        {"by mail.example.com with SMTP; " AT("10:00:00"), AM_NEUTRAL},
        {"by mail with SMTP; " AT("10:00:00"), AM_PASS},
    };
    for (size_t i = 0; i < 3; i++) {
        am_arena *a = am_arena_new(0);
        am_header h = {.arena = a};
        am_context c = {.arena = a, .now = NOW};
        add(&h, table[i].lowest);
        add(&h, "Message-ID: <1@example.org>");
        want_int(table[i].lowest, am_trail_check(&c, &h, (am_str){NULL, 0}).result, table[i].want);
        am_arena_free(a);
    }
}

static void many_hops(void **state)
{
    (void)state;
    static const struct {
        size_t hops, read;
        am_result want;
        const char *reason;
    } table[] = {
        {50, 50, AM_PASS, ""},
        {51, 51, AM_NEUTRAL, "more than 50 Received fields"},
        {100, 100, AM_NEUTRAL, "more than 50 Received fields"},
        {1000, 100, AM_NEUTRAL, "more than 50 Received fields"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        am_arena *a = am_arena_new(0);
        am_header h = {.arena = a};
        am_context c = {.arena = a, .now = NOW};
        for (size_t k = 0; k < table[i].hops; k++)
            add(&h, "by mail.example.org with SMTP; " AT("10:00:00"));
        am_trail t = am_trail_check(&c, &h, AM_STR("author.example"));
        want_str("reason", t.reason, table[i].reason);
        want_int("result", t.result, table[i].want);
        want_int("hops", t.hops, table[i].read);
        am_arena_free(a);
    }
}

static void header_not_whole(void **state)
{
    (void)state;
    am_arena *a = am_arena_new(0);
    am_header h = {.arena = a, .max_fields = 1};
    am_context c = {.arena = a, .now = NOW};
    add(&h, MX);
    add(&h, SUBMIT);
    am_trail t = am_trail_check(&c, &h, AM_STR("author.example"));
    assert_int_equal(t.result, AM_NEUTRAL);
    want_str("reason", t.reason, "the header was not kept whole");
    am_arena_free(a);
}

/* The table of --explain: a line a field, and the verdict. */
static void explained(void **state)
{
    (void)state;
    am_arena *a = am_arena_new(0);
    am_header h = {.arena = a};
    am_trace trace = {.arena = a};
    am_context c = {.arena = a, .trace = &trace, .now = NOW};
    add(&h, SUBMIT);
    add(&h, "by mail with SMTP");
    am_trail_check(&c, &h, AM_STR("author.example"));
    const am_step *s = trace.first;
    want_str("question", s->question, "Received field 1");
    want_str("answer", s->answer,
        "helo=[10.0.0.2] name=dsl.example.com ip=198.51.100.7 by=mail.example.org with=ESMTPSA "
        "time=1704103140 style=postfix tls auth");
    want_str("question", s->next->question, "Received field 2");
    want_str("answer", s->next->answer, "no date");
    want_str("verdict", s->next->next->answer,
        "neutral: Received field 2 does not say for certain who sent it: no date");
    assert_string_equal(s->rfc, "5321 4.4");
    am_arena_free(a);
}

/* However little memory there is: no crash, and never a pass. */
static void no_memory(void **state)
{
    (void)state;
    am_arena *big = am_arena_new(0);
    am_header h = {.arena = big};
    size_t passes = 0, neutral = 0;
    add(&h, MX);
    add(&h, SUBMIT);
    for (size_t cap = 1; cap < 4000; cap += 7) {
        am_arena *a = am_arena_new(cap);
        am_trace trace = {.arena = a};
        am_context c = {.arena = a, .trace = &trace, .now = NOW};
        am_trail t = am_trail_check(&c, &h, AM_STR("author.example"));
        if (t.result == AM_PASS)
            assert_non_null(t.hop), passes++;
        else
            want_str("reason", t.reason, "out of memory"), neutral++;
        am_arena_free(a);
    }
    assert_true(passes > 0 && neutral > 0);
    am_arena_free(big);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trail_table),
        cmocka_unit_test(no_author),
        cmocka_unit_test(many_hops),
        cmocka_unit_test(header_not_whole),
        cmocka_unit_test(explained),
        cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests_name("trail", tests, NULL, NULL);
}
