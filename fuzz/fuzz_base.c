/*
 * fuzz_base: base64, domains, addresses and numbers.
 *
 * Holds: what decodes encodes to the same; a normalised domain is normalised, and may be asked for;
 * an address reads back from its text. Input: one text.
 */
#include "fuzz/fuzz.h"
#include "libauth/base/base64.h"
#include "libauth/base/domain.h"
#include "libauth/base/ip.h"
#include "libauth/base/lex.h"

#include <string.h>

static void base64(am_arena *a, am_str in)
{
    am_str raw, again;
    am_str text = am_base64_encode(a, in);
    FUZZ_NEED(text.p && am_base64_decode(a, text, &again) && am_str_eq(again, in));
    if (!am_base64_decode(a, in, &raw))
        return;
    am_buf bare = {.arena = a};
    for (size_t i = 0; i < in.n; i++)
        if (!am_is(in.p[i], AM_FWS))
            am_buf_char(&bare, in.p[i]);
    FUZZ_NEED(am_str_eq(am_base64_encode(a, raw), am_buf_get(&bare)));
}

static void domain(am_arena *a, am_str in)
{
    am_str out, again;
    size_t labels = am_domain_labels(in);
    FUZZ_NEED(fuzz_within(am_domain_tail(in, labels / 2), in));
    fuzz_read(am_domain_parent(in));
    if (am_domain_askable(in))
        FUZZ_NEED(in.n <= AM_DOMAIN_MAX + 1 && labels > 0 && !memchr(in.p, 0, in.n));
    if (!am_domain_normalise(a, in, &out))
        return;
    FUZZ_NEED(am_domain_askable(out) && out.n <= AM_DOMAIN_MAX);
    FUZZ_NEED(am_domain_normalise(a, out, &again) && am_str_eq(out, again));
    FUZZ_NEED(am_str_eq(out, am_str_lower(a, out)));
    for (size_t i = 0; i < out.n; i++)
        FUZZ_NEED(am_is(out.p[i], AM_LDH) || out.p[i] == '.' || out.p[i] == '_');
    FUZZ_NEED(am_domain_under(out, am_domain_tail(out, 1)));
    FUZZ_NEED(am_str_eq(am_domain_tail(out, am_domain_labels(out)), out));
    FUZZ_NEED(am_domain_labels(am_domain_parent(out)) + 1 == am_domain_labels(out));
}

static void address(am_arena *a, am_str in)
{
    am_ip ip, again;
    am_net net;
    char text[AM_IP_TEXT];
    if (am_ip_parse(in, &ip)) {
        FUZZ_NEED(ip.family == 4 || ip.family == 6);
        FUZZ_NEED(am_ip_parse(am_str_of(am_ip_text(&ip, text)), &again) && am_ip_eq(&ip, &again));
        FUZZ_NEED(am_domain_askable(am_ip_reverse(a, &ip)));
    }
    if (am_net_parse(in, &net)) {
        FUZZ_NEED(net.bits <= (net.ip.family == 4 ? 32 : 128));
        FUZZ_NEED(am_ip_in(&net.ip, &net));
    }
    if (in.n == 4 || in.n == 16) {
        ip = am_ip_of(in.p, in.n);
        FUZZ_NEED(am_ip_parse(am_str_of(am_ip_text(&ip, text)), &again) && am_ip_eq(&ip, &again));
    }
}

static void texts(am_arena *a, am_str in)
{
    uint64_t v;
    if (am_str_number(in, 12, &v))
        FUZZ_NEED(v < 1000000000000 && in.n <= 12);
    am_str trimmed = am_str_trim(in);
    FUZZ_NEED(fuzz_within(trimmed, in) && am_str_eq(am_str_trim(trimmed), trimmed));
    FUZZ_NEED(am_str_ieq(in, am_str_lower(a, in)));
    FUZZ_NEED(am_str_iends(in, am_str_cut(in, in.n / 2, in.n)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    am_str in = am_str_n(data, size);
    am_arena *a = am_arena_new(0);
    base64(a, in);
    domain(a, in);
    address(a, in);
    texts(a, in);
    am_arena_free(a);
    return 0;
}
