/*
 * ip: addresses and networks as data.
 *
 * For: the client's address, SPF mechanisms, local networks, PTR names
 * (RFC 4291, 5952, 1035 3.5, 3596 2.5). Waits: never. Memory: by value.
 * Callers: anyone.
 */
#include "libauth/base/ip.h"

#include <arpa/inet.h>
#include <string.h>

am_ip am_ip_of(const void *octets, size_t n)
{
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
    const unsigned char *p = octets;
    am_ip ip = {0};
    /* RFC 7208 5: an IPv4-mapped client is an IPv4 client. */
    if (n == 16 && memcmp(p, mapped, sizeof mapped) == 0)
        p += 12, n = 4;
    ip.family = n == 16 ? 6 : n == 4 ? 4 : 0;
    if (ip.family)
        memcpy(ip.octet, p, n);
    return ip;
}

bool am_ip_parse(am_str s, am_ip *out)
{
    char c[AM_IP_TEXT];
    unsigned char o[16];
    if (s.n == 0 || s.n >= sizeof c || memchr(s.p, '\0', s.n))
        return false;
    memcpy(c, s.p, s.n);
    c[s.n] = '\0';
    if (inet_pton(AF_INET, c, o) == 1)
        *out = am_ip_of(o, 4);
    else if (inet_pton(AF_INET6, c, o) == 1)
        *out = am_ip_of(o, 16);
    else
        return false;
    return true;
}

bool am_net_parse(am_str s, am_net *out)
{
    size_t slash = am_str_find(s, '/');
    if (!am_ip_parse(am_str_cut(s, 0, slash), &out->ip))
        return false;
    uint64_t max = out->ip.family == 4 ? 32 : 128, bits = max;
    if (slash < s.n) {
        am_str b = am_str_cut(s, slash + 1, s.n);
        if (!am_str_number(b, 3, &bits) || bits > max || (b.n > 1 && b.p[0] == '0'))
            return false;
    }
    out->bits = (unsigned char)bits;
    return true;
}

/* One octet in decimal; returns the end. */
static char *decimal(char *to, unsigned octet)
{
    if (octet >= 100)
        *to++ = (char)('0' + octet / 100);
    if (octet >= 10)
        *to++ = (char)('0' + octet / 10 % 10);
    *to++ = (char)('0' + octet % 10);
    return to;
}

/* Four octets from `o` on, `step` apart, with dots between and a NUL behind. */
static void dotted(char text[static AM_IP_TEXT], const unsigned char *o, int step)
{
    for (int i = 0; i < 4; i++) {
        text = decimal(text, o[i * step]);
        *text++ = i < 3 ? '.' : '\0';
    }
}

const char *am_ip_text(const am_ip *ip, char text[static AM_IP_TEXT])
{
    text[0] = '\0';
    if (ip->family == 4)
        dotted(text, ip->octet, 1);
    else if (ip->family)
        inet_ntop(AF_INET6, ip->octet, text, AM_IP_TEXT);
    return text;
}

bool am_ip_eq(const am_ip *a, const am_ip *b)
{
    return a->family == b->family && memcmp(a->octet, b->octet, a->family == 4 ? 4 : 16) == 0;
}

bool am_ip_in(const am_ip *ip, const am_net *net)
{
    if (ip->family != net->ip.family || ip->family == 0)
        return false;
    unsigned whole = net->bits / 8, rest = net->bits % 8;
    if (memcmp(ip->octet, net->ip.octet, whole) != 0)
        return false;
    return rest == 0 || ((ip->octet[whole] ^ net->ip.octet[whole]) >> (8 - rest)) == 0;
}

am_str am_ip_reverse(am_arena *a, const am_ip *ip)
{
    static const char hex[] = "0123456789abcdef";
    const unsigned char *o = ip->octet;
    if (ip->family == 4) {
        char text[AM_IP_TEXT];
        dotted(text, o + 3, -1);
        return am_str_join(a, am_str_of(text), AM_STR(".in-addr.arpa"));
    }
    am_buf b = {.arena = a};
    for (int i = 15; i >= 0; i--) {
        char part[4] = {hex[o[i] & 15], '.', hex[o[i] >> 4], '.'};
        am_buf_add(&b, part, sizeof part);
    }
    am_buf_cstr(&b, "ip6.arpa");
    return b.failed ? (am_str){NULL, 0} : am_buf_get(&b);
}
