/*
 * fuzz_arc: ARC sets, sealed on the way in.
 *
 * Holds: a verdict is a verdict; a chain over which everything was computed by the letter of RFC
 * 8617 5.1 is not a bad signature; a chain whose sealed fields were changed does not pass. Input,
 * in parts that an empty line separates: options; header fields; the body; then for each set the
 * values of AAR, AMS and AS, with @BH@ and @B@. Options: x: change the body in the end, y: the
 * first AAR; n: no sealing.
 */
#include "fuzz/fuzz.h"
#include "fuzz/scene.h"
#include "fuzz/sealed.h"
#include "libauth/arc/set.h"
#include "libauth/base/base64.h"
#include "t/unit/signer.h"

#include <string.h>

enum { SETS = 5 };

static const char *const names[] = {
    "ARC-Authentication-Results", "ARC-Message-Signature", "ARC-Seal"};

typedef struct input {
    bool opt[256];
    am_header h; /* the sets, the latest on top, and the fields below */
    am_str field[SETS][3];
    size_t sets;
    am_str body;
    bool sealed; /* each of the signatures was made */
} input;

/* RFC 8617 5.1.1: AAR, AMS and AS of each set in turn, relaxed; the last AS with an empty b=. */
static bool seal(am_arena *a, input *x, size_t n)
{
    am_str *as = &x->field[n][2], rest = *as;
    am_buf data = {.arena = a};
    am_str head = fuzz_part(&rest, AM_STR("@B@"));
    am_str sample = am_str_format(a, "%.*sQkJC%.*s", AM_ARG(head), AM_ARG(rest));
    am_str bare = am_str_format(a, "%.*s%.*s", AM_ARG(head), AM_ARG(rest));
    am_signature s = am_signature_parse(a, AM_SIG_AS, sample);
    /* RFC 6376 3.7: the white space round the value goes, too; the sealer here keeps it. */
    if (!head.n || head.p[head.n - 1] != '=' || (rest.n && rest.p[0] != ';'))
        return false;
    if (s.fault || !am_str_is(s.data, "BBB") || s.instance != n + 1 ||
        !am_str_is(s.key_name, "e._domainkey.example.org"))
        return false;
    for (size_t i = 0; i <= n; i++)
        for (size_t k = 0; k < 3; k++) {
            bool last = i == n && k == 2;
            am_str value = last ? bare : x->field[i][k];
            am_str raw = am_str_format(a, "%s:%.*s", names[k], AM_ARG(value));
            am_buf_str(&data, ref_field(a, true, raw));
            if (!last)
                am_buf_cstr(&data, "\r\n");
        }
    unsigned char digest[32], out[64];
    size_t len = sizeof out;
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    FUZZ_NEED(EVP_Digest(data.p, data.n, digest, NULL, EVP_sha256(), NULL) == 1);
    FUZZ_NEED(EVP_DigestSignInit(c, NULL, NULL, NULL, sealed_key('e')) == 1);
    FUZZ_NEED(EVP_DigestSign(c, out, &len, digest, sizeof digest) == 1);
    EVP_MD_CTX_free(c);
    am_str b = am_base64_encode(a, am_str_n(out, len));
    *as = am_str_format(a, "%.*s%.*s%.*s", AM_ARG(head), AM_ARG(b), AM_ARG(rest));
    return true;
}

static bool is_plain(am_str s)
{
    return s.n && !memchr(s.p, '\0', s.n);
}

/* An AMS of this set that signs no field of the sets, which are not there yet. */
static bool is_plain_ams(am_arena *a, am_str value, size_t n)
{
    am_signature s = am_signature_parse(a, AM_SIG_AMS, value);
    am_str rest = s.names, item;
    while (am_list_next(&rest, ':', &item))
        if (am_str_istarts(item, "ARC-"))
            return false;
    return s.instance == n + 1;
}

/* An AAR of this set: the verifier sorts by instance, the sealer here by place. */
static bool is_plain_aar(am_arena *a, am_str value, size_t n)
{
    return am_str_istarts(am_str_trim(value), am_str_format(a, "i=%zu;", n + 1).p);
}

