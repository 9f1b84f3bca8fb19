/*
 * worker: the process that talks to MTAs.
 *
 * For: the supervisor, which forks it before any thread exists (a plain fork: what the supervisor
 * has checked is what runs, a file that was broken meanwhile cannot keep a dead worker down).
 * Reads files as root, drops privileges, enters its sandbox, makes the DNS backend, and lets
 * libmilter serve the supervisor's socket ("fd:N"). Its main thread does nothing but wait for the
 * order to go. Waits: yes. Memory: until the process ends. Callers: milter/crew.c.
 *
 * Here is the worker's one global: set before libmilter runs, never changed but for the count.
 */
#include "config.h"

#include "milter/worker.h"
#include "milter/callbacks.h"
#include "milter/clients.h"
#include "milter/log.h"
#include "milter/sandbox.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    GRACE_MS = 500, /* for a connection that was accepted just before the order */
    TICK_MS = 50,
    OTHER_FILES = 500, /* descriptors that are no session's: resolvers, the log, ... */
    DECLOG_MS = 3000,  /* for the last lines of the decision log */
    STACK = 1 << 20,   /* octets: nothing here needs more than a tenth of it */
    PATIENCE_MS = 50,  /* of who waits for a turn */
    CLOSED = 1 << 30,  /* sessions: more than there may be */
};

static struct {
    const am_conf *conf;
    am_options options;
    am_dns *dns;
    am_declog *declog; /* NULL: none is kept */
    atomic_uint sessions;
    am_clients *clients; /* NULL: not counted */
    am_turns *turns;
    am_budget memory;
    int spare; /* a socket for the end: there may be no descriptor left then */
} worker;

am_session *am_worker_enter(void)
{
    unsigned n = atomic_fetch_add(&worker.sessions, 1);
    am_session *s = NULL;
    if (n < worker.conf->limits.sessions)
        s = am_session_new(worker.conf, &worker.options, worker.dns, worker.declog);
    if (!s)
        atomic_fetch_sub(&worker.sessions, 1);
    return s;
}

bool am_worker_may_be_crowded(void)
{
    return worker.clients && atomic_load(&worker.sessions) > worker.conf->limits.client_sessions;
}

bool am_worker_admit(am_session *s)
{
    char text[AM_IP_TEXT];
    const am_ip *ip = am_session_peer(s);
    am_ip *counted = am_session_counted(s);
    if (!worker.clients || !ip->family || counted->family ||
        am_client_is_local(&worker.options, ip) || am_client_is_relay(&worker.options, ip))
        return true;
    if (am_clients_enter(worker.clients, ip, worker.conf->limits.client_sessions)) {
        *counted = *ip;
        return true;
    }
    am_log(LOG_WARNING, "client %s: limits.sessions-per-client is reached", am_ip_text(ip, text));
    return false;
}

void am_worker_leave(am_session *s)
{
    if (am_session_counted(s)->family)
        am_clients_leave(worker.clients, am_session_counted(s));
    am_session_free(s);
    atomic_fetch_sub(&worker.sessions, 1);
}

bool am_worker_keeps_decisions(void)
{
    return worker.declog != NULL;
}

static void nap(unsigned ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    while (nanosleep(&t, &t) != 0 && errno == EINTR)
        ;
}

/* What cannot be opened now was good when the configuration was checked: mail goes on without. */
static void open_declog(const am_conf *c)
{
    am_error why;
    if (!*c->decision_log.path && !c->decision_log.journal)
        return;
    worker.declog = am_declog_open(c->decision_log.path, am_conf_journal(c), &why);
    if (!worker.declog)
        am_log(LOG_ERR, "decision log: none is kept: %s", why.text);
}

static int refuse(int status, const char *what, const am_error *why)
{
    am_log(LOG_ERR, "%s%s", what, why->text);
    return status;
}

/* Some more than for sessions: the resolvers, the log, ... */
static rlim_t descriptors(unsigned sessions)
{
    return (rlim_t)sessions + OTHER_FILES;
}

void am_worker_raise_limit(const am_conf *c)
{
    struct rlimit l;
    const rlim_t wish[] = {descriptors(AM_CONF_SESSIONS_MAX), descriptors(c->limits.sessions)};
    for (size_t i = 0; i < sizeof wish / sizeof *wish; i++) {
        if (getrlimit(RLIMIT_NOFILE, &l) != 0 || l.rlim_max >= wish[i])
            return;
        l.rlim_max = wish[i];
        if (setrlimit(RLIMIT_NOFILE, &l) == 0)
            return;
    }
}

