/* fault/session: connections with rules of every kind, while each call of the C library fails in
 * turn: the decision is the one it would have been, or a fault, or an answer is missing and said
 * so; a forged field never stays. */
#include "milter/session.h"
#include "milter/log.h"
#include "t/fault/fault.h"
#include "t/unit/unit.h"
#include "tools/eml.h"

#include <arpa/inet.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct scene {
    const char *name, *conf;
    const char *letter, *ip, *helo, *sender;
    const char *want; /* what is decided without a fault: measure, rule */
    size_t forged;    /* the number of the field that claims to be ours; 0: none */
} scene;

#define SPOOF "spoof", "203.0.113.66", "mail.garden.example", "service@bank.example"
#define NEWS "newsletter", "192.0.2.1", "mail.garden.example", "news@garden.example"

static const scene scenes[] = {
    {"enforced", "dmarc { enforce = yes }", SPOOF, "reject -", 1},
    {"accepted", "", SPOOF, "accept -", 1},
    {"good", "dmarc { enforce = yes }", NEWS, "accept -", 0},
    {"listener", "rule r { when { listener = outside } action = reject }", SPOOF, "reject r", 1},
    {"port", "rule r { when { listener = \":25\" } action = reject }", SPOOF, "reject r", 1},
    {"not the port", "rule r { when { not { listener = \":587\" } } action = hold }", SPOOF,
        "quarantine r", 1},
    {"helo", "rule r { when { spf-helo = fail } action = reject }", SPOOF, "reject r", 1},
    {"no helo", "rule r { when { not { spf-helo = pass } } action = reject }", NEWS, "accept -", 0},
    {"name", "rule r { when { helo-name = mail.garden.example } action = discard }", SPOOF,
        "discard r", 1},
    {"rcpt", "rule r { when { rcpt = b@here.example } action = tempfail }", SPOOF, "tempfail r", 1},
    {"list", "rule r { when { list-id = club.example } action = header }", SPOOF, "header r", 1},
    {"size", "rule r { when { size-over = 100 } action = quarantine }", SPOOF, "quarantine r", 1},
    {"at MAIL", "spf { reject-at = mail } rule r { when { spf-helo = fail } action = reject }",
        SPOOF, "MAIL reject r", 0},
    {"at RCPT",
        "spf { reject-at = rcpt } rule r { when { rcpt = b@here.example } action = reject }", SPOOF,
        "RCPT reject r", 0},
    {"local", "local-networks = { 203.0.113.0/24 } dmarc { enforce = yes }", SPOOF, "accept -", 1},
};

enum { SCENES = sizeof scenes / sizeof *scenes };

/* What a scene is played with. */
static struct {
    am_conf *c;
    am_options options;
    am_eml eml;
} props[SCENES];

static am_dns *zone;
static am_declog *decisions;

/* ---- One connection ---- */

typedef struct report {
    bool fault, unsure;
    bool field; /* ours is inserted */
    bool stays; /* the forged one is */
    char text[80];
} report;

static void say(report *r, const char *where, const am_decision *d)
{
    snprintf(r->text, sizeof r->text, "%s%s %s", where, am_measure_word(d->measure),
        d->rule ? d->rule->title : "-");
    r->fault = d->fault;
}

static bool envelope(const scene *s, am_session *session, report *r)
{
    static char *rcpt[] = {"<a@here.example>", "<b@here.example>"};
    char sender[100];
    char *argument[] = {sender, NULL};
    am_mail mail = {.argument = argument};
    am_decision refusal;
    snprintf(sender, sizeof sender, "<%s>", s->sender);
    if (am_session_sender(session, &mail, &refusal)) {
        say(r, "MAIL ", &refusal);
        return false;
    }
    for (size_t i = 0; i < 2; i++)
        if (am_session_rcpt(session, rcpt[i], &refusal)) {
            say(r, "RCPT ", &refusal);
            return false;
        }
    return true;
}

static void content(const am_eml *eml, am_session *session)
{
    char name[100], value[2000];
    am_session_field(session, "List-Id", " A club <club.example>");
    for (size_t i = 0; i < eml->header.n; i++) {
        const am_field *f = &eml->header.field[i];
        snprintf(name, sizeof name, "%.*s", AM_ARG(f->name));
        snprintf(value, sizeof value, "%.*s", AM_ARG(f->value));
        am_session_field(session, name, value);
    }
    am_session_eoh(session);
    (void)am_session_body(session, eml->body.p, eml->body.n);
}

