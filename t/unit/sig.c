/* sig: canonical forms, body digests, header hashes, keys and signatures. */
#include "t/unit/unit.h"
#include "t/unit/fakedns.h"
#include "t/unit/signer.h"

#include "libauth/base/base64.h"
#include "libauth/sig/bodyhash.h"
#include "libauth/sig/key.h"
#include "libauth/sig/verify.h"

#include <pthread.h>

static void collect(void *to, const void *p, size_t n)
{
    assert_true(n > 0);
    am_buf_add(to, p, n);
}

static am_str field(am_arena *a, am_canon c, am_str raw)
{
    am_buf b = {.arena = a};
    am_canon_field(c, raw, false, collect, &b);
    return am_buf_get(&b);
}

static am_str signature_field(am_arena *a, am_canon c, am_str raw)
{
    am_buf b = {.arena = a};
    am_canon_signature(c, raw, collect, &b);
    return am_buf_get(&b);
}

/* In chunks of `chunk` octets, but for the first, which has `first`. */
static am_str body(am_arena *a, am_canon c, am_str s, size_t first, size_t chunk)
{
    am_buf b = {.arena = a};
    am_canon_body state = {.canon = c};
    am_canon_body_feed(&state, s.p, first < s.n ? first : s.n, collect, &b);
    for (size_t at = first; at < s.n; at += chunk)
        am_canon_body_feed(&state, s.p + at, chunk < s.n - at ? chunk : s.n - at, collect, &b);
    am_canon_body_end(&state, collect, &b);
    return am_buf_get(&b);
}

static void rfc6376_3_4_5(void **state)
{
    (void)state;
    am_arena *a = am_arena_new(0);
    am_str x = AM_STR("A: X"), y = AM_STR("B : Y\t\r\n\tZ  ");
    am_str text = AM_STR(" C \r\nD \t E\r\n\r\n\r\n");
    want_str("a", field(a, AM_RELAXED, x), "a:X");
    want_str("b", field(a, AM_RELAXED, y), "b:Y Z");
    want_str("a", field(a, AM_SIMPLE, x), "A: X");
    want_str("b", field(a, AM_SIMPLE, y), "B : Y\t\r\n\tZ  ");
    want_str("body", body(a, AM_RELAXED, text, 0, 99), " C\r\nD E\r\n");
    want_str("body", body(a, AM_SIMPLE, text, 0, 99), " C \r\nD \t E\r\n");
    am_arena_free(a);
}

static void body_table(void **state)
{
    (void)state;
    static const struct {
        const char *in, *simple, *relaxed;
    } cases[] = {
        {"", "\r\n", ""},
        {"\r\n", "\r\n", ""},
        {"\r\n\r\n\r\n", "\r\n", ""},
        {" ", " \r\n", ""},
        {" \t\r\n", " \t\r\n", ""},
        {" \r\n\t\r\n", " \r\n\t\r\n", ""},
        {"x", "x\r\n", "x\r\n"},
        {"x\r\n", "x\r\n", "x\r\n"},
        {"x\r\n\r\n", "x\r\n", "x\r\n"},
        {"x \r\n \r\n", "x \r\n \r\n", "x\r\n"},
        {"x\r\n ", "x\r\n \r\n", "x\r\n"},
        {"\r\n\r\nx\r\n", "\r\n\r\nx\r\n", "\r\n\r\nx\r\n"},
        {" x", " x\r\n", " x\r\n"},
        {"\t x\t\ty", "\t x\t\ty\r\n", " x y\r\n"},
        /* Bare CR and bare LF are octets like any other. */
        {"x\n\n", "x\n\n\r\n", "x\n\n\r\n"},
        {"x\r", "x\r\r\n", "x\r\r\n"},
        {"x \r", "x \r\r\n", "x \r\r\n"},
        {"x\r\r\n", "x\r\r\n", "x\r\r\n"},
        {"x \n y", "x \n y\r\n", "x \n y\r\n"},
        {"x\r\n\r", "x\r\n\r\r\n", "x\r\n\r\r\n"},
        {"\n", "\n\r\n", "\n\r\n"},
    };
    am_arena *a = am_arena_new(0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t chunk = 1; chunk < 20; chunk++) {
            am_str in = am_str_of(cases[i].in);
            want_str(cases[i].in, body(a, AM_SIMPLE, in, 0, chunk), cases[i].simple);
            want_str(cases[i].in, body(a, AM_RELAXED, in, 0, chunk), cases[i].relaxed);
        }
    am_arena_free(a);
}

static void same(const char *what, am_str in, am_str got, am_str want)
{
    if (am_str_eq(got, want))
        return;
    print_error("%s of", what);
    for (size_t i = 0; i < in.n; i++)
        print_error(" %02x", (unsigned char)in.p[i]);
    print_error(": got \"%.*s\", want \"%.*s\"\n", AM_ARG(got), AM_ARG(want));
    fail();
}

