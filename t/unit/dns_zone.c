/* dns_zone: master files as a source of answers, and sessions over them. */
#include "t/unit/unit.h"

#include "libauth/dns/dns.h"

#include <stdlib.h>
#include <unistd.h>

typedef struct zone {
    char path[64];
} zone;

static zone write_zone(const char *text)
{
    zone z = {"/tmp/authmill-zone-XXXXXX"};
    int fd = mkstemp(z.path);
    assert_true(fd >= 0);
    size_t n = strlen(text);
    assert_int_equal(write(fd, text, n), (ssize_t)n);
    close(fd);
    return z;
}

static const char main_zone[] =
    "$TTL 300\n"
    "$ORIGIN example.org.\n"
    "@ IN SOA ns hostmaster 1 3600 900 86400 60\n"
    "  IN NS ns\n"
    "  60 IN TXT \"v=spf1 \" \"-all\" ; a comment\n"
    "@ MX 20 Mail2.Example.ORG.\n"
    "@ MX 10 mail\n"
    "@ MX 30 .\n"
    "mail A 192.0.2.1\n"
    "mail A 192.0.2.2\n"
    "mail A 192.0.2.1 ; twice is once\n"
    "mail AAAA 2001:db8::1\n"
    "mail AAAA ::ffff:192.0.2.9\n"
    "a.b.c TXT deep\n"
    "www CNAME mail\n"
    "far CNAME mail.example.net.\n"
    "lost CNAME nowhere\n"
    "loop CNAME pool\n"
    "pool CNAME loop\n"
    "*.wild TXT star\n"
    "x.y.wild TXT known\n"
    "Upper TXT \"Case Kept\"\n"
    "long TXT ( \"one\"\n   \"two\" )\n"
    "bytes TXT \"\\000\\255\\\"\"\n"
    "odd PTR a\\.b\\032c.example.\n"
    "txts TXT one\ntxts TXT two\n"
    "empty TXT \"\"\n"
    "sub\\.dot TXT dotted\n"
    "c1 CNAME c2\nc2 CNAME c3\nc3 CNAME c4\nc4 CNAME c5\nc5 CNAME c6\nc6 CNAME c7\n"
    "c7 CNAME c8\nc8 CNAME c9\nc9 CNAME c10\nc10 CNAME c11\nc11 TXT end\n"
    "c0 CNAME c1\n"
    "1.2.0.192.in-addr.arpa. PTR mail\n";
static const char other_zone[] = "mail.example.net. 77 IN A 198.51.100.7\n"
                                 "example.net. IN TXT \"no origin\"\n";

static am_dns *open_zones(const char *const *text, size_t n, am_error *why)
{
    zone z[4];
    const char *path[4] = {0};
    for (size_t i = 0; i < n; i++) {
        z[i] = write_zone(text[i]);
        path[i] = z[i].path;
    }
    am_dns *d = am_dns_zonefiles(path, n, why);
    for (size_t i = 0; i < n; i++)
        unlink(path[i]);
    return d;
}

