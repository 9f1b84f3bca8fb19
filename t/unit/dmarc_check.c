/* dmarc/check: alignment, policy, errors; and the questions that each verdict costs. */
#include "t/unit/dmarc_zone.h"

#include "libauth/dmarc/dmarc.h"

enum { MAX_IDS = 20 };

/* ids: "spf pass DOMAIN, dkim fail DOMAIN". want: result, policy, what is
 * requested, Organizational Domain, where the record is ("-": absent), then "spf",
 * "dkim" where aligned, "testing", "+" for secure, "(reason)". */
typedef struct row {
    const char *name, *zone, *author, *ids, *want, *asked;
} row;

#define B41 "example.com p=reject | signing.example.com p=none"
#define B42 "example.com p=reject | signing.example.com p=reject"
#define B43 "bank.example psd=y; p=reject | giant.bank.example p=quarantine"
#define LONG "a.b.c.d.e.f.g.h.i.j.k.example.com"
#define LONG_WALK                                                                                  \
    LONG " g.h.i.j.k.example.com h.i.j.k.example.com i.j.k.example.com j.k.example.com "           \
         "k.example.com example.com com"
#define SUB "b.example.com"
#define SUB_WALK "b.example.com example.com com"
#define RUA "; rua=mailto:a@example.com"

