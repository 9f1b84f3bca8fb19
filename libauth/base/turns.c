/*
 * turns: so many threads at a time, in the order in which they came.
 *
 * For: judging messages, where there are more of them than processors. The kernel shares the
 * processors among all who can run and lets some wait four times as long as others; here the first
 * to come is the first to be done. Nobody is locked out by who has a turn for long: it is passed on
 * (am_turn_offer), and where that cannot be, as within one long header field, patience ends: then
 * there are more at a time, and the kernel shares the processors among them.
 *
 * Each takes a ticket; those below `served` + `at_a_time` may go. Who may not, sleeps on the word
 * of its ticket (a futex). No lock: an addition where nobody waits. Waits: am_turn_begin. Memory:
 * the caller's. Callers: any thread.
 */
#include "libauth/base/turns.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
    WORDS = 256,     /* tickets that are so many apart share one, and wake each other */
    LASTS_US = 1000, /* a turn, where others wait */
    FIRST = -20,     /* ticket: they wrap round at once, not after months */
};

struct am_turns {
    atomic_uint next;   /* ticket */
    atomic_uint served; /* turns that are over */
    unsigned at_a_time;
    long patience[2]; /* seconds, nanoseconds: what SYS_futex takes, however long time_t is */
    atomic_uint word[WORDS]; /* counts what it was told */
};

static int64_t clock_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

am_turns *am_turns_new(unsigned at_a_time, unsigned patience_ms)
{
    am_turns *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->at_a_time = at_a_time;
    t->patience[0] = patience_ms / 1000;
    t->patience[1] = (long)(patience_ms % 1000) * 1000000;
    atomic_init(&t->next, FIRST);
    atomic_init(&t->served, FIRST);
    return t;
}

void am_turns_free(am_turns *t)
{
    free(t);
}

/* How far the ticket is from going; no two that are compared are far apart. */
static int ahead(const am_turns *t, unsigned ticket)
{
    return (int)(ticket - atomic_load(&t->served) - t->at_a_time);
}

unsigned am_turns_waiting(const am_turns *t)
{
    int n = ahead(t, atomic_load(&t->next));
    return n > 0 ? (unsigned)n : 0;
}

void am_turn_begin(am_turn *turn)
{
    am_turns *t = turn ? turn->of : NULL;
    if (!t)
        return;
    unsigned ticket = atomic_fetch_add(&t->next, 1);
    atomic_uint *word = &t->word[ticket % WORDS];
    unsigned seen = atomic_load(word);
    while (ahead(t, ticket) >= 0) {
        /* Whose patience ended ends a turn all the same: that lets in the next one, and when the
         * ticket's own time comes, nobody. */
        if (syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, seen, t->patience, NULL, 0) != 0 &&
            errno == ETIMEDOUT)
            break;
        seen = atomic_load(word);
    }
    turn->since = clock_us();
}

void am_turn_end(am_turn *turn)
{
    am_turns *t = turn ? turn->of : NULL;
    if (!t)
        return;
    unsigned ticket = atomic_fetch_add(&t->served, 1) + t->at_a_time; /* that may go now */
    if ((int)(atomic_load(&t->next) - ticket) <= 0)
        return; /* nobody has it */
    atomic_uint *word = &t->word[ticket % WORDS];
    atomic_fetch_add(word, 1);
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

void am_turn_offer(am_turn *turn)
{
    const am_turns *t = turn ? turn->of : NULL;
    if (!t || am_turns_waiting(t) == 0 || clock_us() - turn->since < LASTS_US)
        return;
    am_turn_end(turn);
    am_turn_begin(turn);
}
