/* dns_then: what an answer leads to is asked for as soon as it is there. Loopback only. */
#include "t/unit/dns_server.h"

#include "libauth/dns/dns.h"

#include <time.h>

enum { LINKS = 5, STEP_MS = 40 };

static void nap(unsigned ms)
{
    struct timespec t = {.tv_nsec = (long)ms * 1000000};
    nanosleep(&t, NULL);
}

/* "1.chain" says "2.chain", and so on, each after STEP_MS; "slow" takes as long as the chain. */
static void answer(server *s, const query *q)
{
    char text[40];
    (void)s;
    nap(strcmp(q->name, "slow.test") == 0 ? 2 * STEP_MS : STEP_MS);
    snprintf(text, sizeof text, "%d.chain.test", atoi(q->name) + 1);
    reply *r = begin_reply(q, 0);
    put_txt(r, NULL, 300, text);
    send_reply(q, r);
}

typedef struct chain {
    am_dns_session *s;
    int links;
} chain;

static void on_link(void *arg, const am_dns_answer *x)
{
    chain *c = arg;
    c->links++;
    if (x->status == AM_DNS_DATA && c->links < LINKS)
        am_dns_then(c->s, x->rr[0].data, AM_DNS_TXT, on_link, c);
}

typedef struct net {
    server *server;
    am_dns *dns;
    am_arena *arena;
    chain c;
} net;

static void begin(net *n, const am_dns_limits *limits)
{
    am_error why;
    n->server = start_server(answer, NULL);
    const char *address = n->server->address;
    am_dns_options o = {.nameserver = &address, .nameservers = 1};
    n->dns = am_dns_network(&o, &why);
    assert_non_null(n->dns);
    n->arena = am_arena_new(0);
    n->c = (chain){am_dns_begin(n->dns, n->arena, limits, NULL), 0};
    assert_non_null(n->c.s);
}

static void end(net *n)
{
    am_dns_end(n->c.s);
    am_arena_free(n->arena);
    am_dns_free(n->dns);
    stop_server(n->server);
}

static const am_dns_answer *ask(net *n, const char *name)
{
    return am_dns_wait(n->c.s, "t", "t", am_str_of(name), AM_DNS_TXT);
}

/* While something else is waited for, the chain goes on by itself. */
static void goes_on_while_waiting(void **state)
{
    (void)state;
    net n;
    begin(&n, NULL);
    am_dns_then(n.c.s, AM_STR("1.chain.test"), AM_DNS_TXT, on_link, &n.c);
    assert_int_equal(n.c.links, 0);
    for (int i = 0; i < 20 && n.c.links < LINKS; i++) {
        char name[32];
        snprintf(name, sizeof name, "%d.other.test", i);
        ask(&n, name);
    }
    assert_int_equal(n.c.links, LINKS);
    int asked = atomic_load(&n.server->count);
    want_str("the last link", ask(&n, "5.chain.test")->rr[0].data, "6.chain.test");
    assert_int_equal(atomic_load(&n.server->count), asked); /* it was there */
    end(&n);
}

static void goes_on_when_polled(void **state)
{
    (void)state;
    net n;
    begin(&n, NULL);
    am_dns_then(n.c.s, AM_STR("1.chain.test"), AM_DNS_TXT, on_link, &n.c);
    for (int i = 0; i < 500 && n.c.links < LINKS; i++) {
        nap(10);
        am_dns_poll(n.c.s);
    }
    assert_int_equal(n.c.links, LINKS);
    end(&n);
}

/* Known answers are handed on at once, all the way. */
static void at_once_from_the_cache(void **state)
{
    (void)state;
    net n;
    begin(&n, NULL);
    for (int i = 1; i <= LINKS; i++) {
        char name[32];
        snprintf(name, sizeof name, "%d.chain.test", i);
        ask(&n, name);
    }
    am_dns_end(n.c.s);
    n.c.s = am_dns_begin(n.dns, n.arena, NULL, NULL);
    am_dns_then(n.c.s, AM_STR("1.chain.test"), AM_DNS_TXT, on_link, &n.c);
    assert_int_equal(n.c.links, LINKS);
    end(&n);
}

/* Bounded like everything early. */
static void limits_hold(void **state)
{
    (void)state;
    net n;
    begin(&n, &(am_dns_limits){.questions = 3});
    am_dns_then(n.c.s, AM_STR("1.chain.test"), AM_DNS_TXT, on_link, &n.c);
    for (int i = 0; i < 60; i++) {
        nap(10);
        am_dns_poll(n.c.s);
    }
    assert_int_equal(n.c.links, 3);
    end(&n);
}

/* A session that ends in the middle leaves nobody to be told. */
static void ended_early(void **state)
{
    (void)state;
    net n;
    begin(&n, NULL);
    for (int i = 0; i < 10; i++) {
        am_dns_then(n.c.s, AM_STR("1.chain.test"), AM_DNS_TXT, on_link, &n.c);
        am_dns_then(n.c.s, AM_STR("slow.test"), AM_DNS_TXT, on_link, &n.c);
        am_dns_end(n.c.s);
        am_arena_free(n.arena);
        nap(5);
        n.arena = am_arena_new(0);
        n.c.s = am_dns_begin(n.dns, n.arena, NULL, NULL);
    }
    nap(5 * STEP_MS);
    end(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(goes_on_while_waiting),
        cmocka_unit_test(goes_on_when_polled),
        cmocka_unit_test(at_once_from_the_cache),
        cmocka_unit_test(limits_hold),
        cmocka_unit_test(ended_early),
    };
    return cmocka_run_group_tests_name("dns_then", tests, NULL, NULL);
}
