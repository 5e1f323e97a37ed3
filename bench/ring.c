// ring.c: the ring beside a raw cache-line ping-pong, in one run, on two cores.
//
// Prints, for each of N rounds, the raw round trip (two words, two cores, nothing else), the ring's
// round trip (an 8-byte frame there and back over two rings), their ratio, and the throughput of
// 88-byte frames committed one by one and 64 at a time. The raw figure names the machine's regime:
// compare ratios.
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "core/base/check.h"
#include "shm/atomic.h"
#include "shm/ring.h"

enum { ROUNDS = 5, TRIPS = 200000, FRAMES = 4000000, FRAME_BYTES = 88, CAPACITY = 1 << 20 };

struct pair { // two channels between two threads, and two raw words
    struct ring_producer out, back_out;
    struct ring_consumer in, back_in;
    _Alignas(128) uint64_t ping;
    _Alignas(128) uint64_t pong;
    uint64_t burst; // frames a publish
    int mode;
};

enum mode { MODE_RAW, MODE_ROUND_TRIP, MODE_THROUGHPUT };

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

// The thread on the second core.
static void *other_side(void *context)
{
    struct pair *p = context;
    pin(1);
    if (p->mode == MODE_RAW) {
        for (uint64_t i = 1; i <= (uint64_t)TRIPS; i++) {
            while (atomic_acquire_u64(&p->ping) != i)
                atomic_pause();
            atomic_release_u64(&p->pong, i);
        }
    } else if (p->mode == MODE_ROUND_TRIP) {
        for (uint64_t i = 1; i <= (uint64_t)TRIPS; i++)
            send_word(&p->back_out, receive_word(&p->in));
    } else {
        consume_all(&p->in);
    }
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

// Nanoseconds for the whole of one mode.
static double measure(struct pair *p, enum mode mode, uint64_t burst)
{
    pthread_t thread;
    p->mode = mode;
    p->burst = burst;
    p->ping = p->pong = 0;
    CHECK(pthread_create(&thread, NULL, other_side, p) == 0);
    double start = now_ns();
    for (uint64_t i = 1; mode != MODE_THROUGHPUT && i <= (uint64_t)TRIPS; i++) {
        if (mode == MODE_ROUND_TRIP) {
            send_word(&p->out, i);
            CHECK(receive_word(&p->back_in) == i);
            continue;
        }
        atomic_release_u64(&p->ping, i);
        while (atomic_acquire_u64(&p->pong) != i)
            atomic_pause();
    }
    if (mode == MODE_THROUGHPUT)
        produce_all(p);
    pthread_join(thread, NULL);
    return now_ns() - start;
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
        double raw = measure(&p, MODE_RAW, 1) / TRIPS;
        double trip = measure(&p, MODE_ROUND_TRIP, 1) / TRIPS;
        double single = measure(&p, MODE_THROUGHPUT, 1) / FRAMES;
        double burst = measure(&p, MODE_THROUGHPUT, 64) / FRAMES;
        printf("ring: raw ping-pong %.0f ns, round trip %.0f ns (%.2f of raw); %d-byte frames: "
               "%.1f M/s one a publish, %.1f M/s 64 a publish\n",
               raw, trip, trip / raw, FRAME_BYTES, 1e3 / single, 1e3 / burst);
    }
    return 0;
}
