/*
 * check: our own engine: keys, body hashes, signatures (RFC 6376 6.1.2, 6.1.3).
 *
 * For: dkim.c, behind engine.h. Waits: in finish, for keys that were asked for
 * before. Memory: the message's arena; digests belong to the message's am_bodies.
 * Callers: dkim.c alone; one thread at a time.
 */
#include "libauth/dkim/engine.h"
#include "libauth/sig/verify.h"

#include <string.h>

typedef struct own {
    am_dkim_job *job;
    const am_bodyhash **body; /* one for each of job->order */
} own;

static void *begin(am_dkim_job *job)
{
    own *e = am_arena_alloc(job->c.arena, sizeof *e);
    if (!e)
        return NULL;
    e->job = job;
    e->body = am_arena_array(job->c.arena, job->evaluated, sizeof *e->body);
    for (size_t i = 0; i < job->evaluated; i++) {
        const am_signature *s = &job->item[job->order[i]].sig;
        if (e->body)
            e->body[i] = am_bodies_want(job->bodies, s->body, s->length);
        if (!e->body || !e->body[i])
            return NULL;
    }
    return e;
}

static void body(void *engine, const void *p, size_t n)
{
    (void)engine, (void)p, (void)n; /* am_bodies has it */
}

/* RFC 6376 6.1.3: 3, and 3.5 l=. */
static am_sigfault check_body(const am_signature *s, const am_bodyhash *b)
{
    const unsigned char *digest = am_bodyhash_digest(b);
    if (!digest)
        return AM_SIG_CRYPTO;
    if (s->length != AM_BODY_WHOLE && am_bodyhash_octets(b) < s->length)
        return AM_SIG_BODY_SHORT;
    return am_str_eq(s->hash, am_str_n(digest, 32)) ? AM_SIG_GOOD : AM_SIG_BODY_HASH;
}

/* RFC 6376 6.1.3: 4, over 3.7's header hash. */
static am_sigfault check_header(const am_dkim_job *job, const am_dkim_item *i, const am_key *key)
{
    unsigned char digest[32];
    am_headhash *h = am_headhash_new();
    if (!h)
        return AM_SIG_CRYPTO;
    am_headhash_fields(h, i->sig.header, job->c.arena, job->header, i->sig.names, i->verdict.field);
    if (!am_headhash_end(h, digest))
        return AM_SIG_CRYPTO;
    switch (am_verify_digest(key, digest, i->sig.data)) {
    case AM_VERIFY_GOOD:
        return AM_SIG_GOOD;
    case AM_VERIFY_BAD:
        return AM_SIG_MISMATCH;
    case AM_VERIFY_FAULT:
        break;
    }
    return AM_SIG_CRYPTO;
}

static void evaluate(am_dkim_job *job, am_dkim_item *i, const am_bodyhash *b)
{
    const am_key *key = am_dkim_key(job, i);
    if (!key)
        return;
    am_sigfault f = check_body(&i->sig, b);
    if (f == AM_SIG_GOOD)
        f = check_header(job, i, key);
    if (f == AM_SIG_GOOD)
        am_dkim_judge_good(job, i, am_bodyhash_octets(b));
    else
        am_dkim_judge(job, i, f, (am_str){NULL, 0});
}

static void finish(void *engine)
{
    own *e = engine;
    for (size_t i = 0; i < e->job->evaluated; i++)
        evaluate(e->job, &e->job->item[e->job->order[i]], e->body[i]);
}

static void end(void *engine)
{
    (void)engine;
}

const am_dkim_ops am_dkim_own_ops = {begin, body, finish, end};
