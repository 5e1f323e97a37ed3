// test_waiter.c: sleeping, waking, and a ping-pong in which a lost wake-up would show as a timeout.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
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
    int64_t start = now_ns();
    for (int policy = WAITER_ADAPTIVE; policy <= WAITER_BLOCK; policy++)
        assert_false(waiter_wait(&waiter, (enum waiter_policy)policy, is_turn, &turn, 5 * MS));
    assert_true(now_ns() - start >= 15 * MS);
    assert_int_equal(waiter.sleeping, 0);
}

static void test_waiter_does_not_sleep_when_ready(void **state)
{
    (void)state;
    struct waiter waiter = {0};
    uint64_t word = 1;
    struct turn turn = {&word, 1};
    for (int policy = WAITER_ADAPTIVE; policy <= WAITER_BLOCK; policy++)
        assert_true(
            waiter_wait(&waiter, (enum waiter_policy)policy, is_turn, &turn, INT64_MAX / 2));
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
    for (uint64_t n = 1; n <= ROUNDS; n++) {
        struct turn turn = {&table->words[side], n};
        int64_t start = now_ns();
        while (!waiter_wait(&table->waiters[side], policy, is_turn, &turn, 2000ll * MS))
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

static void test_waiter_works_between_processes_and_after_a_kill(void **state)
{
    (void)state;
    struct table *table =
        mmap(NULL, sizeof(*table), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t sleeper = fork();
    if (sleeper == 0) {
        struct turn turn = {&table->words[0], 1};
        waiter_wait(&table->waiters[0], WAITER_BLOCK, is_turn, &turn, 60000ll * MS);
        _exit(7); // never: it is killed in its sleep
    }
    while (!atomic_read_u32(&table->waiters[0].sleeping))
        usleep(100);
    kill(sleeper, SIGKILL);
    int status;
    assert_int_equal(waitpid(sleeper, &status, 0), sleeper);
    assert_int_equal(atomic_read_u32(&table->waiters[0].sleeping), 1); // what the dead leave
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
        cmocka_unit_test(test_waiter_loses_no_wake_between_threads),
        cmocka_unit_test(test_waiter_works_between_processes_and_after_a_kill),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
