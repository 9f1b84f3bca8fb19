/* Evidence as a short text for people. */
#ifndef AM_TOOLS_TEXT_H
#define AM_TOOLS_TEXT_H

#include "libauth/message.h"
#include "milter/policy.h"

#include <stdio.h>

/* A line a result, and what is done and why; with `explain`, the PRA, the trail as a table, and the
 * steps below. Everything from outside is made printable. Colour where `colour` is true. */
void am_text_evidence(
    FILE *out, const am_evidence *e, const am_decision *d, bool explain, bool colour);

/* The lines of the decision alone. */
void am_text_decision(FILE *out, const am_decision *d);

#endif
