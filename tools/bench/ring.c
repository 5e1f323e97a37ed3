// ring.c: `weir bench ring`: two rings between two pinned processes, beside a raw cache line.
//
// Raw ping-pong and round trip take turns in each run, so their ratio is of one moment. Throughput
// is of frames of 88 bytes, one a publish and 64 a publish.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/base/check.h"
#include "shm/atomic.h"
#include "shm/ring.h"
#include "tools/bench/bench.h"
#include "tools/bench/probe.h"
#include "tools/bench/side.h"

enum { FRAME_BYTES = 88, CAPACITY = 1 << 20, BURST = 64, WARM_TRIPS = 20000, TURNS = 4 };

// What the sides tell their parent.
struct told {
    double ns; // of one frame, on average
    struct histogram histogram;
};

static size_t told_bytes(void)
{
    return sizeof(struct told) + histogram_bytes(3);
}

// Each side has its own copy of the handles, as tasks have: two sides that write to one cache line
// would measure that.
struct ring_pair {
    struct ring_producer out, back_out;
    struct ring_consumer in, back_in;
    uint64_t trips, frames;
    uint64_t burst; // frames a publish
    bool is_timed;  // each trip is recorded
    struct told *told;
};

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
    uint64_t word;
    while (ring_peek(ring, &bytes) < 8)
        atomic_pause();
    memcpy(&word, bytes, 8);
    ring_consume(ring, 8);
    ring_release(ring, ring->position);
    return word;
}

// Timed one by one, or by groups as the raw words are.
static int ask(void *context)
{
    struct ring_pair *p = context;
    const uint64_t group = p->is_timed ? 1 : PROBE_GROUP;
    int64_t last = bench_now_ns();
    for (uint64_t i = 1; i <= p->trips + WARM_TRIPS; i++) {
        send_word(&p->out, i);
        CHECK(receive_word(&p->back_in) == i);
        if (i % group)
            continue;
        int64_t now = bench_now_ns();
        if (i > WARM_TRIPS)
            histogram_record(&p->told->histogram, now - last);
        last = now;
    }
    return 0;
}

static int answer(void *context)
{
    struct ring_pair *p = context;
    for (uint64_t i = 1; i <= p->trips + WARM_TRIPS; i++)
        send_word(&p->back_out, receive_word(&p->in));
    return 0;
}

