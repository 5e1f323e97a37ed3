// test_waiter.c: sleeping, waking, spinning, and ping-pongs in which a lost wake-up would show as a
// timeout.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "shm/atomic.h"
#include "shm/waiter.h"

enum { MS = 1000000, ROUNDS = 20000 };

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 * MS + now.tv_nsec;
}

struct turn {
    uint64_t *word;
    uint64_t wanted;
};

static bool is_turn(void *context)
{
    const struct turn *turn = context;
    return atomic_acquire_u64(turn->word) >= turn->wanted;
}

static void test_waiter_returns_at_the_timeout(void **state)
{
    (void)state;
    struct waiter waiter = {0};
    uint64_t word = 0;
    struct turn turn = {&word, 1};
    for (int policy = WAITER_ADAPTIVE; policy <= WAITER_BLOCK; policy++) {
        struct waiter_owner owner = {.waiter = &waiter, .policy = (enum waiter_policy)policy};
        int64_t start = now_ns();
        assert_false(waiter_wait(&owner, is_turn, &turn, 5 * MS));
        int64_t early_ns = policy == WAITER_ADAPTIVE ? WAITER_WAKE_MAX_NS : 0; // the rest is spun
        assert_true(now_ns() - start >= 5 * MS - early_ns);
        assert_int_equal(waiter.sleeping, 0);
        assert_int_equal(owner.sleeps, policy == WAITER_SPIN ? 0 : 1);
        assert_true(policy == WAITER_SPIN || owner.slept_ns > 4 * MS);
    }
}

static void test_waiter_does_not_sleep_when_ready(void **state)
{
    (void)state;
    struct waiter waiter = {0};
    uint64_t word = 1;
    struct turn turn = {&word, 1};
    for (int policy = WAITER_ADAPTIVE; policy <= WAITER_BLOCK; policy++) {
        struct waiter_owner owner = {.waiter = &waiter, .policy = (enum waiter_policy)policy};
        assert_true(waiter_wait(&owner, is_turn, &turn, INT64_MAX / 2));
        assert_true(waiter_doze(&owner, is_turn, &turn, INT64_MAX / 2));
        assert_int_equal(owner.sleeps, 0);
    }
}

// Ready after so many looks: what a short wait looks like, without a second process.
struct looks {
    uint64_t seen, until;
};

static bool after_looks(void *context)
{
    struct looks *looks = context;
    return ++looks->seen > looks->until;
}

static void test_waiter_does_not_sleep_through_a_short_wait(void **state)
{
    (void)state;
    struct waiter waiter = {0};
    struct waiter_owner owner = {.waiter = &waiter, .wake_ns = WAITER_WAKE_MAX_NS};
    for (int i = 0; i < 100; i++) {
        struct looks looks = {0, 3}; // within the first look at the clock
        assert_true(waiter_wait(&owner, after_looks, &looks, 1000 * MS));
    }
    assert_int_equal(owner.sleeps, 0);
}

// Long waits make the spin short, down to its floor; a short one lets it grow again; and none of
// them takes it over what waking costs.
static void test_waiter_spins_no_longer_than_it_pays(void **state)
{
    (void)state;
    struct waiter waiter = {0};
    struct waiter_owner owner = {.waiter = &waiter};
    uint64_t word = 0;
    struct turn turn = {&word, 1};
    int64_t before = INT64_MAX;
    for (int i = 0; i < 8; i++) {
        waiter_wait(&owner, is_turn, &turn, MS);
        assert_true(owner.wake_ns >= WAITER_WAKE_MIN_NS && owner.wake_ns <= WAITER_WAKE_MAX_NS);
        assert_true(owner.spin_ns >= WAITER_SPIN_MIN_NS && owner.spin_ns <= WAITER_WAKE_MAX_NS);
        assert_true(owner.spin_ns <= before || owner.spin_ns <= owner.wake_ns / 8);
        before = owner.spin_ns;
    }
    assert_true(owner.spin_ns <= WAITER_WAKE_MAX_NS / 16);
    int64_t shortest = owner.spin_ns;
    for (int i = 0; i < 64 && owner.spin_ns < owner.wake_ns; i++) {
        struct looks looks = {0, 3};
        waiter_wait(&owner, after_looks, &looks, MS);
    }
    assert_true(owner.spin_ns == owner.wake_ns || owner.wake_ns <= shortest);
}

