/*
 * signer: makes signed messages for the tests of sig, dkim and arc.
 *
 * A second reading of RFC 6376 3.4, 3.7 and RFC 8463 3: one rule after the other
 * over the whole text, so that it can be compared with the RFC by eye. Any error
 * is an assertion. Memory: the caller's arena.
 */
#include "t/unit/signer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/x509.h>

enum { MAX_FIELDS = 200 };

static bool wsp(char c)
{
    return c == ' ' || c == '\t';
}

static am_str text_of(am_buf *b)
{
    if (b->failed)
        abort();
    return am_buf_get(b);
}

/* Runs of white space to one SP. */
static am_str reduce(am_arena *a, am_str s)
{
    am_buf out = {.arena = a};
    for (size_t i = 0; i < s.n; i++)
        if (!wsp(s.p[i]))
            am_buf_char(&out, s.p[i]);
        else if (i == 0 || !wsp(s.p[i - 1]))
            am_buf_char(&out, ' ');
    return text_of(&out);
}

am_str ref_field(am_arena *a, bool relaxed, am_str raw)
{
    if (!relaxed)
        return raw;
    size_t colon = am_str_find(raw, ':');
    am_str name = am_str_cut(raw, 0, colon), value = am_str_cut(raw, colon + 1, raw.n);
    while (name.n && wsp(name.p[name.n - 1]))
        name.n--;
    am_buf unfolded = {.arena = a};
    for (size_t i = 0; i < value.n; i++)
        if (i + 2 < value.n && memcmp(value.p + i, "\r\n", 2) == 0 && wsp(value.p[i + 2]))
            i++;
        else
            am_buf_char(&unfolded, value.p[i]);
    value = reduce(a, text_of(&unfolded));
    while (value.n && wsp(value.p[value.n - 1]))
        value.n--;
    while (value.n && wsp(value.p[0]))
        value = am_str_cut(value, 1, value.n);
    return am_str_format(a, "%.*s:%.*s", AM_ARG(am_str_lower(a, name)), AM_ARG(value));
}

/* RFC 6376 3.4.4 a, a line at a time. */
static am_str reduce_lines(am_arena *a, am_str body)
{
    am_buf out = {.arena = a};
    size_t from = 0;
    for (size_t i = 0; i <= body.n; i++) {
        bool end = i + 1 < body.n && memcmp(body.p + i, "\r\n", 2) == 0;
        if (!end && i < body.n)
            continue;
        am_str line = am_str_cut(body, from, i);
        while (line.n && wsp(line.p[line.n - 1]))
            line.n--;
        am_buf_str(&out, reduce(a, line));
        if (end)
            am_buf_cstr(&out, "\r\n");
        from = i + 2;
        i += end;
    }
    return text_of(&out);
}

am_str ref_body(am_arena *a, bool relaxed, am_str body)
{
    if (relaxed)
        body = reduce_lines(a, body);
    while (body.n >= 2 && memcmp(body.p + body.n - 2, "\r\n", 2) == 0)
        body.n -= 2;
    am_buf out = {.arena = a};
    am_buf_str(&out, body);
    if (body.n || !relaxed)
        am_buf_cstr(&out, "\r\n");
    return text_of(&out);
}

am_str base64_of(am_arena *a, am_str s)
{
    size_t room = (s.n + 2) / 3 * 4 + 1;
    unsigned char *out = am_arena_alloc(a, room);
    int n = EVP_EncodeBlock(out, (const unsigned char *)s.p, (int)s.n);
    return am_str_n(out, (size_t)n);
}

static am_str sha256(am_arena *a, am_str s)
{
    unsigned char *out = am_arena_alloc(a, 32);
    int ok = EVP_Digest(s.p, s.n, out, NULL, EVP_sha256(), NULL);
    assert(ok == 1);
    (void)ok;
    return am_str_n(out, 32);
}

static am_str replace(am_arena *a, am_str s, const char *mark, am_str by)
{
    size_t n = strlen(mark);
    am_buf out = {.arena = a};
    for (size_t i = 0; i < s.n; i++)
        if (s.n - i >= n && memcmp(s.p + i, mark, n) == 0) {
            am_buf_str(&out, by);
            i += n - 1;
        } else {
            am_buf_char(&out, s.p[i]);
        }
    return text_of(&out);
}

/* For each name the lowest field not used yet. */
static am_str header_data(am_arena *a, const signing *s)
{
    bool used[MAX_FIELDS] = {false};
    am_buf out = {.arena = a};
    am_str names = am_str_of(s->names);
    size_t n = 0;
    while (s->raw[n])
        n++;
    assert(n < MAX_FIELDS);
    while (names.n) {
        size_t end = am_str_find(names, ':');
        am_str name = am_str_cut(names, 0, end);
        names = am_str_cut(names, end + 1, names.n);
        for (size_t i = n; i > 0; i--) {
            am_str raw = am_str_of(s->raw[i - 1]);
            am_str own = am_str_trim(am_str_cut(raw, 0, am_str_find(raw, ':')));
            if (used[i - 1] || !am_str_ieq(own, name))
                continue;
            used[i - 1] = true;
            am_buf_str(&out, ref_field(a, s->relaxed_header, raw));
            am_buf_cstr(&out, "\r\n");
            break;
        }
    }
    return text_of(&out);
}

static am_str make_signature(am_arena *a, EVP_PKEY *key, am_str data)
{
    bool rsa = EVP_PKEY_is_a(key, "RSA");
    am_str input = rsa ? data : sha256(a, data); /* RFC 8463 3: over the digest */
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    size_t n = 4096;
    unsigned char *out = am_arena_alloc(a, n);
    int ok = EVP_DigestSignInit(c, NULL, rsa ? EVP_sha256() : NULL, NULL, key);
    ok = ok == 1 ? EVP_DigestSign(c, out, &n, (const unsigned char *)input.p, input.n) : ok;
    assert(ok == 1);
    (void)ok;
    EVP_MD_CTX_free(c);
    return am_str_n(out, n);
}

am_str sign_message(am_arena *a, const signing *s)
{
    am_str body = ref_body(a, s->relaxed_body, s->body);
    if (s->length >= 0)
        body = am_str_cut(body, 0, (size_t)s->length);
    am_str field = replace(a, am_str_of(s->field), "@BH@", base64_of(a, sha256(a, body)));
    am_str bare = replace(a, field, "@B@", AM_STR(""));
    am_buf data = {.arena = a};
    am_buf_str(&data, header_data(a, s));
    am_buf_str(&data, ref_field(a, s->relaxed_header, bare));
    am_str b = make_signature(a, s->key, text_of(&data));
    return replace(a, field, "@B@", base64_of(a, b));
}

EVP_PKEY *rsa_key(size_t bits)
{
    return EVP_PKEY_Q_keygen(NULL, NULL, "RSA", bits);
}

EVP_PKEY *ed25519_key(void)
{
    return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
}

am_str spki_der(am_arena *a, EVP_PKEY *key)
{
    unsigned char *der = NULL;
    int n = i2d_PUBKEY(key, &der);
    assert(n > 0);
    am_str out = am_str_n(am_arena_copy(a, der, (size_t)n), (size_t)n);
    OPENSSL_free(der);
    return out;
}

am_str key_base64(am_arena *a, EVP_PKEY *key)
{
    unsigned char raw[32];
    size_t n = sizeof raw;
    if (EVP_PKEY_is_a(key, "RSA"))
        return base64_of(a, spki_der(a, key));
    int ok = EVP_PKEY_get_raw_public_key(key, raw, &n);
    assert(ok == 1);
    (void)ok;
    return base64_of(a, am_str_n(raw, n));
}
