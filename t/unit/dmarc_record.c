/* dmarc/record: which TXT records count, what their tags yield, and what makes a policy unusable.
 */
#include "t/unit/unit.h"

#include "libauth/dmarc/record.h"

/* The record without its defaults: "p:reject sp:none strict-dkim fo:1 ..." */
static am_str text_of(am_arena *a, const am_dmarc_record *r)
{
    am_buf b = {.arena = a};
    const am_dmarc_policy policy[] = {r->p, r->sp, r->np};
    const bool has[] = {r->has_p, r->has_sp, r->has_np};
    for (int i = 0; i < 3; i++)
        if (has[i])
            am_buf_format(&b, "%s:%s ", (const char *[]){"p", "sp", "np"}[i],
                am_dmarc_policy_word(policy[i]));
    am_buf_cstr(&b, r->bad_policy ? "bad " : "");
    am_buf_cstr(&b, r->strict_dkim ? "strict-dkim " : "");
    am_buf_cstr(&b, r->strict_spf ? "strict-spf " : "");
    am_buf_cstr(&b, r->testing ? "t " : "");
    if (r->psd != 'u')
        am_buf_format(&b, "psd:%c ", r->psd);
    if (!am_str_is(r->fo, "0"))
        am_buf_format(&b, "fo:%.*s ", AM_ARG(r->fo));
    if (r->rua.p)
        am_buf_format(&b, "rua:%.*s ", AM_ARG(r->rua));
    if (r->ruf.p)
        am_buf_format(&b, "ruf:%.*s ", AM_ARG(r->ruf));
    return am_str_trim(am_buf_get(&b));
}

static void version_decides(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t n; /* 0: a C string */
        bool want;
    } t[] = {
        {"v=DMARC1", 0, true},
        {"v=DMARC1;", 0, true},
        {"v=DMARC1; p=none", 0, true},
        {"v = DMARC1 ; p=none", 0, true},
        {"v\t=\tDMARC1\t;p=none", 0, true},
        {"V=DMARC1; p=none", 0, true},
        {"v=DMARC1 ", 0, true},
        {"v=dmarc1; p=none", 0, false},
        {"v=DMARC1 p=none", 0, false},
        {"v=DMARC10; p=none", 0, false},
        {"v=DMARC; p=none", 0, false},
        {"v=DMARC2; p=none", 0, false},
        {" v=DMARC1; p=none", 0, false},
        {";v=DMARC1; p=none", 0, false},
        {"p=none; v=DMARC1", 0, false},
        {"v DMARC1; p=none", 0, false},
        {"v==DMARC1; p=none", 0, false},
        {"v=\"DMARC1\"; p=none", 0, false},
        {"v=DMARC1\r\n; p=none", 0, false},
        {"v=DMARC1\0; p=none", 17, false},
        {"v=DMARC1", 7, false},
        {"v=DMARC1", 1, false},
        {"v=spf1 -all", 0, false},
        {"v", 0, false},
        {"=DMARC1", 0, false},
        {"", 0, false},
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++)
        want_int(t[i].text,
            am_dmarc_record_is(am_str_n(t[i].text, t[i].n ? t[i].n : strlen(t[i].text))),
            t[i].want);
}

