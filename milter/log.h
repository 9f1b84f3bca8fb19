/* The log: syslog or standard error, chosen once a process. */
#ifndef AM_MILTER_LOG_H
#define AM_MILTER_LOG_H

#include "milter/policy.h"

#include <syslog.h>

/* Before it: warnings and worse go to standard error. Not while other threads log. */
void am_log_open(const am_conf *c);

/* One line; `level` is LOG_ERR to LOG_DEBUG. What comes from outside goes through am_log_text. */
void am_log(int level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Octets from outside as printable ASCII without spaces: everything else, and the backslash,
 * becomes \xHH; cut with "..." where there is no room. `size` is at least 8. Returns `text`. */
const char *am_log_text(char *text, size_t size, am_str s);

/* The line of one message: queue id, client, envelope, every method's result, action. `e` may be
 * NULL. `id` may be NULL. */
void am_log_message(const char *id, const am_evidence *e, const am_decision *d);

/* The line of a message that policy.shadow would have treated otherwise. */
void am_log_shadow(const char *id, const am_decision *live, const am_decision *shadow);

#endif