static void zone_answers(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        am_dns_type type;
        const char *want;
        uint32_t want_ttl;
    } cases[] = {
        {"example.org", AM_DNS_TXT, "v=spf1 -all", 60},
        {"EXAMPLE.org.", AM_DNS_TXT, "v=spf1 -all", 60},
        {"example.org", AM_DNS_MX, "20 mail2.example.org | 10 mail.example.org | 30 .", 300},
        {"example.org", AM_DNS_A, "no data", 0},
        {"mail.example.org", AM_DNS_A, "192.0.2.1 | 192.0.2.2", 300},
        {"mail.example.org", AM_DNS_AAAA, "2001:db8::1 | 192.0.2.9", 300},
        {"b.c.example.org", AM_DNS_TXT, "no data", 0},
        {"c.example.org", AM_DNS_TXT, "no data", 0},
        {"org", AM_DNS_TXT, "no data", 0},
        {"a.b.c.example.org", AM_DNS_TXT, "deep", 300},
        {"x.a.b.c.example.org", AM_DNS_TXT, "no such name", 0},
        {"www.example.org", AM_DNS_A, "192.0.2.1 | 192.0.2.2", 300},
        {"www.example.org", AM_DNS_TXT, "no data", 0},
        {"far.example.org", AM_DNS_A, "198.51.100.7", 77},
        {"lost.example.org", AM_DNS_A, "no such name", 0},
        {"loop.example.org", AM_DNS_A, "temporary failure: CNAME chain too long", 0},
        {"c1.example.org", AM_DNS_TXT, "end", 300},
        {"c0.example.org", AM_DNS_TXT, "temporary failure: CNAME chain too long", 0},
        {"a.wild.example.org", AM_DNS_TXT, "star", 300},
        {"a.b.wild.example.org", AM_DNS_TXT, "star", 300},
        {"a.wild.example.org", AM_DNS_A, "no data", 0},
        {"wild.example.org", AM_DNS_TXT, "no data", 0},
        {"y.wild.example.org", AM_DNS_TXT, "no data", 0},
        {"z.y.wild.example.org", AM_DNS_TXT, "no such name", 0},
        {"x.y.wild.example.org", AM_DNS_TXT, "known", 300},
        {"upper.example.org", AM_DNS_TXT, "Case Kept", 300},
        {"long.example.org", AM_DNS_TXT, "onetwo", 300},
        {"odd.example.org", AM_DNS_PTR, "a\\046b\\032c.example", 300},
        {"txts.example.org", AM_DNS_TXT, "one | two", 300},
        {"empty.example.org", AM_DNS_TXT, "", 300},
        {"sub.dot.example.org", AM_DNS_TXT, "no such name", 0},
        {"1.2.0.192.in-addr.arpa", AM_DNS_PTR, "mail.example.org", 300},
        {"example.net", AM_DNS_TXT, "no origin", 3600},
        {"nothing.example.net", AM_DNS_TXT, "no such name", 0},
        {"", AM_DNS_TXT, "no such name", 0},
        {"a..b", AM_DNS_TXT, "no such name", 0},
        {"sub\\.dot.example.org", AM_DNS_TXT, "no such name", 0},
    };
    const char *text[] = {main_zone, other_zone};
    am_error why = {""};
    am_dns *d = open_zones(text, 2, &why);
    want_str("error", am_str_of(why.text), "");
    assert_non_null(d);
    am_arena *a = am_arena_new(0);
    am_dns_session *s = am_dns_begin(d, a, NULL, NULL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const am_dns_answer *x =
            am_dns_wait(s, "test", "1035", am_str_of(cases[i].name), cases[i].type);
        want_str(cases[i].name, am_dns_answer_text(a, x, cases[i].type), cases[i].want);
        want_int(cases[i].name, x->ttl, cases[i].want_ttl);
        assert_ptr_equal(x, am_dns_peek(s, am_str_of(cases[i].name), cases[i].type));
    }
    const am_dns_answer *x = am_dns_wait(s, "t", "t", AM_STR("bytes.example.org"), AM_DNS_TXT);
    assert_int_equal(x->rr[0].data.n, 3);
    assert_memory_equal(x->rr[0].data.p, "\0\377\"", 3);
    am_dns_end(s);
    am_arena_free(a);
    am_dns_free(d);
}

static void zone_errors(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want; /* of the error, behind the path */
    } cases[] = {
        {"$TTL 300\nexample.org. A 192.0.2.999\n", ":2: "},
        {"example.org. IN TXT ok\n\n\nexample.org. IN NOSUCHTYPE x\n", ":4: "},
        {"$INCLUDE other.zone\n", ":1: $INCLUDE is not supported"},
        {"$ORIGIN example.org\n", ":1: $ORIGIN wants a name with a final dot"},
        {"example.org. CH TXT x\n", ":1: the class of a record must be IN"},
        {"$GENERATE 1-2 a$ A 192.0.2.$\n", ":1: "},
        {"a. TXT \"not ended\n", ":1: a quoted string does not end"},
        {"a. TXT \"ended\" \"not\nb. TXT \"x\"\n", ":1: a quoted string does not end"},
        {"a. MX 10\n", ":1: "},
        {"a. CNAME\n", ":1: "},
        {"a..b. A 192.0.2.1\n", ":1: "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        am_error why = {""};
        am_dns *d = open_zones(&cases[i].text, 1, &why);
        am_dns_free(d);
        if (d || !strstr(why.text, cases[i].want) || !strstr(why.text, "/tmp/authmill-zone-"))
            fail_msg("%s: got \"%s\"", cases[i].text, why.text);
    }
    am_error why = {""};
    const char *nowhere = "/nonexistent/zone";
    assert_null(am_dns_zonefiles(&nowhere, 1, &why));
    want_str("no file", am_str_of(why.text), "/nonexistent/zone: No such file or directory");
    const char *folder = "/";
    assert_null(am_dns_zonefiles(&folder, 1, &why));
    want_str("a folder", am_str_of(why.text), "/: Is a directory");
}

