/* dmarc/discover: the tree walk (RFC 9989 4.10, appendix B.4), and RFC 7489's way. */
#include "t/unit/dmarc_zone.h"

#include "libauth/base/domain.h"
#include "libauth/dmarc/discover.h"

#include <stdlib.h>

#define LONG "a.b.c.d.e.f.g.h.i.j.k.example.com"
#define B42 "example.com p=reject | signing.example.com p=none"
#define B43 "bank.example psd=y; p=reject | giant.bank.example p=quarantine"

static const struct {
    const char *name, *zone, *start, *org, *policy, *asked;
} cases[] = {
    /* appendix B.4.1 */
    {"B.4.1 author", "example.com p=none | signing.example.com p=none", "example.com",
        "example.com", "example.com", "example.com com"},
    {"B.4.1 signer", "example.com p=none | signing.example.com p=none", "signing.example.com",
        "example.com", "signing.example.com", "signing.example.com example.com com"},
    /* B.4.2 */
    {"B.4.2 author", B42, LONG, "example.com", "example.com",
        LONG " g.h.i.j.k.example.com h.i.j.k.example.com i.j.k.example.com j.k.example.com "
             "k.example.com example.com com"},
    {"B.4.2 sender", B42, "example.com", "example.com", "example.com", "example.com com"},
    {"B.4.2 signer", B42, "signing.example.com", "example.com", "signing.example.com",
        "signing.example.com example.com com"},
    /* B.4.3 */
    {"B.4.3 author", B43, "giant.bank.example", "giant.bank.example", "giant.bank.example",
        "giant.bank.example bank.example"},
    {"B.4.3 sender", B43, "mail.giant.bank.example", "giant.bank.example", "giant.bank.example",
        "mail.giant.bank.example giant.bank.example bank.example"},
    {"B.4.3 signer", B43, "mail.mega.bank.example", "mega.bank.example", "bank.example",
        "mail.mega.bank.example mega.bank.example bank.example"},
    /* the text of 4.10 and 4.10.2 */
    {"4.10's illustration", "", "a.b.c.d.e.f.g.h.i.j.mail.example.com",
        "a.b.c.d.e.f.g.h.i.j.mail.example.com", "",
        "a.b.c.d.e.f.g.h.i.j.mail.example.com g.h.i.j.mail.example.com h.i.j.mail.example.com "
        "i.j.mail.example.com j.mail.example.com mail.example.com example.com com"},
    {"4.10.2, fewest labels", "mail.example.com p=none | example.com p=none", "a.mail.example.com",
        "example.com", "example.com", "a.mail.example.com mail.example.com example.com com"},
    {"4.10.2, psd=n", "mail.example.com psd=n; p=none | example.com p=none", "a.mail.example.com",
        "mail.example.com", "mail.example.com", "a.mail.example.com mail.example.com"},
    {"4.10.2, psd=y", "example.com psd=y; p=none", "a.mail.example.com", "mail.example.com",
        "example.com", "a.mail.example.com mail.example.com example.com"},
    /* lengths */
    {"one label", "com p=none", "com", "com", "com", "com"},
    {"one label without record", "", "com", "com", "", "com"},
    {"seven labels", "", "a.b.c.d.e.example.com", "a.b.c.d.e.example.com", "",
        "a.b.c.d.e.example.com b.c.d.e.example.com c.d.e.example.com d.e.example.com "
        "e.example.com example.com com"},
    {"eight labels", "", "a.b.c.d.e.f.example.com", "a.b.c.d.e.f.example.com", "",
        "a.b.c.d.e.f.example.com b.c.d.e.f.example.com c.d.e.f.example.com d.e.f.example.com "
        "e.f.example.com f.example.com example.com com"},
    {"nine labels", "", "a.b.c.d.e.f.g.example.com", "a.b.c.d.e.f.g.example.com", "",
        "a.b.c.d.e.f.g.example.com c.d.e.f.g.example.com d.e.f.g.example.com e.f.g.example.com "
        "f.g.example.com g.example.com example.com com"},
    {"a record at a skipped name is never found", "b.c.d.e.f.g.example.com p=reject",
        "a.b.c.d.e.f.g.example.com", "a.b.c.d.e.f.g.example.com", "",
        "a.b.c.d.e.f.g.example.com c.d.e.f.g.example.com d.e.f.g.example.com e.f.g.example.com "
        "f.g.example.com g.example.com example.com com"},
    {"one below a suffix, at a skipped name", "c.d.e.f.g.example.com psd=y; p=none",
        "a.b.c.d.e.f.g.example.com", "b.c.d.e.f.g.example.com", "c.d.e.f.g.example.com",
        "a.b.c.d.e.f.g.example.com c.d.e.f.g.example.com"},
    /* which names are found, and what ends the walk */
    {"psd=u counts as absent psd", "example.com psd=u; p=none", "a.example.com", "example.com",
        "example.com", "a.example.com example.com com"},
    {"an invalid psd counts as u", "a.example.com psd=x; p=none | example.com p=none",
        "a.example.com", "example.com", "a.example.com", "a.example.com example.com com"},
    {"the top level counts", "com p=none | example.com p=none", "a.example.com", "com", "com",
        "a.example.com example.com com"},
    {"psd=y at the start", "example.com psd=y; p=none", "example.com", "example.com", "example.com",
        "example.com"},
    {"psd=n at the start", "example.com psd=n; p=none | com p=none", "example.com", "example.com",
        "example.com", "example.com"},
    {"a suffix right above", "com psd=y; p=none", "example.com", "example.com", "com",
        "example.com com"},
    {"a suffix above, a record too deep to count", "com psd=y; p=none | b.example.com p=reject",
        "a.b.example.com", "example.com", "com", "a.b.example.com b.example.com example.com com"},
    {"nothing above a suffix is asked", "example.com psd=y; p=none | com psd=n; p=none",
        "a.example.com", "a.example.com", "example.com", "a.example.com example.com"},
    {"records between give no policy", "b.example.com p=reject | example.com p=none",
        "a.b.example.com", "example.com", "example.com",
        "a.b.example.com b.example.com example.com com"},
    {"several records are none, the walk goes on",
        "a.example.com p=none | a.example.com p=none | "
        "example.com p=none",
        "a.example.com", "example.com", "example.com", "a.example.com example.com com"},
    {"several records, one with psd", "example.com psd=y; p=none | example.com p=none | com p=none",
        "a.example.com", "com", "com", "a.example.com example.com com"},
    {"several records, the last one with psd",
        "example.com p=none | example.com psd=n; p=none | com p=none", "a.example.com", "com",
        "com", "a.example.com example.com com"},
    {"foreign records beside do not count",
        "example.com 'v=spf1 -all | example.com p=none | "
        "example.com 'v=DMARC2; p=none",
        "example.com", "example.com", "example.com", "example.com com"},
    {"only foreign records", "example.com 'v=spf1 -all | com ' v=DMARC1", "example.com",
        "example.com", "", "example.com com"},
    {"a record without p counts for the walk", "example.com adkim=r", "a.example.com",
        "example.com", "example.com", "a.example.com example.com com"},
    {"a record with a wrong p counts too", "example.com p=x; psd=n", "a.example.com", "example.com",
        "example.com", "a.example.com example.com"},
    {"case means nothing", "EXAMPLE.com p=none", "A.Example.COM", "Example.COM", "Example.COM",
        "A.Example.COM Example.COM COM"},
    /* what breaks it off */
    {"an error at the start", "example.com ~ | com p=none", "example.com", "!DNS failure", "",
        "example.com"},
    {"an error above", "a.example.com p=none | example.com ~", "a.example.com", "!DNS failure", "",
        "a.example.com example.com"},
    {"an error above what ended the walk", "a.example.com psd=n; p=none | example.com ~",
        "a.example.com", "a.example.com", "a.example.com", "a.example.com"},
    /* what no domain ever is, yet costs nothing worse */
    {"empty labels", "b p=none", "a..b", "b", "b", "a..b .b b"},
    {"a long name that cannot be asked for with _dmarc", "",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa."
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa."
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa."
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.com",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa."
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa."
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa."
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.com",
        "", NULL},
};

