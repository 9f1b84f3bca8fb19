/* dns_net: the engine against a server that does what it likes. Loopback only. */
#include "t/unit/dns_ask.h"

#include "libauth/dns/engine.h"
#include "libauth/dns/flight.h"

#include <time.h>

static bool has_edns(const query *q)
{
    return q->p[11] == 1 && q->n == q->question_end + 11;
}

/* ---- Answers of all kinds, one name each ---- */

static void data(const query *q)
{
    reply *r = begin_reply(q, AD);
    put_rr(r, 6, NULL, TXT, 300, "\3one\0\3two", 9);
    put_rr(r, 6, NULL, TXT, 200, "\5three", 6);
    send_reply(q, r);
}

static void addresses(const query *q)
{
    reply *r = begin_reply(q, 0);
    if (q->type == A)
        put_rr(r, 6, NULL, A, 0x80000001, "\300\0\2\1", 4);
    else
        put_rr(r, 6, NULL, AAAA, 9000000, "\40\1\15\270\0\0\0\0\0\0\0\0\0\0\0\1", 16);
    send_reply(q, r);
}

static void hosts(const query *q)
{
    reply *r = begin_reply(q, 0);
    if (q->type == PTR) {
        put_host(r, 6, NULL, PTR, 5, "Mail.Example.ORG");
    } else {
        put_rr(r, 6, NULL, MX, 60, "\0\12\5mail2\xc0\x0c", 10);
        put_rr(r, 6, NULL, MX, 60, "\0\0\0", 3);
    }
    send_reply(q, r);
}

static void nodata(const query *q)
{
    reply *r = begin_reply(q, 0);
    put_soa(r, "test", 200, 100);
    send_reply(q, r);
}

static void nodata_bare(const query *q)
{
    send_reply(q, begin_reply(q, 0));
}

static void nxdomain(const query *q)
{
    reply *r = begin_reply(q, NXDOMAIN);
    put_soa(r, "test", 86400, 86400);
    send_reply(q, r);
}

static void servfail(const query *q)
{
    send_reply(q, begin_reply(q, SERVFAIL));
}

static void refused(const query *q)
{
    send_reply(q, begin_reply(q, REFUSED));
}

static void referral(const query *q)
{
    reply *r = begin_reply(q, 0);
    put_host(r, 8, "test", NS, 300, "ns.test");
    send_reply(q, r);
}

static void malformed(const query *q)
{
    reply *r = begin_reply(q, 0);
    put_rr(r, 6, NULL, TXT, 300, "\5abc", 4);
    send_reply(q, r);
}

/* CNAMEs in the packet, the last first; the end is there too. */
static void alias(const query *q)
{
    reply *r = begin_reply(q, 0);
    put_txt(r, "end.test", 300, "by two links");
    put_host(r, 6, "middle.test", CNAME, 50, "END.test");
    put_host(r, 6, NULL, CNAME, 400, "Middle.Test");
    put_txt(r, "other.test", 1, "not asked for");
    send_reply(q, r);
}

static void alias_nxdomain(const query *q)
{
    reply *r = begin_reply(q, NXDOMAIN);
    put_host(r, 6, NULL, CNAME, 10, "gone.test");
    put_soa(r, "test", 30, 30);
    send_reply(q, r);
}

/* The end is not in the packet: to be asked for. */
static void alias_out(const query *q)
{
    reply *r = begin_reply(q, AD);
    put_host(r, 6, NULL, CNAME, 40, "data.test");
    send_reply(q, r);
}

static void alias_loop(const query *q)
{
    reply *r = begin_reply(q, 0);
    put_host(r, 6, NULL, CNAME, 40, "loop2.test");
    put_host(r, 6, "loop2.test", CNAME, 40, "loop.test");
    send_reply(q, r);
}

/* Each packet leads to another name, for ever. */
static void alias_for_ever(const query *q)
{
    static int n;
    char next[32];
    snprintf(next, sizeof next, "x%d.for-ever.test", n++);
    reply *r = begin_reply(q, 0);
    put_host(r, 6, NULL, CNAME, 40, next);
    send_reply(q, r);
}