/* A descriptor for every session, as far as the hard limit goes. */
static void allow_sessions(void)
{
    struct rlimit l;
    rlim_t need = descriptors(worker.conf->limits.sessions);
    if (getrlimit(RLIMIT_NOFILE, &l) != 0 || l.rlim_cur >= need)
        return;
    l.rlim_cur = l.rlim_max < need ? l.rlim_max : need;
    if (setrlimit(RLIMIT_NOFILE, &l) != 0 || l.rlim_cur < need)
        am_log(LOG_WARNING, "limits.sessions is %u, but only %llu descriptors may be open",
            worker.conf->limits.sessions, (unsigned long long)l.rlim_max);
}

/* Those that this process may run on. */
static unsigned processors(void)
{
    cpu_set_t set;
    long n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set)
                                                         : sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (unsigned)n : 1;
}

/* What needs root, and then no root any more. */
static int prepare(const am_worker_start *w)
{
    am_error why;
    worker.conf = w->conf;
    am_conf_options(w->conf, &worker.options);
    worker.options.turns = worker.turns = am_turns_new(processors(), PATIENCE_MS);
    worker.memory.max = w->conf->limits.memory_total;
    worker.options.budget = &worker.memory;
    open_declog(w->conf);
    if (w->conf->limits.client_sessions && !(worker.clients = am_clients_new())) {
        am_log(LOG_ERR, "out of memory");
        return EX_TEMPFAIL;
    }
    allow_sessions();
    worker.spare = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (w->conf->dns.zones.n > 0 && !(worker.dns = am_conf_dns(w->conf, &why)))
        return refuse(EX_CONFIG, "DNS: ", &why);
    if (!am_identity_drop(w->identity, &why) || !am_sandbox_harden(&why))
        return refuse(EX_CONFIG, "", &why);
    return EX_OK;
}

/* The last things before strangers are listened to: the walls, then the first thread. */
static int close_up(const am_worker_start *w)
{
    am_error why;
    if (!am_sandbox_enter(w->conf, &why))
        return refuse(EX_CONFIG, "sandbox: ", &why);
    if (!worker.dns && !(worker.dns = am_conf_dns(w->conf, &why)))
        return refuse(EX_TEMPFAIL, "DNS: ", &why); /* the configuration was checked */
    if (worker.declog)
        (void)am_declog_start(worker.declog);
    return EX_OK;
}

static int start_libmilter(const am_worker_start *w)
{
    static char conn[300];
    bool open = w->listener >= 0;
    if (open)
        snprintf(conn, sizeof conn, "fd:%d", w->listener);
    else
        snprintf(conn, sizeof conn, "%s", w->conf->socket.text);
    if (smfi_register(am_callbacks()) != MI_SUCCESS || smfi_setconn(conn) != MI_SUCCESS ||
        smfi_settimeout((int)w->conf->limits.silence) != MI_SUCCESS) {
        am_log(LOG_ERR, "libmilter cannot be set up");
        return EX_SOFTWARE;
    }
#ifdef HAVE_SMFI_SETMAXDATASIZE
    /* libmilter's own bound is 64 KB, less than one field that Postfix passes: it would end the
     * session. */
    (void)smfi_setmaxdatasize(w->conf->limits.header_octets);
#endif
    umask(~w->conf->socket_mode & 0777);
    int rc = smfi_opensocket(!open);
    umask(022);
    if (rc == MI_SUCCESS)
        return EX_OK;
    am_log(LOG_ERR, "libmilter cannot use %s", conn);
    return open ? AM_WORKER_NO_FD : EX_UNAVAILABLE;
}

/* libmilter ends the threads of its pool that have nothing to do at the moment and starts others
 * for the next sessions. glibc keeps 40 MB of stacks for them: five of the usual 8 MB, so that most
 * threads would have theirs mapped anew; of these it keeps forty. */
static void small_stacks(void)
{
#ifdef HAVE_PTHREAD_SETATTR_DEFAULT_NP
    pthread_attr_t a;
    if (pthread_attr_init(&a) != 0)
        return;
    if (pthread_attr_setstacksize(&a, STACK) == 0)
        (void)pthread_setattr_default_np(&a);
    pthread_attr_destroy(&a);
#endif
}

