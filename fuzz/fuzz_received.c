/*
 * fuzz_received: Received fields, and who handed the message to our own relays.
 *
 * Holds: what is said of a client lies in the field, and only where the field could be read; the
 * hop is no relay of ours. Input: fields, top down; an LF that folds nothing ends each.
 */
#include "fuzz/fuzz.h"
#include "libauth/base/lex.h"
#include "libauth/ident/hop.h"
#include "libauth/mail/received.h"

enum { FIELDS = 200 };

static void look_at_field(am_str value)
{
    am_received r;
    bool read = am_received_parse(value, &r);
    FUZZ_NEED(read == (r.status == AM_RECEIVED_READ) && read == (r.reason == NULL));
    FUZZ_NEED(read || (!r.ip.family && !r.helo.n && !r.name.n && !r.user.n && !r.auth));
    const am_str parts[] = {r.helo, r.name, r.user, r.by, r.id, r.rcpt};
    fuzz_read(r.with);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        FUZZ_NEED(fuzz_within(parts[i], value));
        fuzz_read(parts[i]);
    }
    FUZZ_NEED(*am_received_style_word(r.style));
}

static void look_at_hop(const am_header *h)
{
    static const am_net relays[] = {{{4, {192, 0, 2}}, 24}, {{6, {0x20, 0x01, 0x0d, 0xb8}}, 32}};
    static const am_ip client = {4, {192, 0, 2, 1}}, stranger = {4, {198, 51, 100, 1}};
    am_hop hop = am_hop_find(&client, h, relays, 2, NULL);
    FUZZ_NEED(hop.relayed && hop.found == (hop.reason == NULL));
    FUZZ_NEED(hop.found == (hop.ip.family != 0));
    FUZZ_NEED(!hop.found || (!am_ip_in(&hop.ip, &relays[0]) && !am_ip_in(&hop.ip, &relays[1])));
    FUZZ_NEED(!hop.found || hop.field < h->n);
    FUZZ_NEED(!am_hop_find(&stranger, h, relays, 2, NULL).relayed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    am_str in = am_str_n(data, size);
    am_arena *a = am_arena_new(0);
    am_header h = {.arena = a};
    for (size_t from = 0, i = 0; i <= in.n && h.n < FIELDS; i++) {
        if (i < in.n && !(in.p[i] == '\n' && !(i + 1 < in.n && am_is(in.p[i + 1], AM_WSP))))
            continue;
        am_header_add(&h, AM_STR("Received"), am_str_cut(in, from, i));
        look_at_field(am_str_cut(in, from, i));
        from = i + 1;
    }
    look_at_hop(&h);
    am_arena_free(a);
    return 0;
}