// Who shares its core keeps it in no policy: it sleeps, or gives its turn away.
static void test_waiter_gives_a_crowded_core_away(void **state)
{
    (void)state;
    struct waiter waiter = {0};
    uint64_t word = 0;
    struct turn turn = {&word, 1};
    struct waiter_owner adaptive = {.waiter = &waiter, .is_crowded = true};
    assert_false(waiter_wait(&adaptive, is_turn, &turn, MS));
    assert_int_equal(adaptive.sleeps, 1);
    assert_int_equal(adaptive.spin_ns, 0); // it has not spun
    struct waiter_owner spinning = {.waiter = &waiter, .policy = WAITER_SPIN, .is_crowded = true};
    assert_false(waiter_wait(&spinning, is_turn, &turn, MS));
    assert_int_equal(spinning.sleeps, 0);
}

// Called again for the rest, it never ends after much more than its time: for the best of many
// tries, because the machine may be busy.
static void test_waiter_dozes_until_the_time(void **state)
{
    (void)state;
    enum { TRIES = 1000, LATE_NS = 20000 };
    struct waiter waiter = {0};
    uint64_t word = 0;
    struct turn turn = {&word, 1};
    for (int policy = WAITER_ADAPTIVE; policy <= WAITER_SPIN; policy++) {
        struct waiter_owner owner = {.waiter = &waiter, .policy = (enum waiter_policy)policy};
        int64_t best = INT64_MAX;
        for (int i = 0; i < TRIES && best >= LATE_NS; i++) {
            int64_t until = now_ns() + MS / 2, now;
            while ((now = now_ns()) < until)
                assert_false(waiter_doze(&owner, is_turn, &turn, until - now));
            best = now - until < best ? now - until : best;
        }
        assert_true(best < LATE_NS);
        assert_true(policy == WAITER_SPIN ? owner.sleeps == 0 : owner.sleeps > 0);
    }
}

struct table {
    struct waiter waiters[2];
    uint64_t words[2]; // words[i]: how often side i has been served
    uint64_t timeouts;
};

// Side i waits for its word to reach n, then serves the other. Timeouts are long: one means a lost
// wake.
static void play(struct table *table, int side, enum waiter_policy policy)
{
    struct waiter_owner owner = {.waiter = &table->waiters[side], .policy = policy};
    for (uint64_t n = 1; n <= ROUNDS; n++) {
        struct turn turn = {&table->words[side], n};
        int64_t start = now_ns();
        while (!waiter_wait(&owner, is_turn, &turn, 2000ll * MS))
            if (now_ns() - start > 1900ll * MS)
                table->timeouts++;
        atomic_release_u64(&table->words[!side], n + (uint64_t)side);
        waiter_wake(&table->waiters[!side]);
    }
}

static void *play_first(void *context)
{
    play(context, 0, WAITER_BLOCK);
    return NULL;
}

static void test_waiter_loses_no_wake_between_threads(void **state)
{
    (void)state;
    static struct table table;
    pthread_t thread;
    table.words[0] = 1; // side 0 begins
    assert_int_equal(pthread_create(&thread, NULL, play_first, &table), 0);
    play(&table, 1, WAITER_ADAPTIVE);
    pthread_join(thread, NULL);
    assert_int_equal(table.timeouts, 0);
}

// One publisher, several sleepers, one fence for all of them.
enum { SLEEPERS = 4 };

struct hall {
    struct waiter waiters[SLEEPERS];
    uint64_t words[SLEEPERS], heard[SLEEPERS];
    uint64_t timeouts;
};

struct seat {
    struct hall *hall;
    int at;
};

static void *listen_to_all(void *context)
{
    const struct seat *seat = context;
    struct hall *hall = seat->hall;
    struct waiter_owner owner = {.waiter = &hall->waiters[seat->at],
                                 .policy = seat->at % 2 ? WAITER_BLOCK : WAITER_ADAPTIVE,
                                 .reason = seat->at < 2 ? WAITER_INPUT : 0};
    for (uint64_t n = 1; n <= ROUNDS; n++) {
        struct turn turn = {&hall->words[seat->at], n};
        int64_t start = now_ns();
        while (!waiter_wait(&owner, is_turn, &turn, 2000ll * MS))
            if (now_ns() - start > 1900ll * MS)
                hall->timeouts++;
        atomic_release_u64(&hall->heard[seat->at], n);
    }
    return NULL;
}

