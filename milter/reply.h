/* The texts that refuse and explain: templates, filled with nothing that could do harm. */
#ifndef AM_MILTER_REPLY_H
#define AM_MILTER_REPLY_H

#include "milter/conf.h"

/* A domain that is letters, digits, hyphens and dots alone; of anything else `other`. */
am_str am_reply_plain(am_str domain, const char *other);

/* `r` NULL: no rule. Printable ASCII, cut where there is no room. */
void am_reply_fill(const am_template *t, const am_conf *c, const am_evidence *e, const am_rule *r,
    char *text, size_t size);

/* The default text for a detail of RFC 7372 ("7.23"; `helo`: of the HELO name), and for a reason
 * ("REASON" or the rule's title). */
const am_template *am_reply_for(const char *detail, bool helo);
const am_template *am_reply_reason(void);

#endif
