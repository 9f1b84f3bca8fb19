/* eml: messages split into fields and body, whatever their line ends. */
#include "t/unit/unit.h"

#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "tools/eml.h"

/* The whole message as one text: fields joined by "|", then "||" and the body,
 * or "|-" where there is none. */
static am_str shown(am_arena *a, const am_eml *m)
{
    am_buf b = {.arena = a};
    for (size_t i = 0; i < m->header.n; i++) {
        if (i)
            am_buf_char(&b, '|');
        am_buf_str(&b, m->header.field[i].raw);
    }
    am_buf_cstr(&b, m->body.p ? "||" : "|-");
    am_buf_str(&b, m->body);
    return am_buf_get(&b);
}

static const struct {
    const char *what;
    am_str in;
    int want_status;
    const char *want;
} cases[] = {
    {"CRLF", AM_STR("A: 1\r\nB: 2\r\n\r\nx\r\ny\r\n"), EX_OK, "A: 1|B: 2||x\r\ny\r\n"},
    {"LF", AM_STR("A: 1\nB: 2\n\nx\ny\n"), EX_OK, "A: 1|B: 2||x\r\ny\r\n"},
    {"folds, LF", AM_STR("A: 1\n 2\n\t3\nB: 4\n\nx"), EX_OK, "A: 1\r\n 2\r\n\t3|B: 4||x"},
    {"folds, CRLF", AM_STR("A: 1\r\n 2\r\n\r\n"), EX_OK, "A: 1\r\n 2||"},
    {"bare LF is data after CRLF", AM_STR("A: 1\r\nB: 2\nC: 3\r\n\r\nx\ny\r\n"), EX_OK,
        "A: 1|B: 2\nC: 3||x\ny\r\n"},
    {"bare CR is data after CRLF", AM_STR("A: 1\r\nB: 2\rC\r\n\r\n"), EX_OK, "A: 1|B: 2\rC||"},
    {"bare LF LF does not end the header", AM_STR("A: 1\r\nB: 2\n\nC\r\n\r\nx"), EX_OK,
        "A: 1|B: 2\n\nC||x"},
    {"CR before LF is data after LF", AM_STR("A: 1\nB: 2\r\n\nx\r\n"), EX_OK,
        "A: 1|B: 2\r||x\r\r\n"},
    {"CR LF in an LF header is no empty line", AM_STR("A: 1\n\r\nx\n"), EX_OK, "A: 1||\r\r\nx\r\n"},
    {"no body", AM_STR("A: 1\r\n"), EX_OK, "A: 1|-"},
    {"no line end at all", AM_STR("A: 1"), EX_OK, "A: 1|-"},
    {"empty body", AM_STR("A: 1\n\n"), EX_OK, "A: 1||"},
    {"a line of white space is a fold", AM_STR("A: 1\n \nB: 2\n\nx"), EX_OK, "A: 1\r\n |B: 2||x"},
    {"space before the colon", AM_STR("From : a@b\n\n"), EX_OK, "From : a@b||"},
    {"mbox line", AM_STR("From a@b Sat Nov 21 2026\nA: 1\n\nx"), EX_OK, "A: 1||x"},
    {"mbox line, CRLF", AM_STR("From a@b\r\nA: 1\r\n\r\nx\n"), EX_OK, "A: 1||x\n"},
    {"mbox line only on top", AM_STR("A: 1\nFrom a@b\nB: 2\n"), EX_OK,
        "A: 1||From a@b\r\nB: 2\r\n"},
    {"a line that is no field begins the body", AM_STR("A: 1\njunk\nB: 2\n"), EX_OK,
        "A: 1||junk\r\nB: 2\r\n"},
    {"8-bit name is no field", AM_STR("A: 1\n\xc3\xa4: 2\n\nx"), EX_OK,
        "A: 1||\xc3\xa4: 2\r\n\r\nx"},
    {"what may be taken for From stays in the header", AM_STR("A: 1\nFrom\xc2\xa0: x\nB: 2\n\nx"),
        EX_OK, "A: 1|From\xc2\xa0: x|B: 2||x"},
    {"From folded before its colon", AM_STR("From\r\n : x\r\nB: 2\r\n\r\nx"), EX_OK,
        "From\r\n : x|B: 2||x"},
    {"From behind a blank on top", AM_STR(" From: x\nB: 2\n\nx"), EX_OK, " From: x|B: 2||x"},
    {"From without a colon", AM_STR("A: 1\nFrom\nB: 2\n"), EX_OK, "A: 1||From\r\nB: 2\r\n"},
    {"empty name is no field", AM_STR("A: 1\n: 2\n"), EX_OK, "A: 1||: 2\r\n"},
    {"nothing", AM_STR(""), EX_DATAERR, NULL},
    {"junk", AM_STR("junk\nA: 1\n\n"), EX_DATAERR, NULL},
    {"fold first", AM_STR(" A: 1\nB: 2\n"), EX_DATAERR, NULL},
    {"body alone", AM_STR("\r\nA: 1\r\n"), EX_OK, "||A: 1\r\n"},
    {"mbox line alone", AM_STR("From a@b\n"), EX_DATAERR, NULL},
    {"mbox line and body", AM_STR("From a@b\n\nA: 1\n"), EX_OK, "||A: 1\r\n"},
};

