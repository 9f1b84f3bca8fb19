/*
 * condition: the table of everything that a rule can ask of a message.
 *
 * For: milter/rule.c, which evaluates, and milter/rule_conf.c, which reads. A new method is a new
 * row and the function that yields its values. Waits: never. Memory: points into the evidence.
 * Callers: anyone.
 */
#include "milter/rule.h"

#include <stdio.h>
#include <string.h>

/* ---- Words: RFC 8601's results, each with RFC 7372's detail where it is a failure ---- */

static const am_choice spf_words[] = {{"none", AM_NONE, NULL}, {"pass", AM_PASS, NULL},
    {"fail", AM_FAIL, "7.23"}, {"softfail", AM_SOFTFAIL, "7.23"}, {"neutral", AM_NEUTRAL, NULL},
    {"temperror", AM_TEMPERROR, "7.24"}, {"permerror", AM_PERMERROR, "7.24"}, {NULL, 0, NULL}};
static const am_choice dkim_words[] = {{"none", AM_NONE, "7.20"}, {"pass", AM_PASS, NULL},
    {"fail", AM_FAIL, "7.20"}, {"neutral", AM_NEUTRAL, "7.20"}, {"policy", AM_POLICY, "7.21"},
    {"temperror", AM_TEMPERROR, "7.20"}, {"permerror", AM_PERMERROR, "7.20"}, {NULL, 0, NULL}};
static const am_choice arc_words[] = {{"none", AM_NONE, NULL}, {"pass", AM_PASS, NULL},
    {"fail", AM_FAIL, "7.29"}, {NULL, 0, NULL}}; /* RFC 8617 7.2.1, IANA: ARC validation failure */
static const am_choice dmarc_words[] = {{"none", AM_NONE, NULL}, {"pass", AM_PASS, NULL},
    {"fail", AM_FAIL, "7.1"}, {"temperror", AM_TEMPERROR, "7.1"},
    {"permerror", AM_PERMERROR, "7.1"}, {NULL, 0, NULL}};
static const am_choice iprev_words[] = {{"pass", AM_PASS, NULL}, {"fail", AM_FAIL, "7.25"},
    {"temperror", AM_TEMPERROR, "7.25"}, {"permerror", AM_PERMERROR, "7.25"}, {NULL, 0, NULL}};
static const am_choice helo_words[] = {{"pass", AM_PASS, NULL}, {"neutral", AM_NEUTRAL, NULL},
    {"fail", AM_FAIL, "7.1"}, {"temperror", AM_TEMPERROR, "7.1"}, {NULL, 0, NULL}};
static const am_choice align_words[] = {
    {"none", AM_NONE, NULL}, {"pass", AM_PASS, NULL}, {"fail", AM_FAIL, "7.1"}, {NULL, 0, NULL}};
static const am_choice trail_words[] = {{"pass", AM_PASS, NULL}, {"neutral", AM_NEUTRAL, NULL},
    {"fail", AM_FAIL, "7.1"}, {NULL, 0, NULL}};
static const am_choice auth_words[] = {
    {"none", AM_NONE, NULL}, {"pass", AM_PASS, NULL}, {NULL, 0, NULL}};
static const am_choice yes_no[] = {{"no", 0, NULL}, {"yes", 1, NULL}, {NULL, 0, NULL}};
static const am_choice policy_words[] = {{"none", AM_DMARC_NONE, NULL},
    {"quarantine", AM_DMARC_QUARANTINE, NULL}, {"reject", AM_DMARC_REJECT, NULL}, {NULL, 0, NULL}};
enum { ALIGNED_NONE, ALIGNED_SPF, ALIGNED_DKIM };
static const am_choice aligned_words[] = {{"none", ALIGNED_NONE, "7.1"}, {"spf", ALIGNED_SPF, NULL},
    {"dkim", ALIGNED_DKIM, NULL}, {NULL, 0, NULL}};
static const am_choice author_words[] = {
    {"one", AM_AUTHOR_ONE, NULL}, {"malformed", AM_AUTHOR_BAD, "7.1"}, {NULL, 0, NULL}};

/* ---- Values ---- */

static bool one_word(bool there, size_t i, unsigned word, am_seen *out)
{
    out->word = word;
    return there && i == 0;
}

static bool one_name(bool there, size_t i, am_str domain, am_seen *out)
{
    if (domain.n > 1 && domain.p[domain.n - 1] == '.')
        domain.n--;
    out->name = (am_mailbox){.domain = domain};
    return there && i == 0 && domain.n;
}