/* Ends when libmilter does; the pipe then tells the main thread. */
static void *serve(void *end)
{
    int rc = smfi_main();
    if (rc != MI_SUCCESS)
        am_log(LOG_ERR, "libmilter gave up");
    close(*(int *)end);
    return NULL;
}

/* Makes the spare socket one that listens and that nobody knows. */
static bool listen_unknown(int fd)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    return fd >= 0 && bind(fd, (struct sockaddr *)&sa, sizeof sa) == 0 && listen(fd, 1) == 0;
}

/* No new connections; those that are open are served to their end. libmilter knows no such thing,
 * so another socket is laid over the descriptor that it listens on. Until its poll() wakes up
 * (5 s at most) a new connection may wake it as well as the new worker: its accept() then looks at
 * the dead listener and finds nothing, because both do not block. */
static void leave_listener(const am_worker_start *w, bool orphan)
{
    int real = dup(w->listener);
    if (!listen_unknown(worker.spare) || dup2(worker.spare, w->listener) < 0)
        am_log(LOG_WARNING, "cannot drain: new connections may still come here");
    if (worker.spare >= 0)
        close(worker.spare);
    /* Whoever starts authmilld again must find the socket unanswered. fd:N belongs to others. */
    if (orphan && !w->foreign && real >= 0)
        (void)shutdown(real, SHUT_RDWR);
    if (real >= 0)
        close(real);
}

static void drain(const am_worker_start *w, bool orphan)
{
    if (w->listener >= 0)
        leave_listener(w, orphan);
    nap(GRACE_MS);
    /* From the moment that there is none, none can begin: what they use is about to go. */
    for (unsigned none = 0; !atomic_compare_exchange_strong(&worker.sessions, &none, CLOSED);) {
        none = 0;
        nap(TICK_MS);
    }
    am_log(LOG_INFO, "worker: all sessions are over");
}

/* Waits for the order to go, or for libmilter's end. True: it was the order. */
static bool wait_for_order(const am_worker_start *w, int ended, bool *orphan)
{
    struct pollfd p[] = {{.fd = w->orders, .events = POLLIN}, {.fd = ended, .events = POLLIN}};
    char order;
    while (poll(p, 2, -1) < 0 && errno == EINTR)
        ;
    if (p[1].revents)
        return false;
    *orphan = read(w->orders, &order, 1) != 1;
    return true;
}

/* Orders come by the pipe. A signal for all processes (killall, systemctl kill) is the
 * supervisor's: libmilter waits for these, but what is ignored and not blocked by the main thread
 * never comes. */
static void ignore_signals(void)
{
    static const int ignored[] = {SIGPIPE, SIGHUP, SIGTERM, SIGINT};
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
        signal(ignored[i], SIG_IGN);
}

int am_worker_run(const am_worker_start *w)
{
    int end[2];
    bool orphan = false;
    sigset_t none;
    pthread_t thread;
    am_log_open(w->conf); /* after a reload the supervisor's is that of before */
    ignore_signals();
    small_stacks();
    int status = prepare(w);
    if (status == EX_OK)
        status = start_libmilter(w);
    if (status == EX_OK)
        status = close_up(w);
    if (status != EX_OK)
        return status;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (pipe(end) != 0 || pthread_create(&thread, NULL, serve, &end[1]) != 0) {
        am_log(LOG_ERR, "worker: %s", strerror(errno));
        return EX_TEMPFAIL;
    }
    if (write(w->ready, "r", 1) != 1)
        am_log(LOG_WARNING, "worker: nobody waits for it");
    close(w->ready);
    if (!wait_for_order(w, end[0], &orphan))
        return EX_SOFTWARE;
    if (orphan)
        am_log(LOG_ERR, "the supervisor is gone; the worker ends too");
    drain(w, orphan);
    /* smfi_stop() would wait 5 s for the lock that libmilter holds while it polls; no session is
     * open, so the process can just end. */
    am_declog_close(worker.declog, DECLOG_MS);
    am_dns_free(worker.dns);
    am_clients_free(worker.clients);
    am_turns_free(worker.turns);
    return EX_OK;
}
