/*
 * udp: questions and answers in packets (RFC 1035 4.2.1, RFC 5452).
 *
 * For: the engine. Each socket is connected to one server, so that the kernel
 * drops what others send, and has a source port that the kernel drew. A try
 * goes over a socket drawn from its server's pool, with an id that no other
 * try of the socket has. After some use a socket takes no new tries and
 * another is opened; it is closed when its last try is over, as a socket
 * closed early loses an answer. Where many are kept open by names that hang, the
 * pool's are used for longer, as where no other can be opened. Waits: never. Memory: sockets and
 * tries are malloc'd. Callers: the engine's thread.
 */
#include "libauth/dns/engine_in.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    USES = 64,        /* tries of one socket, before it retires */
    MOST_USES = 4096, /* where no other socket can be had */
    DRAWS = 100,      /* of an id that is free */
    PACKETS = 128,    /* read from one socket before others have their turn */
    SOCKETS = 200,    /* at one time; the pools can always be full */
    RETIRED = SOCKETS - AM_SERVERS_MAX * AM_POOL,
};

static void close_socket(am_engine *e, am_socket *s)
{
    if (s->retired)
        e->retirees--;
    if (s->prev_retired)
        s->prev_retired->next_retired = s->next_retired;
    else if (e->retired == s)
        e->retired = s->next_retired;
    if (s->next_retired)
        s->next_retired->prev_retired = s->prev_retired;
    am_engine_bury(e, &s->watch);
}

static void retire(am_engine *e, am_socket *s)
{
    s->retired = true;
    e->retirees++;
    s->next_retired = e->retired;
    if (e->retired)
        e->retired->prev_retired = s;
    e->retired = s;
    if (!s->tries)
        close_socket(e, s);
}

static void forget_try(am_engine *e, am_try *t)
{
    am_socket *s = t->socket;
    *t->at = t->next;
    if (t->next)
        t->next->at = t->at;
    free(t);
    if (s->retired && !s->tries)
        close_socket(e, s);
}

void am_udp_forget(am_engine *e, am_question *q)
{
    for (am_try *t = q->tries, *older; t; t = older) {
        older = t->older;
        forget_try(e, t);
    }
    q->tries = NULL;
}

static am_try *find_try(am_socket *s, uint16_t id)
{
    am_try *t = s->tries;
    while (t && t->sent.id != id)
        t = t->next;
    return t;
}

/* The server's port is closed (ICMP): who waits on this socket goes on. */
static void refused(am_engine *e, am_socket *s)
{
    am_try *t = s->tries;
    am_server_missed(&e->servers, s->server, am_now(), am_now());
    while (t) {
        am_question *q = t->question;
        bool present = t == q->tries && !q->tcp;
        am_try *next = t->next;
        /* The question may end here, and take its older tries along. */
        while (present && next && next->question == q)
            next = next->next;
        if (present && q->server == s->server)
            am_question_failed(e, q, "connection refused");
        t = next;
    }
}

/* False: it answers nothing that was asked over this socket. */
static bool take_packet(am_engine *e, am_socket *s, size_t n)
{
    am_try *t = n >= 2 ? find_try(s, am_wire_id(e->packet)) : NULL;
    if (t)
        return am_question_heard(e, t->question, t, e->packet, n);
    return false;
}

static void on_packet(am_engine *e, am_watch *w, uint32_t events)
{
    am_socket *s = (am_socket *)w;
    (void)events;
    /* Without tries the rest can wait; epoll will tell of it again. */
    for (int i = 0; i < PACKETS && w->fd >= 0 && (i == 0 || s->tries); i++) {
        ssize_t n = recv(w->fd, e->packet, sizeof e->packet, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == ECONNREFUSED)
            refused(e, s);
        if (n < 0)
            return;
        /* Who guesses at a port gets few guesses: strays wear it out. */
        if (!take_packet(e, s, (size_t)n))
            s->uses++;
    }
}

static am_socket *open_socket(am_engine *e, unsigned server)
{
    const am_server *to = &e->servers.server[server];
    am_socket *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->watch.ready = on_packet;
    s->server = server;
    s->watch.fd = socket(to->address.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->watch.fd >= 0 &&
        connect(s->watch.fd, (const struct sockaddr *)&to->address, to->length) == 0 &&
        am_engine_watch(e, &s->watch, EPOLLIN))
        return s;
    if (s->watch.fd >= 0)
        close(s->watch.fd);
    free(s);
    return NULL;
}

/* A socket of the pool, drawn; NULL: none can be had. */
static am_socket *draw_socket(am_engine *e, unsigned server)
{
    uint8_t draw;
    if (!am_engine_random(e, &draw, 1))
        return NULL;
    am_socket **place = &e->pool[server][draw % AM_POOL];
    if (*place && (*place)->uses < USES)
        return *place;
    bool stays = *place && (*place)->tries && e->retirees >= RETIRED;
    am_socket *fresh = stays ? NULL : open_socket(e, server);
    if (fresh) {
        if (*place)
            retire(e, *place);
        return *place = fresh;
    }
    for (unsigned i = 0; i < AM_POOL; i++) {
        am_socket *s = e->pool[server][(draw + i) % AM_POOL];
        if (s && s->uses < MOST_USES)
            return s;
    }
    return NULL;
}

static am_try *new_try(am_engine *e, am_question *q, am_socket *s)
{
    am_try *t = malloc(sizeof *t);
    if (!t)
        return NULL;
    bool good = am_question_compose(e, q, s->server, &t->sent);
    for (int i = 0; good && find_try(s, t->sent.id); i++)
        good = i < DRAWS && am_engine_random(e, &t->sent.id, sizeof t->sent.id);
    if (!good) {
        free(t);
        return NULL;
    }
    t->question = q;
    t->server = s->server;
    t->socket = s;
    t->next = s->tries;
    t->at = &s->tries;
    if (t->next)
        t->next->at = &t->next;
    s->tries = t;
    t->older = q->tries;
    q->tries = t;
    s->uses++;
    return t;
}

/* True: the packet has left, or is lost like any other. */
static bool send_packet(int fd, const uint8_t *p, size_t n)
{
    for (int i = 0; i < 3; i++) {
        if (send(fd, p, n, MSG_NOSIGNAL) >= 0 || errno == EAGAIN || errno == ENOBUFS)
            return true;
        /* ECONNREFUSED tells of an earlier packet; the error is gone with it. */
        if (errno != EINTR && errno != ECONNREFUSED)
            return false;
    }
    return false;
}

bool am_udp_send(am_engine *e, am_question *q, unsigned server)
{
    uint8_t packet[AM_WIRE_QUERY];
    am_socket *s = draw_socket(e, server);
    am_try *t = s ? new_try(e, q, s) : NULL;
    size_t n = t ? am_wire_query(&t->sent, packet) : 0;
    if (!n)
        return false;
    q->sent = am_now();
    atomic_fetch_add_explicit(&e->sent, 1, memory_order_relaxed);
    return send_packet(s->watch.fd, packet, n);
}

void am_udp_free(am_engine *e)
{
    for (size_t i = 0; i < AM_SERVERS_MAX; i++)
        for (size_t j = 0; j < AM_POOL; j++)
            if (e->pool[i][j])
                close_socket(e, e->pool[i][j]);
    while (e->retired)
        close_socket(e, e->retired);
}
