/*
 * config: looks after the daemon's configuration: `authmill config check`, `authmill config
 * reload`.
 *
 * For: administrators, and scripts before a reload. Waits: for resolvers and for postconf(1), some
 * seconds each. Memory: one configuration. Exit status: 0, also with findings (78 with --strict);
 * 78 where the file is wrong; 69 where there is no daemon to tell.
 */
#include "config.h"

#include "tools/tools.h"

#include "milter/conf_check.h"
#include "milter/ready.h"
#include "tools/command.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { HELP_SHOWN = -1, MAX_OUTPUT = 1 << 20, POSTCONF_MS = 10000, ARGUMENTS = 32 };

typedef struct request {
    const char *conf, *pid_file, *postconf, *postfix, *sendmail; /* NULL: not given */
    bool strict, offline;
} request;

static const struct option options[] = {
    {"config", required_argument, NULL, 'c'},
    {"pid-file", required_argument, NULL, 'p'},
    {"postconf", required_argument, NULL, 'o'},
    {"postfix", required_argument, NULL, 'P'},
    {"sendmail-cf", required_argument, NULL, 'S'},
    {"strict", no_argument, NULL, 's'},
    {"offline", no_argument, NULL, 'n'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static int parse(request *r, int argc, char **argv)
{
    optind = 0;
    for (int o; (o = getopt_long(argc, argv, "c:p:h", options, NULL)) != -1;) {
        const struct {
            int letter;
            const char **to;
        } text[] = {{'c', &r->conf}, {'p', &r->pid_file}, {'o', &r->postconf}, {'P', &r->postfix},
            {'S', &r->sendmail}};
        if (o == 'h') {
            fputs(am_tool_config.usage, stdout);
            return HELP_SHOWN;
        }
        if (o == '?')
            return EX_USAGE; /* getopt has said what is wrong */
        r->strict = r->strict || o == 's';
        r->offline = r->offline || o == 'n';
        for (size_t i = 0; i < sizeof text / sizeof *text; i++)
            if (text[i].letter == o)
                *text[i].to = optarg;
    }
    if (optind < argc)
        return am_tool_fail(&am_tool_config, EX_USAGE, "'%s' is not wanted", argv[optind]);
    return EX_OK;
}

static void print_finding(void *to, const char *line)
{
    (void)to;
    fprintf(stderr, "%s\n", line);
}

/* ---- The MTA ---- */

/* What a file holds, in the arena; absent: it cannot be read. */
static am_str read_file(am_arena *a, const char *file)
{
    FILE *f = fopen(file, "re");
    char *text = f ? am_arena_alloc(a, MAX_OUTPUT) : NULL;
    size_t n = text ? fread(text, 1, MAX_OUTPUT, f) : 0;
    bool good = text && !ferror(f);
    if (f)
        fclose(f);
    return good ? (am_str){text, n} : (am_str){0};
}

/* `postconf -x NAME...`, which prints defaults too; absent: there is no Postfix, or it says
 * nothing. */
static am_str ask_postfix(am_arena *a, const request *r)
{
    static const char *const places[] = {"/usr/sbin/postconf", "/usr/local/sbin/postconf"};
    char *argv[ARGUMENTS] = {NULL};
    size_t n = 0;
    for (size_t i = 0; i < sizeof places / sizeof *places && !argv[0]; i++)
        if (access(places[i], X_OK) == 0)
            argv[0] = (char *)(uintptr_t)places[i];
    if (!argv[n++])
        return (am_str){0};
    if (r->postfix) {
        argv[n++] = (char *)(uintptr_t) "-c";
        argv[n++] = (char *)(uintptr_t)r->postfix;
    }
    argv[n++] = (char *)(uintptr_t) "-x";
    for (size_t i = 0; am_conf_postfix_names[i]; i++)
        argv[n++] = (char *)(uintptr_t)am_conf_postfix_names[i];
    return am_command_output(a, argv, POSTCONF_MS, MAX_OUTPUT);
}

static int check_mta(const request *r, const am_conf *c, am_findings *f)
{
    static const char sendmail_cf[] = "/etc/mail/sendmail.cf";
    am_arena *a = am_arena_new(0);
    int status = a ? EX_OK : am_tool_fail(&am_tool_config, EX_SOFTWARE, "out of memory");
    am_str postfix = {0}, sendmail = {0};
    if (a && r->postconf && !(postfix = read_file(a, r->postconf)).p)
        status = am_tool_fail(&am_tool_config, EX_NOINPUT, "%s: %s", r->postconf, strerror(errno));
    else if (a && !r->postconf && !r->sendmail && !r->offline)
        postfix = ask_postfix(a, r);
    if (a && r->sendmail && !(sendmail = read_file(a, r->sendmail)).p)
        status = am_tool_fail(&am_tool_config, EX_NOINPUT, "%s: %s", r->sendmail, strerror(errno));
    else if (a && !postfix.p && !r->offline && access(sendmail_cf, R_OK) == 0)
        sendmail = read_file(a, sendmail_cf);
    if (postfix.n)
        am_conf_check_postfix(c, postfix, f);
    if (sendmail.n)
        am_conf_check_sendmail(c, sendmail, f);
    am_arena_free(a);
    return status;
}

/* ---- The words ---- */

static am_conf *load(const request *r)
{
    am_error why;
    am_identity identity;
    am_conf *c = am_ready_load(r->conf, geteuid() == 0 ? &identity : NULL, &why);
    if (!c)
        am_tool_fail(&am_tool_config, EX_CONFIG, "%s", why.text);
    return c;
}

static int check(const request *r)
{
    am_findings f = {.found = print_finding};
    am_conf *c = load(r);
    if (!c)
        return EX_CONFIG;
    am_conf_check_meaning(c, time(NULL), &f);
    if (!r->offline)
        am_conf_check_resolvers(c, &f);
    int status = check_mta(r, c, &f);
    am_conf_free(c);
    if (status != EX_OK)
        return status;
    if (f.n == 0)
        printf("%s: good\n", r->conf);
    else
        printf("%s: reads well, with %u finding%s\n", r->conf, f.n, f.n == 1 ? "" : "s");
    return f.n && r->strict ? EX_CONFIG : EX_OK;
}

/* The process id in a file; 0: none. */
static pid_t read_pid(const char *file)
{
    uint64_t pid;
    char text[32] = "";
    FILE *f = fopen(file, "re");
    size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
    if (f)
        fclose(f);
    return am_str_number(am_str_trim(am_str_n(text, n)), 9, &pid) && pid > 1 ? (pid_t)pid : 0;
}

/* Is that process authmilld? A pid file may be older than the machine's last start. Where there is
 * no /proc nobody can tell. */
static bool is_daemon(pid_t pid)
{
    char file[64], name[32] = "";
    snprintf(file, sizeof file, "/proc/%ld/comm", (long)pid);
    FILE *f = fopen(file, "re");
    if (!f)
        return access("/proc/self/comm", R_OK) != 0;
    size_t n = fread(name, 1, sizeof name - 1, f);
    fclose(f);
    return am_str_is(am_str_trim(am_str_n(name, n)), "authmilld");
}

static int reload(const request *r)
{
    am_findings f = {.found = print_finding};
    am_conf *c = load(r);
    if (!c)
        return EX_CONFIG;
    am_conf_check_meaning(c, time(NULL), &f);
    char *file = strdup(r->pid_file ? r->pid_file : c->pid_file);
    am_conf_free(c);
    if (!file)
        return am_tool_fail(&am_tool_config, EX_SOFTWARE, "out of memory");
    int status = EX_OK;
    pid_t pid = read_pid(file);
    if (f.n && r->strict)
        status =
            am_tool_fail(&am_tool_config, EX_CONFIG, "nothing is told to authmilld: see above");
    else if (!*file)
        status = am_tool_fail(&am_tool_config, EX_USAGE,
            "which authmilld? set pid-file, give --pid-file, or use systemctl reload authmill");
    else if (!pid || !is_daemon(pid))
        status = am_tool_fail(&am_tool_config, EX_UNAVAILABLE,
            "%s names no running authmilld; start it, or give --pid-file", file);
    else if (kill(pid, SIGHUP) != 0)
        status = am_tool_fail(
            &am_tool_config, EX_UNAVAILABLE, "process %ld: %s", (long)pid, strerror(errno));
    free(file);
    return status;
}

static int am_config_run(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(const request *r);
    } words[] = {{"check", check}, {"reload", reload}};
    request r = {.conf = SYSCONFDIR "/authmill/authmill.conf"};
    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        fputs(am_tool_config.usage, stdout);
        return EX_OK;
    }
    for (size_t i = 0; argc > 1 && i < sizeof words / sizeof *words; i++)
        if (strcmp(argv[1], words[i].name) == 0) {
            argv[1] = argv[0];
            int status = parse(&r, argc - 1, argv + 1);
            return status == HELP_SHOWN ? EX_OK : status == EX_OK ? words[i].run(&r) : status;
        }
    return am_tool_fail(&am_tool_config, EX_USAGE, "wanted: check or reload");
}

