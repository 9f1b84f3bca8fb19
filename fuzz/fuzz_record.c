/*
 * fuzz_record: a line of the decision log.
 *
 * Holds: what is read can be written as one line of printable ASCII and reads back as the same;
 * judged again it asks nobody, twice with the same outcome. Input: a line.
 */
#include "fuzz/fuzz.h"
#include "milter/record.h"

#include <stdlib.h>
#include <string.h>

/* The message judged again from the record; the caller frees both. */
static const am_evidence *judge(const am_record *r, am_dns **dns, am_message **m)
{
    am_error why;
    *dns = am_record_dns(r, &why);
    FUZZ_NEED(*dns);
    *m = am_message_new(*dns, &r->options);
    FUZZ_NEED(*m);
    am_record_feed(r, *m);
    return am_message_finish(*m);
}

static void judge_both(am_arena *a, const am_record *x, const am_record *y)
{
    am_dns *dns[2];
    am_message *m[2];
    am_differences d = {.arena = a};
    const am_evidence *e = judge(x, &dns[0], &m[0]);
    const am_evidence *f = judge(y, &dns[1], &m[1]);
    am_record_compare(&d, e, f);
    FUZZ_NEED(d.n == 0);
    for (int i = 0; i < 2; i++) {
        am_message_free(m[i]);
        am_dns_free(dns[i]);
    }
}

static void again(am_arena *a, const am_record *r)
{
    am_record x;
    am_error why;
    am_differences d = {.arena = a};
    size_t n;
    char *line = am_record_write(r, &n);
    if (!line) /* a queue id over the bound */
        return;
    for (size_t i = 0; i + 1 < n; i++)
        FUZZ_NEED(line[i] >= ' ' && line[i] <= '~');
    FUZZ_NEED(line[n - 1] == '\n' && n <= AM_RECORD_MAX);
    FUZZ_NEED(am_record_read(a, line, n, &x, &why));
    FUZZ_NEED(am_str_eq(x.id, r->id) && x.rcpts == (x.evidence ? r->rcpts : 0));
    am_record_compare_decision(&d, &r->decision, &x.decision);
    if (r->evidence && x.evidence)
        am_record_compare(&d, r->evidence, x.evidence);
    FUZZ_NEED(d.n == 0);
    if (r->evidence && x.evidence && !x.cut)
        judge_both(a, r, &x);
    free(line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    am_record r;
    am_error why = {""};
    am_arena *a = am_arena_new(0);
    if (am_record_read(a, (const char *)data, size, &r, &why))
        again(a, &r);
    else
        FUZZ_NEED(*why.text);
    am_arena_free(a);
    return 0;
}
