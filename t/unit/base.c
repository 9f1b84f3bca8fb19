/* base: ranges, arena, octet classes, base64, tag lists, addresses, domains; and header fields. */
#include "t/unit/unit.h"

#include "libauth/base/base64.h"
#include "libauth/base/domain.h"
#include "libauth/base/ip.h"
#include "libauth/base/lex.h"
#include "libauth/base/taglist.h"
#include "libauth/base/trace.h"
#include "libauth/mail/header.h"

static void arena_bounds(void **state)
{
    (void)state;
    am_arena *a = am_arena_new(10000);
    char *p = am_arena_alloc(a, 9000), *q = am_arena_alloc(a, 1000);
    assert_non_null(p);
    assert_non_null(q);
    assert_int_equal((uintptr_t)q % 16, 0);
    assert_false(am_arena_failed(a));
    assert_null(am_arena_alloc(a, 1));
    assert_true(am_arena_failed(a));
    am_arena_reset(a);
    assert_false(am_arena_failed(a));
    assert_int_equal(am_arena_used(a), 0);
    for (int i = 0; i < 100; i++)
        assert_non_null(am_arena_alloc(a, 100));
    assert_null(am_arena_array(a, SIZE_MAX / 2, 3));
    am_arena_free(a);

    am_budget all = {.max = 4 << 20}; /* a small arena may have of all, others of 3 MiB */
    am_arena *large = am_arena_new(0), *small = am_arena_new(0);
    am_arena_share(large, &all);
    am_arena_share(small, &all);
    for (int i = 0; i < 29; i++)
        assert_non_null(am_arena_alloc(large, 100000));
    assert_true(am_arena_charge(large, 100000));
    assert_false(am_arena_charge(large, 1 << 20));
    assert_true(am_arena_failed(large));
    assert_null(am_arena_alloc(large, 1 << 20));
    for (int i = 0; i < 2; i++)
        assert_non_null(am_arena_alloc(small, 100000));
    assert_null(am_arena_alloc(small, 100000)); /* no longer small */
    assert_null(am_arena_alloc(small, SIZE_MAX / 2));
    assert_false(am_arena_charge(small, SIZE_MAX));
    am_arena_free(large);
    assert_in_range(all.used, 200000, 210000);
    assert_non_null(am_arena_alloc(small, 100000));
    am_arena_reset(small);
    assert_in_range(all.used, 0, 5000);
    am_arena_free(small);
    assert_int_equal(all.used, 0);
}

static void buf_grows_and_stops(void **state)
{
    (void)state;
    am_arena *a = am_arena_new(0);
    am_buf b = {.arena = a, .max = 1000};
    for (int i = 0; i < 100; i++)
        am_buf_format(&b, "%09d,", i);
    assert_false(b.failed);
    assert_int_equal(b.n, 1000);
    am_buf_char(&b, 'x');
    assert_true(b.failed);
    assert_int_equal(b.n, 1000);
    assert_memory_equal(am_buf_get(&b).p + 990, "000000099,", 11);
    am_arena_free(a);
}

static void str_table(void **state)
{
    (void)state;
    assert_true(am_str_iis(AM_STR("AbC"), "aBc"));
    assert_false(am_str_iis(AM_STR("AbC"), "aBcd"));
    assert_true(am_str_iends(AM_STR("a.Example.ORG"), AM_STR("example.org")));
    assert_int_equal(am_str_find(AM_STR("abca"), 'a'), 0);
    assert_int_equal(am_str_rfind(AM_STR("abca"), 'a'), 3);
    assert_int_equal(am_str_find(AM_STR("abca"), 'x'), 4);
    want_str("trim", am_str_trim(AM_STR(" \r\n\tx y \t")), "x y");
    want_str("cut", am_str_cut(AM_STR("hello"), 3, 99), "lo");
    am_arena *a = am_arena_new(0);
    am_str nul = AM_STR("a\0b"), none = {NULL, 0};
    assert_true(am_str_eq(am_str_join(a, nul, nul), AM_STR("a\0ba\0b")));
    assert_true(am_str_eq(am_str_join3(a, nul, AM_STR("@"), nul), AM_STR("a\0b@a\0b")));
    assert_true(am_str_eq(am_str_join3(a, none, none, nul), nul));
    assert_non_null(am_str_join(a, none, none).p); /* empty is not absent */
    am_arena_free(a);
    uint64_t v;
    assert_true(am_str_number(AM_STR("007"), 3, &v) && v == 7);
    assert_true(am_str_number(AM_STR("99999999999999999999999"), 76, &v) && v == UINT64_MAX);
    assert_false(am_str_number(AM_STR(""), 3, &v));
    assert_false(am_str_number(AM_STR("1 "), 3, &v));
    assert_false(am_str_number(AM_STR("1234"), 3, &v));
}

