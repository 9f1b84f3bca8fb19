/* dns_many: many questions at once, and strangers who keep everything busy. Loopback only. */
#include "t/unit/dns_ask.h"

#include "libauth/dns/flight.h"
#include "libauth/message.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <time.h>

/* ---- Many at once ---- */

static void answer_slowly(server *s, const query *q)
{
    (void)s;
    nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
    send_txt(q, "slow");
}

static void *ask_in_thread(void *dns)
{
    am_arena *a = am_arena_new(0);
    am_dns_session *s = am_dns_begin(dns, a, NULL, NULL);
    const am_dns_answer *x = am_dns_wait(s, "t", "t", AM_STR("Same.Test"), AM_DNS_TXT);
    bool good = x->status == AM_DNS_DATA && am_str_is(x->rr[0].data, "slow");
    am_dns_end(s);
    am_arena_free(a);
    return good ? dns : NULL;
}

static void one_question_for_all(void **state)
{
    (void)state;
    server *s = start_server(answer_slowly, NULL);
    net n = open_net(5000, 0, s->address, NULL);
    pthread_t thread[8];
    for (int i = 0; i < 8; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, ask_in_thread, n.dns), 0);
    for (int i = 0; i < 8; i++) {
        void *good;
        pthread_join(thread[i], &good);
        assert_non_null(good);
    }
    am_dns_stats c = am_dns_count(n.dns);
    want_int("packets", atomic_load(&s->count), 1);
    want_int("questions", c.questions, 8);
    want_int("joined and cached", c.joined + c.cached, 7);
    want_int("entries", c.cache_entries, 1);
    close_net(&n);
    stop_server(s);
}

static void *wait_in_vain(void *arg)
{
    net *n = arg;
    am_arena *a = am_arena_new(0);
    am_turn turn = {.of = n->turns};
    am_dns_session *s = am_dns_begin(n->dns, a, NULL, NULL);
    am_turn_begin(&turn);
    am_dns_turn(s, &turn);
    (void)am_dns_wait(s, "t", "t", AM_STR("silent.test"), AM_DNS_TXT);
    am_turn_end(&turn);
    am_dns_end(s);
    am_arena_free(a);
    return NULL;
}

/* Who waits for the DNS has no turn meanwhile, and gets one before it goes on. */
static void a_wait_is_no_turn(void **state)
{
    (void)state;
    server *s = start_server(answer_never, NULL);
    net n = open_net(1000, 1500, s->address, NULL);
    n.turns = am_turns_new(1, 60000);
    alarm(60); /* a turn that never comes is a failure */
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, wait_in_vain, &n), 0);
    while (atomic_load(&s->count) == 0)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    int64_t from = am_now();
    am_turn mine = {.of = n.turns};
    am_turn_begin(&mine);
    assert_true(am_now() - from < 1000);
    while (am_turns_waiting(n.turns) == 0)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    assert_true(am_now() - from >= 1000); /* the wait was over before */
    am_turn_end(&mine);
    pthread_join(thread, NULL);
    alarm(0);
    am_turns_free(n.turns);
    close_net(&n);
    stop_server(s);
}

static void *come(void *arg)
{
    am_turn turn = {.of = arg};
    am_turn_begin(&turn);
    am_turn_end(&turn);
    return NULL;
}

/* Who has a turn for long passes it on with the next question, also with one that needs no wait. */
static void a_question_offers_the_turn(void **state)
{
    (void)state;
    net n = open_net(1000, 1500, "127.0.0.1@9", NULL);
    n.turns = am_turns_new(1, 60000);
    alarm(60); /* a turn that never comes is a failure */
    am_turn mine = {.of = n.turns};
    am_turn_begin(&mine);
    am_dns_turn(n.session, &mine);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, come, n.turns), 0);
    while (am_turns_waiting(n.turns) == 0)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    nanosleep(&(struct timespec){.tv_nsec = 3000000}, NULL);
    assert_int_equal(ask(&n, "not..askable", AM_DNS_TXT)->status, AM_DNS_NXDOMAIN);
    want_int("waiting", am_turns_waiting(n.turns), 0);
    pthread_join(thread, NULL);
    am_dns_turn(n.session, NULL);
    am_turn_end(&mine);
    alarm(0);
    am_turns_free(n.turns);
    close_net(&n);
}

