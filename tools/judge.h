/* What the words that judge messages share. */
#ifndef AM_TOOLS_JUDGE_H
#define AM_TOOLS_JUDGE_H

#include "milter/policy.h"
#include "tools/eml.h"
#include "tools/tools.h"

#include <jansson.h>

/* A configuration to judge by. */
typedef struct am_judge {
    am_conf *conf;
    const char *file; /* where it was read from; NULL: the built-in defaults */
} am_judge;

/* The configuration that `file` names; NULL: the daemon's own where it can be read, else the
 * built-in defaults. EX_OK, or what is wrong is said. */
int am_judge_load(const am_tool *tool, const char *file, am_judge *out);
void am_judge_free(am_judge *j);

/* Header and body; the envelope comes first. */
void am_judge_feed(am_message *m, const am_eml *eml);

/* am_facts.hides: of the fields of `eml`, those that `m` did not keep. */
bool am_judge_hides(const am_message *m, const am_eml *eml);

/* What authmilld decides: am_policy_decide, unless it skips this client. */
am_decision am_judge_decide(const am_conf *c, const am_evidence *e, const am_facts *f);

/* What of the facts can be missing, each by its word, in the order of am_policy_gaps. */
enum { AM_JUDGE_GAPS = 4 };
extern const char *const am_judge_gap[AM_JUDGE_GAPS];

/* The i-th of them: is it missing? */
bool am_judge_lacks(const am_policy_gaps *g, size_t i);

/* How the configuration writes results, under this id. */
am_results_options am_judge_results(const am_conf *c, const char *authserv_id);

/* The same, with the rule that decided. */
void am_judge_tell_rule(am_results_options *o, const am_decision *d);

/* "why", "rule" and "reply" of a decision into an object; and where it holds "explain", the step.
 */
void am_judge_tell_why(json_t *o, am_arena *a, const am_decision *d);

/* The value of Authentication-Results on one line; absent: out of memory. */
am_str am_judge_field(am_arena *a, const am_evidence *e, const am_results_options *o);

/* A list of values as text for options such as --zone. False: there is no room. */
enum { AM_JUDGE_LIST = 32 };
typedef struct am_judge_list {
    const char *item[AM_JUDGE_LIST];
    size_t n;
} am_judge_list;
bool am_judge_append(am_judge_list *l, const char *value);

/* The DNS backend of --zone and --nameserver; neither: resolv.conf's. EX_OK, or what is wrong is
 * said. */
int am_judge_dns(const am_tool *tool, const am_judge_list *zones, const am_judge_list *nameservers,
    am_dns **out);

#endif