static void wrong_id(const query *q)
{
    reply *r = begin_reply(q, 0);
    r->p[0] ^= 0xff;
    put_txt(r, NULL, 300, "forged");
    send_reply(q, r);
    send_txt(q, "true");
}

static void wrong_question(const query *q)
{
    query other = *q;
    other.p[13] ^= 1;
    send_txt(&other, "forged");
    other = *q;
    other.p[other.question_end - 3] = AAAA;
    send_txt(&other, "forged");
    other = *q;
    other.p[other.question_end - 1] = 3; /* class CH */
    send_txt(&other, "forged");
    send_txt(q, "true");
}

static void no_reply(const query *q)
{
    reply *r = begin_reply(q, 0);
    r->p[2] &= 0x7f;
    put_txt(r, NULL, 300, "forged");
    send_reply(q, r);
    r = begin_reply(q, 0);
    r->p[2] |= 0x20; /* opcode NOTIFY */
    put_txt(r, NULL, 300, "forged");
    send_reply(q, r);
    send_txt(q, "true");
}

static void other_port(const query *q)
{
    query other = *q;
    other.fd = socket(AF_INET, SOCK_DGRAM, 0);
    send_txt(&other, "forged");
    close(other.fd);
    send_txt(q, "true");
}

static void garbage(const query *q)
{
    reply *r = begin_reply(q, 0);
    r->n = 1;
    send_reply(q, r);
    r = begin_reply(q, 0);
    r->n = 11;
    send_reply(q, r);
    r = begin_reply(q, 0);
    r->n = q->question_end - 2;
    send_reply(q, r);
    r = begin_reply(q, 0);
    r->p[5] = 2; /* two questions */
    put_txt(r, NULL, 300, "forged");
    send_reply(q, r);
    send_txt(q, "true");
}

static void formerr(const query *q)
{
    if (has_edns(q))
        send_reply(q, begin_reply(q, FORMERR));
    else
        send_txt(q, "without EDNS");
}

static void notimp_header_alone(const query *q)
{
    if (!has_edns(q)) {
        send_txt(q, "without EDNS");
        return;
    }
    reply *r = begin_reply(q, NOTIMP);
    r->n = 12;
    r->p[5] = 0;
    send_reply(q, r);
}

static void badvers(const query *q)
{
    if (!has_edns(q)) {
        send_txt(q, "without EDNS");
        return;
    }
    reply *r = begin_reply(q, 0);
    put(r, "\0\0\51\4\320\1\0\0\0\0\0", 11); /* OPT, extended RCODE 1: 16 */
    r->p[11] = 1;
    send_reply(q, r);
}

static const struct row {
    const char *name;
    void (*answer)(const query *q);
    unsigned type;
    const char *want;
    uint32_t want_ttl;
    bool want_secure;
} rows[] = {
    {"data.test", data, TXT, "onetwo | three", 200, true},
    {"addresses.test", addresses, A, "192.0.2.1", 0, false},
    {"addresses.test", addresses, AAAA, "2001:db8::1", 86400, false},
    {"hosts.test", hosts, MX, "10 mail2.hosts.test | 0 .", 60, false},
    {"hosts.test", hosts, PTR, "mail.example.org", 5, false},
    {"nodata.test", nodata, TXT, "no data", 100, false},
    {"nodata-bare.test", nodata_bare, TXT, "no data", 0, false},
    {"nxdomain.test", nxdomain, TXT, "no such name", 900, false},
    {"servfail.test", servfail, TXT, "temporary failure: SERVFAIL", 0, false},
    {"refused.test", refused, TXT, "temporary failure: REFUSED", 0, false},
    {"referral.test", referral, TXT, "temporary failure: referral", 0, false},
    {"malformed.test", malformed, TXT, "temporary failure: malformed answer", 0, false},
    {"alias.test", alias, TXT, "by two links", 50, false},
    {"alias-nxdomain.test", alias_nxdomain, TXT, "no such name", 10, false},
    {"alias-out.test", alias_out, TXT, "onetwo | three", 40, true},
    {"loop.test", alias_loop, TXT, "temporary failure: CNAME chain too long", 0, false},
    {"for-ever.test", alias_for_ever, TXT, "temporary failure: CNAME chain too long", 0, false},
    {"wrong-id.test", wrong_id, TXT, "true", 300, false},
    {"wrong-question.test", wrong_question, TXT, "true", 300, false},
    {"no-reply.test", no_reply, TXT, "true", 300, false},
    {"other-port.test", other_port, TXT, "true", 300, false},
    {"garbage.test", garbage, TXT, "true", 300, false},
};

