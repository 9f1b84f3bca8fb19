/*
 * check: validates the ARC chain of one message (RFC 8617 5.2).
 *
 * For: message.c. am_arc_begin asks for all keys and digests at once;
 * am_arc_finish waits. Waits: am_arc_finish alone. Memory: the context's arena,
 * but for running digests, which never outlive a call. Callers: message.c.
 */
#include "libauth/arc/set.h"
#include "libauth/sig/verify.h"

#include <string.h>

enum { MIN_RSA = 1024, MAX_RSA = 4096 };

struct am_arc {
    am_context c;
    am_arc_options o;
    const am_header *header;
    am_arc_chain chain;
    am_bodyhash *body[AM_ARC_MAX]; /* of the AMS of each instance; NULL: not wanted */
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

am_arc *am_arc_begin(
    const am_context *c, const am_arc_options *o, const am_header *h, am_bodies *bodies)
{
    am_arc *arc = am_arena_alloc(c->arena, sizeof *arc);
    if (!arc)
        return NULL;
    *arc = (am_arc){.c = *c, .o = *o, .header = h, .secure = true};
    if (arc->o.max_sets == 0 || arc->o.max_sets > AM_ARC_MAX)
        arc->o.max_sets = AM_ARC_MAX;
    if (arc->o.min_rsa_bits < MIN_RSA)
        arc->o.min_rsa_bits = MIN_RSA;
    if (arc->o.max_rsa_bits == 0)
        arc->o.max_rsa_bits = MAX_RSA;
    if (!am_arc_collect(c->arena, h, arc->o.max_sets, &arc->chain))
        return NULL;
    if (arc->chain.fault)
        return arc;
    for (unsigned i = arc->chain.n; i > 0; i--) {
        const am_arc_fields *f = &arc->chain.set[i - 1];
        ask(arc, &f->seal);
        ask(arc, &f->message);
        /* Older AMS are wanted for oldest-pass alone; one with l= of its own is not worth a digest.
         */
        if (i == arc->chain.n || f->message.length == AM_BODY_WHOLE)
            arc->body[i - 1] = am_bodies_want(bodies, f->message.body, f->message.length);
    }
    return am_arena_failed(c->arena) ? NULL : arc;
}

/* Holds a signature over a digest against its key; NULL: it is good. */
static const char *verify(am_arc *arc, const am_signature *s, am_headhash *h)
{
    unsigned char digest[32];
    if (!h || !am_headhash_end(h, digest))
        return "out of memory";
    am_key_lookup k = am_key_get(&arc->c, "arc", s->key_name, s->key_type);
    arc->secure = arc->secure && k.secure;
    if (k.result != AM_PASS) /* RFC 8617 5.2.1: DNS failures included */
        return k.reason;
    /* RFC 8301 3.2 */
    if (k.key->type == AM_KEY_RSA && k.key->bits < arc->o.min_rsa_bits)
        return "RSA key too short";
    if (k.key->type == AM_KEY_RSA && k.key->bits > arc->o.max_rsa_bits)
        return "RSA key too long";
    return am_verify_digest(k.key, digest, s->data) == AM_VERIFY_GOOD ? NULL
                                                                      : "signature did not verify";
}

/* RFC 8617 5.2 step 4: body hash and signature of one AMS; NULL: good. */
static const char *verify_message(am_arc *arc, unsigned i)
{
    const am_arc_fields *f = &arc->chain.set[i - 1];
    const am_signature *s = &f->message;
    const am_bodyhash *body = arc->body[i - 1];
    if (!body)
        return "not evaluated";
    const unsigned char *digest = am_bodyhash_digest(body);
    if (!digest)
        return "out of memory";
    if (s->length != AM_BODY_WHOLE && s->length > am_bodyhash_octets(body))
        return "body shorter than l=";
    if (s->hash.n != 32 || memcmp(digest, s->hash.p, 32) != 0)
        return "body hash did not verify";
    am_headhash *h = am_headhash_new();
    if (h)
        am_headhash_fields(h, s->header, arc->c.arena, arc->header, s->names, f->ams);
    return verify(arc, s, h);
}

static void add_field(const am_arc *arc, am_headhash *h, size_t field)
{
    am_canon_field(AM_RELAXED, arc->header->field[field].raw, true, am_headhash_sink, h);
}

/* RFC 8617 5.1.1, 5.2 step 6: every seal from 1 to N. `sealed` runs over the complete sets below
 * the one at hand, so that each field is hashed once. *at says which failed. */
static const char *verify_seals(am_arc *arc, unsigned *at)
{
    am_headhash *sealed = am_headhash_new();
    const char *why = NULL;
    for (*at = 1; sealed && *at <= arc->chain.n; ++*at) {
        const am_arc_fields *f = &arc->chain.set[*at - 1];
        add_field(arc, sealed, f->aar);
        add_field(arc, sealed, f->ams);
        am_headhash *h = am_headhash_fork(sealed);
        if (h)
            am_canon_signature(AM_RELAXED, arc->header->field[f->as].raw, am_headhash_sink, h);
        why = verify(arc, &f->seal, h);
        if (why)
            break;
        add_field(arc, sealed, f->as);
    }
    am_headhash_free(sealed);
    return sealed ? why : "out of memory";
}

/* RFC 8617 5.2 step 5: the lowest instance of the unbroken run of valid AMS; 0: all are valid. */
static unsigned oldest_pass(am_arc *arc)
{
    unsigned i = arc->chain.n;
    while (i > 1 && !verify_message(arc, i - 1))
        i--;
    return i == 1 ? 0 : i;
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

am_arc_verdict am_arc_finish(am_arc *arc)
{
    am_arc_verdict v = {.result = AM_FAIL, .instance = arc->chain.n, .reason = ""};
    const char *why = arc->chain.fault;
    unsigned at = arc->chain.at;
    if (arc->chain.n == 0 && !why) {
        v.result = AM_NONE;
        return v;
    }
    if (!why) {
        v.set = publish(arc);
        v.sets = v.set ? arc->chain.n : 0;
        at = arc->chain.n;
        why = verify_message(arc, at);
        if (!why)
            why = verify_seals(arc, &at);
    }
    if (why) {
        v.reason = why;
        v.at = at;
    } else {
        v.result = AM_PASS;
        v.oldest_pass = oldest_pass(arc);
        v.secure = arc->secure;
    }
    am_trace_notef(arc->c.trace, "arc", "8617 5.2", AM_STR("chain"), "%s%s%s (instance %u of %u)",
        am_result_word(v.result), why ? ": " : "", why ? why : "", at, v.instance);
    return v;
}
