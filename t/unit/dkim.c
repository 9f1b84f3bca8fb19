/* dkim: signature fields, order and limit, and every verdict with its reason. */
#include "t/unit/unit.h"
#include "t/unit/fakedns.h"
#include "t/unit/signer.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <stdlib.h>

#include "libauth/dkim/dkim.h"
#include "libauth/sig/signature.h"

/* ---- Signature fields ---- */

#define BH "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
#define V "v=1; "
#define A "a=rsa-sha256; "
#define D "d=example.org; "
#define S "s=s1; "
#define H "h=from:to; "
#define HASH "bh=" BH "; "
#define B "b=AAAA"
#define REST A D S H HASH B

static void parse_table(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        am_sigfault fault;
        const char *detail; /* NULL: not looked at */
    } cases[] = {
        {V REST, AM_SIG_GOOD, NULL},
        {V REST ";", AM_SIG_GOOD, NULL},
        {" v = 1 ;\r\n\ta = rsa-sha256 ; " D S "h = From : to ; " HASH "b = AA\r\n AA", AM_SIG_GOOD,
            NULL},
        {V "unknown=tag; r=y; z=From:x|To:y; " REST, AM_SIG_GOOD, NULL},
        /* the list: RFC 6376 3.2 */
        {"", AM_SIG_TAG_LIST, "a tag without ="},
        {"nonsense", AM_SIG_TAG_LIST, NULL},
        {V V REST, AM_SIG_TAG_LIST, "v= stands twice"},
        {V "; " REST, AM_SIG_TAG_LIST, NULL},
        {V "x\x01=1; " REST, AM_SIG_TAG_LIST, NULL},
        /* required: RFC 6376 6.1.1 */
        {REST, AM_SIG_MISSING_TAG, "v"},
        {V D S H HASH B, AM_SIG_MISSING_TAG, "a"},
        {V A S H HASH B, AM_SIG_MISSING_TAG, "d"},
        {V A D H HASH B, AM_SIG_MISSING_TAG, "s"},
        {V A D S HASH B, AM_SIG_MISSING_TAG, "h"},
        {V A D S H B, AM_SIG_MISSING_TAG, "bh"},
        {V A D S H HASH, AM_SIG_MISSING_TAG, "b"},
        {"V=1; " REST, AM_SIG_MISSING_TAG, "v"}, /* tag names: case matters */
        /* v= */
        {"v=2; " REST, AM_SIG_VERSION, "2"},
        {"v=01; " REST, AM_SIG_VERSION, "01"},
        {"v=1.0; " REST, AM_SIG_VERSION, NULL},
        {"v=; " REST, AM_SIG_VERSION, NULL},
        {"v=0.5; " REST, AM_SIG_VERSION, NULL},
        /* a= */
        {V "a=rsa-sha1; " D S H HASH B, AM_SIG_SHA1, "rsa-sha1"},
        {V "a=ed25519-sha256; " D S H HASH B, AM_SIG_GOOD, NULL},
        {V "a=ed25519-sha1; " D S H HASH B, AM_SIG_ALGORITHM, NULL},
        {V "a=rsa-sha512; " D S H HASH B, AM_SIG_ALGORITHM, "rsa-sha512"},
        {V "a=RSA-SHA256; " D S H HASH B, AM_SIG_ALGORITHM, NULL},
        {V "a=rsa; " D S H HASH B, AM_SIG_ALGORITHM, NULL},
        {V "a=; " D S H HASH B, AM_SIG_ALGORITHM, NULL},
        /* b=, bh= */
        {V A D S H HASH "b=", AM_SIG_TAG_VALUE, "b"},
        {V A D S H HASH "b=AAA", AM_SIG_TAG_VALUE, "b"},
        {V A D S H HASH "b=AAAA=", AM_SIG_TAG_VALUE, "b"},
        {V A D S H HASH "b=AA-A", AM_SIG_TAG_VALUE, "b"},
        {V A D S H HASH "b=AAAA!", AM_SIG_TAG_VALUE, "b"},
        {V A D S H "bh=; " B, AM_SIG_TAG_VALUE, "bh"},
        {V A D S H "bh=" BH "x; " B, AM_SIG_TAG_VALUE, "bh"},
        {V A D S H "bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NM\r\n pJWZG3hSuFU=; " B, AM_SIG_GOOD, NULL},
        /* c= */
        {V "c=relaxed/simple; " REST, AM_SIG_GOOD, NULL},
        {V "c=nofws; " REST, AM_SIG_CANON, "nofws"},
        {V "c=simple/nowsp; " REST, AM_SIG_CANON, NULL},
        {V "c=relaxed/; " REST, AM_SIG_CANON, NULL},
        {V "c=/relaxed; " REST, AM_SIG_CANON, NULL},
        {V "c=relaxed/relaxed/relaxed; " REST, AM_SIG_CANON, NULL},
        {V "c=; " REST, AM_SIG_CANON, NULL},
        {V "c=Relaxed; " REST, AM_SIG_CANON, NULL},
        /* d=, s= */
        {V A "d=org; " S H HASH B, AM_SIG_TAG_VALUE, "d"},
        {V A "d=; " S H HASH B, AM_SIG_TAG_VALUE, "d"},
        {V A "d=example.org.; " S H HASH B, AM_SIG_TAG_VALUE, "d"},
        {V A "d=example..org; " S H HASH B, AM_SIG_TAG_VALUE, "d"},
        {V A "d=.example.org; " S H HASH B, AM_SIG_TAG_VALUE, "d"},
        {V A "d=exa mple.org; " S H HASH B, AM_SIG_TAG_VALUE, "d"},
        {V A "d=[192.0.2.1]; " S H HASH B, AM_SIG_TAG_VALUE, "d"},
        {V A "d=EXAMPLE.org; " S H HASH B, AM_SIG_GOOD, NULL},
        {V A "d=b\xc3\xbc"
             "cher.example; " S H HASH B,
            AM_SIG_GOOD, NULL},
        {V A "d=b\xff.example; " S H HASH B, AM_SIG_TAG_VALUE, "d"},
        {V A D "s=; " H HASH B, AM_SIG_TAG_VALUE, "s"},
        {V A D "s=a.b; " H HASH B, AM_SIG_GOOD, NULL},
        {V A D "s=a.; " H HASH B, AM_SIG_TAG_VALUE, "s"},
        {V A D "s=a b; " H HASH B, AM_SIG_TAG_VALUE, "s"},
        {V A D "s=a*b; " H HASH B, AM_SIG_TAG_VALUE, "s"},
        /* h= */
        {V A D S "h=; " HASH B, AM_SIG_TAG_VALUE, "h"},
        {V A D S "h=from::to; " HASH B, AM_SIG_TAG_VALUE, "h"},
        {V A D S "h=from:; " HASH B, AM_SIG_TAG_VALUE, "h"},
        {V A D S "h=from to; " HASH B, AM_SIG_TAG_VALUE, "h"},
        {V A D S "h=from:b\xc3\xbc; " HASH B, AM_SIG_TAG_VALUE, "h"},
        {V A D S "h=to:subject; " HASH B, AM_SIG_NO_FROM, NULL},
        {V A D S "h=x-from:fromage; " HASH B, AM_SIG_NO_FROM, NULL},
        {V A D S "h=to : FROM; " HASH B, AM_SIG_GOOD, NULL},
        /* i= */
        {V "i=@example.org; " REST, AM_SIG_GOOD, NULL},
        {V "i=joe@EXAMPLE.org; " REST, AM_SIG_GOOD, NULL},
        {V "i=joe@mail.example.org; " REST, AM_SIG_GOOD, NULL},
        {V "i=\"a=40b\"@example.org; " REST, AM_SIG_GOOD, NULL},
        {V "i=a=3Db\r\n c@example.org; " REST, AM_SIG_GOOD, NULL},
        {V "i=@example.com; " REST, AM_SIG_OUTSIDE, "@example.com"},
        {V "i=@org; " REST, AM_SIG_OUTSIDE, NULL},
        {V "i=@badexample.org; " REST, AM_SIG_OUTSIDE, NULL},
        {V "i=joe@example.org@example.com; " REST, AM_SIG_OUTSIDE, NULL},
        {V "i=example.org; " REST, AM_SIG_TAG_VALUE, "i"},
        {V "i=; " REST, AM_SIG_TAG_VALUE, "i"},
        {V "i=joe@; " REST, AM_SIG_TAG_VALUE, "i"},
        {V "i=joe@example.org.; " REST, AM_SIG_TAG_VALUE, "i"},
        {V "i=a=b@example.org; " REST, AM_SIG_TAG_VALUE, "i"},
        {V "i=a=3d@example.org; " REST, AM_SIG_TAG_VALUE, "i"},
        {V "i=a=00@example.org; " REST, AM_SIG_TAG_VALUE, "i"},
        {V "i=a=0D=0Ab@example.org; " REST, AM_SIG_TAG_VALUE, "i"},
        {V "i=@example.org=4; " REST, AM_SIG_TAG_VALUE, "i"},
        {V "i=@example.org=; " REST, AM_SIG_TAG_VALUE, "i"},
        /* l=, t=, x= */
        {V "l=0; " REST, AM_SIG_GOOD, NULL},
        {V "l=99999999999999999999999999999; " REST, AM_SIG_GOOD, NULL},
        {V "l=; " REST, AM_SIG_TAG_VALUE, "l"},
        {V "l=-1; " REST, AM_SIG_TAG_VALUE, "l"},
        {V "l=1 0; " REST, AM_SIG_TAG_VALUE, "l"},
        {V "l=00000000000000000000000000000000000000000000000000000000000000000000000000001; " REST,
            AM_SIG_TAG_VALUE, "l"}, /* 77 digits */
        {V "t=999999999999; " REST, AM_SIG_GOOD, NULL},
        {V "t=1000000000000; " REST, AM_SIG_TAG_VALUE, "t"},
        {V "t=; " REST, AM_SIG_TAG_VALUE, "t"},
        {V "t=yesterday; " REST, AM_SIG_TAG_VALUE, "t"},
        {V "x=; " REST, AM_SIG_TAG_VALUE, "x"},
        {V "x=1e9; " REST, AM_SIG_TAG_VALUE, "x"},
        {V "x=100; t=99; " REST, AM_SIG_GOOD, NULL},
        {V "x=100; t=100; " REST, AM_SIG_TAG_VALUE, "x"},
        {V "t=101; x=100; " REST, AM_SIG_TAG_VALUE, "x"},
        /* q= */
        {V "q=dns/txt; " REST, AM_SIG_GOOD, NULL},
        {V "q=http/x : dns/txt; " REST, AM_SIG_GOOD, NULL},
        {V "q=dns; " REST, AM_SIG_QUERY, "dns"},
        {V "q=; " REST, AM_SIG_QUERY, NULL},
        {V "q=dns/txtx; " REST, AM_SIG_QUERY, NULL},
    };
    am_arena *a = am_arena_new(0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        am_signature s = am_signature_parse(a, AM_SIG_DKIM, am_str_of(cases[i].value));
        const am_fault *f = s.fault ? s.fault : am_sigfault_get(AM_SIG_GOOD);
        want_str(cases[i].value, am_str_of(f->reason), am_sigfault_get(cases[i].fault)->reason);
        if (cases[i].detail)
            want_str(cases[i].value, s.detail, cases[i].detail);
        am_arena_reset(a);
    }
    am_arena_free(a);
}

