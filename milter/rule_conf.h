/* Rules as they stand in the file: libconfuse's side. For milter/conf.c alone. */
#ifndef AM_MILTER_RULE_CONF_H
#define AM_MILTER_RULE_CONF_H

#include "milter/conf.h"

#include <confuse.h>

enum { AM_RULE_MAX_CONDITIONS = 64, AM_RULE_MAX = 10000 };

/* Room for the tables that libconfuse copies in cfg_init. */
typedef struct am_rule_options {
    cfg_opt_t rule[16], when[AM_RULE_MAX_CONDITIONS + 3], group[AM_RULE_MAX_CONDITIONS + 1];
} am_rule_options;

/* Where a value stood; libconfuse keeps no lines. */
typedef struct am_rule_place {
    const cfg_t *section;
    const char *option; /* "" : the section's end */
    unsigned line;
} am_rule_place;

typedef struct am_rule_reader {
    am_rule_place *place;      /* malloc'd, in the order of the file */
    size_t places, first, end; /* first, end: of the rule that is being built */
} am_rule_reader;

/* The section "rule"; `on_value` is called for every value and has to call am_rule_conf_note. */
cfg_opt_t am_rule_conf_section(am_rule_options *room, cfg_callback_t on_value);

/* False: out of memory. */
bool am_rule_conf_note(am_rule_reader *r, const cfg_t *section, const char *option);

/* All rules of what was read, into c->rule. False: `why` says "FILE:LINE: what, ...". May read
 * files of lists. */
bool am_rule_conf_build(am_rule_reader *r, cfg_t *root, am_conf *c, am_error *why);

/* Is the section one of a rule's ("rule", "when", "not", "any")? */
bool am_rule_conf_is(const char *section);

/* The known option of such a section that is nearest to a wrong one, and which section it belongs
 * to; NULL: none is near. */
const char *am_rule_conf_nearest(const char *section, const char *wrong, const char **where);

#endif
