/* Rules: what is configured, what a message is like, and what becomes of it. */
#include "t/unit/unit.h"

#include "libauth/base/domain.h"
#include "milter/conf_check.h"
#include "milter/policy.h"
#include "t/unit/rules.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static char path[] = "/tmp/authmill-rules-XXXXXX";

static am_conf *load(const char *text)
{
    am_error e;
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    am_conf *c = am_conf_load(path, &e);
    if (!c)
        print_error("%s\nin: %s\n", e.text, text);
    assert_non_null(c);
    return c;
}

/* ---- A message as a line of words ---- */

typedef struct sample {
    am_evidence e;
    am_facts f;
    am_mailbox rcpt[8];
    am_dkim_verdict dkim[8];
    am_arc_set set[1];
    am_arena *arena;
} sample;

static am_result result_of(am_str word)
{
    for (am_result r = AM_NONE; r <= AM_PERMERROR; r++)
        if (am_str_is(word, am_result_word(r)))
            return r;
    print_error("no result: %.*s\n", AM_ARG(word));
    fail();
    return AM_NONE;
}

static am_dmarc_policy policy_of(am_str word)
{
    return am_str_is(word, "reject")       ? AM_DMARC_REJECT
           : am_str_is(word, "quarantine") ? AM_DMARC_QUARANTINE
                                           : AM_DMARC_NONE;
}

static void set_ip(sample *s, am_str v)
{
    if (am_str_is(v, "none"))
        s->e.ip = (am_ip){0};
    else
        assert_true(am_ip_parse(v, &s->e.ip));
}

static void set_user(sample *s, am_str v)
{
    s->e.auth_user = v;
}

static void set_helo(sample *s, am_str v)
{
    s->e.has_helo = true;
    s->e.helo = v;
}

static void set_mail(sample *s, am_str v)
{
    if (!am_path_parse(s->arena, v, &s->e.sender))
        s->e.sender = (am_mailbox){.local = v};
}

static void set_rcpt(sample *s, am_str v)
{
    am_path_parse(s->arena, v, &s->rcpt[s->f.rcpts++]);
}

/* RESULT or RESULT:TEXT */
static am_str head(am_str v)
{
    return am_str_cut(v, 0, am_str_find(v, ':'));
}

static am_str tail(am_str v)
{
    return am_str_cut(v, am_str_find(v, ':') + 1, v.n);
}

static void set_iprev(sample *s, am_str v)
{
    s->e.has_iprev = true;
    s->e.iprev = (am_iprev_verdict){.result = result_of(head(v)), .name = tail(v), .reason = ""};
}

static void set_spf(sample *s, am_str v)
{
    s->e.has_spf = true;
    s->e.spf = (am_spf_verdict){
        .result = result_of(head(v)), .domain = AM_STR("sender.example"), .mechanism = tail(v)};
}

static void set_spf_helo(sample *s, am_str v)
{
    s->e.has_spf = s->e.has_helo = true;
    s->e.helo_spf = (am_spf_verdict){.result = result_of(v)};
}

static void set_from(sample *s, am_str v)
{
    s->e.has_dmarc = true;
    s->e.author.status =
        am_path_parse(s->arena, v, &s->e.author.mailbox) && s->e.author.mailbox.domain.n
            ? AM_AUTHOR_ONE
            : AM_AUTHOR_BAD;
    s->e.dmarc.domain = s->e.author.mailbox.domain;
    s->e.dmarc.from_malformed = s->e.author.status == AM_AUTHOR_BAD;
    s->e.dmarc.org_domain = am_domain_tail(s->e.dmarc.domain, 2);
}

/* RESULT:DOMAIN[:SELECTOR] */
static void set_dkim(sample *s, am_str v)
{
    am_str rest = tail(v);
    s->dkim[s->e.dkims++] = (am_dkim_verdict){.result = result_of(head(v)),
        .domain = head(rest),
        .selector = tail(rest),
        .algorithm = AM_STR("rsa-sha256"),
        .reason = ""};
    s->e.dkim = s->dkim;
}

static void set_arc(sample *s, am_str v)
{
    s->e.has_arc = true;
    s->set[0].sealer = tail(v);
    s->e.arc = (am_arc_verdict){
        .result = result_of(head(v)), .reason = "", .set = s->set, .sets = tail(v).n > 0};
}

/* RESULT[:POLICY] */
static void set_dmarc(sample *s, am_str v)
{
    am_dmarc_verdict *d = &s->e.dmarc;
    s->e.has_dmarc = true;
    d->result = result_of(head(v));
    d->has_policy = tail(v).n > 0;
    d->policy = policy_of(tail(v));
    d->requested = d->result == AM_FAIL ? d->policy
                   : d->from_malformed  ? AM_DMARC_REJECT
                                        : AM_DMARC_NONE;
    d->reason = "";
}