static void parsed_data(void **state)
{
    (void)state;
    am_arena *a = am_arena_new(0);
    am_signature s = am_signature_parse(a, AM_SIG_DKIM,
        AM_STR("v=1; a=ed25519-sha256; c=relaxed; d=Example.ORG; s=S.one; i=a=3Db@sub.example.org;"
               " l=12; t=34; x=56; h=from : to; bh=AAEC; b=AwQ\r\n F"));
    assert_null(s.fault);
    want_str("d", s.domain, "example.org");
    want_str("s", s.selector, "S.one");
    want_str("i", s.identity, "a=b@sub.example.org");
    want_str("a", s.algorithm, "ed25519-sha256");
    want_str("b", s.signature, "AwQF");
    want_str("key", s.key_name, "s.one._domainkey.example.org");
    want_str("h", s.names, "from : to");
    assert_memory_equal(s.hash.p, "\0\1\2", 3);
    assert_memory_equal(s.data.p, "\3\4\5", 3);
    want_int("type", s.key_type, AM_KEY_ED25519);
    want_int("header", s.header, AM_RELAXED);
    want_int("body", s.body, AM_SIMPLE); /* RFC 6376 3.5: c=relaxed is relaxed/simple */
    want_int("l", s.length, 12);
    want_int("t", s.created, 34);
    want_int("x", s.expires, 56);
    assert_true(s.has_created && s.has_expires && s.subdomain);
    s = am_signature_parse(a, AM_SIG_DKIM, AM_STR(V REST));
    want_str("i", s.identity, "@example.org");
    want_int("header", s.header, AM_SIMPLE);
    want_int("body", s.body, AM_SIMPLE);
    assert_true(s.length == AM_BODY_WHOLE && !s.has_created && !s.has_expires && !s.subdomain);
    /* What can be said of a broken list is said. */
    s = am_signature_parse(
        a, AM_SIG_DKIM, AM_STR("v=1; d=Example.org; d=x; s=sel; =; a=rsa-sha256; b=A A; i=@x"));
    want_str("d", s.domain, "example.org");
    want_str("s", s.selector, "sel");
    want_str("a", s.algorithm, "rsa-sha256");
    want_str("b", s.signature, "AA");
    want_str("i", s.identity, "@x");
    s = am_signature_parse(a, AM_SIG_DKIM, AM_STR("v=1; a=rsa-sha256"));
    assert_null(s.domain.p);
    assert_null(s.selector.p);
    assert_null(s.identity.p);
    assert_null(s.signature.p);
    want_str("name", am_signature_key_name(a, AM_STR(" d=example.org; s=x;")),
        "x._domainkey.example.org");
    assert_null(am_signature_key_name(a, AM_STR("d=example.org")).p);
    assert_null(am_signature_key_name(a, AM_STR("d=example; s=x")).p);
    assert_null(am_signature_key_name(a, AM_STR("d=example.org.; s=x")).p);
    assert_null(am_signature_key_name(a, AM_STR("d=example.org; s=x.")).p);
    want_str("the first", am_signature_key_name(a, AM_STR("d=example.org; s=x; s=y; nonsense")),
        "x._domainkey.example.org");
    am_arena_free(a);
}

