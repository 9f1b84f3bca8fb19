/* Evidence as a short text for people. */
#ifndef AM_TOOLS_TEXT_H
#define AM_TOOLS_TEXT_H

#include "libauth/message.h"

#include <stdio.h>

typedef struct am_text_outcome {
    const char *action, *disposition;
} am_text_outcome;

/* A line a result; with `explain`, the PRA, the trail as a table, and the steps below. Everything
 * from outside is made printable. Colour where `colour` is true. */
void am_text_evidence(
    FILE *out, const am_evidence *e, const am_text_outcome *o, bool explain, bool colour);

#endif