static void tags(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } t[] = {
        {"v=DMARC1", ""},
        {"v=DMARC1; p=reject", "p:reject"},
        {"v=DMARC1;p=reject;", "p:reject"},
        {"v=DMARC1 ;\tp \t= reject\t; ", "p:reject"},
        {"v=DMARC1; P=ReJect; SP=QUARANTINE; nP=None", "p:reject sp:quarantine np:none"},
        {"v=DMARC1; np=reject; sp=none; p=quarantine", "p:quarantine sp:none np:reject"},
        /* order is free, unknown tags are ignored, the historic ones too */
        {"v=DMARC1; pct=0; rf=afrf; ri=1; x=y; fo=1; p=reject; adkim=s",
            "p:reject strict-dkim fo:1"},
        {"v=DMARC1; p=none; adkim=S; aspf=s; t=Y; psd=Y", "p:none strict-dkim strict-spf t psd:y"},
        {"v=DMARC1; p=none; adkim=r; aspf=R; t=n; psd=n", "p:none psd:n"},
        {"v=DMARC1; p=none; psd=u", "p:none"},
        /* invalid values of these fall back to the default */
        {"v=DMARC1; p=none; adkim=strict; aspf=x; t=1; psd=yes; fo=2", "p:none"},
        {"v=DMARC1; p=none; adkim=; aspf= ; t; psd", "p:none"},
        {"v=DMARC1; p=none; adkim=s s", "p:none"},
        /* syntax errors behind v are discarded */
        {"v=DMARC1;;; p=reject;;", "p:reject"},
        {"v=DMARC1; nonsense; p=reject; =x; a-b=c; p1=none; 1=2", "p:reject"},
        {"v=DMARC1; p:none; p=reject", "p:reject"},
        {"v=DMARC1; p reject; sp", ""},
        {"v=DMARC1; s p=none; p=reject", "p:reject"},
        /* a policy that is none */
        {"v=DMARC1; p=bogus", "bad"},
        {"v=DMARC1; p=", "bad"},
        {"v=DMARC1; p=reject\r\n", "bad"},
        {"v=DMARC1; p=reject; sp=\xc3\xa9", "p:reject bad"},
        {"v=DMARC1; p=reject; np=no ne", "p:reject bad"},
        {"v=DMARC1; p==reject", "bad"},
        /* the first of a name counts, a wrong one too */
        {"v=DMARC1; p=none; p=reject", "p:none"},
        {"v=DMARC1; p=bogus; p=reject", "bad"},
        {"v=DMARC1; p=none; T=y; t=n; psd=x; psd=y", "p:none t"},
        {"v=DMARC1; v=DMARC1; p=none", "p:none"},
        /* failure reporting options */
        {"v=DMARC1; p=none; fo=0:d:s", "p:none fo:0:d:s"},
        {"v=DMARC1; p=none; fo=S:1:D", "p:none fo:S:1:D"},
        {"v=DMARC1; p=none; fo=d", "p:none fo:d"},
        {"v=DMARC1; p=none; fo=0:1", "p:none"},
        {"v=DMARC1; p=none; fo=0:1:d:s", "p:none"},
        {"v=DMARC1; p=none; fo=d:d", "p:none"},
        {"v=DMARC1; p=none; fo=1:", "p:none"},
        {"v=DMARC1; p=none; fo=:1", "p:none"},
        {"v=DMARC1; p=none; fo=1 :d", "p:none"},
        {"v=DMARC1; p=none; fo=1d", "p:none"},
        /* report addresses: kept where one at least is well-formed */
        {"v=DMARC1; p=none; rua=mailto:a@b.example", "p:none rua:mailto:a@b.example"},
        {"v=DMARC1; p=none; rua = mailto:a@b.example!10m , https://c.example/d ; ruf=nobody",
            "p:none rua:mailto:a@b.example!10m , https://c.example/d"},
        {"v=DMARC1; p=none; ruf=x,mailto:a@b.example", "p:none ruf:x,mailto:a@b.example"},
        {"v=DMARC1; p=none; rua=", "p:none"},
        {"v=DMARC1; p=none; rua=mailto:\xc3\xa9@b.example,mailto:a@b.example", "p:none"},
    };
    am_arena *a = am_arena_new(0);
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        am_dmarc_record r;
        assert_true(am_dmarc_record_is(am_str_of(t[i].text)));
        am_dmarc_record_parse(am_str_of(t[i].text), &r);
        want_str(t[i].text, text_of(a, &r), t[i].want);
    }
    am_arena_free(a);
}

static void policies_have_defaults(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        am_dmarc_policy p, sp, np;
    } t[] = {
        {"v=DMARC1; p=reject", AM_DMARC_REJECT, AM_DMARC_REJECT, AM_DMARC_REJECT},
        {"v=DMARC1; p=reject; sp=none", AM_DMARC_REJECT, AM_DMARC_NONE, AM_DMARC_NONE},
        {"v=DMARC1; p=none; np=reject", AM_DMARC_NONE, AM_DMARC_NONE, AM_DMARC_REJECT},
        {"v=DMARC1; np=none; sp=reject; p=quarantine", AM_DMARC_QUARANTINE, AM_DMARC_REJECT,
            AM_DMARC_NONE},
        {"v=DMARC1; sp=reject", AM_DMARC_NONE, AM_DMARC_REJECT, AM_DMARC_REJECT},
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        am_dmarc_record r;
        am_dmarc_record_parse(am_str_of(t[i].text), &r);
        want_int(t[i].text, r.p, t[i].p);
        want_int(t[i].text, r.sp, t[i].sp);
        want_int(t[i].text, r.np, t[i].np);
    }
}

