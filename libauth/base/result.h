/* The result words of RFC 8601's registry. */
#ifndef AM_BASE_RESULT_H
#define AM_BASE_RESULT_H

typedef enum am_result {
    AM_NONE,
    AM_PASS,
    AM_FAIL,
    AM_SOFTFAIL,
    AM_NEUTRAL,
    AM_POLICY,
    AM_TEMPERROR,
    AM_PERMERROR,
} am_result;

/* "none", "pass", ...; a constant. */
const char *am_result_word(am_result r);

#endif