/* Without memory nothing is well formed. */
static void parse_without_memory(void **state)
{
    (void)state;
    unsigned good = 0, bad = 0;
    for (size_t cap = 1; cap < 8000; cap += 7) {
        am_arena *a = am_arena_new(cap);
        am_signature s = am_signature_parse(a, AM_SIG_DKIM, AM_STR(V "i=x@example.org; " REST));
        assert_true(!s.fault == !am_arena_failed(a));
        good += !s.fault;
        bad += s.fault && s.fault->result == AM_TEMPERROR;
        am_arena_free(a);
    }
    assert_true(good > 0 && bad > 10);
}

/* ARC's two kinds (RFC 8617 4.1.2, 4.1.3). */
static void parse_arc(void **state)
{
    (void)state;
#define AMS A D S "h=to; " HASH B
#define AS A D S B
    static const struct {
        am_sigkind kind;
        const char *value;
        am_sigfault fault;
        const char *detail;
    } cases[] = {
        {AM_SIG_AMS, "i=1; " AMS, AM_SIG_GOOD, NULL},
        {AM_SIG_AMS, "i=50; v=9; " AMS, AM_SIG_GOOD, NULL},
        {AM_SIG_AMS, AMS, AM_SIG_MISSING_TAG, "i"},
        {AM_SIG_AMS, "i=; " AMS, AM_SIG_TAG_VALUE, "i"},
        {AM_SIG_AMS, "i=0; " AMS, AM_SIG_TAG_VALUE, "i"},
        {AM_SIG_AMS, "i=@example.org; " AMS, AM_SIG_TAG_VALUE, "i"},
        {AM_SIG_AMS, "i=1; " A D S "h=; " HASH B, AM_SIG_GOOD, NULL},
        {AM_SIG_AMS, "i=1; " A D S "h=to::from; " HASH B, AM_SIG_GOOD, NULL},
        {AM_SIG_AMS, "i=1; " A D S HASH B, AM_SIG_MISSING_TAG, "h"},
        {AM_SIG_AMS, "i=1; " A D S "h=to; " B, AM_SIG_MISSING_TAG, "bh"},
        {AM_SIG_AMS, "i=1; c=; " AMS, AM_SIG_CANON, ""},
        {AM_SIG_AMS, "i=1; t=; " AMS, AM_SIG_TAG_VALUE, "t"},
        {AM_SIG_AS, "i=1; cv=none; " AS, AM_SIG_GOOD, NULL},
        {AM_SIG_AS, "i=1; cv=none; " D S B, AM_SIG_MISSING_TAG, "a"},
        {AM_SIG_AS, "cv=none; " AS, AM_SIG_MISSING_TAG, "i"},
        {AM_SIG_AS, "i=1; t=; " AS, AM_SIG_TAG_VALUE, "t"},
        {AM_SIG_AS, "i=1; a=rsa-sha1; " D S B, AM_SIG_SHA1, NULL},
    };
    am_arena *a = am_arena_new(0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        am_signature s = am_signature_parse(a, cases[i].kind, am_str_of(cases[i].value));
        const am_fault *f = s.fault ? s.fault : am_sigfault_get(AM_SIG_GOOD);
        want_str(cases[i].value, am_str_of(f->reason), am_sigfault_get(cases[i].fault)->reason);
        if (cases[i].detail)
            want_str(cases[i].value, s.detail, cases[i].detail);
        if (f->result == AM_PASS) {
            want_int(cases[i].value, s.instance, atoi(cases[i].value + 2));
            want_int(cases[i].value, s.header, AM_RELAXED);
            want_int(cases[i].value, s.body, AM_RELAXED);
        }
    }
    am_signature s = am_signature_parse(a, AM_SIG_AMS, AM_STR("i=1; c=simple; " AMS));
    want_int("c", s.header, AM_SIMPLE);
    want_int("c", s.body, AM_SIMPLE);
    am_arena_free(a);
}

