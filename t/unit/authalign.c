/* ident/loginmap, ident/authalign: the map's file, who owns what, and messages held against it. */
#include "t/unit/unit.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "libauth/ident/authalign.h"

static const char map_text[] = "# who owns what\n"
                               "\n"
                               "   \t \n"
                               "   # indented\n"
                               "alice@example.org\talice\n"
                               "Info@Example.ORG    alice, bob\r\n"
                               "info@example.org carol\n"
                               "list@example.org\n"
                               "    dave,,\n"
                               "# between\n"
                               "    # comment inside a continuation\n"
                               "\"odd one\"@example.org odd\n"
                               "\"plain\"@example.org plain\n"
                               "b\xc3\xbc"
                               "ro@b\xc3\xbc"
                               "cher.example buero\n"
                               "secret@example.net   root\n"
                               "@example.net     erin\tfrank\n"
                               "/^([a-z]+)\\.([a-z]+)@example\\.com$/  $1 $2-x $$1\n"
                               "/^a\\/b@example\\.com$/  slash\n"
                               "/^none@example\\.net$/  nobody\n"
                               "/^opt(ional)?@example\\.com$/  x$1\n"
                               "/example\\.edu/  loose\n"
                               "/^(alice|bob)@example\\.org$/  regex\n"
                               "/^UPPER@Example\\.COM$/  upper\n"
                               "last@example.org zoe";

static const struct {
    const char *login, *local, *domain;
    bool want;
} owns_cases[] = {
    {"alice", "alice", "example.org", true},
    {"ALICE", "Alice", "example.org", true},
    {"bob", "alice", "example.org", false},
    {"alice", "alice", "example.com", false},
    {"", "alice", "example.org", false},
    {"alice", "", "example.org", false},
    {"alice", "alice", "", false},
    {"alice", "alice+tag", "example.org", false},
    {"alic", "alice", "example.org", false},
    {"alice,", "alice", "example.org", false},
    /* several logins, several lines, continuations */
    {"alice", "info", "example.org", true},
    {"bob", "INFO", "example.org", true},
    {"carol", "info", "example.org", true},
    {"dave", "info", "example.org", false},
    {"dave", "list", "example.org", true},
    {"#", "list", "example.org", false},
    {"zoe", "last", "example.org", true},
    /* quotes and UTF-8 */
    {"odd", "\"odd one\"", "example.org", true},
    {"odd", "\"odd\\ one\"", "example.org", true},
    {"odd", "odd one", "example.org", true},
    {"plain", "plain", "example.org", true},
    {"alice", "\"alice\"", "example.org", true},
    {"alice", "\"alice@example.org\"", "evil.example", false},
    {"buero", "b\xc3\xbcro", "xn--bcher-kva.example", true},
    /* domains: an address of its own goes before */
    {"erin", "anything", "example.net", true},
    {"frank", "anything", "example.net", true},
    {"erin", "secret", "example.net", false},
    {"root", "secret", "example.net", true},
    {"erin", "x", "sub.example.net", false},
    {"erin", "x@example.net", "evil.example", false},
    {"erin", "none", "example.net", false},
    {"nobody", "none", "example.net", true},
    /* expressions */
    {"john", "john.doe", "example.com", true},
    {"JOHN", "John.Doe", "example.com", true},
    {"doe-x", "john.doe", "example.com", true},
    {"$1", "john.doe", "example.com", true},
    {"$$1", "john.doe", "example.com", false},
    {"doe", "john.doe", "example.com", false},
    {"john.", "john.doe", "example.com", false},
    {"", "john.doe", "example.com", false},
    {"slash", "a/b", "example.com", true},
    {"xional", "optional", "example.com", true},
    {"x", "opt", "example.com", true},
    {"x", "optional", "example.com", false},
    {"regex", "bob", "example.org", true},
    {"regex", "alice", "example.org", false}, /* it has an entry of its own */
    {"upper", "upper", "example.com", true},
    {"loose", "any", "sub.example.edu", true},
    {"loose", "any", "example.edu.evil", true}, /* as written: without $ */
    {"alice", "alice", "[192.0.2.1]", false},
};

static am_loginmap *parse(const char *text, am_error *why)
{
    return am_loginmap_parse(am_str_of(text), "logins", why);
}