static void set_aligned(sample *s, am_str v)
{
    s->e.dmarc.spf_aligned = !am_str_is(v, "dkim");
    s->e.dmarc.dkim_aligned = !am_str_is(v, "spf");
}

static void set_testing(sample *s, am_str v)
{
    s->e.dmarc.testing = am_str_is(v, "yes");
}

static void set_trust(sample *s, am_str v)
{
    s->e.has_trust = true;
    s->e.trust.overridden = am_str_is(v, "yes");
}

/* As behind a relay of ours: who is judged is another. */
static void set_relay(sample *s, am_str v)
{
    s->e.hop.relayed = s->e.hop.found = true;
    assert_true(am_ip_parse(v, &s->e.relay));
}

static void set_helo_check(sample *s, am_str v)
{
    s->e.has_helo_check = true;
    s->e.helo_check.result = result_of(v);
}

static void set_align(sample *s, am_str v)
{
    s->e.has_align = true;
    s->e.align.result = result_of(v);
}

/* RESULT:VERSION, or weak:VERSION */
static void set_tls(sample *s, am_str v)
{
    bool weak = am_str_is(head(v), "weak");
    s->e.has_tls = true;
    s->e.tls = (am_tls_verdict){
        .result = weak ? AM_PASS : result_of(head(v)), .weak = weak, .version = tail(v)};
}

static void set_trail(sample *s, am_str v)
{
    s->e.has_trail = true;
    s->e.trail.result = result_of(v);
}

static void set_sender_id(sample *s, am_str v)
{
    s->e.has_sender_id = true;
    s->e.sender_id.result = result_of(v);
}

static void set_list(sample *s, am_str v)
{
    s->f.list = true;
    s->f.list_id = v;
}

static void set_size(sample *s, am_str v)
{
    assert_true(am_str_number(v, 12, &s->f.octets));
}

static void set_listener(sample *s, am_str v)
{
    s->f.listener = am_str_copy(s->arena, v).p;
}

static void set_port(sample *s, am_str v)
{
    s->f.listener_port = am_str_format(s->arena, ":%.*s", AM_ARG(v)).p;
}

static void set_now(sample *s, am_str v)
{
    uint64_t t;
    assert_true(am_str_number(v, 12, &t));
    s->f.now = (int64_t)t;
}

static void set_limit(sample *s, am_str v)
{
    s->e.limit = am_str_is(v, "header") ? "header too large" : NULL;
}

static void set_fault(sample *s, am_str v)
{
    (void)v;
    s->e.fault = "out of memory";
}

static void set_hold(sample *s, am_str v)
{
    s->f.can_quarantine = am_str_is(v, "yes");
}

static const struct {
    const char *name;
    void (*set)(sample *s, am_str value);
} words[] = {{"ip", set_ip}, {"user", set_user}, {"helo", set_helo}, {"mail", set_mail},
    {"rcpt", set_rcpt}, {"iprev", set_iprev}, {"spf", set_spf}, {"spf-helo", set_spf_helo},
    {"from", set_from}, {"dkim", set_dkim}, {"arc", set_arc}, {"dmarc", set_dmarc},
    {"aligned", set_aligned}, {"trust", set_trust}, {"relay", set_relay},
    {"helo-check", set_helo_check}, {"align", set_align}, {"tls", set_tls}, {"trail", set_trail},
    {"sender-id", set_sender_id}, {"testing", set_testing}, {"list", set_list}, {"size", set_size},
    {"listener", set_listener}, {"port", set_port}, {"now", set_now}, {"fault", set_fault},
    {"limit", set_limit}, {"hold", set_hold}};

/* "spf=fail from=a@b.example": a stranger's message, unless it says otherwise. */
static void make(sample *s, const char *text)
{
    *s = (sample){.arena = am_arena_new(0)};
    assert_non_null(s->arena);
    s->e.has_dmarc = s->e.has_arc = true;
    s->e.dmarc.reason = s->e.arc.reason = "";
    s->f = (am_facts){.stage = AM_STAGE_END, .can_quarantine = true, .now = 1800000000};
    set_ip(s, AM_STR("198.51.100.1"));
    am_str rest = am_str_of(text);
    while (rest.n) {
        am_str word = am_str_cut(rest, 0, am_str_find(rest, ' '));
        size_t eq = am_str_find(word, '='), i = 0;
        while (
            i < sizeof words / sizeof *words && !am_str_is(am_str_cut(word, 0, eq), words[i].name))
            i++;
        if (i == sizeof words / sizeof *words)
            print_error("no such word: %.*s\n", AM_ARG(word));
        assert_true(i < sizeof words / sizeof *words);
        words[i].set(s, am_str_cut(word, eq + 1, word.n));
        rest = am_str_cut(rest, word.n + 1, rest.n);
    }
    s->f.rcpt = s->rcpt;
}

