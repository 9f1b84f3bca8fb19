/* Which fields go: a table of headers, and the numbers that are deleted, in order. */
#include "t/unit/unit.h"

#include "milter/strip.h"

#include <stdlib.h>

#define ID "mx.example.org"

static const struct {
    const char *what;
    const char *field[8]; /* "Name: value" */
    size_t more;          /* Authentication-Results fields that a bound kept out */
    const char *want;     /* numbers, as they are deleted */
} cases[] = {
    {"none", {"From: a@example.org"}, 0, ""},
    {"another host's stays", {"Authentication-Results: other.example; none"}, 0, ""},
    {"ours goes", {"Authentication-Results: " ID "; none"}, 0, "1 "},
    {"numbers count per name",
        {"Received: x", "Authentication-Results: other.example; none", "Subject: x",
            "Authentication-Results: " ID "; spf=pass"},
        0, "2 "},
    {"last to first",
        {"Authentication-Results: " ID "; none", "Authentication-Results: other.example; none",
            "Authentication-Results: " ID "; none", "Authentication-Results: " ID " 1; none"},
        0, "4 3 1 "},
    {"the name's case does not matter, and counts",
        {"AUTHENTICATION-RESULTS: other.example; none", "authentication-results: " ID "; none"}, 0,
        "2 "},
    {"the id's case does not matter", {"Authentication-Results: MX.Example.ORG; none"}, 0, "1 "},
    {"comments, folds and quotes do not hide it",
        {"Authentication-Results: (a)\r\n \"" ID "\" (b) 1; none"}, 0, "1 "},
    {"what cannot be read goes", {"Authentication-Results: ; spf=pass", "Authentication-Results:"},
        0, "2 1 "},
    {"ARC's own stay", {"ARC-Authentication-Results: i=1; " ID "; spf=pass"}, 0, ""},
    {"names that only look alike stay",
        {"X-Authentication-Results: " ID "; none", "Authentication-Results-X: " ID "; none"}, 0,
        ""},
    {"what a bound kept out goes, known or not", {"Authentication-Results: other.example; none"}, 2,
        "3 2 "},
    {"what a bound kept out, and a known one",
        {"Authentication-Results: " ID "; none", "Authentication-Results: other.example; none"}, 1,
        "3 1 "},
};

static void add(am_header *h, const char *text)
{
    am_header_add_raw(h, am_str_of(text));
    assert_false(h->failed);
}

static void numbers(am_strip *s, char *text, size_t size)
{
    text[0] = '\0';
    while (am_strip_next(s)) {
        size_t n = strlen(text);
        snprintf(text + n, size - n, "%zu ", s->number);
    }
}

static void table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char got[100];
        am_arena *a = am_arena_new(0);
        am_header h = {.arena = a};
        size_t seen = cases[i].more;
        for (size_t k = 0; k < 8 && cases[i].field[k]; k++)
            add(&h, cases[i].field[k]);
        for (size_t k = 0; k < h.n; k++)
            seen += am_strip_is_results(h.field[k].name);
        am_strip s = am_strip_begin(a, &h, AM_STR(ID), seen);
        numbers(&s, got, sizeof got);
        want_str(cases[i].what, am_str_of(got), cases[i].want);
        assert_false(am_strip_next(&s));
        am_arena_free(a);
    }
}

/* Fields of any name that hide one of ours: "NAME NUMBER ", as they are deleted. */
static void hidden(void **state)
{
    (void)state;
#define RESULTS "Authentication-Results: " ID "; dmarc=pass"
    static const struct {
        const char *what, *field[4], *want;
    } hides[] = {
        {"nothing hidden", {"Subject: " RESULTS, "Received: a\r\n " RESULTS}, ""},
        {"behind a CR", {"Subject: x", "subject: hi\r" RESULTS}, "subject 2 "},
        {"behind a LF", {"Comments: hi\n" RESULTS, "Subject: x"}, "Comments 1 "},
        {"in the second line", {"Subject: hi\rX: y\r\rAUTHENTICATION-results : (c)\r\n " ID},
            "Subject 1 "},
        {"another host's", {"Subject: hi\rAuthentication-Results: other.example; none"}, ""},
        {"several, last to first", {"A: \r" RESULTS, "B: \n" RESULTS, "A: x", "A: \r" RESULTS},
            "A 3 B 1 A 1 "},
        {"another host's, that hides ours: the other walk's",
            {"Authentication-Results: other.example; none\r" RESULTS}, ""},
    };
    for (size_t i = 0; i < sizeof hides / sizeof *hides; i++) {
        char got[100] = "";
        am_arena *a = am_arena_new(0);
        am_header h = {.arena = a};
        for (size_t k = 0; k < 4 && hides[i].field[k]; k++)
            add(&h, hides[i].field[k]);
        am_strip s = am_strip_begin_hidden(a, &h, AM_STR(ID));
        while (am_strip_next(&s)) {
            size_t n = strlen(got);
            snprintf(got + n, sizeof got - n, "%s %zu ", s.name, s.number);
        }
        want_str(hides[i].what, am_str_of(got), hides[i].want);
        s = am_strip_begin(a, &h, AM_STR(ID), am_header_count(&h, "Authentication-Results"));
        numbers(&s, got, sizeof got);
        want_str(hides[i].what, am_str_of(got), i == 6 ? "1 " : "");
        am_arena_free(a);
    }
}

/* Where memory ends, nothing that may be forged is left. */
static void without_memory(void **state)
{
    (void)state;
    char got[100];
    am_arena *a = am_arena_new(0), *small = am_arena_new(1);
    am_header h = {.arena = a};
    add(&h, "Authentication-Results: other.example; none");
    add(&h, "Authentication-Results: third.example; none");
    assert_null(am_arena_alloc(small, 100));
    am_strip s = am_strip_begin(small, &h, AM_STR(ID), 2);
    numbers(&s, got, sizeof got);
    want_str("no memory", am_str_of(got), "2 1 ");
    /* No message at all: only counted. */
    static const am_header nothing;
    s = am_strip_begin(NULL, &nothing, AM_STR(ID), 3);
    numbers(&s, got, sizeof got);
    want_str("no message", am_str_of(got), "3 2 1 ");
    am_arena_free(a);
    am_arena_free(small);
}

/* A heap of fields costs no more than 200 looks: the lower ones go without. */
static void heap_of_fields(void **state)
{
    (void)state;
    am_arena *a = am_arena_new(0), *parsing = am_arena_new(0);
    am_header h = {.arena = a};
    for (int i = 0; i < 1000; i++)
        add(&h, "Authentication-Results: j\xc3\xb6hn.example (a (b) c) 1; none");
    am_strip s = am_strip_begin(parsing, &h, AM_STR("xn--bcher-kva.example"), h.n);
    size_t gone = 0;
    while (am_strip_next(&s))
        want_int("number", s.number, 1000 - gone++);
    want_int("gone", gone, 800);
    assert_true(am_arena_used(parsing) < 200 * 10000);
    am_arena_free(parsing);
    am_arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table),
        cmocka_unit_test(hidden),
        cmocka_unit_test(without_memory),
        cmocka_unit_test(heap_of_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