static int open_files(void)
{
    int n = 0;
    for (int fd = 0; fd < 1024; fd++)
        n += fcntl(fd, F_GETFD) != -1;
    return n;
}

/* 1200 names, more than the sockets of a pool may be used for; then the last again. */
static void many_names(void **state)
{
    (void)state;
    server *s = start_server(answer_name, NULL);
    net n = open_net(1000, 0, s->address, NULL);
    int files = open_files();
    for (int round = 0; round < 9; round++) {
        char name[32];
        int first = round < 8 ? round * 150 : 7 * 150;
        for (int i = first; i < first + 150; i++) {
            snprintf(name, sizeof name, "n%d.test", i);
            am_dns_start(n.session, am_str_of(name), AM_DNS_TXT);
        }
        for (int i = first; i < first + 150; i++) {
            snprintf(name, sizeof name, "n%d.test", i);
            want_answer(&n, name, AM_DNS_TXT, name);
        }
        want_answer(&n, "one-more.test", AM_DNS_TXT, "temporary failure: too many look-ups");
        next_session(&n);
    }
    assert_in_range(open_files() - files, 1, 8); /* retired sockets are closed */
    want_int("packets", am_dns_count(n.dns).sent, atomic_load(&s->count));
    assert_in_range(atomic_load(&s->count), 1200, 1400); /* some may be lost and asked again */
    want_int("cached", am_dns_count(n.dns).cached, 150);
    close_net(&n);
    stop_server(s);
}

/* More truncated answers than there may be connections. */
static void many_over_tcp(void **state)
{
    (void)state;
    server *s = start_server(answer_truncated, NULL);
    net n = open_net(200, 0, s->address, NULL);
    char name[32];
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "n%d.test", i);
        am_dns_start(n.session, am_str_of(name), AM_DNS_TXT);
    }
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "n%d.test", i);
        const am_dns_answer *x = ask(&n, name, AM_DNS_TXT);
        want_int(name, x->n, 200);
    }
    close_net(&n);
    stop_server(s);
}

/* ---- Strangers who keep everything busy ---- */

enum { HELD = 600 };
static int held[HELD];
static atomic_int holds;

/* All is truncated; over TCP names that begin with h are never answered, and the line stays open.
 */
static void answer_or_hold(server *s, const query *q)
{
    (void)s;
    if (q->tcp && q->name[0] == 'h' && atomic_load(&holds) < HELD)
        held[atomic_fetch_add(&holds, 1)] = dup(q->fd);
    else
        truncated(q);
}

static void wait_until(const atomic_int *n, int least)
{
    int64_t end = am_now() + 20000;
    while (atomic_load(n) < least && am_now() < end)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    assert_true(atomic_load(n) >= least);
}

/* Where all connections hang, a question that somebody waits for takes the place of the oldest. */
static void hanging_connections(bool wanted)
{
    server *s = start_server(answer_or_hold, NULL);
    net n = open_net(8000, 0, s->address, NULL);
    am_arena *a = am_arena_new(0);
    const am_dns_limits many = {.questions = HELD, .wait_ms = 1};
    am_dns_session *stranger = am_dns_begin(n.dns, a, &many, NULL);
    atomic_store(&holds, 0);
    for (int i = 0; i < 300; i++)
        am_dns_start(stranger, am_str_format(a, "h%d.test", i), AM_DNS_TXT);
    for (int i = 0; wanted && i < 300; i++)
        (void)am_dns_wait(stranger, "t", "t", am_str_format(a, "h%d.test", i), AM_DNS_TXT);
    wait_until(&holds, 256);
    int64_t from = am_now();
    want_int("an answer", ask(&n, "good.test", AM_DNS_TXT)->n, 200);
    want_int("another", ask(&n, "other.test", AM_DNS_TXT)->n, 200);
    assert_in_range(am_now() - from, 0, 4000);
    assert_null(am_dns_fault(n.session));
    am_dns_end(stranger);
    am_arena_free(a);
    close_net(&n);
    stop_server(s);
    for (int i = 0; i < holds; i++)
        close(held[i]);
}