/* ---- The table ---- */

/* "hold r1", "reject r1 550 5.7.23 SPF ...", "accept -": measure, rule, reply or reason. */
static const char *shown(const am_decision *d, char text[600])
{
    snprintf(text, 600, "%s%s %s%s%s%s%s%s%s%s", d->monitored ? "would " : "",
        am_measure_word(d->would), d->rule ? d->rule->title : "-", d->code ? " " : "",
        d->code ? d->code : "", d->code ? " " : "", d->xcode, *d->text ? " " : "", d->text,
        d->mixed && d->code ? " (mixed)" : ""); /* the MTA is not told */
    return text;
}

static void table(void **state)
{
    (void)state;
    char text[600];
    am_conf *c = NULL;
    const char *conf = NULL;
    size_t n = 0;
    for (; rows[n].conf; n++) {
        sample s;
        if (conf != rows[n].conf) {
            am_conf_free(c);
            c = load(conf = rows[n].conf);
        }
        make(&s, rows[n].message);
        am_decision d = am_policy_decide(c, &s.e, &s.f);
        char what[1400];
        snprintf(what, sizeof what, "%s\n  %s\n ", rows[n].conf, rows[n].message);
        want_str(what, am_str_of(shown(&d, text)), rows[n].want);
        am_arena_free(s.arena);
    }
    am_conf_free(c);
    assert_true(n >= 150);
    print_message("# %zu rows\n", n);
}

/* What a decision is made of fits together, whatever it is. */
static void shapes(void **state)
{
    (void)state;
    for (size_t n = 0; rows[n].conf; n++) {
        sample s;
        am_conf *c = load(rows[n].conf);
        make(&s, rows[n].message);
        am_decision d = am_policy_decide(c, &s.e, &s.f);
        bool refused = d.action == AM_ACTION_REJECT || d.action == AM_ACTION_TEMPFAIL;
        want_int(rows[n].message, d.code != NULL, refused);
        want_int(rows[n].message, *d.xcode != '\0', refused);
        if (refused) {
            want_int(rows[n].message, *d.code == *d.xcode, 1);
            want_int(rows[n].message, *d.text != '\0', 1);
        }
        for (const char *p = d.text; *p; p++)
            want_int(rows[n].message, *p >= ' ' && *p <= '~', 1);
        am_arena_free(s.arena);
        am_conf_free(c);
    }
}

/* ---- Early ---- */

