/*
 * tcp: one question over a connection of its own (RFC 1035 4.2.2, RFC 7766).
 *
 * For: the engine, after a truncated answer. Where AM_TCP_MAX connections are
 * open, the oldest ends that nobody waits for, or, for a question that somebody
 * waits for, the oldest of all: who lets many questions hang holds up no other.
 * A question without a connection waits for its next try. Waits: never; reads and writes take what
 * comes. Memory: a connection is malloc'd, and the answer's octets once their number is known.
 * Callers: the engine's thread.
 */
#include "libauth/dns/engine_in.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static void free_tcp(am_engine *e, am_tcp *c)
{
    e->tcps--;
    *c->at = c->next;
    if (c->next)
        c->next->at = c->at;
    else
        e->tcp_end = c->at;
    free(c->in);
    c->in = NULL;
    am_engine_bury(e, &c->watch);
}

void am_tcp_stop(am_engine *e, am_question *q)
{
    if (!q->tcp)
        return;
    free_tcp(e, q->tcp);
    q->tcp = NULL;
}

/* What a read or write came to, where it moved nothing. */
static bool wait_more(ssize_t n)
{
    return n < 0 && (errno == EAGAIN || errno == EINTR);
}

/* False: the connection is broken. */
static bool write_some(am_engine *e, am_tcp *c)
{
    ssize_t n = send(c->watch.fd, c->out + c->out_done, c->out_n - c->out_done, MSG_NOSIGNAL);
    if (n < 0)
        return wait_more(n);
    c->out_done += (size_t)n;
    if (c->out_done < c->out_n)
        return true;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &c->watch};
    return epoll_ctl(e->epoll, EPOLL_CTL_MOD, c->watch.fd, &event) == 0;
}

/* False: the connection is broken, or ended early. */
static bool read_some(am_tcp *c)
{
    uint8_t *to = c->in ? c->in : c->length;
    ssize_t n = recv(c->watch.fd, to + c->got, c->want - c->got, 0);
    if (n <= 0)
        return wait_more(n);
    c->got += (size_t)n;
    if (c->in || c->got < c->want)
        return true;
    c->want = (size_t)c->length[0] << 8 | c->length[1];
    c->got = 0;
    c->in = c->want ? malloc(c->want) : NULL;
    return c->in != NULL;
}

static void on_tcp(am_engine *e, am_watch *w, uint32_t events)
{
    am_tcp *c = (am_tcp *)w;
    am_question *q = c->question;
    (void)events; /* an error shows when we read or write */
    bool good = c->out_done < c->out_n ? write_some(e, c) : read_some(c);
    if (!good) {
        am_question_failed(e, q, "connection broken");
    } else if (c->in && c->got == c->want) {
        /* The octets must outlive the connection, which may end in between. */
        uint8_t *in = c->in;
        c->in = NULL;
        am_question_heard(e, q, NULL, in, c->want);
        free(in);
    }
}

static bool connect_tcp(am_engine *e, am_tcp *c)
{
    const am_server *to = &e->servers.server[c->server];
    c->watch.fd = socket(to->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->watch.fd < 0)
        return false;
    if ((connect(c->watch.fd, (const struct sockaddr *)&to->address, to->length) == 0 ||
            errno == EINPROGRESS) &&
        am_engine_watch(e, &c->watch, EPOLLOUT))
        return true;
    close(c->watch.fd);
    return false;
}

/* One connection less, so that there is room for this question. False: others come first. */
static bool make_room(am_engine *e, const am_question *q)
{
    am_tcp *c = e->tcp;
    while (c && am_flight_wanted(c->question->flight))
        c = c->next;
    if (!c && am_flight_wanted(q->flight))
        c = e->tcp;
    if (!c)
        return false;
    c->question->crowded = true;
    am_tcp_stop(e, c->question);
    return true;
}

bool am_tcp_start(am_engine *e, am_question *q, unsigned server)
{
    bool room = e->tcps < AM_TCP_MAX || make_room(e, q);
    am_tcp *c = room ? calloc(1, sizeof *c) : NULL;
    if (!c)
        return false;
    c->watch.ready = on_tcp;
    c->question = q;
    c->server = server;
    c->want = sizeof c->length;
    size_t n =
        am_question_compose(e, q, server, &c->sent) ? am_wire_query(&c->sent, c->out + 2) : 0;
    if (n == 0 || !connect_tcp(e, c)) {
        free(c);
        return false;
    }
    c->out[0] = (uint8_t)(n >> 8);
    c->out[1] = (uint8_t)n;
    c->out_n = n + 2;
    e->tcps++;
    c->at = e->tcp_end;
    *e->tcp_end = c;
    e->tcp_end = &c->next;
    q->tcp = c;
    atomic_fetch_add_explicit(&e->sent, 1, memory_order_relaxed);
    return true;
}
