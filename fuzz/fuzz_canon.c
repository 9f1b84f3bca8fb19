/*
 * fuzz_canon: canonical forms of fields and bodies (RFC 6376 3.4).
 *
 * Holds: however the body is cut into chunks, the octets are those of the whole, and those of a
 * second reading of the RFC (t/unit/signer.c); digests too. Input: 1 to 8 octets of chunk sizes up
 * to a 0, two octets for a length, then the field or body.
 */
#include "fuzz/fuzz.h"
#include "libauth/sig/bodyhash.h"
#include "t/unit/signer.h"

#include <string.h>

static void gather(void *to, const void *p, size_t n)
{
    FUZZ_NEED(n > 0);
    am_buf_add(to, p, n);
}

static am_str body_of(am_arena *a, am_canon canon, am_str body, am_str sizes)
{
    am_buf out = {.arena = a};
    am_canon_body c = {.canon = canon};
    for (size_t at = 0, i = 0; at < body.n; i++) {
        size_t n = sizes.n ? (unsigned char)sizes.p[i % sizes.n] : body.n;
        if (n > body.n - at)
            n = body.n - at;
        am_canon_body_feed(&c, body.p + at, n, gather, &out);
        at += n;
    }
    am_canon_body_end(&c, gather, &out);
    FUZZ_NEED(!out.failed);
    return am_buf_get(&out);
}

static void digests(am_arena *a, am_str body, am_str sizes, uint64_t length)
{
    am_bodies *b = am_bodies_begin(a), *whole = am_bodies_begin(a);
    am_bodyhash *one[4], *two[4];
    for (unsigned i = 0; i < 4; i++) {
        uint64_t n = i & 2 ? length : AM_BODY_WHOLE;
        one[i] = am_bodies_want(b, i & 1 ? AM_RELAXED : AM_SIMPLE, n);
        two[i] = am_bodies_want(whole, i & 1 ? AM_RELAXED : AM_SIMPLE, n);
    }
    for (size_t at = 0, i = 0; at < body.n; i++) {
        size_t n = sizes.n ? (unsigned char)sizes.p[i % sizes.n] : body.n;
        n = n > body.n - at ? body.n - at : n;
        am_bodies_feed(b, body.p + at, n);
        at += n;
    }
    am_bodies_feed(whole, body.p, body.n);
    am_bodies_finish(b);
    am_bodies_finish(whole);
    for (unsigned i = 0; i < 4; i++) {
        am_str canon = ref_body(a, i & 1, body);
        FUZZ_NEED(am_bodyhash_octets(one[i]) == canon.n && am_bodyhash_octets(two[i]) == canon.n);
        FUZZ_NEED(memcmp(am_bodyhash_digest(one[i]), am_bodyhash_digest(two[i]), 32) == 0);
        unsigned char want[32];
        canon = am_str_cut(canon, 0, i & 2 ? length : canon.n);
        FUZZ_NEED(EVP_Digest(canon.p, canon.n, want, NULL, EVP_sha256(), NULL) == 1);
        FUZZ_NEED(memcmp(am_bodyhash_digest(one[i]), want, 32) == 0);
    }
    am_bodies_end(b);
    am_bodies_end(whole);
}

static void fields(am_arena *a, am_str raw)
{
    for (unsigned relaxed = 0; relaxed < 2; relaxed++) {
        am_buf out = {.arena = a}, crlf = {.arena = a}, bare = {.arena = a};
        am_canon c = relaxed ? AM_RELAXED : AM_SIMPLE;
        am_canon_field(c, raw, false, gather, &out);
        am_canon_field(c, raw, true, gather, &crlf);
        am_canon_signature(c, raw, gather, &bare);
        FUZZ_NEED(crlf.n == out.n + 2 && bare.n <= out.n + 1);
        if (am_str_find(raw, ':') < raw.n && raw.n < 100000 && !memchr(raw.p, 0, raw.n))
            FUZZ_NEED(am_str_eq(am_buf_get(&out), ref_field(a, relaxed, raw)));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    am_str in = am_str_n(data, size);
    size_t n = 0;
    while (n < in.n && n < 8 && in.p[n])
        n++;
    am_str sizes = am_str_cut(in, 0, n);
    in = am_str_cut(in, n + (n < 8), in.n);
    uint64_t length = fuzz_octet(&in);
    length = length * 256 + fuzz_octet(&in);
    am_arena *a = am_arena_new(0);
    for (unsigned relaxed = 0; relaxed < 2; relaxed++) {
        am_canon c = relaxed ? AM_RELAXED : AM_SIMPLE;
        am_str whole = body_of(a, c, in, (am_str){NULL, 0});
        FUZZ_NEED(am_str_eq(whole, body_of(a, c, in, sizes)));
        FUZZ_NEED(am_str_eq(whole, ref_body(a, relaxed, in)));
    }
    digests(a, in, sizes, length);
    fields(a, in);
    am_arena_free(a);
    return 0;
}
