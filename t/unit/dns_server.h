/* A DNS server of one thread on loopback that does what a test tells it to. */
#ifndef AM_T_UNIT_DNS_SERVER_H
#define AM_T_UNIT_DNS_SERVER_H

#include "t/unit/unit.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct query {
    uint8_t p[512];
    size_t n;
    size_t question_end;
    char name[256]; /* as it came, labels joined with dots; octets as they are */
    unsigned type;
    bool tcp;
    int nth; /* of all, from 0 */
    int fd;
    struct sockaddr_in from; /* UDP */
} query;

typedef struct server server;
struct server {
    void (*answer)(server *s, const query *q);
    void *with;
    int udp, tcp, stop[2];
    uint16_t port;
    char address[32]; /* "127.0.0.1@PORT" */
    pthread_t thread;
    atomic_int count, tcp_count;
};

/* ---- Packets ---- */

typedef struct reply {
    uint8_t p[70000];
    size_t n;
} reply;

static inline void put(reply *r, const void *p, size_t n)
{
    assert(r->n + n <= sizeof r->p);
    memcpy(r->p + r->n, p, n);
    r->n += n;
}

static inline void put16(reply *r, unsigned v)
{
    put(r, (uint8_t[]){(uint8_t)(v >> 8), (uint8_t)v}, 2);
}

static inline void put_name(reply *r, const char *name)
{
    while (*name) {
        size_t n = strcspn(name, ".");
        put(r, &(uint8_t){(uint8_t)n}, 1);
        put(r, name, n);
        name += n + (name[n] == '.');
    }
    put(r, "", 1);
}

enum { QR = 0x8000, TC = 0x0200, RD = 0x0100, RA = 0x0080, AD = 0x0020 };

/* Header and question of an answer; counts are bumped by put_rr. */
static inline reply *begin_reply(const query *q, unsigned flags)
{
    reply *r = calloc(1, sizeof *r);
    assert_non_null(r);
    put(r, q->p, 2);
    put16(r, QR | RD | RA | flags);
    put(r, (uint8_t[]){0, 1, 0, 0, 0, 0, 0, 0}, 8);
    put(r, q->p + 12, q->question_end - 12);
    return r;
}

/* section: 6 answer, 8 authority, 10 additional (the count's offset). owner
 * NULL: the question's. */
static inline void put_rr(reply *r, int section, const char *owner, unsigned type, uint32_t ttl,
    const void *data, size_t n)
{
    if (owner)
        put_name(r, owner);
    else
        put16(r, 0xc00c);
    put16(r, type);
    put16(r, 1);
    put16(r, ttl >> 16);
    put16(r, ttl & 0xffff);
    put16(r, (unsigned)n);
    put(r, data, n);
    if (++r->p[section + 1] == 0)
        r->p[section]++;
}

static inline void put_txt(reply *r, const char *owner, uint32_t ttl, const char *text)
{
    uint8_t data[256] = {(uint8_t)strlen(text)};
    memcpy(data + 1, text, strlen(text));
    put_rr(r, 6, owner, 16, ttl, data, 1 + strlen(text));
}

static inline void put_host(
    reply *r, int section, const char *owner, unsigned type, uint32_t ttl, const char *target)
{
    reply *data = calloc(1, sizeof *data);
    put_name(data, target);
    put_rr(r, section, owner, type, ttl, data->p, data->n);
    free(data);
}

static inline void put_soa(reply *r, const char *owner, uint32_t ttl, uint32_t minimum)
{
    uint8_t data[22] = {0};
    data[18] = (uint8_t)(minimum >> 24), data[19] = (uint8_t)(minimum >> 16);
    data[20] = (uint8_t)(minimum >> 8), data[21] = (uint8_t)minimum;
    put_rr(r, 8, owner, 6, ttl, data, sizeof data);
}