static void times(void **state)
{
    (void)state;
    static const struct {
        const char *tags;
        int64_t now;
        unsigned drift;
        am_sigfault want;
    } cases[] = {
        {"", 1000, 0, AM_SIG_GOOD},
        {"x=1000; ", 1000, 0, AM_SIG_GOOD},
        {"x=1000; ", 1001, 0, AM_SIG_EXPIRED},
        {"x=1000; ", 1300, 300, AM_SIG_GOOD},
        {"x=1000; ", 1301, 300, AM_SIG_EXPIRED},
        {"t=1000; ", 1000, 0, AM_SIG_GOOD},
        {"t=1000; ", 999, 0, AM_SIG_FUTURE},
        {"t=1000; ", 700, 300, AM_SIG_GOOD},
        {"t=1000; ", 699, 300, AM_SIG_FUTURE},
        {"t=999999999999; ", 1000, 300, AM_SIG_FUTURE},
        {"t=1; x=2; ", -5, 0, AM_SIG_FUTURE},
    };
    am_arena *a = am_arena_new(0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        am_str value = am_str_format(a, "%s%s", cases[i].tags, V REST);
        am_signature s = am_signature_parse(a, AM_SIG_DKIM, value);
        assert_null(s.fault);
        const am_fault *f = am_signature_time(&s, cases[i].now, cases[i].drift);
        assert_ptr_equal(f ? f : am_sigfault_get(AM_SIG_GOOD), am_sigfault_get(cases[i].want));
    }
    am_arena_free(a);
}

/* ---- Whole messages ---- */

enum { NOW = 1700000000 };

static EVP_PKEY *rsa512, *rsa1024, *rsa2048, *ed;

static int make_keys(void **state)
{
    (void)state;
    rsa512 = rsa_key(512);
    rsa1024 = rsa_key(1024);
    rsa2048 = rsa_key(2048);
    ed = ed25519_key();
    return !(rsa512 && rsa1024 && rsa2048 && ed);
}

static int free_keys(void **state)
{
    (void)state;
    EVP_PKEY_free(rsa512);
    EVP_PKEY_free(rsa1024);
    EVP_PKEY_free(rsa2048);
    EVP_PKEY_free(ed);
    return 0;
}

/* One message under test. */
typedef struct run {
    am_arena *arena;
    am_trace trace;
    am_dns_session *dns;
    am_header header;
    am_bodies *bodies;
    am_dkim *dkim;
    const am_dkim_verdict *verdict;
    size_t n;
} run;

static void check(
    run *r, const fake_rr *rows, size_t n, const am_dkim_options *o, am_str author, am_str text)
{
    r->trace.arena = r->arena;
    r->dns = fake_dns(r->arena, rows, n, &r->trace);
    const am_context c = {r->arena, r->dns, &r->trace, NOW};
    r->bodies = am_bodies_begin(r->arena);
    r->dkim = am_dkim_begin(&c, o, &r->header, author, r->bodies);
    assert_non_null(r->dkim);
    for (size_t at = 0; at < text.n; at += 7) {
        size_t part = text.n - at < 7 ? text.n - at : 7;
        am_bodies_feed(r->bodies, text.p + at, part);
        am_dkim_body(r->dkim, text.p + at, part);
    }
    am_bodies_finish(r->bodies);
    r->verdict = am_dkim_finish(r->dkim, &r->n);
}

static void done(run *r)
{
    am_dkim_end(r->dkim);
    am_bodies_end(r->bodies);
    am_dns_end(r->dns);
    am_arena_free(r->arena);
}

/* What is signed, and what then happens to it. */
typedef struct scene {
    const char *name;
    am_result result;
    const char *reason;
    EVP_PKEY **key;      /* NULL: rsa1024 */
    const char *tags;    /* before h=; NULL: none */
    const char *record;  /* what is in the DNS, "%s" for the key; NULL: "v=DKIM1; p=%s" */
    const char *more;    /* appended to the body on the way */
    const char *body;    /* another body comes; NULL: the one signed */
    const char *subject; /* another Subject comes */
    am_dkim_options o;
    bool relaxed_header, relaxed_body;
    long length; /* octets hashed, 0: all */
} scene;

static const char *const fields[] = {
    "From: Joe <joe@example.org>", "To:  a,\r\n\tb", "SUBJECT :  is  dinner\r\n ready? ", NULL};

static void play(const scene *s)
{
    run r = {.arena = am_arena_new(0)};
    am_arena *a = r.arena;
    EVP_PKEY *key = s->key ? *s->key : rsa1024;
    bool is_rsa = EVP_PKEY_is_a(key, "RSA");
    am_str text = AM_STR("Hi.\r\n\r\nWe  lost the game. \r\n\r\n\r\n");
    am_str field = am_str_format(a,
        "DKIM-Signature: v=1; a=%s; c=%s/%s;\r\n d=example.org; s=s1; %s\r\n h=from:to:subject:to;"
        " bh=@BH@;\r\n b=@B@",
        is_rsa ? "rsa-sha256" : "ed25519-sha256", s->relaxed_header ? "relaxed" : "simple",
        s->relaxed_body ? "relaxed" : "simple", s->tags ? s->tags : "");
    signing how = {.key = key,
        .field = field.p,
        .names = "from:to:subject:to",
        .relaxed_header = s->relaxed_header,
        .relaxed_body = s->relaxed_body,
        .length = s->length ? s->length : -1,
        .raw = fields,
        .body = text};
    r.header.arena = a;
    am_header_add_raw(&r.header, sign_message(a, &how));
    for (size_t i = 0; fields[i]; i++)
        am_header_add_raw(&r.header, am_str_of(i == 2 && s->subject ? s->subject : fields[i]));
    am_str record = am_str_format(a,
        s->record ? s->record
        : is_rsa  ? "v=DKIM1; p=%s"
                  : "v=DKIM1; k=ed25519; p=%s",
        key_base64(a, key).p);
    fake_rr rows[] = {{"s1._domainkey.example.org", "TXT", record.p, 0, true}};
    am_str came = am_str_format(
        a, "%.*s%s", AM_ARG(s->body ? am_str_of(s->body) : text), s->more ? s->more : "");
    check(&r, rows, 1, &s->o, AM_STR("example.org"), came);
    want_int(s->name, r.n, 1);
    want_str(s->name, am_str_of(am_result_word(r.verdict->result)), am_result_word(s->result));
    want_str(s->name, am_str_of(r.verdict->reason), s->reason);
    want_str(s->name, r.verdict->domain, "example.org");
    want_str(s->name, r.verdict->selector, "s1");
    assert_true(r.trace.n > 0);
    done(&r);
}

