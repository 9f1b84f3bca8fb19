/* Policy: a table of what was found out, what is configured, and what the MTA is told. */
#include "t/unit/unit.h"

#include "milter/policy.h"

#define OUT "192.0.2.1"

/* The configuration of a row, as flags: everything else is the default. */
enum {
    ENFORCE = 1,
    MF_PERMERROR = 2,
    MF_REJECT = 4,
    MF_QUARANTINE = 8,
    FAULT_ACCEPT = 16,
    DNS_TEMPFAIL = 32,
    NO_QUARANTINE = 64, /* the MTA does not offer it */
    MALFORMED = 128,    /* the From field gave no author */
    NO_DMARC = 256,     /* DMARC did not run: there was no header */
    OVERRIDE = 512,     /* a trusted sealer says that the message had passed */
};

static const struct {
    const char *what;
    unsigned flags;
    const char *ip, *user, *fault;
    am_result dmarc;
    am_dmarc_policy requested;
    const char *domain;
    am_action want;
    const char *want_reply, *want_disposition;
} cases[] = {
    {"fail, nothing enforced", 0, OUT, NULL, NULL, AM_FAIL, AM_DMARC_REJECT, "example.org",
        AM_ACTION_ACCEPT, "", "none"},
    {"fail, reject", ENFORCE, OUT, NULL, NULL, AM_FAIL, AM_DMARC_REJECT, "example.org",
        AM_ACTION_REJECT, "550 5.7.1 Email rejected per DMARC policy for example.org", "reject"},
    {"fail, reject, one step down for t=y", ENFORCE, OUT, NULL, NULL, AM_FAIL, AM_DMARC_QUARANTINE,
        "example.org", AM_ACTION_QUARANTINE, "DMARC policy for example.org", "quarantine"},
    {"fail, quarantine that the MTA cannot", ENFORCE | NO_QUARANTINE, OUT, NULL, NULL, AM_FAIL,
        AM_DMARC_QUARANTINE, "example.org", AM_ACTION_ACCEPT, "", "none"},
    {"fail, p=none", ENFORCE, OUT, NULL, NULL, AM_FAIL, AM_DMARC_NONE, "example.org",
        AM_ACTION_ACCEPT, "", "none"},
    {"pass", ENFORCE, OUT, NULL, NULL, AM_PASS, AM_DMARC_NONE, "example.org", AM_ACTION_ACCEPT, "",
        "none"},
    {"none", ENFORCE, OUT, NULL, NULL, AM_NONE, AM_DMARC_NONE, "example.org", AM_ACTION_ACCEPT, "",
        "none"},
    {"fail, an IPv6 client", ENFORCE, "2001:db8::1", NULL, NULL, AM_FAIL, AM_DMARC_REJECT,
        "example.org", AM_ACTION_REJECT,
        "550 5.7.1 Email rejected per DMARC policy for example.org", "reject"},
    {"authenticated", ENFORCE, OUT, "alice", NULL, AM_FAIL, AM_DMARC_REJECT, "example.org",
        AM_ACTION_ACCEPT, "", "none"},
    {"submitted here, no address", ENFORCE, NULL, NULL, NULL, AM_FAIL, AM_DMARC_REJECT,
        "example.org", AM_ACTION_ACCEPT, "", "none"},
    {"loopback", ENFORCE, "127.0.0.1", NULL, NULL, AM_FAIL, AM_DMARC_REJECT, "example.org",
        AM_ACTION_ACCEPT, "", "none"},
    {"loopback, IPv6", ENFORCE, "::1", NULL, NULL, AM_FAIL, AM_DMARC_REJECT, "example.org",
        AM_ACTION_ACCEPT, "", "none"},
    {"a domain that is not plain stays out of the reply", ENFORCE, OUT, NULL, NULL, AM_FAIL,
        AM_DMARC_REJECT, "ex%ample.org", AM_ACTION_REJECT,
        "550 5.7.1 Email rejected per DMARC policy for the author's domain", "reject"},
    {"nor one with a line end", ENFORCE, OUT, NULL, NULL, AM_FAIL, AM_DMARC_QUARANTINE,
        "a.org\r\nx", AM_ACTION_QUARANTINE, "DMARC policy for the author's domain", "quarantine"},
    {"nor one with an underscore", ENFORCE, OUT, NULL, NULL, AM_FAIL, AM_DMARC_REJECT, "_x.org",
        AM_ACTION_REJECT, "550 5.7.1 Email rejected per DMARC policy for the author's domain",
        "reject"},
    {"From without an author, nothing enforced", MALFORMED, OUT, NULL, NULL, AM_PERMERROR,
        AM_DMARC_REJECT, NULL, AM_ACTION_ACCEPT, "", "none"},
    {"From without an author, enforced", MALFORMED | ENFORCE, OUT, NULL, NULL, AM_PERMERROR,
        AM_DMARC_REJECT, NULL, AM_ACTION_REJECT,
        "550 5.7.1 Email rejected: DMARC needs one author domain in From", "reject"},
    {"From without an author, enforced, but permerror is set", MALFORMED | ENFORCE | MF_PERMERROR,
        OUT, NULL, NULL, AM_PERMERROR, AM_DMARC_REJECT, NULL, AM_ACTION_ACCEPT, "", "none"},
    {"From without an author, reject is set", MALFORMED | MF_REJECT, OUT, NULL, NULL, AM_PERMERROR,
        AM_DMARC_REJECT, NULL, AM_ACTION_REJECT,
        "550 5.7.1 Email rejected: DMARC needs one author domain in From", "reject"},
    {"From without an author, quarantine is set", MALFORMED | MF_QUARANTINE, OUT, NULL, NULL,
        AM_PERMERROR, AM_DMARC_REJECT, NULL, AM_ACTION_QUARANTINE,
        "DMARC needs one author domain in From", "quarantine"},
    {"From without an author, of a user of ours", MALFORMED | MF_REJECT, OUT, "alice", NULL,
        AM_PERMERROR, AM_DMARC_REJECT, NULL, AM_ACTION_ACCEPT, "", "none"},
    {"permerror of a record asks for nothing", ENFORCE | MF_REJECT, OUT, NULL, NULL, AM_PERMERROR,
        AM_DMARC_NONE, "example.org", AM_ACTION_ACCEPT, "", "none"},
    {"DNS failure, default", ENFORCE, OUT, NULL, NULL, AM_TEMPERROR, AM_DMARC_NONE, "example.org",
        AM_ACTION_ACCEPT, "", "none"},
    {"DNS failure, tempfail", DNS_TEMPFAIL, OUT, NULL, NULL, AM_TEMPERROR, AM_DMARC_NONE,
        "example.org", AM_ACTION_TEMPFAIL,
        "451 4.4.3 DNS answers for the DMARC check of example.org are missing, try later", "none"},
    {"DNS failure, tempfail, of a user of ours", DNS_TEMPFAIL, OUT, "alice", NULL, AM_TEMPERROR,
        AM_DMARC_NONE, "example.org", AM_ACTION_ACCEPT, "", "none"},
    {"a temperror never rejects", ENFORCE, OUT, NULL, NULL, AM_TEMPERROR, AM_DMARC_REJECT,
        "example.org", AM_ACTION_ACCEPT, "", "none"},
    {"fault, default", 0, OUT, NULL, "out of memory", AM_PASS, AM_DMARC_NONE, "example.org",
        AM_ACTION_TEMPFAIL, "451 4.3.0 Local problem in authentication checks, try again later",
        "none"},
    {"fault, accept", FAULT_ACCEPT | ENFORCE, OUT, NULL, "out of memory", AM_FAIL, AM_DMARC_REJECT,
        "example.org", AM_ACTION_ACCEPT, "", "none"},
    {"fault, of a user of ours: forged fields may be there too", 0, OUT, "alice", "out of memory",
        AM_FAIL, AM_DMARC_REJECT, "example.org", AM_ACTION_TEMPFAIL,
        "451 4.3.0 Local problem in authentication checks, try again later", "none"},
    {"fail, reject, and a trusted sealer", ENFORCE | OVERRIDE, OUT, NULL, NULL, AM_FAIL,
        AM_DMARC_REJECT, "example.org", AM_ACTION_ACCEPT, "", "none"},
    {"fail, quarantine, and a trusted sealer", ENFORCE | OVERRIDE, OUT, NULL, NULL, AM_FAIL,
        AM_DMARC_QUARANTINE, "example.org", AM_ACTION_ACCEPT, "", "none"},
    {"From without an author, and a trusted sealer", MALFORMED | ENFORCE | OVERRIDE, OUT, NULL,
        NULL, AM_PERMERROR, AM_DMARC_REJECT, NULL, AM_ACTION_REJECT,
        "550 5.7.1 Email rejected: DMARC needs one author domain in From", "reject"},
    {"DNS failure, tempfail, and a trusted sealer", DNS_TEMPFAIL | OVERRIDE, OUT, NULL, NULL,
        AM_TEMPERROR, AM_DMARC_NONE, "example.org", AM_ACTION_TEMPFAIL,
        "451 4.4.3 DNS answers for the DMARC check of example.org are missing, try later", "none"},
    {"fault, and a trusted sealer", OVERRIDE, OUT, NULL, "out of memory", AM_FAIL, AM_DMARC_REJECT,
        "example.org", AM_ACTION_TEMPFAIL,
        "451 4.3.0 Local problem in authentication checks, try again later", "none"},
    {"DMARC did not run", ENFORCE | NO_DMARC, OUT, NULL, NULL, AM_FAIL, AM_DMARC_REJECT,
        "example.org", AM_ACTION_ACCEPT, "", "none"},
};