/* Every text of up to 6 octets over five that matter, cut at every place. */
static void every_short_text(void **state)
{
    (void)state;
    static const char octets[] = "x \t\r\n";
    am_arena *a = am_arena_new(0);
    for (size_t n = 0, all = 1; n <= 6; n++, all *= 5)
        for (size_t k = 0; k < all; k++) {
            char text[8] = "N:";
            for (size_t i = 0, rest = k; i < n; i++, rest /= 5)
                text[2 + i] = octets[rest % 5];
            am_str in = am_str_n(text + 2, n), raw = am_str_n(text, n + 2);
            same("field", in, field(a, AM_RELAXED, raw), ref_field(a, true, raw));
            am_str simple = ref_body(a, false, in), relaxed = ref_body(a, true, in);
            for (size_t cut = 0; cut <= n; cut++) {
                same("simple", in, body(a, AM_SIMPLE, in, cut, n + 1), simple);
                same("relaxed", in, body(a, AM_RELAXED, in, cut, n + 1), relaxed);
            }
            same("relaxed, by octets", in, body(a, AM_RELAXED, in, 0, 1), relaxed);
            am_arena_reset(a);
        }
    am_arena_free(a);
}

/* Longer texts: clean stretches over several blocks, cut at every place. */
static void long_texts(void **state)
{
    (void)state;
    static const char octets[] = "xxxxxxxxxxxxxxxxxxx \t\r\n";
    uint32_t seed = 6376;
    am_arena *a = am_arena_new(0);
    for (int round = 0; round < 60; round++) {
        char text[300];
        size_t n = 130 + (size_t)round * 2;
        for (size_t i = 0; i < n; i++) {
            seed = seed * 1664525 + 1013904223;
            text[i] = octets[(seed >> 16) % (round % 2 ? 23 : 20)];
            if (i && text[i - 1] == '\r')
                text[i] = '\n';
        }
        am_str in = am_str_n(text, n), relaxed = ref_body(a, true, in);
        am_str simple = ref_body(a, false, in);
        for (size_t cut = 0; cut <= n; cut++) {
            same("relaxed", in, body(a, AM_RELAXED, in, cut, n), relaxed);
            same("simple", in, body(a, AM_SIMPLE, in, cut, n), simple);
        }
        for (size_t chunk = 1; chunk < 70; chunk++)
            same("relaxed, chunks", in, body(a, AM_RELAXED, in, 0, chunk), relaxed);
        am_arena_reset(a);
    }
    am_arena_free(a);
}

static void signature_table(void **state)
{
    (void)state;
    static const struct {
        const char *in, *simple, *relaxed;
    } cases[] = {
        {"D: a=1; b=xyz; c=2", "D: a=1; b=; c=2", "d:a=1; b=; c=2"},
        {"D: a=1; b=xyz", "D: a=1; b=", "d:a=1; b="},
        {"D: a=1; b= x\r\n y ;", "D: a=1; b=;", "d:a=1; b=;"},
        {"D: a=1; b = x\r\n y\r\n ", "D: a=1; b =", "d:a=1; b ="},
        {"D: bh=xyz; b=abc; d=e", "D: bh=xyz; b=; d=e", "d:bh=xyz; b=; d=e"},
        {"D: b=x", "D: b=", "d:b="},
        {"D:\r\n\tb\r\n =x;\r\n\tc=d", "D:\r\n\tb\r\n =;\r\n\tc=d", "d:b =; c=d"},
        {"D: z=b=1; b=2", "D: z=b=1; b=", "d:z=b=1; b="},
        {"D: B=1; bb=2;b=3; c=4", "D: B=1; bb=2;b=; c=4", "d:B=1; bb=2;b=; c=4"},
        {"D: i=1 (; b=c ;) ; b=3; c=4", "D: i=1 (; b=c ;) ; b=; c=4", "d:i=1 (; b=c ;) ; b=; c=4"},
        {"D: b=", "D: b=", "d:b="},
        {"D: a=1", "D: a=1", "d:a=1"},
        {"D:", "D:", "d:"},
        {"D", "D", "d:"},
        {"D: =b; ;b", "D: =b; ;b", "d:=b; ;b"},
    };
    am_arena *a = am_arena_new(0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        am_str in = am_str_of(cases[i].in);
        want_str(cases[i].in, signature_field(a, AM_SIMPLE, in), cases[i].simple);
        want_str(cases[i].in, signature_field(a, AM_RELAXED, in), cases[i].relaxed);
    }
    am_arena_free(a);
}

static void long_names_and_crlf(void **state)
{
    (void)state;
    am_arena *a = am_arena_new(0);
    am_buf raw = {.arena = a}, want = {.arena = a}, got = {.arena = a};
    for (int i = 0; i < 500; i++) {
        am_buf_char(&raw, (char)('A' + i % 26));
        am_buf_char(&want, (char)('a' + i % 26));
    }
    am_buf_cstr(&raw, " :  X");
    am_buf_cstr(&want, ":X\r\n");
    am_canon_field(AM_RELAXED, am_buf_get(&raw), true, collect, &got);
    want_str_at("long", am_buf_get(&got), am_buf_get(&want), __FILE__, __LINE__);
    am_arena_free(a);
}