static report play(const scene *s)
{
    size_t i = (size_t)(s - scenes);
    static const am_terms terms = {.leading_space = true};
    struct sockaddr_in sa = {.sin_family = AF_INET};
    report r = {.text = ""};
    (void)inet_pton(AF_INET, s->ip, &sa.sin_addr);
    am_session *session = am_session_new(props[i].c, &props[i].options, zone, decisions);
    if (!session) { /* libmilter's callbacks say 451 */
        r.fault = true;
        return r;
    }
    am_session_agree(session, &terms);
    am_session_client(session, (const struct sockaddr *)(const void *)&sa);
    am_session_listener(session, "outside", "25");
    am_session_helo(session, s->helo);
    if (envelope(s, session, &r)) {
        content(&props[i].eml, session);
        am_outcome o = am_session_finish(session, "id");
        say(&r, "", &o.decision);
        r.field = o.field != NULL;
        r.unsure = o.field && strstr(o.field, "temperror");
        r.stays = s->forged && !o.decision.code;
        while (o.strips && am_strip_next(&o.strip[0]))
            r.stays = r.stays && o.strip[0].number != s->forged;
    }
    am_session_free(session);
    return r;
}

/* ---- Every call in turn ---- */

static bool right(const scene *s, const report *r)
{
    if (r->stays)
        return false;
    return r->fault || r->unsure || strcmp(r->text, s->want) == 0;
}

static void each_call(bool lasting)
{
    int wrong = 0;
    for (size_t i = 0; i < SCENES; i++) {
        const scene *s = &scenes[i];
        fault_arm(-1, false);
        report r = play(s);
        int calls = fault_disarm(), faults = 0;
        want_str(s->name, am_str_of(r.text), s->want);
        assert_true(!r.fault && !r.unsure && !r.stays);
        for (int n = 0; n < calls; n++) {
            fault_arm(n, lasting);
            r = play(s);
            fault_disarm();
            faults += r.fault || r.unsure;
            if (right(s, &r))
                continue;
            print_error("%s: call %d, %s, failed: %s%s, without a fault %s\n", s->name, n,
                fault_name(), r.text, r.stays ? ", and the forged field stays" : "", s->want);
            wrong++;
        }
        print_message("# %s: %s; %d calls, %d faults\n", s->name, s->want, calls, faults);
        assert_true(calls > 10 && faults >= 4);
    }
    assert_int_equal(wrong, 0);
}

static void once(void **state)
{
    (void)state;
    each_call(false);
}

static void lasting(void **state)
{
    (void)state;
    each_call(true);
}

/* The judge must be able to say no. */
static void judged_wrong(void **state)
{
    (void)state;
    static const scene s = {.want = "reject r"};
    report r = {.text = "reject r"}, other = {.text = "accept -"}, stays = r;
    stays.stays = stays.fault = true;
    assert_true(right(&s, &r));
    assert_false(right(&s, &other) || right(&s, &stays));
    other.fault = true;
    assert_true(right(&s, &other));
}

/* ---- Before and after ---- */

static bool load(size_t i, am_arena *a, const char *src)
{
    const scene *s = &scenes[i];
    char path[4200], file[] = "/tmp/authmill-fault-XXXXXX";
    am_error why = {""};
    int fd = mkstemp(file);
    bool good = fd >= 0 && dprintf(fd, "authserv-id = mx.here.example %s\n", s->conf) > 0;
    close(fd);
    props[i].c = good ? am_conf_load(file, &why) : NULL;
    unlink(file);
    if (props[i].c)
        am_conf_options(props[i].c, &props[i].options);
    snprintf(path, sizeof path, "%s/t/samples/%s.eml", src, s->letter);
    good = props[i].c && am_eml_read(a, path, &props[i].eml, &why) == 0;
    if (!good)
        fprintf(stderr, "# %s: %s\n", s->name, why.text);
    return good;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(judged_wrong), cmocka_unit_test(once), cmocka_unit_test(lasting)};
    const char *src = getenv("AUTHMILL_SRC") ? getenv("AUTHMILL_SRC") : ".";
    char file[4200];
    const char *files[] = {file};
    am_error why = {""};
    (void)CRYPTO_set_mem_functions(fault_crypto_malloc, fault_crypto_realloc, fault_crypto_free);
    am_arena *a = am_arena_new(0);
    snprintf(file, sizeof file, "%s/t/samples/samples.zone", src);
    zone = am_dns_zonefiles(files, 1, &why);
    decisions = am_declog_open("/dev/null", "", &why);
    bool good = zone && decisions;
    for (size_t i = 0; good && i < SCENES; i++)
        good = load(i, a, src);
    if (!good)
        return fprintf(stderr, "# %s\n", why.text), 1;
    props[0].c->log.to = AM_LOG_STDERR;
    props[0].c->log.level = LOG_CRIT; /* every fault would be a line */
    am_log_open(props[0].c);
    int failed = cmocka_run_group_tests_name("fault session", tests, NULL, NULL);
    for (size_t i = 0; i < SCENES; i++)
        am_conf_free(props[i].c);
    am_declog_close(decisions, 0);
    am_dns_free(zone);
    am_arena_free(a);
    return failed;
}
