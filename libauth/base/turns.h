/* Turns: so many threads at a time, in the order in which they came. */
#ifndef AM_TURNS_H
#define AM_TURNS_H

#include <stdint.h>

typedef struct am_turns am_turns; /* who waits for a turn; any thread */

/* `at_a_time`: at least 1. Who has waited for `patience_ms` (at most a minute) goes without a turn.
 * NULL: out of memory. Nobody may have or want a turn when it is freed. */
am_turns *am_turns_new(unsigned at_a_time, unsigned patience_ms);
void am_turns_free(am_turns *t);
unsigned am_turns_waiting(const am_turns *t); /* threads; a guess while others come and go */

/* One thread's. NULL, and one of NULL: it is always its turn. */
typedef struct am_turn {
    am_turns *of;
    int64_t since; /* microseconds */
} am_turn;

/* Waits until it is this thread's turn, or its patience ends. */
void am_turn_begin(am_turn *t);
void am_turn_end(am_turn *t);

/* Within a turn, now and then: who has had it for a millisecond lets the others go first. */
void am_turn_offer(am_turn *t);

#endif
