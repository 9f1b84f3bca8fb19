/*
 * arena: the memory of one message.
 *
 * For: everything whose life ends with a message. Pieces are cut from blocks;
 * a piece larger than a block gets a block of its own. Nothing is freed alone.
 * Waits: never. Memory: owned by whoever called am_arena_new. Callers: anyone;
 * an arena belongs to one thread at a time, a budget to all.
 *
 * Built with AddressSanitizer, a gap that nobody may touch follows each piece.
 */
#include "libauth/base/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define GUARDED 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define GUARDED 1
#endif

#ifdef GUARDED
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#define GUARDED 0
#endif

/* FIRST has room for what a connection keeps here until its message begins: some 1,200 octets. */
enum { FIRST = 1400, BLOCK = 4096, ALIGN = 16, GAP = GUARDED * ALIGN };

typedef struct block {
    struct block *next;
    size_t size, used;
    _Alignas(ALIGN) unsigned char data[];
} block;

struct am_arena {
    block *first, *current; /* current: the block that small pieces are cut from */
    size_t cap, used;
    am_budget *budget; /* NULL: none */
    size_t taken;      /* of it */
    bool failed;
};

am_arena *am_arena_new(size_t cap)
{
    am_arena *a = calloc(1, sizeof *a);
    if (a)
        a->cap = cap;
    return a;
}

void am_arena_share(am_arena *a, am_budget *b)
{
    a->budget = b;
}

static bool take(am_arena *a, size_t n)
{
    am_budget *b = a->budget;
    if (!b)
        return true;
    size_t max =
        n > AM_BUDGET_SMALL || a->taken > AM_BUDGET_SMALL - n ? b->max - b->max / 4 : b->max;
    if (n > max || atomic_fetch_add(&b->used, n) > max - n) {
        if (n <= max)
            atomic_fetch_sub(&b->used, n);
        return false;
    }
    a->taken += n;
    return true;
}

static void give_back(am_arena *a)
{
    if (a->budget)
        atomic_fetch_sub(&a->budget->used, a->taken);
    a->taken = 0;
}

bool am_arena_charge(am_arena *a, size_t n)
{
    if ((a->cap && n > a->cap - a->used) || !take(a, n)) {
        a->failed = true;
        return false;
    }
    a->used += n;
    return true;
}

static block *new_block(am_arena *a, size_t size)
{
    block *b = take(a, sizeof *b + size) ? malloc(sizeof *b + size) : NULL;
    if (!b)
        return NULL;
    b->size = size;
    b->used = 0;
    b->next = NULL;
    ASAN_POISON_MEMORY_REGION(b->data, size);
    if (!a->first) {
        a->first = a->current = b;
    } else {
        b->next = a->current->next;
        a->current->next = b;
        if (size == BLOCK)
            a->current = b;
    }
    return b;
}

void *am_arena_alloc(am_arena *a, size_t n)
{
    if (n == 0)
        n = 1;
    if (n > SIZE_MAX - 2 * BLOCK || (a->cap && n > a->cap - a->used)) {
        a->failed = true;
        return NULL;
    }
    size_t size = a->first ? BLOCK : FIRST;
    size_t need = (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    need += GAP;
    block *b = a->current;
    if (!b || need > b->size - b->used)
        b = new_block(a, need > size / 2 ? need : size);
    if (!b) {
        a->failed = true;
        return NULL;
    }
    void *p = b->data + b->used;
    ASAN_UNPOISON_MEMORY_REGION(p, n);
    b->used += need;
    a->used += n;
    return memset(p, 0, n);
}

void *am_arena_array(am_arena *a, size_t count, size_t size)
{
    if (size && count > SIZE_MAX / size) {
        a->failed = true;
        return NULL;
    }
    return am_arena_alloc(a, count * size);
}

char *am_arena_copy(am_arena *a, const void *p, size_t n)
{
    char *s = n < SIZE_MAX ? am_arena_alloc(a, n + 1) : NULL;
    if (s && n)
        memcpy(s, p, n);
    return s;
}

bool am_arena_failed(const am_arena *a)
{
    return a->failed;
}

size_t am_arena_used(const am_arena *a)
{
    return a->used;
}

void am_arena_reset(am_arena *a)
{
    block *keep = NULL;
    for (block *b = a->first, *next; b; b = next) {
        next = b->next;
        if (!keep && b->size == BLOCK) {
            keep = b;
            keep->next = NULL;
            keep->used = 0;
            ASAN_POISON_MEMORY_REGION(keep->data, keep->size);
        } else {
            free(b);
        }
    }
    a->first = a->current = keep;
    give_back(a);
    if (keep && a->budget) {
        a->taken = sizeof *keep + keep->size;
        atomic_fetch_add(&a->budget->used, a->taken);
    }
    a->used = 0;
    a->failed = false;
}

void am_arena_free(am_arena *a)
{
    if (!a)
        return;
    for (block *b = a->first, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    give_back(a);
    free(a);
}
