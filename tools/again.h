/* A recorded message, judged again. */
#ifndef AM_TOOLS_AGAIN_H
#define AM_TOOLS_AGAIN_H

#include "milter/record.h"
#include "tools/judge.h"

typedef struct am_again {
    const am_record *record;
    am_policy_gaps lacks;        /* what rules of this configuration ask for */
    bool computed;               /* else there was too little: everything is as recorded */
    const am_evidence *evidence; /* NULL: none was recorded */
    am_decision decision;
    am_differences differences; /* from the record */
    const am_dns_lookup *asked; /* what was asked for now */
    size_t asks;
    am_message *message;
    am_dns *dns;
    am_psl *psl;
} am_again;

/* By the record's own limits and, where `judged`, the policy of `j`. What `x` points to lives
 * until am_again_end. False: `why`, a fault of ours; nothing to end. */
bool am_again_judge(
    am_arena *a, const am_record *r, const am_judge *j, bool judged, am_again *x, am_error *why);
void am_again_end(am_again *x);

/* The object of `authmill check --explain`, with "record" and "differences" besides. NULL: out of
 * memory. */
json_t *am_again_json(am_arena *a, const am_again *x, const am_judge *j);

#endif
