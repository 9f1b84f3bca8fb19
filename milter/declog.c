/*
 * declog: writes the lines of the decision log.
 *
 * For: the worker. Sessions hand lines over and go on; one thread writes them, each with one
 * write(2) to a descriptor in O_APPEND, so that several workers (and rotation) never mix lines.
 * A disk that is full or slow, a pipe that nobody reads: lines are lost and counted, it is logged
 * once a minute, and mail never waits. Waits: the thread; am_declog_close. Memory: the queue,
 * bounded. Callers: am_declog_put any thread, the others one.
 *
 * Files and sockets are opened before privileges drop, the file by its name once: a new
 * configuration is a new worker, which opens it again.
 */
#include "config.h"

#include "milter/declog.h"
#include "milter/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { COMPLAIN_EVERY_S = 60, MODE = 0640, JOURNAL_ROOM = 2 << 20 };

typedef struct line {
    struct line *next;
    char *text;
    size_t n;
} line;

struct am_declog {
    int file, journal; /* -1: none */
    struct sockaddr_un to;
    char name[256]; /* of the file, for complaints */
    bool torn;      /* the file ends within a line; from am_declog_start the thread's alone */
    pthread_t thread;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t more, idle;
    line *first, **end;
    size_t waiting; /* octets */
    bool started, busy, closing;
    am_declog_stats count;
    uint64_t told; /* of count.lost */
    time_t next_complaint;
};

/* ---- Opening ---- */

/* The descriptor that a name stands for; -1: it is a file. */
static int standard_stream(const char *path)
{
    if (strcmp(path, "/dev/stdout") == 0)
        return STDOUT_FILENO;
    return strcmp(path, "/dev/stderr") == 0 ? STDERR_FILENO : -1;
}

/* Whoever may write to the folder could have us, as root, append to any file under another name. */
static bool check_kind(const struct stat *st, const char *path, am_error *why)
{
    const char *wrong = S_ISLNK(st->st_mode)                       ? "a symbolic link"
                        : S_ISDIR(st->st_mode)                     ? "a directory"
                        : S_ISREG(st->st_mode) && st->st_nlink > 1 ? "a file with several names"
                                                                   : NULL;
    if (wrong)
        am_error_set(why, "%s: %s; wanted: a file of its own", path, wrong);
    return !wrong;
}

bool am_declog_check(const char *path, am_error *why)
{
    struct stat st;
    if (!*path || standard_stream(path) >= 0)
        return true;
    if (lstat(path, &st) == 0) {
        if (!check_kind(&st, path, why))
            return false;
        if (access(path, W_OK) == 0)
            return true;
    } else if (errno == ENOENT) {
        char folder[4096];
        snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(path, '/') - path + 1), path);
        if (access(folder, W_OK | X_OK) == 0)
            return true;
    }
    am_error_set(why, "%s: %s", path, strerror(errno));
    return false;
}

static int open_file(const char *path, am_error *why)
{
    struct stat st;
    int fd = standard_stream(path);
    if (fd >= 0)
        fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    else /* O_NONBLOCK: a pipe that nobody reads */
        fd = open(path,
            O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW, MODE);
    if (fd < 0) {
        am_error_set(why, "%s: %s", path, strerror(errno));
        return -1;
    }
    if (standard_stream(path) < 0 && (fstat(fd, &st) != 0 || !check_kind(&st, path, why))) {
        close(fd);
        return -1;
    }
    return fd;
}

/* Does it end within a line, as after a full disk or a crash? `fd` itself can only write. */
static bool ends_torn(int fd)
{
    struct stat st;
    char name[32], last = '\n';
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size == 0)
        return false;
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    int in = open(name, O_RDONLY | O_CLOEXEC);
    bool torn = in >= 0 && pread(in, &last, 1, st.st_size - 1) == 1 && last != '\n';
    if (in >= 0)
        close(in);
    return torn;
}

static int open_journal(const char *path, struct sockaddr_un *to, am_error *why)
{
    const int room = JOURNAL_ROOM;
    *to = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof to->sun_path) {
        am_error_set(why, "%s: the path is too long", path);
        return -1;
    }
    memcpy(to->sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        am_error_set(why, "journal: %s", strerror(errno));
    else /* for several lines, as far as the system lets us */
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    return fd;
}

am_declog *am_declog_open(const char *path, const char *journal, am_error *why)
{
    am_declog *d = calloc(1, sizeof *d);
    am_error_set(why, "out of memory");
    if (!d)
        return NULL;
    d->file = d->journal = -1;
    d->end = &d->first;
    snprintf(d->name, sizeof d->name, "%s", *path ? path : "journal");
    pthread_mutex_init(&d->lock, NULL);
    pthread_cond_init(&d->more, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&d->idle, &monotonic);
    pthread_condattr_destroy(&monotonic);
    bool good = !*path || (d->file = open_file(path, why)) >= 0;
    d->torn = d->file >= 0 && ends_torn(d->file);
    if (good && *journal)
        good = (d->journal = open_journal(journal, &d->to, why)) >= 0;
    if (good)
        return d;
    am_declog_close(d, 0);
    return NULL;
}

/* ---- Losses ---- */

/* Counts a line that is lost; the lock is held. How many to complain of now; 0: not yet. */
static uint64_t lose(am_declog *d)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    d->count.lost++;
    if (now.tv_sec < d->next_complaint)
        return 0;
    uint64_t n = d->count.lost - d->told;
    d->told = d->count.lost;
    d->next_complaint = now.tv_sec + COMPLAIN_EVERY_S;
    return n;
}

