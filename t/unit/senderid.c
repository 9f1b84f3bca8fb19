/* Sender ID, as history: PRA (RFC 4407), SUBMITTER (RFC 4405), scopes of check_host (RFC 4406). */
#include "t/unit/unit.h"

#include "libauth/ident/pra.h"
#include "libauth/ident/syntax.h"
#include "libauth/spf/record.h"
#include "libauth/spf/spf.h"
#include "t/unit/fakedns.h"

/* "Name: value" fields, one a line; a line that begins with a blank is a fold. */
static am_header header_of(am_arena *a, const char *text)
{
    am_header h = {.arena = a};
    am_str rest = am_str_of(text);
    while (rest.n) {
        size_t end = am_str_find(rest, '\n');
        while (end + 1 < rest.n && rest.p[end + 1] == ' ')
            end += 1 + am_str_find(am_str_cut(rest, end + 1, rest.n), '\n');
        am_str line = am_str_cut(rest, 0, end);
        size_t colon = am_str_find(line, ':');
        am_header_add(&h, am_str_cut(line, 0, colon), am_str_cut(line, colon + 1, line.n));
        rest = am_str_cut(rest, end + 1, rest.n);
    }
    return h;
}

static const struct {
    const char *what, *header, *want; /* "field address", or "- reason" */
} pra_cases[] = {
    /* step 4 */
    {"From", "From: Alice <alice@Example.com>\n", "from alice@example.com"},
    {"no From", "To: bob@example.org\n", "- no From field"},
    {"an empty header", "", "- no From field"},
    {"an empty From", "From:  \n", "- no From field"},
    {"an empty From is not there", "From: \nFrom: alice@example.com\n", "from alice@example.com"},
    {"a folded empty one too", "From: \n  \nFrom: alice@example.com\n", "from alice@example.com"},
    {"two From", "From: alice@example.com\nFrom: alice@example.com\n", "- several From fields"},
    {"names in any case", "FROM: alice@example.com\n", "from alice@example.com"},
    {"two authors", "From: alice@example.com, bob@example.com\n",
        "- the responsible field holds several mailboxes"},
    {"a group without members", "From: nobody:;\n", "- the responsible field holds no mailbox"},
    {"a group of one", "From: us: alice@example.com;\n", "from alice@example.com"},
    {"a literal", "From: alice@[192.0.2.1]\n", "- the responsible field holds no domain"},
    {"no domain", "From: alice\n", "- the responsible field is malformed"},
    {"malformed", "From: \"alice@example.com\n", "- the responsible field is malformed"},
    /* step 3 */
    {"Sender before From", "From: alice@example.com\nSender: bob@example.org\n",
        "sender bob@example.org"},
    {"an empty Sender", "From: alice@example.com\nSender: \t\n", "from alice@example.com"},
    {"an empty one and one", "Sender: \nSender: bob@example.org\nFrom: a@example.com\n",
        "sender bob@example.org"},
    {"two Sender", "Sender: a@example.com\nSender: b@example.com\nFrom: c@example.com\n",
        "- several Sender fields"},
    {"a malformed Sender is not passed over", "Sender: bob\nFrom: alice@example.com\n",
        "- the responsible field is malformed"},
    {"two mailboxes in Sender", "Sender: a@example.com, b@example.com\nFrom: c@example.com\n",
        "- the responsible field holds several mailboxes"},
    {"Sender without From", "Sender: bob@example.org\n", "sender bob@example.org"},
    /* step 2 */
    {"Resent-From", "Resent-From: r@example.org\nSender: s@example.com\nFrom: a@example.com\n",
        "resent-from r@example.org"},
    {"the first of two", "Resent-From: r1@example.org\nResent-From: r2@example.org\n",
        "resent-from r1@example.org"},
    {"the first is empty", "Resent-From: \nResent-From: r2@example.org\n",
        "resent-from r2@example.org"},
    {"an empty one alone", "Resent-From: \nFrom: a@example.com\n", "from a@example.com"},
    {"a malformed one is not passed over", "Resent-From: r\nFrom: a@example.com\n",
        "- the responsible field is malformed"},
    /* step 1 */
    {"Resent-Sender", "Resent-Sender: s@example.org\nFrom: a@example.com\n",
        "resent-sender s@example.org"},
    {"Resent-Sender goes before", "Resent-Sender: s@example.org\nResent-From: r@example.com\n",
        "resent-sender s@example.org"},
    {"Resent-From above, one block", "Resent-From: r@example.com\nResent-Sender: s@example.org\n",
        "resent-sender s@example.org"},
    {"Received between: two blocks",
        "Resent-From: r@example.com\nReceived: x\nResent-Sender: s@example.org\n",
        "resent-from r@example.com"},
    {"Return-Path between",
        "Resent-From: r@example.com\nRETURN-PATH: <x>\nResent-Sender: s@example.org\n",
        "resent-from r@example.com"},
    {"an empty Received between",
        "Resent-From: r@example.com\nReceived:\nResent-Sender: s@example.org\n",
        "resent-from r@example.com"},
    {"another field between",
        "Resent-From: r@example.com\nResent-Date: x\nResent-Sender: s@example.org\n",
        "resent-sender s@example.org"},
    {"Received above both",
        "Received: x\nResent-From: r@example.com\nResent-Sender: s@example.org\n",
        "resent-sender s@example.org"},
    {"Received below both",
        "Resent-From: r@example.com\nResent-Sender: s@example.org\nReceived: x\n",
        "resent-sender s@example.org"},
    {"an empty Resent-From above",
        "Resent-From: \nReceived: x\nResent-Sender: s@example.org\nResent-From: r@example.com\n",
        "resent-sender s@example.org"},
    {"an empty Resent-Sender", "Resent-Sender: \nResent-From: r@example.com\n",
        "resent-from r@example.com"},
    {"the second Resent-Sender counts where the first is empty",
        "Resent-Sender: \nResent-From: r@example.com\nReceived: x\nResent-Sender: s@example.org\n",
        "resent-from r@example.com"},
    {"any Resent-From above counts",
        "Resent-From: r@example.com\nReceived: x\nResent-From: q@example.com\n"
        "Resent-Sender: s@example.org\n",
        "resent-from r@example.com"},
    {"Resent-From below is of an older block",
        "Resent-Sender: s@example.org\nReceived: x\nResent-From: r@example.com\n",
        "resent-sender s@example.org"},
};

