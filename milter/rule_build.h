/* One rule being built: what rule_conf.c and rule_when.c share. Nobody else includes this. */
#ifndef AM_MILTER_RULE_BUILD_H
#define AM_MILTER_RULE_BUILD_H

#include "milter/rule_conf.h"

typedef struct am_rule_builder {
    am_rule_reader *reader;
    am_conf *conf;
    am_error *why;
    const char *title;
    unsigned line; /* of the rule's first value */
    am_rule rule;
    am_buf source;
} am_rule_builder;

/* Both say why and return false. Line 0: the rule's first. */
bool am_rule_wrong(am_rule_builder *b, unsigned line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
bool am_rule_no_memory(am_rule_builder *b);

/* The line of the option's next value; 0: there is no more. *from begins as 0. */
unsigned am_rule_line(am_rule_reader *r, const cfg_t *section, const char *option, size_t *from);

/* Given twice, or with nothing in it? Sets the line of the first value. False: why. */
bool am_rule_good_count(am_rule_builder *b, cfg_t *section, cfg_opt_t *opt, unsigned *line);

/* Did it stand in the file? */
bool am_rule_is_given(const cfg_opt_t *opt);

/* The groups of `when` into b->rule. False: why. */
bool am_rule_read_when(am_rule_builder *b, cfg_t *when);

#endif