static void lex_table_is_its_definition(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        char ch = (char)c;
        bool alpha = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        bool digit = c >= '0' && c <= '9', vchar = c >= 0x21 && c <= 0x7e;
        assert_int_equal(am_is(ch, AM_ALPHA), alpha);
        assert_int_equal(am_is(ch, AM_DIGIT), digit);
        assert_int_equal(am_is(ch, AM_VCHAR), vchar);
        assert_int_equal(am_is(ch, AM_CTL), c < 0x20 || c == 0x7f);
        assert_int_equal(am_is(ch, AM_HIGH), c >= 0x80);
        assert_int_equal(am_is(ch, AM_WSP), c == ' ' || c == '\t');
        assert_int_equal(am_is(ch, AM_CRLF), c == '\r' || c == '\n');
        assert_int_equal(am_is(ch, AM_LDH), alpha || digit || c == '-');
        assert_int_equal(am_is(ch, AM_FTEXT), vchar && c != ':');
        assert_int_equal(am_is(ch, AM_BASE64), alpha || digit || c == '+' || c == '/');
        assert_int_equal(am_is(ch, AM_TOKEN), vchar && !memchr("()<>@,;:\\\"/[]?=", c, 15));
        assert_int_equal(
            am_is(ch, AM_ATEXT), alpha || digit || (vchar && memchr("!#$%&'*+-/=?^_`{|}~", c, 19)));
    }
}

static void base64_table(void **state)
{
    (void)state;
    static const struct {
        const char *in, *want; /* want NULL: refused */
    } cases[] = {
        {"", ""},
        {"Zg==", "f"},
        {"Zm8=", "fo"},
        {"Zm9v", "foo"},
        {"Zm9vYg==", "foob"},
        {" Z m\r\n 9\tv ", "foo"},
        {"Z g = =", "f"},
        {"Zg=", NULL},
        {"Zg", NULL},
        {"Zh==", NULL},
        {"Zm9=", NULL},
        {"Zg==Zg==", NULL},
        {"=Zg=", NULL},
        {"Z===", NULL},
        {"Zm9v=", NULL},
        {"Zm9v!", NULL},
        {"Zm-v", NULL},
        {"Zg== x", NULL},
        {"====", NULL},
    };
    am_arena *a = am_arena_new(0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        am_str out = {0};
        bool ok = am_base64_decode(a, am_str_of(cases[i].in), &out);
        want_int(cases[i].in, ok, cases[i].want != NULL);
        if (ok)
            want_str(cases[i].in, out, cases[i].want);
    }
    for (size_t n = 0; n < 70; n++) { /* what is encoded decodes to the same */
        char raw[70];
        for (size_t i = 0; i < n; i++)
            raw[i] = (char)(i * 37 + n);
        am_str back, text = am_base64_encode(a, am_str_n(raw, n));
        assert_true(am_base64_decode(a, text, &back));
        assert_true(am_str_eq(back, am_str_n(raw, n)));
    }
    am_arena_free(a);
}