static void table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        am_arena *a = am_arena_new(0);
        am_dns_session *s = zone(a, cases[i].zone);
        am_context c = {.arena = a, .dns = s};
        am_dmarc_walk w;
        am_dmarc_walk_begin(&w, a, NULL, am_str_of(cases[i].start));
        bool done = am_dmarc_walk_finish(&w, &c);
        if (cases[i].org[0] == '!') {
            want_int(cases[i].name, done, false);
            want_str(cases[i].name, am_str_of(w.error), cases[i].org + 1);
        } else {
            const am_dmarc_found *f = am_dmarc_walk_policy(&w);
            want_int(cases[i].name, done, true);
            want_str(cases[i].name, am_dmarc_walk_org(&w), cases[i].org);
            want_str(cases[i].name, f ? f->domain : AM_STR(""), cases[i].policy);
        }
        if (cases[i].asked)
            want_str(cases[i].name, zone_asked(a, s), cases[i].asked);
        assert_true(fake_dns_waited(s) <= AM_DMARC_QUERIES);
        am_dns_end(s);
        am_arena_free(a);
    }
}

/* Everything that a walk could need is asked for before anything is waited for. */
static void starts_all(void **state)
{
    (void)state;
    static const struct {
        const char *domain;
        unsigned want; /* with the existence test of the domain, where it has a parent */
    } t[] = {{"com", 1}, {"example.com", 3}, {LONG, 9}, {"", 0}};
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        am_arena *a = am_arena_new(0);
        am_dns_session *s = zone(a, "example.com p=none");
        am_context c = {.arena = a, .dns = s};
        am_dmarc_start(&c, &(am_dmarc_options){0}, am_str_of(t[i].domain));
        want_int(t[i].domain, fake_dns_started(s), t[i].want);
        want_int(t[i].domain, fake_dns_waited(s), 0);
        am_dns_end(s);
        am_arena_free(a);
    }
}

