/*
 * milterwire: the milter protocol on the wire, from the MTA's side.
 *
 * For: sockets, and packets of a length (32 bits, network order), a letter and
 * data. The protocol has no RFC; Sendmail's libmilter and Postfix define it.
 * Waits: for the milter, always bounded. Memory: answers in the caller's arena.
 * Callers: tools.
 */
#include "tools/milterwire.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

uint32_t am_wire_get32(const char *p)
{
    const unsigned char *u = (const unsigned char *)p;
    return (uint32_t)u[0] << 24 | (uint32_t)u[1] << 16 | (uint32_t)u[2] << 8 | u[3];
}

void am_wire_put32(char *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (char)(v >> (24 - 8 * i));
}

/* Copies `s` with a NUL behind it; false: it does not fit or is empty. */
static bool put_text(char *out, size_t room, am_str s)
{
    if (s.n == 0 || s.n >= room)
        return false;
    memcpy(out, s.p, s.n);
    out[s.n] = '\0';
    return true;
}

bool am_wire_target_parse(const char *text, am_wire_target *out, am_error *e)
{
    static const struct {
        const char *prefix;
        int family;
    } kinds[] = {{"unix:", AF_UNIX}, {"local:", AF_UNIX}, {"inet:", AF_INET}, {"inet6:", AF_INET6}};
    am_str s = am_str_of(text), place = s, port;
    *out = (am_wire_target){.family = s.n && s.p[0] == '/' ? AF_UNIX : AF_UNSPEC};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (am_str_istarts(s, kinds[i].prefix)) {
            out->family = kinds[i].family;
            place = am_str_cut(s, strlen(kinds[i].prefix), s.n);
        }
    bool good = out->family == AF_UNIX;
    if (out->family == AF_INET || out->family == AF_INET6) {
        am_str here = out->family == AF_INET ? AM_STR("127.0.0.1") : AM_STR("::1");
        size_t at = am_str_find(place, '@');
        port = am_str_cut(place, 0, at);
        place = at < place.n ? am_str_cut(place, at + 1, place.n) : here;
        if (place.n > 2 && place.p[0] == '[' && place.p[place.n - 1] == ']')
            place = am_str_cut(place, 1, place.n - 1);
        uint64_t number;
        good = am_str_number(port, 5, &number) && number >= 1 && number <= 65535 &&
               put_text(out->port, sizeof out->port, port);
    }
    size_t room = sizeof((struct sockaddr_un *)0)->sun_path;
    if (out->family != AF_UNIX)
        room = sizeof out->place;
    if (good && put_text(out->place, room, place))
        return true;
    am_error_set(
        e, "'%s' is no socket; unix:/path, inet:PORT@HOST or inet6:PORT@HOST would be right", text);
    return false;
}

static long long now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Waits until the socket is ready for `events` before the moment `until`. */
static bool ready(am_wire *w, short events, long long until)
{
    for (;;) {
        long long left = (until < w->last ? until : w->last) - now_ms();
        struct pollfd p = {.fd = w->fd, .events = events};
        int n = left > 0 ? poll(&p, 1, (int)left) : 0;
        if (n > 0)
            return true;
        if (n == 0) {
            am_error_set(w->error, "the milter does not answer in time");
            return false;
        }
        if (errno != EINTR) {
            am_error_set(w->error, "%s", strerror(errno));
            return false;
        }
    }
}

static bool connect_to(am_wire *w, const struct sockaddr *address, socklen_t len)
{
    w->fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int error = w->fd < 0 ? errno : 0;
    if (!error && connect(w->fd, address, len) != 0) {
        socklen_t size = sizeof error;
        error = errno;
        if (error == EINPROGRESS && ready(w, POLLOUT, now_ms() + w->wait_ms))
            getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    }
    if (!error)
        return true;
    if (error != EINPROGRESS)
        am_error_set(w->error, "%s", strerror(error));
    am_wire_close(w);
    return false;
}

static bool open_unix(am_wire *w, const am_wire_target *t)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, t->place, strlen(t->place));
    return connect_to(w, (const struct sockaddr *)&address, sizeof address);
}