static void taglist_table(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        int want;                 /* tags; -1: refused */
        const char *name, *value; /* one of them */
    } cases[] = {
        {"v=1", 1, "v", "1"},
        {" v = 1 ; a=b;", 2, "v", "1"},
        {"v=1; b=\r\n\tab\r\n cd ; c=", 3, "b", "ab\r\n cd"},
        {"v=1;c=", 2, "c", ""},
        {"V=1;v=2", 2, "v", "2"},
        {"v=1; \r\n ", 1, "v", "1"},
        {"v=a=b", 1, "v", "a=b"},
        {"v=\xc3\xa4", 1, "v", "\xc3\xa4"},
        {"a_1=x", 1, "a_1", "x"},
        {"", -1, 0, 0},
        {";", -1, 0, 0},
        {"v=1;;a=b", -1, 0, 0},
        {"v=1;;", -1, 0, 0},
        {"v", -1, 0, 0},
        {"=1", -1, 0, 0},
        {"1v=1", -1, 0, 0},
        {"_v=1", -1, 0, 0},
        {"v v=1", -1, 0, 0},
        {"v=1;v=1", -1, 0, 0},
        {"v=a\x01z", -1, 0, 0},
        {"v=a\x01 z", -1, 0, 0},
        {"v=a\r z", -1, 0, 0},
        {"v=a\x7fz", -1, 0, 0},
        {"v=a\rb", -1, 0, 0},
        {"v=a\nb", -1, 0, 0},
        {"v=a\r\nb", -1, 0, 0},
    };
    am_arena *a = am_arena_new(0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        am_taglist t = {0};
        am_error why;
        bool ok = am_taglist_parse(a, am_str_of(cases[i].in), &t, &why);
        want_int(cases[i].in, ok ? (long)t.n : -1, cases[i].want);
        if (cases[i].name)
            want_str(cases[i].in, am_taglist_get(&t, cases[i].name)->value, cases[i].value);
    }
    am_taglist t;
    assert_false(am_taglist_parse(a, am_str_n("v=a\0b", 5), &t, NULL));
    am_buf many = {.arena = a};
    for (int i = 0; i < 200; i++)
        am_buf_format(&many, "t%d=1;", i);
    assert_false(am_taglist_parse(a, am_buf_get(&many), &t, NULL));
    am_str rest = AM_STR("a : b\r\n :c:"), item;
    const char *const want[] = {"a", "b", "c", ""};
    size_t n = 0;
    while (am_list_next(&rest, ':', &item))
        want_str("list", item, want[n++]);
    assert_int_equal(n, 4);
    am_arena_free(a);
}

static void ip_table(void **state)
{
    (void)state;
    static const struct {
        const char *in, *text, *reverse;
    } cases[] = {
        {"192.0.2.1", "192.0.2.1", "1.2.0.192.in-addr.arpa"},
        {"::ffff:192.0.2.1", "192.0.2.1", "1.2.0.192.in-addr.arpa"},
        {"2001:DB8::1", "2001:db8::1",
            "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"},
        {"192.0.2", NULL, NULL},
        {"192.0.2.256", NULL, NULL},
        {"192.0.2.01", NULL, NULL},
        {" 192.0.2.1", NULL, NULL},
        {"", NULL, NULL},
        {"::1%lo", NULL, NULL},
        {"[::1]", NULL, NULL},
    };
    am_arena *a = am_arena_new(0);
    char text[AM_IP_TEXT];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        am_ip ip;
        bool ok = am_ip_parse(am_str_of(cases[i].in), &ip);
        want_int(cases[i].in, ok, cases[i].text != NULL);
        if (!ok)
            continue;
        want_str(cases[i].in, am_str_of(am_ip_text(&ip, text)), cases[i].text);
        want_str(cases[i].in, am_ip_reverse(a, &ip), cases[i].reverse);
    }
    static const struct {
        const char *ip, *net;
        int want; /* -1: not a network */
    } nets[] = {
        {"192.0.2.1", "192.0.2.0/24", 1},
        {"192.0.3.1", "192.0.2.0/24", 0},
        {"192.0.2.129", "192.0.2.128/25", 1},
        {"192.0.2.127", "192.0.2.128/25", 0},
        {"10.1.2.3", "0.0.0.0/0", 1},
        {"::1", "0.0.0.0/0", 0},
        {"::1", "::1", 1},
        {"2001:db8::5", "2001:db8::4/127", 1},
        {"2001:db8::6", "2001:db8::4/127", 0},
        {"::1", "::1/129", -1},
        {"::1", "::1/08", -1},
        {"::1", "10.0.0.0/33", -1},
        {"::1", "10.0.0.0/", -1},
        {"192.0.2.1", "192.0.2.1/32", 1},
    };
    for (size_t i = 0; i < sizeof nets / sizeof *nets; i++) {
        am_ip ip;
        am_net net;
        assert_true(am_ip_parse(am_str_of(nets[i].ip), &ip));
        bool ok = am_net_parse(am_str_of(nets[i].net), &net);
        want_int(nets[i].net, ok ? am_ip_in(&ip, &net) : -1, nets[i].want);
    }
    am_arena_free(a);
}

