/*
 * fuzz_lists: the files that an administrator writes: login maps, trusted sealers.
 *
 * Holds: any text is taken or refused with a reason; nobody owns an address without a login. Input:
 * an octet that says which; for the map a line with a login and one with an address; then the text.
 */
#include "fuzz/fuzz.h"
#include "libauth/base/domain.h"
#include "libauth/ident/loginmap.h"
#include "libauth/trust.h"

static void login_map(am_arena *a, am_str in)
{
    am_error why = {""};
    am_mailbox address;
    am_str login = fuzz_line(&in), path = fuzz_line(&in);
    am_loginmap *m = am_loginmap_parse(in, "map", &why);
    FUZZ_NEED(m || *why.text);
    if (m && am_path_parse(a, path, &address)) {
        am_loginmap_owns(m, a, login, &address);
        FUZZ_NEED(!am_loginmap_owns(m, a, AM_STR(""), &address));
        FUZZ_NEED(am_loginmap_count(m) <= in.n);
    }
    am_loginmap_free(m);
}

static void sealers(am_arena *a, am_str in)
{
    am_error why = {""};
    am_trust_list list;
    am_str again;
    if (!am_trust_list_parse(a, NULL, in, &list, &why)) {
        FUZZ_NEED(*why.text);
        return;
    }
    for (size_t i = 0; i < list.n; i++) {
        am_str d = list.entry[i].domain;
        FUZZ_NEED(am_domain_normalise(a, d, &again) && am_str_eq(d, again));
        FUZZ_NEED(!list.entry[i].below || am_domain_labels(d) > 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    am_str in = am_str_n(data, size);
    am_arena *a = am_arena_new(0);
    if (fuzz_octet(&in) == 'm')
        login_map(a, in);
    else
        sealers(a, in);
    am_arena_free(a);
    return 0;
}
