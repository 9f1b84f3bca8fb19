/*
 * fault: what stands in the place of malloc, send and their kin.
 *
 * For: t/fault/ tests, linked with -Wl,--wrap. Calls that libauth itself makes come by here, and
 * OpenSSL's allocations; what ldns and libidn2 do inside does not. Callers: any thread.
 */
#include "t/fault/fault.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/types.h>

static atomic_int count; /* calls so far */
static atomic_int victim = -1;
static atomic_bool lasts, met;
static _Atomic(const char *) first = "";
static _Thread_local bool spared;

void fault_arm(int n, bool lasting)
{
    atomic_store(&first, "");
    atomic_store(&met, false);
    atomic_store(&count, 0);
    atomic_store(&lasts, lasting);
    atomic_store(&victim, n);
}

int fault_disarm(void)
{
    atomic_store(&victim, -1);
    return atomic_load(&count);
}

bool fault_met(void)
{
    return atomic_load(&met);
}

const char *fault_name(void)
{
    return atomic_load(&first);
}

void fault_spare(void)
{
    spared = true;
}

static bool fails(const char *name, int error)
{
    if (spared)
        return false;
    int i = atomic_fetch_add(&count, 1), n = atomic_load(&victim);
    if (n < 0 || i < n || (i > n && !atomic_load(&lasts)))
        return false;
    if (!atomic_exchange(&met, true))
        atomic_store(&first, name);
    errno = error;
    return true;
}

/* WRAP(type, name, error, failure, (parameters), (arguments)) */
#define WRAP(type, name, error, failure, parameters, arguments)                                    \
    type __real_##name parameters;                                                                 \
    type __wrap_##name parameters;                                                                 \
    type __wrap_##name parameters                                                                  \
    {                                                                                              \
        return fails(#name, error) ? (failure) : __real_##name arguments;                          \
    }

WRAP(void *, malloc, ENOMEM, NULL, (size_t n), (n))
WRAP(void *, calloc, ENOMEM, NULL, (size_t n, size_t size), (n, size))
WRAP(void *, realloc, ENOMEM, NULL, (void *p, size_t n), (p, n))
WRAP(char *, strdup, ENOMEM, NULL, (const char *s), (s))
WRAP(FILE *, fopen, EMFILE, NULL, (const char *path, const char *mode), (path, mode))
WRAP(int, socket, EMFILE, -1, (int domain, int type, int protocol), (domain, type, protocol))
WRAP(int, connect, ENETUNREACH, -1, (int fd, const struct sockaddr *sa, socklen_t n), (fd, sa, n))
WRAP(ssize_t, send, ENOBUFS, -1, (int fd, const void *p, size_t n, int flags), (fd, p, n, flags))
WRAP(ssize_t, recv, ECONNREFUSED, -1, (int fd, void *p, size_t n, int flags), (fd, p, n, flags))
WRAP(ssize_t, read, EIO, -1, (int fd, void *p, size_t n), (fd, p, n))
WRAP(ssize_t, write, EAGAIN, -1, (int fd, const void *p, size_t n), (fd, p, n))
WRAP(ssize_t, getrandom, EIO, -1, (void *p, size_t n, unsigned flags), (p, n, flags))
WRAP(int, epoll_create1, EMFILE, -1, (int flags), (flags))
WRAP(int, epoll_ctl, ENOSPC, -1, (int e, int op, int fd, struct epoll_event *v), (e, op, fd, v))
WRAP(int, epoll_wait, EINTR, -1, (int e, struct epoll_event *v, int n, int ms), (e, v, n, ms))
WRAP(int, eventfd, EMFILE, -1, (unsigned value, int flags), (value, flags))
WRAP(int, pthread_create, EAGAIN, EAGAIN,
    (pthread_t * t, const pthread_attr_t *a, void *(*run)(void *), void *with), (t, a, run, with))

void *fault_crypto_malloc(size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    return fails("OpenSSL's malloc", ENOMEM) ? NULL : __real_malloc(n);
}

void *fault_crypto_realloc(void *p, size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    return fails("OpenSSL's realloc", ENOMEM) ? NULL : __real_realloc(p, n);
}

void fault_crypto_free(void *p, const char *file, int line)
{
    (void)file;
    (void)line;
    free(p);
}
