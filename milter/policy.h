/* What the administrator wants done with a message: a pure function of evidence and configuration.
 */
#ifndef AM_MILTER_POLICY_H
#define AM_MILTER_POLICY_H

#include "milter/conf.h"

typedef enum am_action {
    AM_ACTION_ACCEPT,
    AM_ACTION_REJECT,
    AM_ACTION_TEMPFAIL,
    AM_ACTION_QUARANTINE
} am_action;

typedef struct am_decision {
    am_action action;
    const char *code, *xcode; /* reject, tempfail: "550", "5.7.1"; else NULL */
    char text[320];           /* reject, tempfail: the reply's text; quarantine: the reason; else
                                 "". Printable ASCII, "%" not doubled */
    const char *disposition;  /* what became of the domain's wish: "none", "quarantine", "reject" */
    bool fault;               /* a fault of ours, to be logged as an error */
    const char *why; /* a constant for the log: "dmarc", "local client", "trusted sealer", ...
                        or "" */
} am_decision;

/* "accept", "reject", ...; a constant. */
const char *am_action_word(am_action a);

/* Nothing is done, because of `why` (a constant). */
am_decision am_policy_accept(const char *why);

/* `e` NULL: there is none, for a fault of ours. `can_quarantine`: the MTA offers it. */
am_decision am_policy_decide(const am_conf *c, const am_evidence *e, bool can_quarantine);

#endif
