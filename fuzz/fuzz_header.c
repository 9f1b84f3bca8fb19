/*
 * fuzz_header: fields as they come, and what all structured fields are made of.
 *
 * Holds: a field is kept octet for octet but for the CR of its folds; scanners stay within the
 * text. Input: a line with the name, then the value.
 */
#include "fuzz/fuzz.h"
#include "libauth/mail/header.h"
#include "libauth/mail/scan.h"

#include <string.h>

static void keep(am_arena *a, am_str name, am_str value)
{
    am_header h = {.arena = a, .max_fields = 2}, few = {.arena = a, .max_octets = 100};
    am_header_add(&h, name, value);
    FUZZ_NEED(h.n == 1 && !h.failed);
    am_str raw = h.field[0].raw;
    FUZZ_NEED(raw.n >= name.n + 1 + value.n && raw.n <= name.n + 1 + 2 * value.n);
    am_header_add_raw(&h, raw);
    FUZZ_NEED(h.n == 2 && am_str_eq(h.field[1].raw, raw));
    am_header_add_raw(&h, raw);
    FUZZ_NEED(h.n == 2 && h.failed);
    if (am_str_find(name, ':') == name.n) {
        FUZZ_NEED(am_str_eq(h.field[0].name, h.field[1].name));
        FUZZ_NEED(am_str_eq(h.field[0].value, h.field[1].value));
    }
    am_header_add(&few, name, value);
    FUZZ_NEED(few.failed == (name.n + 1 + value.n > 100) || (!few.n && few.failed));
    am_str flat = am_unfold(a, value);
    FUZZ_NEED(flat.n <= value.n && !memchr(flat.p, '\n', flat.n) && !memchr(flat.p, '\r', flat.n));
}

static void scan(am_arena *a, am_str text)
{
    am_str rest = text, comment = {NULL, 0}, inside;
    for (am_str s = text; s.n;) {
        size_t n = am_utf8_len(s);
        FUZZ_NEED(n <= 4 && n <= s.n);
        s = am_str_cut(s, n ? n : 1, s.n);
    }
    if (!am_scan_clean(text, false))
        return;
    FUZZ_NEED(am_scan_clean(text, true));
    while (rest.n) {
        size_t before = rest.n;
        if (!am_scan_cfws(&rest, &comment))
            break;
        FUZZ_NEED(fuzz_within(comment, text) && fuzz_within(rest, text));
        fuzz_read(am_scan_unquote(a, comment));
        comment = (am_str){NULL, 0};
        if (rest.n && *rest.p == '"') {
            if (!am_scan_quoted(&rest, &inside))
                break;
            FUZZ_NEED(fuzz_within(inside, text));
            FUZZ_NEED(am_scan_unquote(a, inside).n <= inside.n);
        }
        if (rest.n == before)
            rest = am_str_cut(rest, 1, rest.n);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    am_str in = am_str_n(data, size);
    am_arena *a = am_arena_new(0);
    am_str name = fuzz_line(&in);
    keep(a, name, in);
    scan(a, in);
    am_arena_free(a);
    return 0;
}