static int produce(void *context)
{
    struct ring_pair *p = context;
    for (uint64_t i = 0; i < p->frames; i++) {
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
    return 0;
}

// Every frame comes, once: their numbers add up.
static int consume(void *context)
{
    struct ring_pair *p = context;
    uint64_t left = p->frames * FRAME_BYTES, sum = 0;
    int64_t began = bench_now_ns();
    while (left) {
        const void *bytes;
        int64_t available = ring_peek(&p->in, &bytes);
        CHECK(available >= 0);
        for (int64_t at = 0; at < available; at += FRAME_BYTES) {
            uint64_t word;
            memcpy(&word, (const char *)bytes + at, 8);
            sum += word;
        }
        if (!available)
            atomic_pause();
        ring_consume(&p->in, (uint64_t)available);
        ring_release(&p->in, p->in.position);
        left -= (uint64_t)available;
    }
    p->told->ns = (double)(bench_now_ns() - began) / (double)p->frames;
    return sum == p->frames * (p->frames - 1) / 2 ? 0 : 1;
}

static int open_channel(struct ring_producer *out, struct ring_consumer *in, struct err *err)
{
    int fd = memfd_create("weir-bench-ring", MFD_CLOEXEC);
    if (fd < 0)
        return err_set(err, -errno, "no memory for a ring: %s", strerror(errno));
    int rc = ring_create(fd, CAPACITY, 1, err);
    if (rc == 0)
        rc = ring_attach_producer(fd, 1, 0, out, err);
    if (rc == 0)
        rc = ring_attach_consumer(fd, 1, 0, in, err);
    close(fd);
    return rc;
}

// Both sides on new rings.
static int both(struct bench *bench, struct ring_pair *p, int (*first)(void *),
                int (*second)(void *), struct err *err)
{
    const int *cores = bench->options.cores;
    struct side sides[2] = {{0}};
    p->out = p->back_out = (struct ring_producer){0};
    p->in = p->back_in = (struct ring_consumer){0};
    histogram_init(&p->told->histogram, 3);
    int rc = open_channel(&p->out, &p->in, err);
    if (rc == 0)
        rc = open_channel(&p->back_out, &p->back_in, err);
    if (rc == 0)
        rc = side_start(&sides[0], cores[1], second, p, err);
    if (rc == 0)
        rc = side_start(&sides[1], cores[0], first, p, err);
    if (rc == 0)
        rc = side_wait(sides, 2, err);
    else
        side_kill(&sides[0]);
    ring_producer_close(&p->out);
    ring_producer_close(&p->back_out);
    ring_consumer_close(&p->in);
    ring_consumer_close(&p->back_in);
    return rc;
}

static int throughput(struct bench *bench, struct ring_pair *p, uint64_t burst, struct err *err)
{
    char name[64];
    // A tenth of a second's worth says how many fill the time.
    p->frames = 400000;
    for (int turn = 0; turn < 2; turn++) {
        p->burst = burst;
        int rc = both(bench, p, produce, consume, err);
        if (rc < 0)
            return rc;
        double wanted = bench->options.seconds / 4 * 1e9 / p->told->ns;
        if (turn == 0)
            p->frames = wanted < 100000 ? 100000 : wanted > 1e9 ? 1000000000 : (uint64_t)wanted;
    }
    snprintf(name, sizeof name, "frames of %d bytes, %llu a publish", FRAME_BYTES,
             (unsigned long long)burst);
    report_rate(&bench->report, name, "M/s", 1e3 / p->told->ns);
    return 0;
}

// Turns of both, so that a moment's noise is everybody's; the best turn of each.
static int round_trips(struct bench *bench, struct ring_pair *p, struct err *err)
{
    const struct bench_options *o = &bench->options;
    double raw = 1e18, trip = 1e18, one;
    uint64_t trips = 50000;
    int rc = 0;
    for (int turn = 0; turn < TURNS && rc == 0; turn++) {
        rc = probe_groups(o->cores[0], o->cores[1], trips, &one, err);
        raw = one < raw ? one : raw;
        p->trips = trips;
        if (rc == 0)
            rc = both(bench, p, ask, answer, err);
        one = (double)histogram_percentile(&p->told->histogram, 50) / PROBE_GROUP;
        trip = one < trip ? one : trip;
        // The first turn is short: it says how many trips fill the time.
        double wanted = o->seconds / 4 / (TURNS - 1) * 1e9 / (trip + 1);
        if (turn == 0)
            trips = wanted < 10000 ? 10000 : wanted > 1e9 ? 1000000000 : (uint64_t)wanted;
    }
    if (rc < 0)
        return rc;
    report_figure(&bench->report, "raw ping-pong", "ns", raw);
    report_figure(&bench->report, "round trip", "ns", trip);
    report_figure(&bench->report, "round trip to raw", "x", trip / raw);
    p->trips = trips;
    p->is_timed = true; // a look at the clock in each
    int64_t began = bench_now_ns();
    struct histogram *copy = histogram_new(3);
    rc = both(bench, p, ask, answer, err);
    if (rc == 0) {
        histogram_copy(copy, &p->told->histogram);
        report_series(&bench->report, "round trip", copy, began,
                      (double)(bench_now_ns() - began) / 1e9);
    }
    p->is_timed = false;
    free(copy);
    return rc;
}

static int run(struct bench *bench, struct err *err)
{
    struct ring_pair pair = {.told = side_share(told_bytes())}, *p = &pair;
    int rc = 0;
    for (int i = 0; i < bench->options.runs && rc == 0; i++) {
        bench_say(bench, "run %d of %d", i + 1, bench->options.runs);
        rc = round_trips(bench, p, err);
        if (rc == 0)
            rc = throughput(bench, p, 1, err);
        if (rc == 0)
            rc = throughput(bench, p, BURST, err);
    }
    side_unshare(p->told, told_bytes());
    return rc;
}

const struct bench_kind bench_ring = {
    .name = "ring",
    .summary = "two rings between two processes, beside a raw cache line",
    .about =
        "A word of 8 bytes there and back through two rings, and the same between two words of\n"
        "memory and nothing else; then frames of 88 bytes one way, as fast as they go. Needs\n"
        "two cores. The figures are medians of groups of 64 trips; the histogram has each trip, "
        "with\n"
        "a look at the clock in it.\n\n"
        "example:\n\n  weir bench ring --cores 0,1 --runs 5\n",
    .least_cores = 2,
    .runs = 5,
    .seconds = 2,
    .warmup = 0,
    .is_probed = true,
    .run = run,
};