static void owns_table(void **state)
{
    (void)state;
    am_error why = {""};
    am_loginmap *m = parse(map_text, &why);
    if (!m)
        fail_msg("%s", why.text);
    assert_int_equal(am_loginmap_count(m), 16);
    for (size_t i = 0; i < sizeof owns_cases / sizeof *owns_cases; i++) {
        am_arena *a = am_arena_new(0);
        am_mailbox box = {am_str_of(owns_cases[i].local), am_str_of(owns_cases[i].domain)};
        am_str what = am_str_format(
            a, "%s: %s@%s", owns_cases[i].login, owns_cases[i].local, owns_cases[i].domain);
        want_int(what.p, am_loginmap_owns(m, a, am_str_of(owns_cases[i].login), &box),
            owns_cases[i].want);
        am_arena_free(a);
    }
    am_loginmap_free(m);
    am_loginmap_free(NULL);
}

#define TOO_LARGE "1: expression too large: its repetitions come to more than 2000 octets"

static void errors(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want; /* behind "logins:" */
    } cases[] = {
        {"a@example.org\n", "1: no login behind the address"},
        {"# x\n\na@example.org x\na@example.org , ,\n", "4: no login behind the address"},
        {"a@example.org x\n  y\n  z\nalice bob\n", "4: not an address, @domain or /expression/"},
        {"a@example.org alice # the boss\n",
            "1: a comment behind an entry; it needs a line of its own"},
        {" alice@example.org alice\n", "1: a continuation, and no entry before it"},
        {"@ alice\n", "1: no domain behind \"@\""},
        {"@exa mple alice\n@exa@mple alice\n", "2: no domain behind \"@\""},
        {"<alice@example.org> alice\n", "1: not an address, @domain or /expression/"},
        {"alice@[192.0.2.1] alice\n", "1: not an address, @domain or /expression/"},
        {"alice@example..org alice\n", "1: not an address, @domain or /expression/"},
        {"\"alice@example.org alice\n", "1: not an address, @domain or /expression/"},
        {"!/x/ alice\n", "1: not an address, @domain or /expression/"},
        {"if /x/\n", "1: not an address, @domain or /expression/"},
        {"alice@example.org al\x01ice\n", "1: control character"},
        {"alice@example.org al\rice\n", ""},
        {"/x/\n", "1: no login behind the address"},
        {"/x alice\n", "1: \"/\" missing behind the expression"},
        {"/x\\/ alice\n", "1: \"/\" missing behind the expression"},
        {"/x\\", "1: \"/\" missing behind the expression"},
        {"// alice\n", "1: empty expression"},
        {"/x/i alice\n", "1: text right behind the expression; flags are not known"},
        {"/(x/ alice\n", "1: not a POSIX extended expression"},
        {"/[x/ alice\n", "1: not a POSIX extended expression"},
        {"/^[a-z]{1,64}@[a-z.]{1,255}\\.example$/ alice\n", ""},
        {"/^([a-z]+\\.){0,5}x@example\\.org$/ alice\n", ""},
        {"/((a{100}){100}){100}/ alice\n", TOO_LARGE},
        {"/a{100}{100}{100}/ alice\n", TOO_LARGE},
        {"/((((a){1,255})+){255,}){0,2}/ alice\n", TOO_LARGE},
        {"/^(.++++++++++++++++++++c)@/ alice\n", TOO_LARGE},
        {"/((((((((((((a)+)+)+)+)+)+)+)+)+)+)+)+/ alice\n", TOO_LARGE},
        {"/((((((((((a){1,}){1,}){1,}){1,}){1,}){1,}){1,}){1,}){1,}){1,}/ alice\n", TOO_LARGE},
        {"/^([a-z]{1,}\\.){0,}x@example\\.org$/ alice\n", ""},
        {"/^([a-z]+\\.)+([a-z]+)+@([^.]+\\.)+example\\.org$/ alice\n", ""},
        {"/(x)/ $2\n", "1: \"$\" and the number of a group that the expression does not have"},
        {"/(x)/ $0\n",
            "1: \"$\" without a digit from 1 to 9 behind it (for the character: \"$$\")"},
        {"/(x)/ a$\n",
            "1: \"$\" without a digit from 1 to 9 behind it (for the character: \"$$\")"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        am_error why = {"nothing"};
        am_arena *a = am_arena_new(0);
        am_loginmap *m = parse(cases[i].text, &why);
        want_int(cases[i].text, m != NULL, !*cases[i].want);
        if (!m)
            want_str(
                cases[i].text, am_str_of(why.text), am_str_format(a, "logins:%s", cases[i].want).p);
        am_loginmap_free(m);
        am_arena_free(a);
    }
    am_error why;
    assert_null(am_loginmap_parse(am_str_n("a@example.org x\0y\n", 18), "logins", &why));
    want_str("NUL", am_str_of(why.text), "logins:1: control character");
    am_loginmap *empty = parse("", &why);
    assert_non_null(empty);
    assert_int_equal(am_loginmap_count(empty), 0);
    am_loginmap_free(empty);
}