static void want_digest(const char *what, am_arena *a, const am_bodyhash *h, const char *want)
{
    assert_non_null(am_bodyhash_digest(h));
    want_str(what, am_base64_encode(a, am_str_n(am_bodyhash_digest(h), 32)), want);
}

static void bodies_empty(void **state)
{
    (void)state;
    am_arena *a = am_arena_new(0);
    am_bodies *b = am_bodies_begin(a);
    assert_false(am_bodies_wanted(b));
    am_bodyhash *s = am_bodies_want(b, AM_SIMPLE, AM_BODY_WHOLE);
    am_bodyhash *r = am_bodies_want(b, AM_RELAXED, AM_BODY_WHOLE);
    am_bodyhash *zero = am_bodies_want(b, AM_SIMPLE, 0);
    assert_true(am_bodies_wanted(b));
    assert_ptr_equal(s, am_bodies_want(b, AM_SIMPLE, AM_BODY_WHOLE));
    am_bodies_finish(b);
    /* RFC 6376 3.4.3, 3.4.4 */
    want_digest("simple", a, s, "frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=");
    want_digest("relaxed", a, r, "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    want_digest("l=0", a, zero, "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    want_int("octets", am_bodyhash_octets(s), 2);
    want_int("octets", am_bodyhash_octets(r), 0);
    am_bodies_end(b);
    am_bodies_end(b);
    am_bodies_end(NULL);
    am_arena_free(a);
}

/* Every l= of a body is the digest of that many octets of its canonical form. */
static void bodies_every_length(void **state)
{
    (void)state;
    am_arena *a = am_arena_new(0);
    am_str text = AM_STR("One  line \r\n\r\ntwo\tthree\r\n\r\n");
    am_str form = ref_body(a, true, text);
    enum { MANY = 30 };
    assert_true(form.n + 3 < MANY);
    for (size_t chunk = 1; chunk < 30; chunk++) {
        am_bodies *b = am_bodies_begin(a);
        am_bodyhash *h[MANY];
        for (size_t i = 0; i < MANY; i++) /* in no order */
            h[i * 7 % MANY] = am_bodies_want(b, AM_RELAXED, i * 7 % MANY);
        for (size_t at = 0; at < text.n; at += chunk)
            am_bodies_feed(b, text.p + at, chunk < text.n - at ? chunk : text.n - at);
        am_bodies_finish(b);
        for (size_t i = 0; i < MANY; i++) {
            unsigned char want[32];
            size_t n = i < form.n ? i : form.n;
            assert_int_equal(EVP_Digest(form.p, n, want, NULL, EVP_sha256(), NULL), 1);
            assert_memory_equal(am_bodyhash_digest(h[i]), want, 32);
            want_int("octets", am_bodyhash_octets(h[i]), form.n);
        }
        am_bodies_end(b);
    }
    am_arena_free(a);
}

static void bodies_without_memory(void **state)
{
    (void)state;
    for (size_t cap = 1; cap < 3000; cap += 100) {
        am_arena *a = am_arena_new(cap);
        am_bodies *b = am_bodies_begin(a);
        if (b && am_bodies_want(b, AM_SIMPLE, 5) && am_bodies_want(b, AM_RELAXED, 6))
            am_bodies_feed(b, "hello", 5);
        am_bodies_end(b);
        am_arena_free(a);
    }
}

/* RFC 6376 5.4.2: fields are used from the bottom up, names that are used up are nothing. */
static void headhash_order(void **state)
{
    (void)state;
    static const struct {
        const char *names, *want;
    } cases[] = {
        {"received:received", "received:C\r\nreceived:B\r\nd:b="},
        {"Received : RECEIVED:received:received", "received:C\r\nreceived:B\r\nreceived:A\r\nd:b="},
        {"x:received:y:x:z", "x:1\r\nreceived:C\r\ny:2\r\nd:b="},
        {"none:d", "d:old\r\nd:b="}, /* never itself */
        {"d:d:d", "d:old\r\nd:b="},
        {"", "d:b="},
        {"::x:", "x:1\r\nd:b="},
    };
    am_arena *a = am_arena_new(0);
    am_header h = {.arena = a};
    static const char *const raw[] = {
        "D: b=x", "Received: A", "X: 1", "RECEIVED:B", "y: 2", "received :C", "d: old"};
    for (size_t i = 0; i < sizeof raw / sizeof *raw; i++)
        am_header_add_raw(&h, am_str_of(raw[i]));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned char got[32], want[32];
        am_headhash *x = am_headhash_new();
        am_headhash_fields(x, AM_RELAXED, a, &h, am_str_of(cases[i].names), 0);
        assert_true(am_headhash_end(x, got));
        EVP_Digest(cases[i].want, strlen(cases[i].want), want, NULL, EVP_sha256(), NULL);
        want_int(cases[i].names, memcmp(got, want, 32), 0);
    }
    am_arena_free(a);
}

