/*
 * supervisor: the program authmilld.
 *
 * Opens the socket, starts a worker that serves it, takes the signals, and looks at nothing that
 * comes from outside. SIGHUP: the new configuration is checked; if it is good a new worker is
 * started on the same socket, and the old one finishes its open sessions. A worker that dies is
 * started again; the socket is open all the time. SIGTERM, SIGINT: the workers finish what is
 * open (30 s at most), then everything goes. Waits: for signals. Memory: the configuration.
 */
#include "config.h"

#include "milter/conf_check.h"
#include "milter/crew.h"
#include "milter/daemon.h"
#include "milter/log.h"
#include "milter/ready.h"
#include "milter/sandbox.h"
#include "milter/worker.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    BACKOFF_FIRST_MS = 250,
    BACKOFF_MAX_MS = 30000,
    STEADY_MS = 60000,
    BURST_MS = 200,   /* SIGHUPs that come within it are one */
    PAUSE_MS = 1000,  /* from one reload to the next */
    MAX_CHANGES = 50, /* that are logged by name */
};

typedef struct arguments {
    const char *conf, *pid_file; /* pid_file NULL: the configuration's */
    bool background, test;
} arguments;

/* What the start made of the configuration, and no reload changes. */
typedef struct opened {
    char *socket, *group, *user, *pid_file;
    unsigned mode;
    bool file; /* the socket is a file, with owner and mode */
} opened;

typedef struct supervisor {
    am_conf *conf;
    opened opened;
    am_identity identity;
    char *conf_file, *pid_file; /* absolute */
    bool pid_file_given;        /* by the command line */
    int listener;
    struct stat listener_file; /* of a unix socket */
    am_crew crew;
    am_crewman *serving; /* NULL: to be started again at restart_at */
    int64_t restart_at, serving_since;
    unsigned backoff_ms;
    int64_t reload_at, reloaded_at; /* reload_at -1: none is wanted */
    bool waits_for_room;            /* the log says so already */
    sigset_t signals;
} supervisor;

static int64_t clock_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int complain(int status, const char *text)
{
    fprintf(stderr, "authmilld: %s\n", text);
    return status;
}

/* What reads well but cannot be meant: said, and no reason not to start. */
static void log_finding(void *to, const char *line)
{
    (void)to;
    am_log(LOG_WARNING, "%s", line);
}

static void print_finding(void *to, const char *line)
{
    (void)to;
    fprintf(stderr, "authmilld: %s\n", line);
}

static void look_over(const am_conf *c, am_found *found)
{
    am_findings f = {.found = found};
    am_conf_check_meaning(c, time(NULL), &f);
}

static void say_sandbox(const am_conf *c)
{
    char text[120];
    am_log(LOG_NOTICE, "sandbox: %s", am_sandbox_describe(c, text, sizeof text));
}

/* ---- Reload ---- */

/* The administrator's own texts, but on one line. */
static void plain(char *text, size_t size, const char *from)
{
    snprintf(text, size, "%s", from);
    for (char *p = text; *p; p++)
        if (*p < ' ' || *p > '~')
            *p = '?';
}

static void log_change(void *to, const char *name, const char *was, const char *is)
{
    unsigned *n = to;
    char old[120], new[120];
    plain(old, sizeof old, was);
    plain(new, sizeof new, is);
    if (*n < MAX_CHANGES)
        am_log(LOG_NOTICE, "reload: %s: %s%s%s", name, old, *was || *is == '\0' ? " -> " : "", new);
    else if (*n == MAX_CHANGES)
        am_log(LOG_NOTICE, "reload: and more");
    (*n)++;
}

static void log_changes(const am_conf *was, const am_conf *is)
{
    unsigned n = 0;
    am_conf_compare(was, is, log_change, &n);
    if (n == 0)
        am_log(LOG_NOTICE, "reload: no option is different");
}