static am_str pra_text(am_arena *a, const am_pra *p)
{
    if (!p->found)
        return am_str_format(a, "- %s", p->reason);
    return am_str_format(
        a, "%s %.*s@%.*s", p->field, AM_ARG(p->mailbox.local), AM_ARG(p->mailbox.domain));
}

static void pra_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof pra_cases / sizeof *pra_cases; i++) {
        am_arena *a = am_arena_new(0);
        am_header h = header_of(a, pra_cases[i].header);
        am_pra p = am_pra_find(a, &h);
        want_str(pra_cases[i].what, pra_text(a, &p), pra_cases[i].want);
        want_int(pra_cases[i].what, p.mailbox.local.p != NULL, p.found);
        h.failed = true; /* whatever was cut off might decide */
        p = am_pra_find(a, &h);
        want_str(pra_cases[i].what, pra_text(a, &p), "- header not kept whole");
        am_arena_free(a);
    }
    unsigned none = 0, found = 0;
    for (size_t cap = 1; cap < 1000; cap += 7) {
        am_arena *a = am_arena_new(0), *small = am_arena_new(cap);
        am_header h = header_of(a, "From: alice@example.com\n");
        am_pra p = am_pra_find(small, &h);
        none += !p.found && strcmp(p.reason, "out of memory") == 0;
        found += p.found;
        am_arena_free(small);
        am_arena_free(a);
    }
    assert_int_equal(none + found, 143);
    assert_true(none > 5 && found > 5);
}

static void hostile_fields(void **state)
{
    (void)state;
    am_arena *a = am_arena_new(0);
    am_header h = {.arena = a};
    am_header_add(&h, AM_STR("Sender"), am_str_n(" a\0@example.com", 15));
    am_header_add(&h, AM_STR("From"), AM_STR("a@example.com"));
    am_pra p = am_pra_find(a, &h);
    want_str("NUL", pra_text(a, &p), "- the responsible field is malformed");
    am_header big = {.arena = a};
    am_buf b = {.arena = a};
    for (int i = 0; i < 200000; i++)
        am_buf_char(&b, i % 3 ? '(' : ',');
    am_header_add(&big, AM_STR("Resent-Sender"), am_buf_get(&b));
    p = am_pra_find(a, &big);
    want_str("long", pra_text(a, &p), "- the responsible field is malformed");
    am_header many = {.arena = a};
    for (int i = 0; i < 20000; i++)
        am_header_add(&many, AM_STR("Resent-From"), AM_STR(" "));
    p = am_pra_find(a, &many);
    want_str("many", pra_text(a, &p), "- no From field");
    am_arena_free(a);
}