static void test_waiter_wakes_several_behind_one_fence(void **state)
{
    (void)state;
    static struct hall hall;
    struct seat seats[SLEEPERS];
    pthread_t threads[SLEEPERS];
    uint64_t calls = 0;
    for (int i = 0; i < SLEEPERS; i++) {
        seats[i] = (struct seat){&hall, i};
        assert_int_equal(pthread_create(&threads[i], NULL, listen_to_all, &seats[i]), 0);
    }
    for (uint64_t n = 1; n <= ROUNDS; n++) {
        for (int i = 0; i < SLEEPERS; i++)
            atomic_release_u64(&hall.words[i], n);
        waiter_fence();
        for (int i = 0; i < SLEEPERS; i++)
            calls += waiter_wake_behind_fence(&hall.waiters[i], WAITER_INPUT);
        for (int i = 0; i < SLEEPERS; i++) // so that each round finds them on their way to sleep
            while (n % 8 == 0 && atomic_acquire_u64(&hall.heard[i]) < n)
                sched_yield();
    }
    for (int i = 0; i < SLEEPERS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(hall.timeouts, 0);
    assert_true(calls > 0 && calls <= (uint64_t)ROUNDS * SLEEPERS);
}

// Who sleeps for something else is left asleep; who sleeps for anything is not; and the
// supervisor's call wakes all.
static void test_waiter_is_woken_for_its_reason(void **state)
{
    (void)state;
    const enum waiter_reason reasons[] = {WAITER_ANYTHING, WAITER_INPUT, WAITER_ROOM, WAITER_NEWS};
    for (size_t i = 0; i < 4; i++) {
        for (size_t k = 1; k < 3; k++) {
            struct waiter waiter = {.sleeping = reasons[i]};
            bool is_woken = i == 0 || i == k;
            waiter_fence();
            assert_int_equal(waiter_wake_behind_fence(&waiter, reasons[k]), is_woken);
            assert_int_equal(waiter.sleeping, is_woken ? 0 : reasons[i]);
            assert_int_equal(waiter_wake(&waiter), !is_woken);
            assert_int_equal(waiter.sleeping, 0);
        }
    }
}

static void test_waiter_works_between_processes_and_after_a_kill(void **state)
{
    (void)state;
    struct table *table =
        mmap(NULL, sizeof(*table), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t sleeper = fork();
    if (sleeper == 0) {
        struct turn turn = {&table->words[0], 1};
        struct waiter_owner owner = {.waiter = &table->waiters[0], .policy = WAITER_BLOCK};
        waiter_wait(&owner, is_turn, &turn, 60000ll * MS);
        _exit(7); // never: it is killed in its sleep
    }
    while (!atomic_read_u32(&table->waiters[0].sleeping))
        usleep(100);
    kill(sleeper, SIGKILL);
    int status;
    assert_int_equal(waitpid(sleeper, &status, 0), sleeper);
    assert_int_equal(table->waiters[0].sleeping, WAITER_ANYTHING); // what the dead leave
    pid_t successor = fork();
    if (successor == 0) {
        play(table, 0, WAITER_BLOCK);
        _exit(table->timeouts ? 1 : 0);
    }
    atomic_release_u64(&table->words[0], 1);
    waiter_wake(&table->waiters[0]);
    play(table, 1, WAITER_BLOCK);
    assert_int_equal(waitpid(successor, &status, 0), successor);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    munmap(table, sizeof(*table));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_waiter_returns_at_the_timeout),
        cmocka_unit_test(test_waiter_does_not_sleep_when_ready),
        cmocka_unit_test(test_waiter_does_not_sleep_through_a_short_wait),
        cmocka_unit_test(test_waiter_spins_no_longer_than_it_pays),
        cmocka_unit_test(test_waiter_gives_a_crowded_core_away),
        cmocka_unit_test(test_waiter_dozes_until_the_time),
        cmocka_unit_test(test_waiter_loses_no_wake_between_threads),
        cmocka_unit_test(test_waiter_wakes_several_behind_one_fence),
        cmocka_unit_test(test_waiter_is_woken_for_its_reason),
        cmocka_unit_test(test_waiter_works_between_processes_and_after_a_kill),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