static void domain_table(void **state)
{
    (void)state;
    static const struct {
        const char *in, *want;
    } cases[] = {
        {"Example.ORG", "example.org"},
        {"example.org.", "example.org"},
        {"_dmarc.example.org", "_dmarc.example.org"},
        {"B\xc3\x9c"
         "CHER.example",
            "xn--bcher-kva.example"},
        {"b\xc3\xbc"
         "cher.example",
            "xn--bcher-kva.example"},
        {"xn--bcher-kva.example", "xn--bcher-kva.example"},
        /* RFC 8616 3: "those labels" are translated, the others stay */
        {"R3--x.b\xc3\xbc"
         "cher.example",
            "r3--x.xn--bcher-kva.example"},
        {"b\xc3\xbc"
         "cher.ab--c.-a.mx-.a_b",
            "xn--bcher-kva.ab--c.-a.mx-.a_b"},
        {"r3--x.xn--bcher-kva.example", "r3--x.xn--bcher-kva.example"},
        {"b\xc3\xbc"
         "cher.example.",
            "xn--bcher-kva.example"},
        {"b\xc3\xbc"
         "cher\xe3\x80\x82"
         "example\xef\xbc\x8e",
            "xn--bcher-kva.example"}, /* U+3002 and U+FF0E are dots */
        {"\xc3\xa4..b", NULL},
        {".\xc3\xa4", NULL},
        {"\xc3\xa4..", NULL},
        {"\xc3\xa4\xe3\x80\x82.b", NULL},
        {"\xc3\xa4.a b", NULL},
        {"-\xc3\xa4.b", NULL},
        {"ab--\xc3\xa4.b", NULL},
        {"xn--\xc3\xa4.b", NULL},
        {"a.\xc2\xad.b", NULL}, /* nothing is left of it */
        {"\xc3\xa4.0123456789012345678901234567890123456789012345678901234567890123", NULL},
        {"localhost", "localhost"},
        {"", NULL},
        {".", NULL},
        {"a..b", NULL},
        {".a", NULL},
        {"a b.example", NULL},
        {"a\\.b.example", NULL},
        {"\xff\xfe.example", NULL},
        {"[192.0.2.1]", NULL},
        {"a@b.example", NULL},
        {"0123456789012345678901234567890123456789012345678901234567890123.example", NULL},
    };
    am_arena *a = am_arena_new(0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        am_str out = {0};
        bool ok = am_domain_normalise(a, am_str_of(cases[i].in), &out);
        want_int(cases[i].in, ok, cases[i].want != NULL);
        if (ok)
            want_str(cases[i].in, out, cases[i].want);
    }
    am_str out;
    assert_false(am_domain_normalise(a, am_str_n("a\0b.example", 11), &out));
    assert_false(am_domain_askable(am_str_n("a\0b.example", 11)));
    assert_true(am_domain_askable(AM_STR("a+b=c d.example.")));
    assert_false(am_domain_askable(AM_STR("a\\046b.example")));
    assert_int_equal(am_domain_labels(AM_STR("")), 0);
    assert_int_equal(am_domain_labels(AM_STR("a.b.c")), 3);
    want_str("tail", am_domain_tail(AM_STR("a.b.c"), 2), "b.c");
    want_str("tail", am_domain_tail(AM_STR("a.b.c"), 3), "a.b.c");
    want_str("tail", am_domain_tail(AM_STR("a.b.c"), 9), "a.b.c");
    want_str("parent", am_domain_parent(AM_STR("a.b.c")), "b.c");
    want_str("parent", am_domain_parent(AM_STR("c")), "");
    assert_true(am_domain_under(AM_STR("a.B.c"), AM_STR("b.c")));
    assert_true(am_domain_under(AM_STR("b.c"), AM_STR("b.c")));
    assert_false(am_domain_under(AM_STR("ab.c"), AM_STR("b.c")));
    assert_false(am_domain_under(AM_STR("b.c"), AM_STR("")));
    am_arena_free(a);
}