static const row cases[] = {
    /* ---- appendix B.4 ---- */
    {"B.4.1", B41, "example.com", "spf pass example.com, dkim pass signing.example.com",
        "pass reject none example.com example.com spf dkim", "example.com com signing.example.com"},
    {"B.4.1, SPF alone", B41, "example.com", "spf pass example.com, dkim fail signing.example.com",
        "pass reject none example.com example.com spf", "example.com"},
    {"B.4.1, DKIM alone", B41, "example.com", "dkim pass signing.example.com",
        "pass reject none example.com example.com dkim", "example.com com signing.example.com"},
    {"B.4.1, neither", B41, "example.com", "spf fail example.com, dkim fail signing.example.com",
        "fail reject reject example.com example.com", "example.com com"},
    {"B.4.2", B42, LONG, "spf pass example.com, dkim pass signing.example.com",
        "pass reject none example.com example.com spf dkim", LONG_WALK " signing.example.com"},
    {"B.4.2, neither", B42, LONG, "spf softfail example.com, dkim permerror signing.example.com",
        "fail reject reject example.com example.com", LONG_WALK},
    {"B.4.3", B43, "giant.bank.example",
        "spf pass mail.giant.bank.example, dkim pass mail.mega.bank.example",
        "pass quarantine none giant.bank.example giant.bank.example spf",
        "giant.bank.example bank.example mail.giant.bank.example"},
    {"B.4.3, the signer alone", B43, "giant.bank.example", "dkim pass mail.mega.bank.example",
        "fail quarantine quarantine giant.bank.example giant.bank.example",
        "giant.bank.example bank.example"},
    {"B.4.3 from mega", B43, "mega.bank.example", "dkim pass mail.mega.bank.example",
        "pass reject none mega.bank.example bank.example dkim",
        "mega.bank.example bank.example mail.mega.bank.example"},
    {"B.4.3 from mega, signed by giant", B43, "mega.bank.example", "dkim pass giant.bank.example",
        "fail reject reject mega.bank.example bank.example", "mega.bank.example bank.example"},

    /* ---- which record, and p, sp or np of it ---- */
    {"no record", "", SUB, "spf pass b.example.com",
        "none - none b.example.com - (no DMARC record)", SUB_WALK},
    {"own record, equal names: no walk", "b.example.com p=none; sp=reject; np=reject", SUB,
        "spf pass b.example.com, dkim pass b.example.com",
        "pass none none b.example.com b.example.com spf dkim", "b.example.com"},
    {"own record: p", "b.example.com p=quarantine; sp=reject; np=reject", SUB, "",
        "fail quarantine quarantine b.example.com b.example.com", SUB_WALK},
    {"parent's record: sp", "example.com p=reject; sp=quarantine", SUB, "",
        "fail quarantine quarantine example.com example.com", SUB_WALK},
    {"parent's record without sp: p", "example.com p=reject", SUB, "",
        "fail reject reject example.com example.com", SUB_WALK},
    {"np, and the domain does not exist", "example.com p=none; sp=quarantine; np=reject", SUB, "",
        "fail reject reject example.com example.com", SUB_WALK " TXT b.example.com"},
    {"np, and the domain exists", "example.com p=none; sp=quarantine; np=reject | =b.example.com",
        SUB, "", "fail quarantine quarantine example.com example.com",
        SUB_WALK " TXT b.example.com"},
    {"np, and something below the domain exists",
        "example.com p=none; np=reject | =x.b.example.com", SUB, "",
        "fail none none example.com example.com", SUB_WALK " TXT b.example.com"},
    {"np, and _dmarc of the domain exists: no question",
        "example.com p=none; np=reject | =_dmarc.b.example.com", SUB, "",
        "fail none none example.com example.com", SUB_WALK},
    {"np, and the domain has several records",
        "example.com p=none; np=reject | "
        "b.example.com p=reject | b.example.com p=reject",
        SUB, "", "fail none none example.com example.com", SUB_WALK},
    {"np, and the test fails: sp", "example.com p=none; np=reject | =b.example.com ~", SUB, "",
        "fail none none example.com example.com", SUB_WALK " TXT b.example.com"},
    {"np equal to sp: no question", "example.com p=none; sp=reject; np=reject", SUB, "",
        "fail reject reject example.com example.com", SUB_WALK},
    {"np alone, equal to p: no question", "example.com p=reject; np=reject", SUB, "",
        "fail reject reject example.com example.com", SUB_WALK},
    {"np below sp", "example.com p=reject; np=none", SUB, "",
        "fail none none example.com example.com", SUB_WALK " TXT b.example.com"},
    {"np on a pass", "example.com p=none; np=reject", SUB, "spf pass example.com",
        "pass reject none example.com example.com spf", SUB_WALK " TXT b.example.com"},
    {"np of a public suffix", "com psd=y; p=none; np=reject", "example.com", "",
        "fail reject reject example.com com", "example.com com TXT example.com"},
    {"records between do not give the policy",
        "x.example.com p=reject; sp=reject | example.com p=none", "a.x.example.com", "",
        "fail none none example.com example.com", "a.x.example.com x.example.com example.com com"},
    {"the public suffix where the organization has none", "com psd=y; p=reject; sp=quarantine", SUB,
        "", "fail quarantine quarantine example.com com", SUB_WALK},
    {"not the public suffix where the organization has one",
        "com psd=y; p=reject; rua=mailto:a@com | example.com p=none", SUB, "",
        "fail none none example.com example.com", SUB_WALK},
    {"one label", "com p=reject", "com", "spf pass com", "pass reject none com com spf", "com"},
    {"pct means nothing", "example.com p=reject; pct=0", "example.com", "",
        "fail reject reject example.com example.com", "example.com com"},
    {"t steps down from reject", "example.com p=reject; t=y", "example.com", "",
        "fail reject quarantine example.com example.com testing", "example.com com"},
    {"t steps down from quarantine", "example.com p=quarantine; t=y", "example.com", "",
        "fail quarantine none example.com example.com testing", "example.com com"},
    {"t leaves none", "example.com p=none; t=y", "example.com", "",
        "fail none none example.com example.com testing", "example.com com"},
    {"t on a pass", "example.com p=reject; t=y", "example.com", "spf pass example.com",
        "pass reject none example.com example.com spf testing", "example.com"},
    {"t goes with sp", "example.com p=none; sp=reject; t=y", SUB, "",
        "fail reject quarantine example.com example.com testing", SUB_WALK},

    /* ---- invalid p, sp or np ---- */
    {"wrong p", "example.com p=x", "example.com", "spf pass example.com",
        "none - none - - (unusable policy value)", "example.com"},
    {"wrong p with rua", "example.com p=x; sp=reject" RUA, "example.com", "",
        "fail none none example.com example.com", "example.com com"},
    {"wrong p with a wrong rua", "example.com p=x; rua=a@example.com", "example.com", "",
        "none - none - - (unusable policy value)", "example.com"},
    {"wrong sp, at the domain itself", "example.com p=reject; sp=x", "example.com", "",
        "none - none - - (unusable policy value)", "example.com"},
    {"wrong sp with rua: p=none too", "example.com p=reject; sp=x" RUA, "example.com", "",
        "fail none none example.com example.com", "example.com com"},
    {"no p, with rua: sp goes too", "example.com sp=reject" RUA, SUB, "",
        "fail none none example.com example.com", SUB_WALK},
    {"wrong np with rua: sp goes too", "example.com p=reject; sp=reject; np=x" RUA, SUB, "",
        "fail none none example.com example.com", SUB_WALK},
    {"wrong np of the parent", "example.com p=reject; np=x", SUB, "spf pass b.example.com",
        "none - none example.com - (unusable policy value)", SUB_WALK},
    {"no p", "com psd=y", "example.com", "spf pass example.com",
        "none - none example.com - (record without a policy)", "example.com com"},
    {"no p, with rua", "example.com adkim=r" RUA, "example.com", "",
        "fail none none example.com example.com", "example.com com"},
    {"an unusable own record is not replaced by the parent's",
        "b.example.com p=x | example.com p=reject", SUB, "",
        "none - none - - (unusable policy value)", "b.example.com"},

    /* ---- alignment ---- */
    {"a parent aligns", "example.com p=reject", SUB, "spf pass example.com",
        "pass reject none example.com example.com spf", SUB_WALK},
    {"a sibling aligns", "example.com p=reject", SUB, "dkim pass c.example.com",
        "pass reject none example.com example.com dkim", SUB_WALK " c.example.com"},
    {"a sibling that is its own organization does not",
        "example.com p=reject | c.example.com psd=n; p=none", SUB, "dkim pass c.example.com",
        "fail reject reject example.com example.com", SUB_WALK " c.example.com"},
    {"nor does a parent of an own organization",
        "example.com p=none | b.example.com psd=n; p=reject", SUB, "spf pass example.com",
        "fail reject reject b.example.com b.example.com", "b.example.com"},
    {"without records a child does not align with its parent", "b.example.com p=reject", SUB,
        "dkim pass example.com", "fail reject reject b.example.com b.example.com", SUB_WALK},
    {"other domains cost nothing", "example.com p=reject", "example.com",
        "spf pass example.net, dkim pass other.com, dkim pass xexample.com, dkim pass com",
        "fail reject reject example.com example.com", "example.com com"},
    {"strict: equal", "b.example.com p=reject; adkim=s; aspf=s", SUB,
        "spf pass b.example.com, dkim pass b.example.com",
        "pass reject none b.example.com b.example.com spf dkim", "b.example.com"},
    {"strict: the identifiers are not walked, the author is for the reader",
        "example.com p=reject; adkim=s; aspf=s", "example.com",
        "spf pass b.example.com, dkim pass b.example.com",
        "fail reject reject example.com example.com", "example.com com"},
    {"strict for DKIM alone", "example.com p=reject; adkim=s", "example.com",
        "spf pass b.example.com, dkim pass b.example.com",
        "pass reject none example.com example.com spf", "example.com com b.example.com"},
    {"strict for SPF alone", "example.com p=reject; aspf=s", "example.com",
        "spf pass b.example.com, dkim pass b.example.com",
        "pass reject none example.com example.com dkim", "example.com com b.example.com"},
    {"the mode is that of the record that applies, not of the identifier's",
        "example.com p=reject | c.example.com p=none; adkim=s", SUB, "dkim pass c.example.com",
        "pass reject none example.com example.com dkim", SUB_WALK " c.example.com"},
    {"nor of the organization, where the author has a record",
        "example.com p=none; adkim=s | b.example.com p=reject", SUB, "dkim pass c.example.com",
        "pass reject none example.com b.example.com dkim", SUB_WALK " c.example.com"},
    {"one aligned signature of many", "example.com p=reject", "example.com",
        "dkim pass example.net, dkim fail example.com, dkim pass a.example.com, dkim pass "
        "example.org",
        "pass reject none example.com example.com dkim", "example.com com a.example.com"},
    {"an equal name spares the others' walks", "example.com p=reject", "example.com",
        "dkim pass a.example.com, dkim pass example.com",
        "pass reject none example.com example.com dkim", "example.com com"},
    {"only pass aligns", "example.com p=reject", "example.com",
        "spf none example.com, spf neutral example.com, spf policy example.com, spf softfail "
        "example.com, spf fail example.com, spf permerror example.com",
        "fail reject reject example.com example.com", "example.com com"},
    {"case means nothing", "example.com p=reject", "example.com", "spf pass B.Example.COM",
        "pass reject none example.com example.com spf", "example.com com B.Example.COM"},
    {"no domain", "example.com p=reject", "example.com", "dkim pass , dkim temperror ",
        "fail reject reject example.com example.com", "example.com com"},

    /* ---- errors ---- */
    {"the author's record", "example.com ~", "example.com", "spf pass example.com",
        "temperror - none - - (DNS failure)", "example.com"},
    {"a parent's record", "b.example.com 'x | example.com ~ | com p=reject", SUB,
        "spf pass b.example.com", "temperror - none - - (DNS failure)",
        "b.example.com example.com"},
    {"above the author's record, equal names", "example.com p=reject | com ~", "example.com",
        "spf pass example.com", "pass reject none example.com example.com spf", "example.com"},
    {"above the author's record, one equal, one not", "example.com p=reject | com ~", "example.com",
        "spf pass example.com, dkim pass a.example.com", "pass reject none - example.com spf",
        "example.com com"},
    {"above the author's record, relaxed", "example.com p=reject | com ~", "example.com",
        "dkim pass a.example.com", "temperror reject none - example.com (DNS failure)",
        "example.com com"},
    {"above the author's record, nothing passed", "example.com p=reject | com ~", "example.com",
        "spf fail example.com", "fail reject reject - example.com", "example.com com"},
    {"above the author's record, nothing that could align", "example.com p=reject | com ~",
        "example.com", "spf pass example.net", "fail reject reject - example.com",
        "example.com com"},
    {"above the author's record, strict", "example.com p=reject; adkim=s; aspf=s | com ~",
        "example.com", "spf pass a.example.com", "fail reject reject - example.com",
        "example.com com"},
    {"an identifier's record", "example.com p=reject | a.example.com ~", "example.com",
        "dkim pass a.example.com", "temperror reject none example.com example.com (DNS failure)",
        "example.com com a.example.com"},
    {"an identifier's record, another aligns", "example.com p=reject | a.example.com ~",
        "example.com", "dkim pass a.example.com, dkim pass b.example.com",
        "pass reject none example.com example.com dkim",
        "example.com com a.example.com b.example.com"},
    {"an identifier's record, another does not align", "example.com p=reject | a.example.com ~",
        "example.com", "dkim pass a.example.com, spf pass example.net",
        "temperror reject none example.com example.com (DNS failure)",
        "example.com com a.example.com"},
    {"SPF temperror of an equal name", "example.com p=reject", "example.com",
        "spf temperror example.com",
        "temperror reject none example.com example.com (SPF or DKIM temperror)", "example.com com"},
    {"SPF temperror, another domain", "example.com p=reject", "example.com",
        "spf temperror example.net", "fail reject reject example.com example.com",
        "example.com com"},
    {"SPF temperror, DKIM aligned", "example.com p=reject", "example.com",
        "spf temperror example.com, dkim pass example.com",
        "pass reject none example.com example.com dkim", "example.com"},
    {"DKIM temperror of a subdomain", "example.com p=reject", "example.com",
        "dkim temperror a.example.com, spf fail example.com",
        "temperror reject none example.com example.com (SPF or DKIM temperror)",
        "example.com com a.example.com"},
    {"DKIM temperror of a subdomain, strict", "example.com p=reject; adkim=s", "example.com",
        "dkim temperror a.example.com", "fail reject reject example.com example.com",
        "example.com com"},
    {"DKIM temperror of a subdomain that is its own organization",
        "example.com p=reject | a.example.com psd=n; p=none", "example.com",
        "dkim temperror a.example.com", "fail reject reject example.com example.com",
        "example.com com a.example.com"},
    {"DKIM temperror of a subdomain with a DNS failure", "example.com p=reject | a.example.com ~",
        "example.com", "dkim temperror a.example.com",
        "temperror reject none example.com example.com (SPF or DKIM temperror)",
        "example.com com a.example.com"},
    {"SPF temperror without a record", "", "example.com", "spf temperror example.com",
        "none - none example.com - (no DMARC record)", "example.com com"},

    /* ---- secure ---- */
    {"all answers secure", "+example.com p=reject | +com 'x | +b.example.com 'x", SUB,
        "spf pass example.com", "pass reject none example.com example.com spf +", SUB_WALK},
    {"one is not", "+example.com p=reject | com 'x | +b.example.com 'x", SUB,
        "spf pass example.com", "pass reject none example.com example.com spf", SUB_WALK},
    {"an identifier's is not", "+example.com p=reject | +com 'x | b.example.com 'x", "example.com",
        "spf pass b.example.com", "pass reject none example.com example.com spf",
        "example.com com b.example.com"},
    {"what the verdict does not need does not count", "+example.com p=reject", "example.com", "",
        "fail reject reject example.com example.com +", "example.com com"},
};