static void bounds(void **state)
{
    (void)state;
    am_arena *a = am_arena_new(0);
    am_error why;
    am_buf b = {.arena = a};
    am_buf_char(&b, '/');
    for (int i = 0; i < 500; i++)
        am_buf_char(&b, 'a');
    am_str re = am_str_copy(a, am_buf_get(&b));
    am_loginmap *m = am_loginmap_parse(am_str_format(a, "%.*s/ x\n", AM_ARG(re)), "logins", &why);
    assert_non_null(m);
    am_loginmap_free(m);
    m = am_loginmap_parse(am_str_format(a, "%.*sa/ x\n", AM_ARG(re)), "logins", &why);
    assert_null(m);
    want_str("long", am_str_of(why.text), "logins:1: expression over 500 octets");
    m = am_loginmap_parse(am_str_format(a, "%.*s\\b/ x\n", AM_ARG(re)), "logins", &why);
    assert_null(m);
    am_buf many = {.arena = a};
    for (int i = 0; i < 200; i++)
        am_buf_format(&many, "/^%d$/ x\n", i);
    m = am_loginmap_parse(am_buf_get(&many), "logins", &why);
    assert_non_null(m);
    am_mailbox big = {am_str_cut(re, 1, re.n), AM_STR("example.org")};
    assert_false(am_loginmap_owns(m, a, AM_STR("x"), &big));
    am_loginmap_free(m);
    am_buf_cstr(&many, "/x/ x\n");
    assert_null(am_loginmap_parse(am_buf_get(&many), "logins", &why));
    want_str("many", am_str_of(why.text), "logins:201: more than 200 expressions");
    m = parse("/./ x\n", &why);
    assert_false(am_loginmap_owns(m, a, AM_STR("x"), &big)); /* over 500 octets */
    am_mailbox nul = {am_str_n("a\0b", 3), AM_STR("example.org")};
    assert_false(am_loginmap_owns(m, a, AM_STR("x"), &nul));
    nul.local.n = 1;
    assert_true(am_loginmap_owns(m, a, AM_STR("x"), &nul));
    am_loginmap_free(m);
    am_arena_free(a);
}

static void from_a_file(void **state)
{
    (void)state;
    char path[] = "/tmp/authmill-logins-XXXXXX";
    am_error why;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    FILE *f = fdopen(fd, "w");
    for (int i = 0; i < 100000; i++)
        fprintf(f, "user%d.name@mail%d.example.org user%d,admin\n", i, i % 100, i);
    assert_int_equal(fclose(f), 0);
    struct timespec t0, t1;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t0);
    am_loginmap *m = am_loginmap_load(path, &why);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t1);
    unlink(path);
    if (!m)
        fail_msg("%s", why.text);
    assert_int_equal(am_loginmap_count(m), 100000);
    long ms = (t1.tv_sec - t0.tv_sec) * 1000 + (t1.tv_nsec - t0.tv_nsec) / 1000000;
    print_message("# 100,000 entries in %ld ms of CPU\n", ms);
    assert_true(ms < 5000); /* a sanitizer's build is slow; a quadratic loader is slower */
    am_arena *a = am_arena_new(0);
    for (int i = 0; i < 100000; i += 9999) {
        am_str login = am_str_format(a, "user%d", i);
        am_mailbox box = {
            am_str_format(a, "user%d.name", i), am_str_format(a, "mail%d.example.org", i % 100)};
        assert_true(am_loginmap_owns(m, a, login, &box));
        assert_true(am_loginmap_owns(m, a, AM_STR("admin"), &box));
        assert_false(am_loginmap_owns(m, a, AM_STR("user5"), &box));
    }
    am_arena_free(a);
    am_loginmap_free(m);
    assert_null(am_loginmap_load(path, &why));
    assert_non_null(strstr(why.text, "No such file"));
    assert_null(am_loginmap_load("/", &why));
    assert_non_null(strstr(why.text, "/: "));
}

/* ---- want of memory while loading ---- */

static long left = -1; /* allocations that succeed; -1: all */

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);

static bool spent(void)
{
    return left == 0 || (left > 0 && left-- == 0);
}

