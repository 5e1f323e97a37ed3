// probe.c: see probe.h. The words are on cache lines of their own; each side writes one of them.
#include "tools/bench/probe.h"

#include <string.h>

#include "core/base/check.h"
#include "core/base/histogram.h"
#include "shm/atomic.h"
#include "tools/bench/side.h"

struct bounce {
    _Alignas(128) uint64_t ping; // written by the first side; UINT64_MAX: the end
    _Alignas(128) uint64_t pong; // written by the second
    _Alignas(128) uint64_t trips;
    int64_t for_ns;             // 0: so many trips, timed by groups
    struct histogram histogram; // 3 digits, behind it
};

static size_t bounce_bytes(void)
{
    return sizeof(struct bounce) + histogram_bytes(3);
}

static inline void await_pong(const struct bounce *b, uint64_t i)
{
    // P1: pairs with P4 in answer; publishes nothing but the word itself
    while (atomic_acquire_u64(&b->pong) != i)
        atomic_pause();
}

static void bounce_timed(struct bounce *b)
{
    int64_t last = bench_now_ns(), until = last + b->for_ns, warm = last + b->for_ns / 5;
    uint64_t i = 1;
    for (; last < until; i++) {
        atomic_release_u64(&b->ping, i); // P2: pairs with P3 in answer; publishes the word alone
        await_pong(b, i);
        int64_t now = bench_now_ns();
        if (last > warm)
            histogram_record(&b->histogram, now - last);
        last = now;
    }
    atomic_release_u64(&b->ping, UINT64_MAX); // P2: pairs with P3 in answer; publishes the end
}

static void bounce_counted(struct bounce *b)
{
    const uint64_t warm = b->trips / 5;
    int64_t began = bench_now_ns();
    for (uint64_t i = 1; i <= b->trips + warm; i++) {
        atomic_release_u64(&b->ping, i); // P5: pairs with P6 in answer; publishes the word alone
        await_pong(b, i);
        if (i % PROBE_GROUP)
            continue;
        int64_t now = bench_now_ns();
        if (i > warm)
            histogram_record(&b->histogram, now - began);
        began = now;
    }
    atomic_release_u64(&b->ping, UINT64_MAX); // P5: pairs with P6 in answer; publishes the end
}

static int ask(void *context)
{
    struct bounce *b = context;
    if (b->for_ns)
        bounce_timed(b);
    else
        bounce_counted(b);
    return 0;
}

static int answer(void *context)
{
    struct bounce *b = context;
    uint64_t seen = 0, word;
    // P3: pairs with P2 in bounce_timed; takes the word alone
    // P6: pairs with P5 in bounce_counted; takes the word alone
    while ((word = atomic_acquire_u64(&b->ping)) != UINT64_MAX) {
        if (word == seen) {
            atomic_pause();
            continue;
        }
        seen = word;
        atomic_release_u64(&b->pong, seen); // P4: pairs with P1 in await_pong; the word alone
    }
    return 0;
}

static int bounce(struct bounce *b, int core_a, int core_b, struct err *err)
{
    struct side sides[2] = {{0}};
    int rc = side_start(&sides[0], core_b, answer, b, err);
    if (rc == 0)
        rc = side_start(&sides[1], core_a, ask, b, err);
    if (rc < 0) {
        side_kill(&sides[0]);
        return rc;
    }
    return side_wait(sides, 2, err);
}

// By the median, as such pairs measure on many machines; and is it steady?
static void name_regime(struct probe_result *out)
{
    static const struct {
        double below_ns;
        const char *name;
    } regimes[] = {{80, "SMT siblings (one core)"},
                   {190, "one L3"},
                   {700, "far: another L3, die or socket"},
                   {1e18, "not both running: shared with others"}};
    int i = 0;
    while (out->median_ns >= regimes[i].below_ns)
        i++;
    bool is_noisy = out->p99_ns > 5 * out->median_ns;
    snprintf(out->regime, sizeof out->regime, "%s%s", regimes[i].name,
             is_noisy ? ", a noisy neighbour" : "");
}

int probe_run(int core_a, int core_b, int ms, struct probe_result *out, struct err *err)
{
    struct bounce *b = side_share(bounce_bytes());
    histogram_init(&b->histogram, 3);
    b->for_ns = (int64_t)ms * 1000000;
    int rc = bounce(b, core_a, core_b, err);
    *out = (struct probe_result){.median_ns = (double)histogram_percentile(&b->histogram, 50),
                                 .p99_ns = (double)histogram_percentile(&b->histogram, 99),
                                 .worst_us = (double)histogram_max(&b->histogram) / 1e3};
    name_regime(out);
    side_unshare(b, bounce_bytes());
    return rc;
}

int probe_groups(int core_a, int core_b, uint64_t trips, double *trip_ns, struct err *err)
{
    struct bounce *b = side_share(bounce_bytes());
    histogram_init(&b->histogram, 3);
    b->trips = trips;
    int rc = bounce(b, core_a, core_b, err);
    *trip_ns = (double)histogram_percentile(&b->histogram, 50) / PROBE_GROUP;
    side_unshare(b, bounce_bytes());
    return rc;
}

bool probe_differs(const struct probe_result *before, const struct probe_result *after)
{
    double ratio = before->median_ns > 0 ? after->median_ns / before->median_ns : 1;
    return strcmp(before->regime, after->regime) != 0 || ratio > 1.5 || ratio < 1 / 1.5;
}
