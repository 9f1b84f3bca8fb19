/* ident/syntax, ident/smtpauth, ident/tls: what the MTA tells, read strictly. */
#include "t/unit/unit.h"

#include "libauth/ident/smtpauth.h"
#include "libauth/ident/syntax.h"
#include "libauth/ident/tls.h"

static void esmtp_values(void **state)
{
    (void)state;
    want_str("value", am_esmtp_value(AM_STR("AUTH=<>"), "AUTH"), "<>");
    want_str("case", am_esmtp_value(AM_STR("auth=x"), "AUTH"), "x");
    want_str("inner =", am_esmtp_value(AM_STR("AUTH=a=b"), "AUTH"), "a=b");
    assert_true(am_esmtp_value(AM_STR("AUTH="), "AUTH").p != NULL);
    assert_null(am_esmtp_value(AM_STR("AUTH"), "AUTH").p);
    assert_null(am_esmtp_value(AM_STR("AUTHX=a"), "AUTH").p);
    assert_null(am_esmtp_value(AM_STR("XAUTH=a"), "AUTH").p);
    assert_null(am_esmtp_value(AM_STR(""), "AUTH").p);
}

static void xtext_table(void **state)
{
    (void)state;
    static const struct {
        const char *in, *want; /* want NULL: refused */
    } cases[] = {
        {"", ""},
        {"e+3Dmc2@example.com", "e=mc2@example.com"}, /* RFC 4954 5.1 */
        {"a+2Bb", "a+b"},
        {"+20", " "},
        {"+FF", "\xff"},
        {"~!<>", "~!<>"},
        {"a+2bb", NULL}, /* hexadecimal digits are upper case */
        {"a+2", NULL},
        {"a+", NULL},
        {"a+G0", NULL},
        {"a+-1", NULL},
        {"a=b", NULL},
        {"a b", NULL},
        {"a\tb", NULL},
        {"a\x7f", NULL},
        {"\xc3\xa4", NULL},
    };
    am_arena *a = am_arena_new(0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        am_str out = {0};
        bool ok = am_xtext_decode(a, am_str_of(cases[i].in), &out);
        want_int(cases[i].in, ok, cases[i].want != NULL);
        if (ok)
            want_str(cases[i].in, out, cases[i].want);
    }
    am_str out;
    assert_false(am_xtext_decode(a, am_str_n("a\0b", 3), &out));
    assert_false(am_xtext_decode(a,
        am_str_n("a+\0"
                 "0",
            4),
        &out));
    assert_true(am_xtext_decode(a, AM_STR("a+00b"), &out));
    assert_int_equal(out.n, 3);
    for (int c = 0; c < 256; c++) { /* all octets, there and back */
        am_str text = am_str_format(a, "+%02X", (unsigned)c);
        assert_true(am_xtext_decode(a, text, &out));
        assert_int_equal((unsigned char)out.p[0], c);
    }
    am_arena_free(a);
}