/* False: no memory. */
static bool remember(opened *o, const am_conf *c)
{
    *o = (opened){.socket = strdup(c->socket.text),
        .group = strdup(c->socket_group),
        .user = strdup(c->user),
        .pid_file = strdup(c->pid_file),
        .mode = c->socket_mode,
        .file = c->socket.path != NULL};
    return o->socket && o->group && o->user && o->pid_file;
}

static void forget(opened *o)
{
    free(o->socket);
    free(o->group);
    free(o->user);
    free(o->pid_file);
}

/* What stays as it was. Where the command line names a pid file, the other never counts. */
static void warn_of_restart(const supervisor *s, const am_conf *is)
{
    const opened *was = &s->opened;
    if (strcmp(was->socket, is->socket.text) != 0 ||
        (was->file && (was->mode != is->socket_mode || strcmp(was->group, is->socket_group) != 0)))
        am_log(LOG_WARNING, "reload: socket, socket-mode and socket-group need a restart; "
                            "until then they stay as they were");
    if (strcmp(was->user, is->user) != 0 && was->file)
        am_log(LOG_WARNING, "reload: user: the socket changes its owner at a restart alone");
    if (!s->pid_file_given && strcmp(was->pid_file, is->pid_file) != 0)
        am_log(LOG_WARNING, "reload: pid-file needs a restart; until then it stays %s",
            *s->pid_file ? s->pid_file : "none");
}

static void reload(supervisor *s)
{
    am_error why;
    am_identity identity;
    int status;
    if (s->listener < 0) {
        am_log(LOG_ERR, "reload: nothing is changed: with this libmilter it needs a restart");
        return;
    }
    am_conf *next = am_ready_load(s->conf_file, &identity, &why);
    if (!next) {
        am_log(LOG_ERR, "reload: nothing is changed: %s", why.text);
        return;
    }
    am_crewman *m = am_crew_start(&s->crew, next, &identity, s->listener, &status);
    if (!m) {
        am_log(LOG_ERR, "reload: nothing is changed: the new worker did not start");
        am_conf_free(next);
        return;
    }
    warn_of_restart(s, next);
    if (s->conf->sandbox != next->sandbox)
        say_sandbox(next);
    if (s->serving)
        am_crew_dismiss(s->serving);
    am_log_open(next);
    log_changes(s->conf, next);
    look_over(next, log_finding);
    am_conf_free(s->conf);
    s->conf = next;
    s->identity = identity;
    s->serving = m;
    s->serving_since = clock_ms();
    s->backoff_ms = 0;
    am_log(LOG_NOTICE, "reloaded %s", s->conf_file);
}

/* Signals of one burst are one reload, and there is a pause between two of them. */
static void want_reload(supervisor *s)
{
    int64_t at = clock_ms() + BURST_MS;
    if (s->reload_at >= 0)
        return;
    s->reload_at = at > s->reloaded_at + PAUSE_MS ? at : s->reloaded_at + PAUSE_MS;
}

/* Earlier workers with open sessions may have taken every place: then it waits for one of them. */
static void reload_now(supervisor *s)
{
    if (am_crew_count(&s->crew) >= AM_CREW_MAX) {
        if (!s->waits_for_room)
            am_log(LOG_NOTICE, "reload: waits until one of %d earlier workers has no session open",
                AM_CREW_MAX - 1);
        s->waits_for_room = true;
        s->reload_at = clock_ms() + PAUSE_MS;
        return;
    }
    am_daemon_notify("RELOADING=1");
    reload(s);
    am_daemon_notify("READY=1");
    s->reload_at = -1;
    s->reloaded_at = clock_ms();
    s->waits_for_room = false;
}

/* ---- Workers that end ---- */

static void start_again(supervisor *s)
{
    int status;
    s->serving = am_crew_start(&s->crew, s->conf, &s->identity, s->listener, &status);
    s->serving_since = clock_ms();
    if (s->serving)
        return;
    s->backoff_ms = s->backoff_ms ? s->backoff_ms * 2 : BACKOFF_FIRST_MS;
    if (s->backoff_ms > BACKOFF_MAX_MS)
        s->backoff_ms = BACKOFF_MAX_MS;
    s->restart_at = clock_ms() + s->backoff_ms;
    am_log(LOG_ERR, "the worker did not start; next try in %u ms", s->backoff_ms);
}