/* Computes what the templates of set `n` leave open. False: they are no templates. */
static bool seal_set(am_arena *a, input *x, size_t n)
{
    am_str *f = x->field[n];
    return is_plain(f[0]) && is_plain(f[1]) && is_plain(f[2]) && is_plain_aar(a, f[0], n) &&
           sealed_sign(a, 'e', AM_SIG_AMS, names[1], f[1], &x->h, x->body, &f[1]) &&
           is_plain_ams(a, f[1], n) && seal(a, x, n);
}

/* The header as it is after one more set: the newest on top. */
static void push(am_arena *a, input *x, size_t n)
{
    am_header h = {.arena = a};
    for (size_t k = 3; k > 0; k--)
        am_header_add_raw(
            &h, am_str_format(a, "%s:%.*s", names[k - 1], AM_ARG(x->field[n][k - 1])));
    for (size_t i = 0; i < x->h.n; i++)
        am_header_add_raw(&h, x->h.field[i].raw);
    x->h = h;
}

static input read_input(am_arena *a, am_str in)
{
    const am_str mark = AM_STR("\n\n");
    input x = {.h = {.arena = a}, .sealed = true};
    am_str options = fuzz_part(&in, mark);
    while (options.n)
        x.opt[fuzz_octet(&options)] = true;
    sealed_fields(&x.h, fuzz_part(&in, mark));
    x.body = fuzz_part(&in, mark);
    for (; x.sets < SETS && in.n; x.sets++) {
        am_str *f = x.field[x.sets];
        for (size_t k = 0; k < 3; k++)
            f[k] = fuzz_part(&in, mark);
        bool good = !x.opt['n'] && seal_set(a, &x, x.sets);
        x.sealed = x.sealed && good;
        push(a, &x, x.sets);
    }
    return x;
}

static am_arc_verdict verify(am_arena *a, fake_zone *z, const input *x)
{
    am_context c = {a, am_dns_begin(fake_zone_dns(z), a, NULL, NULL), NULL, SCENE_NOW};
    am_arc_options o = {0};
    am_bodies *bodies = am_bodies_begin(a);
    am_arc *arc = am_arc_begin(&c, &o, &x->h, bodies);
    am_bodies_feed(bodies, x->body.p, x->body.n);
    am_bodies_finish(bodies);
    am_arc_verdict v = am_arc_finish(arc);
    am_bodies_end(bodies);
    am_dns_end(c.dns);
    return v;
}

static void look(const am_arc_verdict *v, const input *x)
{
    FUZZ_NEED(v->result == AM_NONE || v->result == AM_PASS || v->result == AM_FAIL);
    FUZZ_NEED((v->result == AM_FAIL) == (*v->reason != '\0'));
    FUZZ_NEED(v->instance <= 999 && v->oldest_pass <= v->instance && v->sets <= AM_ARC_MAX);
    FUZZ_NEED(v->result != AM_PASS || (v->set && v->sets == v->instance));
    for (size_t i = 0; v->set && i < v->sets; i++) {
        fuzz_read(v->set[i].sealer);
        fuzz_read(v->set[i].selector);
        fuzz_read(v->set[i].results);
    }
    FUZZ_NEED(v->result != AM_PASS || x->sets > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    am_arena *a = am_arena_new(0);
    fake_zone *z = fake_zone_new();
    input x = read_input(a, am_str_n(data, size));
    am_str record = sealed_record(a, 'e');
    fake_zone_row(z, am_str_format(a, "e._domainkey.example.org TXT %.*s", AM_ARG(record)));
    bool changed = false;
    if (x.sealed && x.sets && x.opt['x']) {
        am_signature s = am_signature_parse(a, AM_SIG_AMS, x.field[x.sets - 1][1]);
        changed = s.length == AM_BODY_WHOLE;
        x.body = am_str_format(a, "%.*s\r\nforged", AM_ARG(x.body));
    } else if (x.sealed && x.sets && x.opt['y']) {
        am_field *f = &x.h.field[am_header_find(&x.h, names[0], 0)];
        f->raw = am_str_format(a, "%.*s forged", AM_ARG(f->raw));
        changed = true;
    }
    am_arc_verdict v = verify(a, z, &x);
    look(&v, &x);
    FUZZ_NEED(!changed || v.result != AM_PASS);
    if (x.sealed && !x.opt['x'] && !x.opt['y'])
        FUZZ_NEED(!strstr(v.reason, "did not verify"));
    fake_zone_free(z);
    am_arena_free(a);
    return 0;
}
