/* Every look-up and every decision, in order: what --explain prints. */
#ifndef AM_BASE_TRACE_H
#define AM_BASE_TRACE_H

#include "libauth/base/result.h"
#include "libauth/base/str.h"

typedef struct am_step {
    const char *step; /* the method: "spf", "dkim", "dmarc", ... */
    const char *rfc;  /* "7208 4.6.4": number and section */
    am_str question;  /* "TXT example.org", or what was decided about */
    am_str answer;    /* what came back, or what was decided; raw octets */
    struct am_step *next;
} am_step;

typedef struct am_trace {
    am_arena *arena;
    am_step *first, *last;
    size_t n;
} am_trace;

/* Notes a step. `step` and `rfc` are constants; question and answer are
 * copied. t NULL: nobody wants to know, and nothing happens. */
void am_trace_note(am_trace *t, const char *step, const char *rfc, am_str question, am_str answer);
void am_trace_notef(am_trace *t, const char *step, const char *rfc, am_str question,
    const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* A verdict: "fail", and behind a colon the reason where there is one. */
void am_trace_result(am_trace *t, const char *step, const char *rfc, am_str question,
    am_result result, am_str reason);

#endif