static void log_end(const char *who, int status)
{
    if (WIFSIGNALED(status))
        am_log(LOG_ERR, "%s died of signal %d", who, WTERMSIG(status));
    else
        am_log(LOG_ERR, "%s ended with status %d", who, WEXITSTATUS(status));
}

/* The first death is answered at once, others after a pause that grows. */
static void mourn(supervisor *s, int status)
{
    log_end("the worker", status);
    s->serving = NULL;
    if (clock_ms() - s->serving_since > STEADY_MS)
        s->backoff_ms = 0;
    s->restart_at = clock_ms() + s->backoff_ms;
    s->backoff_ms = s->backoff_ms ? s->backoff_ms * 2 : BACKOFF_FIRST_MS;
    if (s->backoff_ms > BACKOFF_MAX_MS)
        s->backoff_ms = BACKOFF_MAX_MS;
}

static void reap(supervisor *s)
{
    am_crewman gone;
    int status;
    pid_t serving = s->serving ? s->serving->pid : 0;
    while (am_crew_reap(&s->crew, &gone, &status))
        if (gone.pid == serving)
            mourn(s, status);
        else if (status != 0)
            log_end("an earlier worker", status);
        else
            am_log(LOG_INFO, "an earlier worker is gone");
}

/* The next signal, or 0 when a worker is to be started again, or a reload to be done. */
static int next_signal(const supervisor *s)
{
    int64_t until = s->serving ? -1 : s->restart_at;
    if (s->reload_at >= 0 && (until < 0 || s->reload_at < until))
        until = s->reload_at;
    if (until < 0)
        return sigwaitinfo(&s->signals, NULL);
    int64_t left = until - clock_ms();
    struct timespec t = {.tv_sec = 0};
    if (left > 0)
        t = (struct timespec){.tv_sec = left / 1000, .tv_nsec = left % 1000 * 1000000};
    int n = sigtimedwait(&s->signals, NULL, &t);
    return n < 0 && errno == EAGAIN ? 0 : n;
}

static void run(supervisor *s)
{
    for (;;) {
        am_daemon_rest();
        int sig = next_signal(s);
        if (sig == SIGTERM || sig == SIGINT)
            return;
        if (sig == SIGCHLD)
            reap(s);
        if (sig == SIGHUP)
            want_reload(s);
        if (s->reload_at >= 0 && clock_ms() >= s->reload_at)
            reload_now(s);
        if (!s->serving && clock_ms() >= s->restart_at)
            start_again(s);
    }
}

/* ---- Start and end ---- */

static bool open_listener(supervisor *s, am_error *why)
{
    char name[300];
    am_socket_access access = {.mode = s->conf->socket_mode,
        .uid = s->identity.drop ? s->identity.uid : (uid_t)-1,
        .gid = s->identity.socket_gid};
    s->listener = am_socket_listen(&s->conf->socket, &access, why);
    if (s->listener < 0)
        return false;
    s->crew.foreign = s->conf->socket.kind == AM_SOCKET_FD;
    if (s->conf->socket.path)
        (void)lstat(s->conf->socket.path, &s->listener_file);
    am_log(LOG_NOTICE, "listening on %s",
        am_socket_name(&s->conf->socket, s->listener, name, sizeof name));
    if (s->conf->socket.path && s->conf->socket_mode & S_IWOTH)
        am_log(LOG_WARNING, "socket-mode = %04o: every user of this host may connect",
            s->conf->socket_mode);
    return true;
}

/* Takes the name away, unless it is somebody else's by now. */
static void close_listener(supervisor *s, const char *path)
{
    struct stat st;
    if (path && lstat(path, &st) == 0 && st.st_dev == s->listener_file.st_dev &&
        st.st_ino == s->listener_file.st_ino)
        (void)unlink(path);
    if (s->listener >= 0)
        close(s->listener);
    s->listener = -1;
}

