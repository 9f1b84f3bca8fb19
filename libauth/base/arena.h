/* Memory of one message: many small pieces, let go together. */
#ifndef AM_BASE_ARENA_H
#define AM_BASE_ARENA_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct am_arena am_arena;

/* A new arena that hands out at most `cap` octets in all (0: no bound).
 * NULL: out of memory. One thread at a time may use an arena. */
am_arena *am_arena_new(size_t cap);

/* Memory that many arenas share, of any threads. An arena that holds more than AM_BUDGET_SMALL may
 * take of three quarters of it, so that there is always some for small ones. */
typedef struct am_budget {
    atomic_size_t used;
    size_t max;
} am_budget;
enum { AM_BUDGET_SMALL = 256 << 10 };

/* From now on the arena's memory counts there too; before the first piece. NULL is fine. */
void am_arena_share(am_arena *a, am_budget *b);

/* `n` octets that are held elsewhere for the arena's owner count as handed out, until reset or
 * free. False: as where am_arena_alloc gives NULL. */
bool am_arena_charge(am_arena *a, size_t n);

/* `n` zeroed octets, aligned for any type, valid until reset or free.
 * NULL: the cap, the budget or the machine's memory is exhausted; am_arena_failed() then
 * stays true until reset, so that a caller can ask once at the end. */
void *am_arena_alloc(am_arena *a, size_t n);

/* `count` zeroed things of `size` octets; NULL on overflow too. */
void *am_arena_array(am_arena *a, size_t count, size_t size);

/* A copy of `n` octets with one NUL behind it. NULL as above. */
char *am_arena_copy(am_arena *a, const void *p, size_t n);

bool am_arena_failed(const am_arena *a);
size_t am_arena_used(const am_arena *a); /* octets handed out so far */

/* Everything handed out becomes invalid; one block is kept for reuse. */
void am_arena_reset(am_arena *a);
void am_arena_free(am_arena *a); /* NULL is fine */

#endif