/* ---- SUBMITTER ---- */

static void submitter_table(void **state)
{
    (void)state;
    static const struct {
        const char *value, *from;
        am_submitter_status want;
    } cases[] = {
        {NULL, "alice@example.com", AM_SUBMITTER_NONE},
        {NULL, NULL, AM_SUBMITTER_NONE},
        {"alice@example.com", "alice@example.com", AM_SUBMITTER_MATCH},
        {"alice@EXAMPLE.com", "alice@example.COM", AM_SUBMITTER_MATCH},
        {"a+2Bb+3D@example.com", "a+b=@example.com", AM_SUBMITTER_MATCH},
        {"alice@xn--bcher-kva.example",
            "alice@b\xc3\xbc"
            "cher.example",
            AM_SUBMITTER_MATCH},
        {"+22alice+22@example.com", "alice@example.com", AM_SUBMITTER_MATCH},
        {"alice@example.com", "\"alice\"@example.com", AM_SUBMITTER_MATCH},
        {"Alice@example.com", "alice@example.com", AM_SUBMITTER_MISMATCH},
        {"bob@example.com", "alice@example.com", AM_SUBMITTER_MISMATCH},
        {"alice@example.org", "alice@example.com", AM_SUBMITTER_MISMATCH},
        {"alice@[192.0.2.1]", "alice@example.com", AM_SUBMITTER_MISMATCH},
        {"alice@example.com", NULL, AM_SUBMITTER_NO_PRA},
        {"alice@[192.0.2.1]", "alice@[192.0.2.1]", AM_SUBMITTER_NO_PRA},
        {"", "alice@example.com", AM_SUBMITTER_MALFORMED},
        {"<>", "alice@example.com", AM_SUBMITTER_MALFORMED},
        {"<alice@example.com>", "alice@example.com", AM_SUBMITTER_MALFORMED},
        {"alice", "alice@example.com", AM_SUBMITTER_MALFORMED},
        {"a+2bb@example.com", "a+b@example.com", AM_SUBMITTER_MALFORMED},
        {"a=b@example.com", "a=b@example.com", AM_SUBMITTER_MALFORMED},
        {"alice@example.com+00", "alice@example.com", AM_SUBMITTER_MALFORMED},
        {"alice@example.com+0D+0A", "alice@example.com", AM_SUBMITTER_MALFORMED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        am_arena *a = am_arena_new(0);
        am_header h = {.arena = a};
        if (cases[i].from)
            am_header_add(&h, AM_STR("From"), am_str_of(cases[i].from));
        am_pra p = am_pra_find(a, &h);
        am_submitter s = am_submitter_check(a, am_str_of(cases[i].value), &p);
        const char *what = cases[i].value ? cases[i].value : "not sent";
        want_int(what, s.status, cases[i].want);
        want_int(what, *s.reason == '\0',
            s.status == AM_SUBMITTER_MATCH || s.status == AM_SUBMITTER_NONE);
        want_int(what, s.mailbox.local.p != NULL,
            s.status != AM_SUBMITTER_NONE && s.status != AM_SUBMITTER_MALFORMED);
        am_arena_free(a);
    }
}

/* ---- scopes: RFC 4406 3.1, 4.4 ---- */

static void record_scopes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool pra, mfrom;
    } cases[] = {
        {"spf2.0/pra", true, false},
        {"spf2.0/mfrom", false, true},
        {"spf2.0/mfrom,pra +mx -all", true, true},
        {"spf2.0/pra,mfrom", true, true},
        {"SPF2.0/PRA -all", true, false},
        {"spf2.0/mfrom,prattle,fubar", false, true},
        {"spf2.0/mfrom,pra,fubar", true, true},
        {"spf2.0/prattle", false, false},
        {"spf2.17/pra -all", true, false},
        {"spf2./pra", false, false},
        {"spf2.0", false, false},
        {"spf2.0 -all", false, false},
        {"spf2.0/", false, false},
        {"spf2.0/ pra", false, false},
        {"spf2.0/pra,", false, false},
        {"spf2.0/,pra", false, false},
        {"spf2.0/pra,,mfrom", false, false},
        {"spf2.0/pra, mfrom", false, false},
        {"spf2.0/pra,1x", false, false},
        {"spf2.0/pra+all", false, false},
        {"spf2.0/pra\t-all", false, false},
        {"spf2.0.1/pra", false, false},
        {"spf2.x/pra", false, false},
        {"spf2/pra", false, false},
        {"spf20/pra", false, false},
        {" spf2.0/pra", false, false},
        {"spf2.0/pra.x", false, false},
        {"v=spf1 -all", false, false},
        {"", false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        am_str text = am_str_of(cases[i].text);
        want_int(cases[i].text, am_spf_record_is_scope(text, "pra"), cases[i].pra);
        want_int(cases[i].text, am_spf_record_is_scope(text, "mfrom"), cases[i].mfrom);
    }
    assert_false(am_spf_record_is_scope(am_str_n("spf2.0/pra\0 -all", 16), "pra"));
}

