/* What reads well in a configuration and yet cannot be meant. Each finding is one line:
 * "FILE:LINE: what; what would be right". Nothing here is an error: a daemon starts all the same.
 */
#ifndef AM_MILTER_CONF_CHECK_H
#define AM_MILTER_CONF_CHECK_H

#include "milter/conf.h"

typedef void am_found(void *to, const char *line); /* `line` is valid during the call */

typedef struct am_findings {
    am_found *found;
    void *to;
    unsigned n; /* counted up */
} am_findings;

/* What the file itself (and its shadow) shows. Asks nobody; may read the public suffix list. `now`:
 * seconds since 1970. */
void am_conf_check_meaning(const am_conf *c, int64_t now, am_findings *f);

/* Its rules alone. `psl` NULL: single labels alone count as public suffixes. */
void am_conf_check_rules(const am_conf *c, const am_psl *psl, int64_t now, am_findings *f);

/* Do the resolvers answer? Waits, some seconds each; starts a thread and ends it. */
void am_conf_check_resolvers(const am_conf *c, am_findings *f);

/* Settings of an MTA that do not fit. `text`: what "postconf NAME..." prints (its names:
 * am_conf_postfix_names, ends in NULL); a sendmail.cf. */
extern const char *const am_conf_postfix_names[];
void am_conf_check_postfix(const am_conf *c, am_str text, am_findings *f);
void am_conf_check_sendmail(const am_conf *c, am_str text, am_findings *f);

/* "FILE:LINE: ...": for the above. Line 0 is left out; `file` may be anything that is looked into.
 */
void am_finding(am_findings *f, const char *file, unsigned line, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* Is it a domain below which anybody can have a name? */
bool am_conf_is_suffix(am_arena *a, const am_psl *psl, am_str domain);

/* Is mail of these clients left alone, or not even judged? */
bool am_conf_spares(const am_conf *c, am_class class);

/* May the configuration refuse or set aside anything? */
bool am_conf_acts(const am_conf *c);

#endif
