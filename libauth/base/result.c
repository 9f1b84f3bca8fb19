/*
 * result: the result words (RFC 8601 2.7). Waits: never. Callers: anyone.
 */
#include "libauth/base/result.h"

const char *am_result_word(am_result r)
{
    static const char *const word[] = {
        [AM_NONE] = "none",
        [AM_PASS] = "pass",
        [AM_FAIL] = "fail",
        [AM_SOFTFAIL] = "softfail",
        [AM_NEUTRAL] = "neutral",
        [AM_POLICY] = "policy",
        [AM_TEMPERROR] = "temperror",
        [AM_PERMERROR] = "permerror",
    };
    return word[r];
}
