/* One message as the decision log keeps it: what went in, what was found out, what was decided.
 *
 * A line is one JSON object in ASCII (doc/decision-log.md). Every text in it is octets: printable
 * ASCII but the backslash stands for itself, every other octet is \xHH. */
#ifndef AM_MILTER_RECORD_H
#define AM_MILTER_RECORD_H

#include "milter/policy.h"

enum {
    AM_RECORD_VERSION = 1,
    AM_RECORD_MAX = 1 << 20, /* octets of a line, its LF included; longer ones are cut */
};

typedef struct am_record {
    am_str time; /* when it was decided: "2026-01-31T12:00:00.000Z" */
    am_str id;   /* the MTA's queue id; absent: none */
    unsigned rcpts;
    uint64_t took_us;            /* that the MTA waited for the answer */
    const am_evidence *evidence; /* NULL: there was none */
    am_decision decision;
    bool shadowed; /* policy.shadow would have decided otherwise: */
    am_decision shadow;
    /* What the verdicts depend on besides: spf, dmarc.max_walks and receiver of these count;
     * `psl`: Organizational Domains by the public suffix list. */
    am_options options;
    bool psl;
    const am_dns_lookup *lookup;
    size_t lookups;
    bool full;      /* of am_dns_lookups */
    am_facts facts; /* STAGE_END, or where it was refused before; recipients are not kept */
    bool cut;       /* something was left out, as the line would have been too long */
    size_t max;     /* octets of the line; 0: AM_RECORD_MAX */
} am_record;

/* The line with its LF, malloc'd; NULL: out of memory. Left out, as syslog does not have it
 * either: the local-part of i=, the local-part of the author. */
char *am_record_write(const am_record *r, size_t *n);

/* Reads a line (with or without LF). Everything lives in the arena. False: `why`. */
bool am_record_read(am_arena *a, const char *line, size_t n, am_record *out, am_error *why);

/* How a line spells this text, with its quotes: for finding lines without reading each of them.
 * Absent: out of memory. */
am_str am_record_spell(am_arena *a, am_str text);

/* Now, for am_record.time. */
enum { AM_RECORD_TIME = 32 };
const char *am_record_time(char text[static AM_RECORD_TIME]);

/* ---- The same message, judged again ---- */

/* A DNS that answers what it answered then. NULL: `why`. */
am_dns *am_record_dns(const am_record *r, am_error *why);

/* What the answers already know of bounds is not counted again: for options of am_message_new. */
void am_record_unbound(am_options *o);

/* Gives the message what was recorded: envelope, author, verdicts of DKIM and ARC. */
void am_record_feed(const am_record *r, am_message *m);

/* Judges what was fed, as far as the message had come then. */
const am_evidence *am_record_finish(const am_record *r, am_message *m);

typedef struct am_difference {
    am_str what; /* "spf.result", "action" */
    am_str recorded, now;
} am_difference;

typedef struct am_differences {
    am_arena *arena;
    am_difference *item;
    size_t n, room;
    bool failed; /* no memory: some may be missing */
} am_differences;

/* Notes where iprev, SPF and DMARC are not the same; where the decision is not. */
void am_record_compare(am_differences *d, const am_evidence *recorded, const am_evidence *now);
void am_record_compare_decision(
    am_differences *d, const am_decision *recorded, const am_decision *now);

#endif
