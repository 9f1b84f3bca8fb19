/* Evidence as the JSON object that doc/authmill.1 describes. */
#ifndef AM_TOOLS_JSON_H
#define AM_TOOLS_JSON_H

#include "libauth/message.h"

#include <jansson.h>

/* From here on it is noticed where memory for JSON is not to be had. For programs of one thread. */
void am_json_watch(void);

/* Was it not? Then a member of an object may be missing: what was printed is not whole. */
bool am_json_short(void);

/* UTF-8, invalid octets replaced; absent becomes "". */
json_t *am_json_str(am_str s);

typedef struct am_json_outcome {
    const char *action;      /* "accept", "reject", "tempfail", "quarantine", "discard" */
    const char *disposition; /* "none", "quarantine", "reject" */
    am_str authres;          /* the field's value, unfolded */
} am_json_outcome;

/* A new reference. NULL: out of memory. `explain`: with the steps. */
json_t *am_json_evidence(const am_evidence *e, const am_json_outcome *o, bool explain);

#endif