static bool one_text(size_t i, am_str text, am_seen *out)
{
    out->text = text;
    return i == 0 && text.n;
}

static bool get_own(const am_case *c, size_t i, am_seen *out)
{
    return one_word(true, i, c->own, out);
}

static bool get_auth(const am_case *c, size_t i, am_seen *out)
{
    return one_word(true, i, c->e->auth_user.n ? AM_PASS : AM_NONE, out);
}

static bool get_auth_user(const am_case *c, size_t i, am_seen *out)
{
    return one_text(i, c->e->auth_user, out);
}

static bool get_client(const am_case *c, size_t i, am_seen *out)
{
    out->ip = c->e->ip;
    return i == 0 && c->e->ip.family;
}

/* The name of the MTA's listener, and ":PORT" as a second one. */
static bool get_listener(const am_case *c, size_t i, am_seen *out)
{
    if (i == 0 && c->f->listener) {
        out->text = am_str_of(c->f->listener);
        return true;
    }
    out->text = am_str_of(c->f->listener_port);
    return i <= 1 && out->text.n;
}

static bool get_helo_name(const am_case *c, size_t i, am_seen *out)
{
    return one_name(c->e->has_helo, i, c->e->helo, out);
}

static bool get_mail_from(const am_case *c, size_t i, am_seen *out)
{
    out->name = c->e->sender;
    return i == 0;
}

static bool get_rcpt(const am_case *c, size_t i, am_seen *out)
{
    if (c->rcpt)
        out->name = *c->rcpt;
    return i == 0 && c->rcpt;
}

static bool get_iprev(const am_case *c, size_t i, am_seen *out)
{
    return one_word(c->e->has_iprev, i, c->e->iprev.result, out);
}

static bool get_iprev_name(const am_case *c, size_t i, am_seen *out)
{
    return one_name(c->e->has_iprev && c->e->iprev.result == AM_PASS, i, c->e->iprev.name, out);
}

static bool get_spf(const am_case *c, size_t i, am_seen *out)
{
    return one_word(c->e->has_spf, i, c->e->spf.result, out);
}

static bool get_spf_mechanism(const am_case *c, size_t i, am_seen *out)
{
    return one_text(i, c->e->has_spf ? c->e->spf.mechanism : (am_str){0}, out);
}

static bool get_spf_helo(const am_case *c, size_t i, am_seen *out)
{
    bool there = c->e->has_spf && (c->e->has_helo || c->e->spf_from_helo);
    return one_word(there, i, c->e->helo_spf.result, out);
}

static bool get_header_from(const am_case *c, size_t i, am_seen *out)
{
    out->name = c->e->author.mailbox;
    return i == 0 && c->e->has_dmarc && c->e->author.status == AM_AUTHOR_ONE;
}

static bool get_author(const am_case *c, size_t i, am_seen *out)
{
    return one_word(c->e->has_dmarc, i, c->e->author.status, out);
}

/* One a signature; "none" where there is no signature. */
static bool get_dkim(const am_case *c, size_t i, am_seen *out)
{
    const am_evidence *e = c->e;
    if (e->dkims == 0)
        return one_word(e->has_dmarc, i, e->limit ? AM_PERMERROR : AM_NONE, out);
    out->word = i < e->dkims ? e->dkim[i].result : AM_NONE;
    return i < e->dkims;
}

/* An empty value stands for a signature that does not count, so that the others are seen. */
static const am_dkim_verdict *passing(const am_case *c, size_t i)
{
    return c->e->dkim[i].result == AM_PASS ? &c->e->dkim[i] : NULL;
}

static bool get_dkim_domain(const am_case *c, size_t i, am_seen *out)
{
    const am_dkim_verdict *v = i < c->e->dkims ? passing(c, i) : NULL;
    out->name = (am_mailbox){.domain = v ? v->domain : (am_str){0}};
    return i < c->e->dkims;
}

static bool get_dkim_claimed(const am_case *c, size_t i, am_seen *out)
{
    out->name = (am_mailbox){.domain = i < c->e->dkims ? c->e->dkim[i].domain : (am_str){0}};
    return i < c->e->dkims;
}

static bool get_dkim_selector(const am_case *c, size_t i, am_seen *out)
{
    const am_dkim_verdict *v = i < c->e->dkims ? passing(c, i) : NULL;
    out->text = v ? v->selector : (am_str){0};
    return i < c->e->dkims;
}

