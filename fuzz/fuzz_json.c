/*
 * fuzz_json: evidence as JSON.
 *
 * Holds: whatever the message says, what is printed is JSON, and reads back as the same. Input: a
 * scene and a message.
 */
#include "fuzz/fuzz.h"
#include "fuzz/run.h"
#include "tools/json.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

static void print(const run *r, bool explain)
{
    json_error_t e;
    am_json_outcome o = {"accept", "none", run_text(r)};
    json_t *j = am_json_evidence(r->evidence, &o, explain);
    char *text = j ? json_dumps(j, JSON_COMPACT) : NULL;
    json_t *again = text ? json_loads(text, 0, &e) : NULL;
    FUZZ_NEED(j && text);
    if (!strstr(text, "\\u0000")) /* which json_loads refuses by default */
        FUZZ_NEED(again && json_equal(j, again));
    for (const char *p = text; *p; p++)
        FUZZ_NEED((unsigned char)*p >= ' ');
    json_decref(again);
    json_decref(j);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const how plain = {0};
    am_str in = am_str_n(data, size);
    json_t *whole = am_json_str(in);
    FUZZ_NEED(whole);
    json_decref(whole);
    scene s = scene_begin(in);
    s.opt['x'] = true;
    am_arena *a = am_arena_new(0);
    am_eml eml = {0};
    run r;
    int status = s.rest.n ? am_eml_parse(a, s.rest, &eml, NULL) : EX_DATAERR;
    run_begin(&r, &s, status == EX_OK ? &eml : NULL, &plain);
    FUZZ_NEED(r.evidence);
    print(&r, true);
    print(&r, false);
    run_end(&r);
    am_arena_free(a);
    scene_end(&s);
    return 0;
}
