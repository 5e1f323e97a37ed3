// ring_rte.c: weir's ring beside DPDK's rte_ring, single producer and single consumer, on two
// cores.
//
// usage: ring_rte
// Items of 8, 64 and 512 bytes, 1 and 32 at a time. The producer writes every word of an item, the
// consumer adds all of them up, and the sums are checked. Two forms of each: `copy`, from an array
// into the ring and out into an array, as rte_ring's burst calls do it, and `in place`, in the
// ring's own memory (rte_ring's peek API; what weir's runtime does). Same bytes of ring, same kind
// of memory, short blocks in turns; medians of the blocks, and of the ratios of neighbours.
// Sizes are constants in each loop, as both rings' inline calls are made for.
// rte_ring is DPDK's own, from Debian's package, on memory of ours: that needs no EAL.
#include <pthread.h>
#include <rte_ring.h>
#include <rte_ring_elem.h>
#include <rte_ring_peek_zc.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "core/base/check.h"
#include "shm/atomic.h"
#include "shm/ring.h"

enum {
    RING_BYTES = 1 << 18,
    MOST_BYTES = 512,
    MOST_ITEMS = 32,
    BLOCKS = 41,
    SIDES = 4,
    BLOCK_BYTES = 4000000
};

enum side { WEIR_COPY, RTE_COPY, WEIR_IN_PLACE, RTE_IN_PLACE };

struct shape {
    uint32_t item_bytes;
    uint32_t burst; // items at a time
    uint64_t items; // a block, a multiple of burst
};

#define CONSTANTS static inline __attribute__((always_inline))

// What one thread writes is on lines of its own, the private handles too.
static _Alignas(128) struct ring_producer producer;
static _Alignas(128) struct ring_consumer consumer;
static _Alignas(128) struct rte_ring *rte;
static _Alignas(128) uint32_t turn[32], finished[32]; // words of their own lines
static int cores[2] = {-1, -1};
static uint64_t received; // the consumer's sum

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

// The last two cores of ours; -1 where there are fewer.
static void find_cores(void)
{
    cpu_set_t set;
    CHECK(sched_getaffinity(0, sizeof(set), &set) == 0);
    for (int i = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET((size_t)i, &set)) {
            cores[0] = cores[1];
            cores[1] = i;
        }
}

static void pin(int core)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)core, &set);
    if (sched_setaffinity(0, sizeof(set), &set) < 0)
        perror("ring_rte: cannot pin; going on unpinned");
}

static inline void fill(uint64_t *at, uint64_t words, uint64_t from)
{
    for (uint64_t i = 0; i < words; i++)
        at[i] = from + i;
}

static inline uint64_t sum_of(const uint64_t *at, uint64_t words)
{
    uint64_t sum = 0;
    for (uint64_t i = 0; i < words; i++)
        sum += at[i];
    return sum;
}

// --- weir ---

CONSTANTS void weir_produce(struct shape shape, bool in_place)
{
    static _Alignas(64) uint64_t items[MOST_BYTES * MOST_ITEMS / 8];
    const uint64_t bytes = (uint64_t)shape.item_bytes * shape.burst;
    for (uint64_t sent = 0, word = 0; sent < shape.items; sent += shape.burst, word += bytes / 8) {
        void *room;
        if (!in_place)
            fill(items, bytes / 8, word);
        while (!(room = ring_reserve(&producer, bytes)))
            atomic_pause();
        if (in_place)
            fill(room, bytes / 8, word);
        else
            memcpy(room, items, bytes);
        ring_advance(&producer, bytes);
        ring_publish(&producer, producer.position);
    }
}

CONSTANTS uint64_t weir_consume(struct shape shape, bool in_place)
{
    static _Alignas(64) uint64_t items[MOST_BYTES * MOST_ITEMS / 8];
    const int64_t most = (int64_t)shape.item_bytes * shape.burst;
    uint64_t sum = 0, left = shape.items * shape.item_bytes;
    while (left) {
        const void *bytes;
        int64_t available = ring_peek(&consumer, &bytes);
        CHECK(available >= 0);
        if (!available) {
            atomic_pause();
            continue;
        }
        uint64_t taken = (uint64_t)(available < most ? available : most);
        if (!in_place)
            memcpy(items, bytes, taken);
        sum += sum_of(in_place ? bytes : items, taken / 8);
        ring_consume(&consumer, taken);
        ring_release(&consumer, consumer.position);
        left -= taken;
    }
    return sum;
}