static void answer_rows(server *s, const query *q)
{
    (void)s;
    const char *name = strstr(q->name, ".for-ever.test") ? "for-ever.test" : q->name;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(name, rows[i].name) == 0) {
            rows[i].answer(q);
            return;
        }
    send_reply(q, begin_reply(q, NXDOMAIN));
}

static void all_kinds(void **state)
{
    (void)state;
    server *s = start_server(answer_rows, NULL);
    net n = open_net(1000, 0, s->address, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        am_dns_start(n.session, am_str_of(rows[i].name), (am_dns_type)rows[i].type);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct row *r = &rows[i];
        const am_dns_answer *x = ask(&n, r->name, (am_dns_type)r->type);
        want_str(r->name, am_dns_answer_text(n.arena, x, (am_dns_type)r->type), r->want);
        want_int(r->name, x->ttl, r->want_ttl);
        want_int(r->name, x->secure, r->want_secure);
    }
    want_int("questions", am_dns_count(n.dns).questions, sizeof rows / sizeof *rows);
    want_int("failed", am_dns_count(n.dns).failed, 6);
    close_net(&n);
    stop_server(s);
}

static void answer_edns(server *s, const query *q)
{
    ((void (*)(const query *))s->with)(q);
}

static void edns_is_given_up(void **state)
{
    (void)state;
    void (*const cases[])(const query *) = {formerr, notimp_header_alone, badvers};
    for (size_t i = 0; i < 3; i++) {
        server *s = start_server(answer_edns, (void *)cases[i]);
        net n = open_net(1000, 0, s->address, NULL);
        want_answer(&n, "a.test", AM_DNS_TXT, "without EDNS");
        want_answer(&n, "b.test", AM_DNS_TXT, "without EDNS");
        want_int("the server's answer is remembered", atomic_load(&s->count), 3);
        close_net(&n);
        stop_server(s);
    }
}

static atomic_int plain;

/* Knows EDNS, and not what to make of some names: "odd" and "half" with an OPT, "bare" without; of
 * "half" it does where it is asked without. */
static void answer_odd(server *s, const query *q)
{
    (void)s;
    bool half = strcmp(q->name, "half.test") == 0 && has_edns(q);
    if (half || strcmp(q->name, "odd.test") == 0 || strcmp(q->name, "bare.test") == 0) {
        reply *r = begin_reply(q, FORMERR);
        if (q->name[0] != 'b' && has_edns(q))
            put_rr(r, 10, "", 41, 0, "", 0);
        send_reply(q, r);
        return;
    }
    if (!has_edns(q))
        atomic_fetch_add(&plain, 1);
    send_txt(q, "ok");
}

/* One odd name does not switch EDNS off for all others. */
static void edns_is_kept(void **state)
{
    (void)state;
    server *s = start_server(answer_odd, NULL);
    net n = open_net(1000, 0, s->address, NULL);
    want_answer(&n, "odd.test", AM_DNS_TXT, "temporary failure: FORMERR");
    want_answer(&n, "a.test", AM_DNS_TXT, "ok");
    want_int("without EDNS", atomic_load(&plain), 0);
    want_answer(&n, "bare.test", AM_DNS_TXT, "temporary failure: FORMERR");
    want_answer(&n, "b.test", AM_DNS_TXT, "ok");
    want_int("without EDNS", atomic_load(&plain), 0);
    want_answer(&n, "half.test", AM_DNS_TXT, "ok");
    want_answer(&n, "c.test", AM_DNS_TXT, "ok");
    want_int("without EDNS", atomic_load(&plain), 1);
    close_net(&n);
    stop_server(s);
}

