/*
 * dkim: the door of DKIM: finds the signatures of a message, limits them, asks for
 * their keys, and hands those that are to be evaluated to an engine (RFC 6376 6.1).
 *
 * For: message. Waits: in am_dkim_finish, for keys. Memory: the message's arena;
 * an engine may hold more until am_dkim_end. Callers: message; one thread at a
 * time.
 */
#include "libauth/dkim/engine.h"
#include "libauth/base/domain.h"
#include "libauth/dkim/coverage.h"

enum {
    SIGNATURES = 10,
    PARSED = 1000, /* a header full of signatures must not eat the message's memory */
    LEGAL_RSA = 1024,
    MAX_RSA = 4096,
};

struct am_dkim {
    am_dkim_job job;
    const am_dkim_ops *ops;
    void *engine; /* NULL: nothing is to be evaluated */
    am_dkim_verdict *verdict;
    size_t skipped;
};

static const am_dkim_ops *engine_of(am_dkim_engine e)
{
#ifdef HAVE_LIBOPENDKIM
    if (e == AM_DKIM_LIBOPENDKIM)
        return &am_dkim_libopendkim_ops;
#endif
    (void)e;
    return &am_dkim_own_ops;
}

static am_dkim_options with_defaults(const am_dkim_options *o)
{
    am_dkim_options out = *o;
    if (out.max_signatures == 0)
        out.max_signatures = SIGNATURES;
    if (out.min_rsa_bits < LEGAL_RSA) /* RFC 8301 3.2 */
        out.min_rsa_bits = LEGAL_RSA;
    if (out.max_rsa_bits == 0)
        out.max_rsa_bits = MAX_RSA;
    return out;
}

/* ---- Verdicts ---- */

static void settle(am_dkim_job *job, am_dkim_item *i, const am_fault *f, am_str detail)
{
    am_dkim_verdict *v = &i->verdict;
    v->result = f->result;
    v->reason = f->reason;
    v->detail = detail;
    if (!job->c.trace)
        return;
    am_str about =
        am_str_format(job->c.arena, "d=%.*s s=%.*s", AM_ARG(v->domain), AM_ARG(v->selector));
    am_trace_notef(job->c.trace, "dkim", f->rfc, about, "%s%s%s%s%.*s", am_result_word(f->result),
        *f->reason ? ": " : "", f->reason, detail.n ? ": " : "", AM_ARG(detail));
}

void am_dkim_judge(am_dkim_job *job, am_dkim_item *i, am_sigfault f, am_str detail)
{
    settle(job, i, am_sigfault_get(f), detail);
}

const am_key *am_dkim_key(am_dkim_job *job, am_dkim_item *i)
{
    const am_str none = {NULL, 0};
    const am_signature *s = &i->sig;
    am_key_lookup k = am_key_get(&job->c, "dkim", s->key_name, s->key_type);
    i->verdict.secure = k.secure;
    if (!k.key) {
        const am_fault f = {k.result, k.reason, "6376 6.1.2"};
        settle(job, i, &f, am_str_of(k.detail));
        return NULL;
    }
    i->verdict.key_bits = k.key->bits;
    i->verdict.testing = k.key->testing;
    if (k.key->type == AM_KEY_RSA && k.key->bits < LEGAL_RSA)
        am_dkim_judge(job, i, AM_SIG_RSA_SHORT, none);
    else if (k.key->type == AM_KEY_RSA && k.key->bits > job->options.max_rsa_bits)
        am_dkim_judge(job, i, AM_SIG_RSA_LONG, none); /* not even tried: it would cost too much */
    else if (k.key->strict_i && s->subdomain)
        am_dkim_judge(job, i, AM_SIG_STRICT, none);
    else
        return k.key;
    return NULL;
}

void am_dkim_judge_good(am_dkim_job *job, am_dkim_item *i, uint64_t octets)
{
    const am_str none = {NULL, 0};
    const am_signature *s = &i->sig;
    am_fault pass = *am_sigfault_get(AM_SIG_GOOD);
    bool unsigned_octets = octets > s->length;
    am_str open = am_dkim_uncovered(job->c.arena, job->header, s->names);
    if (!open.p) {
        am_dkim_judge(job, i, AM_SIG_NO_MEMORY, none);
        return;
    }
    if (s->key_type == AM_KEY_RSA && i->verdict.key_bits < job->options.min_rsa_bits) {
        am_dkim_judge(job, i, AM_SIG_RSA_WEAK, none);
        return;
    }
    if (unsigned_octets && job->options.body_length_policy) {
        am_dkim_judge(job, i, AM_SIG_UNSIGNED, none);
        return;
    }
    if (open.n) { /* RFC 6376 8.15: verified, and yet not all that is shown is the signer's */
        pass = *am_sigfault_get(AM_SIG_OPEN);
        if (unsigned_octets)
            open = am_str_format(job->c.arena, "body, %.*s", AM_ARG(open));
    } else if (unsigned_octets)
        pass.reason = am_sigfault_get(AM_SIG_UNSIGNED)->reason;
    else if (i->verdict.testing)
        pass.reason = "key is in test mode"; /* RFC 6376 3.6.1 t=y */
    settle(job, i, &pass, open);
}