/* The workers finish; a second signal, or the end of the time, ends them at once. */
static void stop(supervisor *s)
{
    int64_t limit = clock_ms() + s->conf->drain_ms;
    am_crewman gone;
    int status;
    am_crew_dismiss_all(&s->crew);
    while (am_crew_count(&s->crew) > 0) {
        int64_t left = limit - clock_ms();
        struct timespec t = {.tv_sec = left / 1000, .tv_nsec = left % 1000 * 1000000};
        int sig = left > 0 ? sigtimedwait(&s->signals, NULL, &t) : SIGTERM;
        if (sig == SIGTERM || sig == SIGINT) {
            am_log(LOG_WARNING, "open sessions are cut off");
            am_crew_kill_all(&s->crew);
            limit = clock_ms() + 1000; /* for the kernel to bring them down */
        }
        while (am_crew_reap(&s->crew, &gone, &status))
            ;
    }
}

/* The first worker. A libmilter that takes no open socket opens its own: then there is no reload.
 */
static int start_first(supervisor *s, const char *path)
{
    int status;
    s->serving = am_crew_start(&s->crew, s->conf, &s->identity, s->listener, &status);
    if (!s->serving && status == AM_WORKER_NO_FD && s->conf->socket.kind != AM_SOCKET_FD) {
        am_log(LOG_WARNING, "this libmilter takes no open sockets (fd:N): "
                            "a new configuration needs a restart");
        close_listener(s, path);
        s->serving = am_crew_start(&s->crew, s->conf, &s->identity, -1, &status);
    }
    return s->serving ? EX_OK : status;
}

static bool is_shortage(int error)
{
    static const int passing[] = {ENOSPC, EDQUOT, EMFILE, ENFILE, ENOMEM, EIO};
    for (size_t i = 0; i < sizeof passing / sizeof *passing; i++)
        if (error == passing[i])
            return true;
    return false;
}

/* From the first descriptor to the last; `why` is set where the status is not 0. */
static int serve(supervisor *s, int waiting, am_error *why)
{
    if (!open_listener(s, why))
        return EX_UNAVAILABLE;
    char *path = s->conf->socket.path ? strdup(s->conf->socket.path) : NULL;
    /* Before anybody can be served: who gets an answer finds the pid file there. */
    long pid_before;
    errno = 0;
    bool pid_written = am_daemon_write_pid(s->pid_file, &pid_before, why);
    int status = is_shortage(errno) ? EX_TEMPFAIL : EX_CONFIG;
    if (pid_written) {
        am_error_set(why, "the worker did not start; the log says why");
        am_worker_raise_limit(s->conf);
        status = start_first(s, path);
    }
    if (status == EX_OK) {
        s->serving_since = clock_ms();
        am_sandbox_trim();
        say_sandbox(s->conf);
        look_over(s->conf, log_finding);
        am_log(LOG_NOTICE, "authmilld %s is ready", PACKAGE_VERSION);
        am_daemon_notify("READY=1");
        am_daemon_up(waiting, EX_OK, "");
        run(s);
        am_daemon_notify("STOPPING=1");
        am_log(LOG_NOTICE, "stopping");
    }
    close_listener(s, path);
    stop(s);
    if (pid_written) /* a start that failed leaves a daemon that runs its file */
        am_daemon_remove_pid(s->pid_file, status == EX_OK ? 0 : pid_before);
    free(path);
    return status;
}

