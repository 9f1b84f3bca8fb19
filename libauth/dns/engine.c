/*
 * engine: one thread that asks the resolvers for everybody (RFC 1035 7, 5452, 6891).
 *
 * For: am_dns_network. Questions come through an inbox, with one wake-up for
 * as many as arrive before the thread looks. Each is tried at one server after
 * the other; the time for a try doubles from round to round, for packets up to two seconds; after
 * GIVE_UP_MS it has failed. Its flight lands whatever happens. Waits: the thread, in epoll alone.
 * Memory: questions, tries and sockets are malloc'd and bounded by AM_FLIGHTS_MAX; without memory a
 * question fails. Callers: am_engine_ask any thread; everything else the engine's thread, or its
 * maker.
 */
#include "libauth/dns/engine_in.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    GIVE_UP_MS = 10000,
    LONGEST_TRY_MS = 2000, /* but for servers that are given more from the first */
    NO_EDNS_MS = 600000,   /* a server that does not know EDNS is believed so long */
    BATCH = 64,            /* events */
};

/* ---- What the parts share ---- */

bool am_engine_random(am_engine *e, void *p, size_t n)
{
    if (e->random_left < n) {
        if (!am_random(e->random, sizeof e->random))
            return false;
        e->random_left = sizeof e->random;
    }
    e->random_left -= n;
    memcpy(p, e->random + e->random_left, n);
    return true;
}

bool am_engine_watch(am_engine *e, am_watch *w, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = w};
    return epoll_ctl(e->epoll, EPOLL_CTL_ADD, w->fd, &event) == 0;
}

void am_engine_bury(am_engine *e, am_watch *w)
{
    close(w->fd); /* which takes it out of epoll's set */
    w->fd = -1;
    w->next_grave = e->graves;
    e->graves = w;
}

static void dig_graves_out(am_engine *e)
{
    for (am_watch *w = e->graves, *next; w; w = next) {
        next = w->next_grave;
        free(w);
    }
    e->graves = NULL;
}

/* ---- Deadlines: a heap ---- */

static void heap_set(am_engine *e, size_t at, am_question *q)
{
    e->heap[at] = q;
    q->heap_at = at;
}

