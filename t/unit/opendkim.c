/*
 * opendkim: libopendkim behind the door dkim.h: chunks of any size, an end at any point, and
 * memory that fails at any point, which never crashes and never yields a pass.
 * What it finds right and wrong is tested by t/dkim-diff.py.
 *
 * Linked with --wrap=malloc.
 */
#include "t/unit/unit.h"

#include "libauth/dkim/dkim.h"
#include "t/unit/fakedns.h"

#include <stdlib.h>

/* One signature over everything, one over simple forms with l= (24 octets, all there are). */
static const char *const fields[] = {
    "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed; d=example.org; s=ed25519;\r\n"
    "\tt=1763740000; h=from:from:subject:x;\r\n"
    "\tbh=XRIA79xnbvqcdPyuhcpxs/Vwe5JtgHsRPinRSDJahSs=;\r\n"
    "\tb=T62RWrT7T5Rw4mEKZbjhDEUlHREF8FaDJbapbSyEUvFa8rgDIUi/MZd/kCFkuhKk\r\n"
    "\trKUqoubxX7V18u+SsL1zCA==",
    "DKIM-Signature: v=1; a=ed25519-sha256; c=simple/simple; d=example.org; s=ed25519;\r\n"
    "\tl=24; h=from:subject;\r\n"
    "\tbh=3ktziArZXgZ4tvh7aNQ8UC4S1/ChJSIC75LubZnCL9k=;\r\n"
    "\tb=PJK1NN4LdWSGlxE6DLt/Djkeb4EOqgvqW4fw9TTG1qmpj9MNg9AaUpWib4bh8ueH\r\n"
    "\tvYcli4DTBHhM62JQ6iDJDw==",
    "From: alice@example.org",
    "Subject: two\tsignatures",
};
static const char text[] = "One  line.\r\n\r\nAnother.\r\n";

static const fake_rr keys[] = {{"ed25519._domainkey.example.org", "TXT",
    "v=DKIM1; k=ed25519; p=UtKUYKAQy5wBqAcQCLDLAym4rmlwx/qvuJZ+I8wlxi0=", 0, false}};

/* ---- malloc that fails when its time has come ---- */

static long countdown = -1; /* allocations until one fails; negative: none does */
static bool for_good;       /* all that follow fail too */
static bool failed;         /* one has failed */

void *__real_malloc(size_t n);
void *__wrap_malloc(size_t n);

void *__wrap_malloc(size_t n)
{
    if (countdown == 0) {
        failed = true;
        if (!for_good)
            countdown = -1;
        return NULL;
    }
    if (countdown > 0)
        countdown--;
    return __real_malloc(n);
}

/* ---- One message ---- */

typedef struct run {
    am_arena *arena, *names; /* the message's; the DNS table's, which is never short */
    am_dns_session *dns;
    am_header header;
    am_bodies *bodies;
    am_dkim *dkim;
} run;

static void set_up(run *r, size_t cap)
{
    *r = (run){.arena = am_arena_new(cap), .names = am_arena_new(0)};
    assert_non_null(r->arena);
    assert_non_null(r->names);
    r->header.arena = r->arena;
    r->dns = fake_dns(r->names, keys, 1, NULL);
    am_dns_wait(r->dns, "", "", am_str_of(keys[0].name), AM_DNS_TXT); /* it has it from now on */
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        am_header_add_raw(&r->header, am_str_of(fields[i]));
    r->bodies = am_bodies_begin(r->arena);
    assert_non_null(r->bodies);
}

static void begin(run *r)
{
    const am_context c = {r->arena, r->dns, NULL, 1763740800};
    const am_dkim_options o = {.engine = AM_DKIM_LIBOPENDKIM, .body_length_policy = true};
    r->dkim = am_dkim_begin(&c, &o, &r->header, (am_str){NULL, 0}, r->bodies);
}

static void feed(run *r, const char *p, size_t n, size_t chunk)
{
    for (size_t i = 0; i < n; i += chunk) {
        size_t some = n - i < chunk ? n - i : chunk;
        am_bodies_feed(r->bodies, p + i, some);
        am_dkim_body(r->dkim, p + i, some);
    }
}

static const am_dkim_verdict *finish(run *r)
{
    size_t n = 0;
    am_bodies_finish(r->bodies);
    const am_dkim_verdict *v = am_dkim_finish(r->dkim, &n);
    assert_int_equal(n, 2);
    return v;
}

