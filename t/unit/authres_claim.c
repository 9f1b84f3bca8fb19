/* authres: whose field is it? Spellings of an authserv-id, honest and not. */
#include "t/unit/unit.h"

#include "t/unit/vectors.h"

#include "libauth/authres/authres.h"

enum { OTHER = AM_CLAIM_OTHER, OURS = AM_CLAIM_OURS, UNKNOWN = AM_CLAIM_UNKNOWN };

typedef struct claim_case {
    const char *value;
    int want;
} claim_case;

/* Ours is mx.example.org. */
static const claim_case cases[] = {
    /* plain */
    {" mx.example.org; spf=pass smtp.mailfrom=a.example", OURS},
    {"mx.example.org;spf=pass", OURS},
    {" mx.example.org; none", OURS},
    {" mx.example.org", OURS},
    {" mx.example.org;", OURS},
    {" MX.Example.ORG; none", OURS},
    {" mx.example.org.; none", OURS},
    {" mx.example.org 1; none", OURS},
    {" mx.example.org 1 ; none", OURS},
    {" mx.example.org\t1;none", OURS},
    {" mx.example.org 2; none", OURS},
    {" mx.example.org 99999999999999999999; none", OURS},
    /* folds */
    {"\r\n mx.example.org; none", OURS},
    {"\r\n\tmx.example.org\r\n\t1\r\n ; none", OURS},
    {"\n mx.example.org; none", OURS},
    {" mx.exam\r\n ple.org; none", OURS},
    {" mx.\n\texample.org; none", OURS},
    {" mx . example . org; none", OURS},
    /* comments */
    {" (x) mx.example.org; none", OURS},
    {" mx.example.org (x); none", OURS},
    {" mx.example.org(x); none", OURS},
    {"(a(b)c)mx.example.org; none", OURS},
    {" mx(x).example.org; none", OURS},
    {" mx.(x) example.org; none", OURS},
    {" (\\)) mx.example.org; none", OURS},
    {" (\\) mx.example.org; none)", OURS},
    {" (() mx.example.org; none", OURS},
    {" (a(b) mx.example.org; none) x; none", OURS},
    {" (\")) mx.example.org; none", UNKNOWN},
    {" (\")\") mx.example.org; none", OURS},
    {" (\") other.example; (\") mx.example.org; none", OURS},
    {" (; mx.example.org) mx.example.org; none", OURS},
    {" (a(b)c) mx.(x)example.org; none", OURS},
    {" (\\)) mx.(x)example.org; none", OURS},
    {" (\") mx.(x)example.org; none", OURS},
    {" (mx.example.org", UNKNOWN},
    {" mx.example.org (unclosed; none", OURS},
    {" (x)(y)(z) mx.example.org; none", OURS},
    {" (mx.example.org) other.example; none", OTHER},
    {" (mx.example.org;) other.example; none", OTHER},
    /* quotes and quoted pairs */
    {" \"mx.example.org\"; none", OURS},
    {" \"mx.example.org\" 1; none", OURS},
    {" \"MX.EXAMPLE.org.\"; none", OURS},
    {" \"mx\\.example.org\"; none", OURS},
    {" \"\\m\\x\\.\\e\\x\\a\\m\\p\\l\\e\\.\\o\\r\\g\"; none", OURS},
    {" \" mx.example.org \"; none", OURS},
    {" \"mx.example.org; none", OURS},
    {" mx.example.org\"; none", OURS},
    {" \"mx\".\"example.org\"; none", OURS},
    {" \"mx\" .example.org; none", OURS},
    {" mx\\.example.org; none", OURS},
    {" 'mx.example.org'; none", OURS},
    {" (x)\"mx.\r\n example.org\"; none", OURS},
    {" \"mx.example.org\\\"; x\"; none", OURS},
    {" \"mx(x).example.org\"; none", OURS},
    {" \"\"mx.example.org; none", OURS},
    /* junk behind the id */
    {" mx.example.org junk; none", OURS},
    {" mx.example.org other.example; none", OURS},
    {" mx.example.org, x; none", OURS},
    {" mx.example.org/host1; none", OURS},
    {" mx.example.org=x; none", OURS},
    {" mx.example.org:25; none", OURS},
    {" mx.example.org@x; none", OURS},
    {" mx.example.org>; none", OURS},
    {" mx.example.org spf=pass", OURS},
    {" mx.example.org 1x; none", OURS},
    {" mx.example.org; ;;; ((", OURS},
    {" mx.example.org\r\nX: y", OURS},
    {" mx.example.org\rjunk", OURS},
    {" mx.example.org\x01; none", OURS},
    {" mx.exam\x02ple.org; none", OURS},
    {" \x7fmx.example.org; none", OURS},
    /* octets beyond ASCII */
    {" \xef\xbb\xbfmx.example.org; none", OURS},
    {" \xc2\xa0mx.example.org\xc2\xa0; none", OURS},
    {" mx.exam\xe2\x80\x8bple.org; none", OURS},
    {" mx.exam\xc2\xadple.org; none", OURS},
    {" mx\343\200\202example.org; none", OURS},
    {" \xef\xbd\x8d\xef\xbd\x98.example.org; none", OURS},
    {" mx.example.org\xe3\x80\x80; none", OURS},
    {" xn--mx-.example.org; none", OURS},
    {" XN--mx-.xn--example-.org; none", OURS},
    {" mx.ex\xd0\xb0mple.org; none", OTHER},
    {" mx.example.org\xff; none", UNKNOWN},
    {" m\xc3\xbcx.example.org; none", OTHER},
    /* encoded words */
    {" =?utf-8?q?mx=2Eexample=2Eorg?=; none", OURS},
    {" =?us-ascii?Q?mx.example.org?= 1; none", OURS},
    {" =?utf-8?b?bXguZXhhbXBsZS5vcmc=?=; none", OURS},
    {" =?utf-8?B?bXguZXhhbXBsZS5vcmc?=; none", OURS},
    {" =?x?q?mx.?= =?x?b?ZXhhbXBsZS5vcmc=?=; none", OURS},
    {" =?x*en?q?=6Dx?=.example.org; none", OURS},
    {" (=?x?q?)_mx.example.org;?=; none", OURS},
    {" (=?x?q?=29?=) other.example; none", UNKNOWN},
    {" \"=?x?q?mx.example.org?=\"; none", OURS},
    {" =?utf-7?q?mx+AC4-example.org?=; none", UNKNOWN},
    {" =?x?q?other.example?=; none", UNKNOWN},
    {" other.example; spf=pass (=?x?q?mx.example.org?=)", OTHER},
    /* others' */
    {" other.example; none", OTHER},
    {" other.example 1; none", OTHER},
    {" (x)\r\n \"other.example\" (y) 1 (z) ; none", OTHER},
    {" example.org; none", OTHER},
    {" org; none", OTHER},
    {" mx; none", OTHER},
    {" amx.example.org; none", OTHER},
    {" a.mx.example.org; none", OTHER},
    {" mx.example.orga; none", OTHER},
    {" mx.example.org1; none", OTHER},
    {" mx.example.org.evil.example; none", OTHER},
    {" mx.example.org-1; none", OTHER},
    {" mx-example.org; none", OTHER},
    {" mxexample.org; none", OTHER},
    {" mx..example.org; none", OTHER},
    {" .mx.example.org; none", OTHER},
    {" other.example; mx.example.org=pass", OTHER},
    {" other.example", OTHER},
    {" \"other;example\"; none", OTHER},
    {" \"a b\"; none", OTHER},
    {" b\303\274cher.example; none", OTHER},
    {" other.example; spf=pass smtp.mailfrom=\"\xff\"", OTHER},
    /* nobody's that can be told */
    {"", UNKNOWN},
    {" ", UNKNOWN},
    {" ; none", UNKNOWN},
    {" ; mx.example.org; none", UNKNOWN},
    {" =mx.example.org; none", UNKNOWN},
    {" <mx.example.org>; none", UNKNOWN},
    {" spf=pass smtp.mailfrom=mx.example.org; dkim=none", UNKNOWN},
    {" i=1; mx.example.org; none", UNKNOWN},
    {" other.example mx.example.org; none", UNKNOWN},
    {" other.example 2; none", UNKNOWN},
    {" other.example 0; none", UNKNOWN},
    {" other.example/mx.example.org; none", UNKNOWN},
    {" \"other.example; none", UNKNOWN},
    {" other.example (x; none", UNKNOWN},
    {" other.example; none\r\nAuthentication-Results: mx.example.org; none", UNKNOWN},
    {" other.example; none\rAuthentication-Results: mx.example.org; none", UNKNOWN},
    {" other.example; none\nAuthentication-Results: mx.example.org; none", UNKNOWN},
    {" other.example; none\x0b", UNKNOWN},
    {" other.example; none\r", UNKNOWN},
    {" oth\xe9r.example; none", UNKNOWN},
};