static size_t ids_of(am_arena *a, const char *text, am_dmarc_id *id)
{
    size_t n = 0;
    for (am_str rest = am_str_of(text); rest.n; n++) {
        size_t comma = am_str_find(rest, ',');
        char *one = am_arena_copy(a, rest.p, comma), *save = NULL;
        rest = am_str_cut(rest, comma + 1, rest.n);
        assert_true(one && n < MAX_IDS);
        const char *method = strtok_r(one, " ", &save), *word = strtok_r(NULL, " ", &save),
                   *domain = strtok_r(NULL, " ", &save);
        id[n].method = strcmp(method, "spf") == 0 ? AM_DMARC_SPF : AM_DMARC_DKIM;
        id[n].domain = am_str_of(domain);
        for (id[n].result = AM_NONE; strcmp(am_result_word(id[n].result), word) != 0;)
            id[n].result++;
    }
    return n;
}

static am_str text_of(am_arena *a, const am_dmarc_verdict *v)
{
    am_buf b = {.arena = a};
    am_buf_format(&b, "%s %s %s %.*s %.*s", am_result_word(v->result),
        v->has_policy ? am_dmarc_policy_word(v->policy) : "-", am_dmarc_policy_word(v->requested),
        AM_ARG(v->org_domain.n ? v->org_domain : AM_STR("-")),
        AM_ARG(v->policy_domain.n ? v->policy_domain : AM_STR("-")));
    am_buf_cstr(&b, v->spf_aligned ? " spf" : "");
    am_buf_cstr(&b, v->dkim_aligned ? " dkim" : "");
    am_buf_cstr(&b, v->testing ? " testing" : "");
    am_buf_cstr(&b, v->secure ? " +" : "");
    if (*v->reason)
        am_buf_format(&b, " (%s)", v->reason);
    return am_buf_get(&b);
}

