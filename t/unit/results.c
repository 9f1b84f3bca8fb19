/* results: evidence as Authentication-Results, where there is much of it. */
#include "t/unit/unit.h"

#include "libauth/message.h"

#include <stdlib.h>
#include <time.h>

enum { HEAP = 1000, LENGTH = 8000 };

static size_t count(am_str text, const char *word)
{
    size_t n = 0, len = strlen(word);
    for (size_t i = 0; i + len <= text.n; i++)
        n += memcmp(text.p + i, word, len) == 0;
    return n;
}

/* Written, and read by our own parser, which wants no more than 100 results. */
static am_str written(am_arena *a, const am_evidence *e)
{
    am_results_options o = {.authserv_id = "mx.example.org"};
    am_authres r = am_results(a, e, &o), back;
    am_str text = am_authres_write(a, &r, "\n", 24);
    assert_non_null(text.p);
    assert_true(am_authres_parse(a, text, &back, NULL));
    return text;
}

/* A thousand broken signatures, all with the same long b=: found by fuzzing to cost seconds. */
static void heap_of_broken_signatures(void **state)
{
    (void)state;
    static char b[LENGTH];
    am_dkim_verdict v[HEAP];
    memset(b, 'A', sizeof b);
    for (size_t i = 0; i < HEAP; i++)
        v[i] = (am_dkim_verdict){.result = AM_NEUTRAL,
            .reason = "required tag missing",
            .domain = AM_STR("a.example"),
            .signature = am_str_n(b, sizeof b)};
    v[HEAP - 1] = (am_dkim_verdict){.result = AM_PASS, .reason = "", .key_bits = 2048};
    am_evidence e = {.has_dmarc = true, .dkim = v, .dkims = HEAP};
    am_arena *a = am_arena_new(0);
    clock_t from = clock();
    am_str text = written(a, &e);
    assert_true(clock() - from < CLOCKS_PER_SEC);
    want_int("dkim", count(text, "dkim="), 51);
    want_int("pass", count(text, "dkim=pass"), 1);
    want_int("comment", count(text, "and 949 more that"), 1);
    am_arena_free(a);
}

/* RFC 6008 4: what is shown of a signature tells it from the others. */
static void signatures_told_apart(void **state)
{
    (void)state;
    am_dkim_verdict v[] = {
        {.result = AM_PASS, .reason = "", .signature = AM_STR("AAAAAAAAAAAAAAAB")},
        {.result = AM_PASS, .reason = "", .signature = AM_STR("AAAAAAAAAAAAAAAC")},
        {.result = AM_PASS, .reason = "", .signature = AM_STR("BBBBBBBBBBBBBBBB")},
    };
    am_evidence e = {.dkim = v, .dkims = 3, .has_dmarc = true};
    am_arena *a = am_arena_new(0);
    am_str text = written(a, &e);
    want_int("first", count(text, "header.b=AAAAAAAAAAAAAAAB"), 1);
    want_int("second", count(text, "header.b=AAAAAAAAAAAAAAAC"), 1);
    want_int("third", count(text, "header.b=BBBBBBBB"), 1);
    want_int("not more", count(text, "BBBBBBBBB"), 0);
    am_arena_free(a);
}

/* RFC 8601 1.5.2, 2.7.1: UTF-8 where the message has it, and ASCII elsewhere. */
static void utf8_where_the_message_has_it(void **state)
{
    (void)state;
    static const struct {
        bool utf8;
        const char *helo, *identity, *want[2];
    } cases[] = {
        {false,
            "B\xc3\xbc"
            "cher.example",
            "j\xc3\xb6=x@b\xc3\xbc"
            "cher.example",
            {"smtp.helo=xn--bcher-kva.example", "header.i=\"j=C3=B6=3Dx@b=C3=BCcher.example\""}},
        {true,
            "b\xc3\xbc"
            "cher.example",
            "j\xc3\xb6@example.com",
            {"smtp.helo=b\xc3\xbc"
             "cher.example",
                "header.i=j\xc3\xb6@example.com"}},
        {false, "\xc3\xbc b.example", "a=b@example.com",
            {"smtp.helo=\"?? b.example\"", "header.i=a=b@example.com"}},
        {false, "Mail.example", "@example.com",
            {"smtp.helo=Mail.example", "header.i=@example.com"}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        am_dkim_verdict v = {
            .result = AM_PASS, .reason = "", .identity = am_str_of(cases[i].identity)};
        am_evidence e = {.utf8 = cases[i].utf8,
            .helo = am_str_of(cases[i].helo),
            .has_spf = true,
            .has_helo = true,
            .has_helo_check = true,
            .dkim = &v,
            .dkims = 1,
            .has_dmarc = true};
        am_arena *a = am_arena_new(0);
        am_str text = written(a, &e);
        want_int(cases[i].want[0], count(text, cases[i].want[0]), 2); /* spf, x-helo */
        want_int(cases[i].want[1], count(text, cases[i].want[1]), 1);
        am_arena_free(a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heap_of_broken_signatures),
        cmocka_unit_test(signatures_told_apart),
        cmocka_unit_test(utf8_where_the_message_has_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
