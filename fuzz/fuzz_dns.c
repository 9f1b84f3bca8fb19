/*
 * fuzz_dns: answers of DNS servers.
 *
 * Holds: what is read stays within its bounds: TTLs, links of CNAME chains, names that can be asked
 * for again, text that is all there. Input: an octet of flags, then the packet. The question is the
 * packet's own, so that mutations reach behind it; with flag 64 it is "example.org".
 */
#include "fuzz/fuzz.h"
#include "libauth/dns/wire.h"

#include <string.h>

enum { TCP = 1, AD = 2, EXACT = 4, EDNS = 8, FIXED = 64, MAX_TTL = 86400, HEADER = 12 };

static am_wire_question question(unsigned flags, const uint8_t *p, size_t n)
{
    static const am_dns_type types[] = {AM_DNS_TXT, AM_DNS_A, AM_DNS_AAAA, AM_DNS_MX, AM_DNS_PTR};
    am_wire_question q = {
        .type = AM_DNS_TXT, .edns = (flags & EDNS) != 0, .exact = (flags & EXACT) != 0};
    size_t end = n > HEADER ? am_name_read(p, n, HEADER, &q.name) : 0;
    bool own = end && !(flags & FIXED);
    if (!own)
        FUZZ_NEED(am_name_of_text(AM_STR("example.org"), &q.name));
    q.id = n >= 2 ? am_wire_id(p) : 0;
    for (size_t i = 0; own && n >= end + 2 && i < sizeof types / sizeof *types; i++)
        if (p[end] == 0 && p[end + 1] == (unsigned)types[i])
            q.type = types[i];
    return q;
}

static void look_at_name(const am_wire_name *name)
{
    char text[4 * AM_NAME_OCTETS];
    am_wire_name again;
    size_t n = am_name_text(name, text);
    FUZZ_NEED(n == am_name_text(name, NULL) && n < sizeof text);
    FUZZ_NEED(am_name_under(name, name) && am_name_eq(name, name));
    if (am_name_of_text(am_str_n(text, n), &again))
        FUZZ_NEED(am_name_eq(name, &again));
}

static void look_at_answer(const am_answer *x, am_dns_type type)
{
    const am_dns_answer *pub = &x->pub;
    FUZZ_NEED((pub->status == AM_DNS_DATA) == (pub->n > 0));
    FUZZ_NEED((pub->status == AM_DNS_TEMPFAIL) == (pub->reason != NULL));
    FUZZ_NEED(pub->ttl <= MAX_TTL);
    for (size_t i = 0; i < pub->n; i++) {
        const am_dns_rr *rr = &pub->rr[i];
        fuzz_read(rr->data);
        bool address = type == AM_DNS_A || type == AM_DNS_AAAA;
        FUZZ_NEED(address == (rr->data.p == NULL));
        FUZZ_NEED(!address || rr->ip.family == 4 || rr->ip.family == 6);
        for (size_t k = 0; type != AM_DNS_TXT && k < rr->data.n; k++)
            FUZZ_NEED(rr->data.p[k] > ' ' && rr->data.p[k] < 0x7f);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    am_str in = am_str_n(data, size);
    unsigned flags = fuzz_octet(&in);
    const uint8_t *p = (const uint8_t *)in.p;
    uint8_t query[AM_WIRE_QUERY];
    am_wire_question q = question(flags, p, in.n);
    look_at_name(&q.name);
    FUZZ_NEED(am_wire_query(&q, query) >= HEADER + q.name.n + 4u);
    am_wire_chain chain = AM_WIRE_CHAIN;
    for (unsigned i = 0; i < 2 * AM_WIRE_MAX_LINKS && in.n <= UINT16_MAX; i++) {
        am_wire_result r =
            am_wire_read(p, in.n, &q, (flags & TCP) != 0, (flags & AD) != 0, MAX_TTL, &chain);
        FUZZ_NEED(chain.links <= AM_WIRE_MAX_LINKS + 1);
        FUZZ_NEED((r.kind == AM_WIRE_FAILED) == (r.reason != NULL));
        if (r.kind == AM_WIRE_ANSWER && r.answer)
            look_at_answer(r.answer, q.type);
        if (r.kind == AM_WIRE_ANSWER)
            am_answer_unref(r.answer);
        if (r.kind != AM_WIRE_ONWARD)
            break;
        look_at_name(&r.target);
        q.name = r.target;
    }
    return 0;
}
