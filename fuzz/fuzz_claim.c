/*
 * fuzz_claim: whose Authentication-Results is it? And what forged fields leave behind.
 *
 * Holds: a field that parses to our id is never another host's; case and comments change no claim
 * to OTHER; after the forged fields are deleted as a milter deletes them, none that claims us is
 * left. Input: a line with our authserv-id, then field values, separated by LF that folds nothing.
 */
#include "fuzz/fuzz.h"
#include "libauth/base/domain.h"
#include "libauth/base/lex.h"
#include "libauth/mail/scan.h"
#include "milter/strip.h"

enum { MAX_FIELDS = 50 };

static bool same_id(am_arena *a, am_str x, am_str y)
{
    am_str p, q;
    if (am_str_ieq(x, y))
        return true;
    return am_domain_normalise(a, x, &p) && am_domain_normalise(a, y, &q) && am_str_eq(p, q);
}

static bool is_end(am_str s, size_t i)
{
    return i == s.n ||
           (s.p[i] == '\n' && !(i + 1 < s.n && (s.p[i + 1] == ' ' || s.p[i + 1] == '\t')));
}

/* Our id is the administrator's: no controls, valid UTF-8. */
static bool is_sane(am_str id)
{
    return am_scan_clean(id, false) && am_str_find(id, '\r') == id.n;
}

static void look_at_value(am_arena *a, am_str value, am_str id)
{
    am_authres r;
    am_error why = {""};
    am_claim claim = am_authres_claim(a, value, id);
    bool parses = am_authres_parse(a, value, &r, &why);
    FUZZ_NEED(parses || *why.text);
    if (parses && same_id(a, r.id, id))
        FUZZ_NEED(claim != AM_CLAIM_OTHER);
    if (claim == AM_CLAIM_OTHER)
        for (size_t i = 0; i < value.n; i++)
            FUZZ_NEED(!am_is(value.p[i], AM_CTL) || am_is(value.p[i], AM_FWS));
    if (claim != AM_CLAIM_OURS)
        return;
    am_buf commented = {.arena = a};
    am_buf_cstr(&commented, " (x)\r\n ");
    am_buf_str(&commented, value);
    am_str lower = am_str_lower(a, value);
    FUZZ_NEED(am_authres_claim(a, am_buf_get(&commented), id) != AM_CLAIM_OTHER);
    FUZZ_NEED(am_authres_claim(a, lower, id) == AM_CLAIM_OURS);
}

/* smfi_chgheader with an empty value: fields of the name are counted anew after each deletion. */
static void look_at_deletion(am_arena *a, const am_header *h, am_str id)
{
    bool gone[MAX_FIELDS] = {false};
    am_strip s = am_strip_begin(a, h, id, h->n);
    size_t steps = 0;
    while (am_strip_next(&s)) {
        size_t number = 0, i = 0;
        FUZZ_NEED(++steps <= h->n && s.number >= 1);
        for (; i < h->n; i++)
            if (!gone[i] && ++number == s.number)
                break;
        FUZZ_NEED(i < h->n);
        gone[i] = true;
    }
    for (size_t i = 0; i < h->n; i++) {
        am_claim claim = am_authres_claim(a, h->field[i].value, id);
        FUZZ_NEED(gone[i] == (claim != AM_CLAIM_OTHER));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    am_str in = am_str_n(data, size);
    am_str id = fuzz_line(&in);
    am_arena *a = am_arena_new(0);
    am_header h = {.arena = a};
    if (!id.n || !is_sane(id))
        id = AM_STR("mx.example.org");
    for (size_t from = 0, i = 0; i <= in.n && h.n < MAX_FIELDS; i++)
        if (is_end(in, i)) {
            am_str value = am_str_cut(in, from, i);
            from = i + 1;
            am_header_add(&h, AM_STR("Authentication-Results"), value);
            look_at_value(a, value, id);
        }
    look_at_deletion(a, &h, id);
    am_arena_free(a);
    return 0;
}
