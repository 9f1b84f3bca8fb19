/* What the fuzz targets share: pieces of the input, and what must always hold. */
#ifndef AM_FUZZ_FUZZ_H
#define AM_FUZZ_FUZZ_H

#include "libauth/base/str.h"

/* The target: one input, any octets. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the process where the condition does not hold: a finding. */
#define FUZZ_NEED(cond) ((cond) ? (void)0 : fuzz_broken(#cond, __FILE__, __LINE__))
_Noreturn void fuzz_broken(const char *what, const char *file, int line);

/* Takes a piece off the front of the input. */
unsigned fuzz_octet(am_str *rest);           /* 0 where nothing is left */
am_str fuzz_line(am_str *rest);              /* up to LF, which goes too */
am_str fuzz_word(am_str *rest);              /* up to the next SP, which goes too */
unsigned fuzz_number(am_str *rest);          /* the leading digits */
am_str fuzz_part(am_str *rest, am_str mark); /* up to the mark, which goes too */

bool fuzz_within(am_str part, am_str whole); /* absent and empty are everywhere */
void fuzz_read(am_str s);                    /* every octet: a wrong range is seen */

#endif