static am_author author_of(const char *domain)
{
    return (am_author){
        .status = AM_AUTHOR_ONE, .mailbox = {AM_STR("someone"), am_str_of(domain)}, .reason = ""};
}

static void run(const row *r, const am_dmarc_options *o, bool early)
{
    am_arena *a = am_arena_new(0);
    am_dns_session *s = zone(a, r->zone);
    am_trace trace = {.arena = a};
    am_context c = {.arena = a, .dns = s, .trace = &trace};
    am_dmarc_id id[MAX_IDS];
    size_t n = ids_of(a, r->ids, id);
    am_author author = author_of(r->author);
    if (early)
        am_dmarc_start(&c, o, author.mailbox.domain);
    am_dmarc_verdict v = am_dmarc_check(&c, o, &author, id, n);
    want_str(r->name, text_of(a, &v), r->want);
    want_str(r->name, v.domain, r->author);
    want_str(r->name, zone_asked(a, s), r->asked);
    want_int(r->name, v.from_malformed, false);
    want_int(r->name, trace.n > 0, true);
    am_dns_end(s);
    am_arena_free(a);
}

/* Asked early or not, the verdict and what it waits for are the same. */
static void table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int early = 0; early < 2; early++)
            run(&cases[i], &(am_dmarc_options){0}, early);
}

