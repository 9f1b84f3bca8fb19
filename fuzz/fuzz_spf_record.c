/*
 * fuzz_spf_record: SPF records.
 *
 * Holds: a parsed record lies within the block that it was parsed into; the numbers of its terms
 * are in their ranges; what a term spells parses again. Input: the record.
 */
#include "fuzz/fuzz.h"
#include "libauth/base/lex.h"
#include "libauth/spf/record.h"

#include <stdlib.h>

static void look_at_string(am_spf_string s, am_str block)
{
    for (size_t i = 0; i < s.n; i++) {
        FUZZ_NEED(s.piece[i].letter == '%' || fuzz_within(s.piece[i].text, block));
        fuzz_read(s.piece[i].text);
        FUZZ_NEED(s.piece[i].letter == 0 || s.piece[i].letter == '%' || s.piece[i].delims);
    }
}

static void look_at_term(const am_spf_term *t, am_str block)
{
    FUZZ_NEED(t->text.n > 0 && fuzz_within(t->text, block));
    for (size_t i = 0; i < t->text.n; i++)
        FUZZ_NEED(am_is(t->text.p[i], AM_VCHAR));
    FUZZ_NEED(t->result == AM_PASS || t->result == AM_FAIL || t->result == AM_SOFTFAIL ||
              t->result == AM_NEUTRAL);
    FUZZ_NEED(t->bits4 <= 32 && t->bits6 <= 128);
    FUZZ_NEED(t->kind != AM_SPF_IP4 || (t->net.ip.family == 4 && t->net.bits <= 32));
    FUZZ_NEED(t->kind != AM_SPF_IP6 || (t->net.ip.family == 6 && t->net.bits <= 128));
    FUZZ_NEED((t->kind != AM_SPF_INCLUDE && t->kind != AM_SPF_EXISTS) || t->domain.n);
    look_at_string(t->domain, block);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    am_str text = am_str_n(data, size);
    am_error why = {""};
    if (!am_spf_record_is(text))
        return 0;
    size_t room = am_spf_record_size(text);
    FUZZ_NEED(room < 4096 + 200 * size);
    void *block = malloc(room);
    const am_spf_record *r = am_spf_record_parse(text, block, &why);
    am_str all = am_str_n(block, room);
    FUZZ_NEED(r || *why.text);
    for (size_t i = 0; r && i < r->terms; i++)
        look_at_term(&r->term[i], all);
    if (r) {
        look_at_string(r->redirect, all);
        look_at_string(r->exp, all);
    }
    free(block);
    return 0;
}
