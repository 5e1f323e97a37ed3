// memory.c: what this machine's memory gives: the walls of docs/scaling.md.
//
// usage: memory [MIB]     of each thread's array (256)
// With one thread and with one on each core: bytes/s read in a row, bytes/s copied (read and
// written, both counted), and cache lines/s fetched from random places, 16 asked for ahead, as
// weir's batches do. Best of ROUNDS. The last is what keyed state lives on. 4 KiB pages unless the
// system gives larger ones by itself, so page walks are part of it, as they are in weir's arenas.
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "core/base/check.h"

enum { ROUNDS = 5, AHEAD = 16, CORES_MAX = 256, LINE = 64 };

enum kind { KIND_READ, KIND_COPY, KIND_RANDOM };

struct worker {
    pthread_t thread;
    int core;
    enum kind kind;
    uint64_t bytes;   // of its array
    uint64_t *array;  // of this worker alone
    double units;     // bytes, or lines
    uint64_t checked; // so that nothing is left out by the compiler
};

static pthread_barrier_t barrier;

static double now_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint64_t read_all(const uint64_t *at, uint64_t words)
{
    uint64_t a = 0, b = 0, c = 0, d = 0;
    for (uint64_t i = 0; i + 4 <= words; i += 4) {
        a += at[i];
        b += at[i + 1];
        c += at[i + 2];
        d += at[i + 3];
    }
    return a + b + c + d;
}

// Places come from a generator, not from what was read: many misses are under way at a time.
static uint64_t read_random(const uint64_t *at, uint64_t lines, uint64_t count)
{
    uint64_t ahead[AHEAD] = {0}, sum = 0, x = 88172645463325252u;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t *slot = &ahead[i % AHEAD];
        sum += at[*slot * (LINE / 8)];
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        *slot = (uint64_t)((__uint128_t)x * lines >> 64);
        __builtin_prefetch(&at[*slot * (LINE / 8)]);
    }
    return sum;
}

static void pin(int core)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)core, &set);
    if (sched_setaffinity(0, sizeof(set), &set) < 0)
        perror("memory: cannot pin; going on unpinned");
}

static void *work(void *context)
{
    struct worker *w = context;
    pin(w->core);
    pthread_barrier_wait(&barrier);
    if (w->kind == KIND_READ) {
        w->checked += read_all(w->array, w->bytes / 8);
        w->units = (double)w->bytes;
    } else if (w->kind == KIND_COPY) {
        memcpy(w->array, (char *)w->array + w->bytes / 2, w->bytes / 2);
        w->units = (double)w->bytes;
    } else {
        w->checked += read_random(w->array, w->bytes / LINE, w->bytes / LINE / 2);
        w->units = (double)(w->bytes / LINE / 2);
    }
    pthread_barrier_wait(&barrier);
    return NULL;
}

// Units a second of `count` workers together.
static double rate(struct worker *workers, int count, enum kind kind)
{
    double best = 0;
    for (int round = 0; round < ROUNDS; round++) {
        CHECK(pthread_barrier_init(&barrier, NULL, (unsigned)count + 1) == 0);
        for (int i = 0; i < count; i++) {
            workers[i].kind = kind;
            CHECK(pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0);
        }
        pthread_barrier_wait(&barrier);
        double start = now_seconds(), units = 0;
        pthread_barrier_wait(&barrier);
        double seconds = now_seconds() - start;
        for (int i = 0; i < count; i++) {
            pthread_join(workers[i].thread, NULL);
            units += workers[i].units;
        }
        pthread_barrier_destroy(&barrier);
        best = units / seconds > best ? units / seconds : best;
    }
    return best;
}

static int find_cores(struct worker *workers)
{
    cpu_set_t set;
    int count = 0;
    CHECK(sched_getaffinity(0, sizeof(set), &set) == 0);
    for (int i = 0; i < CPU_SETSIZE && count < CORES_MAX; i++)
        if (CPU_ISSET((size_t)i, &set))
            workers[count++].core = i;
    return count;
}

int main(int argc, char **argv)
{
    static struct worker workers[CORES_MAX];
    uint64_t bytes = (argc > 1 ? strtoull(argv[1], NULL, 10) : 256) << 20;
    int cores = find_cores(workers);
    if (bytes < 1 << 20)
        return 64;
    for (int i = 0; i < cores; i++) {
        workers[i].bytes = bytes;
        workers[i].array =
            mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(workers[i].array != MAP_FAILED);
        memset(workers[i].array, 1, bytes);
    }
    printf("%5s %12s %12s %16s\n", "cores", "read GB/s", "copy GB/s", "random M lines/s");
    for (int pass = 0; pass < 2; pass++) {
        int count = pass == 0 ? 1 : cores;
        if (pass == 1 && cores == 1)
            break;
        double read = rate(workers, count, KIND_READ), copy = rate(workers, count, KIND_COPY);
        printf("%5d %12.1f %12.1f %16.1f\n", count, read / 1e9, copy / 1e9,
               rate(workers, count, KIND_RANDOM) / 1e6);
    }
    return 0;
}