static void connections_hang(void **state)
{
    (void)state;
    hanging_connections(false);
    hanging_connections(true);
}

static void answer_few(server *s, const query *q)
{
    (void)s;
    if (strcmp(q->name, "_dmarc.victim.test") == 0)
        send_txt(q, "v=DMARC1; p=reject");
    else if (q->name[0] != 'h')
        send_txt(q, "ok");
}

/* Strangers' messages, each with its names. */
enum { STRANGERS = 101, NAMES = 200 };

typedef struct crowd {
    am_arena *arena;
    am_dns_session *session[STRANGERS];
} crowd;

static am_str name_of(crowd *c, int who, int i)
{
    return am_str_format(c->arena, "h%d.m%d.test", i, who);
}

static void begin_crowd(crowd *c, am_dns *dns)
{
    const am_dns_limits limits = {.questions = NAMES, .wait_ms = 1};
    c->arena = am_arena_new(0);
    for (int who = 0; who < STRANGERS; who++)
        c->session[who] = am_dns_begin(dns, c->arena, &limits, NULL);
}

/* All early room is taken: the crowd's questions are in flight, and none of them is answered. */
static void fill_early_room(crowd *c, net *n, server *s)
{
    begin_crowd(c, n->dns);
    for (int who = 0; who < STRANGERS; who++) {
        for (int i = 0; i < NAMES; i++)
            am_dns_start(c->session[who], name_of(c, who, i), AM_DNS_TXT);
        wait_until(&s->count, (int)am_dns_count(n->dns).questions); /* no packet may be lost here */
    }
}

static void end_crowd(crowd *c)
{
    for (int who = 0; who < STRANGERS; who++)
        am_dns_end(c->session[who]);
    am_arena_free(c->arena);
}

/* A packet of 2 KB that is 100 KB as an answer: a name's text has 1,000 octets, for 16 of the wire.
 */
static void answer_big(server *s, const query *q)
{
    (void)s;
    reply *r = begin_reply(q, 0);
    uint8_t data[2 + 255] = "", *label = data + 2;
    for (int i = 0; i < 4; i++, label += 1 + *label) {
        *label = i < 3 ? 63 : 61;
        memset(label + 1, 0x80, *label);
    }
    put_rr(r, 6, NULL, MX, 300, data, sizeof data);
    unsigned target = 0xc000 | (unsigned)(r->n - sizeof data + 2);
    for (int i = 0; i < 100; i++)
        put_rr(r, 6, NULL, MX, 300, (uint8_t[]){0, 1, (uint8_t)(target >> 8), (uint8_t)target}, 4);
    send_reply(q, r);
}

/* Answers that were asked for early and that nobody takes are bounded: beyond, none is asked for
 * early, and who waits is answered. The strangers are gone: there is room again. */
static void nobody_takes_the_answers(void **state)
{
    (void)state;
    enum { BIG = 900 };
    server *s = start_server(answer_big, NULL);
    net n = open_net(3000, 0, s->address, NULL);
    crowd c;
    begin_crowd(&c, n.dns);
    am_arena *a = am_arena_new(0);
    am_dns_session *other =
        am_dns_begin(n.dns, a, &(am_dns_limits){.questions = BIG, .wait_ms = 120000}, NULL);
    for (int i = 0; i < BIG; i++) {
        am_str name = name_of(&c, i / NAMES, i % NAMES);
        am_dns_start(c.session[i / NAMES], name, AM_DNS_MX);
        want_int(
            "hosts", am_dns_wait(other, "t", "t", name, AM_DNS_MX)->n, 101); /* it has landed */
    }
    uint64_t early = am_dns_count(n.dns).questions - BIG, most = AM_FLIGHTS_OCTETS / 100000 + 1;
    assert_in_range(early, most - 50, most);
    assert_true(am_dns_turned_away(c.session[(BIG - 1) / NAMES]));
    assert_false(am_dns_turned_away(c.session[0]));
    am_dns_end(other);
    am_arena_free(a);
    end_crowd(&c);
    am_dns_start(n.session, AM_STR("again.test"), AM_DNS_MX);
    assert_false(am_dns_turned_away(n.session));
    close_net(&n);
    stop_server(s);
}

