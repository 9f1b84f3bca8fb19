/*
 * fuzz_signature: signature fields of all three kinds.
 *
 * Holds: one without a fault has all that its kind needs, each part in its range; a fault is one of
 * the table. Input: an octet for the kind, then the field's value.
 */
#include "fuzz/fuzz.h"
#include "libauth/base/domain.h"
#include "libauth/sig/signature.h"

static void look_at_good(am_arena *a, const am_signature *s, am_sigkind kind)
{
    am_str again;
    FUZZ_NEED(am_domain_normalise(a, s->domain, &again) && am_str_eq(again, s->domain));
    FUZZ_NEED(s->selector.n && s->data.n && s->signature.n && s->algorithm.n);
    FUZZ_NEED(!s->key_name.p || am_domain_askable(s->key_name));
    FUZZ_NEED(kind == AM_SIG_AS || s->hash.n);
    FUZZ_NEED(kind != AM_SIG_DKIM || s->names.n);
    FUZZ_NEED(kind == AM_SIG_DKIM || (s->instance >= 1 && s->instance <= 999));
    if (kind == AM_SIG_DKIM) {
        size_t at = am_str_rfind(s->identity, '@');
        FUZZ_NEED(at < s->identity.n);
        for (size_t i = 0; i < s->identity.n; i++)
            FUZZ_NEED((unsigned char)s->identity.p[i] >= ' ');
    }
    if (s->has_created && s->has_expires)
        FUZZ_NEED(s->expires > s->created);
    const am_fault *late = am_signature_time(s, INT64_MAX / 2, 0);
    FUZZ_NEED(!s->has_expires || late);
    am_signature_time(s, 0, UINT32_MAX);
    am_signature_time(s, 1700000000, 300);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const am_sigkind kinds[] = {AM_SIG_DKIM, AM_SIG_AMS, AM_SIG_AS};
    am_str in = am_str_n(data, size), name, rest;
    am_sigkind kind = kinds[fuzz_octet(&in) % 3];
    am_arena *a = am_arena_new(0);
    am_signature s = am_signature_parse(a, kind, in);
    FUZZ_NEED(!am_arena_failed(a));
    fuzz_read(s.detail);
    fuzz_read(s.domain);
    fuzz_read(s.selector);
    fuzz_read(s.identity);
    fuzz_read(s.signature);
    rest = s.names;
    while (am_list_next(&rest, ':', &name))
        fuzz_read(name);
    if (!s.fault)
        look_at_good(a, &s, kind);
    else
        FUZZ_NEED(*s.fault->reason && s.fault->result != AM_PASS);
    am_str key = am_signature_key_name(a, in);
    FUZZ_NEED(!key.p || am_domain_askable(key));
    FUZZ_NEED(s.fault || !s.key_name.p || am_str_eq(key, s.key_name));
    FUZZ_NEED(am_arena_used(a) < (1 << 16) + 200 * size);
    am_arena_free(a);
    return 0;
}
