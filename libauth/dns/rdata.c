/*
 * rdata: domain names and record data of the wire (RFC 1035 3.1, 3.3, 4.1.4; RFC 3596 2.2).
 *
 * For: packets and zone files. Waits: never. Memory: by value, and in answers
 * made by the caller. Callers: room dns, any thread.
 */
#include "libauth/dns/rdata.h"
#include "libauth/base/domain.h"
#include "libauth/base/lex.h"

#include <string.h>

enum {
    POINTER = 0xc0,
    MAX_JUMPS = 127, /* a name has no more labels than that */
};

bool am_name_of_text(am_str text, am_wire_name *out)
{
    size_t label = 0, n = 1; /* where the present label's length goes; octets so far */
    if (!am_domain_askable(text))
        return false;
    if (text.p[text.n - 1] == '.')
        text.n--;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '.') {
            out->octet[label] = (uint8_t)(n - label - 1);
            label = n++;
        } else {
            out->octet[n++] = (uint8_t)text.p[i];
        }
    }
    out->octet[label] = (uint8_t)(n - label - 1);
    out->octet[n++] = 0;
    out->n = (uint8_t)n;
    return true;
}

size_t am_name_read(const uint8_t *p, size_t n, size_t at, am_wire_name *out)
{
    size_t end = 0, used = 0, before = at;
    for (unsigned jumps = 0; at < n;) {
        uint8_t len = p[at];
        if (len >= POINTER) {
            size_t to = at + 1 < n ? (size_t)(len - POINTER) << 8 | p[at + 1] : n;
            /* RFC 1035 4.1.4: a pointer leads to a prior place; so no loop closes. */
            if (to >= before || ++jumps > MAX_JUMPS)
                return 0;
            if (!end)
                end = at + 2;
            before = at = to;
            continue;
        }
        if (len > AM_LABEL_MAX || at + 1 + len > n || used + 1 + len > AM_NAME_OCTETS)
            return 0;
        memcpy(out->octet + used, p + at, 1 + (size_t)len);
        used += 1 + (size_t)len;
        at += 1 + (size_t)len;
        if (len == 0) {
            out->n = (uint8_t)used;
            return end ? end : at;
        }
    }
    return 0;
}

/* Lengths of labels are below 64, so that letters alone differ in case. */
static bool same(const uint8_t *a, const uint8_t *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (am_lower((char)a[i]) != am_lower((char)b[i]))
            return false;
    return true;
}

bool am_name_eq(const am_wire_name *a, const am_wire_name *b)
{
    return a->n == b->n && same(a->octet, b->octet, a->n);
}

bool am_name_under(const am_wire_name *name, const am_wire_name *ancestor)
{
    size_t at = 0;
    while ((size_t)name->n - at > ancestor->n)
        at += 1 + (size_t)name->octet[at];
    return (size_t)name->n - at == ancestor->n &&
           same(name->octet + at, ancestor->octet, ancestor->n);
}

size_t am_name_text(const am_wire_name *name, char *out)
{
    size_t n = 0;
    for (size_t at = 0; at + 1 < name->n; at += 1 + (size_t)name->octet[at]) {
        if (at && ++n && out)
            out[n - 1] = '.';
        for (size_t i = 1; i <= name->octet[at]; i++) {
            uint8_t o = name->octet[at + i];
            bool plain = am_is((char)o, AM_VCHAR) && o != '.' && o != '\\';
            if (out && plain)
                out[n] = am_lower((char)o);
            else if (out)
                memcpy(out + n,
                    (char[]){'\\', (char)('0' + o / 100), (char)('0' + o / 10 % 10),
                        (char)('0' + o % 10)},
                    4);
            n += plain ? 1 : 4;
        }
    }
    return n;
}

/* The name that is the whole of the data from `skip` on. */
static bool host(const am_rdata *rd, size_t skip, am_wire_name *out)
{
    return rd->len > skip &&
           am_name_read(rd->p, rd->at + rd->len, rd->at + skip, out) == rd->at + rd->len;
}

/* RFC 1035 3.3.14: one or more character-strings; their octets together. An
 * empty record is met in the wild, and read as an empty string. */
static size_t strings(const am_rdata *rd, char *out)
{
    size_t n = 0, end = rd->at + rd->len;
    for (size_t at = rd->at, len; at < end; at += 1 + len) {
        len = rd->p[at];
        if (len > end - at - 1)
            return SIZE_MAX;
        if (out && len)
            memcpy(out + n, rd->p + at + 1, len);
        n += len;
    }
    return n;
}

size_t am_rdata_octets(const am_rdata *rd, am_dns_type type)
{
    am_wire_name name;
    switch (type) {
    case AM_DNS_A:
        return rd->len == 4 ? 0 : SIZE_MAX;
    case AM_DNS_AAAA:
        return rd->len == 16 ? 0 : SIZE_MAX;
    case AM_DNS_TXT:
        return strings(rd, NULL);
    case AM_DNS_PTR:
    case AM_DNS_MX:
        return host(rd, type == AM_DNS_MX ? 2 : 0, &name) ? am_name_text(&name, NULL) : SIZE_MAX;
    }
    return SIZE_MAX;
}

void am_rdata_fill(const am_rdata *rd, am_dns_type type, am_answer *x, size_t i)
{
    am_dns_rr *rr = am_answer_rr(x, i);
    const uint8_t *p = rd->p + rd->at;
    am_wire_name name;
    size_t n = 0;
    if (type == AM_DNS_A || type == AM_DNS_AAAA) {
        rr->ip = am_ip_of(p, rd->len);
        return;
    }
    if (type == AM_DNS_TXT)
        n = strings(rd, x->fill);
    else if (host(rd, type == AM_DNS_MX ? 2 : 0, &name))
        n = am_name_text(&name, x->fill);
    if (type == AM_DNS_MX)
        rr->preference = (uint16_t)(p[0] << 8 | p[1]);
    rr->data = am_str_n(x->fill, n);
    x->fill += n;
}