static void mailbox_table(void **state)
{
    (void)state;
    static const struct {
        const char *in, *local, *domain; /* local NULL: refused; domain NULL: a literal */
    } cases[] = {
        {"alice@example.com", "alice", "example.com"},
        {"Alice.B@EXAMPLE.com", "Alice.B", "example.com"},
        {"a!#$%&'*+-/=?^_`{|}~@example.com", "a!#$%&'*+-/=?^_`{|}~", "example.com"},
        {"\"a b\"@example.com", "\"a b\"", "example.com"},
        {"\"a@b\"@example.com", "\"a@b\"", "example.com"},
        {"\"a\\\"b\"@example.com", "\"a\\\"b\"", "example.com"},
        {"\"\"@example.com", "\"\"", "example.com"},
        {"a@[192.0.2.1]", "a", NULL},
        {"a@[IPv6:2001:db8::1]", "a", NULL},
        {"j\xc3\xb6rg@b\xc3\xbc"
         "cher.example",
            "j\xc3\xb6rg", "xn--bcher-kva.example"},
        {"\"j\xc3\xb6rg\"@example.com", "\"j\xc3\xb6rg\"", "example.com"},
        {"", NULL, NULL},
        {"alice", NULL, NULL},
        {"alice@", NULL, NULL},
        {"@example.com", NULL, NULL},
        {"<alice@example.com>", NULL, NULL},
        {"@relay.example:alice@example.com", NULL, NULL},
        {"alice@example.com ", NULL, NULL},
        {" alice@example.com", NULL, NULL},
        {"alice@example.com.", NULL, NULL},
        {"alice@example..com", NULL, NULL},
        {"alice@example.com@example.org", NULL, NULL},
        {".alice@example.com", NULL, NULL},
        {"alice.@example.com", NULL, NULL},
        {"a..b@example.com", NULL, NULL},
        {"a b@example.com", NULL, NULL},
        {"a(c)@example.com", NULL, NULL},
        {"\"a@example.com", NULL, NULL},
        {"\"a\\\"@example.com", NULL, NULL},
        {"\"a\"b@example.com", NULL, NULL},
        {"\"a\tb\"@example.com", NULL, NULL},
        {"\"a\\\xc3\xb6\"@example.com", NULL, NULL},
        {"\"a\xff\"@example.com", NULL, NULL},
        {"a\xff@example.com", NULL, NULL},
        {"a@[192.0.2.1", NULL, NULL},
        {"a@[example.com]", NULL, NULL},
        {"a,b@example.com", NULL, NULL},
    };
    am_arena *a = am_arena_new(0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        am_mailbox m;
        bool ok = am_smtp_mailbox_parse(a, am_str_of(cases[i].in), &m);
        want_int(cases[i].in, ok, cases[i].local != NULL);
        if (!ok)
            continue;
        want_str(cases[i].in, m.local, cases[i].local);
        want_int(cases[i].in, m.domain.p != NULL, cases[i].domain != NULL);
        if (cases[i].domain)
            want_str(cases[i].in, m.domain, cases[i].domain);
    }
    am_mailbox m;
    assert_false(am_smtp_mailbox_parse(a, am_str_n("a\0b@example.com", 15), &m));
    assert_false(am_smtp_mailbox_parse(a, am_str_n("a@exam\0ple.com", 14), &m));
    assert_false(am_smtp_mailbox_parse(a, am_str_n("\"a\0\"@example.com", 16), &m));
    am_buf b = {.arena = a};
    for (int i = 0; i < AM_SMTP_MAILBOX_MAX - 12; i++)
        am_buf_char(&b, 'a');
    am_buf_cstr(&b, "@example.com");
    am_str longest = am_buf_get(&b);
    assert_int_equal(longest.n, AM_SMTP_MAILBOX_MAX);
    assert_true(am_smtp_mailbox_parse(a, longest, &m));
    am_buf_cstr(&b, "x");
    assert_false(am_smtp_mailbox_parse(a, am_buf_get(&b), &m));
    am_arena_free(a);
}

