/* What the administrator wants done with a message: a pure function of evidence, facts and
 * configuration. */
#ifndef AM_MILTER_POLICY_H
#define AM_MILTER_POLICY_H

#include "milter/conf.h"

typedef enum am_action {
    AM_ACTION_ACCEPT,
    AM_ACTION_REJECT,
    AM_ACTION_TEMPFAIL,
    AM_ACTION_QUARANTINE, /* held, or marked by a field: `measure` says which */
    AM_ACTION_DISCARD
} am_action;

typedef struct am_decision {
    am_action action;
    am_measure measure; /* the same, finer */
    const char *code;   /* reject, tempfail: "550"; else NULL */
    char xcode[12];     /* reject, tempfail: "5.7.1"; else "" */
    char text[320]; /* reject, tempfail: the reply's text; quarantine and header: the reason; else
                       "". Printable ASCII, "%" not doubled */
    const char *disposition; /* what became of the domain's wish: "none", "quarantine", "reject" */
    bool fault;              /* a fault of ours, to be logged as an error */
    const char *why;     /* a constant for the log: "dmarc", "rule", "local client", ... or "" */
    const am_rule *rule; /* the one that decided; NULL: none did */
    bool mixed;          /* the recipients' rules differ; the strictest one decided */
    bool monitored;      /* policy.mode = monitor: nothing is done; `would` would have been */
    am_measure would;    /* monitored or not: what the rules come to */
} am_decision;

/* "accept", "reject", ...; a constant. "quarantine" stands for hold and for the field. */
const char *am_action_word(am_action a);

/* Nothing is done, because of `why` (a constant). */
am_decision am_policy_accept(const char *why);

/* Mail of a client that is not judged (`skip`). */
am_decision am_policy_skip(const am_facts *f);

/* "accept", "header", "quarantine", "hold", ...: as in a rule's `action`. */
const char *am_measure_word(am_measure m);

/* `e` NULL: there is none, for a fault of ours. `f` at STAGE_END. */
am_decision am_policy_decide(const am_conf *c, const am_evidence *e, const am_facts *f);

/* Before the end of the message (spf.reject-at): may it be refused already, because no rule that
 * cannot be told yet stands above? `e` is the envelope's; `f` says how far the message is. */
bool am_policy_early(const am_conf *c, const am_evidence *e, const am_facts *f, am_decision *out);

/* What c->shadow would do, where that is something else than `live`. False: the same, or no
 * shadow. */
bool am_policy_shadow(const am_conf *c, const am_evidence *e, const am_facts *f,
    const am_decision *live, am_decision *out);

/* What facts the configuration's rules (and its shadow's) ask for. */
typedef struct am_policy_needs {
    bool rcpt, octets, header, listener; /* header: List-Id and Precedence */
    bool client;                         /* iprev, SPF of the HELO name */
    am_stage early;                      /* the first stage at which mail may be refused */
} am_policy_needs;
am_policy_needs am_policy_ask(const am_conf *c);

/* Of the facts that its own rules ask for, those that are missing at this stage: rules are then
 * judged as if there were none. A message without an octet counts as one of unknown size. */
typedef struct am_policy_gaps {
    bool rcpt, octets, header, listener;
} am_policy_gaps;
am_policy_gaps am_policy_lacks(const am_conf *c, const am_facts *f);

/* List-Id (RFC 2919) and Precedence of a header into the facts. */
void am_facts_of_header(am_arena *a, const am_header *h, am_facts *f);

#endif