static void truncated_then_tcp(void **state)
{
    (void)state;
    server *s = start_server(answer_truncated, NULL);
    net n = open_net(2000, 0, s->address, NULL);
    const am_dns_answer *x = ask(&n, "big.test", AM_DNS_TXT);
    want_int("status", x->status, AM_DNS_DATA);
    want_int("records", x->n, 200);
    want_int("octets", x->rr[199].data.n, 255);
    want_int("tcp", atomic_load(&s->tcp_count), 1);
    close_net(&n);
    stop_server(s);
}

/* ---- TCP that breaks ---- */

static void answer_broken_tcp(server *s, const query *q)
{
    (void)s;
    if (!q->tcp) {
        truncated(q);
    } else if (strcmp(q->name, "cut.test") == 0) {
        assert(send(q->fd, "\1\0half", 6, MSG_NOSIGNAL) == 6);
    } else if (strcmp(q->name, "empty.test") == 0) {
        assert(send(q->fd, "\0\0", 2, MSG_NOSIGNAL) == 2);
    } else if (strcmp(q->name, "tc.test") == 0) {
        send_reply(q, begin_reply(q, TC));
    } else {
        reply *r = begin_reply(q, 0); /* octet by octet, the id wrong */
        r->p[0] ^= 1;
        send_reply(q, r);
    }
}

static void tcp_breaks(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"cut.test", "temporary failure: connection broken"},
        {"empty.test", "temporary failure: connection broken"},
        {"tc.test", "temporary failure: malformed answer"},
        {"id.test", "temporary failure: malformed answer"},
    };
    server *s = start_server(answer_broken_tcp, NULL);
    net n = open_net(20, 0, s->address, NULL);
    for (size_t i = 0; i < 4; i++)
        want_answer(&n, cases[i][0], AM_DNS_TXT, cases[i][1]);
    close_net(&n);
    stop_server(s);
}

static void answer_the_fourth_line(server *s, const query *q)
{
    if (!q->tcp)
        send_reply(q, begin_reply(q, TC));
    else if (atomic_load(&s->tcp_count) > 3)
        send_txt(q, "ok");
}

/* A broken line is no line whose answer may still come: the next try is due as it is for packets,
 * so that the fourth one lies within the question's ten seconds. */
static void tcp_comes_back(void **state)
{
    (void)state;
    server *s = start_server(answer_the_fourth_line, NULL);
    net n = open_net(1500, 0, s->address, NULL);
    want_answer(&n, "a.test", AM_DNS_TXT, "ok");
    want_int("connections", atomic_load(&s->tcp_count), 4);
    close_net(&n);
    stop_server(s);
}

/* ---- Loss, lateness, dead servers ---- */

static void answer_second(server *s, const query *q)
{
    (void)s;
    if (q->nth > 0)
        send_txt(q, "second try");
}

static void loss_is_retried(void **state)
{
    (void)state;
    server *s = start_server(answer_second, NULL);
    net n = open_net(50, 0, s->address, NULL);
    want_answer(&n, "a.test", AM_DNS_TXT, "second try");
    want_int("tries", atomic_load(&s->count), 2);
    want_int("sent", am_dns_count(n.dns).sent, 2);
    close_net(&n);
    stop_server(s);
}

/* The first query is answered when the second comes; the second never. */
static void answer_late(server *s, const query *q)
{
    query *first = s->with;
    if (q->nth == 0)
        *first = *q;
    else if (q->nth == 1)
        send_txt(first, "late");
}

static void late_answer_counts(void **state)
{
    (void)state;
    query first;
    server *s = start_server(answer_late, &first);
    net n = open_net(50, 0, s->address, NULL);
    want_answer(&n, "a.test", AM_DNS_TXT, "late");
    want_int("tries", atomic_load(&s->count), 2);
    close_net(&n);
    stop_server(s);
}

static void silence_ends(void **state)
{
    (void)state;
    server *s = start_server(answer_never, NULL);
    net n = open_net(20, 0, s->address, NULL);
    int64_t from = am_now();
    want_answer(&n, "a.test", AM_DNS_TXT, "temporary failure: timeout");
    int64_t took = am_now() - from;
    assert_in_range(took, 1250, 5000); /* 20 + 40 + ... + 640 */
    want_int("tries", atomic_load(&s->count), 6);
    next_session(&n);
    want_answer(&n, "a.test", AM_DNS_TXT, "temporary failure: timeout");
    want_int("the failure is held", atomic_load(&s->count), 6);
    close_net(&n);
    stop_server(s);
}

