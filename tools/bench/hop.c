// hop.c: `weir bench hop`: one frame from one process to the next, as tasks hand them on: reserve,
// publish, wake; the other side waits by its policy, takes, releases.
//
// Open loop: frame n is due at start + n / rate, carries that time, and its latency is counted from
// there: a sender that was late, or a ring that was full, is part of it.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/base/check.h"
#include "shm/atomic.h"
#include "shm/ring.h"
#include "tools/bench/bench.h"
#include "tools/bench/side.h"

enum { FRAME_BYTES = 88, CAPACITY = 1 << 20, QUIET_RATE = 1000, NS_TIMEOUT = 100000000 };

// In memory that both sides share.
struct told {
    struct waiter receiver, sender;
    double rate_per_s; // at full speed
    struct histogram histogram;
};

struct hop {
    struct ring_producer out;
    struct ring_consumer in;
    struct told *told;
    enum waiter_policy policy;
    uint64_t frames, warm_frames;
    double each_ns; // 0: as fast as it goes
    int64_t start_ns;
};

static size_t told_bytes(void)
{
    return sizeof(struct told) + histogram_bytes(3);
}

static bool has_input(void *context)
{
    struct hop *h = context;
    const void *bytes;
    return ring_peek(&h->in, &bytes) >= FRAME_BYTES;
}

static bool has_room(void *context)
{
    struct hop *h = context;
    return ring_reserve(&h->out, FRAME_BYTES) != NULL;
}

static int64_t due_of(const struct hop *h, uint64_t frame)
{
    return h->start_ns + (int64_t)((double)frame * h->each_ns);
}

static void send_frame(struct hop *h, struct waiter_owner *owner, int64_t due)
{
    char *room;
    while (!(room = ring_reserve(&h->out, FRAME_BYTES)))
        waiter_wait(owner, has_room, h, NS_TIMEOUT);
    memset(room + 8, 0, FRAME_BYTES - 8);
    memcpy(room, &due, 8);
    ring_advance(&h->out, FRAME_BYTES);
    ring_publish(&h->out, h->out.position);
    waiter_wake(&h->told->receiver);
}

// The sender always spins until a frame is due: what is measured is the hop, not its clock.
static int send_frames(void *context)
{
    struct hop *h = context;
    struct waiter_owner owner = {.waiter = &h->told->sender, .policy = h->policy};
    uint64_t all = h->frames + h->warm_frames;
    for (uint64_t i = 0; i < all; i++) {
        int64_t due = due_of(h, i);
        while (bench_now_ns() < due)
            atomic_pause();
        send_frame(h, &owner, due);
    }
    return 0;
}

static int receive_frames(void *context)
{
    struct hop *h = context;
    struct waiter_owner owner = {.waiter = &h->told->receiver, .policy = h->policy};
    uint64_t seen = 0, all = h->frames + h->warm_frames;
    int64_t began = 0;
    while (seen < all) {
        const void *bytes;
        int64_t available = ring_peek(&h->in, &bytes);
        if (available < FRAME_BYTES) {
            waiter_wait(&owner, has_input, h, NS_TIMEOUT);
            continue;
        }
        for (int64_t at = 0; at < available; at += FRAME_BYTES, seen++) {
            int64_t due, now = bench_now_ns();
            memcpy(&due, (const char *)bytes + at, 8);
            if (seen == h->warm_frames)
                began = now;
            if (seen >= h->warm_frames && h->each_ns > 0)
                histogram_record(&h->told->histogram, now - due);
        }
        ring_consume(&h->in, (uint64_t)available);
        ring_release(&h->in, h->in.position);
        waiter_wake(&h->told->sender);
    }
    h->told->rate_per_s = (double)h->frames * 1e9 / (double)(bench_now_ns() - began);
    return 0;
}