/* Forms of files: CRLF, no line end at the end, empty, long lines, strings too long. */
static void zone_forms(void **state)
{
    (void)state;
    char string[301], text[30000], want[30000] = "";
    memset(string, 'x', 300);
    string[300] = '\0';
    snprintf(text, sizeof text, "a. TXT \"%s\"\n", string);
    const char *p = text;
    am_error why;
    am_dns *d = open_zones(&p, 1, &why);
    assert_null(d); /* a string has 255 octets at the most */

    string[250] = '\0';
    strcpy(text, "a. TXT");
    string[250] = '\0';
    for (int i = 0; i < 100; i++) {
        strcat(text, " \"");
        strcat(text, string);
        strcat(text, "\"");
        strcat(want, string);
    }
    const struct {
        const char *text, *want;
    } cases[] = {
        {"a. TXT one\r\na. TXT two\r\n", "one | two"},
        {"a. TXT one", "one"},
        {"a. TXT \"\\\";\" ; \"\n", "\";"},
        {"$ORIGIN a. ; here\n@ TXT one", "one"},
        {"", "no such name"},
        {"; nothing\n\n", "no such name"},
        {"a. 1h TXT (\n one ; and\n two\n)\n", "onetwo"},
        {text, want},
    };
    am_arena *a = am_arena_new(0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        why.text[0] = '\0';
        d = open_zones(&cases[i].text, 1, &why);
        want_str(cases[i].text, am_str_of(why.text), "");
        am_dns_session *s = am_dns_begin(d, a, NULL, NULL);
        const am_dns_answer *x = am_dns_wait(s, "t", "t", AM_STR("a"), AM_DNS_TXT);
        want_str(cases[i].text, am_dns_answer_text(a, x, AM_DNS_TXT), cases[i].want);
        am_dns_end(s);
        am_dns_free(d);
    }
    am_arena_free(a);
}

static void session_limits_and_trace(void **state)
{
    (void)state;
    const char *text = other_zone;
    am_error why;
    am_dns *d = open_zones(&text, 1, &why);
    am_arena *a = am_arena_new(0);
    am_trace t = {.arena = a};
    am_dns_session *s = am_dns_begin(d, a, &(am_dns_limits){.questions = 2}, &t);
    assert_null(am_dns_peek(s, AM_STR("example.net"), AM_DNS_TXT));
    am_dns_start(s, AM_STR("example.net"), AM_DNS_TXT);
    am_dns_start(s, AM_STR("Example.NET."), AM_DNS_TXT);
    am_dns_wait(s, "spf", "7208 4.4", AM_STR("Example.net"), AM_DNS_TXT);
    am_dns_wait(s, "spf", "7208 5.3", AM_STR("mail.example.net"), AM_DNS_A);
    const am_dns_answer *x = am_dns_wait(s, "spf", "7208 5", AM_STR("third"), AM_DNS_A);
    assert_int_equal(x->status, AM_DNS_TEMPFAIL);
    want_str("limit", am_str_of(x->reason), "too many look-ups");
    assert_int_equal(
        am_dns_wait(s, "x", "x", AM_STR("example.net"), AM_DNS_TXT)->status, AM_DNS_DATA);
    assert_int_equal(t.n, 4);
    want_str("step", am_str_of(t.first->step), "spf");
    want_str("question", t.first->question, "TXT Example.net");
    want_str("answer", t.first->answer, "no origin");
    want_str("third", t.first->next->next->answer, "temporary failure: too many look-ups");
    am_dns_stats n = am_dns_count(d);
    want_int("questions", n.questions, 2);
    want_int("cached", n.cached, 2);
    want_int("sent", n.sent, 0);
    am_dns_end(s);
    am_dns_end(NULL);
    am_arena_free(a);
    am_dns_free(d);
}

/* The bound where nobody gives one. */
static void bound_of_a_message(void **state)
{
    (void)state;
    const char *text = other_zone;
    am_error why;
    am_dns *d = open_zones(&text, 1, &why);
    am_arena *a = am_arena_new(0);
    am_dns_session *s = am_dns_begin(d, a, NULL, NULL);
    int answered = 0;
    for (int i = 0; i < 200; i++) {
        am_str name = am_str_format(a, "n%d.example", i);
        answered += am_dns_wait(s, "t", "t", name, AM_DNS_A)->status == AM_DNS_NXDOMAIN;
    }
    want_int("answered", answered, 150);
    am_dns_end(s);
    am_arena_free(a);
    am_dns_free(d);
}