#define T(name, data)                                                                              \
    {                                                                                              \
        name, "TXT", data, 0, false                                                                \
    }

static const fake_rr zone[] = {
    {"empty.example", "ANY", "", 0, false},
    {"down.example", "TXT", "TEMPFAIL", 0, false},
    T("v1.example", "v=spf1 -all"),
    T("pra.example", "spf2.0/pra +all"),
    T("mfrom.example", "spf2.0/mfrom +all"),
    T("both.example", "spf2.0/mfrom,pra ?all"),
    T("v1pra.example", "v=spf1 -all"),
    T("v1pra.example", "spf2.0/pra +all"),
    T("v1mfrom.example", "v=spf1 -all"),
    T("v1mfrom.example", "spf2.0/mfrom +all"),
    T("three.example", "v=spf1 -all"),
    T("three.example", "spf2.0/mfrom ~all"),
    T("three.example", "spf2.0/pra +all"),
    T("twopra.example", "v=spf1 -all"),
    T("twopra.example", "spf2.0/pra +all"),
    T("twopra.example", "spf2.0/mfrom,pra +all"),
    T("twov1.example", "v=spf1 -all"),
    T("twov1.example", "v=spf1 +all"),
    T("twov1pra.example", "v=spf1 -all"),
    T("twov1pra.example", "v=spf1 +all"),
    T("twov1pra.example", "spf2.0/pra ~all"),
    T("other.example", "v=spf1 -all"),
    T("other.example", "spf2.0/prattle +all"),
    T("broken.example", "spf2.0/pra +all nonsense"),
    T("broken.example", "v=spf1 +all"),
    T("badscope.example", "spf2.0/pra, +all"),
    T("badscope.example", "v=spf1 ~all"),
    T("minor.example", "spf2.9/pra ~all"),
    /* the scope goes down into includes and redirects */
    T("inc.example", "spf2.0/pra include:v1pra.example -all"),
    T("inc.example", "v=spf1 include:v1pra.example -all"),
    T("red.example", "v=spf1 redirect=v1pra.example"),
    T("incnone.example", "v=spf1 include:mfrom.example +all"),
    T("incgone.example", "v=spf1 include:gone.example ?all"),
    T("redgone.example", "v=spf1 redirect=gone.example"),
    /* the macros are of the responsible address */
    T("macro.example", "spf2.0/pra exists:%{l}.%{o}.users.example -all exp=exp.macro.example"),
    T("exp.macro.example", "%{s} is not known"),
    {"alice.macro.example.users.example", "A", "127.0.0.2", 0, false},
};