/* Many are in flight before the last octets are taken. What then has no room is asked for again,
 * or cached, when it is waited for. */
static void many_land_at_once(void **state)
{
    (void)state;
    enum { FIRST = 600, BURST = 100 };
    server *s = start_server(answer_big, NULL);
    net n = open_net(3000, 0, s->address, NULL);
    crowd c;
    begin_crowd(&c, n.dns);
    am_arena *a = am_arena_new(0);
    am_dns_limits limits = {.questions = FIRST, .wait_ms = 120000};
    am_dns_session *other = am_dns_begin(n.dns, a, &limits, NULL);
    for (int i = 0; i < FIRST; i++) {
        am_str name = name_of(&c, i / NAMES, i % NAMES);
        am_dns_start(c.session[i / NAMES], name, AM_DNS_MX);
        am_dns_wait(other, "t", "t", name, AM_DNS_MX);
    }
    for (int i = 0; i < BURST; i++)
        am_dns_start(n.session, name_of(&c, STRANGERS - 1, i), AM_DNS_MX);
    wait_until(&s->count, FIRST + BURST);
    nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL); /* nobody looks meanwhile */
    int without = 0;
    for (int i = 0; i < BURST; i++) {
        am_str name = name_of(&c, STRANGERS - 1, i);
        const am_dns_answer *x = am_dns_peek(n.session, name, AM_DNS_MX);
        without += x && x->status == AM_DNS_TEMPFAIL;
    }
    assert_in_range(without, 1, BURST);
    for (int i = 0; i < BURST; i++) {
        am_str name = name_of(&c, STRANGERS - 1, i);
        want_int("hosts", am_dns_wait(n.session, "t", "t", name, AM_DNS_MX)->n, 101);
    }
    assert_null(am_dns_fault(n.session));
    am_dns_end(other);
    am_arena_free(a);
    end_crowd(&c);
    close_net(&n);
    stop_server(s);
}

/* Early questions take half of the room, so that there is some for those that are waited for. */
static void the_table_is_full(void **state)
{
    (void)state;
    server *s = start_server(answer_few, NULL);
    net n = open_net(9000, 0, s->address, NULL);
    crowd c;
    fill_early_room(&c, &n, s);
    want_int("asked early", am_dns_count(n.dns).questions, AM_FLIGHTS_MAX / 2);
    want_answer(&n, "good.test", AM_DNS_TXT, "ok");
    assert_null(am_dns_fault(n.session));
    for (int who = 0; who < STRANGERS - 1; who++)
        for (int i = 0; i < NAMES; i++)
            (void)am_dns_wait(c.session[who], "t", "t", name_of(&c, who, i), AM_DNS_TXT);
    assert_null(am_dns_fault(c.session[STRANGERS - 2]));
    want_answer(&n, "nobody.test", AM_DNS_TXT, "temporary failure: too many questions in flight");
    want_str("whose fault", am_str_of(am_dns_fault(n.session)), "too many questions in flight");
    end_crowd(&c);
    close_net(&n);
    stop_server(s);
}

/* MAIL FROM's domain is not answered for; the author's was turned away. Half of the time is his. */
static void a_crowd_hides_no_author(void **state)
{
    (void)state;
    server *s = start_server(answer_few, NULL);
    net n = open_net(9000, 0, s->address, NULL);
    crowd c;
    fill_early_room(&c, &n, s);
    am_options o = {.receiver = "mx.test", .dns = {.wait_ms = 6000}};
    am_message *m = am_message_new(n.dns, &o);
    am_ip ip;
    am_ip_parse(AM_STR("192.0.2.1"), &ip);
    am_message_client(m, &ip);
    am_message_sender(m, AM_STR("<u@h.test>"));
    am_message_field(m, AM_STR("From"), AM_STR(" boss@victim.test"));
    am_message_eoh(m);
    const am_evidence *e = am_message_finish(m);
    want_str("spf", am_str_of(am_result_word(e->spf.result)), "temperror");
    want_str("dmarc", am_str_of(am_result_word(e->dmarc.result)), "fail");
    assert_null(e->fault);
    am_message_free(m);
    end_crowd(&c);
    close_net(&n);
    stop_server(s);
}

