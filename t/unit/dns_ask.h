/* One network asked by one session at a time, and answers that several tests give. */
#ifndef AM_T_UNIT_DNS_ASK_H
#define AM_T_UNIT_DNS_ASK_H

#include "t/unit/dns_server.h"

#include "libauth/dns/dns.h"

enum { A = 1, NS = 2, CNAME = 5, PTR = 12, MX = 15, TXT = 16, AAAA = 28 };
enum { FORMERR = 1, SERVFAIL = 2, NXDOMAIN = 3, NOTIMP = 4, REFUSED = 5 };

/* ---- Answers ---- */

static inline void send_txt(const query *q, const char *text)
{
    reply *r = begin_reply(q, 0);
    put_txt(r, NULL, 300, text);
    send_reply(q, r);
}

static inline void answer_ok(server *s, const query *q)
{
    (void)s;
    send_txt(q, "ok");
}

static inline void answer_never(server *s, const query *q)
{
    (void)s;
    (void)q;
}

static inline void truncated(const query *q)
{
    reply *r = begin_reply(q, q->tcp ? 0 : TC);
    uint8_t block[256];
    memset(block, 'x', sizeof block);
    block[0] = 255;
    if (!q->tcp)
        put_txt(r, NULL, 300, "not to be used");
    for (int i = 0; q->tcp && i < 200; i++)
        put_rr(r, 6, NULL, TXT, 300, block, sizeof block);
    send_reply(q, r);
}

static inline void answer_name(server *s, const query *q)
{
    (void)s;
    send_txt(q, q->name);
}

static inline void answer_truncated(server *s, const query *q)
{
    (void)s;
    truncated(q);
}

/* ---- One network, one session ---- */

typedef struct net {
    am_dns *dns;
    am_arena *arena;
    am_dns_session *session;
    am_turns *turns; /* NULL: none are taken */
} net;

static inline net open_net_of(
    const char *const *nameserver, size_t nameservers, unsigned try_ms, unsigned wait_ms)
{
    am_error why = {""};
    net n = {am_dns_network(
                 &(am_dns_options){
                     .nameserver = nameserver, .nameservers = nameservers, .try_ms = try_ms},
                 &why),
        am_arena_new(0), NULL, NULL};
    want_str("network", am_str_of(why.text), "");
    n.session = am_dns_begin(n.dns, n.arena, &(am_dns_limits){.wait_ms = wait_ms}, NULL);
    return n;
}

static inline net open_net(unsigned try_ms, unsigned wait_ms, const char *one, const char *two)
{
    return open_net_of((const char *[]){one, two}, two ? 2 : 1, try_ms, wait_ms);
}

static inline const am_dns_answer *ask(net *n, const char *name, am_dns_type type)
{
    return am_dns_wait(n->session, "test", "1035", am_str_of(name), type);
}

static inline void want_answer(net *n, const char *name, am_dns_type type, const char *want)
{
    want_str(name, am_dns_answer_text(n->arena, ask(n, name, type), type), want);
}

/* The same network, asked by another message. */
static inline void next_session(net *n)
{
    am_dns_end(n->session);
    n->session = am_dns_begin(n->dns, n->arena, NULL, NULL);
}

static inline void close_net(net *n)
{
    am_dns_end(n->session);
    am_dns_free(n->dns);
    am_arena_free(n->arena);
}

#endif
