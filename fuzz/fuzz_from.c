/*
 * fuzz_from: the author of a message, and address lists.
 *
 * Holds: an author is one domain that can be asked for, out of a clean field; comments and folds at
 * the field's end change nothing; the author's own address names the same author. Input: header
 * fields; each LF that is not part of a fold ends one, but if the first octet is 0 all of it is
 * one.
 */
#include "fuzz/fuzz.h"
#include "libauth/base/domain.h"
#include "libauth/mail/address.h"

static bool is_end(am_str s, size_t i)
{
    bool fold = i + 1 < s.n && (s.p[i + 1] == ' ' || s.p[i + 1] == '\t');
    return s.p[i] == '\n' && !fold;
}

static void add_fields(am_header *h, am_str in)
{
    bool whole = in.n && *in.p == '\0';
    if (whole)
        in = am_str_cut(in, 1, in.n);
    for (size_t from = 0, i = 0; i <= in.n; i++)
        if (i == in.n || (!whole && is_end(in, i))) {
            am_header_add_raw(h, am_str_cut(in, from, i));
            from = i + 1;
        }
}

/* What a single field says. */
static am_author author_of(am_arena *a, am_str value)
{
    am_header h = {.arena = a};
    am_header_add(&h, AM_STR("From"), value);
    return am_author_parse(a, &h);
}

static void same(const am_author *x, const am_author *y)
{
    FUZZ_NEED(y->status == AM_AUTHOR_ONE);
    FUZZ_NEED(am_str_eq(x->mailbox.domain, y->mailbox.domain));
    FUZZ_NEED(am_str_eq(x->mailbox.local, y->mailbox.local));
}

static void look_at_author(am_arena *a, const am_author *x, const am_field *f)
{
    am_str again;
    am_mailbox m = x->mailbox;
    FUZZ_NEED(am_domain_normalise(a, m.domain, &again) && am_str_eq(again, m.domain));
    for (size_t i = 0; i < f->value.n; i++) {
        unsigned char c = (unsigned char)f->value.p[i];
        FUZZ_NEED(c >= ' ' || c == '\t' || c == '\r' || c == '\n');
    }
    am_author bare =
        author_of(a, am_str_format(a, " %.*s@%.*s", AM_ARG(m.local), AM_ARG(m.domain)));
    same(x, &bare);
    am_author more = author_of(a, am_str_format(a, "%.*s\r\n (x)", AM_ARG(f->value)));
    same(x, &more);
    am_author two = author_of(a, am_str_format(a, "%.*s, x@other.invalid", AM_ARG(f->value)));
    bool same_domain = am_str_eq(m.domain, AM_STR("other.invalid")); /* one author domain then */
    FUZZ_NEED(two.status == (same_domain ? AM_AUTHOR_ONE : AM_AUTHOR_BAD));
}

static void look_at_list(am_arena *a, am_str value)
{
    am_mailbox *list = NULL;
    size_t n = 0;
    const char *reason = NULL;
    bool good = am_mailbox_list_parse(a, value, &list, &n, &reason);
    FUZZ_NEED(good || reason);
    for (size_t i = 0; good && i < n; i++) {
        fuzz_read(list[i].local);
        fuzz_read(list[i].domain);
        FUZZ_NEED(!list[i].domain.p || am_domain_askable(list[i].domain));
    }
    FUZZ_NEED(!good || n <= 1000);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    am_arena *a = am_arena_new(0);
    am_header h = {.arena = a};
    add_fields(&h, am_str_n(data, size));
    am_author x = am_author_parse(a, &h);
    size_t at = am_header_find(&h, "From", 0);
    if (x.status == AM_AUTHOR_ONE) {
        FUZZ_NEED(am_header_count(&h, "From") == 1);
        look_at_author(a, &x, &h.field[at]);
    } else {
        FUZZ_NEED(x.reason && *x.reason);
    }
    for (size_t i = 0; i < h.n && i < 20; i++)
        look_at_list(a, h.field[i].value);
    FUZZ_NEED(am_arena_used(a) < (1 << 20) + 400 * size);
    am_arena_free(a);
    return 0;
}
