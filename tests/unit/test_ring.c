// test_ring.c: positions, rights, damaged headers, two threads, and sides that are killed.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/base/hash.h"
#include "shm/atomic.h"
#include "shm/ring.h"
#include "shm/ring_layout.h"

enum { CAPACITY = 8192, FINGERPRINT = 77 };

static int make_ring(uint64_t capacity)
{
    struct err err;
    int fd = memfd_create("ring", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(ring_create(fd, capacity, FINGERPRINT, &err), 0);
    return fd;
}

static void attach_both(int fd, struct ring_producer *producer, struct ring_consumer *consumer)
{
    struct err err;
    assert_int_equal(ring_attach_producer(fd, FINGERPRINT, 0, producer, &err), 0);
    assert_int_equal(ring_attach_consumer(fd, FINGERPRINT, 0, consumer, &err), 0);
}

static void test_ring_shows_nothing_before_publish(void **state)
{
    (void)state;
    int fd = make_ring(CAPACITY);
    struct ring_producer producer;
    struct ring_consumer consumer;
    const void *bytes;
    attach_both(fd, &producer, &consumer);
    memcpy(ring_reserve(&producer, 16), "0123456789abcdef", 16);
    ring_advance(&producer, 16);
    assert_int_equal(ring_peek(&consumer, &bytes), 0);
    ring_rewind(&producer, 0); // an abort
    memcpy(ring_reserve(&producer, 8), "ABCDEFGH", 8);
    ring_advance(&producer, 8);
    ring_publish(&producer, 8);
    assert_int_equal(ring_peek(&consumer, &bytes), 8);
    assert_memory_equal(bytes, "ABCDEFGH", 8);
    ring_consume(&consumer, 8);
    ring_consumer_rewind(&consumer, 0); // the consumer aborts: it reads the same again
    assert_int_equal(ring_peek(&consumer, &bytes), 8);
    ring_producer_close(&producer);
    ring_consumer_close(&consumer);
    close(fd);
}

static void test_ring_is_full_until_released(void **state)
{
    (void)state;
    int fd = make_ring(CAPACITY);
    struct ring_producer producer;
    struct ring_consumer consumer;
    const void *bytes;
    attach_both(fd, &producer, &consumer);
    assert_null(ring_reserve(&producer, CAPACITY + 1));
    memset(ring_reserve(&producer, CAPACITY), 'x', CAPACITY);
    ring_advance(&producer, CAPACITY);
    ring_publish(&producer, CAPACITY);
    assert_null(ring_reserve(&producer, 1));
    assert_int_equal(ring_peek(&consumer, &bytes), CAPACITY);
    ring_consume(&consumer, 100);
    assert_null(ring_reserve(&producer, 1)); // consumed, not yet committed
    ring_release(&consumer, 100);
    memcpy(ring_reserve(&producer, 100), "wraps", 5);
    assert_null(ring_reserve(&producer, 101));
    ring_producer_close(&producer);
    ring_consumer_close(&consumer);
    close(fd);
}

static void test_ring_frame_never_wraps(void **state)
{
    (void)state;
    int fd = make_ring(CAPACITY);
    struct ring_producer producer;
    struct ring_consumer consumer;
    attach_both(fd, &producer, &consumer);
    for (uint64_t round = 0; round < 1000; round++) {
        uint64_t frame[37];
        for (uint64_t i = 0; i < 37; i++)
            frame[i] = hash_u64(round * 37 + i);
        void *room = ring_reserve(&producer, sizeof(frame));
        assert_non_null(room);
        memcpy(room, frame, sizeof(frame));
        ring_advance(&producer, sizeof(frame));
        ring_publish(&producer, producer.position);
        const void *bytes;
        assert_int_equal(ring_peek(&consumer, &bytes), sizeof(frame));
        assert_memory_equal(bytes, frame, sizeof(frame));
        ring_consume(&consumer, sizeof(frame));
        ring_release(&consumer, consumer.position);
    }
    ring_producer_close(&producer);
    ring_consumer_close(&consumer);
    close(fd);
}

// A store through a read-only mapping must kill the process that tries, and nobody else.
static void assert_dies_writing(const void *at)
{
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGSEGV, SIG_DFL);
        atomic_write_u64((uint64_t *)(uintptr_t)at, 1);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) != 0);
}

