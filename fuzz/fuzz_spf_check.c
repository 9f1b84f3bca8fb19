/*
 * fuzz_spf_check: check_host over any zone (RFC 7208 4.6.4).
 *
 * Holds: no more questions, and no more of each kind, than the limits allow; a verdict is a
 * verdict; early asking and the size of memory change none of them to a pass. Input: a scene;
 * options t, v, n, q: the limits; c: octets of memory for a second run.
 */
#include "fuzz/fuzz.h"
#include "fuzz/scene.h"
#include "libauth/base/lex.h"
#include "libauth/spf/record.h"
#include "libauth/spf/spf.h"

typedef struct outcome {
    am_spf_verdict v;
    unsigned waits, txt, mx, ptr;
    bool failed;
} outcome;

static am_spf_query query(const scene *s)
{
    size_t at = am_str_rfind(s->mail, '@');
    return (am_spf_query){.ip = s->ip,
        .domain = am_str_cut(s->mail, at + 1, s->mail.n),
        .local = am_str_cut(s->mail, 0, at),
        .helo = s->helo,
        .receiver = AM_STR("mx.example")};
}

static am_spf_options limits(const scene *s)
{
    return (am_spf_options){
        scene_limit(s, 't'), scene_limit(s, 'v'), scene_limit(s, 'n'), s->value['q']};
}

/* The verdict's strings live in `a`. */
static outcome check(const scene *s, am_arena *a, bool early)
{
    outcome o = {.failed = true};
    am_trace trace = {.arena = a};
    am_spf_options max = limits(s);
    am_spf_query q = query(s);
    am_dns_limits dns = {.questions = 100000};
    am_context c = {a, am_dns_begin(fake_zone_dns(s->zone), a, &dns, NULL), NULL, SCENE_NOW};
    c.trace = s->opt['x'] ? &trace : NULL;
    if (!c.dns)
        return o;
    if (early)
        am_spf_start(&c, &q);
    o.v = am_spf_check(&c, &max, &q);
    o.waits = am_dns_waited(c.dns); /* distinct ones */
    o.txt = fake_dns_waits_for(c.dns, AM_DNS_TXT);
    o.mx = fake_dns_waits_for(c.dns, AM_DNS_MX);
    o.ptr = fake_dns_waits_for(c.dns, AM_DNS_PTR);
    o.failed = am_arena_failed(a);
    am_dns_end(c.dns);
    return o;
}

static void look(const scene *s, const outcome *o)
{
    am_spf_options max = limits(s);
    unsigned terms = max.max_terms ? max.max_terms : 10;
    FUZZ_NEED(o->v.result != AM_POLICY && o->v.result <= AM_PERMERROR);
    FUZZ_NEED(o->waits <= (max.max_questions ? max.max_questions : 64));
    FUZZ_NEED(o->txt <= terms + 2); /* the first record, and the explanation */
    FUZZ_NEED(o->mx <= terms);
    FUZZ_NEED(o->ptr <= 1 + terms);
    FUZZ_NEED(o->v.result == AM_FAIL || !o->v.explanation.n);
    for (size_t i = 0; i < o->v.explanation.n; i++)
        FUZZ_NEED(am_is(o->v.explanation.p[i], AM_VCHAR) || o->v.explanation.p[i] == ' ');
    bool error =
        o->v.result == AM_NONE || o->v.result == AM_TEMPERROR || o->v.result == AM_PERMERROR;
    FUZZ_NEED(error == (o->v.reason.n > 0));
    fuzz_read(o->v.mechanism);
    fuzz_read(o->v.reason);
}

/* A record of " a a a" takes an am_spf_term for two octets, and a long one is parsed each time
 * that a term leads to it. */
static size_t memory_bound(const scene *s, size_t size)
{
    unsigned max = limits(s).max_terms;
    size_t records = (max ? max : 10) + 2;
    return (2 << 20) + 100 * size + records * size * sizeof(am_spf_term);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    scene s = scene_begin(am_str_n(data, size));
    am_arena *a = am_arena_new(0), *b = am_arena_new(0);
    am_arena *small = am_arena_new(s.value['c'] ? s.value['c'] : 4000);
    outcome one = check(&s, a, false), two = check(&s, b, true);
    look(&s, &one);
    FUZZ_NEED(one.v.result == two.v.result && am_str_eq(one.v.mechanism, two.v.mechanism));
    FUZZ_NEED(am_str_eq(one.v.explanation, two.v.explanation));
    FUZZ_NEED(am_arena_used(a) < memory_bound(&s, size));
    outcome three = check(&s, small, false);
    bool same = three.v.result == one.v.result;
    FUZZ_NEED(same || (three.failed && (three.v.result == AM_TEMPERROR || !three.v.result)));
    am_arena_free(a);
    am_arena_free(b);
    am_arena_free(small);
    scene_end(&s);
    return 0;
}
