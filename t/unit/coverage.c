/* coverage: which fields a signature leaves open. */
#include "t/unit/unit.h"

#include "libauth/dkim/coverage.h"

#include <string.h>

static const struct {
    const char *fields; /* names of the message's fields, top down, between blanks */
    const char *names;  /* h= */
    const char *want;
} cases[] = {
    {"From To Subject", "from:to:subject", ""},
    {"From To Subject", "from", ""}, /* never claimed */
    {"From Subject Subject", "from:subject", "subject"},
    {"From SUBJECT sUbJeCt", "FROM : Subject", "subject"},
    {"From Subject Subject", "from:subject:subject", ""},
    {"From Subject", "from:subject:subject:subject", ""}, /* signed more often than it is there */
    {"From Subject Subject Subject", "from:subject:subject", "subject"},
    {"From Subject Subject", "from", "subject"}, /* more often than not at all */
    {"From From", "from", "from"},
    {"From From", "from:from", ""},
    {"From Reply-To To To Cc Cc Date Date Reply-To", "reply-to:from:to:cc:date",
        "reply-to, to, cc, date"},
    {"From Content-Type MIME-Version Content-Type MIME-Version", "from:content-type:mime-version",
        "mime-version, content-type"},
    {"From Content-Transfer-Encoding Content-Transfer-Encoding", "from:content-transfer-encoding",
        "content-transfer-encoding"},
    {"From Message-ID Message-ID In-Reply-To In-Reply-To References References",
        "from:message-id:in-reply-to:references", "message-id, in-reply-to, references"},
    {"From Sender Sender", "from:sender", "sender"},
    {"From List-Unsubscribe List-Unsubscribe", "from:list-unsubscribe", "list-unsubscribe"},
    /* what may be added by right */
    {"Received Received Received From", "from:received", ""},
    {"DKIM-Signature DKIM-Signature From", "from:dkim-signature", ""},
    {"Resent-From Resent-From From", "from:resent-from", ""},
    {"Comments Keywords Comments Keywords From", "from:comments:keywords", ""},
    {"X-A X-A From", "from:x-a", ""},
    {"From", "", ""},
    {"", "from", ""},
    {"From Subjects Subjects Sub ject", "from:subject", ""},
};

static void table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        am_arena *a = am_arena_new(0);
        am_header h = {.arena = a};
        am_str rest = am_str_of(cases[i].fields);
        while (rest.n) {
            size_t n = am_str_find(rest, ' ');
            am_header_add(&h, am_str_cut(rest, 0, n), AM_STR(" x"));
            rest = am_str_cut(rest, n + 1, rest.n);
        }
        want_str(
            cases[i].fields, am_dkim_uncovered(a, &h, am_str_of(cases[i].names)), cases[i].want);
        am_arena_free(a);
    }
}

/* Out of memory is no "". */
static void memory(void **state)
{
    (void)state;
    am_arena *big = am_arena_new(0), *a = am_arena_new(64);
    am_header h = {.arena = big};
    am_header_add(&h, AM_STR("Subject"), AM_STR(" x"));
    am_header_add(&h, AM_STR("Subject"), AM_STR(" y"));
    while (am_arena_alloc(a, 8))
        ;
    assert_null(am_dkim_uncovered(a, &h, AM_STR("from:subject")).p);
    am_arena_free(a);
    am_arena_free(big);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(table), cmocka_unit_test(memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