/* SIGCHLD must not be ignored, or waitpid() finds nobody; the others wait until asked for. */
static void block_signals(supervisor *s)
{
    static const int wanted[] = {SIGTERM, SIGINT, SIGHUP, SIGCHLD};
    sigemptyset(&s->signals);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        signal(wanted[i], SIG_DFL);
        sigaddset(&s->signals, wanted[i]);
    }
    sigprocmask(SIG_BLOCK, &s->signals, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static const char usage[] =
    "usage: authmilld [-d] [-t] [-c FILE] [-p FILE]\n"
    "\n"
    "  -c FILE    the configuration; default: " SYSCONFDIR "/authmill/authmill.conf\n"
    "  -d         go into the background\n"
    "  -p FILE    write the process id there\n"
    "  -t         check the configuration and leave: 0 is good, 78 is bad\n"
    "  --help, --version\n"
    "\n"
    "SIGHUP reloads the configuration, SIGTERM ends. See authmilld(8), authmill.conf(5).\n"
    "\n"
    "examples\n"
    "  authmilld -t -c new.conf\n"
    "  authmilld -d -p /run/authmilld.pid\n";

/* -1: go on; else the status to leave with. */
static int parse_arguments(int argc, char **argv, arguments *a)
{
    static const struct option list[] = {
        {"help", no_argument, NULL, 'h'}, {"version", no_argument, NULL, 'V'}, {NULL, 0, NULL, 0}};
    for (int o; (o = getopt_long(argc, argv, "c:dp:th", list, NULL)) != -1;) {
        switch (o) {
        case 'c':
            a->conf = optarg;
            break;
        case 'd':
            a->background = true;
            break;
        case 'p':
            a->pid_file = optarg;
            break;
        case 't':
            a->test = true;
            break;
        case 'h':
            return fputs(usage, stdout) >= 0 && fflush(stdout) == 0 ? EX_OK : EX_TEMPFAIL;
        case 'V':
            return puts("authmilld " PACKAGE_VERSION) >= 0 && fflush(stdout) == 0 ? EX_OK
                                                                                  : EX_TEMPFAIL;
        default: /* getopt has said what is wrong */
            return EX_USAGE;
        }
    }
    return optind < argc ? complain(EX_USAGE, "no operands are wanted; see authmilld --help") : -1;
}

/* A copy that stays right when the daemon goes to "/" and when the configuration is another;
 * NULL: none to be had. */
static char *absolute(const char *file)
{
    char here[4096];
    char *whole = NULL;
    if (*file == '/' || !*file)
        return strdup(file);
    if (!getcwd(here, sizeof here) || asprintf(&whole, "%s/%s", here, file) < 0)
        return NULL;
    return whole;
}

int main(int argc, char **argv)
{
    arguments a = {.conf = SYSCONFDIR "/authmill/authmill.conf"};
    supervisor s = {.listener = -1, .reload_at = -1, .reloaded_at = INT64_MIN / 2};
    am_error why;
    int waiting = -1, status = parse_arguments(argc, argv, &a);
    if (status >= 0)
        return status;
    if (!am_daemon_standard_files())
        return EX_TEMPFAIL;
    umask(022); /* nothing that we make can others write to */
    s.conf = am_ready_load(a.conf, &s.identity, &why);
    if (!s.conf)
        return complain(EX_CONFIG, why.text);
    if (a.test) {
        look_over(s.conf, print_finding);
        am_conf_free(s.conf);
        return EX_OK;
    }
    s.conf_file = absolute(a.conf);
    s.pid_file = absolute(a.pid_file ? a.pid_file : s.conf->pid_file);
    s.pid_file_given = a.pid_file != NULL;
    if (!s.conf_file || !s.pid_file)
        return complain(EX_UNAVAILABLE, "where am I? give -c and -p as paths that start with /");
    if (a.background && s.conf->log.to == AM_LOG_STDERR)
        complain(0, "-d with log.to = stderr: nobody will see the log");
    if (a.background && (waiting = am_daemon_detach(&why)) < 0)
        return complain(EX_UNAVAILABLE, why.text);
    am_log_open(s.conf);
    block_signals(&s);
    am_error_set(&why, "out of memory");
    status = remember(&s.opened, s.conf) ? serve(&s, waiting, &why) : EX_TEMPFAIL;
    if (status != EX_OK) {
        if (s.conf->log.to == AM_LOG_SYSLOG)
            am_log(LOG_ERR, "%s", why.text);
        am_daemon_up(waiting, status, why.text);
    }
    am_conf_free(s.conf);
    forget(&s.opened);
    free(s.conf_file);
    free(s.pid_file);
    return status;
}