static void verdicts(void **state)
{
    (void)state;
    static const am_dkim_options strict = {.body_length_policy = true},
                                 want2048 = {.min_rsa_bits = 2048},
                                 max1024 = {.max_rsa_bits = 1024}, want512 = {.min_rsa_bits = 512};
    const scene scenes[] = {
        {.name = "simple/simple", .result = AM_PASS, .reason = ""},
        {.name = "relaxed/simple", .result = AM_PASS, .reason = "", .relaxed_header = true},
        {.name = "simple/relaxed", .result = AM_PASS, .reason = "", .relaxed_body = true},
        {.name = "relaxed/relaxed",
            .result = AM_PASS,
            .reason = "",
            .relaxed_header = true,
            .relaxed_body = true},
        {.name = "2048", .result = AM_PASS, .reason = "", .key = &rsa2048},
        {.name = "ed25519", .result = AM_PASS, .reason = "", .key = &ed, .relaxed_header = true},
        {.name = "ed25519 simple", .result = AM_PASS, .reason = "", .key = &ed},
        {.name = "relaxed forgives",
            .result = AM_PASS,
            .reason = "",
            .relaxed_header = true,
            .relaxed_body = true,
            .subject = "Subject:is dinner ready?",
            .body = "Hi.\r\n\r\nWe lost\tthe game.\r\n"},
        {.name = "simple forgives lines", .result = AM_PASS, .reason = "", .more = "\r\n\r\n"},
        /* fail */
        {.name = "header changed",
            .result = AM_FAIL,
            .reason = "signature did not verify",
            .subject = "Subject: no"},
        {.name = "simple forgives no space",
            .result = AM_FAIL,
            .reason = "signature did not verify",
            .subject = "SUBJECT :  is dinner\r\n ready? "},
        {.name = "body changed",
            .result = AM_FAIL,
            .reason = "body hash did not verify",
            .body = "Ho.\r\n"},
        {.name = "body longer",
            .result = AM_FAIL,
            .reason = "body hash did not verify",
            .more = "x"},
        {.name = "ed25519 header",
            .result = AM_FAIL,
            .reason = "signature did not verify",
            .key = &ed,
            .subject = "Subject: x"},
        {.name = "another key",
            .result = AM_FAIL,
            .reason = "signature did not verify",
            .record = "p="
                      "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6w"
                      "y5bdOKb2j"
                      "LQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/"
                      "8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9Pz"
                      "oxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB; n=%.0s"},
        /* l= */
        {.name = "l= whole", .result = AM_PASS, .reason = "", .tags = "l=28;", .o = strict},
        {.name = "l= part",
            .result = AM_PASS,
            .reason = "part of the body is not signed",
            .tags = "l=3;",
            .length = 3},
        {.name = "l= part, strict",
            .result = AM_POLICY,
            .reason = "part of the body is not signed",
            .tags = "l=3;",
            .length = 3,
            .o = strict},
        {.name = "l= whole, tail",
            .result = AM_POLICY,
            .reason = "part of the body is not signed",
            .tags = "l=28;",
            .more = "And more\r\n",
            .o = strict},
        {.name = "l= whole, blank tail",
            .result = AM_PASS,
            .reason = "",
            .tags = "l=28;",
            .more = "\r\n",
            .o = strict},
        {.name = "l= too long",
            .result = AM_FAIL,
            .reason = "body is shorter than signed",
            .tags = "l=29;"},
        {.name = "l= enormous",
            .result = AM_FAIL,
            .reason = "body is shorter than signed",
            .tags = "l=18446744073709551615;"},
        {.name = "l= beyond all",
            .result = AM_FAIL,
            .reason = "body is shorter than signed",
            .tags = "l=9999999999999999999999999999999999999999;"},
        {.name = "l= and changed",
            .result = AM_FAIL,
            .reason = "body hash did not verify",
            .tags = "l=3;",
            .length = 3,
            .body = "Ho. and so on",
            .o = strict},
        /* time */
        {.name = "expired",
            .result = AM_PERMERROR,
            .reason = "signature expired",
            .tags = "x=1699999999;"},
        {.name = "expired, drift",
            .result = AM_PASS,
            .reason = "",
            .tags = "x=1699999999;",
            .o = {.clock_drift = 1}},
        {.name = "future",
            .result = AM_PERMERROR,
            .reason = "signature is from the future",
            .tags = "t=1700000001;"},
        {.name = "future, drift",
            .result = AM_PASS,
            .reason = "",
            .tags = "t=1700000001;",
            .o = {.clock_drift = 1}},
        /* key */
        {.name = "revoked",
            .result = AM_PERMERROR,
            .reason = "key revoked",
            .record = "v=DKIM1; p=; n=%.0s"},
        {.name = "wrong type",
            .result = AM_PERMERROR,
            .reason = "key type does not match the algorithm",
            .record = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=; n=%.0s"},
        {.name = "wrong type, ed25519",
            .result = AM_PERMERROR,
            .reason = "key type does not match the algorithm",
            .key = &ed,
            .record = "p=%s"},
        {.name = "malformed",
            .result = AM_PERMERROR,
            .reason = "malformed key record",
            .record = "v=DKIM1; p=%s; p="},
        {.name = "UTF-8 in a record",
            .result = AM_PERMERROR,
            .reason = "malformed key record",
            .record = "v=DKIM1; n=h\xc3\xa4llo; p=%s"},
        {.name = "Latin-1 in a record",
            .result = AM_PERMERROR,
            .reason = "malformed key record",
            .record = "v=DKIM1; n=h\xe4"
                      "llo; p=%s"},
        {.name = "service",
            .result = AM_PERMERROR,
            .reason = "key is not for email",
            .record = "s=other; p=%s"},
        {.name = "hash",
            .result = AM_PERMERROR,
            .reason = "key does not allow sha256",
            .record = "h=sha1; p=%s"},
        {.name = "no record",
            .result = AM_PERMERROR,
            .reason = "no key record",
            .record = "v=spf1 %.0s"},
        {.name = "no answer",
            .result = AM_TEMPERROR,
            .reason = "key look-up failed",
            .record = "TEMPFAIL%.0s"},
        {.name = "testing",
            .result = AM_PASS,
            .reason = "key is in test mode",
            .record = "t=y; p=%s"},
        {.name = "testing, fails",
            .result = AM_FAIL,
            .reason = "body hash did not verify",
            .record = "t=y; p=%s",
            .more = "x"},
        {.name = "strict",
            .result = AM_PERMERROR,
            .reason = "identity is in a subdomain, key forbids it",
            .record = "t=s; p=%s",
            .tags = "i=@a.example.org;"},
        {.name = "strict, same",
            .result = AM_PASS,
            .reason = "",
            .record = "t=s; p=%s",
            .tags = "i=x@EXAMPLE.org;"},
        {.name = "subdomain", .result = AM_PASS, .reason = "", .tags = "i=@a.example.org;"},
        /* RFC 8301 3.2 */
        {.name = "512", .result = AM_PERMERROR, .reason = "RSA key too short", .key = &rsa512},
        {.name = "512 wanted",
            .result = AM_PERMERROR,
            .reason = "RSA key too short",
            .key = &rsa512,
            .o = want512},
        {.name = "1024, 2048 wanted",
            .result = AM_POLICY,
            .reason = "RSA key shorter than wanted here",
            .o = want2048},
        {.name = "1024, 2048 wanted, bad",
            .result = AM_FAIL,
            .reason = "body hash did not verify",
            .o = want2048,
            .more = "x"},
        {.name = "2048 wanted", .result = AM_PASS, .reason = "", .key = &rsa2048, .o = want2048},
        {.name = "2048, too long",
            .result = AM_POLICY,
            .reason = "RSA key longer than wanted here",
            .key = &rsa2048,
            .o = max1024},
        {.name = "ed25519, any bounds", .result = AM_PASS, .reason = "", .key = &ed, .o = want2048},
        /* before all that */
        {.name = "outside",
            .result = AM_PERMERROR,
            .reason = "identity is outside the signing domain",
            .tags = "i=@example.com;"},
        {.name = "broken", .result = AM_NEUTRAL, .reason = "malformed tag list", .tags = "s=s1;"},
        {.name = "UTF-8", .result = AM_PASS, .reason = "", .tags = "note=\xc3\xa4;"},
        {.name = "no UTF-8",
            .result = AM_NEUTRAL,
            .reason = "malformed tag list",
            .tags = "note=\xff;"},
        {.name = "CR for a space",
            .result = AM_NEUTRAL,
            .reason = "malformed tag list",
            .tags = "\rnote=x;"},
        {.name = "LF for a space",
            .result = AM_NEUTRAL,
            .reason = "malformed tag list",
            .tags = "note=x\n;"},
        {.name = "LF for a fold",
            .result = AM_NEUTRAL,
            .reason = "malformed tag list",
            .tags = "\n note=x;"},
        {.name = "a fold", .result = AM_PASS, .reason = "", .tags = "\r\n note\r\n\t=\r\n x\r\n ;"},
        {.name = "unknown tag is signed", .result = AM_PASS, .reason = "", .tags = "unknown=x y;"},
    };
    for (size_t i = 0; i < sizeof scenes / sizeof *scenes; i++)
        play(&scenes[i]);
}

static void verdict_members(void **state)
{
    (void)state;
    run r = {.arena = am_arena_new(0)};
    am_arena *a = r.arena;
    static const char *const raw[] = {"From: x", NULL};
    signing how = {.key = rsa2048,
        .field = "dkim-signature: v=1; a=rsa-sha256; d=Example.org; s=S1; i=j=6Fe@sub.example.org;"
                 " h=from; bh=@BH@; b=@B@",
        .names = "from",
        .length = -1,
        .raw = raw,
        .body = AM_STR("")};
    r.header.arena = a;
    am_header_add_raw(&r.header, AM_STR("Received: x"));
    am_header_add_raw(&r.header, sign_message(a, &how));
    am_header_add_raw(&r.header, AM_STR("From: x"));
    am_str record = am_str_format(a, "t=y:s; p=%s", key_base64(a, rsa2048).p);
    fake_rr rows[] = {{"s1._domainkey.example.org", "TXT", record.p, 0, true}};
    am_dkim_options o = {0};
    check(&r, rows, 1, &o, AM_STR("example.org"), AM_STR(""));
    const am_dkim_verdict *v = r.verdict;
    want_int("result", v->result, AM_PERMERROR); /* t=s */
    want_str("domain", v->domain, "example.org");
    want_str("selector", v->selector, "S1");
    want_str("identity", v->identity, "joe@sub.example.org");
    want_str("algorithm", v->algorithm, "rsa-sha256");
    want_int("signature", v->signature.n, 344);
    want_int("bits", v->key_bits, 2048);
    want_int("testing", v->testing, true);
    want_int("secure", v->secure, true);
    want_int("field", v->field, 1);
    assert_null(v->detail.p);
    done(&r);
}

static void no_signature(void **state)
{
    (void)state;
    run r = {.arena = am_arena_new(0)};
    r.header.arena = r.arena;
    am_header_add_raw(&r.header, AM_STR("From: x"));
    am_dkim_options o = {0};
    check(&r, NULL, 0, &o, (am_str){NULL, 0}, AM_STR("x"));
    want_int("n", r.n, 0);
    want_int("questions", fake_dns_started(r.dns) + fake_dns_waited(r.dns), 0);
    assert_false(am_bodies_wanted(r.bodies));
    done(&r);
    am_dkim_end(NULL);
}

/* A heap of signatures: those near the author first, then top down; all keys asked for at once. */
static void order_and_limit(void **state)
{
    (void)state;
    run r = {.arena = am_arena_new(0)};
    static const struct {
        const char *domain;
        bool evaluated;
    } cases[] = {
        {"a.example", true},
        {"b.example", false},
        {"c.example", false},
        {"x.sub.author.example", true}, /* below the author */
        {"d.example", false},
        {"author.example", true}, /* above him */
        {"notsub.author.example", false},
        {"sub.author.example", true},
    };
    r.header.arena = r.arena;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        am_header_add_raw(&r.header,
            am_str_format(r.arena,
                "DKIM-Signature: v=1; a=rsa-sha256; d=%s; s=s; h=from; bh=" BH "; b=AAAA",
                cases[i].domain));
    am_header_add_raw(&r.header, AM_STR("DKIM-Signature: nonsense"));
    am_dkim_options o = {.max_signatures = 4};
    check(&r, NULL, 0, &o, AM_STR("sub.author.example"), AM_STR(""));
    want_int("n", r.n, 9);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        want_str(cases[i].domain, r.verdict[i].domain, cases[i].domain);
        want_int(cases[i].domain, r.verdict[i].field, i);
        want_str(cases[i].domain, am_str_of(r.verdict[i].reason),
            cases[i].evaluated ? "no key record" : "not evaluated");
        want_int(
            cases[i].domain, r.verdict[i].result, cases[i].evaluated ? AM_PERMERROR : AM_NEUTRAL);
    }
    want_str("nonsense", am_str_of(r.verdict[8].reason), "malformed tag list");
    want_int("skipped", am_dkim_skipped(r.dkim), 4);
    want_int("asked early", fake_dns_started(r.dns), 4);
    want_int("waited for", fake_dns_waited(r.dns), 4);
    static const char *const asked[] = {"TXT s._domainkey.x.sub.author.example",
        "TXT s._domainkey.author.example", "TXT s._domainkey.sub.author.example",
        "TXT s._domainkey.a.example"};
    for (unsigned i = 0; i < 4; i++)
        want_str("order", am_str_of(fake_dns_question(r.dns, i)), asked[i]);
    done(&r);
}

