// touch.c: what the undo log costs: changing words of an arena with and without it.
//
// "With" is arena_store8 or arena_touch, and a commit every 1,024 changes; "without" stores to the
// same places through arena_fresh, which is what a transaction may do with memory that is new in
// it. The rounds alternate, the best of each counts; time is CPU time.
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "core/base/check.h"
#include "core/state/arena.h"

enum { ROUNDS = 7, CHANGES = 1 << 20, BATCH = 1024, BLOCK_BYTES = 256 << 20 };

struct job {
    const char *name;
    uint64_t place_mask; // places where changes go, less one; a power of two, less one
    uint64_t bytes;      // one change
};

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

// Scattered, and cheap to compute: the multiplication of Fibonacci hashing.
static uint64_t place(uint64_t block, const struct job *job, uint64_t i)
{
    uint64_t mixed = i * UINT64_C(0x9e3779b97f4a7c15) >> 32;
    return block + (mixed & job->place_mask) * job->bytes;
}

static double with_log(struct arena *a, uint64_t block, const struct job *job)
{
    double start = now_ns();
    for (uint64_t i = 0; i < CHANGES; i++) {
        uint64_t at = place(block, job, i);
        if (job->bytes == 8)
            arena_store8(a, at, i);
        else
            memset(arena_touch(a, at, job->bytes), (int)i, job->bytes);
        if (i % BATCH == BATCH - 1)
            arena_commit(a);
    }
    return (now_ns() - start) / CHANGES;
}

static double without_log(struct arena *a, uint64_t block, const struct job *job)
{
    double start = now_ns();
    for (uint64_t i = 0; i < CHANGES; i++) {
        uint64_t at = place(block, job, i);
        if (job->bytes == 8)
            memcpy(arena_fresh(a, at), &i, 8);
        else
            memset(arena_fresh(a, at), (int)i, job->bytes);
        ARENA_BARRIER();
    }
    return (now_ns() - start) / CHANGES;
}

static void measure(struct arena *a, uint64_t block, const struct job *job)
{
    double best[2] = {1e9, 1e9};
    for (int round = 0; round < ROUNDS; round++) {
        double logged = with_log(a, block, job), plain = without_log(a, block, job);
        best[0] = logged < best[0] ? logged : best[0];
        best[1] = plain < best[1] ? plain : best[1];
    }
    printf("touch %-36s %6.1f ns with the log, %6.1f ns without, %6.1f ns apart\n", job->name,
           best[0], best[1], best[0] - best[1]);
}

int main(void)
{
    static const struct job jobs[] = {
        {"8 bytes, always the same", 0, 8},
        {"8 bytes of 16 KiB", (16 << 10) / 8 - 1, 8},
        {"8 bytes of 1 MiB", (1 << 20) / 8 - 1, 8},
        {"8 bytes of 256 MiB", BLOCK_BYTES / 8 - 1, 8},
        {"64 bytes of 1 MiB", (1 << 20) / 64 - 1, 64},
        {"64 bytes of 256 MiB", BLOCK_BYTES / 64 - 1, 64},
    };
    const uint64_t bytes = (uint64_t)BLOCK_BYTES * 2 + (64 << 20);
    struct arena *a;
    struct err err;
    uint64_t block;
    void *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    const struct arena_options options = {.fingerprint = 1};
    if (base == MAP_FAILED || arena_format(base, bytes, &options, &err) ||
        arena_open(base, bytes, &options, &a, &err)) {
        puts("touch: no memory; skipped");
        return 0;
    }
    CHECK(arena_alloc(a, BLOCK_BYTES, &block) == 0);
    arena_commit(a);
    for (size_t i = 0; i < ARRAY_SIZE(jobs); i++)
        measure(a, block, &jobs[i]);
    arena_close(a);
    munmap(base, bytes);
    return 0;
}
