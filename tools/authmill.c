/*
 * authmill: the tool for people and scripts; finds the word and runs it.
 *
 * For: `authmill WORD ...`, `authmill help [WORD]`, --help, --version. Waits:
 * never itself. Memory: none. Exit status: sysexits.h; standard output that
 * cannot be written (a full disk) is EX_TEMPFAIL, never silence.
 */
#include "config.h"

#include "tools/json.h"
#include "tools/tools.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "libauth/base/error.h"

static const am_tool *const tools[] = {
    &am_tool_check,
    &am_tool_config,
    &am_tool_explain,
    &am_tool_replay,
    &am_tool_try,
    NULL,
};

int am_tool_fail(const am_tool *tool, int status, const char *fmt, ...)
{
    char line[512];
    am_error e;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    am_error_set(&e, "%s", line);
    if (status == EX_USAGE && tool)
        fprintf(stderr, "authmill %s: %s (authmill help %s)\n", tool->name, e.text, tool->name);
    else
        fprintf(stderr, "authmill%s%s: %s\n", tool ? " " : "", tool ? tool->name : "", e.text);
    return status;
}

static const am_tool *tool_named(const char *word)
{
    for (size_t i = 0; tools[i]; i++)
        if (strcmp(word, tools[i]->name) == 0)
            return tools[i];
    return NULL;
}

/* How many letters must be put in, taken out or replaced to make b of a
 * (Levenshtein); words of 32 letters or more are far from everything. */
static size_t distance(const char *a, const char *b)
{
    size_t row[32], n = strlen(b);
    if (strlen(a) >= 32 || n >= 32)
        return 32;
    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 0; a[i]; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 1; j <= n; j++) {
            size_t best = diagonal + (a[i] != b[j - 1]);
            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[n];
}

static int unknown(const char *word)
{
    const char *nearest = "help";
    size_t best = distance(word, nearest);
    for (size_t i = 0; tools[i]; i++) {
        size_t d = distance(word, tools[i]->name);
        if (d < best) {
            best = d;
            nearest = tools[i]->name;
        }
    }
    if (best <= 2 || best * 2 <= strlen(nearest))
        return am_tool_fail(NULL, EX_USAGE, "no word '%s'; did you mean '%s'?", word, nearest);
    return am_tool_fail(NULL, EX_USAGE, "no word '%s'; 'authmill help' lists all", word);
}

static void list(FILE *out)
{
    fputs("usage: authmill WORD [options]\n"
          "       authmill help WORD\n"
          "       authmill --version\n\nwords:\n",
        out);
    for (size_t i = 0; tools[i]; i++)
        fprintf(out, "  %-8s %s\n", tools[i]->name, tools[i]->summary);
    fputs("  help     what a word does and which options it takes\n"
          "\nexamples\n"
          "  authmill check --format text --explain mail.eml\n"
          "  authmill help check\n",
        out);
}

static int help(int argc, char **argv)
{
    if (argc > 2)
        return am_tool_fail(NULL, EX_USAGE, "help takes one word at the most");
    if (argc == 1) {
        list(stdout);
        return EX_OK;
    }
    const am_tool *t = tool_named(argv[1]);
    if (t)
        fputs(t->usage, stdout);
    else if (strcmp(argv[1], "help") == 0)
        list(stdout);
    else
        return unknown(argv[1]);
    return EX_OK;
}

static int run(int argc, char **argv)
{
    if (argc < 2) {
        list(stderr);
        return EX_USAGE;
    }
    const char *word = argv[1];
    if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0) {
        puts("authmill " PACKAGE_VERSION);
        return EX_OK;
    }
    if (strcmp(word, "help") == 0 || strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
        return help(argc - 1, argv + 1);
    const am_tool *t = tool_named(word);
    if (!t)
        return unknown(word);
    char name[64]; /* what getopt_long begins its messages with */
    snprintf(name, sizeof name, "authmill %s", word);
    argv[1] = name;
    return t->run(argc - 1, argv + 1);
}

int main(int argc, char **argv)
{
    am_json_watch();
    int status = run(argc, argv);
    if ((fflush(stdout) != 0 || ferror(stdout)) && status == EX_OK)
        return am_tool_fail(NULL, EX_TEMPFAIL, "standard output cannot be written");
    if (am_json_short() && status == EX_OK)
        return am_tool_fail(NULL, EX_SOFTWARE, "out of memory: what was printed is not whole");
    return status;
}
