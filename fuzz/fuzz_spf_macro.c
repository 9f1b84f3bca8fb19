/*
 * fuzz_spf_macro: macro strings and what they expand to.
 *
 * Holds: what can be asked for has at most 253 octets, and texts have at most what was asked for.
 * Input: a line with the macro string, its first octet "e" for an explain-string; then lines
 * "LETTER VALUE"; "i ADDR" sets i, c, v.
 */
#include "fuzz/fuzz.h"
#include "libauth/base/domain.h"
#include "libauth/spf/macro.h"

static void values(am_arena *a, am_spf_values *v, am_str rest)
{
    while (rest.n) {
        am_str line = fuzz_line(&rest);
        am_ip ip;
        char letter = (char)fuzz_octet(&line);
        fuzz_octet(&line);
        if (letter == 'i' && am_ip_parse(line, &ip))
            FUZZ_NEED(am_spf_values_ip(a, v, &ip));
        else if (letter >= 'a' && letter <= 'z')
            am_spf_values_set(v, letter, line);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    am_str in = am_str_n(data, size);
    am_arena *a = am_arena_new(0);
    bool explain = fuzz_octet(&in) == 'e';
    am_str text = fuzz_line(&in);
    am_spf_piece *room = am_arena_array(a, am_spf_string_room(text), sizeof *room);
    am_spf_string s;
    am_spf_values v = {0};
    values(a, &v, in);
    if (am_spf_string_parse(text, explain, room, &s)) {
        FUZZ_NEED(s.n <= am_spf_string_room(text));
        for (char c = 'a'; c <= 'z'; c++)
            FUZZ_NEED(am_spf_string_uses(s, c) <= s.n);
        if (am_spf_string_usable(s, &v)) {
            am_str name = am_spf_expand_name(a, s, &v);
            FUZZ_NEED(name.p && (name.n <= AM_DOMAIN_MAX || !am_domain_askable(name)));
            am_str whole = am_spf_expand_text(a, s, &v, 1024),
                   part = am_spf_expand_text(a, s, &v, 9);
            FUZZ_NEED(whole.p && whole.n <= 1024 && part.p && part.n <= 9);
            FUZZ_NEED(am_str_eq(am_str_cut(whole, 0, part.n), part));
        }
    }
    am_arena_free(a);
    return 0;
}
