// devices.c: what a device costs in memory: its place in the dictionary, its bits in bitmaps.
//
// usage: devices [MILLIONS...]     1 10 50 without
// For each number of devices, an arena with the product's dictionary and bitmaps, changed in
// transactions of 1,024 rows, as a task does. Ids are of 8 or of 10 characters ("d0000001"). Bytes
// are those of live blocks, rounded up as the allocator does: what a snapshot has to write, and
// what the task holds in memory.
//
//   dict     the dictionary with all of them: keys, hash slots, chunks that are not full yet
//   swing    the least and the most bytes of the dictionary a device while the last half came:
//            segments of slots double, so a number alone is a moment of a saw-tooth
//   one set  one bitmap with every device
//   100 sets the bitmaps of 100 skewed dimensions after five rows a device, as in uv_data
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/base/check.h"
#include "core/state/arena.h"
#include "core/state/bitmap.h"
#include "core/state/dict.h"

enum { BATCH = 1024, SETS = 100, KEY_BYTES_MAX = 10, ROWS_A_DEVICE = 5 };

struct world {
    struct arena *arena;
    uint64_t dict, one, sets; // heads; sets: SETS of them in a row
    int key_bytes;
};

struct batch {
    char text[BATCH][KEY_BYTES_MAX + 1];
    struct slice keys[BATCH];
    uint64_t ids[BATCH], heads[BATCH];
};

struct result {
    uint64_t dict_bytes, one_bytes, sets_bytes, sets_members;
    double least, most; // bytes a device
};

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u; // splitmix64
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

// The dimension of a row: the cube of a uniform draw, as uv_data has it.
static uint64_t skewed(uint64_t draw)
{
    double u = (double)(draw >> 11) / 9007199254740992.0;
    return (uint64_t)(u * u * u * SETS);
}

static void must(int status, const char *what)
{
    if (status >= 0)
        return;
    fprintf(stderr, "devices: %s: %s\n", what, strerror(-status));
    exit(1);
}

static void open_world(struct world *w, void *base, uint64_t bytes)
{
    struct arena_options options = {.fingerprint = 1};
    struct err err;
    if (arena_format(base, bytes, &options, &err) < 0 ||
        arena_open(base, bytes, &options, &w->arena, &err) < 0) {
        fprintf(stderr, "devices: %s\n", err.text);
        exit(1);
    }
    must(arena_root(w->arena, 0, sizeof(struct dict_head), &w->dict), "dictionary");
    must(arena_root(w->arena, 1, sizeof(struct bitmap_head), &w->one), "bitmap");
    must(arena_root(w->arena, 2, SETS * sizeof(struct bitmap_head), &w->sets), "bitmaps");
    dict_init(w->arena, w->dict, 0, 1);
    arena_commit(w->arena);
}

// Devices [from, from + n) get their numbers.
static void number_devices(struct world *w, struct batch *b, uint64_t from, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        snprintf(b->text[i], sizeof(b->text[i]), "d%0*x", w->key_bytes - 1, (unsigned)(from + i));
        b->keys[i] = slice_make(b->text[i], (size_t)w->key_bytes);
    }
    must(dict_ids(w->arena, w->dict, n, b->keys, b->ids), "dictionary");
    arena_commit(w->arena);
}

static void fill_dictionary(struct world *w, struct batch *b, uint64_t devices, struct result *r)
{
    uint64_t before = arena_used_bytes(w->arena);
    r->least = 1e9;
    r->most = 0;
    for (uint64_t n = 0; n < devices; n += BATCH) {
        uint32_t count = devices - n < BATCH ? (uint32_t)(devices - n) : BATCH;
        number_devices(w, b, n, count);
        double each = (double)(arena_used_bytes(w->arena) - before) / (double)(n + count);
        if (n + count < devices / 2)
            continue;
        r->least = each < r->least ? each : r->least;
        r->most = each > r->most ? each : r->most;
    }
    CHECK(dict_count(w->arena, w->dict) == devices); // all of them differ
    r->dict_bytes = arena_used_bytes(w->arena) - before;
}

