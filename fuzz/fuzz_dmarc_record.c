/*
 * fuzz_dmarc_record: DMARC records.
 *
 * Holds: ranges lie within the text; URIs are well formed; a record that is used has policies.
 * Input: the record.
 */
#include "fuzz/fuzz.h"
#include "libauth/dmarc/record.h"

static void look_at_uris(am_str list, am_str text)
{
    am_str rest = list, uri;
    size_t n = 0;
    FUZZ_NEED(fuzz_within(list, text));
    while (am_dmarc_uri_next(&rest, &uri)) {
        FUZZ_NEED(uri.n && fuzz_within(uri, list));
        for (size_t i = 0; i < uri.n; i++)
            FUZZ_NEED(uri.p[i] > ' ' && uri.p[i] < 0x7f && uri.p[i] != ',' && uri.p[i] != '!');
        n++;
    }
    FUZZ_NEED(!list.p || n > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    am_str text = am_str_n(data, size);
    am_dmarc_record r;
    const char *reason = NULL;
    if (!am_dmarc_record_is(text))
        return 0;
    am_dmarc_record_parse(text, &r);
    FUZZ_NEED(r.psd == 'y' || r.psd == 'n' || r.psd == 'u');
    FUZZ_NEED(r.p <= AM_DMARC_REJECT && r.sp <= AM_DMARC_REJECT && r.np <= AM_DMARC_REJECT);
    FUZZ_NEED(r.has_p || r.p == AM_DMARC_NONE);
    FUZZ_NEED(r.has_sp || r.sp == r.p);
    FUZZ_NEED(r.has_np || r.np == r.sp);
    fuzz_read(r.fo);
    FUZZ_NEED(r.fo.n);
    look_at_uris(r.rua, text);
    look_at_uris(r.ruf, text);
    am_dmarc_record used = r;
    bool good = am_dmarc_record_usable(&used, &reason);
    FUZZ_NEED(good || reason);
    FUZZ_NEED(!good || used.has_p || used.p == AM_DMARC_NONE);
    FUZZ_NEED(!good || (r.has_p && !r.bad_policy) ||
              (used.p == AM_DMARC_NONE && used.sp == AM_DMARC_NONE && used.np == AM_DMARC_NONE));
    return 0;
}
