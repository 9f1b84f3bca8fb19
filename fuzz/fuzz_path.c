/*
 * fuzz_path: the paths of the envelope.
 *
 * Holds: what was read can be written, and is then read as the same. Input: a path.
 */
#include "fuzz/fuzz.h"
#include "libauth/mail/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    am_arena *a = am_arena_new(0);
    am_mailbox m, again;
    if (am_path_parse(a, am_str_n(data, size), &m)) {
        FUZZ_NEED(m.domain.p == NULL || am_str_eq(m.domain, am_str_lower(a, m.domain)));
        FUZZ_NEED(!m.domain.p || m.local.p);
        for (size_t i = 0; i < m.local.n; i++)
            FUZZ_NEED((unsigned char)m.local.p[i] >= ' ' || m.local.p[i] == '\t');
        am_str text = am_str_format(
            a, m.domain.p ? "<%.*s@%.*s>" : "<%.*s>", AM_ARG(m.local), AM_ARG(m.domain));
        bool route = !m.local.n || *m.local.p == '@'; /* what the text could be taken for */
        FUZZ_NEED(route || am_path_parse(a, text, &again));
        FUZZ_NEED(route || (am_str_eq(m.local, again.local) && am_str_eq(m.domain, again.domain)));
    }
    FUZZ_NEED(am_arena_used(a) < 4096 + 100 * size);
    am_arena_free(a);
    return 0;
}