static void want_claim(const char *what, am_str value, am_str id, int want)
{
    am_arena *a = am_arena_new(0);
    want_int(what, am_authres_claim(a, value, id), want);
    am_arena_free(a);
}

static void spellings(void **state)
{
    (void)state;
    assert_true(sizeof cases / sizeof *cases >= 120);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        want_claim(
            cases[i].value, am_str_of(cases[i].value), AM_STR("mx.example.org"), cases[i].want);
    want_claim("NUL ends", am_str_n(" mx.example.org\0.evil.example; none", 35),
        AM_STR("mx.example.org"), OURS);
    want_claim(
        "NUL within", am_str_n(" mx.exa\0mple.org; none", 22), AM_STR("mx.example.org"), OURS);
    want_claim(
        "NUL behind", am_str_n(" other.example; n\0one", 21), AM_STR("mx.example.org"), UNKNOWN);
}

/* Our id in other forms. */
static void our_forms(void **state)
{
    (void)state;
    static const struct {
        const char *id, *value;
        int want;
    } forms[] = {
        {"MX.example.org.", " mx.EXAMPLE.org; none", OURS},
        {"xn--bcher-kva.example", " b\303\274cher.example; none", OURS},
        {"xn--bcher-kva.example", " B\303\234CHER.example; none", OURS},
        {"xn--bcher-kva.example", " \"b\303\274cher.example\" 1; none", OURS},
        {"xn--bcher-kva.example", " bu\314\210cher.example; none", OURS},
        {"b\303\274cher.example", " XN--BCHER-KVA.example; none", OURS},
        {"b\303\274cher.example", " b\303\274cher(x).example; none", OURS},
        {"b\303\274cher.example", " bucher.example; none", OTHER},
        {"b\303\274cher.example", " bcher.example; none", OTHER},
        {"example-auth", " Example-Auth; none", OURS},
        {"example-auth", " example; none", OTHER},
        {"example", " example-auth; none", OTHER},
        {"mx1", " mx 1; none", OURS}, /* by a reader that drops blanks */
        {"mx", " mx1; none", OTHER},
        {"our mail", " \"our mail\"; none", OURS},
        {"our mail", " \"OUR\\ mail\"; none", OURS},
        {"our mail", " our mail; none", OURS},
        {"our/mail", " our/mail; none", OURS},
        {"our/mail", " \"our/mail\"; none", OURS},
        {"(mail)", " \"\\(mail)\"; none", OURS},
        {"our/mail", " our/\302\255mail; none", OURS},
        {"our (mail)", " \"our \\(mail\\)\"; none", OURS},
        {"\xe6\x97\xa5\xe6\x9c\xac mail", " \"\xe6\x97\xa5\xe6\x9c\xac mail\"; none", OURS},
        {"\xe6\x97\xa5\xe6\x9c\xac", " \xe6\x97\xa5\xe6\x9c\xac; none", OURS},
        {"", " other.example; none", OTHER},
        {"", " ; none", UNKNOWN},
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        want_claim(
            forms[i].value, am_str_of(forms[i].value), am_str_of(forms[i].id), forms[i].want);
}

/* Large starts cost bounded work and are never OTHER. */
static void large(void **state)
{
    (void)state;
    char far[20000];
    memset(far, ' ', sizeof far);
    memcpy(far, "other.example", 13);
    want_claim("far away", am_str_n(far, sizeof far), AM_STR("mx.example.org"), UNKNOWN);
    static const struct {
        size_t n;
        const char *piece, *tail;
        int want;
    } forms[] = {
        {5000, "(", " mx.example.org; none", UNKNOWN},
        {49, "(", "mx.example.org", UNKNOWN},
        {4000, "()", " mx.example.org; none", OURS},
        {4000, "()", " other.example; none", OTHER},
        {20000, "()", " other.example; none", UNKNOWN},
        {20000, " ", "other.example; none", UNKNOWN},
        {20000, "a", "; none", UNKNOWN},
        {1000, "a ", "; none", UNKNOWN},
        {3000, "\"\"", "mx.example.org; none", OURS},
        {1000, "=?x?q?\?=", "mx.example.org; none", OURS},
        {1000, "(", "other.example; none", UNKNOWN},
        {1, "\"o t h e r . e x a m p l e . w i t h . m a n y . b l a n k s . i n . i t\"", "; none",
            UNKNOWN},
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        am_arena *a = am_arena_new(0);
        am_buf b = {.arena = a};
        for (size_t k = 0; k < forms[i].n; k++)
            am_buf_cstr(&b, forms[i].piece);
        am_buf_cstr(&b, forms[i].tail);
        want_claim(forms[i].tail, am_buf_get(&b), AM_STR("mx.example.org"), forms[i].want);
        am_arena_free(a);
    }
}

/* A name of more labels than ours is not ours, and costs nothing; the root's is none. */
static void more_labels(void **state)
{
    (void)state;
    am_arena *a = am_arena_new(0);
    am_buf b = {.arena = a};
    am_buf_cstr(&b, " \"b\303\274cher.www.example.org");
    for (int i = 0; i < 12; i++)
        am_buf_cstr(&b, " x");
    am_buf_cstr(&b, "\" (a); none");
    want_claim("two more", am_buf_get(&b), AM_STR("xn--bcher-kva.example"), OTHER);
    want_claim("as many", am_buf_get(&b), AM_STR("xn--bcher-kva.www.example.net"), UNKNOWN);
    want_claim("an empty one", AM_STR(" b\303\274cher.example.\357\270\217; none"),
        AM_STR("xn--bcher-kva.example"), OURS); /* U+FE0F is nothing */
    am_arena_free(a);
}

/* Each candidate with U-labels costs time: not many are looked at. */
static void many_u_labels(void **state)
{
    (void)state;
    am_arena *a = am_arena_new(0);
    am_str id = AM_STR("xn--bcher-kva.example");
    am_buf b = {.arena = a};
    for (int i = 0; i < 1000; i++)
        am_buf_cstr(&b, "b\303\274cher.(a)");
    am_buf_cstr(&b, "; none");
    size_t before = am_arena_used(a);
    want_int("many", am_authres_claim(a, am_buf_get(&b), id), UNKNOWN);
    assert_true(am_arena_used(a) - before < 50000);
    want_claim("few", AM_STR("j\303\266hn.example (a (b) c) 1 (d); none"), id, OTHER);
    want_claim("ours", AM_STR("(x (y)) b\303\274cher(a).example (a (b) c) 1 (d); none"), id, OURS);
    am_arena_free(a);
}

static void out_of_memory(void **state)
{
    (void)state;
    static const char *const values[] = {" \"b\303\274cher.example\"; none",
        " =?utf-8?b?YsO8Y2hlci5leGFtcGxl?=; none", " other.example; none"};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        for (size_t cap = 1; cap < 2000; cap += 3) {
            am_arena *a = am_arena_new(cap);
            am_claim got =
                am_authres_claim(a, am_str_of(values[i]), AM_STR("xn--bcher-kva.example"));
            if (am_arena_failed(a))
                want_int(values[i], got == AM_CLAIM_OTHER, false);
            else
                want_int(values[i], got, i == 2 ? OTHER : OURS);
            am_arena_free(a);
        }
}

/* t/vectors/attacks/authres.tsv: forged fields; ours is mx.example.org. */
static void one_attack(const char *name, am_str want, am_str value)
{
    static const char *const words[] = {[OTHER] = "other", [OURS] = "ours", [UNKNOWN] = "unknown"};
    am_arena *a = am_arena_new(0);
    want_str(name, want, words[am_authres_claim(a, value, AM_STR("mx.example.org"))]);
    am_arena_free(a);
}

static void attacks(void **state)
{
    (void)state;
    assert_true(each_vector("t/vectors/attacks/authres.tsv", one_attack) >= 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spellings),
        cmocka_unit_test(our_forms),
        cmocka_unit_test(large),
        cmocka_unit_test(more_labels),
        cmocka_unit_test(many_u_labels),
        cmocka_unit_test(out_of_memory),
        cmocka_unit_test(attacks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