static const struct {
    const char *conf, *message, *mail, *rcpt;
} early[] = {
    {"rule a { when { spf = fail } action = reject }", "spf=fail:all rcpt=a@x.example", "", ""},
    {"spf { reject-at = mail } rule a { when { spf = fail } action = reject }",
        "spf=fail:all rcpt=a@x.example", "reject a", "reject a"},
    {"spf { reject-at = rcpt } rule a { when { spf = fail } action = reject }",
        "spf=fail:all rcpt=a@x.example", "", "reject a"},
    {"spf { reject-at = mail } rule a { when { spf = fail } action = reject }",
        "spf=pass:all rcpt=a@x.example", "", ""},
    {"spf { reject-at = mail } rule a { when { spf = temperror } action = tempfail }",
        "spf=temperror:all rcpt=a@x.example", "tempfail a", "tempfail a"},
    /* what the end decides is not decided before */
    {"spf { reject-at = mail } rule a { when { spf = fail } action = hold }",
        "spf=fail:all rcpt=a@x.example", "", ""},
    {"spf { reject-at = mail } rule a { when { spf = fail } action = discard }",
        "spf=fail:all rcpt=a@x.example", "", ""},
    {"spf { reject-at = mail } rule a { when { spf = fail dmarc = fail } action = reject }",
        "spf=fail:all dmarc=fail:reject rcpt=a@x.example", "", ""},
    {"spf { reject-at = mail } rule w { when { dkim = pass } action = accept } rule a { when { spf "
     "= "
     "fail } action = reject }",
        "spf=fail:all rcpt=a@x.example", "", ""},
    {"spf { reject-at = mail } rule w { when { dkim = pass spf = pass } action = accept } rule a { "
     "when "
     "{ spf = fail } action = reject }",
        "spf=fail:all rcpt=a@x.example", "reject a", "reject a"},
    {"spf { reject-at = mail } rule w { when { client = 198.51.100.0/24 } action = accept } rule a "
     "{ "
     "when { spf = fail } action = reject }",
        "spf=fail:all rcpt=a@x.example", "", ""},
    {"spf { reject-at = mail } rule a { when { spf = fail not { list = yes } } action = reject }",
        "spf=fail:all rcpt=a@x.example", "", ""},
    {"spf { reject-at = mail } rule a { when { spf = fail any { iprev = fail dkim = none } } "
     "action = "
     "reject }",
        "spf=fail:all iprev=fail rcpt=a@x.example", "reject a", "reject a"},
    {"spf { reject-at = mail } rule a { when { spf = fail any { iprev = fail dkim = none } } "
     "action = "
     "reject }",
        "spf=fail:all iprev=pass rcpt=a@x.example", "", ""},
    /* a recipient is known at RCPT */
    {"spf { reject-at = mail } rule a { when { spf = fail rcpt = x.example } action = reject }",
        "spf=fail:all rcpt=a@x.example", "", "reject a"},
    {"spf { reject-at = mail } rule a { when { spf = fail rcpt = y.example } action = reject }",
        "spf=fail:all rcpt=a@x.example", "", ""},
    {"spf { reject-at = mail } rule w { when { rcpt = postmaster@x.example } action = accept } "
     "rule a { "
     "when { spf = fail } action = reject }",
        "spf=fail:all rcpt=a@x.example", "", "reject a"},
    {"spf { reject-at = mail } rule w { when { rcpt = postmaster@x.example } action = accept } "
     "rule a { "
     "when { spf = fail } action = reject }",
        "spf=fail:all rcpt=postmaster@x.example", "", ""},
    /* whom it is not about, and when nothing is done */
    {"spf { reject-at = mail } rule a { when { spf = fail } action = reject }",
        "ip=127.0.0.1 spf=fail:all rcpt=a@x.example", "", ""},
    {"spf { reject-at = mail } rule a { when { spf = fail } action = reject }",
        "user=alice spf=fail:all rcpt=a@x.example", "", ""},
    {"spf { reject-at = mail } policy { mode = monitor } rule a { when { spf = fail } action = "
     "reject }",
        "spf=fail:all rcpt=a@x.example", "", ""},
    {"spf { reject-at = mail } rule a { when { spf = fail } action = reject until = 2020-01-31 }",
        "spf=fail:all rcpt=a@x.example", "", ""},
    {"spf { reject-at = mail } rule a { when { spf = fail } action = reject }",
        "fault= spf=fail:all rcpt=a@x.example", "", ""},
};

static void refuses_early(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof early / sizeof *early; i++) {
        sample s;
        am_conf *c = load(early[i].conf);
        const char *want[] = {early[i].mail, early[i].rcpt};
        make(&s, early[i].message);
        for (am_stage stage = AM_STAGE_MAIL; stage <= AM_STAGE_RCPT; stage++) {
            char got[200] = "", what[1200];
            am_decision d;
            s.f.stage = stage;
            if (am_policy_early(c, &s.e, &s.f, &d))
                snprintf(got, sizeof got, "%s %s", am_measure_word(d.measure), d.rule->title);
            snprintf(what, sizeof what, "%s\n  %s at %u", early[i].conf, early[i].message,
                (unsigned)stage);
            want_str(what, am_str_of(got), want[stage]);
        }
        am_arena_free(s.arena);
        am_conf_free(c);
    }
}

/* ---- Properties, over rules and messages made at random ---- */

static uint64_t seed;

static unsigned any(unsigned n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)((seed >> 33) % n);
}

static const char *one(const char *const *list, unsigned n)
{
    return list[any(n)];
}

#define ONE(list) one(list, sizeof(list) / sizeof *(list))

static const char *const conditions[] = {"spf = pass", "spf = fail", "spf = {fail, softfail}",
    "dkim = pass", "dkim = {none, fail}", "dkim = none", "dmarc = fail", "dmarc = pass",
    "dmarc = {pass, none}", "iprev = pass", "iprev = fail", "header-from = a.example",
    "header-from = {\".example\"}", "header-from = {a.example, b.example}",
    "mail-from = {\"<>\", b.example}", "mail-from = b.example", "client = 198.51.100.0/24",
    "client = 198.51.100.1", "list = yes", "list = no", "size-over = 1K", "size-over = 2K",
    "size-under = 2K", "rcpt = x@here.example", "rcpt = here.example", "dkim-domain = a.example",
    "own = yes", "own = no", "auth = none", "dmarc-policy = reject",
    "dmarc-policy = {reject, quarantine}", "dmarc-aligned = none"};

