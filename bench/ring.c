// ring.c: the ring beside a raw cache-line ping-pong, in one run, on two cores.
//
// Prints, for each of N rounds, the raw round trip (two words, two cores, nothing else), the ring's
// round trip (an 8-byte frame there and back over two rings), their ratio, and the throughput of
// 88-byte frames committed one by one and 64 at a time. The raw figure names the machine's regime,
// and a host that moves virtual cores about changes it tenfold within a second. So raw and ring
// take turns in blocks of a millisecond or less, and the ratio is the median of those of
// neighbours.
#include <pthread.h>
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
    ROUNDS = 5,
    TRIPS = 1000, // a block
    BLOCKS = 101,
    FRAMES = 2000000,
    FRAME_BYTES = 88,
    CAPACITY = 1 << 20
};

// Two channels between two threads, and two raw words. What one thread writes is on lines of its
// own, the private handles too: of two processes they would be.
struct pair {
    _Alignas(128) struct ring_producer out;
    struct ring_consumer back_in;
    _Alignas(128) struct ring_consumer in;
    struct ring_producer back_out;
    _Alignas(128) uint64_t ping;
    _Alignas(128) uint64_t pong;
    uint64_t burst;              // frames a publish
    _Alignas(128) uint32_t turn; // the block that the second core is to begin
};

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void pin(unsigned core)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    if (sched_setaffinity(0, sizeof(set), &set) < 0)
        perror("ring: cannot pin; going on unpinned");
}

static void send_word(struct ring_producer *ring, uint64_t word)
{
    void *room;
    while (!(room = ring_reserve(ring, 8)))
        atomic_pause();
    memcpy(room, &word, 8);
    ring_advance(ring, 8);
    ring_publish(ring, ring->position);
}

static uint64_t receive_word(struct ring_consumer *ring)
{
    const void *bytes;
    while (ring_peek(ring, &bytes) < 8)
        atomic_pause();
    uint64_t word;
    memcpy(&word, bytes, 8);
    ring_consume(ring, 8);
    ring_release(ring, ring->position);
    return word;
}

static void consume_all(struct ring_consumer *ring)
{
    uint64_t left = (uint64_t)FRAMES * FRAME_BYTES, sum = 0;
    while (left) {
        const void *bytes;
        int64_t available = ring_peek(ring, &bytes);
        CHECK(available >= 0);
        for (int64_t at = 0; at < available; at += FRAME_BYTES) {
            uint64_t word;
            memcpy(&word, (const char *)bytes + at, 8);
            sum += word;
        }
        if (!available)
            atomic_pause();
        ring_consume(ring, (uint64_t)available);
        ring_release(ring, ring->position);
        left -= (uint64_t)available;
    }
    CHECK(sum == (uint64_t)FRAMES * (FRAMES - 1) / 2); // every frame came
}

// --- round trips ---

static void raw_drive(struct pair *p)
{
    p->ping = p->pong = 0;
    atomic_release_u32(&p->turn, p->turn + 1);
    for (uint64_t i = 1; i <= (uint64_t)TRIPS; i++) {
        atomic_release_u64(&p->ping, i);
        while (atomic_acquire_u64(&p->pong) != i)
            atomic_pause();
    }
}

static void raw_answer(struct pair *p)
{
    for (uint64_t i = 1; i <= (uint64_t)TRIPS; i++) {
        while (atomic_acquire_u64(&p->ping) != i)
            atomic_pause();
        atomic_release_u64(&p->pong, i);
    }
}

static void ring_drive(struct pair *p)
{
    atomic_release_u32(&p->turn, p->turn + 1);
    for (uint64_t i = 1; i <= (uint64_t)TRIPS; i++) {
        send_word(&p->out, i);
        CHECK(receive_word(&p->back_in) == i);
    }
}

static void ring_answer(struct pair *p)
{
    for (uint64_t i = 1; i <= (uint64_t)TRIPS; i++)
        send_word(&p->back_out, receive_word(&p->in));
}

// The thread on the second core: odd blocks are raw.
static void *answer_all(void *context)
{
    struct pair *p = context;
    pin(1);
    for (uint32_t block = 1; block <= 2 * BLOCKS; block++) {
        while (atomic_acquire_u32(&p->turn) != block)
            atomic_pause();
        if (block % 2)
            raw_answer(p);
        else
            ring_answer(p);
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

static void round_trips(struct pair *p)
{
    static double raw[BLOCKS], ring[BLOCKS], ratio[BLOCKS];
    pthread_t thread;
    p->turn = 0;
    CHECK(pthread_create(&thread, NULL, answer_all, p) == 0);
    for (int i = 0; i < BLOCKS; i++) {
        double start = now_ns();
        raw_drive(p);
        raw[i] = (now_ns() - start) / TRIPS;
        start = now_ns();
        ring_drive(p);
        ring[i] = (now_ns() - start) / TRIPS;
        ratio[i] = ring[i] / raw[i];
    }
    pthread_join(thread, NULL);
    printf("ring: raw ping-pong %.0f ns, round trip %.0f ns (%.2f of raw); ", median(raw),
           median(ring), median(ratio));
}

// --- throughput ---

static void *consume_thread(void *context)
{
    struct pair *p = context;
    pin(1);
    consume_all(&p->in);
    return NULL;
}

static void produce_all(struct pair *p)
{
    for (uint64_t i = 0; i < (uint64_t)FRAMES; i++) {
        char *room;
        while (!(room = ring_reserve(&p->out, FRAME_BYTES))) {
            ring_publish(&p->out, p->out.position);
            atomic_pause();
        }
        memset(room + 8, (int)i, FRAME_BYTES - 8);
        memcpy(room, &i, 8);
        ring_advance(&p->out, FRAME_BYTES);
        if ((i + 1) % p->burst == 0)
            ring_publish(&p->out, p->out.position);
    }
    ring_publish(&p->out, p->out.position);
}

// Nanoseconds a frame.
static double throughput(struct pair *p, uint64_t burst)
{
    pthread_t thread;
    p->burst = burst;
    CHECK(pthread_create(&thread, NULL, consume_thread, p) == 0);
    double start = now_ns();
    produce_all(p);
    pthread_join(thread, NULL);
    return (now_ns() - start) / FRAMES;
}

static void open_channel(struct ring_producer *out, struct ring_consumer *in)
{
    struct err err;
    int fd = memfd_create("ring", MFD_CLOEXEC);
    if (fd < 0 || ring_create(fd, CAPACITY, 1, &err) < 0 ||
        ring_attach_producer(fd, 1, 0, out, &err) < 0 ||
        ring_attach_consumer(fd, 1, 0, in, &err) < 0) {
        fprintf(stderr, "ring: %s\n", err.text);
        _exit(1);
    }
    close(fd);
}

int main(void)
{
    static struct pair p;
    if (sysconf(_SC_NPROCESSORS_ONLN) < 2) {
        puts("ring: needs two cores; skipped");
        return 0;
    }
    pin(0);
    open_channel(&p.out, &p.in);
    open_channel(&p.back_out, &p.back_in);
    for (int round = 0; round < ROUNDS; round++) {
        round_trips(&p);
        double single = throughput(&p, 1), burst = throughput(&p, 64);
        printf("%d-byte frames: %.1f M/s one a publish, %.1f M/s 64 a publish\n", FRAME_BYTES,
               1e3 / single, 1e3 / burst);
    }
    return 0;
}