static bool get_dkim_algorithm(const am_case *c, size_t i, am_seen *out)
{
    const am_dkim_verdict *v = i < c->e->dkims ? passing(c, i) : NULL;
    out->text = v ? v->algorithm : (am_str){0};
    return i < c->e->dkims;
}

static bool get_arc(const am_case *c, size_t i, am_seen *out)
{
    return one_word(c->e->has_arc, i, c->e->arc.result, out);
}

/* The last one who sealed a chain that passes. */
static bool get_arc_sealer(const am_case *c, size_t i, am_seen *out)
{
    const am_arc_verdict *v = &c->e->arc;
    bool there = c->e->has_arc && v->result == AM_PASS && v->sets;
    return one_name(there, i, there ? v->set[v->sets - 1].sealer : (am_str){0}, out);
}

static bool get_arc_trust(const am_case *c, size_t i, am_seen *out)
{
    return one_word(c->e->has_dmarc, i, c->e->has_trust && c->e->trust.overridden, out);
}

static bool get_dmarc(const am_case *c, size_t i, am_seen *out)
{
    return one_word(c->e->has_dmarc, i, c->e->dmarc.result, out);
}

static bool get_dmarc_policy(const am_case *c, size_t i, am_seen *out)
{
    return one_word(c->e->has_dmarc && c->e->dmarc.has_policy, i, c->e->dmarc.policy, out);
}

static bool get_dmarc_requested(const am_case *c, size_t i, am_seen *out)
{
    return one_word(c->e->has_dmarc, i, c->e->dmarc.requested, out);
}

static bool get_dmarc_testing(const am_case *c, size_t i, am_seen *out)
{
    return one_word(c->e->has_dmarc && c->e->dmarc.has_policy, i, c->e->dmarc.testing, out);
}

/* Both may be aligned: two values. */
static bool get_dmarc_aligned(const am_case *c, size_t i, am_seen *out)
{
    const am_dmarc_verdict *v = &c->e->dmarc;
    unsigned first = v->spf_aligned ? ALIGNED_SPF : v->dkim_aligned ? ALIGNED_DKIM : ALIGNED_NONE;
    out->word = i ? ALIGNED_DKIM : first;
    return c->e->has_dmarc && (i == 0 || (i == 1 && v->spf_aligned && v->dkim_aligned));
}

static bool get_org_domain(const am_case *c, size_t i, am_seen *out)
{
    return one_name(c->e->has_dmarc, i, c->e->dmarc.org_domain, out);
}

static bool get_relay(const am_case *c, size_t i, am_seen *out)
{
    out->ip = c->e->relay;
    return i == 0 && c->e->hop.relayed;
}

static bool get_helo(const am_case *c, size_t i, am_seen *out)
{
    return one_word(c->e->has_helo_check, i, c->e->helo_check.result, out);
}

static bool get_auth_align(const am_case *c, size_t i, am_seen *out)
{
    return one_word(c->e->has_align, i, c->e->align.result, out);
}

static bool get_tls(const am_case *c, size_t i, am_seen *out)
{
    return one_word(c->e->has_tls, i, c->e->tls.result, out);
}

static bool get_tls_weak(const am_case *c, size_t i, am_seen *out)
{
    return one_word(c->e->has_tls && c->e->tls.result == AM_PASS, i, c->e->tls.weak, out);
}

static bool get_tls_version(const am_case *c, size_t i, am_seen *out)
{
    return one_text(i, c->e->has_tls ? c->e->tls.version : (am_str){0}, out);
}

static bool get_trail(const am_case *c, size_t i, am_seen *out)
{
    return one_word(c->e->has_trail, i, c->e->trail.result, out);
}

static bool get_sender_id(const am_case *c, size_t i, am_seen *out)
{
    return one_word(c->e->has_sender_id, i, c->e->sender_id.result, out);
}

static bool get_list(const am_case *c, size_t i, am_seen *out)
{
    return one_word(true, i, c->f->list, out);
}

static bool get_list_id(const am_case *c, size_t i, am_seen *out)
{
    return one_text(i, c->f->list_id, out);
}

static bool get_size(const am_case *c, size_t i, am_seen *out)
{
    out->octets = c->f->octets;
    return i == 0;
}

/* ---- The table ---- */

#define WORD(list) AM_CONDITION_WORD, .choice = (list)
#define DOMAIN AM_CONDITION_DOMAIN
#define TEXT AM_CONDITION_TEXT
#define MAIL .stage = AM_STAGE_MAIL
#define RCPT .stage = AM_STAGE_RCPT
#define END .stage = AM_STAGE_END