void *__wrap_malloc(size_t n)
{
    return spent() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return spent() ? NULL : __real_calloc(n, size);
}

static void no_memory_while_loading(void **state)
{
    (void)state;
    static char text[60000];
    size_t n = 0;
    for (int i = 0; i < 1000; i++) /* the table grows several times */
        n += (size_t)snprintf(text + n, sizeof text - n, "u%d@example.org u%d\n", i, i);
    long k = 0;
    for (am_loginmap *m = NULL; !m && k < 2000; k++) {
        am_error why = {"nothing"};
        left = k;
        m = am_loginmap_parse(am_str_n(text, n), "logins", &why);
        left = -1;
        if (!m)
            want_str("without memory", am_str_of(why.text), "logins: out of memory");
        else
            assert_int_equal(am_loginmap_count(m), 1000);
        am_loginmap_free(m);
    }
    assert_true(k > 20 && k < 2000);
}

/* ---- messages ---- */

#define NONE 0
#define MF AM_AUTHALIGN_MAIL_FROM
#define FR AM_AUTHALIGN_FROM
#define SE AM_AUTHALIGN_SENDER

static const struct {
    const char *what, *user, *sender, *header; /* fields end in LF */
    const char *want;                          /* result, reason, the address */
    unsigned there;
} align_cases[] = {
    {"all owned", "alice", "<alice@example.org>",
        "From: Alice <Alice@Example.org>\nSender: info@example.org\n", "pass||", MF | FR | SE},
    {"login in another case", "ALICE", "<alice@example.org>", "From: alice@example.org\n", "pass||",
        MF | FR},
    {"not authenticated", NULL, "<alice@example.org>", "From: alice@example.org\n",
        "none|not authenticated|", NONE},
    {"an empty login", " ", "<alice@example.org>", "From: alice@example.org\n",
        "none|not authenticated|", NONE},
    {"MAIL FROM of another", "bob", "<alice@example.org>", "From: info@example.org\n",
        "fail|the login does not own MAIL FROM|alice@example.org", MF | FR},
    {"From of another", "bob", "<info@example.org>", "From: alice@example.org\n",
        "fail|the login does not own From|alice@example.org", MF | FR},
    {"Sender of another", "bob", "<info@example.org>",
        "From: info@example.org\nSender: alice@example.org\n",
        "fail|the login does not own Sender|alice@example.org", MF | FR | SE},
    {"all of another", "mallory", "<a@evil.example>",
        "From: alice@example.org\nSender: b@c.example\n",
        "fail|the login does not own MAIL FROM, From and Sender|a@evil.example", MF | FR | SE},
    {"envelope alone", "alice", "<alice@example.org>", NULL, "pass||", MF},
    {"envelope alone, of another", "bob", "<alice@example.org>", NULL,
        "fail|the login does not own MAIL FROM|alice@example.org", MF},
    {"null sender", "alice", "<>", "From: alice@example.org\n", "pass||", FR},
    {"null sender, From of another", "bob", "<>", "From: alice@example.org\n",
        "fail|the login does not own From|alice@example.org", FR},
    {"null sender, no From", "alice", "<>", "To: x@example.org\n", "none|no address to own|", NONE},
    {"null sender, no header", "alice", "<>", NULL, "none|no address to own|", NONE},
    {"MAIL FROM without a domain", "alice", "<alice>", "From: alice@example.org\n",
        "fail|the login does not own MAIL FROM|alice", MF | FR},
    {"MAIL FROM of a literal", "alice", "<alice@[192.0.2.1]>", "From: alice@example.org\n",
        "fail|the login does not own MAIL FROM|alice@[192.0.2.1]", MF | FR},
    {"two authors, both owned", "alice", "<>", "From: alice@example.org, info@example.org\n",
        "pass||", FR},
    {"two authors, one owned", "alice", "<>", "From: alice@example.org, boss@example.org\n",
        "fail|the login does not own From|boss@example.org", FR},
    {"two From fields", "alice", "<>", "From: alice@example.org\nFrom: boss@example.org\n",
        "fail|the login does not own From|boss@example.org", FR},
    {"an empty Sender is none", "alice", "<>", "Sender: \nFrom: alice@example.org\n", "pass||", FR},
    {"From that cannot be read", "alice", "<>", "From: \"alice@example.org\n",
        "fail|the login does not own From|", FR},
    {"From of a literal", "alice", "<>", "From: alice@[192.0.2.1]\n",
        "fail|the login does not own From|alice", FR},
    {"a group without members", "alice", "<>", "From: nobody:;\n", "pass||", FR},
    {"a display name that looks like an address", "alice", "<>",
        "From: \"alice@example.org\" <boss@example.org>\n",
        "fail|the login does not own From|boss@example.org", FR},
    {"a comment that looks like one", "alice", "<>", "From: boss@example.org (alice@example.org)\n",
        "fail|the login does not own From|boss@example.org", FR},
    {"folded", "alice", "<>", "From: Alice\n <alice@example.org>\n", "pass||", FR},
};

