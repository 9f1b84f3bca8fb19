/*
 * socket: opens the socket on which the MTA reaches us.
 *
 * For: the supervisor, which opens it as root and keeps it open over all workers.
 * Waits: for the resolver where a host name is given, and for one connect() to a unix socket.
 * Memory: the caller's arena. Callers: configuration (parse) and supervisor (listen).
 */
#include "milter/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 512 };

static bool parse_port(am_arena *a, am_str rest, const char *loopback, am_socket *out)
{
    size_t at = am_str_find(rest, '@');
    uint64_t port;
    if (!am_str_number(am_str_cut(rest, 0, at), 5, &port) || port > 65535)
        return false;
    am_str host = am_str_cut(rest, at + 1, rest.n);
    if (at < rest.n && (host.n == 0 || host.n > 253))
        return false;
    out->port = (unsigned)port;
    out->host = at < rest.n ? am_arena_copy(a, host.p, host.n) : loopback;
    return out->host != NULL;
}

static bool parse_path(am_arena *a, am_str path, am_socket *out)
{
    if (path.n == 0 || path.p[0] != '/' || path.n >= sizeof((struct sockaddr_un *)0)->sun_path)
        return false;
    out->path = am_arena_copy(a, path.p, path.n);
    return out->path != NULL;
}

static bool parse_fd(am_str number, am_socket *out)
{
    uint64_t fd;
    if (!am_str_number(number, 4, &fd) || fd < 3)
        return false;
    out->fd = (int)fd;
    return true;
}

bool am_socket_parse(am_arena *a, const char *text, am_socket *out)
{
    am_str s = am_str_of(text);
    size_t colon = am_str_find(s, ':');
    am_str kind = am_str_cut(s, 0, colon), rest = am_str_cut(s, colon + 1, s.n);
    *out = (am_socket){.fd = -1, .text = am_arena_copy(a, s.p, s.n)};
    if (!out->text || colon == s.n)
        return false;
    if (am_str_iis(kind, "unix")) {
        out->kind = AM_SOCKET_UNIX;
        return parse_path(a, rest, out);
    }
    if (am_str_iis(kind, "inet")) {
        out->kind = AM_SOCKET_INET;
        return parse_port(a, rest, "127.0.0.1", out);
    }
    if (am_str_iis(kind, "inet6")) {
        out->kind = AM_SOCKET_INET6;
        return parse_port(a, rest, "::1", out);
    }
    out->kind = AM_SOCKET_FD;
    return am_str_iis(kind, "fd") && parse_fd(rest, out);
}

static int fail(int fd, am_error *why, const am_socket *s, const char *what)
{
    am_error_set(why, "socket %s: %s: %s", s->text, what, strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

/* Does anybody answer there? A socket without a listener refuses at once. */
static bool answered(const struct sockaddr_un *sa)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return true;
    bool yes = connect(fd, (const struct sockaddr *)sa, sizeof *sa) == 0 ||
               (errno != ECONNREFUSED && errno != ENOENT);
    close(fd);
    return yes;
}

/* Makes way for a new unix socket: only a socket that nobody answers on is removed. */
static bool clear_path(const am_socket *s, const struct sockaddr_un *sa, am_error *why)
{
    struct stat st;
    if (lstat(s->path, &st) != 0) {
        if (errno == ENOENT)
            return true;
        return fail(-1, why, s, "cannot be looked at") == 0;
    }
    if (!S_ISSOCK(st.st_mode)) {
        am_error_set(why, "socket %s: there is a file that is no socket; remove it", s->text);
        return false;
    }
    if (answered(sa)) {
        am_error_set(why, "socket %s: another process answers there; stop it first", s->text);
        return false;
    }
    if (unlink(s->path) != 0)
        return fail(-1, why, s, "the old socket cannot be removed") == 0;
    return true;
}

static int listen_unix(const am_socket *s, const am_socket_access *access, am_error *why)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    memcpy(sa.sun_path, s->path, strlen(s->path) + 1); /* parse_path: it fits */
    if (!clear_path(s, &sa, why))
        return -1;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return fail(fd, why, s, "cannot be made");
    mode_t old = umask(0777); /* nobody connects before mode and owner are right */
    int bound = bind(fd, (const struct sockaddr *)&sa, sizeof sa);
    umask(old);
    if (bound != 0)
        return fail(fd, why, s, "cannot be bound; does the directory exist, may we write there?");
    /* Mode first: who gives the file away may not be let to change it afterwards. */
    if (chmod(s->path, access->mode) != 0)
        return fail(fd, why, s, "mode cannot be set");
    if ((access->uid != (uid_t)-1 || access->gid != (gid_t)-1) &&
        lchown(s->path, access->uid, access->gid) != 0)
        return fail(fd, why, s, "owner cannot be set");
    if (listen(fd, BACKLOG) != 0)
        return fail(fd, why, s, "cannot listen");
    return fd;
}

static int listen_address(const am_socket *s, const struct addrinfo *ai, am_error *why)
{
    int on = 1;
    int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return fail(fd, why, s, "cannot be made");
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0)
        return fail(fd, why, s, "options cannot be set");
    if (ai->ai_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (bind(fd, ai->ai_addr, ai->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0)
        return fail(fd, why, s, "cannot listen");
    return fd;
}

static int listen_inet(const am_socket *s, am_error *why)
{
    char port[8];
    snprintf(port, sizeof port, "%u", s->port);
    struct addrinfo *ai = NULL, want = {.ai_family = s->kind == AM_SOCKET_INET ? AF_INET : AF_INET6,
                                    .ai_socktype = SOCK_STREAM,
                                    .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    int e = getaddrinfo(s->host, port, &want, &ai);
    if (e != 0) {
        am_error_set(why, "socket %s: host: %s", s->text, gai_strerror(e));
        return -1;
    }
    int fd = listen_address(s, ai, why);
    freeaddrinfo(ai);
    return fd;
}

static int listen_inherited(const am_socket *s, am_error *why)
{
    int on = 0;
    socklen_t n = sizeof on;
    if (getsockopt(s->fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &n) != 0)
        return fail(-1, why, s, "is not open, or no socket");
    if (!on) {
        am_error_set(why, "socket %s: does not listen", s->text);
        return -1;
    }
    int fd = fcntl(s->fd, F_DUPFD_CLOEXEC, 3);
    if (fd < 0 || fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) != 0)
        return fail(fd, why, s, "cannot be used");
    on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* a unix socket has none */
    return fd;
}

int am_socket_listen(const am_socket *s, const am_socket_access *access, am_error *why)
{
    switch (s->kind) {
    case AM_SOCKET_UNIX:
        return listen_unix(s, access, why);
    case AM_SOCKET_FD:
        return listen_inherited(s, why);
    default:
        return listen_inet(s, why);
    }
}

const char *am_socket_name(const am_socket *s, int fd, char *text, size_t size)
{
    struct sockaddr_storage sa;
    socklen_t n = sizeof sa;
    unsigned port = s->port;
    if ((s->kind != AM_SOCKET_INET && s->kind != AM_SOCKET_INET6) ||
        getsockname(fd, (struct sockaddr *)&sa, &n) != 0) {
        snprintf(text, size, "%s", s->text);
        return text;
    }
    if (sa.ss_family == AF_INET)
        port = ntohs(((struct sockaddr_in *)&sa)->sin_port);
    else if (sa.ss_family == AF_INET6)
        port = ntohs(((struct sockaddr_in6 *)&sa)->sin6_port);
    snprintf(text, size, "%s:%u@%s", s->kind == AM_SOCKET_INET ? "inet" : "inet6", port, s->host);
    return text;
}
