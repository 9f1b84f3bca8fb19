/* What the worker can still do to its host, once it listens to strangers. */
#ifndef AM_MILTER_SANDBOX_H
#define AM_MILTER_SANDBOX_H

#include "milter/conf.h"

/* Whatever the configuration says: no privilege is ever gained by execve(), no capability is left,
 * no core is written, no other process of the user looks inside. False: `why`. */
bool am_sandbox_harden(am_error *why);

/* The supervisor, when its socket is open: of root it keeps what it needs to read a configuration,
 * to start a worker, and to end one; nothing it starts can gain more. Does what the system lets it.
 */
void am_sandbox_trim(void);

/* The sandbox: Landlock where the kernel has it, then the list of system calls where libseccomp was
 * built in. For good, for this thread and all that it starts. Nothing where `sandbox = no`.
 * False: `why`, and what can be done; the process may be half bound, so leave. */
bool am_sandbox_enter(const am_conf *c, am_error *why);

/* Its second half alone. What is not on the list is EPERM; what only an intruder would call kills
 * the process (SIGSYS). */
bool am_sandbox_filter(const am_conf *c, am_error *why);

/* One line: what am_sandbox_enter gives with this build, this kernel and this configuration. */
const char *am_sandbox_describe(const am_conf *c, char *text, size_t size);

#endif