static void deadline_is_kept(void **state)
{
    (void)state;
    server *s = start_server(answer_never, NULL);
    net n = open_net(5000, 150, s->address, NULL);
    int64_t from = am_now();
    want_answer(&n, "a.test", AM_DNS_TXT, "temporary failure: timeout");
    assert_in_range(am_now() - from, 149, 1500);
    from = am_now();
    want_answer(&n, "b.test", AM_DNS_TXT, "temporary failure: timeout");
    want_answer(&n, "a.test", AM_DNS_TXT, "temporary failure: timeout");
    assert_in_range(am_now() - from, 0, 100);
    /* A question in flight does not hinder the end. */
    am_dns_start(n.session, AM_STR("c.test"), AM_DNS_TXT);
    assert_null(am_dns_peek(n.session, AM_STR("c.test"), AM_DNS_TXT));
    close_net(&n);
    stop_server(s);
}

/* Half of what is left is kept for later, and a half of the rest within that. */
static void time_is_kept(void **state)
{
    (void)state;
    server *s = start_server(answer_never, NULL);
    net n = open_net(5000, 1600, s->address, NULL);
    const struct {
        const char *name;
        int least, most; /* of all that was taken; who takes more leaves the next one less */
    } cases[] = {{"within.test", 400, 1200}, {"half.test", 800, 1400}, {"all.test", 1600, 5000},
        {"none.test", 1600, 5000}};
    int64_t before = am_dns_keep_time(n.session), within = am_dns_keep_time(n.session);
    int64_t from = am_now();
    for (size_t i = 0; i < 4; i++) {
        want_answer(&n, cases[i].name, AM_DNS_TXT, "temporary failure: timeout");
        assert_in_range(am_now() - from + 3, cases[i].least, cases[i].most);
        am_dns_keep_time_end(n.session, i == 0 ? within : before);
    }
    close_net(&n);
    stop_server(s);
}

static void answer_the_sixth(server *s, const query *q)
{
    if (atomic_load(&s->count) >= 6)
        send_txt(q, "ok");
}

/* What is lost again and again is asked again until the question is given up, at intervals that
 * stay short. */
static void much_is_lost(void **state)
{
    (void)state;
    server *s = start_server(answer_the_sixth, NULL);
    net n = open_net(50, 0, s->address, NULL);
    want_answer(&n, "a.test", AM_DNS_TXT, "ok");
    close_net(&n);
    stop_server(s);
}

static void dead_servers_are_left(void **state)
{
    (void)state;
    server *good = start_server(answer_ok, NULL), *silent = start_server(answer_never, NULL);
    server *closed = start_server(answer_never, NULL);
    char closed_address[32];
    strcpy(closed_address, closed->address);
    stop_server(closed);

    net n = open_net(3000, 0, closed_address, good->address);
    int64_t from = am_now();
    want_answer(&n, "a.test", AM_DNS_TXT, "ok");
    assert_in_range(am_now() - from, 0, 1000); /* a closed port shows at once */
    close_net(&n);

    n = open_net(60, 0, silent->address, good->address);
    char name[] = "a.test";
    for (; name[0] < 'k'; name[0]++)
        want_answer(&n, name, AM_DNS_TXT, "ok");
    want_int("after three misses the first is left out", atomic_load(&silent->count), 3);
    close_net(&n);

    n = open_net(20, 0, closed_address, NULL);
    want_answer(&n, "a.test", AM_DNS_TXT, "temporary failure: connection refused");
    close_net(&n);
    stop_server(good);
    stop_server(silent);
}

/* Silent about some names, or (with something) not able to tell. */
static void answer_others(server *s, const query *q)
{
    if (strncmp(q->name, "dead", 4) != 0)
        send_txt(q, s->with ? "of the second" : "ok");
    else if (s->with)
        servfail(q);
}

