/*
 * tls: what the MTA tells of TLS, as a verdict.
 *
 * RFC 3207; weakness as RFC 8996, 7465 and 9325 have it. Waits: never. Memory: the
 * caller's arena. Callers: the pipeline of a message.
 */
#include "libauth/ident/tls.h"
#include "libauth/base/lex.h"

#include <string.h>

enum { LEAST_BITS = 112 }; /* RFC 9325 4.1 */

static const char *const old_versions[] = {
    "SSLv2", "SSLv3", "TLSv1", "TLSv1.0", "TLSv1.1", "TLS1.0", "TLS1.1"};

/* Words of a cipher's name, as OpenSSL ("DES-CBC3-SHA") and IANA ("TLS_RSA_WITH_RC4_128_SHA")
 * spell them. */
static const char *const weak_words[] = {"NULL", "EXP", "EXPORT", "EXPORT40", "EXPORT56",
    "EXPORT1024", "RC2", "RC4", "DES", "3DES", "DES40", "IDEA"};

/* Takes the next run of letters and digits off *rest. */
static bool next_word(am_str *rest, am_str *word)
{
    size_t i = 0, end;
    while (i < rest->n && !am_is(rest->p[i], AM_ALNUM))
        i++;
    for (end = i; end < rest->n && am_is(rest->p[end], AM_ALNUM);)
        end++;
    *word = am_str_cut(*rest, i, end);
    *rest = am_str_cut(*rest, end, rest->n);
    return word->n > 0;
}

static bool weak_cipher(am_str name)
{
    am_str word;
    while (next_word(&name, &word))
        for (size_t i = 0; i < sizeof weak_words / sizeof *weak_words; i++)
            if (am_str_iis(word, weak_words[i]))
                return true;
    return false;
}

static bool old_version(am_str version)
{
    for (size_t i = 0; i < sizeof old_versions / sizeof *old_versions; i++)
        if (am_str_iis(version, old_versions[i]))
            return true;
    return false;
}

/* "" where nothing is weak. */
static const char *weakness(const am_tls_verdict *v)
{
    if (old_version(v->version))
        return "protocol older than TLS 1.2";
    if (weak_cipher(v->cipher))
        return "weak cipher";
    return v->bits && v->bits < LEAST_BITS ? "cipher of less than 112 bits" : "";
}

static am_str keep(am_arena *a, am_str s)
{
    s = am_str_trim(s);
    return s.n ? am_str_copy(a, s) : AM_STR("");
}

am_tls_verdict am_tls_check(am_arena *a, const am_tls_query *q)
{
    static const am_tls_verdict nothing = {.result = AM_NONE,
        .version = {"", 0},
        .cipher = {"", 0},
        .subject = {"", 0},
        .issuer = {"", 0},
        .reason = ""};
    am_tls_verdict v = nothing;
    uint64_t bits = 0;
    v.version = keep(a, q->version);
    v.cipher = keep(a, q->cipher);
    if (!am_arena_failed(a) && !v.version.n && !v.cipher.n)
        return v;
    v.result = AM_PASS;
    if (am_str_number(am_str_trim(q->bits), 5, &bits))
        v.bits = (unsigned)bits;
    v.verified = am_str_iis(am_str_trim(q->verify), "OK");
    if (v.verified) {
        v.subject = keep(a, q->subject);
        v.issuer = keep(a, q->issuer);
    }
    v.reason = weakness(&v);
    v.weak = *v.reason != '\0';
    if (!am_arena_failed(a))
        return v;
    v = nothing;
    v.reason = "out of memory";
    return v;
}
