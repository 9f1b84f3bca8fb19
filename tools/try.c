/*
 * try: one message through a running milter.
 *
 * For: seeing what a milter (ours or any other) would do with a message, without
 * an MTA. Waits: for the milter, bounded (--timeout). Memory: one arena.
 * Callers: authmill.c.
 */
#include "config.h"

#include "tools/tools.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/show.h"
#include "tools/outcome.h"

typedef struct options {
    const char *milter, *file;
    const char *rcpt[1000];
    am_play_envelope env;
    double timeout;
    bool json, help;
} options;

#define usage_error(...) am_tool_fail(&am_tool_try, EX_USAGE, __VA_ARGS__)

/* An address without its angle brackets. */
static const char *bare_path(am_arena *a, const char *text)
{
    am_str s = am_str_of(text);
    if (s.n >= 2 && s.p[0] == '<' && s.p[s.n - 1] == '>')
        s = am_str_copy(a, am_str_cut(s, 1, s.n - 1));
    return s.p ? s.p : text;
}

static int set_timeout(options *o, const char *text)
{
    char *end;
    errno = 0;
    o->timeout = strtod(text, &end);
    if (*text == '\0' || *end || errno || !(o->timeout > 0 && o->timeout <= 86400))
        return usage_error("--timeout '%s' is no number of seconds above 0", text);
    return EX_OK;
}

static int set_option(options *o, am_arena *a, int option, const char *value)
{
    switch (option) {
    case 'm':
        o->milter = value;
        return EX_OK;
    case 'i':
        return am_ip_parse(am_str_of(value), &o->env.ip)
                   ? EX_OK
                   : usage_error("--ip '%s' is no IPv4 or IPv6 address", value);
    case 'H':
        o->env.helo = value;
        return EX_OK;
    case 'f':
        o->env.mail_from = bare_path(a, value);
        return EX_OK;
    case 'r':
        if (o->env.rcpts == sizeof o->rcpt / sizeof o->rcpt[0])
            return usage_error("more than %zu recipients", o->env.rcpts);
        o->rcpt[o->env.rcpts++] = bare_path(a, value);
        return EX_OK;
    case 'a':
        o->env.auth = value;
        return EX_OK;
    case 'R':
        o->env.receiver = value;
        return EX_OK;
    case 'F':
        o->json = strcmp(value, "json") == 0;
        return o->json || strcmp(value, "text") == 0
                   ? EX_OK
                   : usage_error("--format '%s' is neither text nor json", value);
    case 't':
        return set_timeout(o, value);
    case 'h':
        o->help = true;
        return EX_OK;
    default:
        return EX_USAGE; /* getopt has said what is wrong */
    }
}

static int read_options(options *o, am_arena *a, int argc, char **argv)
{
    static const struct option known[] = {
        {"milter", required_argument, NULL, 'm'},
        {"ip", required_argument, NULL, 'i'},
        {"helo", required_argument, NULL, 'H'},
        {"mail-from", required_argument, NULL, 'f'},
        {"rcpt", required_argument, NULL, 'r'},
        {"auth", required_argument, NULL, 'a'},
        {"receiver", required_argument, NULL, 'R'},
        {"format", required_argument, NULL, 'F'},
        {"timeout", required_argument, NULL, 't'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int option, status = EX_OK;
    optind = 0;
    while (status == EX_OK && (option = getopt_long(argc, argv, "h", known, NULL)) != -1)
        status = set_option(o, a, option, optarg);
    if (status != EX_OK || o->help)
        return status;
    if (!o->milter)
        return usage_error("--milter SOCKET is missing");
    if (argc - optind > 1)
        return usage_error("one message is wanted, not %d", argc - optind);
    o->file = optind < argc ? argv[optind] : "-";
    return EX_OK;
}

static int print(const options *o, am_arena *a, const am_eml *m, const am_play_result *r)
{
    if (!o->json) {
        return am_outcome_text(stdout, a, &m->header, r, am_show_colour())
                   ? EX_OK
                   : am_tool_fail(&am_tool_try, EX_SOFTWARE, "out of memory");
    }
    json_t *j = am_outcome_json(r);
    if (!j)
        return am_tool_fail(&am_tool_try, EX_SOFTWARE, "out of memory");
    /* an error of writing is seen by the dispatcher */
    (void)json_dumpf(j, stdout, JSON_INDENT(1) | JSON_ENSURE_ASCII);
    putchar('\n');
    json_decref(j);
    return EX_OK;
}

static int try_message(const options *o, am_arena *a, const am_wire_target *target)
{
    am_error e = {""};
    am_eml m;
    am_wire w;
    am_play_result r;
    int status = am_eml_read(a, o->file, &m, &e);
    if (status != EX_OK)
        return am_tool_fail(&am_tool_try, status, "%s", e.text);
    if (!am_wire_open(&w, target, o->timeout, &e))
        return am_tool_fail(&am_tool_try, EX_UNAVAILABLE, "%s", e.text);
    bool good = am_play(&w, a, &o->env, &m, &r);
    am_wire_close(&w);
    if (!good)
        return am_tool_fail(&am_tool_try, EX_UNAVAILABLE, "%s: %s", o->milter, e.text);
    return print(o, a, &m, &r);
}

static int run(int argc, char **argv)
{
    char host[256] = "localhost";
    (void)gethostname(host, sizeof host - 1);
    am_arena *a = am_arena_new((size_t)4 << 30);
    options *o = a ? am_arena_alloc(a, sizeof *o) : NULL;
    if (!o) {
        am_arena_free(a);
        return am_tool_fail(&am_tool_try, EX_SOFTWARE, "out of memory");
    }
    o->timeout = 60;
    o->env = (am_play_envelope){.receiver = host, .mail_from = "", .rcpt = o->rcpt};
    am_wire_target target;
    am_error e = {""};
    int status = read_options(o, a, argc, argv);
    if (status == EX_OK && o->help)
        fputs(am_tool_try.usage, stdout);
    else if (status == EX_OK && !am_wire_target_parse(o->milter, &target, &e))
        status = usage_error("--milter %s", e.text);
    else if (status == EX_OK)
        status = try_message(o, a, &target);
    am_arena_free(a);
    return status;
}

const am_tool am_tool_try = {
    .name = "try",
    .summary = "one message through a running milter",
    .usage = "usage: authmill try --milter SOCKET [options] [MESSAGE.eml | -]\n\n"
             "Plays the MTA's side of the milter protocol against any milter, and prints the\n"
             "verdict and every change it asked for.\n\n"
             "  --milter SOCKET     unix:/path, inet:PORT@HOST or inet6:PORT@HOST\n"
             "  --ip ADDR           address of the SMTP client (IPv4 or IPv6)\n"
             "  --helo NAME         its HELO or EHLO name\n"
             "  --mail-from ADDR    envelope sender, with or without <>; default: the null sender\n"
             "  --rcpt ADDR         a recipient, may be repeated; default: postmaster\n"
             "  --auth USER         the client had authenticated as USER\n"
             "  --receiver NAME     this host's name; default: the host's name\n"
             "  --format text|json  for people (default), or an object\n"
             "  --timeout SECONDS   bound on each answer of the milter; default: 60\n"
             "\n"
             "examples\n"
             "  authmill try --milter unix:/run/authmill/authmill.sock --ip 192.0.2.1 mail.eml\n"
             "  authmill try --milter inet:8891@localhost --ip 192.0.2.1 --helo mx.example.org \\\n"
             "    --mail-from a@example.org --format json mail.eml\n",
    .run = run,
};