/* ---- RFC 7489's way ---- */

static void listed(void **state)
{
    (void)state;
    static const struct {
        const char *name, *zone, *start, *org, *policy, *asked;
    } t[] = {
        {"own record", "a.example.com p=none | example.com p=none", "a.example.com", "example.com",
            "a.example.com", "a.example.com"},
        {"the organizational domain's", "b.example.co.uk p=none | example.co.uk p=none",
            "a.b.example.co.uk", "example.co.uk", "example.co.uk",
            "a.b.example.co.uk example.co.uk"},
        {"the suffix is not asked", "com p=none; psd=y", "example.com", "example.com", "",
            "example.com"},
        {"psd means nothing", "a.example.com p=none; psd=n", "a.example.com", "example.com",
            "a.example.com", "a.example.com"},
        {"several records end discovery",
            "a.example.com p=none | a.example.com p=none | "
            "example.com p=none",
            "a.example.com", "example.com", "", "a.example.com"},
        {"a suffix stands for itself", "co.uk p=none", "co.uk", "co.uk", "co.uk", "co.uk"},
        {"foreign records do not count", "a.example.com 'v=spf1 | example.com p=none",
            "a.example.com", "example.com", "example.com", "a.example.com example.com"},
    };
    am_error why = {""};
    am_psl *psl = am_psl_load(NULL, &why);
    if (!psl) {
        print_message("# skipped: %s\n", why.text);
        skip();
    }
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        am_arena *a = am_arena_new(0);
        am_dns_session *s = zone(a, t[i].zone);
        am_context c = {.arena = a, .dns = s};
        am_dmarc_walk w;
        am_dmarc_walk_begin(&w, a, psl, am_str_of(t[i].start));
        am_dmarc_walk_start(&w, &c);
        want_int(t[i].name, fake_dns_started(s), w.names);
        want_int(t[i].name, am_dmarc_walk_finish(&w, &c), true);
        const am_dmarc_found *f = am_dmarc_walk_policy(&w);
        want_str(t[i].name, am_dmarc_walk_org(&w), t[i].org);
        want_str(t[i].name, f ? f->domain : AM_STR(""), t[i].policy);
        want_str(t[i].name, zone_asked(a, s), t[i].asked);
        am_dns_end(s);
        am_arena_free(a);
    }
    am_psl_free(psl);
}

static void lists_from_files(void **state)
{
    (void)state;
    am_error why = {""};
    assert_null(am_psl_load("/nonexistent/list", &why));
    assert_non_null(strstr(why.text, "/nonexistent/list"));
    char path[] = "/tmp/dmarc_walk.XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    FILE *f = fdopen(fd, "w");
    assert_non_null(f);
    fputs("// ===BEGIN ICANN DOMAINS===\ncom\nb.example.com\n// ===END ICANN DOMAINS===\n", f);
    fclose(f);
    am_psl *psl = am_psl_load(path, &why);
    assert_non_null(psl);
    am_arena *a = am_arena_new(0);
    am_str org;
    assert_true(am_psl_org_domain(psl, a, AM_STR("x.y.example.com"), &org));
    want_str("file", org, "example.com");
    assert_true(am_psl_org_domain(psl, a, AM_STR("x.y.b.example.com"), &org));
    want_str("file", org, "y.b.example.com");
    assert_false(am_psl_org_domain(psl, a, AM_STR("b.example.com"), &org));
    assert_false(am_psl_org_domain(psl, a, AM_STR(""), &org));
    am_arena_free(a);
    am_psl_free(psl);
    f = fopen(path, "w"); /* empty: no list */
    assert_non_null(f);
    fclose(f);
    assert_null(am_psl_load(path, &why));
    remove(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table),
        cmocka_unit_test(starts_all),
        cmocka_unit_test(listed),
        cmocka_unit_test(lists_from_files),
    };
    return cmocka_run_group_tests_name("dmarc_walk", tests, NULL, NULL);
}