static void canonical_local_parts(void **state)
{
    (void)state;
    static const struct {
        const char *in, *want;
    } cases[] = {
        {"alice", "alice"},
        {"\"alice\"", "alice"},
        {"\"al\\ice\"", "alice"},
        {"\"a.b\"", "a.b"},
        {"a.\"b\"", "a.b"},
        {"\"a..b\"", "\"a..b\""},
        {"\"a b\"", "\"a b\""},
        {"\"a@b\"", "\"a@b\""},
        {"\"a\\\\b\"", "\"a\\\\b\""},
        {"\"a\\\"b\"", "\"a\\\"b\""},
        {"\"\"", "\"\""},
        {"", "\"\""},
    };
    am_arena *a = am_arena_new(0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        want_str(cases[i].in, am_local_canonical(a, am_str_of(cases[i].in)), cases[i].want);
    am_arena_free(a);
}

/* ---- smtpauth ---- */

#define NO_AUTHOR AM_SMTPAUTH_NO_AUTHOR
#define UNKNOWN AM_SMTPAUTH_UNKNOWN
#define MALFORMED AM_SMTPAUTH_MALFORMED
#define UNTRUSTED AM_SMTPAUTH_UNTRUSTED
#define AUTHOR AM_SMTPAUTH_AUTHOR
#define CLEAR "credentials sent in the clear"

/* flags: t trusted, e encrypted */
static const struct {
    const char *user, *mechanism, *parameter, *author, *flags;
    const char *want; /* result, mechanism, reason */
    am_smtpauth_author status;
    const char *want_author;
} auth_cases[] = {
    {NULL, NULL, NULL, NULL, "", "none||", NO_AUTHOR, NULL},
    {"", "", NULL, NULL, "te", "none||", NO_AUTHOR, NULL},
    {" \t", "PLAIN", NULL, NULL, "e", "none||", NO_AUTHOR, NULL},
    {NULL, "PLAIN", NULL, NULL, "", "none||", NO_AUTHOR, NULL},
    {"alice", "PLAIN", NULL, NULL, "e", "pass|PLAIN|", NO_AUTHOR, NULL},
    {"alice", "PLAIN", NULL, NULL, "", "pass|PLAIN|" CLEAR, NO_AUTHOR, NULL},
    {"alice", "login", NULL, NULL, "", "pass|LOGIN|" CLEAR, NO_AUTHOR, NULL},
    {"alice", "XOAUTH2", NULL, NULL, "", "pass|XOAUTH2|" CLEAR, NO_AUTHOR, NULL},
    {"alice", "OAUTHBEARER", NULL, NULL, "e", "pass|OAUTHBEARER|", NO_AUTHOR, NULL},
    {"alice", "SCRAM-SHA-256", NULL, NULL, "", "pass|SCRAM-SHA-256|", NO_AUTHOR, NULL},
    {"alice", "CRAM-MD5", NULL, NULL, "", "pass|CRAM-MD5|", NO_AUTHOR, NULL},
    {"alice", NULL, NULL, NULL, "", "pass||", NO_AUTHOR, NULL},
    {"alice", "PLAIN;x", NULL, NULL, "", "pass||", NO_AUTHOR, NULL},
    {"alice", "ABCDEFGHIJKLMNOPQRSTU", NULL, NULL, "", "pass||", NO_AUTHOR, NULL},
    {"alice", "ANONYMOUS", NULL, NULL, "te", "none||anonymous", NO_AUTHOR, NULL},
    {"alice", "anonymous", "bob@example.com", NULL, "te", "none||anonymous", UNTRUSTED, NULL},
    /* RFC 4954 5 */
    {"alice", "PLAIN", "<>", NULL, "te", "pass|PLAIN|", UNKNOWN, NULL},
    {"alice", "PLAIN", "e+3Dmc2@example.com", NULL, "te", "pass|PLAIN|", AUTHOR,
        "e=mc2@example.com"},
    {"alice", "PLAIN", "e+3Dmc2@example.com", NULL, "e", "pass|PLAIN|", UNTRUSTED, NULL},
    {NULL, NULL, "e+3Dmc2@example.com", NULL, "te", "none||", UNTRUSTED, NULL},
    {NULL, NULL, "<>", NULL, "te", "none||", UNKNOWN, NULL},
    {"alice", "PLAIN", "<bob@b.example>", NULL, "te", "pass|PLAIN|", AUTHOR, "bob@b.example"},
    {"alice", "PLAIN", "e=mc2@example.com", NULL, "te", "pass|PLAIN|", MALFORMED, NULL},
    {"alice", "PLAIN", "e+3dmc2@example.com", NULL, "te", "pass|PLAIN|", MALFORMED, NULL},
    {"alice", "PLAIN", "bob", NULL, "te", "pass|PLAIN|", MALFORMED, NULL},
    {"alice", "PLAIN", "", NULL, "te", "pass|PLAIN|", MALFORMED, NULL},
    {"alice", "PLAIN", "bob@example.com+0D+0AX:", NULL, "te", "pass|PLAIN|", MALFORMED, NULL},
    {"alice", "PLAIN", "bob+00@example.com", NULL, "te", "pass|PLAIN|", MALFORMED, NULL},
    {NULL, NULL, "bob", NULL, "te", "none||", MALFORMED, NULL},
    /* {auth_author} is decoded already, and the parameter goes before it */
    {"alice", "PLAIN", NULL, "e=mc2@example.com", "te", "pass|PLAIN|", AUTHOR, "e=mc2@example.com"},
    {"alice", "PLAIN", NULL, "e+3Dmc2@example.com", "te", "pass|PLAIN|", AUTHOR,
        "e+3Dmc2@example.com"},
    {"alice", "PLAIN", NULL, "", "te", "pass|PLAIN|", NO_AUTHOR, NULL},
    {"alice", "PLAIN", NULL, "<>", "te", "pass|PLAIN|", UNKNOWN, NULL},
    {"alice", "PLAIN", "<>", "bob@example.com", "te", "pass|PLAIN|", UNKNOWN, NULL},
};

static void auth_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof auth_cases / sizeof *auth_cases; i++) {
        am_arena *a = am_arena_new(0);
        am_str name = am_str_format(a, "auth case %zu", i);
        am_smtpauth_query q = {am_str_of(auth_cases[i].user), am_str_of(auth_cases[i].mechanism),
            am_str_of(auth_cases[i].parameter), am_str_of(auth_cases[i].author),
            strchr(auth_cases[i].flags, 't') != NULL, strchr(auth_cases[i].flags, 'e') != NULL};
        am_smtpauth_verdict v = am_smtpauth_check(a, &q);
        am_str got =
            am_str_format(a, "%s|%.*s|%s", am_result_word(v.result), AM_ARG(v.mechanism), v.reason);
        want_str(name.p, got, auth_cases[i].want);
        want_str(name.p, v.user, v.result == AM_PASS ? auth_cases[i].user : "");
        want_int(name.p, v.status, auth_cases[i].status);
        want_int(name.p, v.cleartext, strstr(auth_cases[i].want, "clear") != NULL);
        want_int(name.p, v.author.local.p != NULL, auth_cases[i].want_author != NULL);
        if (auth_cases[i].want_author)
            want_str(name.p,
                am_str_format(a, "%.*s@%.*s", AM_ARG(v.author.local), AM_ARG(v.author.domain)),
                auth_cases[i].want_author);
        am_arena_free(a);
    }
}