static inline void send_reply(const query *q, reply *r)
{
    uint8_t length[2] = {(uint8_t)(r->n >> 8), (uint8_t)r->n};
    if (!q->tcp) {
        sendto(q->fd, r->p, r->n, 0, (const struct sockaddr *)&q->from, sizeof q->from);
    } else if (send(q->fd, length, 2, MSG_NOSIGNAL) == 2) {
        for (size_t done = 0; done < r->n;) {
            ssize_t n = send(q->fd, r->p + done, r->n - done, MSG_NOSIGNAL);
            if (n <= 0)
                break;
            done += (size_t)n;
        }
    }
    free(r);
}

/* ---- The thread ---- */

static inline bool read_query(query *q)
{
    size_t at = 12, n = 0;
    while (at < q->n && q->p[at] && n + q->p[at] < 254) {
        memcpy(q->name + n, q->p + at + 1, q->p[at]);
        n += q->p[at];
        q->name[n++] = '.';
        at += 1u + q->p[at];
    }
    q->name[n ? n - 1 : 0] = '\0';
    q->question_end = at + 5;
    if (q->question_end > q->n)
        return false;
    q->type = (unsigned)q->p[at + 1] << 8 | q->p[at + 2];
    return true;
}

static inline void serve_udp(server *s)
{
    query q = {.fd = s->udp};
    socklen_t len = sizeof q.from;
    ssize_t n = recvfrom(s->udp, q.p, sizeof q.p, 0, (struct sockaddr *)&q.from, &len);
    q.n = n > 0 ? (size_t)n : 0;
    if (n > 0 && read_query(&q)) {
        q.nth = atomic_fetch_add(&s->count, 1);
        s->answer(s, &q);
    }
}

static inline void serve_tcp(server *s)
{
    query q = {.tcp = true, .fd = accept(s->tcp, NULL, NULL)};
    uint8_t length[2];
    if (q.fd < 0)
        return;
    struct timeval limit = {.tv_sec = 2};
    setsockopt(q.fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (recv(q.fd, length, 2, MSG_WAITALL) == 2) {
        q.n = (size_t)length[0] << 8 | length[1];
        if (q.n <= sizeof q.p && recv(q.fd, q.p, q.n, MSG_WAITALL) == (ssize_t)q.n &&
            read_query(&q)) {
            q.nth = atomic_fetch_add(&s->count, 1);
            atomic_fetch_add(&s->tcp_count, 1);
            s->answer(s, &q);
        }
    }
    close(q.fd);
}

static inline void *serve(void *server_)
{
    server *s = server_;
    struct pollfd fds[3] = {{s->stop[0], POLLIN, 0}, {s->udp, POLLIN, 0}, {s->tcp, POLLIN, 0}};
    while (poll(fds, 3, -1) >= 0 && !fds[0].revents) {
        if (fds[1].revents)
            serve_udp(s);
        if (fds[2].revents)
            serve_tcp(s);
    }
    return NULL;
}

static inline bool bind_server(server *s)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    s->udp = socket(AF_INET, SOCK_DGRAM, 0);
    s->tcp = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(s->udp, (struct sockaddr *)&a, sizeof a) == 0 &&
        getsockname(s->udp, (struct sockaddr *)&a, &len) == 0 &&
        bind(s->tcp, (struct sockaddr *)&a, sizeof a) == 0 && listen(s->tcp, 512) == 0) {
        s->port = ntohs(a.sin_port);
        return true;
    }
    close(s->udp);
    close(s->tcp);
    return false;
}

static inline server *start_server(void (*answer)(server *s, const query *q), void *with)
{
    server *s = calloc(1, sizeof *s);
    s->answer = answer;
    s->with = with;
    bool bound = false;
    for (int i = 0; i < 20 && !bound; i++)
        bound = bind_server(s);
    assert_true(bound);
    snprintf(s->address, sizeof s->address, "127.0.0.1@%u", (unsigned)s->port);
    assert_int_equal(pipe(s->stop), 0);
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
    return s;
}

static inline void stop_server(server *s)
{
    assert_int_equal(write(s->stop[1], "", 1), 1);
    pthread_join(s->thread, NULL);
    close(s->udp);
    close(s->tcp);
    close(s->stop[0]);
    close(s->stop[1]);
    free(s);
}

#endif
