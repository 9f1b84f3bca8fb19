/* What makes a process a daemon: background, pid file, and a word to the service manager. */
#ifndef AM_MILTER_DAEMON_H
#define AM_MILTER_DAEMON_H

#include "libauth/base/error.h"

#include <stdbool.h>

/* Descriptors 0 to 2 are open, on /dev/null where nobody gave them: what we open has others. False:
 * not to be had. */
bool am_daemon_standard_files(void);

/* Goes into the background, its standard streams on /dev/null. The calling process waits until
 * the daemon calls am_daemon_up or ends, prints what it is told, and exits with its status; it does
 * not return. In the daemon: the descriptor for am_daemon_up; -1: `why`. */
int am_daemon_detach(am_error *why);

/* It runs (status 0), or what is wrong. `waiting` -1: nobody waits, `text` goes to standard error.
 */
void am_daemon_up(int waiting, int status, const char *text);

/* "" is no file. `before`: whose number stood there, or 0. False: `why`, and errno. */
bool am_daemon_write_pid(const char *file, long *before, am_error *why);

/* Where it still holds our number: puts `before` back (0: nobody), or takes the file away. Another
 * process's, which took over from us, stays. */
void am_daemon_remove_pid(const char *file, long before);

/* Before a long sleep: lets go of what is mapped of the program and its libraries. What the start
 * alone needed (linking, configuration) is never read again; the rest comes back from the page
 * cache when it is touched. */
void am_daemon_rest(void);

/* Tells the service manager ("READY=1"), if there is one: sd_notify(3). */
void am_daemon_notify(const char *state);

#endif
