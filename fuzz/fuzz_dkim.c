/*
 * fuzz_dkim: signed messages, by our own engine and by libopendkim.
 *
 * Holds: what a second reading of the RFC has signed is not a bad signature; whatever libopendkim
 * passes, our engine passes; a signature that was made over something else does not pass. Input,
 * in parts that an empty line ("\n\n") separates: a line of options; the value of DKIM-Signature
 * with @BH@ and @B@; header fields; the body. Options: e, r: the key; x: change the body after
 * signing, y: a signed field; lN: body-length policy.
 */
#include "config.h"
#include "fuzz/fuzz.h"
#include "fuzz/scene.h"
#include "fuzz/sealed.h"
#include "libauth/dkim/dkim.h"

#include <string.h>

typedef struct input {
    bool opt[256];
    char key;
    am_str signature, body;
    am_header fields;
} input;

static input read_input(am_arena *a, am_str in)
{
    input x = {.key = 'e', .fields = {.arena = a}};
    am_str options = fuzz_part(&in, AM_STR("\n\n"));
    while (options.n)
        x.opt[fuzz_octet(&options)] = true;
    x.key = x.opt['r'] ? 'r' : 'e';
    x.signature = fuzz_part(&in, AM_STR("\n\n"));
    sealed_fields(&x.fields, fuzz_part(&in, AM_STR("\n\n")));
    x.body = in;
    return x;
}

static void add_key(am_arena *a, fake_zone *z, const char *name, char kind)
{
    am_str record = sealed_record(a, kind);
    fake_zone_row(z, am_str_format(a, "%s TXT %.*s", name, AM_ARG(record)));
}

static am_dkim_verdict verify(
    am_arena *a, fake_zone *z, const input *x, am_str signature, am_dkim_engine engine)
{
    am_header h = {.arena = a};
    am_dkim_options o = {.engine = engine, .body_length_policy = x->opt['l']};
    am_context c = {a, am_dns_begin(fake_zone_dns(z), a, NULL, NULL), NULL, SCENE_NOW};
    am_header_add_raw(&h, am_str_format(a, "DKIM-Signature:%.*s", AM_ARG(signature)));
    for (size_t i = 0; i < x->fields.n; i++)
        am_header_add_raw(&h, x->fields.field[i].raw);
    am_bodies *bodies = am_bodies_begin(a);
    am_dkim *d = am_dkim_begin(&c, &o, &h, (am_str){NULL, 0}, bodies);
    am_bodies_feed(bodies, x->body.p, x->body.n);
    am_dkim_body(d, x->body.p, x->body.n);
    am_bodies_finish(bodies);
    size_t n = 0;
    const am_dkim_verdict *all = am_dkim_finish(d, &n);
    FUZZ_NEED(n >= 1);
    am_dkim_verdict v = all[0];
    am_dkim_end(d);
    am_bodies_end(bodies);
    am_dns_end(c.dns);
    return v;
}

/* The body as it was, with one more line. */
static void change_body(am_arena *a, input *x)
{
    x->body = am_str_format(a, "%.*s\r\nforged", AM_ARG(x->body));
}

static void change_field(am_arena *a, input *x)
{
    am_field *f = &x->fields.field[0];
    *f = (am_field){.raw = am_str_format(a, "%.*s forged", AM_ARG(f->raw)), .name = f->name};
}

static bool is_signed(am_arena *a, am_str signature, am_str name)
{
    am_signature s = am_signature_parse(a, AM_SIG_DKIM, signature);
    am_str rest = s.names, item;
    while (am_list_next(&rest, ':', &item))
        if (am_str_ieq(item, name))
            return true;
    return false;
}

static bool is_bad_signature(const am_dkim_verdict *v)
{
    return strcmp(v->reason, "signature did not verify") == 0 ||
           strcmp(v->reason, "body hash did not verify") == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    am_arena *a = am_arena_new(0);
    fake_zone *z = fake_zone_new();
    input x = read_input(a, am_str_n(data, size));
    am_str signature;
    add_key(a, z, "e._domainkey.example.org", 'e');
    add_key(a, z, "r._domainkey.example.org", 'r');
    bool made = sealed_sign(
        a, x.key, AM_SIG_DKIM, "DKIM-Signature", x.signature, &x.fields, x.body, &signature);
    am_signature s = am_signature_parse(a, AM_SIG_DKIM, signature);
    bool field =
        made && x.opt['y'] && x.fields.n == 1 && is_signed(a, signature, x.fields.field[0].name);
    bool body = made && x.opt['x'] && s.length == AM_BODY_WHOLE;
    if (body)
        change_body(a, &x);
    if (field)
        change_field(a, &x);
    am_dkim_verdict own = verify(a, z, &x, signature, AM_DKIM_OWN);
    FUZZ_NEED(own.result != AM_NONE && own.result != AM_SOFTFAIL && own.reason);
    FUZZ_NEED(!(body || field) || own.result != AM_PASS);
    FUZZ_NEED(body || field || !made || !is_bad_signature(&own));
#ifdef HAVE_LIBOPENDKIM
    am_dkim_verdict other = verify(a, z, &x, signature, AM_DKIM_LIBOPENDKIM);
    FUZZ_NEED(other.result != AM_PASS || own.result == AM_PASS);
#endif
    fake_zone_free(z);
    am_arena_free(a);
    return 0;
}
