/*
 * sealed: signs what the input says.
 *
 * For: the targets dkim and arc. Waits: never. Memory: the caller's arena; keys are kept. Callers:
 * one thread.
 */
#include "fuzz/sealed.h"
#include "libauth/base/base64.h"
#include "libauth/base/lex.h"
#include "t/unit/signer.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_FIELDS = 90 };

void *sealed_key(char kind)
{
    static EVP_PKEY *rsa, *ed;
    static const unsigned char secret[32] = "only for tests, never a secret!!";
    if (kind == 'r' && !rsa)
        rsa = rsa_key(1024);
    if (kind != 'r' && !ed)
        ed = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, secret, sizeof secret);
    return kind == 'r' ? rsa : ed;
}

am_str sealed_record(am_arena *a, char kind)
{
    am_str key = key_base64(a, sealed_key(kind));
    return am_str_format(a, "v=DKIM1; k=%s; p=%.*s", kind == 'r' ? "rsa" : "ed25519", AM_ARG(key));
}

static bool is_field(am_str raw)
{
    size_t colon = am_str_find(raw, ':');
    am_str name = am_str_cut(raw, 0, colon);
    if (colon == raw.n || memchr(raw.p, '\0', raw.n))
        return false;
    while (name.n && am_is(name.p[name.n - 1], AM_WSP))
        name.n--;
    for (size_t i = 0; i < name.n; i++)
        if (!am_is(name.p[i], AM_FTEXT))
            return false;
    return name.n > 0;
}

static bool is_end(am_str s, size_t i)
{
    return i == s.n || (s.p[i] == '\n' && !(i + 1 < s.n && am_is(s.p[i + 1], AM_WSP)));
}

void sealed_fields(am_header *h, am_str text)
{
    for (size_t from = 0, i = 0; i <= text.n && h->n < MAX_FIELDS; i++)
        if (is_end(text, i)) {
            am_str raw = am_str_cut(text, from, i);
            if (raw.n && is_field(raw))
                am_header_add_raw(h, raw);
            from = i + 1;
        }
}

static size_t count(am_str s, am_str mark)
{
    size_t n = 0;
    for (size_t i = 0; i + mark.n <= s.n; i++)
        n += memcmp(s.p + i, mark.p, mark.n) == 0;
    return n;
}

static am_str replace(am_arena *a, am_str s, am_str mark, am_str by)
{
    am_buf out = {.arena = a};
    am_buf_add(&out, "", 0);
    for (size_t i = 0; i < s.n; i++)
        if (s.n - i >= mark.n && memcmp(s.p + i, mark.p, mark.n) == 0) {
            am_buf_str(&out, by);
            i += mark.n - 1;
        } else {
            am_buf_char(&out, s.p[i]);
        }
    return am_buf_get(&out);
}

/* Are the marks the whole values of b= and bh=, and nowhere else, and is it that key's? */
static bool marks_fit(am_arena *a, char key, am_sigkind kind, am_str text, am_signature *s)
{
    const char *name = key == 'r' ? "r._domainkey.example.org" : "e._domainkey.example.org";
    static const am_str b = {"@B@", 3}, bh = {"@BH@", 4};
    if (count(text, b) != 1 || count(text, bh) != 1 || memchr(text.p, 0, text.n))
        return false;
    size_t at =
        0; /* RFC 6376 3.7: the white space round the value goes, too; the signer keeps it */
    while (memcmp(text.p + at, b.p, b.n) != 0)
        at++;
    if (at == 0 || text.p[at - 1] != '=' || (at + b.n < text.n && text.p[at + b.n] != ';'))
        return false;
    am_str sample = replace(a, replace(a, text, b, AM_STR("QkJC")), bh, AM_STR("SEhI"));
    *s = am_signature_parse(a, kind, sample);
    return !s->fault && am_str_is(s->key_name, name) && am_str_is(s->data, "BBB") &&
           am_str_is(s->hash, "HHH");
}

/* h= as t/unit/signer.h wants it. */
static const char *bare_names(am_arena *a, am_str names)
{
    am_buf out = {.arena = a};
    am_buf_add(&out, "", 0);
    for (size_t i = 0; i < names.n; i++)
        if (!am_is(names.p[i], AM_FWS))
            am_buf_char(&out, names.p[i]);
    return am_buf_get(&out).p;
}

bool sealed_sign(am_arena *a, char key, am_sigkind kind, const char *name, am_str text,
    const am_header *h, am_str body, am_str *out)
{
    am_signature s;
    const char *raw[MAX_FIELDS + 1] = {NULL};
    *out = text;
    if (!marks_fit(a, key, kind, text, &s) || h->n > MAX_FIELDS)
        return false;
    for (size_t i = 0; i < h->n; i++)
        raw[i] = am_arena_copy(a, h->field[i].raw.p, h->field[i].raw.n);
    signing how = {.key = sealed_key(key),
        .field = am_str_format(a, "%s:%.*s", name, AM_ARG(text)).p,
        .names = bare_names(a, s.names),
        .relaxed_header = s.header == AM_RELAXED,
        .relaxed_body = s.body == AM_RELAXED,
        .length = s.length == AM_BODY_WHOLE ? -1
                  : s.length > 1000000      ? 1000000
                                            : (long)s.length,
        .raw = raw,
        .body = body};
    am_str field = sign_message(a, &how);
    size_t n = strlen(name) + 1;
    *out = am_str_cut(field, n, field.n);
    return true;
}