/* The deadline of the question at `at` has changed. */
static void heap_move(am_engine *e, size_t at)
{
    am_question *q = e->heap[at];
    while (at > 0 && q->deadline < e->heap[(at - 1) / 2]->deadline) {
        heap_set(e, at, e->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    for (size_t child; (child = 2 * at + 1) < e->questions; at = child) {
        if (child + 1 < e->questions && e->heap[child + 1]->deadline < e->heap[child]->deadline)
            child++;
        if (q->deadline <= e->heap[child]->deadline)
            break;
        heap_set(e, at, e->heap[child]);
    }
    heap_set(e, at, q);
}

static bool heap_add(am_engine *e, am_question *q)
{
    if (e->questions == e->heap_room) {
        size_t room = e->heap_room ? 2 * e->heap_room : 256;
        am_question **more = realloc(e->heap, room * sizeof *more);
        if (!more)
            return false;
        e->heap = more;
        e->heap_room = room;
    }
    heap_set(e, e->questions++, q);
    heap_move(e, q->heap_at);
    return true;
}

static void heap_take(am_engine *e, const am_question *q)
{
    size_t at = q->heap_at;
    am_question *last = e->heap[--e->questions];
    if (last == q)
        return;
    heap_set(e, at, last);
    heap_move(e, at);
}

/* ---- A question's way ---- */

static void finish(am_engine *e, am_question *q, am_answer *x)
{
    heap_take(e, q);
    am_udp_forget(e, q);
    am_tcp_stop(e, q);
    am_flight_land(q->flight, x);
    free(q);
}

static void give_up(am_engine *e, am_question *q, const char *reason)
{
    if (q->crowded)
        finish(e, q, am_answer_ours("too many connections to resolvers"));
    else
        finish(e, q, am_answer_failed(reason));
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* A try takes longer from round to round, but not so long that whoever asks the same meanwhile
 * would wait for nothing (by TCP it may: the end of the try is the end of the connection, where a
 * late packet still counts); and however long it may take, every server has its turn before the
 * question is given up. */
static void set_deadline(am_engine *e, am_question *q)
{
    int64_t first = e->servers.try_ms, longest = first > LONGEST_TRY_MS ? first : LONGEST_TRY_MS;
    longest = q->tcp ? GIVE_UP_MS : longest;
    int64_t wait = least(first << q->round, longest);
    q->deadline = am_now() + least(wait, GIVE_UP_MS / (int64_t)e->servers.n);
    if (q->deadline > q->give_up)
        q->deadline = q->give_up;
    heap_move(e, q->heap_at);
}

/* The next server of this round; -1: all were tried. */
static int next_server(const am_engine *e, const am_question *q)
{
    return am_servers_pick(&e->servers, q->tried | q->failed, am_now());
}

/* Nobody is left to be asked: the round has still some time, and its end begins another. What is
 * left of a connection's time is no time of a packet's. */
static void await_round(am_engine *e, am_question *q)
{
    int64_t before = q->deadline;
    set_deadline(e, q);
    q->deadline = least(before, q->deadline);
    heap_move(e, q->heap_at);
}

/* Asks one server after the other until a packet is on its way. */
static void try_on(am_engine *e, am_question *q)
{
    int server;
    while ((server = next_server(e, q)) >= 0) {
        q->server = (unsigned)server;
        q->tried |= 1u << server;
        if (am_udp_send(e, q, q->server)) {
            q->pending = true;
            q->crowded = false;
            set_deadline(e, q);
            return;
        }
        q->reason = "cannot send";
        am_server_missed(&e->servers, q->server, am_now(), am_now());
    }
    if (q->failed == (1u << e->servers.n) - 1)
        give_up(e, q, q->reason);
    else
        await_round(e, q);
}

static void start(am_engine *e, am_flight *f)
{
    am_question *q = calloc(1, sizeof *q);
    if (q)
        q->flight = f;
    if (!q || !am_name_of_text(am_str_n(f->key.name, f->key.n), &q->name) || !heap_add(e, q)) {
        free(q);
        am_flight_land(f, NULL);
        return;
    }
    q->type = f->key.type;
    q->chain = AM_WIRE_CHAIN;
    q->reason = "timeout";
    q->give_up = am_now() + GIVE_UP_MS;
    set_deadline(e, q);
    try_on(e, q);
}

static void on_deadline(am_engine *e, am_question *q, int64_t now)
{
    if (now >= q->give_up) {
        give_up(e, q, "timeout");
        return;
    }
    if (q->pending) {
        q->reason = "timeout";
        /* Later ones may be the name's fault; and who says "by TCP" has answered. */
        if (!q->tcp && !q->crowded && q->round == 0)
            am_server_missed(&e->servers, q->server, q->sent, now);
    }
    q->pending = false;
    am_tcp_stop(e, q);
    if (next_server(e, q) < 0) {
        if (++q->round >= e->servers.rounds) {
            give_up(e, q, q->reason);
            return;
        }
        q->tried = 0;
    }
    set_deadline(e, q);
    try_on(e, q);
}

bool am_question_compose(am_engine *e, const am_question *q, unsigned server, am_wire_question *out)
{
    const am_server *s = &e->servers.server[server];
    int64_t now = am_now();
    uint8_t random[34];
    if (!am_engine_random(e, random, sizeof random))
        return false;
    *out = (am_wire_question){.name = q->name,
        .type = q->type,
        .id = am_wire_id(random + 32),
        .edns = !q->no_edns && now >= s->no_edns_until,
        .exact = !s->loopback && !q->plain && now >= s->plain_until};
    if (out->exact)
        am_wire_shuffle(&out->name, random);
    return true;
}

/* The same server once more, asked otherwise. */
static void again(am_engine *e, am_question *q)
{
    am_tcp_stop(e, q);
    if (am_udp_send(e, q, q->server))
        set_deadline(e, q);
    else
        am_question_failed(e, q, "cannot send");
}

static void onward(am_engine *e, am_question *q, const am_wire_name *target)
{
    am_udp_forget(e, q);
    am_tcp_stop(e, q);
    q->name = *target;
    q->round = q->tried = q->failed = q->old = 0;
    q->plain = q->no_edns = false;
    set_deadline(e, q);
    try_on(e, q);
}

void am_question_failed(am_engine *e, am_question *q, const char *reason)
{
    am_tcp_stop(e, q);
    q->pending = false;
    q->reason = reason;
    try_on(e, q);
}

/* An answer. It tells of its server: RFC 6891 7: who answers without EDNS, and did not with it,
 * does not know EDNS; who understands neither does not know the name. */
static void note_habits(
    const am_engine *e, const am_question *q, const am_wire_question *sent, am_server *s)
{
    unsigned bit = 1u << (s - e->servers.server);
    if (sent->exact)
        s->recased = 0;
    if (!sent->edns && q->old & bit)
        s->no_edns_until = am_now() + NO_EDNS_MS;
}

/* The present try's server has answered, and not with an answer. */
static void try_otherwise(am_engine *e, am_question *q, unsigned from, const am_wire_result *r)
{
    am_server *s = &e->servers.server[from];
    switch (r->kind) {
    case AM_WIRE_TRUNCATED:
        q->crowded = !am_tcp_start(e, q, from);
        if (q->tcp)
            set_deadline(e, q);
        return;
    case AM_WIRE_RECASED:
        am_server_recased(s, am_now());
        q->plain = true;
        again(e, q);
        return;
    case AM_WIRE_NO_EDNS:
        q->no_edns = true;
        if (!r->opt)
            q->old |= 1u << from;
        again(e, q);
        return;
    default:
        q->failed |= 1u << from;
        am_question_failed(e, q, r->reason ? r->reason : "malformed answer");
    }
}

bool am_question_heard(am_engine *e, am_question *q, const am_try *t, const uint8_t *p, size_t n)
{
    const am_wire_question *sent = t ? &t->sent : &q->tcp->sent;
    unsigned from = t ? t->server : q->tcp->server;
    bool present = t ? t == q->tries && !q->tcp : true;
    am_server *s = &e->servers.server[from];
    am_wire_result r =
        am_wire_read(p, n, sent, !t, s->loopback || e->servers.trust_ad, e->max_ttl, &q->chain);
    if (r.kind == AM_WIRE_FOREIGN && t)
        return false;
    if (r.kind != AM_WIRE_FOREIGN)
        am_server_answered(s, am_now());
    if (r.kind == AM_WIRE_ANSWER || r.kind == AM_WIRE_ONWARD)
        note_habits(e, q, sent, s);
    if (r.kind == AM_WIRE_ANSWER) {
        finish(e, q, r.answer);
    } else if (r.kind == AM_WIRE_ONWARD) {
        onward(e, q, &r.target);
    } else if (present) {
        try_otherwise(e, q, from, &r);
    }
    /* Else a late word of trouble: another try is under way. */
    return true;
}

/* ---- The thread ---- */

static am_flight *take_inbox(am_engine *e, bool *stop)
{
    pthread_mutex_lock(&e->lock);
    am_flight *f = e->inbox;
    e->inbox = NULL;
    e->inbox_end = &e->inbox;
    *stop = e->stop;
    pthread_mutex_unlock(&e->lock);
    return f;
}

static void on_wake(am_engine *e, am_watch *w, uint32_t events)
{
    uint64_t count;
    (void)events;
    (void)e;
    while (read(w->fd, &count, sizeof count) < 0 && errno == EINTR)
        continue;
}

static int wait_ms(const am_engine *e)
{
    if (e->questions == 0)
        return -1;
    int64_t left = e->heap[0]->deadline - am_now();
    return left < 0 ? 0 : (int)left + 1;
}

static void *run(void *engine)
{
    am_engine *e = engine;
    struct epoll_event event[BATCH];
    for (bool stop = false; !stop;) {
        int n = epoll_wait(e->epoll, event, BATCH, wait_ms(e));
        for (int i = 0; i < n; i++) {
            am_watch *w = event[i].data.ptr;
            if (w->fd >= 0)
                w->ready(e, w, event[i].events);
        }
        for (am_flight *f = take_inbox(e, &stop), *next; f; f = next) {
            next = f->inbox;
            start(e, f);
        }
        int64_t now = am_now();
        while (e->questions && e->heap[0]->deadline <= now)
            on_deadline(e, e->heap[0], now);
        dig_graves_out(e);
    }
    while (e->questions)
        give_up(e, e->heap[0], "shut down");
    return NULL;
}

static void wake_up(am_engine *e)
{
    uint64_t one = 1;
    while (write(e->wake.fd, &one, sizeof one) < 0 && errno == EINTR)
        continue;
}

void am_engine_ask(am_engine *e, am_flight *f)
{
    pthread_mutex_lock(&e->lock);
    bool first = e->inbox == NULL;
    f->inbox = NULL;
    *e->inbox_end = f;
    e->inbox_end = &f->inbox;
    pthread_mutex_unlock(&e->lock);
    if (first)
        wake_up(e);
}

static bool open_engine(am_engine *e)
{
    e->wake.ready = on_wake;
    e->epoll = epoll_create1(EPOLL_CLOEXEC);
    e->wake.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return e->epoll >= 0 && e->wake.fd >= 0 && am_engine_watch(e, &e->wake, EPOLLIN);
}

static void close_engine(am_engine *e)
{
    am_udp_free(e);
    dig_graves_out(e);
    if (e->epoll >= 0)
        close(e->epoll);
    if (e->wake.fd >= 0)
        close(e->wake.fd);
    pthread_mutex_destroy(&e->lock);
    free(e->heap);
    free(e);
}

/* The thread takes no signals: they are for the program's own threads. */
static int start_thread(am_engine *e)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&e->thread, NULL, run, e);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

am_engine *am_engine_new(const am_servers *servers, uint32_t max_ttl, am_error *why)
{
    am_engine *e = calloc(1, sizeof *e);
    if (!e) {
        am_error_set(why, "out of memory");
        return NULL;
    }
    e->servers = *servers;
    e->max_ttl = max_ttl;
    e->inbox_end = &e->inbox;
    e->tcp_end = &e->tcp;
    pthread_mutex_init(&e->lock, NULL);
    int rc = open_engine(e) ? start_thread(e) : errno;
    if (rc == 0)
        return e;
    am_error_set(why, "the DNS thread cannot start: %s", strerror(rc));
    close_engine(e);
    return NULL;
}

void am_engine_free(am_engine *e)
{
    if (!e)
        return;
    pthread_mutex_lock(&e->lock);
    e->stop = true;
    pthread_mutex_unlock(&e->lock);
    wake_up(e);
    pthread_join(e->thread, NULL);
    close_engine(e);
}

uint64_t am_engine_sent(const am_engine *e)
{
    return atomic_load(&e->sent);
}
