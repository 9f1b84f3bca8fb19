/* What a milter's answers make of a message: for people and as JSON. */
#ifndef AM_TOOLS_OUTCOME_H
#define AM_TOOLS_OUTCOME_H

#include <jansson.h>

#include "tools/milterplay.h"

/* "accept", "reject", "tempfail", "quarantine" (accepted, but held) or "discard". */
const char *am_outcome_action(const am_play_result *r);

/* The object that doc/authmill.1 describes. NULL: no memory. */
json_t *am_outcome_json(const am_play_result *r);

/* Prints the header as it would leave the MTA ("+" before what came in, "-"
 * before what went out), then verdict, reply and other changes. False: no memory. */
bool am_outcome_text(
    FILE *out, am_arena *a, const am_header *h, const am_play_result *r, bool colour);

#endif
