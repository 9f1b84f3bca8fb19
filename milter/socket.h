/* The milter's socket: "unix:/path", "inet:PORT@HOST", "inet6:PORT@HOST", "fd:N". */
#ifndef AM_MILTER_SOCKET_H
#define AM_MILTER_SOCKET_H

#include "libauth/base/error.h"
#include "libauth/base/str.h"

#include <sys/types.h>

typedef enum am_socket_kind {
    AM_SOCKET_UNIX,
    AM_SOCKET_INET,
    AM_SOCKET_INET6,
    AM_SOCKET_FD
} am_socket_kind;

typedef struct am_socket {
    am_socket_kind kind;
    const char *text; /* as written; ends in NUL, as all strings here */
    const char *path; /* unix; else NULL */
    const char *host; /* inet, inet6: name or address; never NULL there */
    unsigned port;    /* inet, inet6: 0 is "any free one" */
    int fd;           /* fd; else -1 */
} am_socket;

/* False: not such a text, or out of memory. Strings live in the arena. */
bool am_socket_parse(am_arena *a, const char *text, am_socket *out);

/* Who may connect to a unix socket. */
typedef struct am_socket_access {
    mode_t mode; /* permission bits */
    uid_t uid;   /* owner; (uid_t)-1: stay as it is */
    gid_t gid;   /* group; (gid_t)-1: stay as it is */
} am_socket_access;

/* A listening, non-blocking descriptor, closed on exec; -1: `why` says what is wrong. A unix
 * socket that nobody answers on is replaced; one that is answered, or another kind of file, is
 * left alone. TCP sockets have TCP_NODELAY on, which the accepted ones inherit. `fd` sockets are
 * checked and duplicated. */
int am_socket_listen(const am_socket *s, const am_socket_access *access, am_error *why);

/* "inet:8891@127.0.0.1": where it really listens (the port of "any free one"). */
const char *am_socket_name(const am_socket *s, int fd, char *text, size_t size);

#endif