/* Out of memory is none at any point, and all of it or nothing. */
static void auth_without_memory(void **state)
{
    (void)state;
    unsigned none = 0, pass = 0;
    for (size_t cap = 1; cap < 120; cap++) {
        am_arena *a = am_arena_new(cap);
        am_smtpauth_query q = {
            AM_STR("alice"), AM_STR("PLAIN"), AM_STR("bob@example.com"), {0}, true, true};
        am_smtpauth_verdict v = am_smtpauth_check(a, &q);
        bool clean = v.status == NO_AUTHOR && !v.author.local.p && !v.user.n && !v.mechanism.n;
        none += v.result == AM_NONE && clean && strcmp(v.reason, "out of memory") == 0;
        pass += v.result == AM_PASS && v.status == AUTHOR && v.user.n == 5;
        am_arena_free(a);
    }
    assert_int_equal(none + pass, 119);
    assert_true(none > 20 && pass > 20);
}

/* ---- tls ---- */

static const struct {
    const char *version, *cipher, *bits, *subject, *verify;
    const char *want; /* result, reason, bits, and the subject where it is shown */
} tls_cases[] = {
    {NULL, NULL, NULL, NULL, NULL, "none||0|"},
    {"", " ", "256", "CN=x", "OK", "none||0|"},
    {"TLSv1.3", "TLS_AES_256_GCM_SHA384", "256", "", "NO", "pass||256|"},
    {"TLSv1.3", "TLS_CHACHA20_POLY1305_SHA256", "256", "", "NO", "pass||256|"},
    {"TLSv1.3", "TLS_AES_128_GCM_SHA256", "128", "", "NO", "pass||128|"},
    {"TLSv1.2", "ECDHE-RSA-AES256-GCM-SHA384", "256", NULL, NULL, "pass||256|"},
    {"TLSv1.2", "ADH-AES256-GCM-SHA384", "256", NULL, NULL, "pass||256|"},
    {"TLSv1.2", NULL, NULL, NULL, NULL, "pass||0|"},
    {NULL, "ECDHE-RSA-AES256-GCM-SHA384", NULL, NULL, NULL, "pass||0|"},
    {"TLSv1.4", "SOMETHING-NEW", "512", NULL, NULL, "pass||512|"},
    {"TLSv1.1", "ECDHE-RSA-AES256-SHA", "256", NULL, NULL, "pass|protocol older than TLS 1.2|256|"},
    {"TLSv1", "AES256-SHA", "256", NULL, NULL, "pass|protocol older than TLS 1.2|256|"},
    {"TLSv1.0", "AES256-SHA", "256", NULL, NULL, "pass|protocol older than TLS 1.2|256|"},
    {"tlsv1", "AES256-SHA", "256", NULL, NULL, "pass|protocol older than TLS 1.2|256|"},
    {"SSLv3", "AES256-SHA", "256", NULL, NULL, "pass|protocol older than TLS 1.2|256|"},
    {"TLSv1.2", "DES-CBC3-SHA", "168", NULL, NULL, "pass|weak cipher|168|"},
    {"TLSv1.2", "TLS_RSA_WITH_3DES_EDE_CBC_SHA", "168", NULL, NULL, "pass|weak cipher|168|"},
    {"TLSv1.2", "RC4-SHA", "128", NULL, NULL, "pass|weak cipher|128|"},
    {"TLSv1.2", "TLS_RSA_WITH_RC4_128_SHA", "128", NULL, NULL, "pass|weak cipher|128|"},
    {"TLSv1.2", "ECDHE-RSA-NULL-SHA", "0", NULL, NULL, "pass|weak cipher|0|"},
    {"TLSv1.2", "EXP-RC2-CBC-MD5", "40", NULL, NULL, "pass|weak cipher|40|"},
    {"TLSv1.2", "exp1024-aes", "56", NULL, NULL, "pass|cipher of less than 112 bits|56|"},
    {"TLSv1.2", "X", "111", NULL, NULL, "pass|cipher of less than 112 bits|111|"},
    {"TLSv1.2", "X", "112", NULL, NULL, "pass||112|"},
    {"TLSv1.2", "X", "-1", NULL, NULL, "pass||0|"},
    {"TLSv1.2", "X", "4294967297", NULL, NULL, "pass||0|"},
    {"TLSv1.2", "X", "256 bits", NULL, NULL, "pass||0|"},
    /* the subject is anyone's claim unless it was verified */
    {"TLSv1.3", "X", "256", "/CN=mail.example", "OK", "pass||256|/CN=mail.example"},
    {"TLSv1.3", "X", "256", "/CN=mail.example", "FAIL", "pass||256|"},
    {"TLSv1.3", "X", "256", "/CN=mail.example", "NO", "pass||256|"},
    {"TLSv1.3", "X", "256", "/CN=mail.example", "NOT OK", "pass||256|"},
    {"TLSv1.3", "X", "256", "/CN=mail.example", NULL, "pass||256|"},
};