/* Each condition once in one section. */
static void add_conditions(char *to, size_t size, unsigned n)
{
    char used[8][40];
    unsigned k = 0;
    for (unsigned i = 0; i < n && k < 8; i++) {
        const char *c = ONE(conditions);
        size_t name = strcspn(c, " ");
        bool again = false;
        for (unsigned m = 0; m < k; m++)
            again = again || (strlen(used[m]) == name && strncmp(used[m], c, name) == 0);
        if (again)
            continue;
        snprintf(used[k++], sizeof used[0], "%.*s", (int)name, c);
        snprintf(to + strlen(to), size - strlen(to), " %s", c);
    }
}

static void add_rule(char *to, size_t size, unsigned number)
{
    static const char *const actions[] = {
        "accept", "header", "quarantine", "hold", "discard", "tempfail", "reject"};
    size_t n = strlen(to);
    snprintf(to + n, size - n, "rule r%u { when {", number);
    add_conditions(to, size, 1 + any(2));
    for (unsigned k = 0; k < 2; k++)
        if (any(3) == 0) {
            n = strlen(to);
            snprintf(to + n, size - n, " %s {", k ? "any" : "not");
            add_conditions(to, size, 1 + any(2));
            n = strlen(to);
            snprintf(to + n, size - n, " }");
        }
    n = strlen(to);
    snprintf(to + n, size - n, " } action = %s }\n", ONE(actions));
}

static void random_message(char *to, size_t size)
{
    static const char *const ip[] = {"198.51.100.1", "198.51.100.2", "192.0.2.1", "127.0.0.1"};
    static const char *const spf[] = {"pass:a", "fail:all", "softfail:all", "none:", "temperror:"};
    static const char *const dkim[] = {"", " dkim=pass:a.example:s", " dkim=fail:a.example:s",
        " dkim=pass:b.example:s dkim=fail:a.example:s"};
    static const char *const from[] = {"u@a.example", "u@b.example", "u@x.a.example", "nobody"};
    static const char *const dmarc[] = {
        "pass:reject", "fail:reject", "fail:quarantine", "none:", "fail:none"};
    static const char *const mail[] = {"<>", "u@b.example", "u@c.example"};
    static const char *const rcpt[] = {"x@here.example", "y@here.example",
        "x@here.example rcpt=z@there.example", "z@there.example rcpt=x@here.example"};
    static const char *const size_[] = {"100", "1500", "5000"};
    const char *d = ONE(dmarc);
    snprintf(to, size, "ip=%s spf=%s%s from=%s dmarc=%s mail=%s rcpt=%s size=%s iprev=%s%s%s",
        ONE(ip), ONE(spf), ONE(dkim), ONE(from), d, ONE(mail), ONE(rcpt), ONE(size_),
        any(2) ? "pass:h" : "fail:", any(3) ? "" : " list=l.example",
        *d == 'p' ? " aligned=spf" : "");
}

static am_decision decide(const am_conf *c, const char *message)
{
    sample s;
    make(&s, message);
    am_decision d = am_policy_decide(c, &s.e, &s.f);
    am_arena_free(s.arena);
    return d;
}

static bool same_text(const am_decision *a, const am_decision *b)
{
    char x[600], y[600];
    return strcmp(shown(a, x), shown(b, y)) == 0;
}

typedef struct tally {
    unsigned decided, covered, refused;
} tally;

static void count_finding(void *to, const char *line)
{
    const char *p = strstr(line, "rule \"r");
    bool never = strstr(line, "can never");
    if (p && never)
        ((bool *)to)[atoi(p + 7)] = true;
}

/* For each rule: without it, messages that it did not match come out the same; and a rule of which
 * the check says that it never decides never does. */
static void one_policy(unsigned rules, char text[][1200], tally *t)
{
    char all[12000] = "", message[600];
    bool never[10] = {false};
    for (unsigned i = 0; i < rules; i++)
        strcat(all, text[i]);
    am_conf *c = load(all);
    am_findings f = {.found = count_finding, .to = never};
    am_conf_check_rules(c, NULL, 1800000000, &f);
    unsigned gone = any(rules);
    char rest[12000] = "";
    for (unsigned i = 0; i < rules; i++)
        strcat(rest, i == gone ? "" : text[i]);
    am_conf *less = load(rest);
    for (unsigned i = 0; i < 40; i++) {
        sample s;
        random_message(message, sizeof message);
        make(&s, message);
        am_decision d = am_policy_decide(c, &s.e, &s.f), e = am_policy_decide(less, &s.e, &s.f);
        bool matched = false;
        for (size_t k = 0; k < s.f.rcpts; k++) {
            am_case one_case = {
                .e = &s.e, .f = &s.f, .rcpt = &s.rcpt[k], .own = s.e.ip.octet[0] == 127};
            matched = matched || am_rule_matches(&c->rule[gone], &one_case) == AM_YES;
        }
        if (!matched && !same_text(&d, &e)) {
            print_error("without r%u: %s\n  %s\n", gone, all, message);
            fail();
        }
        if (d.rule && never[atoi(d.rule->title + 1)]) {
            print_error("%s was said to decide never:\n%s  %s\n", d.rule->title, all, message);
            fail();
        }
        t->decided += d.rule != NULL;
        am_arena_free(s.arena);
    }
    for (unsigned i = 0; i < rules; i++)
        t->covered += never[i];
    am_conf_free(c);
    am_conf_free(less);
}

