/* spf: records and macro strings as text and as data (RFC 7208 4.5, 4.6.1, 5, 6, 7). */
#include "t/unit/unit.h"

#include "libauth/base/domain.h"
#include "libauth/spf/record.h"

#include <stdlib.h>

static const am_spf_record *parse(am_arena *a, am_str text, am_error *why)
{
    void *block = am_arena_alloc(a, am_spf_record_size(text));
    assert_non_null(block);
    return am_spf_record_parse(text, block, why);
}

static void version_section(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool want;
    } cases[] = {
        {"v=spf1", true},
        {"v=spf1 ", true},
        {"v=spf1 -all", true},
        {"V=SPF1 -all", true},
        {"v=spf10 -all", false},
        {"v=spf1-all", false},
        {"v=spf1\t-all", false},
        {"v=spf1\n", false},
        {" v=spf1 -all", false},
        {"v=spf", false},
        {"v=spf2.0/mfrom -all", false},
        {"spf1 -all", false},
        {"", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        want_int(cases[i].text, am_spf_record_is(am_str_of(cases[i].text)), cases[i].want);
    assert_false(am_spf_record_is(am_str_n("v=spf1\0-all", 11)));
}

static void syntax(void **state)
{
    (void)state;
    static const struct {
        const char *terms; /* behind "v=spf1 " */
        int want;          /* directives; -1: refused */
    } cases[] = {
        {"", 0},
        {"   ", 0},
        {"-all", 1},
        {"  a   -all  ", 2},
        {"+a -a ~a ?a A", 5},
        {"ALL Include:A.example IP4:192.0.2.1", 3},
        /* 4.6.1: terms */
        {"a\t-all", -1},
        {"a\r\n-all", -1},
        {"a\x7f", -1},
        {"a:x\xc3\xa4.example", -1},
        {"moo", -1},
        {"--all", -1},
        {"-", -1},
        {"+", -1},
        {"- all", -1},
        {"a,mx", -1},
        {"v=spf1 -all", 1}, /* "v" is an unknown modifier here */
        /* 5.1 */
        {"all:", -1},
        {"all/8", -1},
        {"all.", -1},
        {"all:example.org", -1},
        /* 5.2 */
        {"include:example.org", 1},
        {"include", -1},
        {"include:", -1},
        {"include:example.org/24", -1},
        {"include:org", -1},
        /* 5.3, 5.4, 5.6: dual-cidr-length */
        {"a a:b.example a/0 a/32 a//0 a//128 a/24//64", 7},
        {"mx mx:b.example mx:b.example/24 mx:b.example//64 mx:b.example/24//64", 5},
        {"a/33", -1},
        {"a//129", -1},
        {"a/024", -1},
        {"a/00", -1},
        {"a//064", -1},
        {"a/", -1},
        {"a//", -1},
        {"a/24/", -1},
        {"a/24//", -1},
        {"a/24/64", -1},
        {"a///64", -1},
        {"a//64/24", -1},
        {"a:", -1},
        {"a:/24", -1},
        {"a:b.example/-1", -1},
        {"a:b.example/4294967300", -1},
        {"a:b.example/18446744073709551616", -1},
        {"a:c/d//e.example", 1},
        {"a:%{d/}", 1},
        {"a:%{d}/24", 1},
        {"a:c:8080", -1},
        {"ax:b.example", -1},
        /* 5.5 */
        {"ptr ptr:b.example", 2},
        {"ptr/24", -1},
        {"ptr:", -1},
        /* 5.6 */
        {"ip4:192.0.2.0/24 ip4:192.0.2.1 ip4:0.0.0.0/0", 3},
        {"ip4", -1},
        {"ip4:", -1},
        {"ip4:192.0.2", -1},
        {"ip4:192.0.2.1/33", -1},
        {"ip4:192.0.2.1/", -1},
        {"ip4:192.0.2.1/08", -1},
        {"ip4:192.0.2.1//32", -1},
        {"ip4:192.0.2.01", -1},
        {"ip4:192.0.2.256", -1},
        {"ip4:192.0.2.1:25", -1},
        {"ip4:2001:db8::1", -1},
        {"ip4:::ffff:192.0.2.1", -1},
        {"ip4/24", -1},
        {"ip6:2001:db8::/32 ip6:::1 ip6:::/0 ip6:::ffff:192.0.2.1/128", 4},
        {"ip6:192.0.2.1", -1},
        {"ip6:2001:db8::/129", -1},
        {"ip6:2001:db8::/032", -1},
        {"ip6:2001:db8:://32", -1},
        {"ip6::2001:db8::", -1},
        {"ip6:2001:db8", -1},
        {"ip6:fe80::1%lo", -1},
        {"ip6", -1},
        /* 5.7 */
        {"exists:%{ir}.x.example", 1},
        {"exists", -1},
        {"exists:", -1},
        {"exists:x.example/24", -1},
        /* 6 */
        {"redirect=x.example", 0},
        {"exp=x.example redirect=y.example -all", 1},
        {"redirect=x.example redirect=x.example", -1},
        {"EXP=x.example exp=y.example", -1},
        {"redirect:x.example", -1},
        {"redirect=", -1},
        {"exp=", -1},
        {"exp=org", -1},
        {"-redirect=x.example", -1},
        {"moo=cow moo=", 0},
        {"moo.cow-far_out=man:dog/cat", 0},
        {"a=b all=c", 0},
        {"1up=foo", -1},
        {"-moo=cow", -1},
        {"=all", -1},
        {"moo=%", -1},
        {"moo=%{x}", -1},
        {"moo=%{d}", 0},
        {"moo=%{r}", -1}, /* 7.2: r only in "exp" text */
        /* 7.1: domain-end */
        {"a:x.example.", 1},
        {"a:x.example..", -1},
        {"a:x.123", -1},
        {"a:192.0.2.1", -1},
        {"a:x.1-2", 1},
        {"a:x.-a", -1},
        {"a:x.a-", -1},
        {"a:x.xn--p1ai", 1},
        {"a:x_.y_z.example", 1},
        {"a:x.ex_ample", -1},
        {"a:.example", 1},
        {"a:example.", -1},
        {"a:.", -1},
        {"a:%{d}", 1},
        {"a:%{d}.", -1},
        {"a:%{d}org", -1},
        {"a:%{d}.org", 1},
        {"a:x.%%", 1},
        {"a:x}", -1},
        {"a:x y.example", -1},
        /* 7.1, 7.3: macros */
        {"a:%(d).example", -1},
        {"a:%d.example", -1},
        {"a:%", -1},
        {"a:%{", -1},
        {"a:%{}", -1},
        {"a:%{d", -1},
        {"a:%{d0}", -1},
        {"a:%{d00}", -1},
        {"a:%{d01}", 1},
        {"a:%{d127r.-+,/_=}", 1},
        {"a:%{d99999999999999999999999}", 1},
        {"a:%{dr2}", -1},
        {"a:%{dR}", 1},
        {"a:%{drr}", -1},
        {"a:%{d:}", -1},
        {"a:%{dd}", -1},
        {"a:%{c}", -1},
        {"a:%{t}", -1},
        {"a:%{S}.%{L}.%{O}.%{D}.%{I}.%{P}.%{H}.%{V}", 1},
    };
    am_arena *a = am_arena_new(0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        am_error why = {"nothing said"};
        am_str text = am_str_format(a, "v=spf1 %s", cases[i].terms);
        const am_spf_record *r = parse(a, text, &why);
        want_int(cases[i].terms, r ? (long)r->terms : -1, cases[i].want);
        if (!r)
            want_int(cases[i].terms, strcmp(why.text, "nothing said") != 0, true);
    }
    assert_null(parse(a, am_str_n("v=spf1 a\0", 9), NULL));
    assert_null(parse(a, am_str_n("v=spf1 a:x.example\0 -all", 24), NULL));
    am_arena_free(a);
}

static void data_of_a_record(void **state)
{
    (void)state;
    am_arena *a = am_arena_new(0);
    char text[] =
        "v=spf1 -A:x.example/24//64 ~ip6:2001:DB8::/33 ?include:%{D2r-}.y  redirect=z.example "
        "exp=e.example mx";
    const am_spf_record *r = parse(a, am_str_of(text), NULL);
    assert_non_null(r);
    memset(text, 'X', sizeof text); /* a record holds its own text */
    assert_int_equal(r->terms, 4);
    want_str("as spelt", r->term[0].text, "A:x.example/24//64");
    assert_int_equal(r->term[0].kind, AM_SPF_A);
    assert_int_equal(r->term[0].result, AM_FAIL);
    assert_int_equal(r->term[0].bits4, 24);
    assert_int_equal(r->term[0].bits6, 64);
    want_str("domain", r->term[0].domain.piece[0].text, "x.example");
    assert_int_equal(r->term[1].result, AM_SOFTFAIL);
    assert_int_equal(r->term[1].net.bits, 33);
    assert_int_equal(r->term[1].net.ip.family, 6);
    assert_int_equal(r->term[2].result, AM_NEUTRAL);
    const am_spf_piece *m = &r->term[2].domain.piece[0];
    assert_int_equal(m->letter, 'd');
    assert_true(m->escape && m->reverse && m->keep == 2);
    assert_int_equal(r->term[3].kind, AM_SPF_MX);
    assert_int_equal(r->term[3].result, AM_PASS);
    assert_int_equal(r->term[3].bits4, 32);
    assert_int_equal(r->term[3].bits6, 128);
    assert_int_equal(r->term[3].domain.n, 0);
    want_str("redirect", r->redirect.piece[0].text, "z.example");
    want_str("exp", r->exp.piece[0].text, "e.example");
    am_arena_free(a);
}

/* RFC 7208 7.4, and what 7.3 says besides. */
static void expansion(void **state)
{
    (void)state;
    static const struct {
        const char *in, *want;
        int family;
    } cases[] = {
        {"%{s}", "strong-bad@email.example.com", 4},
        {"%{o}", "email.example.com", 4},
        {"%{d}", "email.example.com", 4},
        {"%{d4}", "email.example.com", 4},
        {"%{d3}", "email.example.com", 4},
        {"%{d2}", "example.com", 4},
        {"%{d1}", "com", 4},
        {"%{dr}", "com.example.email", 4},
        {"%{d2r}", "example.email", 4},
        {"%{l}", "strong-bad", 4},
        {"%{l-}", "strong.bad", 4},
        {"%{lr}", "strong-bad", 4},
        {"%{lr-}", "bad.strong", 4},
        {"%{l1r-}", "strong", 4},
        {"%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com", 4},
        {"%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com", 4},
        {"%{lr-}.lp.%{ir}.%{v}._spf.%{d2}", "bad.strong.lp.3.2.0.192.in-addr._spf.example.com", 4},
        {"%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}", "3.2.0.192.in-addr.strong.lp._spf.example.com", 4},
        {"%{d2}.trusted-domains.example.net", "example.com.trusted-domains.example.net", 4},
        {"%{ir}.%{v}._spf.%{d2}",
            "1.0.B.C.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.B.D.0.1.0.0.2.ip6._spf.example.com",
            6},
        {"%{i}", "2.0.0.1.0.D.B.8.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.C.B.0.1", 6},
        {"%{i8r}", "8.B.D.0.1.0.0.2", 6},
        {"%{c}", "2001:db8::cb01", 6},
        {"%{c} %{i}", "192.0.2.3 192.0.2.3", 4},
        {"%{r} %{t}", "mx.example.org 1700000000", 4},
        {"%{h}|%{p}", "HELO..x|unknown", 4},
        {"%%%_%-", "% %20", 4},
        {"%{i2}", "2.3", 4},
        {"%{i2r}", "0.192", 4},
        {"%{D}", "email.example.com", 4},
        {"%{S}", "strong-bad%40email.example.com", 4},
        {"%{S2@}", NULL, 4},
        {"%{S-@}", NULL, 4},
        {"%{S-}", "strong.bad%40email.example.com", 4},
        {"%{s1-}", "bad@email.example.com", 4},
        {"%{s2r-.}", "bad@email.strong", 4},
        {"%{h.}", "HELO..x", 4},
        {"%{hr}", "x..HELO", 4},
        {"%{h2}", ".x", 4},
        {"%{h2r}", ".HELO", 4},
        {"%{h1=}", "HELO..x", 4},
        {"", "", 4},
        {"plain text, 100%% ASCII", "plain text, 100% ASCII", 4},
    };
    am_arena *a = am_arena_new(0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        am_str in = am_str_of(cases[i].in);
        am_spf_values v = {0};
        am_ip ip;
        assert_true(am_ip_parse(
            cases[i].family == 4 ? AM_STR("192.0.2.3") : AM_STR("2001:db8::cb01"), &ip));
        am_spf_values_set(&v, 's', AM_STR("strong-bad@email.example.com"));
        am_spf_values_set(&v, 'l', AM_STR("strong-bad"));
        am_spf_values_set(&v, 'o', AM_STR("email.example.com"));
        am_spf_values_set(&v, 'd', AM_STR("email.example.com"));
        am_spf_values_set(&v, 'h', AM_STR("HELO..x"));
        am_spf_values_set(&v, 'p', AM_STR("unknown"));
        am_spf_values_set(&v, 'r', AM_STR("mx.example.org"));
        am_spf_values_set(&v, 't', AM_STR("1700000000"));
        assert_true(am_spf_values_ip(a, &v, &ip));
        am_spf_piece room[20];
        am_spf_string s;
        assert_in_range(am_spf_string_room(in), 0, 20);
        bool ok = am_spf_string_parse(in, true, room, &s);
        want_int(cases[i].in, ok, cases[i].want != NULL);
        if (!ok)
            continue;
        am_str got = am_spf_expand_text(a, s, &v, 500);
        want_str(cases[i].in, got, cases[i].want);
    }
    am_arena_free(a);
}

static am_str expand_d(am_arena *a, const char *spec, am_str d)
{
    am_spf_piece room[1200];
    am_spf_string s;
    am_spf_values v = {0};
    am_spf_values_set(&v, 'd', d);
    assert_in_range(am_spf_string_room(am_str_of(spec)), 0, 1200);
    assert_true(am_spf_string_parse(am_str_of(spec), false, room, &s));
    return am_spf_expand_name(a, s, &v);
}

/* 7.3: whole labels go from the left until 253 octets are left. */
static void truncation(void **state)
{
    (void)state;
    am_arena *a = am_arena_new(0);
    char d[400];
    for (size_t n = 1; n < sizeof d; n++) {
        for (size_t i = 0; i < n; i++)
            d[i] = i % 10 == 9 ? '.' : 'a';
        if (d[n - 1] == '.')
            continue;
        am_str in = am_str_n(d, n), out = expand_d(a, "%{d}", in);
        assert_in_range(out.n, 1, 253);
        assert_true(am_str_iends(in, out));
        assert_true(out.n == n || (n > 253 && out.n > 243 && d[n - out.n - 1] == '.'));
    }
    want_str("one dot goes", expand_d(a, "%{d}", AM_STR("x.example.")), "x.example");
    want_str("one dot alone", expand_d(a, "%{d}", AM_STR("x.example..")), "x.example.");
    memset(d, 'a', sizeof d);
    am_str no_dot = expand_d(a, "%{d}", am_str_n(d, sizeof d));
    assert_false(am_domain_askable(no_dot));
    /* far more than any buffer: the end is what counts */
    char spec[2600] = "";
    for (int i = 0; i < 500; i++)
        strcat(spec, "%{d}");
    strcat(spec, ".x.example");
    memset(d, 'b', 50);
    d[20] = '.';
    am_str out = expand_d(a, spec, am_str_n(d, 50));
    assert_in_range(out.n, 220, 253);
    assert_true(am_str_iends(out, AM_STR("bbb.x.example")));
    assert_true(am_domain_askable(out));
    am_arena_free(a);
}

/* Only the end of a long string is expanded; the name is that of the whole. */
static void only_the_end_counts(void **state)
{
    (void)state;
    am_arena *a = am_arena_new(0);
    char d[61], spec[400];
    for (size_t i = 0; i < sizeof d; i++)
        d[i] = i % 7 == 5 ? '.' : (char)('a' + i % 26);
    for (size_t n = 1; n < sizeof d; n += 3) {
        for (size_t k = 1; k < 60; k++) {
            am_buf want = {.arena = a};
            spec[0] = '\0';
            for (size_t i = 0; i < k; i++) {
                strcat(spec, i % 2 ? "%{d}" : "%{d}.");
                am_buf_add(&want, d, n);
                if (i % 2 == 0)
                    am_buf_char(&want, '.');
            }
            strcat(spec, "-x.example");
            am_buf_cstr(&want, "-x.example");
            am_str name = am_buf_get(&want);
            while (name.n > 253)
                name = am_domain_parent(name);
            am_str got = expand_d(a, spec, am_str_n(d, n));
            want_str(spec, got, am_arena_copy(a, name.p, name.n));
        }
    }
    am_arena_free(a);
}

static void text_is_bounded(void **state)
{
    (void)state;
    am_arena *a = am_arena_new(0);
    am_spf_piece room[4001];
    am_spf_string s;
    am_spf_values v = {0};
    am_spf_values_set(&v, 'd', AM_STR("0123456789"));
    char spec[16001] = "";
    for (size_t i = 0; i < 4000; i++)
        memcpy(spec + 4 * i, "%{d}", 5);
    assert_int_equal(am_spf_string_room(am_str_of(spec)) <= 8000, 1);
    am_spf_piece *big = am_arena_array(a, am_spf_string_room(am_str_of(spec)), sizeof *room);
    assert_true(am_spf_string_parse(am_str_of(spec), true, big, &s));
    assert_int_equal(s.n, 4000);
    assert_int_equal(am_spf_expand_text(a, s, &v, 500).n, 500);
    assert_int_equal(am_spf_expand_text(a, s, &v, 100000).n, 1024);
    am_arena_free(a);
}

static void values_that_cannot_be_used(void **state)
{
    (void)state;
    am_spf_values v = {0};
    am_spf_piece room[4];
    am_spf_string s;
    char longer[AM_SPF_VALUE_MAX + 1];
    memset(longer, 'a', sizeof longer);
    assert_true(am_spf_string_parse(AM_STR("%{l}.x%%"), false, room, &s));
    am_spf_values_set(&v, 'o', AM_STR("\xc3\xa4"));
    am_spf_values_set(&v, 'l', am_str_n(longer, AM_SPF_VALUE_MAX));
    assert_true(am_spf_string_usable(s, &v));
    am_spf_values_set(&v, 'l', am_str_n(longer, sizeof longer));
    assert_false(am_spf_string_usable(s, &v));
    am_spf_values_set(&v, 'l', AM_STR("j\xc3\xb6rg"));
    assert_false(am_spf_string_usable(s, &v));
}

/* The block is as large as was said, for any text: a sanitizer's business. */
static void hostile_records(void **state)
{
    (void)state;
    static const char *const bits[] = {"a ", "%%", "%{d}", "a:%%%{d} ", " ", "exp=", "a:x.y ",
        "ip4:1.2.3.4/5 ", "x=%%a%%", "%{", "%", ":", "%a", "-", "all ", "\xff",
        "a:%{l127r.-+,/_=} "};
    enum { SIZE = 65000 };
    char *text = malloc(SIZE + 40);
    for (size_t k = 0; k < sizeof bits / sizeof *bits * 3; k++) {
        static const char *const heads[] = {"v=spf1 ", "v=spf1 a:", "v=spf1 x="};
        const char *bit = bits[k / 3];
        size_t n = strlen(heads[k % 3]);
        memcpy(text, heads[k % 3], n);
        while (n < SIZE) {
            memcpy(text + n, bit, strlen(bit));
            n += strlen(bit);
        }
        for (size_t cut = 0; cut < 40; cut++) {
            am_str s = am_str_n(text, cut < 38 ? 9 + cut : n - (cut - 38));
            size_t size = am_spf_record_size(s);
            assert_in_range(size, 1, 64 + 60 * s.n);
            void *block = malloc(size);
            am_error why;
            const am_spf_record *r = am_spf_record_parse(s, block, &why);
            if (r)
                assert_in_range(r->terms, 0, s.n / 2);
            free(block);
        }
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(version_section),
        cmocka_unit_test(syntax),
        cmocka_unit_test(data_of_a_record),
        cmocka_unit_test(expansion),
        cmocka_unit_test(truncation),
        cmocka_unit_test(only_the_end_counts),
        cmocka_unit_test(text_is_bounded),
        cmocka_unit_test(values_that_cannot_be_used),
        cmocka_unit_test(hostile_records),
    };
    return cmocka_run_group_tests_name("spf_record", tests, NULL, NULL);
}
