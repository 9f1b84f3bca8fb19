/*
 * rsa: an RSA public key from its DER, read strictly.
 *
 * For: p= of key records. RFC 6376 3.6.1 has PKCS#1's RSAPublicKey (RFC 8017
 * A.1.1); what is published is nearly always SubjectPublicKeyInfo (RFC 5280
 * 4.1, RFC 3279 2.3.1). Only these two shapes are read, by hand: OpenSSL's own
 * decoders try every kind of key there is, take twenty times as long, and let
 * octets behind the key pass. Waits: never. Memory: an EVP_PKEY that the caller
 * frees. Callers: key.
 */
#include "libauth/sig/key.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include <string.h>

enum {
    DER_INTEGER = 0x02,
    DER_BIT_STRING = 0x03,
    DER_SEQUENCE = 0x30,
    MIN_BITS = 256,   /* less is no key, but a joke */
    MAX_BITS = 16384, /* more is refused by OpenSSL too */
    MAX_EXPONENT = 8, /* octets */
};

/* Takes one element of that tag off *in: definite length, in the fewest octets. */
static bool take(am_str *in, unsigned char tag, am_str *body)
{
    const unsigned char *p = (const unsigned char *)in->p;
    size_t head = 2, len;
    if (in->n < 2 || p[0] != tag)
        return false;
    len = p[1];
    if (len & 0x80) {
        size_t octets = len & 0x7f;
        if (octets < 1 || octets > 2 || in->n < 2 + octets)
            return false;
        len = octets == 1 ? p[2] : (size_t)p[2] << 8 | p[3];
        head += octets;
        if (len < (octets == 1 ? 0x80U : 0x100U))
            return false;
    }
    if (len > in->n - head)
        return false;
    *body = am_str_cut(*in, head, head + len);
    *in = am_str_cut(*in, head + len, in->n);
    return true;
}

/* A positive INTEGER in the fewest octets, its sign octet dropped. */
static bool take_positive(am_str *in, am_str *number)
{
    if (!take(in, DER_INTEGER, number) || number->n == 0)
        return false;
    const unsigned char *p = (const unsigned char *)number->p;
    if (p[0] & 0x80)
        return false;
    if (p[0] == 0) {
        if (number->n == 1 || !(p[1] & 0x80))
            return false;
        *number = am_str_cut(*number, 1, number->n);
    }
    return true;
}

/* RSAPublicKey: SEQUENCE { modulus INTEGER, publicExponent INTEGER }, and nothing else. */
static bool read_pkcs1(am_str der, am_str *modulus, am_str *exponent)
{
    am_str body;
    return take(&der, DER_SEQUENCE, &body) && der.n == 0 && take_positive(&body, modulus) &&
           take_positive(&body, exponent) && body.n == 0;
}

/* SubjectPublicKeyInfo: SEQUENCE { SEQUENCE { rsaEncryption, NULL }, BIT STRING { key } } */
static bool unwrap_spki(am_str der, am_str *pkcs1)
{
    static const char rsa[] = "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";
    am_str body, algorithm, bits;
    if (!take(&der, DER_SEQUENCE, &body) || der.n || !take(&body, DER_SEQUENCE, &algorithm) ||
        !take(&body, DER_BIT_STRING, &bits) || body.n || bits.n < 1 || bits.p[0] != 0)
        return false;
    /* RFC 3279 2.3.1 wants the NULL; keys without it are seen. */
    if (!am_str_eq(algorithm, am_str_n(rsa, 13)) && !am_str_eq(algorithm, am_str_n(rsa, 11)))
        return false;
    *pkcs1 = am_str_cut(bits, 1, bits.n);
    return true;
}

static unsigned bits_of(am_str number)
{
    unsigned bits = (unsigned)number.n * 8;
    for (unsigned char top = (unsigned char)number.p[0]; !(top & 0x80);
         top = (unsigned char)(top << 1))
        bits--;
    return bits;
}

/* RFC 8017 3.1: both are odd, and the exponent lies between 3 and the modulus. */
static bool sane(am_str modulus, am_str exponent)
{
    unsigned bits = bits_of(modulus);
    return bits >= MIN_BITS && bits <= MAX_BITS && exponent.n <= MAX_EXPONENT &&
           (modulus.p[modulus.n - 1] & 1) && (exponent.p[exponent.n - 1] & 1) &&
           bits_of(exponent) > 1;
}

static EVP_PKEY *build(am_str modulus, am_str exponent)
{
    EVP_PKEY *key = NULL;
    OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
    EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    BIGNUM *n = BN_bin2bn((const unsigned char *)modulus.p, (int)modulus.n, NULL);
    BIGNUM *e = BN_bin2bn((const unsigned char *)exponent.p, (int)exponent.n, NULL);
    OSSL_PARAM *p = NULL;
    if (b && c && n && e && OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_N, n) == 1 &&
        OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_E, e) == 1)
        p = OSSL_PARAM_BLD_to_param(b);
    if (p && EVP_PKEY_fromdata_init(c) == 1 &&
        EVP_PKEY_fromdata(c, &key, EVP_PKEY_PUBLIC_KEY, p) != 1)
        key = NULL;
    OSSL_PARAM_free(p);
    BN_free(n);
    BN_free(e);
    EVP_PKEY_CTX_free(c);
    OSSL_PARAM_BLD_free(b);
    return key;
}

void *am_key_rsa_decode(am_str der, unsigned *bits)
{
    am_str pkcs1, modulus, exponent;
    *bits = 0;
    if (unwrap_spki(der, &pkcs1))
        der = pkcs1;
    if (!read_pkcs1(der, &modulus, &exponent) || !sane(modulus, exponent))
        return NULL;
    *bits = bits_of(modulus);
    return build(modulus, exponent);
}