static void properties(void **state)
{
    (void)state;
    static char text[8][1200];
    tally t = {0};
    seed = 4711;
    for (unsigned i = 0; i < 600; i++) {
        unsigned rules = 2 + any(7);
        for (unsigned k = 0; k < rules; k++) {
            text[k][0] = '\0';
            add_rule(text[k], sizeof text[k], k);
        }
        one_policy(rules, text, &t);
    }
    print_message("# %u decisions by rules, %u rules that never decide\n", t.decided, t.covered);
    assert_true(t.decided > 5000 && t.covered > 100);
}

/* What is refused early is refused at the end, by the same rule; monitor only hides it. */
static void early_is_the_end(void **state)
{
    (void)state;
    char rules[12000], conf[13000], message[600];
    unsigned n = 0;
    seed = 42;
    for (unsigned i = 0; i < 400; i++) {
        rules[0] = '\0';
        for (unsigned k = 0, all = 1 + any(5); k < all; k++)
            add_rule(rules, sizeof rules, k);
        snprintf(conf, sizeof conf, "spf { reject-at = mail }\n%s", rules);
        am_conf *c = load(conf);
        snprintf(conf, sizeof conf, "policy { mode = monitor }\n%s", rules);
        am_conf *m = load(conf);
        for (unsigned k = 0; k < 20; k++) {
            sample s;
            am_decision d;
            random_message(message, sizeof message);
            make(&s, message);
            s.f.rcpts = 1;
            am_decision end = am_policy_decide(c, &s.e, &s.f);
            am_decision watched = decide(m, message);
            want_int(conf, watched.action, AM_ACTION_ACCEPT);
            want_int(conf, watched.code == NULL, 1);
            for (s.f.stage = AM_STAGE_MAIL; s.f.stage < AM_STAGE_END; s.f.stage++) {
                if (!am_policy_early(c, &s.e, &s.f, &d))
                    continue;
                n++;
                want_str(message, am_str_of(d.rule->title), end.rule ? end.rule->title : "none");
                want_int(message, same_text(&d, &end), 1);
            }
            am_arena_free(s.arena);
        }
        am_conf_free(c);
        am_conf_free(m);
    }
    print_message("# %u refused early\n", n);
    assert_true(n > 200);
}

/* ---- Shadow, facts, files, sets ---- */

static void shadow(void **state)
{
    (void)state;
    static const struct {
        const char *live, *shadow, *message, *want;
    } cases[] = {
        {"", "dmarc { enforce = yes }", "from=u@a.example dmarc=fail:reject", "reject -"},
        {"", "dmarc { enforce = yes }", "from=u@a.example dmarc=pass:reject", ""},
        {"dmarc { enforce = yes }", "", "from=u@a.example dmarc=fail:reject", "accept -"},
        {"dmarc { enforce = yes }", "dmarc { enforce = yes }", "from=u@a.example dmarc=fail:reject",
            ""},
        {"rule a { when { spf = fail } action = reject }",
            "rule b { when { spf = fail } action = reject code = 554 }", "spf=fail:", "reject b"},
        {"rule a { when { spf = fail } action = reject }",
            "rule b { when { spf = fail } action = reject }", "spf=fail:", ""},
        {"policy { mode = monitor } rule a { when { spf = fail } action = reject }",
            "rule b { when { spf = fail } action = reject }", "spf=fail:", ""},
        {"policy { mode = monitor }", "rule b { when { spf = fail } action = hold }",
            "spf=fail:", "hold b"},
        {"", "policy { mode = monitor } rule b { when { spf = fail } action = hold }",
            "spf=fail:", "hold b"},
        {"", "local-networks = {198.51.100.0/24} dmarc { enforce = yes }", "dmarc=fail:reject", ""},
        {"", "dmarc { enforce = yes }", "fault= from=u@a.example dmarc=fail:reject", ""},
    };
    char other[] = "/tmp/authmill-shadow-XXXXXX";
    int fd = mkstemp(other);
    assert_true(fd >= 0);
    close(fd);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char conf[600], got[200] = "";
        sample s;
        am_decision d;
        FILE *f = fopen(other, "w");
        fprintf(f, "%s\n", cases[i].shadow);
        fclose(f);
        const char *live = cases[i].live;
        bool has = strncmp(live, "policy {", 8) == 0;
        snprintf(conf, sizeof conf, "policy { shadow = %s %s%s", other, has ? live + 8 : "}\n",
            has ? "" : live);
        am_conf *c = load(conf);
        make(&s, cases[i].message);
        am_decision l = am_policy_decide(c, &s.e, &s.f);
        if (am_policy_shadow(c, &s.e, &s.f, &l, &d))
            snprintf(
                got, sizeof got, "%s %s", am_measure_word(d.measure), d.rule ? d.rule->title : "-");
        want_str(cases[i].shadow, am_str_of(got), cases[i].want);
        am_arena_free(s.arena);
        am_conf_free(c);
    }
    unlink(other);
}

