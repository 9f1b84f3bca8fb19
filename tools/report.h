/* What configurations would do with kept mail, as a table and as JSON. */
#ifndef AM_TOOLS_REPORT_H
#define AM_TOOLS_REPORT_H

#include "tools/judge.h"
#include "tools/kept.h"

/* One message by one configuration. */
typedef struct am_reported {
    am_message *message;         /* NULL: this is what was recorded */
    const am_evidence *evidence; /* NULL: none was recorded */
    am_decision decision;
    am_policy_gaps lacks; /* what rules ask for */
    am_str field;         /* Authentication-Results, on one line */
} am_reported;

enum { AM_REPORT_COLUMNS = 3, AM_REPORT_ACTIONS = 8 };

typedef struct am_report {
    const char *const *config; /* names of the configurations */
    size_t configs;
    bool json, differences_only;
    bool begun;                                 /* the table's head stands there */
    bool bar, bar_shown;                        /* a progress bar is wanted; is there */
    int64_t next_bar;                           /* milliseconds of the clock */
    size_t messages, wrong, otherwise, results; /* otherwise: decided; results: those alone */
    size_t shown;
    size_t action[AM_REPORT_COLUMNS][AM_REPORT_ACTIONS];
    size_t lacks[AM_JUDGE_GAPS]; /* messages, by any of the configurations */
} am_report;

/* `config` must outlive the report. */
void am_report_begin(
    am_report *p, const char *const *config, size_t n, bool json, bool differences_only);

/* Two of `by`: they are compared. A record by one configuration: by[0] is what was recorded. */
void am_report_message(
    am_report *p, am_arena *a, const am_kept *kept, const am_reported *by, size_t n);

/* Something that could not be read: on standard error. */
void am_report_wrong(am_report *p, const char *name, const char *why);

/* On standard error where that is a terminal; `of` 0: nobody knows. */
void am_report_progress(am_report *p, uint64_t done, uint64_t of);

void am_report_end(am_report *p);

#endif