static void listed(void **state)
{
    (void)state;
    static const row t[] = {
        {"a sibling aligns, whatever has records", "b.example.com p=reject", SUB,
            "dkim pass c.example.com", "pass reject none example.com b.example.com dkim",
            "b.example.com"},
        {"psd=n means nothing", "b.example.com p=reject; psd=n", SUB, "spf pass example.com",
            "pass reject none example.com b.example.com spf", "b.example.com"},
        {"another customer of a suffix", "example.co.uk p=reject", "example.co.uk",
            "spf pass other.co.uk, dkim pass co.uk",
            "fail reject reject example.co.uk example.co.uk", "example.co.uk"},
        {"the organization's sp", "example.co.uk p=none; sp=reject", "a.b.example.co.uk", "",
            "fail reject reject example.co.uk example.co.uk", "a.b.example.co.uk example.co.uk"},
        {"np", "example.com p=none; np=reject", SUB, "",
            "fail reject reject example.com example.com",
            "b.example.com example.com TXT b.example.com"},
        {"several records", "b.example.com p=reject | b.example.com p=reject | example.com p=none",
            SUB, "", "none - none example.com - (no DMARC record)", "b.example.com"},
        {"an error", "b.example.com 'x | example.com ~", SUB, "spf pass b.example.com",
            "temperror - none - - (DNS failure)", "b.example.com example.com"},
        {"strict", "b.example.com p=reject; aspf=s", SUB, "spf pass example.com",
            "fail reject reject example.com b.example.com", "b.example.com"},
    };
    am_error why = {""};
    am_psl *psl = am_psl_load(NULL, &why);
    if (!psl) {
        print_message("# skipped: %s\n", why.text);
        skip();
    }
    for (size_t i = 0; i < sizeof t / sizeof *t; i++)
        run(&t[i], &(am_dmarc_options){.psl = psl}, i % 2);
    am_psl_free(psl);
}