static const struct {
    const char *from, *spf, *pra, *mfrom; /* results; a reason or mechanism behind it */
} scope_cases[] = {
    {"u@empty.example", "none", "none", "none"},
    {"u@down.example", "temperror", "temperror", "temperror"},
    {"u@gone.example", "none", "fail", "none"}, /* 4.3: NXDOMAIN, PRA alone */
    {"u@single", "none", "none", "none"},
    {"u@v1.example", "fail all", "fail all", "fail all"}, /* 3.4 */
    {"u@pra.example", "none", "pass all", "none"},
    {"u@mfrom.example", "none", "none", "pass all"}, /* 4.4, step 5 */
    {"u@both.example", "none", "neutral all", "neutral all"},
    {"u@v1pra.example", "fail all", "pass all", "fail all"}, /* 4.4, step 4 */
    {"u@v1mfrom.example", "fail all", "fail all", "pass all"},
    {"u@three.example", "fail all", "pass all", "softfail all"},
    {"u@twopra.example", "fail all", "permerror", "pass all"},
    {"u@twov1.example", "permerror", "permerror", "permerror"},
    {"u@twov1pra.example", "permerror", "softfail all", "permerror"},
    {"u@other.example", "fail all", "fail all", "fail all"},
    {"u@broken.example", "pass all", "permerror", "pass all"},
    {"u@badscope.example", "softfail all", "softfail all", "softfail all"},
    {"u@minor.example", "none", "softfail all", "none"},
    {"u@inc.example", "fail all", "pass include:v1pra.example", "fail all"},
    {"u@red.example", "fail all", "pass all", "fail all"},
    {"u@incnone.example", "permerror include:mfrom.example", "permerror include:mfrom.example",
        "pass include:mfrom.example"},
    {"u@incgone.example", "permerror include:gone.example", "neutral all",
        "permerror include:gone.example"},
    {"u@redgone.example", "permerror default", "fail", "permerror default"},
    {"alice@macro.example", "none", "pass exists:%{l}.%{o}.users.example", "none"},
    {"bob@macro.example", "none", "fail all", "none"},
};

static am_spf_verdict check(am_arena *a, const fake_rr *rows, size_t n, const am_mailbox *m,
    const char *ip, am_spf_scope scope, bool early)
{
    am_trace trace = {.arena = a};
    am_context c = {.arena = a, .dns = fake_dns(a, rows, n, &trace), .trace = &trace};
    am_spf_query q = {.domain = m->domain,
        .local = m->local,
        .helo = AM_STR("client.example"),
        .receiver = AM_STR("mx.example"),
        .scope = scope};
    assert_true(am_ip_parse(am_str_of(ip), &q.ip));
    if (early)
        am_spf_start(&c, &q);
    am_spf_verdict v = am_spf_check(&c, NULL, &q);
    for (const am_step *s = trace.first; s; s = s->next)
        assert_string_equal(s->step, scope == AM_SPF_SCOPE_SPF ? "spf" : "sender-id");
    am_dns_end(c.dns);
    return v;
}

static void scope_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof scope_cases / sizeof *scope_cases; i++) {
        const char *const want[] = {scope_cases[i].spf, scope_cases[i].pra, scope_cases[i].mfrom};
        for (unsigned k = 0; k < 6; k++) {
            am_arena *a = am_arena_new(0);
            am_mailbox m;
            assert_true(am_path_parse(a, am_str_of(scope_cases[i].from), &m));
            am_spf_verdict v = check(
                a, zone, sizeof zone / sizeof *zone, &m, "192.0.2.1", (am_spf_scope)(k % 3), k > 2);
            am_str what = am_str_format(a, "%s, scope %u", scope_cases[i].from, k % 3);
            want_str(what.p,
                am_str_trim(
                    am_str_format(a, "%s %.*s", am_result_word(v.result), AM_ARG(v.mechanism))),
                want[k % 3]);
            /* a reason wherever no directive decided */
            bool decided = v.mechanism.n && v.result != AM_PERMERROR;
            want_int(what.p, v.reason.n == 0, decided);
            am_arena_free(a);
        }
    }
    am_arena *a = am_arena_new(0);
    am_mailbox m = {AM_STR("bob"), AM_STR("macro.example")};
    am_spf_verdict v =
        check(a, zone, sizeof zone / sizeof *zone, &m, "192.0.2.1", AM_SPF_SCOPE_PRA, false);
    want_str("exp", v.explanation, "bob@macro.example is not known");
    m.domain = AM_STR("gone.example");
    v = check(a, zone, sizeof zone / sizeof *zone, &m, "192.0.2.1", AM_SPF_SCOPE_PRA, false);
    want_str("4.3", v.reason, "gone.example: no such domain");
    am_arena_free(a);
}