static void test_ring_sides_cannot_write_what_is_not_theirs(void **state)
{
    (void)state;
    int fd = make_ring(CAPACITY);
    struct ring_producer producer;
    struct ring_consumer consumer;
    attach_both(fd, &producer, &consumer);
    assert_dies_writing(producer.other);
    assert_dies_writing(consumer.other);
    assert_dies_writing(consumer.data);
    ring_producer_close(&producer);
    ring_consumer_close(&consumer);
    close(fd);
}

static void test_ring_attach_refuses_each_damaged_header_byte(void **state)
{
    (void)state;
    int fd = make_ring(CAPACITY);
    for (size_t at = 0; at < sizeof(struct ring_header); at++) {
        struct ring_producer producer;
        struct err err = {{0}};
        unsigned char byte, damaged;
        assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
        damaged = byte ^ 0x5a;
        assert_int_equal(pwrite(fd, &damaged, 1, (off_t)at), 1);
        assert_int_equal(ring_attach_producer(fd, FINGERPRINT, 0, &producer, &err), -EPROTO);
        assert_true(strlen(err.text) > 10);
        assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
    }
    close(fd);
}

static void test_ring_refuses_impossible_words_of_the_other_side(void **state)
{
    (void)state;
    int fd = make_ring(CAPACITY);
    struct ring_producer producer;
    struct ring_consumer consumer;
    struct err err;
    const void *bytes;
    attach_both(fd, &producer, &consumer);
    atomic_write_u64(&producer.own->tail, CAPACITY + 1);
    assert_int_equal(ring_peek(&consumer, &bytes), -EPROTO);
    assert_int_equal(ring_attach_producer(fd, FINGERPRINT, 0, &(struct ring_producer){0}, &err),
                     -EPROTO);
    ring_producer_close(&producer);
    ring_consumer_close(&consumer);
    close(fd);
}

enum { THREAD_ITEMS = 2000000 };

static void *produce_items(void *context)
{
    struct ring_producer *ring = context;
    for (uint64_t i = 0; i < THREAD_ITEMS;) {
        uint64_t *room = ring_reserve(ring, 8);
        if (!room) {
            ring_publish(ring, ring->position);
            sched_yield();
            continue;
        }
        *room = hash_u64(i++);
        ring_advance(ring, 8);
        if (i % 13 == 0)
            ring_publish(ring, ring->position);
    }
    ring_publish(ring, ring->position);
    return NULL;
}

static void test_ring_two_threads_lose_and_reorder_nothing(void **state)
{
    (void)state;
    int fd = make_ring(CAPACITY);
    struct ring_producer producer;
    struct ring_consumer consumer;
    pthread_t thread;
    attach_both(fd, &producer, &consumer);
    assert_int_equal(pthread_create(&thread, NULL, produce_items, &producer), 0);
    uint64_t seen = 0, wrong = 0;
    while (seen < THREAD_ITEMS) {
        const void *bytes;
        int64_t available = ring_peek(&consumer, &bytes);
        assert_true(available >= 0 && available % 8 == 0);
        for (int64_t i = 0; i < available / 8; i++)
            wrong += ((const uint64_t *)bytes)[i] != hash_u64(seen++);
        ring_consume(&consumer, (uint64_t)available);
        ring_release(&consumer, consumer.position);
        if (!available)
            sched_yield();
    }
    pthread_join(thread, NULL);
    assert_int_equal(wrong, 0);
    ring_producer_close(&producer);
    ring_consumer_close(&consumer);
    close(fd);
}

// --- sides that are killed ---

// So many that the work outlasts the kills, also when the machine lets us wait for our turn.
enum { KILL_ITEMS = 8000000, KILLS = 60 };

// What an arena would hold: each side's committed position, changed by one store.
struct committed {
    uint64_t tail;        // of the producer
    uint64_t next_sum[2]; // of the consumer: items read << 32 | their sum; the last batch's parity
                          // picks one
    uint64_t batch;       // of the consumer: batches committed
};

