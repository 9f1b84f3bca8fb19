/* One option of the configuration: its name, default, and how its text becomes data. */
#ifndef AM_MILTER_OPTION_H
#define AM_MILTER_OPTION_H

#include "milter/conf.h"

typedef struct am_option am_option;

/* `text` into `to`; strings go to the arena. False: not right. */
typedef bool am_option_parse(am_arena *a, const am_option *o, const char *text, void *to);

typedef struct am_word {
    const char *word;
    unsigned value;
} am_word;

struct am_option {
    const char *section; /* "" is the top */
    const char *name;
    const char *fallback; /* as it would stand in a file, without quotes */
    am_option_parse *parse;
    const char *right; /* what would be right; NULL: said from min, max or word */
    size_t offset;     /* of the value in am_conf; of n for a list */
    size_t item, size; /* list: offset of item[0], size of one; else 0 */
    const am_word *word;
    double min, max;
};

extern const am_option am_option_table[];
extern const size_t am_option_count;

/* NULL: no such option. `section` "" is the top. */
const am_option *am_option_find(const char *section, const char *name);

/* Is it the name of a section of options? */
bool am_option_section(const char *name);

/* The known name (option or section) that is nearest to a wrong one; NULL: none is near.
 * `*section` is set to the section it belongs to. */
const char *am_option_nearest(const char *section, const char *wrong, const char **where);

/* How many letters must be put in, taken out or changed to make one of the other; long words are
 * far. */
unsigned am_option_distance(const char *a, const char *b);

/* Reads "10M" into a size_t; `o` gives min and max. */
bool am_option_octets(am_arena *a, const am_option *o, const char *text, void *to);

/* "a number from 1 to 100": into `text`. */
const char *am_option_right(const am_option *o, char *text, size_t size);

#endif
