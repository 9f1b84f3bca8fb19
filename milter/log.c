/*
 * log: one line a message, and a line for everything unusual.
 *
 * For: supervisor and worker. Waits: as long as syslog(3) does. Who reads standard error and is
 * busy is waited for, a second at most; one who has lost a line is not, until there is room for
 * lines again, and what was lost is counted. Memory: the stack. Callers: any thread; am_log_open
 * before there are several.
 *
 * Nothing from outside reaches the log but through am_log_text.
 */
#include "milter/log.h"
#include "libauth/base/lex.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    LINE = 6000, /* octets: all that add() may have to say of a message */
    DKIMS = 4,
    PATIENCE_MS = 1000, /* with whoever reads standard error, for one line */
};

static struct {
    am_log_to to;
    int level;
    bool open;
    int fd;      /* standard error, as it may be written to without a wait */
    bool socket; /* it is one */
    bool waits;  /* a pipe or terminal that could not be opened anew */
    pid_t owner; /* of what follows: the process that opened the log */
    pthread_mutex_t lock;
    unsigned lost; /* lines */
    bool torn;     /* the last one was cut by the end of the room */
} out = {.to = AM_LOG_STDERR,
    .level = LOG_WARNING,
    .fd = STDERR_FILENO,
    .lock = PTHREAD_MUTEX_INITIALIZER};

/* Others write to the same pipe or terminal, and may want to wait: so it is opened anew. Where that
 * cannot be (no /proc, somebody else's) it is asked for room before each write: a pipe then does
 * not wait, a terminal may where it has room for less than a line. */
static void open_stderr(void)
{
    struct stat st;
    if (out.fd != STDERR_FILENO)
        close(out.fd);
    out.fd = STDERR_FILENO;
    if (fstat(STDERR_FILENO, &st) != 0)
        return;
    out.socket = S_ISSOCK(st.st_mode);
    out.waits = false;
    if (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode))
        out.fd = open("/proc/self/fd/2", O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (out.fd < 0) {
        out.fd = STDERR_FILENO;
        out.waits = true;
    }
}

/* Octets that there was room for; all of them where nobody can be told of an error. */
static size_t put_some(const char *p, size_t n)
{
    struct pollfd room = {.fd = out.fd, .events = POLLOUT};
    if (out.waits && poll(&room, 1, 0) == 0)
        return 0;
    ssize_t done =
        out.socket ? send(out.fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL) : write(out.fd, p, n);
    return done >= 0 ? (size_t)done : errno == EAGAIN ? 0 : n;
}

static int64_t clock_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* A reader who is busy is waited for, one who has lost a line is not. `until`: 0 before the first
 * wait for a line. False: in vain. */
static bool await_room(int64_t *until)
{
    struct pollfd room = {.fd = out.fd, .events = POLLOUT};
    int64_t now = clock_ms();
    if (*until == 0)
        *until = now + PATIENCE_MS;
    return out.lost == 0 && now < *until && poll(&room, 1, (int)(*until - now)) != 0;
}

/* Octets that there was room for in time. A pipe that says it has room has it for PIPE_BUF. */
static size_t put(const char *p, size_t n)
{
    size_t most = out.waits ? PIPE_BUF : n, done = 0, part;
    int64_t until = 0;
    do {
        part = put_some(p + done, n - done < most ? n - done : most);
        done += part;
    } while (done < n && (part > 0 || await_room(&until)));
    return done;
}

/* One line, whole. False: there was no room for all of it. */
static bool put_whole(const char *line, size_t n)
{
    if (out.torn && put("\n", 1) == 0)
        return false;
    size_t done = put(line, n);
    out.torn = done > 0 && done < n;
    return done == n;
}

static bool tell_of(unsigned lost)
{
    char text[100];
    int n = snprintf(text, sizeof text,
        "authmilld[%ld]: log: %u lines were lost: nobody read them\n", (long)getpid(), lost);
    return put_whole(text, (size_t)n);
}

/* Lines that were lost are told of where the next one has room. */
static void put_line(const char *line, size_t n)
{
    pthread_mutex_lock(&out.lock);
    if (out.lost && tell_of(out.lost))
        out.lost = 0;
    if (out.lost || !put_whole(line, n))
        out.lost++;
    pthread_mutex_unlock(&out.lock);
}