// --- DPDK ---

CONSTANTS void rte_produce(struct shape shape)
{
    static _Alignas(64) uint64_t items[MOST_BYTES * MOST_ITEMS / 8];
    const uint64_t words = (uint64_t)shape.item_bytes * shape.burst / 8;
    for (uint64_t sent = 0, word = 0; sent < shape.items; sent += shape.burst, word += words) {
        fill(items, words, word);
        while (!rte_ring_sp_enqueue_bulk_elem(rte, items, shape.item_bytes, shape.burst, NULL))
            atomic_pause();
    }
}

CONSTANTS uint64_t rte_consume(struct shape shape)
{
    static _Alignas(64) uint64_t items[MOST_BYTES * MOST_ITEMS / 8];
    uint64_t sum = 0;
    for (uint64_t left = shape.items; left;) {
        uint32_t got =
            rte_ring_sc_dequeue_burst_elem(rte, items, shape.item_bytes, shape.burst, NULL);
        if (!got)
            atomic_pause();
        sum += sum_of(items, (uint64_t)got * shape.item_bytes / 8);
        left -= got;
    }
    return sum;
}

CONSTANTS void rte_produce_in_place(struct shape shape)
{
    const uint64_t item_words = shape.item_bytes / 8;
    for (uint64_t sent = 0, word = 0; sent < shape.items; sent += shape.burst) {
        struct rte_ring_zc_data room;
        while (
            !rte_ring_enqueue_zc_bulk_elem_start(rte, shape.item_bytes, shape.burst, &room, NULL))
            atomic_pause();
        fill(room.ptr1, room.n1 * item_words, word);
        word += room.n1 * item_words;
        if (room.n1 < shape.burst) {
            fill(room.ptr2, (shape.burst - room.n1) * item_words, word);
            word += (shape.burst - room.n1) * item_words;
        }
        rte_ring_enqueue_zc_finish(rte, shape.burst);
    }
}

CONSTANTS uint64_t rte_consume_in_place(struct shape shape)
{
    const uint64_t item_words = shape.item_bytes / 8;
    uint64_t sum = 0;
    for (uint64_t left = shape.items; left;) {
        struct rte_ring_zc_data data;
        uint32_t got =
            rte_ring_dequeue_zc_burst_elem_start(rte, shape.item_bytes, shape.burst, &data, NULL);
        if (!got) {
            atomic_pause();
            continue;
        }
        sum += sum_of(data.ptr1, data.n1 * item_words);
        if (data.n1 < got)
            sum += sum_of(data.ptr2, (got - data.n1) * item_words);
        rte_ring_dequeue_zc_finish(rte, got);
        left -= got;
    }
    return sum;
}

// --- blocks ---

CONSTANTS void produce_as(struct shape shape, enum side side)
{
    if (side == RTE_COPY)
        rte_produce(shape);
    else if (side == RTE_IN_PLACE)
        rte_produce_in_place(shape);
    else
        weir_produce(shape, side == WEIR_IN_PLACE);
}

CONSTANTS uint64_t consume_as(struct shape shape, enum side side)
{
    if (side == RTE_COPY)
        return rte_consume(shape);
    if (side == RTE_IN_PLACE)
        return rte_consume_in_place(shape);
    return weir_consume(shape, side == WEIR_IN_PLACE);
}

static uint64_t items_of(uint32_t item_bytes)
{
    return BLOCK_BYTES / (item_bytes < 64 ? 64 : item_bytes) / MOST_ITEMS * MOST_ITEMS;
}

#define FOR_EACH_SHAPE(x) x(0, 8, 1) x(1, 8, 32) x(2, 64, 1) x(3, 64, 32) x(4, 512, 1) x(5, 512, 32)

static void produce(int which, enum side side)
{
    switch (which) {
#define PRODUCE(n, bytes, burst)                                                                   \
    case n:                                                                                        \
        produce_as((struct shape){bytes, burst, items_of(bytes)}, side);                           \
        break;
        FOR_EACH_SHAPE(PRODUCE)
    }
}

