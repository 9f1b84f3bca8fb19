/*
 * crew: starts workers, tells them to go, notices their end.
 *
 * For: the supervisor. A worker is a plain fork: there is no thread yet, and it inherits the
 * configuration that was checked. It learns by a pipe that it shall go, and by the same pipe that
 * the supervisor died. Waits: am_crew_start, for 30 s at most. Memory: a fixed table.
 * Callers: the supervisor's one thread, with the signals that it waits for blocked.
 */
#include "milter/crew.h"
#include "milter/log.h"
#include "milter/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

enum { START_MS = 30000 };

/* For builds with sanitizers alone: LeakSanitizer looks only when exit() is called, and
 * ThreadSanitizer wants to be told that a fork may start threads. */
void __lsan_do_leak_check(void) __attribute__((weak));
const char *__tsan_default_options(void);

const char *__tsan_default_options(void)
{
    return "die_after_fork=0";
}

static am_crewman *free_place(am_crew *c)
{
    for (int i = 0; i < AM_CREW_MAX; i++)
        if (c->man[i].pid == 0)
            return &c->man[i];
    return NULL;
}

/* The child: keeps its own ends of its own pipes, and nobody else's. */
static void be_worker(
    const am_crew *c, const am_worker_start *w, const int orders[2], const int ready[2])
{
    (void)setpgid(0, 0); /* a terminal's ^C is the supervisor's */
    for (int i = 0; i < AM_CREW_MAX; i++)
        if (c->man[i].pid && c->man[i].orders >= 0)
            close(c->man[i].orders);
    close(orders[1]);
    close(ready[0]);
    int status = am_worker_run(w);
    if (__lsan_do_leak_check)
        __lsan_do_leak_check();
    _exit(status); /* exit() would run libmilter's destructors while its threads live */
}

/* True: it serves. False: it ended first, or takes too long. */
static bool wait_until_ready(int ready)
{
    struct pollfd p = {.fd = ready, .events = POLLIN};
    char octet;
    int n;
    while ((n = poll(&p, 1, START_MS)) < 0 && errno == EINTR)
        ;
    return n == 1 && read(ready, &octet, 1) == 1;
}

static int exit_status(int status)
{
    return WIFEXITED(status) && WEXITSTATUS(status) != 0 ? WEXITSTATUS(status) : EX_SOFTWARE;
}

static int bury(am_crewman *m)
{
    int status = 0;
    kill(m->pid, SIGKILL); /* it has ended, or takes too long */
    while (waitpid(m->pid, &status, 0) < 0 && errno == EINTR)
        ;
    close(m->orders);
    *m = (am_crewman){0};
    return exit_status(status);
}

static bool open_pipes(int orders[2], int ready[2])
{
    if (pipe(orders) == 0) {
        if (pipe(ready) == 0)
            return true;
        close(orders[0]);
        close(orders[1]);
    }
    am_log(LOG_ERR, "pipe: %s", strerror(errno));
    return false;
}

am_crewman *am_crew_start(
    am_crew *c, const am_conf *conf, const am_identity *identity, int listener, int *status)
{
    am_crewman *m = free_place(c);
    int orders[2], ready[2];
    *status = EX_TEMPFAIL;
    if (!m) {
        am_log(LOG_ERR, "%d earlier workers still have open sessions", AM_CREW_MAX - 1);
        return NULL;
    }
    if (!open_pipes(orders, ready))
        return NULL;
    pid_t pid = fork();
    if (pid == 0) {
        am_worker_start w = {conf, identity, listener, c->foreign, orders[0], ready[1]};
        be_worker(c, &w, orders, ready);
    }
    close(orders[0]);
    close(ready[1]);
    *m = (am_crewman){.pid = pid, .orders = orders[1]};
    if (pid > 0 && wait_until_ready(ready[0])) {
        close(ready[0]);
        return m;
    }
    close(ready[0]);
    if (pid > 0) {
        *status = bury(m);
        return NULL;
    }
    am_log(LOG_ERR, "fork: %s", strerror(errno));
    close(orders[1]);
    *m = (am_crewman){0};
    return NULL;
}

void am_crew_dismiss(am_crewman *m)
{
    if (m->pid == 0 || m->orders < 0)
        return;
    (void)!write(m->orders, "d", 1); /* a worker that is gone does not read it: no matter */
    close(m->orders);
    m->orders = -1;
}

void am_crew_dismiss_all(am_crew *c)
{
    for (int i = 0; i < AM_CREW_MAX; i++)
        am_crew_dismiss(&c->man[i]);
}

void am_crew_kill_all(am_crew *c)
{
    for (int i = 0; i < AM_CREW_MAX; i++)
        if (c->man[i].pid)
            kill(c->man[i].pid, SIGKILL);
}

bool am_crew_reap(am_crew *c, am_crewman *gone, int *status)
{
    for (int i = 0; i < AM_CREW_MAX; i++) {
        am_crewman *m = &c->man[i];
        if (m->pid == 0 || waitpid(m->pid, status, WNOHANG) != m->pid)
            continue;
        *gone = *m;
        if (m->orders >= 0)
            close(m->orders);
        *m = (am_crewman){0};
        return true;
    }
    return false;
}

unsigned am_crew_count(const am_crew *c)
{
    unsigned n = 0;
    for (int i = 0; i < AM_CREW_MAX; i++)
        n += c->man[i].pid != 0;
    return n;
}
