// test_owner.c: the owner mutex: never two writers, whatever way the owner ends.
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shm/atomic.h"
#include "shm/owner.h"

#define SHORT_NS INT64_C(20000000)    // it does not come
#define LONG_NS  INT64_C(10000000000) // it comes; so long only when something is wrong

struct scene {
    uint64_t area[OWNER_AREA_BYTES / 8];
    uint32_t inside; // who is in the owner's part right now
    uint32_t broken; // two were
    uint64_t turns;
};

static struct scene *scene;

static int set_up(void **state)
{
    (void)state;
    scene = mmap(NULL, sizeof *scene, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return scene == MAP_FAILED ? -1 : owner_init(scene->area);
}

static int tear_down(void **state)
{
    (void)state;
    return munmap(scene, sizeof *scene);
}

// A child that owns the area and then does `then`; returns when it owns it.
static pid_t child_owns(void (*then)(void))
{
    int ready[2];
    char ok = 'n';
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) {
        ok = owner_acquire(scene->area, -1) >= 0 ? 'y' : 'n';
        if (write(ready[1], &ok, 1) == 1)
            then();
        _exit(1);
    }
    assert_int_equal(read(ready[0], &ok, 1), 1);
    assert_int_equal(ok, 'y');
    close(ready[0]);
    close(ready[1]);
    return pid;
}

static void wait_for_end(void)
{
    for (;;)
        pause();
}

static void end_now(void)
{
    _exit(0);
}

static void assert_passes_on(void)
{
    assert_int_equal(owner_acquire(scene->area, LONG_NS), 1);
    assert_int_equal(owner_holder(scene->area), getpid());
    owner_release(scene->area);
    assert_int_equal(owner_holder(scene->area), 0);
    assert_int_equal(owner_acquire(scene->area, -1), 0);
    owner_release(scene->area);
}

static void test_owner_passes_on_when_its_holder_is_killed(void **state)
{
    (void)state;
    pid_t pid = child_owns(wait_for_end);
    assert_int_equal(owner_holder(scene->area), pid);
    assert_int_equal(owner_acquire(scene->area, SHORT_NS), -ETIMEDOUT);
    kill(pid, SIGKILL);
    assert_passes_on();
    waitpid(pid, NULL, 0);
}

static void test_owner_passes_on_when_its_holder_ends(void **state)
{
    (void)state;
    pid_t pid = child_owns(end_now);
    assert_passes_on();
    waitpid(pid, NULL, 0);
}

// A stopped thread may be continued: it still owns. Once killed it never is.
static void test_owner_stays_with_a_stopped_holder_until_it_is_killed(void **state)
{
    (void)state;
    int status;
    pid_t pid = child_owns(wait_for_end);
    kill(pid, SIGSTOP);
    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    assert_true(WIFSTOPPED(status));
    assert_int_equal(owner_acquire(scene->area, SHORT_NS), -ETIMEDOUT);
    kill(pid, SIGKILL);
    assert_passes_on();
    waitpid(pid, NULL, 0);
}

static void *library(void *unused)
{
    (void)unused;
    wait_for_end();
    return NULL;
}

static void leave_a_thread(void)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, library, NULL) == 0)
        pthread_exit(NULL);
}

// The task's thread is gone; its process is not, because a thread of some library lives on.
static void test_owner_passes_on_when_only_library_threads_are_left(void **state)
{
    (void)state;
    pid_t pid = child_owns(leave_a_thread);
    assert_passes_on();
    assert_int_equal(waitpid(pid, NULL, WNOHANG), 0); // it lives, and owns nothing
    assert_int_equal(owner_acquire(scene->area, SHORT_NS), 0);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    assert_int_equal(owner_holder(scene->area), getpid()); // its end took nothing away
    owner_release(scene->area);
}

static void linger_in_exit(void)
{
    atexit(wait_for_end);
    exit(0);
}

static void test_owner_stays_with_a_holder_that_is_in_exit_until_it_is_killed(void **state)
{
    (void)state;
    pid_t pid = child_owns(linger_in_exit);
    assert_int_equal(owner_acquire(scene->area, SHORT_NS), -ETIMEDOUT);
    kill(pid, SIGKILL);
    assert_passes_on();
    waitpid(pid, NULL, 0);
}

// --- whatever way it ends, it has written for the last time when the mutex passes on ---

static void write_on(void)
{
    for (;;)
        atomic_release_u64(&scene->turns, scene->turns + 1);
}

