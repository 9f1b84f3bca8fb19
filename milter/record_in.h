/* The members of a record as tables: what the writer, the reader and the comparison share. */
#ifndef AM_MILTER_RECORD_IN_H
#define AM_MILTER_RECORD_IN_H

#include "milter/record.h"

typedef enum am_kind {
    AM_KIND_RESULT,  /* am_result */
    AM_KIND_POLICY,  /* am_dmarc_policy */
    AM_KIND_ACTION,  /* am_action */
    AM_KIND_MEASURE, /* am_measure */
    AM_KIND_STR,     /* am_str */
    AM_KIND_WORDS,   /* const char *, NULL or a text */
    AM_KIND_CHARS,   /* char[], `size` of them, ends in NUL */
    AM_KIND_FLAG,    /* bool */
    AM_KIND_COUNT,   /* unsigned */
} am_kind;

/* A member that is not there counts as zero or empty, and such are not written. */
typedef struct am_member {
    const char *name; /* NULL ends a table */
    am_kind kind;
    size_t offset, size;
} am_member;

/* What does not stand alone in an evidence, as am_parts does. */
extern const am_member am_members_dkim[], am_members_arc_set[], am_members_decision[],
    am_members_facts[], am_members_spf_options[];

/* The verdicts that stand alone in an evidence, each with the flag that says it is there. */
typedef struct am_part {
    const char *name; /* NULL ends the table */
    const am_member *members;
    size_t offset, has; /* in am_evidence */
    bool again;         /* can be computed again from what is recorded */
} am_part;
extern const am_part am_parts[];

/* The value as text: a word, a number, "yes"; empty for zero and for no text. In the arena. */
am_str am_member_text(am_arena *a, const am_member *m, const void *of);

/* "mail", "rcpt"; NULL: the end of the message, or no stage. */
const char *am_record_stage(unsigned stage);

/* "data", "nodata", "nxdomain", "tempfail". */
extern const char *const am_record_status[4];

/* The types that are asked for; ends with NULL. */
typedef struct am_record_type {
    const char *word;
    am_dns_type type;
} am_record_type;
extern const am_record_type am_record_types[];

#endif
