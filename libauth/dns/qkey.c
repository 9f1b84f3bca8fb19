/*
 * qkey: names of questions, compared without regard to case (RFC 4343).
 *
 * For: the tables of the room. The hash is SipHash-2-4 with a random key, as
 * senders of mail choose the names. Waits: never, but for the kernel's first
 * random octets after boot. Memory: by value. Callers: room dns, any thread.
 */
#include "libauth/dns/qkey.h"
#include "libauth/base/lex.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>

bool am_random(void *p, size_t n)
{
    unsigned char *at = p;
    while (n) {
        ssize_t got = getrandom(at, n, 0);
        if (got < 0 && errno != EINTR)
            return false;
        if (got > 0)
            at += got, n -= (size_t)got;
    }
    return true;
}

bool am_seed_make(am_seed *s)
{
    return am_random(s, sizeof *s);
}

typedef struct sip {
    uint64_t a, b, c, d;
} sip;

static uint64_t rotate(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

static void sip_round(sip *s)
{
    s->a += s->b, s->b = rotate(s->b, 13) ^ s->a, s->a = rotate(s->a, 32);
    s->c += s->d, s->d = rotate(s->d, 16) ^ s->c;
    s->a += s->d, s->d = rotate(s->d, 21) ^ s->a;
    s->c += s->b, s->b = rotate(s->b, 17) ^ s->c, s->c = rotate(s->c, 32);
}

static void sip_word(sip *s, uint64_t word)
{
    s->d ^= word;
    sip_round(s);
    sip_round(s);
    s->a ^= word;
}

static uint64_t siphash(const am_seed *k, const char *p, size_t n, uint8_t tail)
{
    sip s = {k->k0 ^ 0x736f6d6570736575, k->k1 ^ 0x646f72616e646f6d, k->k0 ^ 0x6c7967656e657261,
        k->k1 ^ 0x7465646279746573};
    uint64_t word;
    size_t at = 0;
    for (; n - at >= sizeof word; at += sizeof word) {
        memcpy(&word, p + at, sizeof word);
        sip_word(&s, le64toh(word));
    }
    word = 0;
    memcpy(&word, p + at, n - at);
    sip_word(&s, le64toh(word));
    sip_word(&s, (uint64_t)n << 8 | tail);
    s.c ^= 0xff;
    for (int i = 0; i < 4; i++)
        sip_round(&s);
    return s.a ^ s.b ^ s.c ^ s.d;
}

bool am_qkey_make(const am_seed *s, am_str name, am_dns_type type, am_qkey *out)
{
    if (!am_domain_askable(name))
        return false;
    if (name.p[name.n - 1] == '.')
        name.n--;
    out->n = (uint8_t)name.n;
    out->type = type;
    for (size_t i = 0; i < name.n; i++)
        out->name[i] = am_lower(name.p[i]);
    out->hash = siphash(s, out->name, out->n, (uint8_t)type);
    return true;
}