const am_condition am_condition_table[] = {
    {"own", WORD(yes_no), MAIL, .own = true, .get = get_own},
    {"auth", WORD(auth_words), MAIL, .own = true, .get = get_auth},
    {"auth-user", TEXT, MAIL, .own = true, .get = get_auth_user},
    {"client", AM_CONDITION_NET, MAIL, .get = get_client},
    {"listener", TEXT, MAIL, .get = get_listener},
    {"helo-name", DOMAIN, MAIL, .get = get_helo_name},
    {"mail-from", DOMAIN, MAIL, .null = true, .get = get_mail_from},
    {"rcpt", DOMAIN, RCPT, .get = get_rcpt},
    {"iprev", WORD(iprev_words), MAIL, .get = get_iprev},
    {"iprev-name", DOMAIN, MAIL, .get = get_iprev_name},
    {"spf", WORD(spf_words), MAIL, .get = get_spf},
    {"spf-mechanism", TEXT, MAIL, .get = get_spf_mechanism},
    {"spf-helo", WORD(spf_words), MAIL, .get = get_spf_helo},
    {"header-from", DOMAIN, END, .get = get_header_from},
    {"author", WORD(author_words), END, .get = get_author},
    {"dkim", WORD(dkim_words), END, .get = get_dkim},
    {"dkim-domain", DOMAIN, END, .get = get_dkim_domain},
    {"dkim-claimed", DOMAIN, END, .get = get_dkim_claimed},
    {"dkim-selector", TEXT, END, .get = get_dkim_selector},
    {"dkim-algorithm", TEXT, END, .get = get_dkim_algorithm},
    {"arc", WORD(arc_words), END, .get = get_arc},
    {"arc-sealer", DOMAIN, END, .get = get_arc_sealer},
    {"arc-trust", WORD(yes_no), END, .get = get_arc_trust},
    {"dmarc", WORD(dmarc_words), END, .get = get_dmarc},
    {"dmarc-policy", WORD(policy_words), END, .get = get_dmarc_policy},
    {"dmarc-requested", WORD(policy_words), END, .get = get_dmarc_requested},
    {"dmarc-testing", WORD(yes_no), END, .get = get_dmarc_testing},
    {"dmarc-aligned", WORD(aligned_words), END, .get = get_dmarc_aligned},
    {"org-domain", DOMAIN, END, .get = get_org_domain},
    {"relay", AM_CONDITION_NET, END, .get = get_relay},
    {"helo", WORD(helo_words), END, .get = get_helo},
    {"auth-align", WORD(align_words), END, .own = true, .get = get_auth_align},
    {"tls", WORD(auth_words), END, .get = get_tls},
    {"tls-weak", WORD(yes_no), END, .get = get_tls_weak},
    {"tls-version", TEXT, END, .get = get_tls_version},
    {"trail", WORD(trail_words), END, .get = get_trail},
    {"sender-id", WORD(spf_words), END, .get = get_sender_id},
    {"list", WORD(yes_no), END, .get = get_list},
    {"list-id", TEXT, END, .get = get_list_id},
    {"size-over", AM_CONDITION_OVER, END, .get = get_size},
    {"size-under", AM_CONDITION_UNDER, END, .get = get_size},
};
const size_t am_condition_count = sizeof am_condition_table / sizeof *am_condition_table;

const am_condition *am_condition_find(const char *name)
{
    for (size_t i = 0; i < am_condition_count; i++)
        if (strcmp(am_condition_table[i].name, name) == 0)
            return &am_condition_table[i];
    return NULL;
}

const char *am_condition_right(const am_condition *c, char *text, size_t size)
{
    static const char *const right[] = {
        [AM_CONDITION_WORD] = "",
        [AM_CONDITION_DOMAIN] =
            "example.org, .example.org (all below it), user@example.org, or file:/PATH",
        [AM_CONDITION_TEXT] = "text without control octets, or file:/PATH",
        [AM_CONDITION_NET] = "addresses or networks, such as 192.0.2.0/24, or file:/PATH",
        [AM_CONDITION_OVER] = "octets, such as 10M",
        [AM_CONDITION_UNDER] = "octets, such as 10M",
    };
    size_t n = (size_t)snprintf(text, size, "%s", right[c->kind]);
    for (const am_choice *w = c->choice; w && w->word && n + 16 < size; w++)
        n += (size_t)snprintf(text + n, size - n, "%s%s",
            w == c->choice ? ""
            : w[1].word    ? ", "
                           : " or ",
            w->word);
    return text;
}