/* ---- Begin ---- */

static void skip(am_dkim *d, am_dkim_item *i)
{
    i->evaluate = false;
    am_dkim_judge(&d->job, i, AM_SIG_SKIPPED, (am_str){NULL, 0});
    d->skipped++;
}

static void read_field(am_dkim *d, am_dkim_item *i)
{
    size_t field = i->verdict.field;
    const am_context *c = &d->job.c;
    i->sig = am_signature_parse(c->arena, AM_SIG_DKIM, d->job.header->field[field].value);
    i->verdict = (am_dkim_verdict){.domain = i->sig.domain,
        .selector = i->sig.selector,
        .identity = i->sig.identity,
        .algorithm = i->sig.algorithm,
        .signature = i->sig.signature,
        .reason = "",
        .field = field};
    const am_fault *f = i->sig.fault;
    if (!f && d->job.header->failed) /* a field that is missing may be one that was signed */
        f = am_sigfault_get(AM_SIG_HEADER);
    if (!f)
        f = am_signature_time(&i->sig, c->now, d->job.options.clock_drift);
    i->evaluate = !f;
    if (f)
        settle(&d->job, i, f, i->sig.detail);
}

static bool read_all(am_dkim *d)
{
    static const char name[] = "DKIM-Signature";
    const am_header *h = d->job.header;
    am_arena *a = d->job.c.arena;
    size_t n = am_header_count(h, name);
    d->job.item = am_arena_array(a, n, sizeof *d->job.item);
    d->verdict = am_arena_array(a, n, sizeof *d->verdict);
    if (!d->job.item || !d->verdict)
        return false;
    for (size_t i = 0; i < h->n; i++) {
        if (!am_str_iis(h->field[i].name, name))
            continue;
        am_dkim_item *item = &d->job.item[d->job.n++];
        item->verdict.field = i;
        if (d->job.n <= PARSED)
            read_field(d, item);
        else
            skip(d, item);
    }
    return !am_arena_failed(a);
}

static bool near_author(const am_dkim_item *i, am_str author)
{
    return am_domain_under(i->verdict.domain, author) || am_domain_under(author, i->verdict.domain);
}

/* RFC 6376 6.1: a cap against overload. Whoever may speak for the author comes first, so that a
 * heap of other signatures cannot crowd him out; then top down. */
static bool limit(am_dkim *d, am_str author)
{
    am_dkim_job *j = &d->job;
    size_t max = j->options.max_signatures < j->n ? j->options.max_signatures : j->n;
    size_t *order = am_arena_array(j->c.arena, max, sizeof *order);
    if (!order)
        return false;
    j->order = order;
    for (int near = 1; near >= 0; near--)
        for (size_t i = 0; i < j->n; i++) {
            am_dkim_item *item = &j->item[i];
            if (!item->evaluate || near_author(item, author) != near)
                continue;
            if (j->evaluated < max) {
                order[j->evaluated++] = i;
                continue;
            }
            skip(d, item);
        }
    return true;
}

void am_dkim_ask(const am_dkim *d)
{
    for (size_t i = 0; i < d->job.evaluated; i++) {
        am_str name = d->job.item[d->job.order[i]].sig.key_name;
        if (name.p)
            am_dns_start(d->job.c.dns, name, AM_DNS_TXT);
    }
}

am_dkim *am_dkim_begin(const am_context *c, const am_dkim_options *o, const am_header *h,
    am_str author, am_bodies *bodies)
{
    am_dkim *d = am_arena_alloc(c->arena, sizeof *d);
    if (!d)
        return NULL;
    d->job = (am_dkim_job){.c = *c, .options = with_defaults(o), .header = h, .bodies = bodies};
    d->ops = engine_of(o->engine);
    if (!read_all(d) || !limit(d, author))
        return NULL;
    am_dkim_ask(d);
    if (d->job.evaluated) {
        d->engine = d->ops->begin(&d->job);
        if (!d->engine)
            return NULL;
    }
    return d;
}

void am_dkim_start(const am_context *c, am_str value)
{
    am_str name = am_signature_key_name(c->arena, value);
    if (name.p)
        am_dns_start(c->dns, name, AM_DNS_TXT);
}

/* ---- The rest of the way ---- */

void am_dkim_body(am_dkim *d, const void *p, size_t n)
{
    if (d->engine && n)
        d->ops->body(d->engine, p, n);
}

const am_dkim_verdict *am_dkim_finish(am_dkim *d, size_t *n)
{
    if (d->engine)
        d->ops->finish(d->engine);
    for (size_t i = 0; i < d->job.n; i++)
        d->verdict[i] = d->job.item[i].verdict;
    *n = d->job.n;
    return d->verdict;
}

size_t am_dkim_skipped(const am_dkim *d)
{
    return d->skipped;
}

void am_dkim_end(am_dkim *d)
{
    if (d && d->engine)
        d->ops->end(d->engine);
    if (d)
        d->engine = NULL;
}