static void tear_down(run *r)
{
    am_dkim_end(r->dkim);
    am_bodies_end(r->bodies);
    am_dns_end(r->dns);
    am_arena_free(r->arena);
    am_arena_free(r->names);
}

/* ---- Tests ---- */

static void chunks(void **state)
{
    (void)state;
    for (size_t chunk = 1; chunk <= sizeof text; chunk++) {
        run r;
        set_up(&r, 0);
        begin(&r);
        assert_non_null(r.dkim);
        feed(&r, text, sizeof text - 1, chunk);
        const am_dkim_verdict *v = finish(&r);
        want_str("relaxed", am_str_of(am_result_word(v[0].result)), "pass");
        want_str("simple, l=", am_str_of(am_result_word(v[1].result)), "pass");
        tear_down(&r);
    }
}

static const struct {
    const char *name, *body, *want[2], *detail;
} bodies[] = {
    {"no CRLF at the end", "One  line.\r\n\r\nAnother.", {"pass", "pass"}, ""},
    {"another form", "One line. \r\n\r\nAnother.\r\n\r\n", {"pass", "fail"}, ""},
    {"more", "One  line.\r\n\r\nAnother.\r\nMore.", {"fail", "policy"}, ""},
    {"less", "One  line.\r\n", {"fail", "fail"}, ""},
    {"nothing", "", {"fail", "fail"}, ""},
    {"bare LF", "One  line.\n\r\nAnother.\r\n", {"neutral", "neutral"},
        "bare CR or LF in the body"},
    {"bare CR", "One  line.\r\n\r\nAnother.\r", {"neutral", "neutral"},
        "bare CR or LF in the body"},
    {"CR alone", "\r", {"neutral", "neutral"}, "bare CR or LF in the body"},
    {"LF first", "\nOne", {"neutral", "neutral"}, "bare CR or LF in the body"},
};

static void line_ends(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
        for (size_t chunk = 1; chunk <= 30; chunk += 29) {
            run r;
            set_up(&r, 0);
            begin(&r);
            assert_non_null(r.dkim);
            feed(&r, bodies[i].body, strlen(bodies[i].body), chunk);
            const am_dkim_verdict *v = finish(&r);
            for (size_t k = 0; k < 2; k++) {
                want_str(bodies[i].name, am_str_of(am_result_word(v[k].result)), bodies[i].want[k]);
                want_str(bodies[i].name, v[k].detail, bodies[i].detail);
            }
            tear_down(&r);
        }
}

/* The library goes on after most failed allocations, with what it could keep. */
static void no_memory(void **state)
{
    (void)state;
    for (int later = 0; later <= 1; later++) {
        failed = true;
        for (long n = 0; failed && n < 5000; n++) {
            run r;
            set_up(&r, 0);
            for_good = later;
            failed = false;
            countdown = n;
            begin(&r);
            const am_dkim_verdict *v = NULL;
            if (r.dkim) {
                feed(&r, text, sizeof text - 1, 5);
                v = finish(&r);
            }
            countdown = -1;
            size_t passed = 0;
            for (size_t i = 0; v && i < 2; i++) {
                assert_true(v[i].result == AM_PASS || v[i].result == AM_TEMPERROR ||
                            v[i].result == AM_NEUTRAL);
                passed += v[i].result == AM_PASS;
            }
            if (failed)
                assert_true(passed < 2);
            else
                assert_int_equal(passed, 2);
            tear_down(&r);
        }
        assert_false(failed);
    }
}

/* A cap on the message's memory, met anywhere. */
static void small_arena(void **state)
{
    (void)state;
    run r;
    set_up(&r, 0);
    size_t least = am_arena_used(r.arena);
    tear_down(&r);
    for (size_t cap = least + 64; cap < least + 20000; cap += 97) {
        set_up(&r, cap);
        begin(&r);
        if (r.dkim) {
            feed(&r, text, sizeof text - 1, 5);
            finish(&r);
        }
        tear_down(&r);
    }
}

static void early_end(void **state)
{
    (void)state;
    for (int stage = 0; stage < 3; stage++) {
        run r;
        set_up(&r, 0);
        begin(&r);
        assert_non_null(r.dkim);
        if (stage > 0)
            feed(&r, text, 7, 7);
        if (stage > 1)
            finish(&r);
        tear_down(&r);
    }
    am_dkim_end(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks),
        cmocka_unit_test(line_ends),
        cmocka_unit_test(no_memory),
        cmocka_unit_test(small_arena),
        cmocka_unit_test(early_end),
    };
    return cmocka_run_group_tests_name("opendkim", tests, NULL, NULL);
}