void am_log_open(const am_conf *c)
{
    if (out.owner != getpid()) /* what the supervisor lost, it tells itself */
        out.lost = 0;
    out.owner = getpid();
    open_stderr();
    out.to = c->log.to;
    out.level = (int)c->log.level;
    if (out.open)
        closelog();
    out.open = out.to == AM_LOG_SYSLOG;
    if (out.open)
        openlog("authmilld", LOG_PID | LOG_NDELAY, (int)c->log.facility);
}

void am_log(int level, const char *fmt, ...)
{
    char line[LINE + 100];
    if (level > out.level)
        return;
    va_list ap;
    int who = snprintf(line, sizeof line, "authmilld[%ld]: ", (long)getpid());
    va_start(ap, fmt);
    int n = vsnprintf(line + who, sizeof line - 1 - (size_t)who, fmt, ap);
    va_end(ap);
    if (n < 0)
        return;
    if (out.to == AM_LOG_SYSLOG) {
        syslog(level, "%s", line + who);
        return;
    }
    size_t len = strlen(line);
    line[len++] = '\n';
    put_line(line, len);
}

const char *am_log_text(char *text, size_t size, am_str s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        bool plain = am_is(s.p[i], AM_VCHAR) && s.p[i] != '\\';
        size_t need = plain ? 1 : 4, rest = i + 1 < s.n ? 3 : 0;
        if (n + need + rest + 1 > size) {
            memcpy(text + n, "...", 3);
            n += 3;
            break;
        }
        if (plain)
            text[n] = s.p[i];
        else
            snprintf(text + n, 5, "\\x%02X", (unsigned char)s.p[i]);
        n += need;
    }
    text[n] = '\0';
    return text;
}

/* A line that is put together piece by piece; what has no room is left out. */
typedef struct line {
    char text[LINE];
    size_t n;
} line;

static void begin(line *l)
{
    l->n = 0;
    l->text[0] = '\0';
}

static void add(line *l, const char *name, const char *value, am_str detail)
{
    char safe[160];
    const char *part[] = {" ", name, "=", value, "(", safe, ")"};
    size_t parts = sizeof part / sizeof *part, n = l->n;
    if (detail.n)
        am_log_text(safe, sizeof safe, detail);
    else
        parts = 4;
    for (size_t i = 0; i < parts; i++) {
        size_t len = strlen(part[i]);
        if (len >= sizeof l->text - n) {
            l->text[l->n] = '\0';
            return;
        }
        memcpy(l->text + n, part[i], len + 1);
        n += len;
    }
    l->n = n;
}

static void add_text(line *l, const char *name, am_str value)
{
    char safe[320];
    add(l, name, am_log_text(safe, sizeof safe, value), (am_str){0});
}

static void add_envelope(line *l, const am_evidence *e)
{
    char ip[AM_IP_TEXT], from[324];
    const char *unknown = e->hop.relayed ? "unknown" : "local";
    add(l, "client", e->ip.family ? am_ip_text(&e->ip, ip) : unknown, (am_str){0});
    if (e->hop.relayed)
        add(l, "relay", am_ip_text(&e->relay, ip), am_str_of(e->hop.found ? "" : e->hop.reason));
    if (e->has_helo)
        add_text(l, "helo", e->helo);
    snprintf(from, sizeof from, "<%.*s%s%.*s>",
        e->sender.local.n > 64 ? 64 : (int)e->sender.local.n,
        e->sender.local.n ? e->sender.local.p : "", e->sender.domain.n ? "@" : "",
        e->sender.domain.n > 253 ? 253 : (int)e->sender.domain.n,
        e->sender.domain.n ? e->sender.domain.p : "");
    add_text(l, "from", am_str_of(from));
    if (e->auth_user.n)
        add_text(l, "user", e->auth_user);
}

/* What was switched on. */
static void add_others(line *l, const am_evidence *e)
{
    if (e->has_align)
        add(l, "x-auth-align", am_result_word(e->align.result), am_str_of(e->align.reason));
    if (e->has_helo_check)
        add(l, "x-helo", am_result_word(e->helo_check.result), (am_str){0});
    if (e->has_tls)
        add(l, "x-tls", am_result_word(e->tls.result), e->tls.version);
    if (e->has_trail)
        add(l, "x-trail", am_result_word(e->trail.result), (am_str){0});
    if (e->has_sender_id)
        add(l, "sender-id", am_result_word(e->sender_id.result), e->sender_id.domain);
}