static void configure(am_conf *c, unsigned flags)
{
    c->dmarc.enforce = flags & ENFORCE;
    c->dmarc.malformed_from = flags & MF_PERMERROR    ? AM_MALFORMED_PERMERROR
                              : flags & MF_REJECT     ? AM_MALFORMED_REJECT
                              : flags & MF_QUARANTINE ? AM_MALFORMED_QUARANTINE
                                                      : AM_MALFORMED_DEFAULT;
    c->on_fault = flags & FAULT_ACCEPT ? AM_CONF_ACCEPT : AM_CONF_TEMPFAIL;
    c->on_dns_failure = flags & DNS_TEMPFAIL ? AM_CONF_TEMPFAIL : AM_CONF_ACCEPT;
}

static void want_decision(const char *what, const am_decision *d, am_action action,
    const char *reply, const char *disposition)
{
    char got[400];
    snprintf(got, sizeof got, "%s%s%s%s%s", d->code ? d->code : "", d->code ? " " : "",
        d->code ? d->xcode : "", d->code ? " " : "", d->text);
    want_str(what, am_str_of(am_action_word(d->action)), am_action_word(action));
    want_str(what, am_str_of(got), reply);
    want_str(what, am_str_of(d->disposition), disposition);
    want_int(what, d->why != NULL, 1);
}