static void add_fields(am_header *h, const char *text)
{
    am_str rest = am_str_of(text);
    while (rest.n) {
        size_t end = am_str_find(rest, '\n');
        while (end + 1 < rest.n && rest.p[end + 1] == ' ')
            end += 1 + am_str_find(am_str_cut(rest, end + 1, rest.n), '\n');
        am_str line = am_str_cut(rest, 0, end);
        size_t colon = am_str_find(line, ':');
        am_header_add(h, am_str_cut(line, 0, colon), am_str_cut(line, colon + 1, line.n));
        rest = am_str_cut(rest, end + 1, rest.n);
    }
}

static void align_table(void **state)
{
    (void)state;
    am_loginmap *m = parse(map_text, NULL);
    for (size_t i = 0; i < sizeof align_cases / sizeof *align_cases; i++) {
        am_arena *a = am_arena_new(0);
        am_header h = {.arena = a};
        am_mailbox sender;
        assert_true(am_path_parse(a, am_str_of(align_cases[i].sender), &sender));
        if (align_cases[i].header)
            add_fields(&h, align_cases[i].header);
        am_authalign_query q = {
            am_str_of(align_cases[i].user), &sender, align_cases[i].header ? &h : NULL};
        am_authalign_verdict v = am_authalign_check(a, m, &q);
        am_str got =
            am_str_format(a, "%s|%s|%.*s", am_result_word(v.result), v.reason, AM_ARG(v.address));
        want_str(align_cases[i].what, got, align_cases[i].want);
        want_int(align_cases[i].what, v.there, align_cases[i].there);
        am_arena_free(a);
    }
    am_loginmap_free(m);
}

static void align_bounds(void **state)
{
    (void)state;
    am_loginmap *m = parse("@example.org alice\n", NULL);
    for (int n = 100; n <= 101; n++) { /* MAIL FROM counts too */
        am_arena *a = am_arena_new(0);
        am_header h = {.arena = a};
        am_buf b = {.arena = a};
        for (int i = 1; i < n; i++)
            am_buf_format(&b, "%su%d@example.org", i > 1 ? ", " : "", i);
        am_header_add(&h, AM_STR("From"), am_buf_get(&b));
        am_mailbox sender = {AM_STR("x"), AM_STR("example.org")};
        am_authalign_query q = {AM_STR("alice"), &sender, &h};
        am_authalign_verdict v = am_authalign_check(a, m, &q);
        want_int("100 addresses", v.result, n == 100 ? AM_PASS : AM_FAIL);
        want_str("100 addresses", am_str_of(v.reason), n == 100 ? "" : "too many addresses");
        h.failed = true;
        want_int("cut header", am_authalign_check(a, m, &q).result, AM_FAIL);
        am_arena_free(a);
    }
    unsigned none = 0, pass = 0;
    for (size_t cap = 1; cap < 1200; cap += 7) {
        am_arena *a = am_arena_new(0), *small = am_arena_new(cap);
        am_header h = {.arena = a};
        am_header_add(&h, AM_STR("From"), AM_STR("<u@example.org>"));
        am_authalign_query q = {AM_STR("alice"), NULL, &h};
        am_authalign_verdict v = am_authalign_check(small, m, &q);
        none += v.result == AM_NONE && strcmp(v.reason, "out of memory") == 0;
        pass += v.result == AM_PASS;
        am_arena_free(small);
        am_arena_free(a);
    }
    assert_int_equal(none + pass, 172);
    assert_true(none > 10 && pass > 10);
    am_loginmap_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(owns_table),
        cmocka_unit_test(errors),
        cmocka_unit_test(bounds),
        cmocka_unit_test(from_a_file),
        cmocka_unit_test(no_memory_while_loading),
        cmocka_unit_test(align_table),
        cmocka_unit_test(align_bounds),
    };
    return cmocka_run_group_tests_name("authalign", tests, NULL, NULL);
}
