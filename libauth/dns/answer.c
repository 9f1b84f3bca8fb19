/*
 * answer: the flat form of an answer, and the objects kept with it.
 *
 * For: cache, sessions, and parsers of records. Waits: never. Memory: one
 * malloc'd block an answer, freed with its last reference; kept objects are
 * destroyed with it. Callers: any thread; a reference is held meanwhile.
 */
#include "libauth/dns/answer.h"

#include <stdlib.h>

am_answer *am_answer_new(am_dns_status status, size_t n, size_t octets)
{
    size_t bytes = sizeof(am_answer) + n * sizeof(am_dns_rr) + octets;
    am_answer *x = malloc(bytes);
    if (!x)
        return NULL;
    am_answer_init(x, status, NULL);
    am_dns_rr *rr = (am_dns_rr *)(x + 1);
    for (size_t i = 0; i < n; i++)
        rr[i] = (am_dns_rr){0};
    x->pub.n = n;
    x->pub.rr = rr;
    x->bytes = bytes;
    x->fill = (char *)(rr + n);
    return x;
}

am_answer *am_answer_failed(const char *reason)
{
    am_answer *x = am_answer_new(AM_DNS_TEMPFAIL, 0, 0);
    if (x)
        x->pub.reason = reason;
    return x;
}

am_answer *am_answer_ours(const char *reason)
{
    am_answer *x = am_answer_failed(reason);
    if (x)
        x->ours = true;
    return x;
}

void am_answer_init(am_answer *x, am_dns_status status, const char *reason)
{
    *x = (am_answer){.pub = {.status = status, .reason = reason}};
    atomic_init(&x->refs, 1);
    atomic_init(&x->slots, 0);
    atomic_init(&x->parsed, NULL);
}

void am_answer_clear(am_answer *x)
{
    for (am_parsed *p = atomic_load(&x->parsed), *next; p; p = next) {
        next = p->next;
        p->destroy(p->obj);
        if (p < x->slot || p >= x->slot + AM_ANSWER_SLOTS)
            free(p);
    }
    atomic_store(&x->parsed, NULL);
}

am_dns_rr *am_answer_rr(am_answer *x, size_t i)
{
    return (am_dns_rr *)(x + 1) + i;
}

am_answer *am_answer_ref(am_answer *x)
{
    atomic_fetch_add_explicit(&x->refs, 1, memory_order_relaxed);
    return x;
}

void am_answer_unref(am_answer *x)
{
    if (!x || atomic_fetch_sub_explicit(&x->refs, 1, memory_order_acq_rel) != 1)
        return;
    am_answer_clear(x);
    free(x);
}

/* The door's pointer is the address of the block; all blocks are writable. */
static am_answer *block_of(const am_dns_answer *x)
{
    return (am_answer *)x;
}

static am_parsed *find(am_parsed *from, const am_parsed *to, const void *kind)
{
    for (; from != to; from = from->next)
        if (from->kind == kind)
            return from;
    return NULL;
}

void *am_dns_parsed_get(const am_dns_answer *x, const void *kind)
{
    am_parsed *head = atomic_load_explicit(&block_of(x)->parsed, memory_order_acquire);
    am_parsed *p = find(head, NULL, kind);
    return p ? p->obj : NULL;
}

void *am_dns_parsed_keep(
    const am_dns_answer *x, const void *kind, void *obj, void (*destroy)(void *obj))
{
    am_answer *b = block_of(x);
    am_parsed *head = atomic_load_explicit(&b->parsed, memory_order_acquire), *seen = NULL;
    am_parsed *p = find(head, NULL, kind);
    if (p) {
        destroy(obj);
        return p->obj;
    }
    unsigned slot = atomic_fetch_add_explicit(&b->slots, 1, memory_order_relaxed);
    am_parsed *mine = slot < AM_ANSWER_SLOTS ? &b->slot[slot] : malloc(sizeof *mine);
    if (!mine) {
        destroy(obj);
        return NULL;
    }
    *mine = (am_parsed){kind, obj, destroy, NULL};
    do {
        p = find(head, seen, kind);
        if (p) {
            /* Another thread was first; a slot in the block stays unused. */
            if (slot >= AM_ANSWER_SLOTS)
                free(mine);
            destroy(obj);
            return p->obj;
        }
        seen = head;
        mine->next = head;
    } while (!atomic_compare_exchange_weak_explicit(
        &b->parsed, &head, mine, memory_order_acq_rel, memory_order_acquire));
    return obj;
}