static int both(const struct bench *bench, struct hop *h, struct err *err)
{
    struct side sides[2] = {{0}};
    int fd = memfd_create("weir-bench-hop", MFD_CLOEXEC);
    if (fd < 0)
        return err_set(err, -errno, "no memory for a ring: %s", strerror(errno));
    h->told->receiver = h->told->sender = (struct waiter){0};
    histogram_init(&h->told->histogram, 3);
    h->out = (struct ring_producer){0};
    h->in = (struct ring_consumer){0};
    int rc = ring_create(fd, CAPACITY, 1, err);
    if (rc == 0)
        rc = ring_attach_producer(fd, 1, 0, &h->out, err);
    if (rc == 0)
        rc = ring_attach_consumer(fd, 1, 0, &h->in, err);
    close(fd);
    h->start_ns = bench_now_ns() + 2000000; // both are there by then
    if (rc == 0)
        rc = side_start(&sides[0], bench->options.cores[1], receive_frames, h, err);
    if (rc == 0)
        rc = side_start(&sides[1], bench->options.cores[0], send_frames, h, err);
    if (rc == 0)
        rc = side_wait(sides, 2, err);
    else
        side_kill(&sides[0]);
    ring_producer_close(&h->out);
    ring_consumer_close(&h->in);
    return rc;
}

static int find_rate(const struct bench *bench, struct hop *h, double *rate, struct err *err)
{
    h->each_ns = 0;
    h->warm_frames = 100000;
    h->frames = 1000000;
    int rc = both(bench, h, err);
    *rate = h->told->rate_per_s;
    return rc;
}

static int at_rate(struct bench *bench, struct hop *h, double rate, const char *load,
                   struct err *err)
{
    const struct bench_options *o = &bench->options;
    char name[64];
    h->each_ns = 1e9 / rate;
    h->frames = (uint64_t)(rate * o->seconds) + 1;
    h->warm_frames = (uint64_t)(rate * o->warmup);
    int64_t began = bench_now_ns();
    int rc = both(bench, h, err);
    snprintf(name, sizeof name, "%s, %s", bench_waiting_name((int)h->policy), load);
    if (rc < 0)
        return rc;
    report_series(&bench->report, name, &h->told->histogram, began, o->seconds);
    if (histogram_percentile(&h->told->histogram, 50) > 1000000)
        report_note(&bench->report,
                    "%s: the load was not carried (half of the frames later than 1 ms): the cores "
                    "are shared with others, or were when the full speed was measured",
                    name);
    return 0;
}

static int one_policy(struct bench *bench, struct hop *h, struct err *err)
{
    char name[64];
    double rate;
    int rc = find_rate(bench, h, &rate, err);
    if (rc < 0)
        return rc;
    snprintf(name, sizeof name, "%s, frames at full speed", bench_waiting_name((int)h->policy));
    report_rate(&bench->report, name, "M/s", rate / 1e6);
    if (bench->options.rate)
        return at_rate(bench, h, (double)bench->options.rate, "at --rate", err);
    rc = at_rate(bench, h, QUIET_RATE, "1000/s", err);
    return rc < 0 ? rc : at_rate(bench, h, rate / 2, "half load", err);
}

static int run(struct bench *bench, struct err *err)
{
    static const enum waiter_policy policies[] = {WAITER_SPIN, WAITER_ADAPTIVE, WAITER_BLOCK};
    const struct bench_options *o = &bench->options;
    struct hop h = {.told = side_share(told_bytes())};
    int rc = 0;
    for (int i = 0; i < o->runs && rc == 0; i++) {
        for (int k = 0; k < BENCH_WAITINGS && rc == 0; k++) {
            h.policy = policies[k];
            if (o->waiting >= 0 && o->waiting != (int)h.policy)
                continue;
            bench_say(bench, "run %d of %d, %s", i + 1, o->runs, bench_waiting_name((int)h.policy));
            rc = one_policy(bench, &h, err);
        }
    }
    side_unshare(h.told, told_bytes());
    return rc;
}

static const char *const accepts[] = {"--rate", "--waiting", NULL};

const struct bench_kind bench_hop = {
    .name = "hop",
    .summary = "one frame from task to task, by each waiting policy",
    .about =
        "Frames of 88 bytes through one ring, as tasks hand them on: publish, wake if the other "
        "one\n"
        "sleeps, wait by the policy. First as fast as it goes; then open loop, at 1,000 a second\n"
        "and at half of what was measured, or at --rate. Latency is counted from when a frame was\n"
        "due. Needs two cores.\n\n"
        "  --rate N         frames a second\n"
        "  --waiting WHICH  spin, adaptive or block alone\n\n"
        "example:\n\n  weir bench hop --waiting spin --rate 100000\n",
    .least_cores = 2,
    .runs = 3,
    .seconds = 1,
    .warmup = 0.1,
    .accepts = accepts,
    .is_probed = true,
    .run = run,
};