/* A session gathers what the live rules or the shadow's ask for, and is early where rules can be.
 */
static void what_is_asked(void **state)
{
    (void)state;
    static const struct {
        const char *live, *shadow, *want;
    } cases[] = {
        {"", "", ""},
        {"rule a { when { rcpt = x.example size-over = 1 } action = hold }", "", "rcpt octets "},
        {"", "rule a { when { rcpt = x.example size-under = 1 } action = hold }", "rcpt octets "},
        {"rule a { when { list = yes } action = hold }",
            "rule a { when { listener = x } action = hold }", "header listener "},
        {"rule a { when { listener = x } action = hold }",
            "rule a { when { list-id = x } action = hold }", "header listener "},
        {"rule a { when { not { iprev = pass } } action = hold }", "", "client "},
        {"rule a { when { any { spf-helo = pass } } action = hold }", "", "client "},
        {"", "rule a { when { iprev-name = x } action = hold }", ""}, /* it judges at the end */
        {"spf { reject-at = mail }", "", ""},
        {"spf { reject-at = mail } rule a { when { spf = fail } action = reject }", "", "mail "},
        {"spf { reject-at = rcpt } rule a { when { spf = fail } action = reject }", "", "rcpt! "},
        {"policy { mode = monitor } spf { reject-at = mail } rule a { when { spf = fail } action = "
         "reject }",
            "", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char got[100];
        am_conf *c = load(cases[i].live);
        c->shadow = *cases[i].shadow ? load(cases[i].shadow) : NULL;
        am_policy_needs n = am_policy_ask(c);
        snprintf(got, sizeof got, "%s%s%s%s%s%s", n.rcpt ? "rcpt " : "", n.octets ? "octets " : "",
            n.header ? "header " : "", n.listener ? "listener " : "", n.client ? "client " : "",
            n.early == AM_STAGE_MAIL   ? "mail "
            : n.early == AM_STAGE_RCPT ? "rcpt! "
                                       : "");
        want_str(cases[i].live, am_str_of(got), cases[i].want);
        am_conf_free(c);
    }
}

static void header_facts(void **state)
{
    (void)state;
    static const struct {
        const char *name, *value;
        bool list;
        const char *id;
    } cases[] = {
        {"List-Id", " <l.example.org>", true, "l.example.org"},
        {"list-id", " Our \"<list>\" (x)\r\n <l.example.org>", true, "l.example.org"},
        {"List-ID", " l.example.org", true, ""},
        {"List-Id", " >x<", true, ""},
        {"List-Id", "", true, ""},
        {"Precedence", " list", true, ""},
        {"Precedence", " LIST ", true, ""},
        {"Precedence", " bulk", false, ""},
        {"Precedence", " listen", false, ""},
        {"Subject", " list", false, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        am_arena *a = am_arena_new(0);
        am_header h = {.arena = a};
        am_facts f = {0};
        am_header_add_raw(&h, am_str_format(a, "%s:%s", cases[i].name, cases[i].value));
        am_facts_of_header(a, &h, &f);
        want_int(cases[i].value, f.list, cases[i].list);
        want_str(cases[i].value, f.list_id, cases[i].id);
        am_arena_free(a);
    }
}

/* 100,000 entries of a file: read in well under a second of CPU time, each found, others not. */
static void long_lists(void **state)
{
    (void)state;
    char list[] = "/tmp/authmill-list-XXXXXX", conf[300], message[200];
    int fd = mkstemp(list);
    assert_true(fd >= 0);
    FILE *f = fdopen(fd, "w");
    fputs("# a comment\n\n  u@one.example  # behind an entry\r\n", f);
    for (unsigned i = 0; i < 100000; i++)
        fprintf(f, "%sd%u.example\n", i % 3 == 0 ? "." : "", i);
    fclose(f);
    snprintf(
        conf, sizeof conf, "rule a { when { header-from = \"file:%s\" } action = hold }", list);
    struct timespec t0, t1;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t0);
    am_conf *c = load(conf);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t1);
    double took = (double)(t1.tv_sec - t0.tv_sec) + (double)(t1.tv_nsec - t0.tv_nsec) / 1e9;
    print_message("# 100,000 entries read in %.3f s\n", took);
    assert_true(took < 1 || getenv("AUTHMILL_SLOW"));
    assert_int_equal(c->rule[0].group[0].test[0].names.n, 100001);
    for (unsigned i = 0; i < 100000; i += 997) {
        snprintf(message, sizeof message, "from=u@d%u.example", i);
        want_int(message, decide(c, message).rule != NULL, i % 3 != 0);
        snprintf(message, sizeof message, "from=u@x.d%u.example", i);
        want_int(message, decide(c, message).rule != NULL, i % 3 == 0);
        snprintf(message, sizeof message, "from=u@d%u.example.org", i);
        want_int(message, decide(c, message).rule != NULL, 0);
    }
    want_int("address", decide(c, "from=U@one.example").rule != NULL, 1);
    want_int("other address", decide(c, "from=v@one.example").rule != NULL, 0);
    am_conf_free(c);
    f = fopen(list, "w");
    for (unsigned i = 0; i < 100000; i++)
        fprintf(f, "10.%u.%u.0/%u\n", i >> 8 & 255, i & 255, 24 + i % 9);
    fputs("2001:db8:1::/48\n", f);
    fclose(f);
    snprintf(conf, sizeof conf, "rule a { when { client = \"file:%s\" } action = hold }", list);
    c = load(conf);
    want_int("net", decide(c, "ip=10.1.0.0").rule != NULL, 1);
    want_int("no net", decide(c, "ip=11.1.0.0").rule != NULL, 0);
    want_int("IPv6", decide(c, "ip=2001:db8:1:2::3").rule != NULL, 1);
    want_int("no IPv6", decide(c, "ip=2001:db8:2::3").rule != NULL, 0);
    am_conf_free(c);
    unlink(list);
}

