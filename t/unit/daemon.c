/* daemon: whose number stands in the pid file. */
#include "t/unit/unit.h"

#include "milter/daemon.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char file[] = "/tmp/authmill-pid-XXXXXX";

static void put(const char *text)
{
    FILE *f = fopen(file, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

/* What stands there; "-": no file. */
static const char *there(void)
{
    static char text[64];
    FILE *f = fopen(file, "r");
    size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
    text[n] = '\0';
    if (f)
        fclose(f);
    return f ? text : "-";
}

static void whose_number(void **state)
{
    (void)state;
    static const struct {
        const char *before; /* "-": no file */
        long found;
    } cases[] = {{"-", 0}, {"", 0}, {"4711\n", 4711}, {"4711", 4711}, {"x\n", 0}, {"-5\n", 0},
        {"99999999999999999999999999999999\n", 0}};
    char ours[32];
    snprintf(ours, sizeof ours, "%ld\n", (long)getpid());
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        am_error why;
        long before = 1;
        struct stat st;
        if (*cases[i].before == '-' && !cases[i].before[1])
            unlink(file);
        else
            put(cases[i].before);
        assert_true(am_daemon_write_pid(file, &before, &why));
        want_int(cases[i].before, before, cases[i].found);
        want_str(cases[i].before, am_str_of(there()), ours);
        assert_true(stat(file, &st) == 0 && (st.st_mode & 0777) == 0644);
        am_daemon_remove_pid(file, before); /* a start that failed */
        want_str(cases[i].before, am_str_of(there()), cases[i].found ? "4711\n" : "-");
        assert_true(am_daemon_write_pid(file, &before, &why));
        am_daemon_remove_pid(file, 0);
        want_str("the end", am_str_of(there()), "-");
    }
}

static void anothers_stays(void **state)
{
    (void)state;
    am_error why;
    long before;
    assert_true(am_daemon_write_pid(file, &before, &why));
    put("4711\n"); /* who took over */
    am_daemon_remove_pid(file, 0);
    want_str("a successor's", am_str_of(there()), "4711\n");
    am_daemon_remove_pid("", 0);
    assert_true(am_daemon_write_pid("", &before, &why) && before == 0);
}

/* A disk without room: here the bound of a file's size. */
static void what_stood_there_stays(void **state)
{
    (void)state;
    am_error why;
    long before;
    struct rlimit l, none;
    put("4711\n");
    assert_true(getrlimit(RLIMIT_FSIZE, &l) == 0);
    none = l;
    none.rlim_cur = 0;
    signal(SIGXFSZ, SIG_IGN);
    assert_true(setrlimit(RLIMIT_FSIZE, &none) == 0);
    bool written = am_daemon_write_pid(file, &before, &why);
    assert_true(setrlimit(RLIMIT_FSIZE, &l) == 0);
    assert_false(written);
    want_str("what stood there", am_str_of(there()), "4711\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(whose_number),
        cmocka_unit_test(anothers_stays), cmocka_unit_test(what_stood_there_stays)};
    int fd = mkstemp(file);
    if (fd < 0)
        return 1;
    close(fd);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(file);
    return failed;
}