/* Parsed records are kept with the answers: one scope must not find another's. */
static void scopes_in_one_session(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof scope_cases / sizeof *scope_cases; i++) {
        const char *const want[] = {scope_cases[i].spf, scope_cases[i].pra, scope_cases[i].mfrom};
        am_arena *a = am_arena_new(0);
        am_context c = {.arena = a, .dns = fake_dns(a, zone, sizeof zone / sizeof *zone, NULL)};
        am_mailbox m;
        assert_true(am_path_parse(a, am_str_of(scope_cases[i].from), &m));
        for (unsigned k = 0; k < 6; k++) {
            am_spf_query q = {.domain = m.domain, .local = m.local, .scope = (am_spf_scope)(k % 3)};
            assert_true(am_ip_parse(AM_STR("192.0.2.1"), &q.ip));
            am_spf_verdict v = am_spf_check(&c, NULL, &q);
            am_str got = am_str_format(a, "%s %.*s", am_result_word(v.result), AM_ARG(v.mechanism));
            want_str(scope_cases[i].from, am_str_trim(got), want[k % 3]);
        }
        am_dns_end(c.dns);
        am_arena_free(a);
    }
}

/* ---- the flows of RFC 4405 5, 4406 7 and 4407 ---- */

static const fake_rr world[] = {
    T("example.com", "v=spf1 ip4:192.0.2.1 -all"),
    T("almamater.edu.example", "spf2.0/pra ip4:192.0.2.2 -all"),
    T("almamater.edu.example", "v=spf1 ip4:192.0.2.2 -all"),
    T("mobile.net.example", "spf2.0/mfrom,pra ip4:192.0.2.3 -all"),
    T("email.hotel.com.example", "v=spf1 ip4:192.0.2.4 -all"),
    T("list.example", "v=spf1 ip4:192.0.2.5 -all"),
};

static const struct {
    const char *what, *ip, *sender, *parameter, *header;
    const char *pra;
    am_submitter_status submitter;
    const char *senderid, *spf; /* spf of MAIL FROM, "-" where that is null */
} flows[] = {
    {"RFC 4405 5.1: submission, without the parameter", "192.0.2.1", "<alice@example.com>", NULL,
        "From: alice@example.com\n", "from alice@example.com", AM_SUBMITTER_NONE, "pass", "pass"},
    {"RFC 4405 5.2: Alice to almamater", "192.0.2.1", "<alice@example.com>",
        "SUBMITTER=alice@example.com", "From: alice@example.com\nTo: bob@almamater.edu.example\n",
        "from alice@example.com", AM_SUBMITTER_MATCH, "pass", "pass"},
    {"RFC 4405 5.2: almamater forwards", "192.0.2.2", "<alice@example.com>",
        "SUBMITTER=bob@almamater.edu.example",
        "Resent-From: bob@almamater.edu.example\nReceived: x\nFrom: alice@example.com\n",
        "resent-from bob@almamater.edu.example", AM_SUBMITTER_MATCH, "pass", "fail"},
    {"a forwarder that adds nothing (RFC 4405, IESG note)", "192.0.2.2", "<alice@example.com>",
        NULL, "Received: x\nFrom: alice@example.com\n", "from alice@example.com", AM_SUBMITTER_NONE,
        "fail", "fail"},
    {"RFC 4405 5.3: mobile user", "192.0.2.3", "<alice@example.com>",
        "SUBMITTER=alice@mobile.net.example",
        "Sender: alice@mobile.net.example\nReceived: x\nFrom: alice@example.com\n",
        "sender alice@mobile.net.example", AM_SUBMITTER_MATCH, "pass", "fail"},
    {"RFC 4405 5.3: the mobile user's message, forwarded", "192.0.2.2", "<alice@example.com>",
        "SUBMITTER=bob@almamater.edu.example",
        "Resent-From: bob@almamater.edu.example\nReceived: x\nSender: alice@mobile.net.example\n"
        "Received: y\nFrom: alice@example.com\n",
        "resent-from bob@almamater.edu.example", AM_SUBMITTER_MATCH, "pass", "fail"},
    {"RFC 4405 5.4: guest service", "192.0.2.4", "<alice@example.com>",
        "SUBMITTER=guest.services@email.hotel.com.example",
        "Resent-From: guest.services@email.hotel.com.example\nReceived: x\n"
        "From: alice@example.com\n",
        "resent-from guest.services@email.hotel.com.example", AM_SUBMITTER_MATCH, "pass", "fail"},
    {"RFC 4405 5.4: the guest's message, forwarded", "192.0.2.2", "<alice@example.com>",
        "SUBMITTER=bob@almamater.edu.example",
        "Resent-From: bob@almamater.edu.example\nReceived: x\n"
        "Resent-From: guest.services@email.hotel.com.example\nReceived: y\n"
        "From: alice@example.com\n",
        "resent-from bob@almamater.edu.example", AM_SUBMITTER_MATCH, "pass", "fail"},
    {"RFC 4405 5.5: non-delivery report", "192.0.2.2", "<>",
        "SUBMITTER=mailer-daemon@almamater.edu.example",
        "From: Mail Delivery <mailer-daemon@almamater.edu.example>\nTo: alice@example.com\n",
        "from mailer-daemon@almamater.edu.example", AM_SUBMITTER_MATCH, "pass", "-"},
    {"a forged non-delivery report", "192.0.2.66", "<>",
        "SUBMITTER=mailer-daemon@almamater.edu.example",
        "From: mailer-daemon@almamater.edu.example\n", "from mailer-daemon@almamater.edu.example",
        AM_SUBMITTER_MATCH, "fail", "-"},
    {"RFC 4406 7.3: mailing list with Sender", "192.0.2.5", "<bounces@list.example>",
        "SUBMITTER=owner@list.example", "Sender: owner@list.example\nFrom: alice@example.com\n",
        "sender owner@list.example", AM_SUBMITTER_MATCH, "pass", "pass"},
    {"RFC 4405 4.2: Submitter does not match header", "192.0.2.66", "<mallory@evil.example>",
        "SUBMITTER=mallory@evil.example", "From: alice@example.com\n", "from alice@example.com",
        AM_SUBMITTER_MISMATCH, "fail", "none"},
    {"RFC 4405 4.2: Cannot verify submitter address", "192.0.2.1", "<alice@example.com>",
        "SUBMITTER=alice@example.com", "Subject: x\n", "- no From field", AM_SUBMITTER_NO_PRA, "",
        "pass"},
    {"RFC 4406 6.3: a forged From under a true Resent-From passes", "192.0.2.5", "<x@list.example>",
        NULL, "Resent-From: x@list.example\nFrom: ceo@example.com\n", "resent-from x@list.example",
        AM_SUBMITTER_NONE, "pass", "pass"},
};