static void note_change(void *to, const char *name, const char *was, const char *is)
{
    char *text = to;
    size_t n = strlen(text);
    snprintf(text + n, 600 - n, "%s[%s|%s];", name, was, is);
}

static void changes(void **state)
{
    (void)state;
    static const struct {
        const char *was, *is, *want;
    } cases[] = {
        {"", "", ""},
        {"", "dmarc { enforce = no }", ""},
        {"", "dmarc { enforce = yes }", "dmarc.enforce[no|yes];"},
        {"local-networks = {10.0.0.1}", "local-networks = {10.0.0.1, 10.0.0.2} drain = 3",
            "local-networks[10.0.0.1|10.0.0.1, 10.0.0.2];drain[30|3];"},
        {"rule a { action = accept }", "", "rule \"a\"[|gone];"},
        {"", "rule a { action = accept }", "rule \"a\"[|new];"},
        {"rule a { action = accept }", "rule a { action = hold }", "rule \"a\"[|changed];"},
        {"rule a { when { spf = pass } action = accept }",
            "rule a { when { not { spf = pass } } action = accept }", "rule \"a\"[|changed];"},
        {"rule a { action = accept } rule b { action = accept }",
            "rule b { action = accept } rule a { action = accept }", "rule \"a\"[|moved];"},
        {"rule a { action = accept reason = x }", "rule a { reason = x\n\naction = accept }", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char got[600] = "";
        am_conf *was = load(cases[i].was), *is = load(cases[i].is);
        am_conf_compare(was, is, note_change, got);
        want_str(cases[i].is, am_str_of(got), cases[i].want);
        am_conf_free(was);
        am_conf_free(is);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table),
        cmocka_unit_test(shapes),
        cmocka_unit_test(refuses_early),
        cmocka_unit_test(properties),
        cmocka_unit_test(early_is_the_end),
        cmocka_unit_test(shadow),
        cmocka_unit_test(what_is_asked),
        cmocka_unit_test(header_facts),
        cmocka_unit_test(long_lists),
        cmocka_unit_test(changes),
    };
    int fd = mkstemp(path);
    if (fd < 0)
        return 1;
    close(fd);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}