static void *end_the_group(void *unused)
{
    (void)unused;
    while (atomic_acquire_u64(&scene->turns) < 1000)
        ;
    _exit(0); // of all threads, while the owner runs
}

static void write_while_another_thread_exits(void)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, end_the_group, NULL) == 0)
        write_on();
}

static void crash(void)
{
    atomic_release_u64(&scene->turns, 1);
    signal(SIGSEGV, SIG_DFL); // cmocka catches it
    raise(SIGSEGV);
}

static void become_another_program(void)
{
    char *const argv[] = {"sleep", "1000", NULL};
    atomic_release_u64(&scene->turns, 1);
    execvp(argv[0], argv);
}

static void wait_for_writes(void)
{
    while (atomic_acquire_u64(&scene->turns) == 0)
        poll(NULL, 0, 1);
}

static void assert_writes_no_more(pid_t pid)
{
    assert_int_equal(owner_acquire(scene->area, LONG_NS), 1);
    uint64_t turns = atomic_acquire_u64(&scene->turns);
    poll(NULL, 0, 5);
    assert_int_equal(atomic_acquire_u64(&scene->turns), turns);
    owner_release(scene->area);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    scene->turns = 0;
}

static void test_owner_writes_no_more_when_it_passes_on(void **state)
{
    enum { ROUNDS = 50 };
    (void)state;
    for (int i = 0; i < ROUNDS; i++) {
        pid_t pid = child_owns(write_on);
        wait_for_writes();
        if (i % 2)
            kill(pid, SIGSTOP);
        kill(pid, SIGKILL);
        assert_writes_no_more(pid);
        assert_writes_no_more(child_owns(write_while_another_thread_exits));
    }
    assert_writes_no_more(child_owns(crash));
    assert_writes_no_more(child_owns(become_another_program));
}

// What a wild write into the list of robust mutexes does: the kernel finds nothing in it.
static void lose_the_list(void)
{
    static struct robust_list_head empty = {.list = {&empty.list}};
    if (syscall(SYS_set_robust_list, &empty, sizeof empty) == 0)
        end_now();
}

static void test_owner_is_handed_on_by_hand_when_the_list_was_damaged(void **state)
{
    (void)state;
    pid_t pid = child_owns(lose_the_list);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(owner_acquire(scene->area, SHORT_NS), -ETIMEDOUT);
    assert_int_equal(owner_holder(scene->area), pid);
    assert_false(owner_hand_on(scene->area, getpid())); // it is not ours to give
    assert_true(owner_hand_on(scene->area, pid));
    assert_false(owner_hand_on(scene->area, pid)); // once
    assert_passes_on();
}

static void test_owner_handed_on_by_hand_wakes_who_waits(void **state)
{
    (void)state;
    pid_t pid = child_owns(lose_the_list), waiter = fork();
    if (waiter == 0)
        _exit(owner_acquire(scene->area, LONG_NS) == 1 ? 0 : 1);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_true(owner_hand_on(scene->area, pid));
    int status;
    assert_int_equal(waitpid(waiter, &status, 0), waiter);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_passes_on(); // the waiter's end was noticed by the kernel again
}

// The kernel follows the list to where nothing is mapped, and gives up.
static void spoil_the_list(void)
{
    struct robust_list_head *head;
    size_t bytes;
    if (syscall(SYS_get_robust_list, 0, &head, &bytes) == 0) {
        head->list.next = (struct robust_list *)16;
        end_now();
    }
}

static void test_owner_is_handed_on_by_hand_when_the_list_leads_nowhere(void **state)
{
    (void)state;
    pid_t pid = child_owns(spoil_the_list);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(owner_acquire(scene->area, SHORT_NS), -ETIMEDOUT);
    assert_true(owner_hand_on(scene->area, pid));
    assert_passes_on();
}

// Whatever stands in the word, the thread that held it notices before it makes anything final.
static void test_owner_notices_that_the_word_was_written_over(void **state)
{
    (void)state;
    pthread_mutex_t *mutex = (pthread_mutex_t *)scene->area;
    assert_int_equal(owner_acquire(scene->area, -1), 0);
    const int own = mutex->__data.__lock;
    const int words[] = {0, (int)FUTEX_OWNER_DIED, 1, (int)FUTEX_TID_MASK, own + 1};
    assert_true(owner_is_held_by(scene->area, getpid()));
    assert_false(owner_is_held_by(scene->area, getpid() + 1));
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        mutex->__data.__lock = words[i];
        assert_false(owner_is_held_by(scene->area, getpid()));
    }
    mutex->__data.__lock = own | (int)FUTEX_WAITERS; // somebody waits: as it should be
    assert_true(owner_is_held_by(scene->area, getpid()));
    mutex->__data.__kind ^= 0x10;
    assert_false(owner_is_held_by(scene->area, getpid()));
    mutex->__data.__kind ^= 0x10;
    owner_release(scene->area);
    assert_false(owner_is_held_by(scene->area, getpid()));
}