static void table(void **state)
{
    (void)state;
    am_error e;
    am_conf *c = am_conf_defaults(&e);
    assert_non_null(c);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        am_evidence ev = {.has_dmarc = !(cases[i].flags & NO_DMARC),
            .fault = cases[i].fault,
            .auth_user = am_str_of(cases[i].user),
            .trust = {.overridden = cases[i].flags & OVERRIDE, .reason = ""},
            .dmarc = {.result = cases[i].dmarc,
                .requested = cases[i].requested,
                .domain = am_str_of(cases[i].domain),
                .from_malformed = cases[i].flags & MALFORMED,
                .reason = ""}};
        if (cases[i].ip)
            assert_true(am_ip_parse(am_str_of(cases[i].ip), &ev.ip));
        configure(c, cases[i].flags);
        am_facts f = {.stage = AM_STAGE_END, .can_quarantine = !(cases[i].flags & NO_QUARANTINE)};
        am_decision d = am_policy_decide(c, &ev, &f);
        want_decision(
            cases[i].what, &d, cases[i].want, cases[i].want_reply, cases[i].want_disposition);
    }
    am_conf_free(c);
}

static void no_evidence(void **state)
{
    (void)state;
    am_error e;
    am_conf *c = am_conf_defaults(&e);
    assert_non_null(c);
    am_facts f = {.stage = AM_STAGE_END, .can_quarantine = true};
    am_decision d = am_policy_decide(c, NULL, &f);
    want_decision("no memory", &d, AM_ACTION_TEMPFAIL,
        "451 4.3.0 Local problem in authentication checks, try again later", "none");
    configure(c, FAULT_ACCEPT);
    d = am_policy_decide(c, NULL, &f);
    want_decision("no memory, accept", &d, AM_ACTION_ACCEPT, "", "none");
    am_conf_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table),
        cmocka_unit_test(no_evidence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