/* Names of one kind are walked once; beyond the cap they do not align. */
static void walks_are_bounded(void **state)
{
    (void)state;
    static const row once = {"once", "example.com p=reject | a.example.com psd=n; p=none",
        "example.com", "dkim pass a.example.com, dkim pass A.example.com, spf pass a.example.com",
        "fail reject reject example.com example.com", "example.com com a.example.com"};
    run(&once, &(am_dmarc_options){.max_walks = 1}, false);
#define OWN(x) " | " x ".example.com psd=n; p=none"
    static const char many[] = "example.com p=reject" OWN("a") OWN("b") OWN("c") OWN("d");
    static const char ids[] = "dkim pass a.example.com, dkim pass b.example.com, dkim pass "
                              "c.example.com, dkim pass d.example.com, dkim pass e.example.com";
    static const row within = {"within", many, "example.com", ids,
        "pass reject none example.com example.com dkim",
        "example.com com a.example.com b.example.com c.example.com d.example.com e.example.com"};
    static const row beyond = {"beyond", many, "example.com", ids,
        "fail reject reject example.com example.com (too many identifiers)",
        "example.com com a.example.com b.example.com c.example.com d.example.com"};
    run(&within, &(am_dmarc_options){0}, false);
    run(&within, &(am_dmarc_options){.max_walks = 5}, false);
    run(&beyond, &(am_dmarc_options){.max_walks = 4}, false);
}

/* The names of an identifier's walk are asked for before the first is waited for. */
static void asks_at_once(void **state)
{
    (void)state;
    am_arena *a = am_arena_new(0);
    am_dns_session *s = zone(a, "example.com p=reject | x.y.z.example.com ~");
    am_context c = {.arena = a, .dns = s};
    am_author author = author_of("example.com");
    am_dmarc_id id = {AM_DMARC_DKIM, AM_STR("x.y.z.example.com"), AM_PASS};
    am_dmarc_check(&c, &(am_dmarc_options){0}, &author, &id, 1);
    assert_int_equal(fake_dns_started(s), 5);
    want_str("asked", zone_asked(a, s), "example.com com x.y.z.example.com");
    am_dns_end(s);
    am_arena_free(a);
}

static void without_author(void **state)
{
    (void)state;
    static const struct {
        am_author author;
        const char *want;
        bool malformed;
    } t[] = {
        {{.status = AM_AUTHOR_BAD, .reason = "several From fields"},
            "permerror - reject - - (several From fields)", true},
        {{.status = AM_AUTHOR_BAD, .reason = "no From field"},
            "permerror - reject - - (no From field)", true},
        {{.status = AM_AUTHOR_ONE, .reason = ""}, "none - none - - (no author domain)", false},
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        am_arena *a = am_arena_new(0);
        am_dns_session *s = zone(a, "example.com p=none");
        am_context c = {.arena = a, .dns = s};
        am_dmarc_id id = {AM_DMARC_SPF, AM_STR("example.com"), AM_PASS};
        am_dmarc_start(&c, &(am_dmarc_options){0}, t[i].author.mailbox.domain);
        am_dmarc_verdict v = am_dmarc_check(&c, &(am_dmarc_options){0}, &t[i].author, &id, 1);
        want_str(t[i].want, text_of(a, &v), t[i].want);
        want_int(t[i].want, v.from_malformed, t[i].malformed);
        assert_null(v.domain.p);
        assert_int_equal(fake_dns_waited(s) + fake_dns_started(s), 0);
        am_dns_end(s);
        am_arena_free(a);
    }
}