static uint64_t consume(int which, enum side side)
{
    switch (which) {
#define CONSUME(n, bytes, burst)                                                                   \
    case n:                                                                                        \
        return consume_as((struct shape){bytes, burst, items_of(bytes)}, side);
        FOR_EACH_SHAPE(CONSUME)
    }
    return 0;
}

// The consumer's thread: block after block, in the order that main has.
static void *other_side(void *which)
{
    pin(cores[1]);
    for (uint32_t n = 1; n <= BLOCKS * SIDES; n++) {
        while (atomic_acquire_u32(turn) != n)
            atomic_pause();
        received = consume(*(const int *)which, (enum side)((n - 1) % SIDES));
        atomic_release_u32(finished, n);
    }
    return NULL;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values)
{
    qsort(values, BLOCKS, sizeof(*values), by_value);
    return values[BLOCKS / 2];
}

static void open_rte(struct shape shape)
{
    uint32_t count = RING_BYTES / shape.item_bytes;
    ssize_t bytes = rte_ring_get_memsize_elem(shape.item_bytes, count);
    CHECK(bytes > 0);
    int fd = memfd_create("rte", MFD_CLOEXEC);
    CHECK(fd >= 0 && ftruncate(fd, bytes) == 0);
    rte = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
    CHECK(rte != MAP_FAILED);
    close(fd);
    CHECK(rte_ring_init(rte, "peer", count, RING_F_SP_ENQ | RING_F_SC_DEQ) == 0);
}

static void open_weir(void)
{
    struct err err;
    int fd = memfd_create("ring", MFD_CLOEXEC);
    if (fd < 0 || ring_create(fd, RING_BYTES, 1, &err) < 0 ||
        ring_attach_producer(fd, 1, 0, &producer, &err) < 0 ||
        ring_attach_consumer(fd, 1, 0, &consumer, &err) < 0) {
        fprintf(stderr, "ring_rte: %s\n", err.text);
        exit(1);
    }
    close(fd);
}

// One shape: BLOCKS blocks of each side in turns.
static void measure(int which, struct shape shape)
{
    static double ns[SIDES][BLOCKS], copy[BLOCKS], in_place[BLOCKS];
    uint64_t words = shape.items * shape.item_bytes / 8, expected = words * (words - 1) / 2;
    pthread_t thread;
    open_weir();
    open_rte(shape);
    turn[0] = finished[0] = 0;
    CHECK(pthread_create(&thread, NULL, other_side, &which) == 0);
    for (uint32_t n = 1; n <= BLOCKS * SIDES; n++) {
        enum side side = (enum side)((n - 1) % SIDES);
        double start = now_ns();
        atomic_release_u32(turn, n);
        produce(which, side);
        while (atomic_acquire_u32(finished) != n)
            atomic_pause();
        ns[side][(n - 1) / SIDES] = (now_ns() - start) / (double)shape.items;
        CHECK(received == expected); // every word came, once
    }
    pthread_join(thread, NULL);
    for (int i = 0; i < BLOCKS; i++) {
        copy[i] = ns[RTE_COPY][i] / ns[WEIR_COPY][i];
        in_place[i] = ns[RTE_IN_PLACE][i] / ns[WEIR_IN_PLACE][i];
    }
    printf("%5u %5u", shape.item_bytes, shape.burst);
    printf(" %8.1f %8.1f %6.2f", 1e3 / median(ns[WEIR_COPY]), 1e3 / median(ns[RTE_COPY]),
           median(copy));
    printf(" %8.1f %8.1f %6.2f\n", 1e3 / median(ns[WEIR_IN_PLACE]), 1e3 / median(ns[RTE_IN_PLACE]),
           median(in_place));
    fflush(stdout);
    ring_producer_close(&producer);
    ring_consumer_close(&consumer);
}

int main(void)
{
    find_cores();
    if (cores[0] < 0) {
        puts("ring_rte: needs two cores; skipped");
        return 0;
    }
    pin(cores[0]);
    puts("              copied, M items/s          in place, M items/s");
    puts("bytes burst     weir rte_ring  ratio     weir rte_ring  ratio");
#define MEASURE(n, bytes, burst) measure(n, (struct shape){bytes, burst, items_of(bytes)});
    FOR_EACH_SHAPE(MEASURE)
    return 0;
}
