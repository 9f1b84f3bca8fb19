/*
 * check: validates the ARC chain of one message (RFC 8617 5.2).
 *
 * For: message.c. am_arc_begin asks for the newest keys and for all digests; am_arc_finish for the
 * others, as soon as they are sure to be needed, and waits. Waits: am_arc_finish alone. Memory: the
 * context's arena, but for running digests, which never outlive a call. Callers: message.c.
 */
#include "libauth/arc/set.h"
#include "libauth/sig/verify.h"

#include <string.h>

enum { MIN_RSA = 1024, MAX_RSA = 4096, OLD_OCTETS = 16 << 20 };

struct am_arc {
    am_context c;
    am_arc_options o;
    const am_header *header;
    am_arc_chain chain;
    am_bodyhash *body[AM_ARC_MAX]; /* of the AMS of each instance; NULL: it cannot verify */
    bool secure;
};

void am_arc_start(const am_context *c, am_str value)
{
    am_str name = am_signature_key_name(c->arena, value);
    if (name.p)
        am_dns_start(c->dns, name, AM_DNS_TXT);
}

static void ask(const am_arc *arc, const am_signature *s)
{
    if (s->key_name.p)
        am_dns_start(arc->c.dns, s->key_name, AM_DNS_TXT);
}

static am_arc_options bounded(am_arc_options o)
{
    if (o.max_sets == 0 || o.max_sets > AM_ARC_MAX)
        o.max_sets = AM_ARC_MAX;
    if (o.min_rsa_bits < MIN_RSA)
        o.min_rsa_bits = MIN_RSA;
    if (o.max_rsa_bits == 0)
        o.max_rsa_bits = MAX_RSA;
    return o;
}

am_arc *am_arc_begin(
    const am_context *c, const am_arc_options *o, const am_header *h, am_bodies *bodies)
{
    am_arc *arc = am_arena_alloc(c->arena, sizeof *arc);
    if (!arc)
        return NULL;
    *arc = (am_arc){.c = *c, .o = bounded(*o), .header = h, .secure = true};
    if (!am_arc_collect(c->arena, h, arc->o.max_sets, &arc->chain))
        return NULL;
    if (arc->chain.fault || arc->chain.n == 0)
        return arc;
    /* RFC 8617 9.2: a chain that says a lot and proves nothing costs two questions. */
    const am_arc_fields *newest = &arc->chain.set[arc->chain.n - 1];
    ask(arc, &newest->message);
    ask(arc, &newest->seal);
    for (unsigned i = 0; i < arc->chain.n; i++) {
        const am_arc_fields *f = &arc->chain.set[i];
        if (!f->message_fault)
            arc->body[i] = am_bodies_want(bodies, f->message.body, f->message.length);
    }
    return am_arena_failed(c->arena) ? NULL : arc;
}

/* The one reason that is not the chain's fault. */
static const char no_memory[] = "out of memory";

/* Holds a signature over a digest against its key; NULL: it is good. */
static const char *verify(am_arc *arc, const am_signature *s, const unsigned char digest[static 32])
{
    am_key_lookup k = am_key_get(&arc->c, "arc", s->key_name, s->key_type);
    arc->secure = arc->secure && k.secure;
    if (k.result != AM_PASS) /* RFC 8617 5.2.1: DNS failures included */
        return k.reason;
    /* RFC 8301 3.2 */
    if (k.key->type == AM_KEY_RSA && k.key->bits < arc->o.min_rsa_bits)
        return "RSA key too short";
    if (k.key->type == AM_KEY_RSA && k.key->bits > arc->o.max_rsa_bits)
        return "RSA key too long";
    switch (am_verify_digest(k.key, digest, s->data)) {
    case AM_VERIFY_GOOD:
        return NULL;
    case AM_VERIFY_BAD:
        return "signature did not verify";
    case AM_VERIFY_FAULT:
        break;
    }
    return no_memory;
}

/* bh= of one AMS; NULL: it is good. */
static const char *verify_body(const am_signature *s, const am_bodyhash *body)
{
    const unsigned char *digest = body ? am_bodyhash_digest(body) : NULL;
    if (!digest)
        return no_memory;
    if (s->length != AM_BODY_WHOLE && s->length > am_bodyhash_octets(body))
        return "body shorter than l=";
    if (s->hash.n != 32 || memcmp(digest, s->hash.p, 32) != 0)
        return "body hash did not verify";
    return NULL;
}

/* RFC 8617 5.2 step 4: body hash and signature of one AMS; NULL: good. */
static const char *verify_message(am_arc *arc, unsigned i)
{
    const am_arc_fields *f = &arc->chain.set[i - 1];
    const am_signature *s = &f->message;
    unsigned char digest[32];
    if (f->message_fault)
        return f->message_fault;
    /* RFC 8617 4.1.2: what t= and x= mean to a DKIM-Signature */
    const am_fault *late = am_signature_time(s, arc->c.now, arc->o.clock_drift);
    const char *why = late ? late->reason : verify_body(s, arc->body[i - 1]);
    if (why)
        return why;
    am_headhash *h = am_headhash_new();
    if (h)
        am_headhash_fields(h, s->header, arc->c.arena, arc->header, s->names, f->field[AM_ARC_AMS]);
    if (!h || !am_headhash_end(h, digest))
        return no_memory;
    return verify(arc, s, digest);
}