/* Questions started early have a bound of their own. */
static void early_questions_do_not_count(void **state)
{
    (void)state;
    const char *text = other_zone;
    am_error why;
    am_dns *d = open_zones(&text, 1, &why);
    am_arena *a = am_arena_new(0);
    am_dns_session *s = am_dns_begin(d, a, &(am_dns_limits){.questions = 2}, NULL);
    static const char *const early[] = {"a", "b", "c"};
    for (int i = 0; i < 3; i++)
        am_dns_start(s, am_str_of(early[i]), AM_DNS_A);
    want_int("started", am_dns_count(d).questions, 2);
    assert_non_null(am_dns_peek(s, AM_STR("b"), AM_DNS_A));
    assert_null(am_dns_peek(s, AM_STR("c"), AM_DNS_A));
    static const struct {
        const char *name;
        am_dns_status want;
    } cases[] = {
        {"mail.example.net", AM_DNS_DATA},
        {"a", AM_DNS_NXDOMAIN},
        {"a", AM_DNS_NXDOMAIN},
        {"b", AM_DNS_TEMPFAIL},
        {"c", AM_DNS_TEMPFAIL},
        {"mail.example.net", AM_DNS_DATA},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        want_int(cases[i].name,
            am_dns_wait(s, "t", "t", am_str_of(cases[i].name), AM_DNS_A)->status, cases[i].want);
    am_dns_end(s);
    am_arena_free(a);
    am_dns_free(d);
}

static int destroyed;

static void destroy(void *obj)
{
    destroyed++;
    free(obj);
}

static void parsed_lives_with_the_answer(void **state)
{
    (void)state;
    static const char kind[5];
    const char *text = other_zone;
    am_error why;
    am_dns *d = open_zones(&text, 1, &why);
    am_arena *a = am_arena_new(0);
    am_dns_session *s = am_dns_begin(d, a, NULL, NULL);
    const am_dns_answer *x = am_dns_wait(s, "t", "t", AM_STR("example.net"), AM_DNS_TXT);
    destroyed = 0;
    void *first = malloc(1);
    assert_null(am_dns_parsed_get(x, &kind[0]));
    assert_ptr_equal(am_dns_parsed_keep(x, &kind[0], first, destroy), first);
    assert_ptr_equal(am_dns_parsed_get(x, &kind[0]), first);
    assert_ptr_equal(am_dns_parsed_keep(x, &kind[0], malloc(1), destroy), first);
    want_int("the second object is destroyed", destroyed, 1);
    for (int i = 1; i < 5; i++)
        assert_non_null(am_dns_parsed_keep(x, &kind[i], malloc(1), destroy));
    /* Another session finds the same answer and what was made of it. */
    am_dns_session *other = am_dns_begin(d, a, NULL, NULL);
    const am_dns_answer *y = am_dns_wait(other, "t", "t", AM_STR("example.net"), AM_DNS_TXT);
    assert_ptr_equal(x, y);
    assert_ptr_equal(am_dns_parsed_get(y, &kind[0]), first);
    am_dns_end(other);
    /* Answers of the backend's own, for what is not asked, keep objects until its end. */
    x = am_dns_wait(s, "t", "t", AM_STR(".."), AM_DNS_TXT);
    assert_non_null(am_dns_parsed_keep(x, &kind[0], malloc(1), destroy));
    am_dns_end(s);
    want_int("not with the session", destroyed, 1);
    am_arena_free(a);
    am_dns_free(d);
    want_int("with the cache", destroyed, 7);
}

static void session_without_memory(void **state)
{
    (void)state;
    const char *text = other_zone;
    am_error why;
    am_dns *d = open_zones(&text, 1, &why);

    for (size_t cap = 0; cap < 3000; cap += 100) {
        am_arena *a = am_arena_new(cap ? cap : 1);
        am_dns_session *s = am_dns_begin(d, a, NULL, NULL);
        const am_dns_answer *x =
            s ? am_dns_wait(s, "t", "t", AM_STR("example.net"), AM_DNS_TXT) : NULL;
        if (x && x->status != AM_DNS_DATA)
            want_str("reason", am_str_of(x->reason), "out of memory");
        am_dns_end(s);
        am_arena_free(a);
    }
    am_dns_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zone_answers),
        cmocka_unit_test(zone_errors),
        cmocka_unit_test(zone_forms),
        cmocka_unit_test(session_limits_and_trace),
        cmocka_unit_test(bound_of_a_message),
        cmocka_unit_test(early_questions_do_not_count),
        cmocka_unit_test(parsed_lives_with_the_answer),
        cmocka_unit_test(session_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