/* The first few of those that passed, or of the others; returns how many. */
static size_t add_dkims(line *l, const am_evidence *e, bool passed, size_t most)
{
    size_t n = 0;
    for (size_t i = 0; i < e->dkims && n < most; i++)
        if ((e->dkim[i].result == AM_PASS) == passed) {
            add(l, "dkim", am_result_word(e->dkim[i].result), e->dkim[i].domain);
            n++;
        }
    return n;
}

static void add_dkim(line *l, const am_evidence *e)
{
    char more[24];
    if (e->dkims == 0 && e->has_dmarc)
        add(l, "dkim", e->limit ? "permerror" : "none", (am_str){0});
    size_t n = add_dkims(l, e, true, DKIMS);
    n += add_dkims(l, e, false, DKIMS - n);
    snprintf(more, sizeof more, "%zu", e->dkims - n);
    if (e->dkims > n)
        add(l, "dkim-more", more, (am_str){0});
}

static void add_results(line *l, const am_evidence *e)
{
    if (e->has_iprev)
        add(l, "iprev", am_result_word(e->iprev.result), e->iprev.name);
    if (e->has_spf)
        add(l, "spf", am_result_word(e->spf.result), e->spf.domain);
    if (e->has_spf && e->has_iprev && e->has_helo && !e->spf_from_helo) /* with iprev, or not yet */
        add(l, "spf-helo", am_result_word(e->helo_spf.result), e->helo_spf.domain);
    add_dkim(l, e);
    if (e->has_arc && e->arc.result != AM_NONE)
        add(l, "arc", am_result_word(e->arc.result),
            e->arc.sets ? e->arc.set[e->arc.sets - 1].sealer : (am_str){0});
    if (e->has_dmarc)
        add(l, "dmarc", am_result_word(e->dmarc.result), e->dmarc.domain);
    if (e->has_dmarc && e->dmarc.has_policy)
        add(l, "policy", am_dmarc_policy_word(e->dmarc.policy), (am_str){0});
    add_others(l, e);
}

/* Titles and reasons are the administrator's, printable, and keep their spaces. */
static void add_quoted(line *l, const char *name, const char *text)
{
    char quoted[320];
    snprintf(quoted, sizeof quoted, "\"%s\"", text);
    for (char *p = quoted + 1; p[0] && p[1]; p++)
        if (*p == '"')
            *p = '\'';
    add(l, name, quoted, (am_str){0});
}

static void add_rule(line *l, const am_rule *r)
{
    if (!r)
        return;
    add_quoted(l, "rule", r->title);
    if (*r->reason)
        add_quoted(l, "reason", r->reason);
}

/* What is done; as what, where the word has two meanings; what would be, where only watched. */
static void add_decision(line *l, const am_decision *d)
{
    const char *word = am_action_word(d->action), *measure = am_measure_word(d->measure);
    add(l, "action", word, d->monitored ? AM_STR("monitor") : am_str_of(d->why));
    if (d->action == AM_ACTION_QUARANTINE || d->measure == AM_MEASURE_HEADER)
        add(l, "as", measure, (am_str){0});
    if (d->monitored)
        add(l, "would", am_measure_word(d->would), am_str_of(d->why));
    add_rule(l, d->rule);
    if (d->mixed)
        add(l, "recipients", "differ", (am_str){0});
}

static const char *name_of(const char *id, char safe[80])
{
    return id ? am_log_text(safe, 80, am_str_of(id)) : "NOQUEUE";
}

void am_log_message(const char *id, const am_evidence *e, const am_decision *d)
{
    int level = d->fault ? LOG_ERR : LOG_INFO;
    line l;
    char safe[80];
    if (level > out.level)
        return;
    begin(&l);
    if (e) {
        add_envelope(&l, e);
        add_results(&l, e);
    }
    add_decision(&l, d);
    am_log(level, "%s:%s", name_of(id, safe), l.text);
}

void am_log_shadow(const char *id, const am_decision *live, const am_decision *shadow)
{
    line l;
    char safe[80];
    begin(&l);
    add(&l, "shadow", am_measure_word(shadow->measure), am_str_of(shadow->why));
    add_rule(&l, shadow->rule);
    add(&l, "live", am_measure_word(live->would), am_str_of(live->why));
    add_rule(&l, live->rule);
    am_log(LOG_INFO, "%s:%s", name_of(id, safe), l.text);
}
