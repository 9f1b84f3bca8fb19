/* turns: who comes first, goes first, and no more than so many at a time. */
#include "t/unit/unit.h"

#include "libauth/base/turns.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

enum { MANY = 40, THREADS = 8, EACH = 3000, AT_A_TIME = 3, PATIENT = 60000 };

static struct {
    am_turns *turns;
    int order[MANY];
    atomic_int n, inside, most, done;
} all;

typedef struct one {
    pthread_t thread;
    int id;
} one;

static void *come_once(void *arg)
{
    am_turn turn = {.of = all.turns};
    am_turn_begin(&turn);
    all.order[atomic_fetch_add(&all.n, 1)] = ((one *)arg)->id;
    am_turn_end(&turn);
    return NULL;
}

static void wait_for(unsigned waiting)
{
    while (am_turns_waiting(all.turns) < waiting)
        sched_yield();
}

static void in_order(void **state)
{
    (void)state;
    one thread[MANY];
    all.turns = am_turns_new(1, PATIENT);
    all.n = 0;
    am_turn mine = {.of = all.turns};
    am_turn_begin(&mine);
    for (int i = 0; i < MANY; i++) {
        thread[i].id = i;
        assert_int_equal(pthread_create(&thread[i].thread, NULL, come_once, &thread[i]), 0);
        wait_for((unsigned)i + 1);
    }
    want_int("whose turn it was meanwhile", all.n, 0);
    am_turn_end(&mine);
    for (int i = 0; i < MANY; i++) {
        pthread_join(thread[i].thread, NULL);
        want_int("in the order of coming", all.order[i], i);
    }
    want_int("waiting", am_turns_waiting(all.turns), 0);
    am_turns_free(all.turns);
}

static void *come_often(void *arg)
{
    (void)arg;
    am_turn turn = {.of = all.turns};
    for (int i = 0; i < EACH; i++) {
        am_turn_begin(&turn);
        int inside = atomic_fetch_add(&all.inside, 1) + 1, most = all.most;
        while (inside > most && !atomic_compare_exchange_weak(&all.most, &most, inside))
            ;
        if (i % 8 == 0)
            sched_yield();
        atomic_fetch_sub(&all.inside, 1);
        am_turn_end(&turn);
    }
    atomic_fetch_add(&all.done, EACH);
    return NULL;
}

static void so_many_at_a_time(void **state)
{
    (void)state;
    pthread_t thread[THREADS];
    all.turns = am_turns_new(AT_A_TIME, PATIENT);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, come_often, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    want_int("turns", all.done, THREADS * EACH);
    assert_in_range(all.most, 1, AT_A_TIME);
    am_turns_free(all.turns);
}

static void alone(void **state)
{
    (void)state;
    all.turns = am_turns_new(2, PATIENT);
    am_turn turn[] = {{.of = all.turns}, {.of = all.turns}, {.of = NULL}};
    for (int i = 0; i < 100; i++) {
        for (int k = 0; k < 3; k++)
            am_turn_begin(&turn[k]);
        want_int("two of two", am_turns_waiting(all.turns), 0);
        am_turn_offer(&turn[0]); /* to nobody */
        for (int k = 0; k < 3; k++)
            am_turn_end(&turn[k]);
    }
    am_turn_begin(NULL);
    am_turn_offer(NULL);
    am_turn_end(NULL);
    am_turns_free(all.turns);
}

/* Who has it for long lets the others go first, and goes on when they are done. */
static void passed_on(void **state)
{
    (void)state;
    one thread[2] = {{.id = 0}, {.id = 1}};
    all.turns = am_turns_new(1, PATIENT);
    all.n = 0;
    am_turn mine = {.of = all.turns};
    am_turn_begin(&mine);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&thread[i].thread, NULL, come_once, &thread[i]), 0);
    wait_for(2);
    nanosleep(&(struct timespec){.tv_nsec = 3000000}, NULL);
    am_turn_offer(&mine);
    want_int("those who waited", all.n, 2);
    am_turn_end(&mine);
    for (int i = 0; i < 2; i++)
        pthread_join(thread[i].thread, NULL);
    am_turns_free(all.turns);
}

/* Who has it for long and cannot let go holds nobody up; and there are no more turns than before.
 */
static void patience_ends(void **state)
{
    (void)state;
    one thread[2] = {{.id = 0}, {.id = 1}};
    all.turns = am_turns_new(1, 5);
    all.n = 0;
    am_turn mine = {.of = all.turns};
    am_turn_begin(&mine);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&thread[i].thread, NULL, come_once, &thread[i]), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(thread[i].thread, NULL);
    want_int("those who did not wait", all.n, 2);
    am_turn_end(&mine);
    want_int("waiting", am_turns_waiting(all.turns), 0);
    am_turn_begin(&mine);
    want_int("with the only turn", am_turns_waiting(all.turns), 0);
    am_turn other = {.of = all.turns};
    am_turn_begin(&other);
    want_int("the second one had to wait", am_turns_waiting(all.turns), 1);
    am_turn_end(&other);
    am_turn_end(&mine);
    am_turns_free(all.turns);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_order),
        cmocka_unit_test(so_many_at_a_time),
        cmocka_unit_test(alone),
        cmocka_unit_test(passed_on),
        cmocka_unit_test(patience_ends),
    };
    alarm(120); /* a turn that never comes is a failure */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
