/*
 * fuzz_key: key records, and the keys in them.
 *
 * Holds: a key that may be used is of the kind that was asked for, and whole. Input: TXT records,
 * separated by LF; the first octet "d": the rest is an RSA key in DER.
 */
#include "fuzz/fuzz.h"
#include "fuzz/scene.h"
#include "libauth/sig/key.h"

#include <openssl/evp.h>

static void look_at_der(am_str der)
{
    unsigned bits = 0;
    EVP_PKEY *key = am_key_rsa_decode(der, &bits);
    FUZZ_NEED(!key || (bits > 0 && bits <= 16384 && bits == (unsigned)EVP_PKEY_get_bits(key)));
    EVP_PKEY_free(key);
}

static void add_row(am_arena *a, fake_zone *z, am_str data)
{
    am_buf row = {.arena = a};
    am_buf_cstr(&row, "s._domainkey.example TXT ");
    am_buf_str(&row, data);
    fake_zone_row(z, am_buf_get(&row));
}

static void look_at_key(const am_context *c, am_key_type type)
{
    am_str name = am_key_name(c->arena, AM_STR("s"), AM_STR("example"));
    am_key_lookup k = am_key_get(c, "dkim", name, type);
    FUZZ_NEED(k.result == AM_PASS || k.result == AM_TEMPERROR || k.result == AM_PERMERROR);
    FUZZ_NEED((k.result == AM_PASS) == (k.key != NULL) && k.reason);
    if (!k.key)
        return;
    FUZZ_NEED(k.key->type == type && k.key->pkey && k.key->for_email && k.key->allows_sha256);
    FUZZ_NEED(type == AM_KEY_ED25519 ? k.key->bits == 256 : k.key->bits <= 16384);
    FUZZ_NEED(type == AM_KEY_ED25519 || (unsigned)EVP_PKEY_get_bits(k.key->pkey) == k.key->bits);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    am_str in = am_str_n(data, size);
    if (in.n && *in.p == 'd') {
        look_at_der(am_str_cut(in, 1, in.n));
        return 0;
    }
    am_arena *a = am_arena_new(0);
    fake_zone *z = fake_zone_new();
    while (in.n)
        add_row(a, z, fuzz_line(&in));
    am_context c = {a, am_dns_begin(fake_zone_dns(z), a, NULL, NULL), NULL, SCENE_NOW};
    look_at_key(&c, AM_KEY_RSA);
    look_at_key(&c, AM_KEY_ED25519);
    am_dns_end(c.dns);
    fake_zone_free(z);
    am_arena_free(a);
    return 0;
}