static bool open_inet(am_wire *w, const am_wire_target *t)
{
    struct addrinfo want = {.ai_family = t->family, .ai_socktype = SOCK_STREAM}, *found;
    int error = getaddrinfo(t->place, t->port, &want, &found);
    if (error) {
        am_error_set(w->error, "%s", gai_strerror(error));
        return false;
    }
    bool good = false;
    for (const struct addrinfo *i = found; i && !good; i = i->ai_next)
        good = connect_to(w, i->ai_addr, i->ai_addrlen);
    freeaddrinfo(found);
    int one = 1;
    if (good)
        setsockopt(w->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return good;
}

bool am_wire_open(am_wire *w, const am_wire_target *t, double seconds, am_error *e)
{
    int ms = seconds > 1e6 ? 1000000000 : (int)(seconds * 1000) + 1;
    am_error why = {""};
    *w = (am_wire){.fd = -1, .wait_ms = ms, .last = now_ms() + 10LL * ms, .error = &why};
    bool good = t->family == AF_UNIX ? open_unix(w, t) : open_inet(w, t);
    w->error = e;
    if (!good)
        am_error_set(e, "milter %s%s%s cannot be reached: %s", t->port, t->port[0] ? "@" : "",
            t->place, why.text);
    return good;
}

/* What is left to send of head and data when `done` octets are gone. */
static size_t rest(struct iovec part[2], size_t head, size_t done)
{
    size_t in_head = done < head ? done : head;
    for (int i = 0; i < 2; i++) {
        size_t gone = i == 0 ? in_head : done - in_head;
        part[i].iov_base = (char *)part[i].iov_base + gone;
        part[i].iov_len -= gone;
    }
    return part[0].iov_len + part[1].iov_len;
}

bool am_wire_send(am_wire *w, char command, am_str data)
{
    char head[5];
    size_t done = 0;
    long long until = now_ms() + w->wait_ms;
    am_wire_put32(head, (uint32_t)(data.n + 1));
    head[4] = command;
    for (;;) {
        /* sendmsg() only reads what it is given */
        void *body = data.n ? (void *)(uintptr_t)data.p : head;
        struct iovec part[2] = {{head, sizeof head}, {body, data.n}};
        struct msghdr m = {.msg_iov = part, .msg_iovlen = 2};
        if (rest(part, sizeof head, done) == 0)
            return true;
        ssize_t n = sendmsg(w->fd, &m, MSG_NOSIGNAL);
        if (n >= 0) {
            done += (size_t)n;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            if (!ready(w, POLLOUT, until))
                return false;
        } else if (errno != EINTR) {
            am_error_set(w->error, "the milter closed the connection (%s)", strerror(errno));
            return false;
        }
    }
}

static bool read_octets(am_wire *w, char *p, size_t n, long long until)
{
    while (n > 0) {
        ssize_t got = recv(w->fd, p, n, 0);
        if (got > 0) {
            p += got;
            n -= (size_t)got;
        } else if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            if (!ready(w, POLLIN, until))
                return false;
        } else if (got == 0 || errno != EINTR) {
            am_error_set(w->error, "the milter closed the connection%s%s", got ? ": " : "",
                got ? strerror(errno) : "");
            return false;
        }
    }
    return true;
}

bool am_wire_receive(am_wire *w, am_arena *a, char *reply, am_str *data)
{
    char head[5];
    long long until = now_ms() + w->wait_ms;
    if (!read_octets(w, head, sizeof head, until))
        return false;
    uint32_t n = am_wire_get32(head);
    if (n == 0 || n > AM_MILTER_PACKET) {
        am_error_set(w->error, "the milter breaks the protocol: a packet of %u octets", n);
        return false;
    }
    *reply = head[4];
    w->taken += n;
    char *p = w->taken > AM_MILTER_ALL ? NULL : am_arena_alloc(a, n);
    if (!p) {
        am_error_set(w->error, "the milter answers too much");
        return false;
    }
    *data = am_str_n(p, n - 1);
    return read_octets(w, p, n - 1, until);
}

void am_wire_close(am_wire *w)
{
    if (w->fd >= 0)
        close(w->fd);
    w->fd = -1;
}