static void tls_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof tls_cases / sizeof *tls_cases; i++) {
        am_arena *a = am_arena_new(0);
        am_tls_query q = {am_str_of(tls_cases[i].version), am_str_of(tls_cases[i].cipher),
            am_str_of(tls_cases[i].bits), am_str_of(tls_cases[i].subject), AM_STR("/CN=CA"),
            am_str_of(tls_cases[i].verify)};
        am_tls_verdict v = am_tls_check(a, &q);
        am_str got = am_str_format(
            a, "%s|%s|%u|%.*s", am_result_word(v.result), v.reason, v.bits, AM_ARG(v.subject));
        want_str(tls_cases[i].want, got, tls_cases[i].want);
        want_int(tls_cases[i].want, v.issuer.n > 0, v.verified);
        want_int(tls_cases[i].want, v.weak, *v.reason != '\0');
        am_arena_free(a);
    }
    unsigned none = 0;
    for (size_t cap = 1; cap < 60; cap++) {
        am_arena *a = am_arena_new(cap);
        am_tls_query q = {AM_STR("TLSv1.3"), AM_STR("X"), AM_STR("256"), AM_STR("/CN=a"),
            AM_STR("/CN=b"), AM_STR("OK")};
        am_tls_verdict v = am_tls_check(a, &q);
        none += v.result == AM_NONE && strcmp(v.reason, "out of memory") == 0 && !v.version.n;
        am_arena_free(a);
    }
    assert_int_equal(none, 21); /* 8 + 2 + 6 + 6 octets are wanted */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(esmtp_values),
        cmocka_unit_test(xtext_table),
        cmocka_unit_test(mailbox_table),
        cmocka_unit_test(canonical_local_parts),
        cmocka_unit_test(auth_table),
        cmocka_unit_test(auth_without_memory),
        cmocka_unit_test(tls_table),
    };
    return cmocka_run_group_tests_name("smtpauth", tests, NULL, NULL);
}