static void fill_one(struct world *w, struct batch *b, uint64_t devices, struct result *r)
{
    uint64_t before = arena_used_bytes(w->arena);
    for (uint64_t n = 0; n < devices; n += BATCH) {
        uint32_t count = devices - n < BATCH ? (uint32_t)(devices - n) : BATCH;
        for (uint32_t i = 0; i < count; i++) {
            b->ids[i] = n + i;
            b->heads[i] = w->one;
        }
        must(bitmap_add_batch(w->arena, count, b->heads, b->ids, NULL), "one set");
        arena_commit(w->arena);
    }
    CHECK(bitmap_cardinality(w->arena, w->one) == devices);
    r->one_bytes = arena_used_bytes(w->arena) - before;
}

static void fill_sets(struct world *w, struct batch *b, uint64_t devices, struct result *r)
{
    uint64_t before = arena_used_bytes(w->arena), seed = 7;
    for (uint64_t n = 0; n < devices * ROWS_A_DEVICE; n += BATCH) {
        for (uint32_t i = 0; i < BATCH; i++) {
            b->ids[i] = next_random(&seed) % devices;
            b->heads[i] = w->sets + skewed(next_random(&seed)) * sizeof(struct bitmap_head);
        }
        must(bitmap_add_batch(w->arena, BATCH, b->heads, b->ids, NULL), "100 sets");
        arena_commit(w->arena);
    }
    r->sets_bytes = arena_used_bytes(w->arena) - before;
    r->sets_members = 0;
    for (int i = 0; i < SETS; i++)
        r->sets_members +=
            bitmap_cardinality(w->arena, w->sets + (uint64_t)i * sizeof(struct bitmap_head));
}

static void measure(uint64_t millions, int key_bytes)
{
    static struct batch batch;
    const uint64_t devices = millions * 1000000, bytes = (96 << 20) + devices * 96;
    const uint64_t whole = (bytes + 4095) / 4096 * 4096;
    struct world w;
    struct result r;
    void *base = mmap(NULL, whole, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED)
        must(-ENOMEM, "memory");
    open_world(&w, base, whole);
    w.key_bytes = key_bytes;
    fill_dictionary(&w, &batch, devices, &r);
    fill_one(&w, &batch, devices, &r);
    fill_sets(&w, &batch, devices, &r);
    double d = (double)devices, dict = (double)r.dict_bytes / d, sets = (double)r.sets_bytes / d;
    printf("%8" PRIu64 " M %8d %8.2f %6.2f - %5.2f %9.3f %9.2f %10.1f %9.2f\n", millions, key_bytes,
           dict, r.least, r.most, (double)r.one_bytes / d, sets,
           (double)r.sets_bytes * 8 / (double)r.sets_members, dict + sets);
    fflush(stdout);
    arena_close(w.arena);
    munmap(base, whole);
}

int main(int argc, char **argv)
{
    static const uint64_t usual[] = {1, 10, 50};
    puts("bytes a device; for comparison: 26.7 an id in an exact dictionary alone");
    printf("%10s %8s %8s %14s %9s %9s %10s %9s\n", "devices", "id bytes", "dict", "swing",
           "one set", "100 sets", "bits/memb.", "dict+100");
    for (int i = 1; i < argc; i++) {
        uint64_t millions = strtoull(argv[i], NULL, 10);
        if (!millions || millions > 250) // 7 hexadecimal digits hold no more
            return 64;
        for (int bytes = 8; bytes <= KEY_BYTES_MAX; bytes += 2)
            measure(millions, bytes);
    }
    for (size_t i = 0; argc == 1 && i < ARRAY_SIZE(usual); i++)
        for (int bytes = 8; bytes <= KEY_BYTES_MAX; bytes += 2)
            measure(usual[i], bytes);
    return 0;
}