static void headhash_without_memory(void **state)
{
    (void)state;
    am_arena *a = am_arena_new(0), *small = am_arena_new(10);
    am_header h = {.arena = a};
    am_header_add_raw(&h, AM_STR("From: x"));
    unsigned char digest[32];
    am_headhash *x = am_headhash_new();
    am_headhash_fields(x, AM_RELAXED, small, &h, AM_STR("from"), 0);
    assert_false(am_headhash_end(x, digest));
    am_arena_free(small);
    am_arena_free(a);
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Long names that begin alike cost what their octets cost, however they are found: with h= of one
 * name, little more than looking at every octet of the header once. */
static void headhash_long_names(void **state)
{
    (void)state;
    enum { FIELDS = 4000, NAME = 1000, RUNS = 5 };
    am_arena *a = am_arena_new(0);
    am_header h = {.arena = a};
    char raw[NAME + 20];
    memset(raw, 'x', NAME);
    for (int i = 0; i < FIELDS; i++) {
        int n = snprintf(raw + NAME, 20, "%d: v", (i * 7919) % FIELDS + 10000);
        am_header_add_raw(&h, am_str_n(raw, NAME + (size_t)n));
    }
    double all = 1e9, one = 1e9;
    for (int i = 0; i < RUNS; i++) {
        unsigned char digest[32];
        double from = seconds();
        am_headhash *x = am_headhash_new();
        for (size_t k = 0; k < h.n; k++)
            am_canon_field(AM_RELAXED, h.field[k].raw, true, am_headhash_sink, x);
        assert_true(am_headhash_end(x, digest));
        double between = seconds();
        x = am_headhash_new();
        am_headhash_fields(x, AM_RELAXED, a, &h, AM_STR("from"), 0);
        assert_true(am_headhash_end(x, digest));
        double to = seconds();
        all = between - from < all ? between - from : all;
        one = to - between < one ? to - between : one;
    }
    am_arena_free(a);
    if (one > 4 * all)
        fail_msg("one field takes %.1f ms, all take %.1f ms", 1e3 * one, 1e3 * all);
}

/* ---- Keys ---- */

#define RSA1024                                                                                    \
    "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQi"     \
    "Y/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyV"    \
    "YLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB"
/* The same as RSAPublicKey. */
#define PKCS1                                                                                      \
    "MIGJAoGBAOQeU5CgFPNZGIazlXo2k/eJ1jpaTTxrmqF1HrDLlt04pvaMtCJj8nXoliLRC/H9vJjMI1vdb3XLcW60AIN/" \
    "PBD8EL97/y4GwJH7LPUvGP48vqUe+owqszesbiGy1PlCO8c70/OjFnJVgvMF87YR4LcincbbaSvI5MgpP6X8rjDdAgMB" \
    "AAE="
#define ED25519 "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="

static void key_table(void **state)
{
    (void)state;
    static const struct {
        const char *record;
        am_key_type type;
        const char *reason; /* "": usable */
        unsigned bits;
    } cases[] = {
        {"v=DKIM1; k=rsa; p=" RSA1024, AM_KEY_RSA, "", 1024},
        {"p=" RSA1024, AM_KEY_RSA, "", 1024},
        {"p=" PKCS1, AM_KEY_RSA, "", 1024},
        {"v=DKIM1;p=" RSA1024 ";", AM_KEY_RSA, "", 1024},
        {" v = DKIM1 ; p = " RSA1024 " ", AM_KEY_RSA, "", 1024},
        {"v=DKIM1; k=ed25519; p=" ED25519, AM_KEY_ED25519, "", 256},
        {"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQH Og7hcvPapiMlrwIaaPcHURo=", AM_KEY_ED25519, "",
            256},
        {"v=DKIM1; x=y; n=some note; p=" RSA1024, AM_KEY_RSA, "", 1024},
        {"v=DKIM1; h=sha1:sha256; p=" RSA1024, AM_KEY_RSA, "", 1024},
        {"v=DKIM1; h=sha1 : sha256; p=" RSA1024, AM_KEY_RSA, "", 1024},
        {"v=DKIM1; s=*; p=" RSA1024, AM_KEY_RSA, "", 1024},
        {"v=DKIM1; s=tlsrpt:email; p=" RSA1024, AM_KEY_RSA, "", 1024},
        {"v=DKIM1; t=y:s:z; p=" RSA1024, AM_KEY_RSA, "", 1024},
        /* v= */
        {"v=DKIM2; p=" RSA1024, AM_KEY_RSA, "no key record", 0},
        {"v=DKIM1.0; p=" RSA1024, AM_KEY_RSA, "no key record", 0},
        {"v=dkim1; p=" RSA1024, AM_KEY_RSA, "no key record", 0},
        {"v=; p=" RSA1024, AM_KEY_RSA, "no key record", 0},
        {"v=spf1 mx -all", AM_KEY_RSA, "no key record", 0},
        {"k=rsa; v=DKIM1; p=" RSA1024, AM_KEY_RSA, "malformed key record", 0},
        /* the list */
        {"", AM_KEY_RSA, "malformed key record", 0},
        {"v=DKIM1; p=" RSA1024 "; p=" RSA1024, AM_KEY_RSA, "malformed key record", 0},
        {"v=DKIM1;; p=" RSA1024, AM_KEY_RSA, "malformed key record", 0},
        {"v=DKIM1; k=rsa", AM_KEY_RSA, "malformed key record", 0},
        {"v=DKIM1; P=" RSA1024, AM_KEY_RSA, "malformed key record", 0},
        {"some text", AM_KEY_RSA, "malformed key record", 0},
        /* k= */
        {"v=DKIM1; k=ed25519; p=" ED25519, AM_KEY_RSA, "key type does not match the algorithm", 0},
        {"v=DKIM1; k=rsa; p=" RSA1024, AM_KEY_ED25519, "key type does not match the algorithm", 0},
        {"v=DKIM1; p=" RSA1024, AM_KEY_ED25519, "key type does not match the algorithm", 0},
        {"v=DKIM1; k=dsa; p=" RSA1024, AM_KEY_RSA, "unknown key type", 0},
        {"v=DKIM1; k=; p=" RSA1024, AM_KEY_RSA, "unknown key type", 0},
        {"v=DKIM1; k=RSA; p=" RSA1024, AM_KEY_RSA, "unknown key type", 0},
        /* p= */
        {"v=DKIM1; p=", AM_KEY_RSA, "key revoked", 0},
        {"v=DKIM1; p= ; k=rsa", AM_KEY_RSA, "key revoked", 0},
        {"v=DKIM1; k=ed25519; p=", AM_KEY_ED25519, "key revoked", 0},
        {"v=DKIM1; p=AAAA", AM_KEY_RSA, "malformed key", 0},
        {"v=DKIM1; p=" RSA1024 "AAAA", AM_KEY_RSA, "malformed key", 0},
        {"v=DKIM1; p=" RSA1024 "!", AM_KEY_RSA, "malformed key", 0},
        {"v=DKIM1; p=" PKCS1 "AAAA", AM_KEY_RSA, "malformed key", 0},
        {"v=DKIM1; p=" ED25519, AM_KEY_RSA, "malformed key", 0},
        {"v=DKIM1; k=ed25519; p=" RSA1024, AM_KEY_ED25519, "malformed key", 0},
        {"v=DKIM1; k=ed25519; p=MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
            AM_KEY_ED25519, "malformed key", 0},
        /* h=, s= */
        {"v=DKIM1; h=sha1; p=" RSA1024, AM_KEY_RSA, "key does not allow sha256", 0},
        {"v=DKIM1; h=; p=" RSA1024, AM_KEY_RSA, "key does not allow sha256", 0},
        {"v=DKIM1; h=SHA256; p=" RSA1024, AM_KEY_RSA, "key does not allow sha256", 0},
        {"v=DKIM1; s=tlsrpt; p=" RSA1024, AM_KEY_RSA, "key is not for email", 0},
        {"v=DKIM1; s=; p=" RSA1024, AM_KEY_RSA, "key is not for email", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        am_arena *a = am_arena_new(0);
        fake_rr rows[] = {{"s._domainkey.example", "TXT", cases[i].record, 0, true}};
        am_context c = {.arena = a, .dns = fake_dns(a, rows, 1, NULL)};
        am_str name = am_key_name(a, AM_STR("S"), AM_STR("Example"));
        am_key_lookup k = am_key_get(&c, "dkim", name, cases[i].type);
        want_str(cases[i].record, am_str_of(k.reason), cases[i].reason);
        want_int(cases[i].record, k.result, *cases[i].reason ? AM_PERMERROR : AM_PASS);
        want_int(cases[i].record, k.key != NULL, !*cases[i].reason);
        want_int(cases[i].record, k.secure, true);
        if (k.key) {
            want_int(cases[i].record, k.key->bits, cases[i].bits);
            want_int(cases[i].record, k.key->type, cases[i].type);
            want_int(cases[i].record, k.key->testing, strstr(cases[i].record, "t=y") != NULL);
            want_int(cases[i].record, k.key->strict_i, strstr(cases[i].record, ":s:") != NULL);
            /* decoded once */
            assert_ptr_equal(am_key_get(&c, "dkim", name, cases[i].type).key, k.key);
        }
        am_dns_end(c.dns);
        am_arena_free(a);
    }
}

/* RFC 6376 6.1.2: 4 leaves it open: the first that is usable. */
static void key_several_records(void **state)
{
    (void)state;
    am_arena *a = am_arena_new(0);
    fake_rr rows[] = {
        {"m._domainkey.example", "TXT", "v=spf1 -all", 0, false},
        {"m._domainkey.example", "TXT", "v=DKIM1; p=", 0, false},
        {"m._domainkey.example", "TXT", "v=DKIM1; k=ed25519; p=" ED25519, 0, false},
        {"m._domainkey.example", "TXT", "v=DKIM1; p=" RSA1024, 0, false},
        {"r._domainkey.example", "TXT", "v=spf1 -all", 0, false},
        {"r._domainkey.example", "TXT", "v=DKIM1; p=", 0, false},
        {"r._domainkey.example", "TXT", "nonsense", 0, false},
        {"none._domainkey.example", "TXT", "NODATA", 0, false},
        {"t._domainkey.example", "TXT", "TEMPFAIL", 0, false},
    };
    am_context c = {.arena = a, .dns = fake_dns(a, rows, sizeof rows / sizeof *rows, NULL)};
    static const struct {
        const char *selector;
        am_key_type type;
        am_result result;
        const char *reason;
    } cases[] = {
        {"m", AM_KEY_RSA, AM_PASS, ""},
        {"m", AM_KEY_ED25519, AM_PASS, ""},
        {"r", AM_KEY_RSA, AM_PERMERROR, "key revoked"},
        {"none", AM_KEY_RSA, AM_PERMERROR, "no key record"},
        {"nx", AM_KEY_RSA, AM_PERMERROR, "no key record"},
        {"t", AM_KEY_RSA, AM_TEMPERROR, "key look-up failed"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        am_str name = am_key_name(a, am_str_of(cases[i].selector), AM_STR("example"));
        am_key_lookup k = am_key_get(&c, "dkim", name, cases[i].type);
        want_int(cases[i].selector, k.result, cases[i].result);
        want_str(cases[i].selector, am_str_of(k.reason), cases[i].reason);
    }
    am_key_lookup k = am_key_get(&c, "dkim", (am_str){NULL, 0}, AM_KEY_RSA);
    want_str("no name", am_str_of(k.reason), "no key record");
    am_dns_end(c.dns);
    am_arena_free(a);
}

static void key_names(void **state)
{
    (void)state;
    am_arena *a = am_arena_new(0);
    want_str("plain", am_key_name(a, AM_STR("foo.bar"), AM_STR("Example.COM")),
        "foo.bar._domainkey.example.com");
    want_str("U-labels",
        am_key_name(a, AM_STR("s\xc3\xa9l"),
            AM_STR("b\xc3\xbc"
                   "cher.example")),
        "xn--sl-bja._domainkey.xn--bcher-kva.example");
    char label[64], domain[260];
    memset(label, 'x', 63);
    label[63] = '\0';
    snprintf(domain, sizeof domain, "%s.%s.%s.%.50s", label, label, label, label);
    assert_null(am_key_name(a, AM_STR("selector"), am_str_of(domain)).p);
    assert_null(am_key_name(a, AM_STR(""), AM_STR("example")).p);
    assert_null(am_key_name(a, AM_STR("a b"), AM_STR("example")).p);
    assert_null(am_key_name(a, AM_STR("a"), (am_str){NULL, 0}).p);
    am_arena_free(a);
}

/* Changes to a sound key that make it unsound: at an octet of the DER, another value. */
static void rsa_der_is_read_strictly(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        size_t at;
        unsigned char octet;
    } cases[] = {
        {"outer tag", 0, 0x31},
        {"outer length", 2, 0x9e},
        {"outer length, long", 2, 0xa0},
        {"indefinite length", 1, 0x80},
        {"length of lengths", 1, 0x83},
        {"algorithm tag", 3, 0x31},
        {"other object", 15, 0x0a}, /* RSASSA-PSS */
        {"parameters not NULL", 16, 0x04},
        {"bit string tag", 18, 0x04},
        {"unused bits", 21, 0x01},
        {"key tag", 22, 0x02},
        {"key length", 24, 0x88},
        {"modulus tag", 25, 0x03},
        {"sign", 28, 0x80},
        {"more zeros than needed", 29, 0x00},
        {"even modulus", 156, 0xdc},
        {"exponent tag", 157, 0x04},
        {"exponent length", 158, 0x02},
        {"negative exponent", 159, 0x81},
        {"even exponent", 161, 0x00},
    };
    am_arena *a = am_arena_new(0);
    am_str der;
    unsigned bits;
    assert_true(am_base64_decode(a, AM_STR(RSA1024), &der));
    assert_int_equal(der.n, 162);
    void *key = am_key_rsa_decode(der, &bits);
    assert_non_null(key);
    EVP_PKEY_free(key);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned char *copy = (unsigned char *)am_arena_copy(a, der.p, der.n);
        assert_int_not_equal(copy[cases[i].at], cases[i].octet);
        copy[cases[i].at] = cases[i].octet;
        key = am_key_rsa_decode(am_str_n(copy, der.n), &bits);
        want_int(cases[i].what, key != NULL, false);
        want_int(cases[i].what, bits, 0);
    }
    /* Junk behind the key: of either shape, and within the bit string. */
    am_str pkcs1 = am_str_cut(der, 22, der.n);
    key = am_key_rsa_decode(pkcs1, &bits);
    assert_non_null(key);
    EVP_PKEY_free(key);
    unsigned char *longer = am_arena_alloc(a, der.n + 1);
    memcpy(longer, der.p, der.n);
    longer[der.n] = 0x05;
    assert_null(am_key_rsa_decode(am_str_n(longer + 22, pkcs1.n + 1), &bits));
    assert_null(am_key_rsa_decode(am_str_n(longer, der.n + 1), &bits));
    longer[2]++, longer[20]++;
    assert_null(am_key_rsa_decode(am_str_n(longer, der.n + 1), &bits));
    for (size_t n = 0; n < der.n; n++) { /* every cut */
        void *copy = am_arena_copy(a, der.p, n);
        assert_null(am_key_rsa_decode(am_str_n(copy, n), &bits));
    }
    am_arena_free(a);
}

static void rsa_nonsense(void **state)
{
    (void)state;
    static const struct {
        const char *what, *der;
        size_t n;
        unsigned bits;
    } cases[] = {
#define BYTES(s) s, sizeof(s) - 1
        {"empty", BYTES(""), 0},
        {"empty sequence", BYTES("\x30\x00"), 0},
        {"tiny modulus", BYTES("\x30\x06\x02\x01\x0f\x02\x01\x03"), 0},
        {"no exponent", BYTES("\x30\x03\x02\x01\x0f"), 0},
        {"empty integers", BYTES("\x30\x04\x02\x00\x02\x00"), 0},
        {"zero integers", BYTES("\x30\x06\x02\x01\x00\x02\x01\x00"), 0},
        {"256 bits", /* 33 octets with its sign */
            BYTES("\x30\x26\x02\x21\x00"
                  "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
                  "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
                  "\x02\x01\x03"),
            256},
        {"exponent 1",
            BYTES("\x30\x26\x02\x21\x00"
                  "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
                  "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
                  "\x02\x01\x01"),
            0},
        {"exponent of 9 octets",
            BYTES("\x30\x2e\x02\x21\x00"
                  "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
                  "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
                  "\x02\x09\x01\x01\x01\x01\x01\x01\x01\x01\x01"),
            0},
        {"a third number",
            BYTES("\x30\x29\x02\x21\x00"
                  "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
                  "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
                  "\x02\x01\x03\x02\x01\x03"),
            0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned bits;
        void *key = am_key_rsa_decode(am_str_n(cases[i].der, cases[i].n), &bits);
        want_int(cases[i].what, bits, cases[i].bits);
        want_int(cases[i].what, key != NULL, cases[i].bits != 0);
        EVP_PKEY_free(key);
    }
}

/* The bound: 16384 bits, and not one more. */
static void rsa_huge(void **state)
{
    (void)state;
    for (size_t octets = 2048; octets <= 2049; octets++) {
        unsigned char der[2100] = {0x30, 0x82, 0, 0, 0x02, 0x82, 0, 0, 0};
        size_t modulus = octets + 1, whole = 4 + modulus + 3;
        der[2] = (unsigned char)(whole >> 8), der[3] = (unsigned char)whole;
        der[6] = (unsigned char)(modulus >> 8), der[7] = (unsigned char)modulus;
        memset(der + 9, 0xff, octets);
        memcpy(der + 9 + octets, "\x02\x01\x03", 3);
        unsigned bits;
        void *key = am_key_rsa_decode(am_str_n(der, 4 + whole), &bits);
        want_int("16384 bits", key != NULL, octets == 2048);
        want_int("16384 bits", bits, octets == 2048 ? 16384 : 0);
        EVP_PKEY_free(key);
    }
}

/* OpenSSL writes a key, we read it; SubjectPublicKeyInfo with and without NULL, and PKCS#1. */
static void rsa_shapes(void **state)
{
    (void)state;
    am_arena *a = am_arena_new(0);
    static const unsigned sizes[] = {512, 1024, 1030, 2048};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        EVP_PKEY *made = rsa_key(sizes[i]);
        am_str der = spki_der(a, made);
        unsigned bits;
        EVP_PKEY *read = am_key_rsa_decode(der, &bits);
        assert_non_null(read);
        want_int("bits", bits, sizes[i]);
        assert_int_equal(EVP_PKEY_eq(made, read), 1);
        EVP_PKEY_free(read);
        EVP_PKEY_free(made);
    }
    am_str der;
    unsigned bits;
    assert_true(am_base64_decode(a, AM_STR(RSA1024), &der));
    unsigned char *bare = (unsigned char *)am_arena_copy(a, der.p, der.n);
    memmove(bare + 16, bare + 18, der.n - 18); /* NULL left out */
    bare[2] -= 2, bare[4] -= 2;
    void *key = am_key_rsa_decode(am_str_n(bare, der.n - 2), &bits);
    assert_non_null(key);
    EVP_PKEY_free(key);
    am_arena_free(a);
}

static void verify_table(void **state)
{
    (void)state;
    am_arena *a = am_arena_new(0);
    EVP_PKEY *rsa = rsa_key(1024), *ed = ed25519_key();
    const am_key keys[] = {{.type = AM_KEY_RSA, .pkey = rsa}, {.type = AM_KEY_ED25519, .pkey = ed}};
    for (int i = 0; i < 2; i++) {
        EVP_MD_CTX *c = EVP_MD_CTX_new();
        unsigned char digest[32], sig[256];
        size_t n = sizeof sig;
        EVP_Digest("data", 4, digest, NULL, EVP_sha256(), NULL);
        if (keys[i].type == AM_KEY_RSA) {
            EVP_DigestSignInit(c, NULL, EVP_sha256(), NULL, rsa);
            EVP_DigestSign(c, sig, &n, (const unsigned char *)"data", 4);
        } else {
            EVP_DigestSignInit(c, NULL, NULL, NULL, ed);
            EVP_DigestSign(c, sig, &n, digest, 32);
        }
        EVP_MD_CTX_free(c);
        am_str s = am_str_n(sig, n);
        want_int("good", am_verify_digest(&keys[i], digest, s), AM_VERIFY_GOOD);
        want_int(
            "short", am_verify_digest(&keys[i], digest, am_str_cut(s, 0, n - 1)), AM_VERIFY_BAD);
        want_int("long", am_verify_digest(&keys[i], digest, am_str_n(sig, n + 1)), AM_VERIFY_BAD);
        want_int("one octet", am_verify_digest(&keys[i], digest, am_str_n(sig, 1)), AM_VERIFY_BAD);
        want_int("empty", am_verify_digest(&keys[i], digest, AM_STR("")), AM_VERIFY_BAD);
        for (size_t bit = 0; bit < n * 8; bit += 37) {
            sig[bit / 8] ^= (unsigned char)(1 << bit % 8);
            want_int("bit", am_verify_digest(&keys[i], digest, s), AM_VERIFY_BAD);
            sig[bit / 8] ^= (unsigned char)(1 << bit % 8);
        }
        digest[31] ^= 1;
        want_int("other data", am_verify_digest(&keys[i], digest, s), AM_VERIFY_BAD);
    }
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(ed);
    am_arena_free(a);
}

/* ---- Keys are kept with an answer of the DNS, and used by whoever needs them. ---- */

typedef struct work {
    const am_key *key;
    const unsigned char *digest;
    am_str good;
    unsigned wrong;
} work;

static void *verify_often(void *arg)
{
    work *w = arg;
    for (int i = 0; i < 40; i++) {
        unsigned char other[32] = {(unsigned char)i};
        w->wrong += am_verify_digest(w->key, w->digest, w->good) != AM_VERIFY_GOOD;
        w->wrong += am_verify_digest(w->key, other, w->good) != AM_VERIFY_BAD;
    }
    return NULL;
}

static void one_key_many_threads(void **state)
{
    (void)state;
    am_arena *a = am_arena_new(0);
    EVP_PKEY *private_key[] = {rsa_key(1024), ed25519_key()};
    for (int k = 0; k < 2; k++) {
        EVP_MD_CTX *c = EVP_MD_CTX_new();
        unsigned char digest[32], sig[128], raw[32];
        size_t n = sizeof sig, raw_n = sizeof raw;
        am_key key = {.type = k ? AM_KEY_ED25519 : AM_KEY_RSA};
        EVP_Digest("data", 4, digest, NULL, EVP_sha256(), NULL);
        EVP_DigestSignInit(c, NULL, k ? NULL : EVP_sha256(), NULL, private_key[k]);
        EVP_DigestSign(c, sig, &n, k ? digest : (const unsigned char *)"data", k ? 32 : 4);
        EVP_MD_CTX_free(c);
        if (k && EVP_PKEY_get_raw_public_key(private_key[k], raw, &raw_n) == 1)
            key.pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, raw, raw_n);
        else if (!k)
            key.pkey = am_key_rsa_decode(spki_der(a, private_key[k]), &key.bits);
        pthread_t thread[4];
        work w[4];
        for (int i = 0; i < 4; i++) {
            w[i] = (work){&key, digest, am_str_n(sig, n), 0};
            assert_int_equal(pthread_create(&thread[i], NULL, verify_often, &w[i]), 0);
        }
        for (int i = 0; i < 4; i++) {
            pthread_join(thread[i], NULL);
            want_int("wrong", w[i].wrong, 0);
        }
        EVP_PKEY_free(key.pkey);
        EVP_PKEY_free(private_key[k]);
    }
    am_arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc6376_3_4_5),
        cmocka_unit_test(body_table),
        cmocka_unit_test(every_short_text),
        cmocka_unit_test(long_texts),
        cmocka_unit_test(signature_table),
        cmocka_unit_test(long_names_and_crlf),
        cmocka_unit_test(bodies_empty),
        cmocka_unit_test(bodies_every_length),
        cmocka_unit_test(bodies_without_memory),
        cmocka_unit_test(headhash_order),
        cmocka_unit_test(headhash_long_names),
        cmocka_unit_test(headhash_without_memory),
        cmocka_unit_test(key_table),
        cmocka_unit_test(key_several_records),
        cmocka_unit_test(key_names),
        cmocka_unit_test(rsa_der_is_read_strictly),
        cmocka_unit_test(rsa_nonsense),
        cmocka_unit_test(rsa_huge),
        cmocka_unit_test(rsa_shapes),
        cmocka_unit_test(verify_table),
        cmocka_unit_test(one_key_many_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