static void flow_table(void **state)
{
    (void)state;
    enum { WORLD = sizeof world / sizeof *world };
    for (size_t i = 0; i < sizeof flows / sizeof *flows; i++) {
        am_arena *a = am_arena_new(0);
        am_header h = header_of(a, flows[i].header);
        am_pra p = am_pra_find(a, &h);
        want_str(flows[i].what, pra_text(a, &p), flows[i].pra);
        am_str value = am_esmtp_value(am_str_of(flows[i].parameter), "SUBMITTER");
        want_int(flows[i].what, am_submitter_check(a, value, &p).status, flows[i].submitter);
        if (p.found) {
            am_spf_verdict v =
                check(a, world, WORLD, &p.mailbox, flows[i].ip, AM_SPF_SCOPE_PRA, true);
            want_str(flows[i].what, am_str_of(am_result_word(v.result)), flows[i].senderid);
        }
        am_mailbox sender;
        assert_true(am_path_parse(a, am_str_of(flows[i].sender), &sender));
        want_int(flows[i].what, sender.local.p == NULL, strcmp(flows[i].spf, "-") == 0);
        if (sender.local.p) {
            am_spf_verdict v = check(a, world, WORLD, &sender, flows[i].ip, AM_SPF_SCOPE_SPF, true);
            want_str(flows[i].what, am_str_of(am_result_word(v.result)), flows[i].spf);
        }
        am_arena_free(a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pra_table),
        cmocka_unit_test(hostile_fields),
        cmocka_unit_test(submitter_table),
        cmocka_unit_test(record_scopes),
        cmocka_unit_test(scope_table),
        cmocka_unit_test(scopes_in_one_session),
        cmocka_unit_test(flow_table),
    };
    return cmocka_run_group_tests_name("senderid", tests, NULL, NULL);
}
