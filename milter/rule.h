/* Rules: which messages the administrator means, and what is to be done with them. Plain data, read
 * once with the configuration and never changed. */
#ifndef AM_MILTER_RULE_H
#define AM_MILTER_RULE_H

#include "libauth/evidence.h"
#include "milter/names.h"
#include "milter/template.h"

/* How far a message has come; what a condition needs later is not known yet. */
typedef enum am_stage { AM_STAGE_MAIL, AM_STAGE_RCPT, AM_STAGE_END } am_stage;

/* What is known of a message besides the evidence. Everything may be left out (zero). */
typedef struct am_facts {
    am_stage stage;
    bool can_quarantine;                  /* the MTA offers to hold */
    const char *listener, *listener_port; /* of the MTA, as it names them; or NULL */
    const am_mailbox *rcpt;               /* the recipients; at STAGE_RCPT the one in question */
    size_t rcpts;
    uint64_t octets; /* header and body as the MTA sent them */
    bool header;     /* somebody looked for: */
    bool list;       /* List-Id, or Precedence: list */
    bool hides;      /* a field beyond the limits, which nobody can delete, hides results */
    am_str list_id;  /* what stands in <> */
    int64_t now;     /* seconds since 1970; 0: no date has come */
} am_facts;

/* One message (and one of its recipients) as rules see it. */
typedef struct am_case {
    const am_evidence *e;
    const am_facts *f;
    const am_mailbox *rcpt; /* NULL: none is known */
    bool own;               /* authenticated, submitted on this host, or of a local network */
} am_case;

typedef enum am_condition_kind {
    AM_CONDITION_WORD,   /* one of the words of the condition's own list */
    AM_CONDITION_DOMAIN, /* entries of AM_NAMES_DOMAIN */
    AM_CONDITION_TEXT,   /* AM_NAMES_TEXT */
    AM_CONDITION_NET,    /* AM_NAMES_NET */
    AM_CONDITION_OVER,   /* a number of octets: more than it */
    AM_CONDITION_UNDER,  /* less */
} am_condition_kind;

/* A word of a condition, its number (from 0 to 31), and the detail of an enhanced status code
 * (RFC 7372) for mail that is refused because of it; NULL: the word is no failure. */
typedef struct am_choice {
    const char *word;
    unsigned value;
    const char *detail;
} am_choice;

/* One value that a message has; what counts depends on the kind. */
typedef struct am_seen {
    unsigned word;
    am_mailbox name; /* DOMAIN */
    am_str text;
    am_ip ip;
    uint64_t octets;
} am_seen;

/* One row of the table of conditions: a new method is a new row. */
typedef struct am_condition {
    const char *name; /* as it stands in `when` */
    am_condition_kind kind;
    am_stage stage;          /* from when on it can be told */
    bool own;                /* a rule that names it is meant for one's own clients too */
    bool null;               /* DOMAIN: "<>" may be asked for */
    const am_choice *choice; /* WORD */
    bool (*get)(const am_case *c, size_t i, am_seen *out); /* the ith value; false: no more */
} am_condition;

extern const am_condition am_condition_table[];
extern const size_t am_condition_count;
const am_condition *am_condition_find(const char *name); /* NULL: none */
const char *am_condition_right(const am_condition *c, char *text, size_t size);

typedef struct am_test {
    const am_condition *what;
    unsigned words; /* WORD: bits of choice.value */
    am_names names; /* DOMAIN, TEXT, NET */
    uint64_t octets;
    unsigned line;
} am_test;

typedef enum am_group_kind {
    AM_GROUP_ALL, /* every test holds: what stands in `when` itself */
    AM_GROUP_NOT, /* none of them holds */
    AM_GROUP_ANY, /* at least one holds */
} am_group_kind;

typedef struct am_group {
    am_group_kind kind;
    const am_test *test;
    size_t n;
} am_group;

/* In the order of strictness: what is strictest decides for several recipients. */
typedef enum am_measure {
    AM_MEASURE_ACCEPT,
    AM_MEASURE_HEADER,     /* accepted, with a field that says why */
    AM_MEASURE_QUARANTINE, /* accepted, with the field for the delivery agent's filter */
    AM_MEASURE_HOLD,       /* the MTA keeps it in its hold queue */
    AM_MEASURE_DISCARD,
    AM_MEASURE_TEMPFAIL,
    AM_MEASURE_REJECT,
} am_measure;

typedef struct am_rule {
    const char *title;  /* printable ASCII */
    const char *reason; /* "" : none */
    am_measure measure;
    const char *code, *status; /* "" : by what failed */
    bool has_text;
    am_template text;
    int64_t until; /* seconds since 1970 when it is over; 0: never */
    bool own;      /* one's own clients are meant too */
    const am_group *group;
    size_t groups;
    unsigned line, until_line; /* of the file; 0: not known */
    const char *source;        /* what it says, in one form, to tell whether it was changed */
} am_rule;

typedef enum am_truth { AM_NO, AM_YES, AM_LATER } am_truth;

am_truth am_test_holds(const am_test *t, const am_case *c);
am_truth am_rule_matches(const am_rule *r, const am_case *c);

/* The first one that matches. YES: *found is set; LATER: some rule cannot be told yet, and none
 * above it matches. */
am_truth am_rule_first(const am_rule *rule, size_t n, const am_case *c, const am_rule **found);

/* Does any of them ask for this? (NULL table entry: no.) */
bool am_rule_names(const am_rule *r, const char *condition);

/* "7.23" for the one method whose failure the rule is about, "7.26" for several (RFC 7372), "7.1"
 * where it is about none. Constants. `by`: the first condition that failed; NULL: none did. */
const char *am_rule_detail(const am_rule *r, const am_case *c, const am_condition **by);

#endif