// A word that was written over must not make a mutex that lets two in.
static void test_owner_refuses_a_mutex_that_was_written_over(void **state)
{
    (void)state;
    pthread_mutex_t *mutex = (pthread_mutex_t *)scene->area;
    mutex->__data.__kind ^= 0x10; // robust no more
    assert_int_equal(owner_acquire(scene->area, SHORT_NS), -EILSEQ);
    mutex->__data.__kind ^= 0x10;
    assert_int_equal(owner_acquire(scene->area, SHORT_NS), 0);
    owner_release(scene->area);
    scene->area[OWNER_AREA_BYTES / 8 - 3] ^= 1; // the seal
    assert_int_equal(owner_acquire(scene->area, SHORT_NS), -EILSEQ);
}

// Wait for one's turn, be alone, for as long as one lives. In slices: kernels before 6.9 lose the
// wake-up when the waiter that they have woken is killed before it looks.
static void contend(void)
{
    enum { LOOKS = 2000 };
    uint32_t self = (uint32_t)getpid();
    int status;
    do
        status = owner_acquire(scene->area, SHORT_NS);
    while (status == -ETIMEDOUT);
    if (status < 0)
        _exit(1);
    atomic_release_u32(&scene->inside, self);
    for (int i = 0; i < LOOKS; i++)
        if (atomic_acquire_u32(&scene->inside) != self)
            scene->broken = 1;
    atomic_release_u64(&scene->turns, scene->turns + 1);
    wait_for_end();
}

static pid_t contender(void)
{
    pid_t pid = fork();
    if (pid == 0)
        contend();
    return pid;
}

// Several wait, whoever owns is killed, over and over: each time exactly one takes over.
static void test_owner_passes_on_to_one_of_many(void **state)
{
    enum { WAITERS = 4, ROUNDS = 300, PATIENCE_MS = 10000 };
    (void)state;
    pid_t pids[WAITERS];
    unsigned seed = (unsigned)getpid();
    print_message("seed %u\n", seed);
    for (int i = 0; i < WAITERS; i++)
        pids[i] = contender();
    for (uint64_t round = 0; round < ROUNDS; round++) {
        int waited_ms = 0;
        while (atomic_acquire_u64(&scene->turns) <= round || owner_holder(scene->area) == 0) {
            assert_true(waited_ms++ < PATIENCE_MS);
            poll(NULL, 0, 1);
        }
        pid_t owner = owner_holder(scene->area);
        for (int i = 0; i < WAITERS; i++) {
            bool hit = pids[i] == owner || rand_r(&seed) % 16 == 0; // who waits may die as well
            if (!hit)
                continue;
            kill(pids[i], SIGKILL);
            waitpid(pids[i], NULL, 0);
            pids[i] = contender();
        }
        assert_int_equal(scene->broken, 0);
    }
    for (int i = 0; i < WAITERS; i++) {
        kill(pids[i], SIGKILL);
        waitpid(pids[i], NULL, 0);
    }
    assert_true(owner_acquire(scene->area, LONG_NS) >= 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_owner_passes_on_when_its_holder_is_killed),
        TEST(test_owner_passes_on_when_its_holder_ends),
        TEST(test_owner_stays_with_a_stopped_holder_until_it_is_killed),
        TEST(test_owner_passes_on_when_only_library_threads_are_left),
        TEST(test_owner_stays_with_a_holder_that_is_in_exit_until_it_is_killed),
        TEST(test_owner_writes_no_more_when_it_passes_on),
        TEST(test_owner_is_handed_on_by_hand_when_the_list_was_damaged),
        TEST(test_owner_is_handed_on_by_hand_when_the_list_leads_nowhere),
        TEST(test_owner_notices_that_the_word_was_written_over),
        TEST(test_owner_handed_on_by_hand_wakes_who_waits),
        TEST(test_owner_refuses_a_mutex_that_was_written_over),
        TEST(test_owner_passes_on_to_one_of_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