static void complain(const am_declog *d, uint64_t lines, const char *why)
{
    if (lines)
        am_log(LOG_ERR, "decision log %s: %s (%llu lines lost)", d->name, why,
            (unsigned long long)lines);
}

/* ---- Writing ---- */

/* NULL: the line is in the file; else what is wrong. */
static const char *write_file(am_declog *d, const line *l)
{
    ssize_t n;
    if (d->torn && write(d->file, "\n", 1) != 1)
        return strerror(errno);
    d->torn = false;
    do
        n = write(d->file, l->text, l->n);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return strerror(errno);
    d->torn = (size_t)n < l->n;
    return d->torn ? "only a part of a line had room" : NULL;
}

/* The journal's own protocol: NAME=value, a line each. A record holds no LF but its last. */
static const char *send_journal(const am_declog *d, const line *l)
{
    static char head[] = "PRIORITY=6\nSYSLOG_IDENTIFIER=authmill-decision\nMESSAGE=";
    struct iovec part[] = {{head, sizeof head - 1}, {l->text, l->n}};
    struct sockaddr_un to = d->to;
    struct msghdr m = {.msg_name = &to, .msg_namelen = sizeof to, .msg_iov = part, .msg_iovlen = 2};
    return sendmsg(d->journal, &m, MSG_NOSIGNAL) >= 0 ? NULL : strerror(errno);
}

static void write_line(am_declog *d, const line *l)
{
    const char *file = d->file >= 0 ? write_file(d, l) : NULL;
    const char *journal = d->journal >= 0 ? send_journal(d, l) : NULL;
    uint64_t complaint = 0;
    pthread_mutex_lock(&d->lock);
    if (file || journal)
        complaint = lose(d);
    else
        d->count.written++;
    pthread_mutex_unlock(&d->lock);
    complain(d, complaint, file ? file : journal);
}

static void free_line(line *l)
{
    if (l)
        free(l->text);
    free(l);
}

/* The next line; NULL: there will be none. The lock is held. */
static line *next(am_declog *d)
{
    while (!d->first && !d->closing)
        pthread_cond_wait(&d->more, &d->lock);
    line *l = d->first;
    if (l && !(d->first = l->next))
        d->end = &d->first;
    return l;
}

static void *write_lines(void *log)
{
    am_declog *d = log;
    pthread_mutex_lock(&d->lock);
    for (line *l; (l = next(d));) {
        d->busy = true;
        pthread_mutex_unlock(&d->lock);
        write_line(d, l);
        pthread_mutex_lock(&d->lock);
        d->busy = false;
        d->waiting -= l->n;
        free_line(l);
        if (!d->first)
            pthread_cond_signal(&d->idle);
    }
    pthread_mutex_unlock(&d->lock);
    return NULL;
}

bool am_declog_start(am_declog *d)
{
    int wrong = pthread_create(&d->thread, NULL, write_lines, d);
    if (wrong)
        am_log(LOG_ERR, "decision log %s: no thread: %s", d->name, strerror(wrong));
    d->started = wrong == 0;
    return d->started;
}

size_t am_declog_max(const am_declog *d)
{
    return d->journal >= 0 ? AM_DECLOG_DATAGRAM : 0;
}

void am_declog_put(am_declog *d, char *text, size_t n)
{
    line *l = d && text ? malloc(sizeof *l) : NULL;
    uint64_t complaint = 0;
    if (!d) {
        free(text);
        return;
    }
    if (l)
        *l = (line){.text = text, .n = n};
    pthread_mutex_lock(&d->lock);
    bool room = d->started && n <= AM_DECLOG_QUEUE - d->waiting;
    if (l && room) {
        *d->end = l;
        d->end = &l->next;
        d->waiting += n;
        pthread_cond_signal(&d->more);
    } else {
        complaint = lose(d);
    }
    pthread_mutex_unlock(&d->lock);
    if (l && room)
        return;
    complain(d, complaint, l ? "writing is too slow" : "out of memory");
    free(l);
    free(text);
}

am_declog_stats am_declog_count(am_declog *d)
{
    pthread_mutex_lock(&d->lock);
    am_declog_stats count = d->count;
    pthread_mutex_unlock(&d->lock);
    return count;
}

/* ---- The end ---- */

/* True: nothing is left to write, and the thread is told to end. */
static bool drain(am_declog *d, unsigned wait_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += wait_ms / 1000;
    until.tv_nsec += (long)(wait_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    pthread_mutex_lock(&d->lock);
    int wrong = 0;
    while ((d->first || d->busy) && wrong == 0)
        wrong = pthread_cond_timedwait(&d->idle, &d->lock, &until);
    bool empty = !d->first && !d->busy;
    d->closing = true;
    pthread_cond_signal(&d->more);
    uint64_t untold = d->count.lost - d->told;
    pthread_mutex_unlock(&d->lock);
    complain(d, untold, "since the last complaint");
    return empty;
}

void am_declog_close(am_declog *d, unsigned wait_ms)
{
    if (!d)
        return;
    if (d->started) {
        if (!drain(d, wait_ms)) {
            am_log(LOG_ERR, "decision log %s: the last lines could not be written", d->name);
            pthread_detach(d->thread);
            return;
        }
        pthread_join(d->thread, NULL);
    }
    if (d->file >= 0)
        close(d->file);
    if (d->journal >= 0)
        close(d->journal);
    pthread_cond_destroy(&d->more);
    pthread_cond_destroy(&d->idle);
    pthread_mutex_destroy(&d->lock);
    free(d);
}
