/* A scene through libauth/message, as a milter or `authmill check` would do it. */
#ifndef AM_FUZZ_RUN_H
#define AM_FUZZ_RUN_H

#include "fuzz/scene.h"
#include "libauth/message.h"
#include "tools/eml.h"

typedef struct how {
    bool no_prefetch;
    size_t chunk;      /* octets of a body chunk; 0: all at once */
    size_t max_memory; /* octets; 0: the default */
    bool as_milter;    /* fields as name and value, folds as LF */
} how;

typedef struct run {
    am_options options; /* of the scene and of `how`; the message points to it */
    am_message *message;
    const am_evidence *evidence; /* NULL: no memory for a message */
} run;

/* `eml`: the scene's message; NULL: no message, SPF alone. To be ended. */
void run_begin(run *r, const scene *s, const am_eml *eml, const how *h);
void run_end(run *r);

/* The results as text, in the message's arena; absent without memory. */
am_str run_text(const run *r);

#endif