static void split(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        am_arena *a = am_arena_new(0);
        am_error e = {""};
        am_eml m;
        /* a copy of exact size: reading beyond it is seen by ASan */
        char *exact = malloc(cases[i].in.n + 1);
        assert_non_null(exact);
        char *p = realloc(exact, cases[i].in.n ? cases[i].in.n : 1);
        assert_non_null(p);
        memcpy(p, cases[i].in.p, cases[i].in.n);
        int status = am_eml_parse(a, am_str_n(p, cases[i].in.n), &m, &e);
        want_int(cases[i].what, status, cases[i].want_status);
        if (cases[i].want)
            want_str(cases[i].what, shown(a, &m), cases[i].want);
        else
            assert_true(strstr(e.text, "no message") != NULL);
        free(p);
        am_arena_free(a);
    }
}

static void nul_is_kept(void **state)
{
    (void)state;
    am_arena *a = am_arena_new(0);
    am_eml m;
    assert_int_equal(am_eml_parse(a, AM_STR("A: 1\0002\n\0: x\n\n\0y\n"), &m, NULL), EX_OK);
    assert_int_equal(m.header.n, 1);
    assert_int_equal(m.header.field[0].raw.n, 6);
    assert_memory_equal(m.header.field[0].raw.p, "A: 1\0002", 6);
    assert_int_equal(m.body.n, 12);
    assert_memory_equal(m.body.p, "\0: x\r\n\r\n\0y\r\n", 12);
    am_arena_free(a);
}

static void memory_is_bounded(void **state)
{
    (void)state;
    am_str in = AM_STR("A: 1\nB: 2\n 3\n\nx\ny\n");
    size_t refused = 0;
    am_arena *room = am_arena_new(0);
    for (size_t cap = 1; cap < 6000; cap += 16) {
        am_arena *a = am_arena_new(cap);
        am_error e = {""};
        am_eml m;
        int status = am_eml_parse(a, in, &m, &e);
        if (status == EX_OK) {
            want_str("whole", shown(room, &m), "A: 1|B: 2\r\n 3||x\r\ny\r\n");
        } else {
            assert_int_equal(status, EX_SOFTWARE);
            refused++;
        }
        am_arena_free(a);
    }
    assert_true(refused > 3);
    am_arena_free(room);
}

static void files(void **state)
{
    (void)state;
    am_arena *a = am_arena_new(0);
    am_error e = {""};
    am_eml m;
    assert_int_equal(am_eml_read(a, "/nonexistent/x.eml", &m, &e), EX_NOINPUT);
    assert_true(strstr(e.text, "/nonexistent/x.eml: ") == e.text);
    assert_int_equal(am_eml_read(a, "/", &m, &e), EX_NOINPUT);
    assert_int_equal(am_eml_read(a, "/dev/null", &m, &e), EX_DATAERR);
    char path[] = "/tmp/authmill-eml-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    FILE *f = fdopen(fd, "w");
    assert_non_null(f);
    fputs("A: 1\n\n", f);
    for (int i = 0; i < 40000; i++)
        fputs("0123456789\n", f);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(am_eml_read(a, path, &m, &e), EX_OK);
    assert_int_equal(m.body.n, 40000 * 12);
    unlink(path);
    am_arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(split),
        cmocka_unit_test(nul_is_kept),
        cmocka_unit_test(memory_is_bounded),
        cmocka_unit_test(files),
    };
    return cmocka_run_group_tests_name("eml", tests, NULL, NULL);
}