static void header_fields(void **state)
{
    (void)state;
    am_arena *a = am_arena_new(0);
    am_header h = {.arena = a, .max_fields = 3};
    am_header_add(&h, AM_STR("Subject"), AM_STR(" a\n\tb\r\n c\nd"));
    am_header_add_raw(&h, AM_STR("SUBJECT \t: x"));
    am_header_add(&h, AM_STR("To"), AM_STR(""));
    want_str("raw", h.field[0].raw, "Subject: a\r\n\tb\r\n c\nd");
    want_str("value", h.field[0].value, " a\r\n\tb\r\n c\nd");
    want_str("name", h.field[1].name, "SUBJECT");
    want_str("value", h.field[1].value, " x");
    want_str("empty", h.field[2].raw, "To:");
    assert_int_equal(am_header_count(&h, "subject"), 2);
    assert_int_equal(am_header_find(&h, "subject", 1), 1);
    assert_int_equal(am_header_find(&h, "subject", 2), 3);
    want_str("unfold", am_unfold(a, h.field[0].value), "a\tb cd");
    assert_false(h.failed);
    am_header_add(&h, AM_STR("Cc"), AM_STR(" x"));
    assert_true(h.failed);
    assert_int_equal(h.n, 3);
    am_arena_free(a);
}

static void trace_in_order(void **state)
{
    (void)state;
    am_arena *a = am_arena_new(0);
    am_trace t = {.arena = a};
    am_trace_note(NULL, "spf", "7208 4.4", AM_STR("q"), AM_STR("a"));
    am_trace_note(&t, "spf", "7208 4.4", AM_STR("q"), AM_STR("a"));
    am_trace_notef(&t, "dkim", "6376 3.5", AM_STR("q2"), "%d of %s", 1, "two");
    assert_int_equal(t.n, 2);
    want_str("answer", t.first->next->answer, "1 of two");
    am_arena_free(a);
}

static void ascii_of_every_length(void **state)
{
    (void)state;
    char text[24];
    for (size_t n = 0; n <= sizeof text; n++) {
        memset(text, 0x7f, sizeof text);
        assert_true(am_str_is_ascii(am_str_n(text, n)));
        for (size_t i = 0; i < sizeof text; i++) {
            text[i] = (char)0x80;
            want_int("high octet", am_str_is_ascii(am_str_n(text, n)), i >= n);
            text[i] = 0;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ascii_of_every_length),
        cmocka_unit_test(arena_bounds),
        cmocka_unit_test(buf_grows_and_stops),
        cmocka_unit_test(str_table),
        cmocka_unit_test(lex_table_is_its_definition),
        cmocka_unit_test(base64_table),
        cmocka_unit_test(taglist_table),
        cmocka_unit_test(ip_table),
        cmocka_unit_test(domain_table),
        cmocka_unit_test(header_fields),
        cmocka_unit_test(trace_in_order),
    };
    return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