/* A name that is not answered is asked for many times, and is the server's fault no more than once.
 */
static void a_dead_name_downs_nobody(void **state)
{
    (void)state;
    server *first = start_server(answer_others, NULL), *second = start_server(answer_others, "");
    net n = open_net(20, 0, first->address, second->address);
    want_answer(&n, "dead.test", AM_DNS_TXT, "temporary failure: timeout");
    int tries = atomic_load(&first->count);
    want_int("tries", tries, 6);
    want_answer(&n, "a.test", AM_DNS_TXT, "ok");
    want_int("the first is still asked", atomic_load(&first->count), tries + 1);
    close_net(&n);
    stop_server(first);
    stop_server(second);
}

/* Three such names at a time are no three misses in a row. */
static void dead_names_down_nobody(void **state)
{
    (void)state;
    server *first = start_server(answer_others, NULL), *second = start_server(answer_others, "");
    net n = open_net(500, 0, first->address, second->address);
    am_dns_start(n.session, AM_STR("dead1.test"), AM_DNS_TXT);
    am_dns_start(n.session, AM_STR("dead2.test"), AM_DNS_TXT);
    am_dns_start(n.session, AM_STR("dead3.test"), AM_DNS_TXT);
    while (atomic_load(&second->count) < 3)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    want_answer(&n, "a.test", AM_DNS_TXT, "ok");
    close_net(&n);
    stop_server(first);
    stop_server(second);
}

/* All answers are cut, and the lines hang open. */
static int lines[600];
static atomic_int hanging;

static void answer_cut(server *s, const query *q)
{
    if (s->with || strncmp(q->name, "dead", 4) != 0)
        send_txt(q, s->with ? "of the second" : "ok");
    else if (!q->tcp)
        send_reply(q, begin_reply(q, TC));
    else if (atomic_load(&hanging) < 600)
        lines[atomic_fetch_add(&hanging, 1)] = dup(q->fd);
}

/* Who answers that it must be by TCP, for which we have no place, has answered. */
static void no_place_downs_nobody(void **state)
{
    (void)state;
    server *first = start_server(answer_cut, NULL), *second = start_server(answer_cut, "");
    net n = open_net(500, 0, first->address, second->address);
    am_arena *a = am_arena_new(0);
    am_dns_session *many = am_dns_begin(n.dns, a, &(am_dns_limits){.questions = 300}, NULL);
    for (int i = 0; i < 300; i++)
        am_dns_start(many, am_str_format(a, "dead%d.test", i), AM_DNS_TXT);
    while (atomic_load(&second->count) < 30)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    want_answer(&n, "a.test", AM_DNS_TXT, "ok");
    am_dns_end(many);
    am_arena_free(a);
    close_net(&n);
    stop_server(first);
    stop_server(second);
    for (int i = 0; i < atomic_load(&hanging); i++)
        close(lines[i]);
}

/* By TCP after 2.3 s, one after the other: the second connection's answer comes 2.3 s after it was
 * opened, and would not within the two seconds that a packet is given. */
static void answer_slowly_by_tcp(server *s, const query *q)
{
    (void)s;
    if (q->tcp)
        nanosleep(&(struct timespec){.tv_sec = 2, .tv_nsec = 300000000}, NULL);
    truncated(q);
}

static void tcp_has_more_time(void **state)
{
    (void)state;
    server *s = start_server(answer_slowly_by_tcp, NULL);
    net n = open_net(1500, 0, s->address, NULL);
    want_int("status", ask(&n, "big.test", AM_DNS_TXT)->status, AM_DNS_DATA);
    want_int("connections", atomic_load(&s->tcp_count), 2);
    close_net(&n);
    stop_server(s);
}

/* However long a try may take, a question ends in time for every server to be asked. */
static void every_server_has_its_turn(void **state)
{
    (void)state;
    server *good = start_server(answer_ok, NULL), *silent = start_server(answer_never, NULL);
    const char *list[8] = {silent->address};
    for (size_t i = 1; i < 8; i++)
        list[i] = good->address;
    net n = open_net_of(list, 8, 20000, 0);
    want_answer(&n, "a.test", AM_DNS_TXT, "ok");
    close_net(&n);
    stop_server(good);
    stop_server(silent);
}

