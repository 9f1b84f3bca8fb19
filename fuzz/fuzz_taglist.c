/*
 * fuzz_taglist: tag lists, and their colon lists.
 *
 * Holds: tags lie within the text, in its order, each name once; a list that is written out of them
 * parses to the same. Input: the text.
 */
#include "fuzz/fuzz.h"
#include "libauth/base/taglist.h"

static void look_at_tags(am_arena *a, const am_taglist *t, am_str text)
{
    am_buf out = {.arena = a};
    am_taglist again;
    for (size_t i = 0; i < t->n; i++) {
        const am_tag *tag = &t->tag[i];
        FUZZ_NEED(tag->name.n && fuzz_within(tag->name, text) && fuzz_within(tag->span, text));
        FUZZ_NEED(fuzz_within(tag->value, tag->span));
        char *name = am_arena_copy(a, tag->name.p, tag->name.n);
        FUZZ_NEED(am_taglist_get(t, name) == tag);
        FUZZ_NEED(am_str_eq(am_taglist_peek(text, name), tag->value));
        FUZZ_NEED(i == 0 || tag->name.p > t->tag[i - 1].name.p);
        am_buf_format(&out, "%.*s=%.*s;", AM_ARG(tag->name), AM_ARG(tag->value));
    }
    FUZZ_NEED(am_taglist_parse(a, am_buf_get(&out), &again, NULL) && again.n == t->n);
    for (size_t i = 0; i < t->n; i++)
        FUZZ_NEED(am_str_eq(again.tag[i].value, t->tag[i].value));
}

static void look_at_items(am_str text)
{
    am_str rest = text, item;
    size_t n = 0, colons = 0;
    for (size_t i = 0; i < text.n; i++)
        colons += text.p[i] == ':';
    while (am_list_next(&rest, ':', &item)) {
        FUZZ_NEED(fuzz_within(item, text));
        n++;
    }
    FUZZ_NEED(n == (text.p ? colons + 1 : 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    am_arena *a = am_arena_new(0);
    am_str text = am_str_n(data, size);
    am_taglist t;
    am_error why = {""};
    if (!am_taglist_parse(a, text, &t, &why))
        FUZZ_NEED(*why.text);
    else if (t.n < 300)
        look_at_tags(a, &t, text);
    look_at_items(text);
    am_arena_free(a);
    return 0;
}
