/*
 * recorded: answers that were given before, as a source of answers.
 *
 * For: judging a message again without the network (`authmill explain`, `authmill replay`). Who
 * asks for what is not in the list gets TEMPFAIL: nobody knows what the DNS would have said, so no
 * verdict may rest on it. Waits: never. Memory: the list in an arena of its own, the answers each
 * a block. Callers: am_recorded_answer any thread, others one.
 */
#include "libauth/dns/recorded.h"

#include <stdlib.h>
#include <string.h>

typedef struct entry {
    am_qkey key;
    am_answer *answer;
} entry;

struct am_recorded {
    am_arena *arena; /* entries, and the reasons that answers point to */
    entry *entry;
    size_t n;
    const char *missing;
};

static const char *keep_text(am_arena *a, const char *text)
{
    return am_arena_copy(a, text, strlen(text));
}

static bool has_text(am_dns_type type)
{
    return type != AM_DNS_A && type != AM_DNS_AAAA;
}

/* An answer of our own, like the one in the list; NULL: out of memory. */
static am_answer *copy_of(am_arena *a, const am_dns_answer *from, am_dns_type type)
{
    size_t octets = 0;
    for (size_t i = 0; i < from->n && has_text(type); i++)
        octets += from->rr[i].data.n;
    am_answer *x = am_answer_new(from->status, from->n, octets);
    if (!x)
        return NULL;
    x->pub.secure = from->secure;
    x->pub.ttl = from->ttl;
    if (from->status == AM_DNS_TEMPFAIL &&
        !(x->pub.reason = keep_text(a, from->reason ? from->reason : "failed"))) {
        am_answer_unref(x);
        return NULL;
    }
    for (size_t i = 0; i < from->n; i++) {
        am_dns_rr *rr = am_answer_rr(x, i);
        *rr = from->rr[i];
        if (!has_text(type))
            continue;
        rr->data = am_str_n(x->fill, from->rr[i].data.n);
        if (rr->data.n)
            memcpy(x->fill, from->rr[i].data.p, rr->data.n);
        x->fill += rr->data.n;
    }
    return x;
}

static am_answer *find(const am_recorded *r, const am_qkey *k)
{
    for (size_t i = 0; i < r->n; i++)
        if (am_qkey_eq(&r->entry[i].key, k))
            return r->entry[i].answer;
    return NULL;
}

static bool add(am_recorded *r, const am_seed *seed, const am_dns_lookup *l)
{
    entry *e = &r->entry[r->n];
    if (!am_qkey_make(seed, l->name, l->type, &e->key) || find(r, &e->key))
        return true;
    e->answer = copy_of(r->arena, l->answer, l->type);
    r->n += e->answer != NULL;
    return e->answer != NULL;
}

am_recorded *am_recorded_new(
    const am_seed *seed, const am_dns_lookup *list, size_t n, const char *missing)
{
    am_arena *a = am_arena_new(0);
    am_recorded *r = a ? am_arena_alloc(a, sizeof *r) : NULL;
    if (!r) {
        am_arena_free(a);
        return NULL;
    }
    r->arena = a;
    r->missing = keep_text(a, missing);
    r->entry = am_arena_array(a, n + 1, sizeof *r->entry);
    bool good = r->missing && r->entry;
    for (size_t i = 0; good && i < n; i++)
        good = add(r, seed, &list[i]);
    if (good)
        return r;
    am_recorded_free(r);
    return NULL;
}

void am_recorded_free(am_recorded *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->n; i++)
        am_answer_unref(r->entry[i].answer);
    am_arena_free(r->arena); /* r lives there */
}

am_answer *am_recorded_answer(const am_recorded *r, const am_qkey *k)
{
    am_answer *x = find(r, k);
    return x ? am_answer_ref(x) : am_answer_failed(r->missing);
}