static void answer_servfail(server *s, const query *q)
{
    (void)s;
    servfail(q);
}

static void another_server_may_know(void **state)
{
    (void)state;
    server *bad = start_server(answer_servfail, NULL), *good = start_server(answer_ok, NULL);
    net n = open_net(3000, 0, bad->address, good->address);
    int64_t from = am_now();
    want_answer(&n, "a.test", AM_DNS_TXT, "ok");
    assert_in_range(am_now() - from, 0, 1000);
    close_net(&n);
    stop_server(bad);
    stop_server(good);
}

static atomic_int refusals;
static atomic_bool well;

static void answer_when_well(server *s, const query *q)
{
    (void)s;
    if (atomic_load(&well)) {
        send_txt(q, "well");
        return;
    }
    servfail(q);
    atomic_fetch_add(&refusals, 1);
}

/* A failure that was got early is asked for again when it is waited for; for five seconds the cache
 * says the same. What was waited for stays as it was. */
static void early_failures_pass(void **state)
{
    (void)state;
    server *s = start_server(answer_when_well, NULL);
    net n = open_net(3000, 0, s->address, NULL);
    am_dns_start(n.session, AM_STR("later.test"), AM_DNS_TXT);
    am_dns_start(n.session, AM_STR("soon.test"), AM_DNS_TXT);
    while (atomic_load(&refusals) < 2 || !am_dns_peek(n.session, AM_STR("soon.test"), AM_DNS_TXT))
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    atomic_store(&well, true);
    want_answer(&n, "soon.test", AM_DNS_TXT, "temporary failure: SERVFAIL");
    want_int("the failure is held", atomic_load(&s->count), 2);
    nanosleep(&(struct timespec){.tv_sec = 6}, NULL);
    want_answer(&n, "later.test", AM_DNS_TXT, "well");
    want_answer(&n, "soon.test", AM_DNS_TXT, "temporary failure: SERVFAIL");
    want_int("packets", atomic_load(&s->count), 3);
    close_net(&n);
    stop_server(s);
}

static void answer_ttl(server *s, const query *q)
{
    (void)s;
    reply *r = begin_reply(q, 0);
    put_txt(r, NULL, strcmp(q->name, "one.test") == 0, "x");
    send_reply(q, r);
}

static void times_to_live(void **state)
{
    (void)state;
    server *s = start_server(answer_ttl, NULL);
    net n = open_net(1000, 0, s->address, NULL);
    for (int i = 0; i < 2; i++) {
        want_answer(&n, "zero.test", AM_DNS_TXT, "x");
        want_answer(&n, "zero.test", AM_DNS_TXT, "x");
        want_answer(&n, "one.test", AM_DNS_TXT, "x");
        next_session(&n);
    }
    want_int("zero is asked in each session, one was kept", atomic_load(&s->count), 3);
    nanosleep(&(struct timespec){.tv_sec = 1, .tv_nsec = 50000000}, NULL);
    want_answer(&n, "one.test", AM_DNS_TXT, "x");
    want_int("nothing is served stale", atomic_load(&s->count), 4);
    close_net(&n);
    stop_server(s);
}