static void child_produce(int fd, struct committed *shared)
{
    struct ring_producer ring;
    struct err err;
    if (ring_attach_producer(fd, FINGERPRINT, atomic_read_u64(&shared->tail), &ring, &err) < 0)
        _exit(3);
    ring_publish(&ring, ring.position); // the last life may have died between commit and publish
    while (ring.position < KILL_ITEMS * 8) {
        uint64_t *room = ring_reserve(&ring, 8);
        if (room) {
            *room = hash_u64(ring.position / 8);
            ring_advance(&ring, 8);
        }
        if (!room || ring.position / 8 % 17 == 0 || ring.position == KILL_ITEMS * 8) {
            atomic_write_u64(&shared->tail, ring.position); // the commit
            ring_publish(&ring, ring.position);
            if (!room)
                sched_yield();
        }
    }
    _exit(0);
}

static void child_consume(int fd, struct committed *shared)
{
    struct ring_consumer ring;
    struct err err;
    uint64_t batch = atomic_read_u64(&shared->batch);
    uint64_t position = shared->next_sum[batch & 1] >> 32;
    uint32_t sum = (uint32_t)shared->next_sum[batch & 1];
    if (ring_attach_consumer(fd, FINGERPRINT, position * 8, &ring, &err) < 0)
        _exit(4);
    ring_release(&ring, ring.position);
    while (ring.position < KILL_ITEMS * 8) {
        const void *bytes;
        int64_t available = ring_peek(&ring, &bytes);
        if (available < 0)
            _exit(5);
        for (int64_t i = 0; i < available / 8; i++) {
            uint64_t item = ((const uint64_t *)bytes)[i];
            if (item != hash_u64(ring.position / 8 + (uint64_t)i))
                _exit(6);
            sum += (uint32_t)item;
        }
        if (!available) {
            sched_yield();
            continue;
        }
        ring_consume(&ring, (uint64_t)available);
        batch++;
        atomic_write_u64(&shared->next_sum[batch & 1], ring.position / 8 << 32 | sum);
        __asm__ volatile("" ::: "memory");       // the copy is complete before it is chosen
        atomic_write_u64(&shared->batch, batch); // the commit
        ring_release(&ring, ring.position);
    }
    _exit(0);
}

static pid_t start_side(bool producer, int fd, struct committed *shared)
{
    pid_t pid = fork();
    if (pid == 0) {
        if (producer)
            child_produce(fd, shared);
        child_consume(fd, shared);
    }
    return pid;
}

// Kill a random side at a random moment and start its successor; both must end well.
static void test_ring_survives_kills_of_either_side(void **state)
{
    (void)state;
    uint64_t seed = (uint64_t)time(NULL);
    print_message("seed %llu\n", (unsigned long long)seed);
    int fd = make_ring(CAPACITY);
    struct committed *shared =
        mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pids[2] = {start_side(true, fd, shared), start_side(false, fd, shared)};
    int status, killed = 0;
    for (int i = 0; i < KILLS; i++) {
        seed = hash_u64(seed + 1);
        int side = (int)(seed & 1);
        usleep((useconds_t)(seed >> 8) % 2000);
        kill(pids[side], SIGKILL);
        assert_int_equal(waitpid(pids[side], &status, 0), pids[side]);
        if (WIFEXITED(status))
            assert_int_equal(WEXITSTATUS(status), 0);
        else
            killed++;
        pids[side] = start_side(side == 0, fd, shared);
    }
    for (int side = 0; side < 2; side++) {
        assert_int_equal(waitpid(pids[side], &status, 0), pids[side]);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
    uint32_t want = 0;
    for (uint64_t i = 0; i < KILL_ITEMS; i++)
        want += (uint32_t)hash_u64(i);
    assert_int_equal(shared->next_sum[shared->batch & 1], (uint64_t)KILL_ITEMS << 32 | want);
    print_message("%d of %d kills hit a running side\n", killed, KILLS);
    assert_true(killed > 0);
    munmap(shared, sizeof(*shared));
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ring_shows_nothing_before_publish),
        cmocka_unit_test(test_ring_is_full_until_released),
        cmocka_unit_test(test_ring_frame_never_wraps),
        cmocka_unit_test(test_ring_sides_cannot_write_what_is_not_theirs),
        cmocka_unit_test(test_ring_attach_refuses_each_damaged_header_byte),
        cmocka_unit_test(test_ring_refuses_impossible_words_of_the_other_side),
        cmocka_unit_test(test_ring_two_threads_lose_and_reorder_nothing),
        cmocka_unit_test(test_ring_survives_kills_of_either_side),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