/* A public key whose modulus has so many bits, and no private half. */
static EVP_PKEY *modulus_of(int bits)
{
    EVP_PKEY *key = NULL;
    BIGNUM *n = BN_new(), *e = BN_new();
    OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
    EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    assert_true(BN_rand(n, bits, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ODD) && BN_set_word(e, 65537));
    assert_true(OSSL_PARAM_BLD_push_BN(b, "n", n) && OSSL_PARAM_BLD_push_BN(b, "e", e));
    OSSL_PARAM *p = OSSL_PARAM_BLD_to_param(b);
    assert_int_equal(EVP_PKEY_fromdata_init(c), 1);
    assert_int_equal(EVP_PKEY_fromdata(c, &key, EVP_PKEY_PUBLIC_KEY, p), 1);
    OSSL_PARAM_free(p);
    OSSL_PARAM_BLD_free(b);
    EVP_PKEY_CTX_free(c);
    BN_free(n);
    BN_free(e);
    return key;
}

/* RFC 8301 3.2: 1024 to 4096 bits; what is longer costs too much to be tried. */
static void rsa_bounds(void **state)
{
    (void)state;
    static const struct {
        int bits;
        am_result result;
        const char *reason;
    } rows[] = {
        {512, AM_PERMERROR, "RSA key too short"},
        {1023, AM_PERMERROR, "RSA key too short"},
        {1024, AM_FAIL, "signature did not verify"},
        {4096, AM_FAIL, "signature did not verify"},
        {4097, AM_POLICY, "RSA key longer than wanted here"},
        {16384, AM_POLICY, "RSA key longer than wanted here"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char name[12];
        am_arena *a = am_arena_new(0);
        EVP_PKEY *key = modulus_of(rows[i].bits);
        am_str record = am_str_format(a, "v=DKIM1; p=%s", key_base64(a, key).p);
        snprintf(name, sizeof name, "%d", rows[i].bits);
        const scene s = {
            .name = name, .result = rows[i].result, .reason = rows[i].reason, .record = record.p};
        play(&s);
        EVP_PKEY_free(key);
        am_arena_free(a);
    }
}

/* A header that is nothing but signatures, within the memory of a message. */
static void heap_of_signatures(void **state)
{
    (void)state;
    enum { FIELDS = 9000, MEMORY = 64 << 20 };
    run r = {.arena = am_arena_new(MEMORY)};
    r.header.arena = r.arena;
    char raw[900] =
        "DKIM-Signature: v=1; a=rsa-sha256; d=a.example; s=s; h=from; bh=" BH "; b=AAAA";
    size_t n = strlen(raw);
    for (int i = 0; i < 80; i++)
        n += (size_t)snprintf(raw + n, sizeof raw - n, ";x%d=", i);
    for (int i = 0; i < FIELDS; i++)
        am_header_add_raw(&r.header, am_str_n(raw, n));
    am_dkim_options o = {0};
    check(&r, NULL, 0, &o, (am_str){NULL, 0}, AM_STR(""));
    want_int("n", r.n, FIELDS);
    want_int("skipped", am_dkim_skipped(r.dkim), FIELDS - 10);
    want_str("first", am_str_of(r.verdict[0].reason), "no key record");
    want_str("last", am_str_of(r.verdict[FIELDS - 1].reason), "not evaluated");
    want_int("last", r.verdict[FIELDS - 1].result, AM_NEUTRAL);
    want_int("last", r.verdict[FIELDS - 1].field, FIELDS - 1);
    assert_null(r.verdict[FIELDS - 1].domain.p);
    done(&r);
}

/* Two signatures, each with its own l= and canonicalisation; each covers the other's field. */
static void several_signatures(void **state)
{
    (void)state;
    run r = {.arena = am_arena_new(0)};
    am_arena *a = r.arena;
    const char *raw[4] = {"From: x", NULL};
    signing how = {.key = rsa1024,
        .field = "DKIM-Signature: v=1; a=rsa-sha256; d=one.example; s=s; h=from:dkim-signature;"
                 " bh=@BH@; b=@B@",
        .names = "from:dkim-signature",
        .length = -1,
        .raw = raw,
        .body = AM_STR("Hello  you\r\nthere\r\n")};
    am_str first = sign_message(a, &how);
    raw[0] = first.p, raw[1] = "From: x", raw[2] = NULL;
    how.key = ed;
    how.field = "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed; d=two.example; s=s; l=5;"
                " h=from:dkim-signature:dkim-signature; bh=@BH@; b=@B@";
    how.names = "from:dkim-signature:dkim-signature";
    how.relaxed_header = how.relaxed_body = true;
    how.length = 5;
    r.header.arena = a;
    am_header_add_raw(&r.header, sign_message(a, &how));
    am_header_add_raw(&r.header, first);
    am_header_add_raw(&r.header, AM_STR("From: x"));
    am_str one = am_str_format(a, "p=%s", key_base64(a, rsa1024).p);
    am_str two = am_str_format(a, "k=ed25519; p=%s", key_base64(a, ed).p);
    fake_rr rows[] = {{"s._domainkey.one.example", "TXT", one.p, 0, false},
        {"s._domainkey.two.example", "TXT", two.p, 0, false}};
    am_dkim_options o = {0};
    check(&r, rows, 2, &o, (am_str){NULL, 0}, how.body);
    want_int("n", r.n, 2);
    want_str("two", am_str_of(am_result_word(r.verdict[0].result)), "pass");
    want_int("two", r.verdict[0].key_bits, 256);
    /* The first one covers a DKIM-Signature that was not there when it was made. */
    want_str("one", am_str_of(r.verdict[1].reason), "signature did not verify");
    done(&r);
}

/* Fields that did not fit: what is left is not what was signed, whatever it says. */
static void incomplete_header(void **state)
{
    (void)state;
    run r = {.arena = am_arena_new(0)};
    r.header = (am_header){.arena = r.arena, .max_fields = 1};
    am_header_add_raw(&r.header, AM_STR("DKIM-Signature: " V REST));
    am_header_add_raw(&r.header, AM_STR("From: x"));
    am_dkim_options o = {0};
    check(&r, NULL, 0, &o, (am_str){NULL, 0}, AM_STR(""));
    want_int("n", r.n, 1);
    want_str("header", am_str_of(r.verdict->reason), "header is too large");
    want_int("header", r.verdict->result, AM_PERMERROR);
    done(&r);
}

/* Whatever allocation fails: no crash, and no pass that was not to be had. */
static void without_memory(void **state)
{
    (void)state;
    am_arena *keep = am_arena_new(0);
    signing how = {.key = rsa1024,
        .field = "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.org; s=s1; l=2;"
                 " h=from:to:subject; bh=@BH@; b=@B@",
        .names = "from:to:subject",
        .relaxed_header = true,
        .relaxed_body = true,
        .length = 2,
        .raw = fields,
        .body = AM_STR("x\r\n")};
    am_str field = sign_message(keep, &how);
    am_str record = am_str_format(keep, "p=%s", key_base64(keep, rsa1024).p);
    fake_rr rows[] = {{"s1._domainkey.example.org", "TXT", record.p, 0, false}};
    unsigned passed = 0, temporary = 0;
    for (size_t cap = 100; cap < 40000; cap += cap < 8000 ? 16 : 500) {
        am_arena *a = am_arena_new(cap), *dns = am_arena_new(0);
        am_header h = {.arena = keep};
        am_header_add_raw(&h, field);
        for (size_t i = 0; fields[i]; i++)
            am_header_add_raw(&h, am_str_of(i == 2 ? "Subject: forged" : fields[i]));
        am_context c = {a, fake_dns(dns, rows, 1, NULL), NULL, NOW};
        am_dkim_options o = {0};
        am_bodies *bodies = am_bodies_begin(a);
        am_dkim *d = bodies ? am_dkim_begin(&c, &o, &h, (am_str){NULL, 0}, bodies) : NULL;
        size_t n = 0;
        if (bodies) {
            am_bodies_feed(bodies, "x\r\n", 3);
            am_bodies_finish(bodies);
        }
        const am_dkim_verdict *v = d ? am_dkim_finish(d, &n) : NULL;
        passed += n && v->result == AM_PASS;
        temporary += n && v->result == AM_TEMPERROR;
        if (cap > 39000)
            want_str("with memory", am_str_of(v->reason), "signature did not verify");
        am_dkim_end(d);
        am_bodies_end(bodies);
        am_dns_end(c.dns);
        am_arena_free(a);
        am_arena_free(dns);
    }
    want_int("passed", passed, 0);
    assert_true(temporary > 0);
    am_arena_free(keep);
}

static void early_question(void **state)
{
    (void)state;
    am_arena *a = am_arena_new(0);
    am_context c = {a, fake_dns(a, NULL, 0, NULL), NULL, NOW};
    am_dkim_start(&c, AM_STR(" v=1; d=example.org; s=s1"));
    am_dkim_start(&c, AM_STR(" v=1; d=example.org; s=s1; t=3"));
    am_dkim_start(&c, AM_STR(" v=1; d=example.org"));
    am_dkim_start(&c, AM_STR("nonsense"));
    want_int("started", fake_dns_started(c.dns), 1);
    want_int("waited", fake_dns_waited(c.dns), 0);
    am_dns_end(c.dns);
    am_arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parse_table),
        cmocka_unit_test(parsed_data),
        cmocka_unit_test(parse_without_memory),
        cmocka_unit_test(parse_arc),
        cmocka_unit_test(times),
        cmocka_unit_test(verdicts),
        cmocka_unit_test(verdict_members),
        cmocka_unit_test(no_signature),
        cmocka_unit_test(order_and_limit),
        cmocka_unit_test(rsa_bounds),
        cmocka_unit_test(heap_of_signatures),
        cmocka_unit_test(several_signatures),
        cmocka_unit_test(incomplete_header),
        cmocka_unit_test(without_memory),
        cmocka_unit_test(early_question),
    };
    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