/* Names that ldns's text form would read otherwise. */
static void odd_names(void **state)
{
    (void)state;
    server *s = start_server(answer_name, NULL);
    net n = open_net(1000, 0, s->address, NULL);
    static const char *const cases[] = {"a b.test", "\"q\".test", "tab\t.test", "\377\200.test",
        "$;@().test", "_dmarc.test", "*.test"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        want_answer(&n, cases[i], AM_DNS_TXT, cases[i]);
    want_answer(&n, "back\\slash.test", AM_DNS_TXT, "no such name");
    want_int("sent", am_dns_count(n.dns).sent, sizeof cases / sizeof *cases);
    close_net(&n);
    stop_server(s);
}

/* ---- A server that is not on loopback: case randomised, AD not believed ---- */

static atomic_int mixed;

static void answer_far(server *s, const query *q)
{
    query low = *q;
    bool upper = false;
    for (char *p = low.name; *p; p++)
        upper = upper || (*p >= 'A' && *p <= 'Z');
    mixed += upper;
    if (s->with && upper) /* does not preserve case */
        for (size_t i = 12; i < low.question_end - 4; i++)
            if (low.p[i] >= 'A' && low.p[i] <= 'Z')
                low.p[i] += 32;
    reply *r = begin_reply(&low, AD);
    put_txt(r, NULL, 300, "far");
    send_reply(&low, r);
}

/* Waits for a flight, for at most 5 seconds. */
static bool lands(am_flight *f, am_answer **x)
{
    am_bell bell;
    am_ear ear;
    assert_true(am_bell_open(&bell));
    am_flight_listen(f, &ear, &bell);
    am_bell_wait(&bell, 0, am_now() + 5000);
    am_flight_unlisten(f, &ear);
    am_bell_close(&bell);
    return am_flight_landed(f, x);
}

static am_answer *ask_far(am_engine *e, am_flights *f, const am_seed *seed, const char *name)
{
    am_qkey k;
    am_answer *x = NULL;
    am_flight *flight = NULL;
    assert_true(am_qkey_make(seed, am_str_of(name), AM_DNS_TXT, &k));
    assert_int_equal(am_flights_join(f, &k, false, &x, &flight), AM_JOIN_FRESH);
    am_engine_ask(e, flight);
    assert_true(lands(flight, &x));
    am_flight_unref(flight);
    assert_non_null(x);
    return x;
}

static void far_server(bool keeps_case)
{
    server *s = start_server(answer_far, keeps_case ? NULL : "changes case");
    am_servers servers;
    const char *address = s->address;
    am_dns_options o = {.nameserver = &address, .nameservers = 1};
    assert_true(am_servers_read(&o, &servers, NULL));
    assert_true(servers.server[0].loopback);
    servers.server[0].loopback = false;
    am_seed seed;
    assert_true(am_seed_make(&seed));
    am_cache *cache = am_cache_new(1 << 20);
    am_flights *flights = am_flights_new(cache);
    am_engine *e = am_engine_new(&servers, 86400, NULL);
    mixed = 0;
    char name[] = "a-long-name-so-that-some-letter-is-raised.test";
    for (; name[0] < 'a' + 6; name[0]++) {
        am_answer *x = ask_far(e, flights, &seed, name);
        want_int("status", x->pub.status, AM_DNS_DATA);
        want_int("AD of a far server", x->pub.secure, false);
        am_answer_unref(x);
    }
    want_int("questions with raised letters", mixed, keeps_case ? 6 : 3);
    want_int("packets", atomic_load(&s->count), keeps_case ? 6 : 9);
    am_engine_free(e);
    am_flights_free(flights);
    am_cache_free(cache);
    stop_server(s);
}

static void letters_are_shuffled(void **state)
{
    (void)state;
    far_server(true);
}

static void case_is_given_up(void **state)
{
    (void)state;
    far_server(false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_kinds),
        cmocka_unit_test(edns_is_given_up),
        cmocka_unit_test(edns_is_kept),
        cmocka_unit_test(truncated_then_tcp),
        cmocka_unit_test(tcp_breaks),
        cmocka_unit_test(tcp_comes_back),
        cmocka_unit_test(loss_is_retried),
        cmocka_unit_test(late_answer_counts),
        cmocka_unit_test(silence_ends),
        cmocka_unit_test(deadline_is_kept),
        cmocka_unit_test(time_is_kept),
        cmocka_unit_test(much_is_lost),
        cmocka_unit_test(dead_servers_are_left),
        cmocka_unit_test(a_dead_name_downs_nobody),
        cmocka_unit_test(dead_names_down_nobody),
        cmocka_unit_test(no_place_downs_nobody),
        cmocka_unit_test(tcp_has_more_time),
        cmocka_unit_test(every_server_has_its_turn),
        cmocka_unit_test(another_server_may_know),
        cmocka_unit_test(early_failures_pass),
        cmocka_unit_test(times_to_live),
        cmocka_unit_test(odd_names),
        cmocka_unit_test(letters_are_shuffled),
        cmocka_unit_test(case_is_given_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