static const char usage[] =
    "usage: authmill config check [options]\n"
    "       authmill config reload [options]\n"
    "\n"
    "check   says what is wrong in the configuration (78), and what reads well but cannot be\n"
    "        meant: rules that never hold, trust in public suffixes, resolvers that do not "
    "answer,\n"
    "        settings of the MTA that do not fit\n"
    "reload  checks, and tells the running authmilld to take the configuration over; a wrong one\n"
    "        tells it nothing (78)\n"
    "\n"
    "options\n"
    "  -c, --config FILE      the configuration; default: " SYSCONFDIR "/authmill/authmill.conf\n"
    "  -p, --pid-file FILE    reload: where authmilld's process id is; default: option pid-file\n"
    "  --strict               findings count as wrong (78)\n"
    "  --offline              ask neither resolvers nor the MTA\n"
    "  --postfix DIR          Postfix's configuration, where it is not /etc/postfix\n"
    "  --postconf FILE        what postconf(1) printed, instead of asking it\n"
    "  --sendmail-cf FILE     Sendmail's; default: /etc/mail/sendmail.cf where there is no "
    "Postfix\n"
    "\n"
    "examples\n"
    "  authmill config check -c new.conf && mv new.conf " SYSCONFDIR "/authmill/authmill.conf\n"
    "  authmill config reload\n";

const am_tool am_tool_config = {
    "config", "check the configuration, reload it", usage, am_config_run};
