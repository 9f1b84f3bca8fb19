/* fault/json: evidence as JSON, while each allocation fails in turn: whole, or known not to be. */
#include "t/fault/fault.h"
#include "t/unit/unit.h"

#include "tools/json.h"

#include <stdlib.h>

static am_dkim_verdict signatures[] = {
    {.result = AM_PASS, .reason = "", .domain = AM_STR("example.org"), .key_bits = 2048},
    {.result = AM_FAIL, .reason = "invalid", .detail = AM_STR("i=")},
};

static const am_evidence evidence = {
    .has_spf = true,
    .has_helo = true,
    .spf = {.result = AM_PASS, .domain = AM_STR("example.org"), .mechanism = AM_STR("a")},
    .helo_spf = {.result = AM_NONE, .reason = AM_STR("no SPF record")},
    .has_arc = true,
    .arc = {.result = AM_PASS, .instance = 2, .reason = ""},
    .dkim = signatures,
    .dkims = 2,
    .has_dmarc = true,
    .dmarc = {.result = AM_PASS, .domain = AM_STR("example.org"), .reason = ""},
    .has_iprev = true,
    .iprev = {.result = AM_PASS, .name = AM_STR("mail.example.org"), .reason = ""},
};

static json_t *object(void)
{
    const am_json_outcome o = {"accept", "none", AM_STR("mx.example.org; spf=pass")};
    return am_json_evidence(&evidence, &o, false);
}

static void whole_or_known(void **state)
{
    (void)state;
    am_json_watch();
    json_t *whole = object();
    unsigned missed = 0;
    assert_non_null(whole);
    assert_false(am_json_short());
    fault_arm(-1, false);
    json_decref(object());
    int calls = fault_disarm();
    for (int i = 0; i < calls; i++) {
        am_json_watch();
        fault_arm(i, false);
        json_t *got = object();
        fault_disarm();
        if (am_json_short())
            missed++;
        else if (!json_equal(got, whole))
            fail_msg("call %d of %d (%s): a part is missing", i, calls, fault_name());
        json_decref(got);
    }
    assert_true(calls > 100 && missed > 100);
    json_decref(whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(whole_or_known)};
    return cmocka_run_group_tests_name("fault json", tests, NULL, NULL);
}