static void answer_author_later(server *s, const query *q)
{
    if (q->nth == 0)
        send_reply(q, begin_reply(q, SERVFAIL));
    else
        answer_few(s, q);
}

/* The author's record could not be had when From came, and can at the end of a long body: MAIL
 * FROM's domain, which is not answered for, has not all of the time. */
static void an_early_failure_hides_no_author(void **state)
{
    (void)state;
    server *s = start_server(answer_author_later, NULL);
    net n = open_net(9000, 0, s->address, NULL);
    am_options o = {.receiver = "mx.test", .dns = {.wait_ms = 4000}};
    am_message *m = am_message_new(n.dns, &o);
    am_ip ip;
    am_ip_parse(AM_STR("192.0.2.1"), &ip);
    am_message_field(m, AM_STR("From"), AM_STR(" boss@victim.test"));
    am_message_client(m, &ip);
    am_message_sender(m, AM_STR("<u@h.test>"));
    am_message_eoh(m);
    nanosleep(&(struct timespec){.tv_sec = 6}, NULL); /* the cache has forgotten the failure */
    const am_evidence *e = am_message_finish(m);
    want_str("spf", am_str_of(am_result_word(e->spf.result)), "temperror");
    want_str("dmarc", am_str_of(am_result_word(e->dmarc.result)), "fail");
    am_message_free(m);
    close_net(&n);
    stop_server(s);
}

/* Sockets stay open for answers that come late. They are bounded, however many names hang. */
static void hanging_names_hold_few_sockets(void **state)
{
    (void)state;
    server *s = start_server(answer_few, NULL);
    net n = open_net(1000, 0, s->address, NULL);
    crowd c;
    int files = open_files(), most = 0;
    fill_early_room(&c, &n, s);
    for (int64_t end = am_now() + 20000; am_dns_count(n.dns).sent < 25000 && am_now() < end;) {
        int now = open_files() - files;
        most = now > most ? now : most;
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    assert_true(am_dns_count(n.dns).sent >= 25000);
    assert_in_range(most, 8, 200);
    want_answer(&n, "good.test", AM_DNS_TXT, "ok");
    end_crowd(&c);
    close_net(&n);
    stop_server(s);
}

/* Where no socket can be opened, questions fail in time; and work again later. */
static void no_sockets(void **state)
{
    (void)state;
    server *s = start_server(answer_ok, NULL);
    net n = open_net(20, 0, s->address, NULL);
    struct rlimit before, none;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 3;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    want_answer(&n, "a.test", AM_DNS_TXT, "temporary failure: cannot send");
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    want_answer(&n, "b.test", AM_DNS_TXT, "ok");
    close_net(&n);
    stop_server(s);
}

/* Each true answer comes behind a hundred forged ones. */
static void answer_flood(server *s, const query *q)
{
    (void)s;
    for (int i = 1; i <= 100; i++) {
        reply *r = begin_reply(q, 0);
        r->p[1] ^= (uint8_t)i;
        put_txt(r, NULL, 300, "forged");
        send_reply(q, r);
    }
    send_txt(q, "true");
}

static void floods_are_survived(void **state)
{
    (void)state;
    server *s = start_server(answer_flood, NULL);
    net n = open_net(1000, 0, s->address, NULL);
    char name[32];
    for (int i = 0; i < 30; i++) {
        snprintf(name, sizeof name, "n%d.test", i);
        want_answer(&n, name, AM_DNS_TXT, "true");
    }
    want_int("questions", atomic_load(&s->count), 30);
    close_net(&n);
    stop_server(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_question_for_all),
        cmocka_unit_test(a_wait_is_no_turn),
        cmocka_unit_test(a_question_offers_the_turn),
        cmocka_unit_test(many_names),
        cmocka_unit_test(many_over_tcp),
        cmocka_unit_test(connections_hang),
        cmocka_unit_test(nobody_takes_the_answers),
        cmocka_unit_test(many_land_at_once),
        cmocka_unit_test(the_table_is_full),
        cmocka_unit_test(a_crowd_hides_no_author),
        cmocka_unit_test(an_early_failure_hides_no_author),
        cmocka_unit_test(hanging_names_hold_few_sockets),
        cmocka_unit_test(no_sockets),
        cmocka_unit_test(floods_are_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