static void add_field(const am_arc *arc, am_headhash *h, size_t field)
{
    am_canon_field(AM_RELAXED, arc->header->field[field].raw, true, am_headhash_sink, h);
}

/* RFC 8617 5.1.1: what each seal signs. `sealed` runs over the complete sets below the one at
 * hand, so that each field is hashed once, and a seal's own once more. False: out of memory. */
static bool hash_seals(const am_arc *arc, unsigned char digest[][32])
{
    am_headhash *sealed = am_headhash_new();
    bool good = sealed != NULL;
    for (unsigned i = 0; good && i < arc->chain.n; i++) {
        const size_t *field = arc->chain.set[i].field;
        add_field(arc, sealed, field[AM_ARC_AAR]);
        add_field(arc, sealed, field[AM_ARC_AMS]);
        am_headhash *h = am_headhash_fork(sealed);
        if (h)
            am_canon_signature(
                AM_RELAXED, arc->header->field[field[AM_ARC_AS]].raw, am_headhash_sink, h);
        good = h && am_headhash_end(h, digest[i]);
        add_field(arc, sealed, field[AM_ARC_AS]);
    }
    am_headhash_free(sealed);
    return good;
}

/* RFC 8617 5.2 step 6: every seal, from N down to 1. *at says which failed. */
static const char *verify_seals(am_arc *arc, unsigned *at)
{
    unsigned char digest[AM_ARC_MAX][32];
    if (!hash_seals(arc, digest))
        return no_memory;
    for (unsigned i = arc->chain.n; i > 0; i--)
        ask(arc, &arc->chain.set[i - 1].seal);
    for (*at = arc->chain.n; *at > 0; --*at) {
        const char *why = verify(arc, &arc->chain.set[*at - 1].seal, digest[*at - 1]);
        if (why)
            return why;
    }
    return NULL;
}

/* RFC 8617 5.2 step 5: the lowest instance of the unbroken run of valid AMS; 0: all are valid. Each
 * may sign the whole header again; the step is optional, so that there is an end to that. */
static unsigned oldest_pass(am_arc *arc)
{
    unsigned n = arc->chain.n, i = n;
    size_t tries = OLD_OCTETS / (arc->header->octets + 1);
    unsigned last = tries < n ? n - (unsigned)tries : 1;
    for (unsigned k = n - 1; k >= last && k > 0; k--)
        if (!arc->chain.set[k - 1].message_fault)
            ask(arc, &arc->chain.set[k - 1].message);
    while (i > last && !verify_message(arc, i - 1))
        i--;
    return i == 1 ? 0 : i;
}

/* What the newest AMS leaves to anybody's change (RFC 6376 8.2, 6.1.1); NULL: nothing that counts.
 */
static const char *open_part(const am_arc *arc)
{
    const am_signature *s = &arc->chain.set[arc->chain.n - 1].message;
    am_str names = s->names, name;
    if (s->length < am_bodyhash_octets(arc->body[arc->chain.n - 1]))
        return "part of the body is not signed";
    while (am_list_next(&names, ':', &name))
        if (am_str_iis(name, "From"))
            return NULL;
    return "From is not signed";
}

static const am_arc_set *publish(const am_arc *arc)
{
    am_arc_set *set = am_arena_array(arc->c.arena, arc->chain.n + 1, sizeof *set);
    for (unsigned i = 0; set && i < arc->chain.n; i++) {
        const am_arc_fields *f = &arc->chain.set[i];
        set[i] = (am_arc_set){f->seal.domain, f->seal.selector, f->results};
    }
    return set;
}

/* RFC 8617 5.2 steps 4 to 7, of a chain whose structure is right; NULL: pass. */
static const char *validate(am_arc *arc, am_arc_verdict *v)
{
    v->at = arc->chain.n;
    v->set = publish(arc);
    v->sets = v->set ? arc->chain.n : 0;
    const char *why = verify_message(arc, arc->chain.n);
    if (!why)
        why = verify_seals(arc, &v->at);
    if (why)
        return why;
    v->at = 0;
    v->oldest_pass = oldest_pass(arc);
    v->open = open_part(arc);
    return am_arena_failed(arc->c.arena) ? no_memory : NULL;
}

am_arc_verdict am_arc_finish(am_arc *arc)
{
    am_arc_verdict v = {.result = AM_FAIL, .instance = arc->chain.n, .reason = ""};
    const char *why = arc->chain.fault;
    if (arc->chain.n == 0 && !why) {
        v.result = AM_NONE;
        return v;
    }
    if (why)
        v.at = arc->chain.at;
    else
        why = validate(arc, &v);
    if (why) {
        v.reason = why;
        v.fault = strcmp(why, no_memory) == 0; /* a key may have lacked it too */
        v.oldest_pass = 0;
        v.open = NULL;
    } else {
        v.result = AM_PASS;
        v.secure = arc->secure;
    }
    am_trace_notef(arc->c.trace, "arc", "8617 5.2", AM_STR("chain"), "%s%s%s (instance %u of %u)",
        am_result_word(v.result), why ? ": " : "", why ? why : "", v.at ? v.at : v.instance,
        v.instance);
    return v;
}