/* RFC 9989 4.10.1: every row of "invalid p, sp or np", with and without a rua. */
static void usable(void **state)
{
    (void)state;
    static const struct {
        const char *text, *with_rua, *without; /* policies to be used; or the reason */
    } t[] = {
        {"p=reject", "reject reject reject", "reject reject reject"},
        {"p=reject; sp=none; np=quarantine", "reject none quarantine", "reject none quarantine"},
        {"p=bogus", "none none none", "unusable policy value"},
        {"p=bogus; sp=reject; np=reject", "none none none", "unusable policy value"},
        {"p=reject; sp=bogus", "none none none", "unusable policy value"},
        {"p=reject; np=bogus", "none none none", "unusable policy value"},
        {"p=reject; sp=reject; np=", "none none none", "unusable policy value"},
        {"psd=y", "none none none", "record without a policy"},
        {"sp=reject", "none none none", "record without a policy"},
        {"np=quarantine; sp=reject", "none none none", "record without a policy"},
        {"sp=bogus", "none none none", "unusable policy value"},
    };
    static const char *const rua[] = {
        "; rua=mailto:a@b.example", "", "; rua=b.example", "; ruf=mailto:a@b.example"};
    am_arena *a = am_arena_new(0);
    for (size_t i = 0; i < sizeof t / sizeof *t; i++)
        for (size_t k = 0; k < 4; k++) {
            am_str text = am_str_format(a, "v=DMARC1; %s%s", t[i].text, rua[k]);
            const char *reason = "";
            am_dmarc_record r;
            am_dmarc_record_parse(text, &r);
            am_str got = am_str_of(NULL);
            if (am_dmarc_record_usable(&r, &reason))
                got = am_str_format(a, "%s %s %s", am_dmarc_policy_word(r.p),
                    am_dmarc_policy_word(r.sp), am_dmarc_policy_word(r.np));
            else
                got = am_str_of(reason);
            want_str(text.p, got, k ? t[i].without : t[i].with_rua);
        }
    am_arena_free(a);
}

static void uris(void **state)
{
    (void)state;
    static const struct {
        const char *list, *want; /* well-formed ones, each with a blank behind it */
    } t[] = {
        {"mailto:a@b.example", "mailto:a@b.example "},
        {"MAILTO:a@b.example", "MAILTO:a@b.example "},
        {"mailto:a@b.example,mailto:c@d.example", "mailto:a@b.example mailto:c@d.example "},
        {" mailto:a@b.example\t, ,https://c.example/d?e=f#g,",
            "mailto:a@b.example https://c.example/d?e=f#g "},
        {"mailto:a@b.example!10m", "mailto:a@b.example "},
        {"mailto:a@b.example!10", "mailto:a@b.example "},
        {"mailto:a@b.example!10G,mailto:c@d.example!5T", "mailto:a@b.example mailto:c@d.example "},
        {"mailto:a@b.example!", ""},
        {"mailto:a@b.example!m", ""},
        {"mailto:a@b.example!10x", ""},
        {"mailto:a!b@c.example", ""},
        {"mailto:a!b@c.example!10m", ""},
        {"mailto:a%21b@c.example!10m", "mailto:a%21b@c.example "},
        {"mailto:a@b.example?subject=x%20y", "mailto:a@b.example?subject=x%20y "},
        {"mailto:", ""},
        {"mailto:b.example", ""},
        {"mailto:@b.example", ""},
        {"mailto:a@", ""},
        {"mailto:?to=a@b.example", ""},
        {"mailto:a b@c.example", ""},
        {"mailto:<a@b.example>", ""},
        {"mailto:a%2@b.example", ""},
        {"mailto:a@b.example%2", ""},
        {"mailto:a@b.example%zz", ""},
        {"a@b.example", ""},
        {"1a:b", ""},
        {":b", ""},
        {"a_b:c", ""},
        {"h323+x-y.z:c", "h323+x-y.z:c "},
        {"https://[2001:db8::1]/x", "https://[2001:db8::1]/x "},
        {"mailto:a@[192.0.2.1]", ""},
        {"https://x/#a#b", ""},
        {"https://x/\x7f", ""},
        {"https://x/\xc3\xa9", ""},
        {"!10m", ""},
        {",", ""},
        {"", ""},
    };
    am_arena *a = am_arena_new(0);
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        am_buf b = {.arena = a};
        for (am_str rest = am_str_of(t[i].list), uri; am_dmarc_uri_next(&rest, &uri);)
            am_buf_format(&b, "%.*s ", AM_ARG(uri));
        want_str(t[i].list, am_buf_get(&b), t[i].want);
    }
    am_arena_free(a);
}

/* A NUL is an octet like others. */
static void nul(void **state)
{
    (void)state;
    static const char text[] = "v=DMARC1; p=reject; rua=mailto:a\0@b.example; t=y";
    am_dmarc_record r;
    am_dmarc_record_parse(am_str_n(text, sizeof text - 1), &r);
    assert_int_equal(r.p, AM_DMARC_REJECT);
    assert_null(r.rua.p);
    assert_true(r.testing);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(version_decides),
        cmocka_unit_test(tags),
        cmocka_unit_test(policies_have_defaults),
        cmocka_unit_test(usable),
        cmocka_unit_test(uris),
        cmocka_unit_test(nul),
    };
    return cmocka_run_group_tests_name("dmarc_record", tests, NULL, NULL);
}