/* What the reports need stays when the DNS answers are gone. */
static void published(void **state)
{
    (void)state;
    am_arena *a = am_arena_new(0), *dns = am_arena_new(0);
    am_dns_session *s = zone(dns, "example.com p=reject; sp=none; adkim=s; t=y; psd=n; fo=1:d; "
                                  "rua=mailto:a@example.com!1m,mailto:b@example.com; "
                                  "ruf=mailto:c@example.com");
    am_context c = {.arena = a, .dns = s};
    am_author author = author_of("example.com");
    am_dmarc_verdict v = am_dmarc_check(&c, &(am_dmarc_options){0}, &author, NULL, 0);
    am_dns_end(s);
    am_arena_free(dns);
    assert_true(v.record.has_p && v.record.has_sp && !v.record.has_np);
    assert_int_equal(v.record.p, AM_DMARC_REJECT);
    assert_int_equal(v.record.sp, AM_DMARC_NONE);
    assert_int_equal(v.record.np, AM_DMARC_NONE);
    assert_true(v.record.strict_dkim && !v.record.strict_spf && v.testing);
    assert_int_equal(v.record.psd, 'n');
    want_str("fo", v.record.fo, "1:d");
    want_str("rua", v.record.rua, "mailto:a@example.com!1m,mailto:b@example.com");
    want_str("ruf", v.record.ruf, "mailto:c@example.com");
    am_arena_free(a);
}

/* Every decision can be read afterwards, each with its section. */
static void explains(void **state)
{
    (void)state;
    am_arena *a = am_arena_new(0);
    am_dns_session *s = zone(a, "example.com p=reject; t=y");
    am_trace trace = {.arena = a};
    am_context c = {.arena = a, .dns = s, .trace = &trace};
    am_author author = author_of(SUB);
    am_dmarc_id id = {AM_DMARC_DKIM, AM_STR("c.example.com"), AM_PASS};
    am_dmarc_check(&c, &(am_dmarc_options){0}, &author, &id, 1);
    am_buf b = {.arena = a};
    for (const am_step *t = trace.first; t; t = t->next) {
        assert_string_equal(t->step, "dmarc");
        am_buf_format(&b, "%s %.*s: %.*s\n", t->rfc, AM_ARG(t->question), AM_ARG(t->answer));
    }
    want_str("trace", am_buf_get(&b),
        "9989 4.10.1 b.example.com: policy reject of example.com, testing\n"
        "9989 4.10.2 b.example.com: Organizational Domain example.com\n"
        "9989 4.10.2 c.example.com: Organizational Domain example.com\n"
        "9989 4.4.1 c.example.com: aligned (relaxed)\n"
        "9989 5.3.5 b.example.com: pass\n");
    am_dns_end(s);
    am_arena_free(a);
}

/* An exhausted arena is temperror at whatever point, and never a pass. */
static void no_memory(void **state)
{
    (void)state;
    unsigned errors = 0, passes = 0;
    for (size_t cap = 1; cap < 1200; cap++) {
        am_arena *a = am_arena_new(0), *small = am_arena_new(cap);
        am_dns_session *s = zone(a, "example.com p=none; np=reject" RUA);
        am_context c = {.arena = small, .dns = s};
        am_author author = author_of(SUB);
        am_dmarc_id id[] = {{AM_DMARC_SPF, AM_STR("c.example.com"), AM_PASS},
            {AM_DMARC_DKIM, AM_STR("d.example.com"), AM_PASS}};
        am_dmarc_start(&c, &(am_dmarc_options){0}, author.mailbox.domain);
        am_dmarc_verdict v = am_dmarc_check(&c, &(am_dmarc_options){0}, &author, id, 2);
        if (v.result == AM_PASS && !am_arena_failed(small))
            passes++;
        else if (v.result == AM_TEMPERROR && strcmp(v.reason, "out of memory") == 0 &&
                 v.requested == AM_DMARC_NONE)
            errors++;
        else
            fail_msg("cap %zu: %s, %s", cap, am_result_word(v.result), v.reason);
        am_dns_end(s);
        am_arena_free(small);
        am_arena_free(a);
    }
    assert_true(errors > 200 && passes > 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table),
        cmocka_unit_test(listed),
        cmocka_unit_test(walks_are_bounded),
        cmocka_unit_test(asks_at_once),
        cmocka_unit_test(without_author),
        cmocka_unit_test(published),
        cmocka_unit_test(explains),
        cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests_name("dmarc_check", tests, NULL, NULL);
}
