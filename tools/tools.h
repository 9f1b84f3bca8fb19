/* The words of the program authmill: one file a word, one entry a word in tools/authmill.c. */
#ifndef AM_TOOLS_TOOLS_H
#define AM_TOOLS_TOOLS_H

#include <sysexits.h> /* what run() returns: contract of the program, see doc/authmill.1 */

typedef struct am_tool {
    const char *name;    /* the word */
    const char *summary; /* one line, no full stop, for `authmill help` */
    const char *usage;   /* for `authmill help WORD`: a line "usage: ...", then the options */
    /* argv[0] is "authmill WORD". Returns an exit status of sysexits.h; what is wrong
     * stands in one line on standard error. The dispatcher flushes standard output. */
    int (*run)(int argc, char **argv);
} am_tool;

extern const am_tool am_tool_check, am_tool_config, am_tool_explain, am_tool_replay, am_tool_try;

/* Writes "authmill WORD: TEXT" and, where `tool` is given, where help is to be
 * had, as one line on standard error; control octets become '?'. Returns status. */
int am_tool_fail(const am_tool *tool, int status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
