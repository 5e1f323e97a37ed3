// state_world.h: one of each typed state in an arena, and random transactions on them.
//
// What a transaction does depends on its seed and on the arena alone, so it can be done again after
// an abort or a kill and must come to the same image.
#ifndef WEIR_TESTS_CRASH_STATE_WORLD_H
#define WEIR_TESTS_CRASH_STATE_WORLD_H

#include "core/base/hash.h"
#include "core/state/bitmap.h"
#include "core/state/dict.h"
#include "core/state/list.h"
#include "core/state/table.h"
#include "core/state/timers.h"

#include <stdio.h>

enum { WORLD_BLOCKS = 8 };

struct world_block {
    uint64_t offset, bytes;
};

struct world { // the root: typed state side by side, as an operator would have it
    struct table_head table;
    struct dict_head dict;
    struct bitmap_head bitmaps[4];
    struct list_head list;
    struct timers_head timers;
    struct table_head grown;                 // for tests that let one grow from nothing
    struct dict_head grown_dict;             // and one
    struct world_block blocks[WORLD_BLOCKS]; // they come and go
    int64_t sum;                             // a value
};

#define WORLD(a, root, field) ((root) + offsetof(struct world, field))

static inline uint64_t world_random(uint64_t *state, uint64_t below)
{
    *state += UINT64_C(0x9e3779b97f4a7c15);
    return hash_u64(*state) % below;
}

// The root; made and committed at the first call.
static inline uint64_t world_open(struct arena *a)
{
    uint64_t root;
    bool made = a->meta->roots[3].offset == 0;
    CHECK(arena_root(a, 3, sizeof(struct world), &root) == 0);
    if (made) {
        table_init(a, WORLD(a, root, table), 16);
        dict_init(a, WORLD(a, root, dict), 2, 5);
        arena_commit(a);
    }
    return root;
}

// Some keys are of more than 8 bytes, some of more than 16.
static inline struct slice world_key(uint64_t n, char text[static 32])
{
    static const char *const formats[] = {"k%llu", "k%llu", "k-%09llu", "k-of-some-%09llu"};
    const char *format = formats[n % ARRAY_SIZE(formats)];
    return slice_make(text, (size_t)snprintf(text, 32, format, (unsigned long long)n));
}

static inline void world_table(struct arena *a, uint64_t root, uint64_t *rng, uint64_t keys)
{
    char text[32];
    uint64_t record, head = WORLD(a, root, table);
    struct slice key = world_key(world_random(rng, keys), text);
    if (world_random(rng, 4) == 0) {
        CHECK(table_remove(a, head, hash_slice(key), key) >= 0);
        return;
    }
    CHECK(table_upsert(a, head, hash_slice(key), key, &record) == 0);
    uint64_t value = table_value(a, record);
    arena_store8(a, value, arena_word(a, value) + 1);
}

static inline void world_dict_bitmap(struct arena *a, uint64_t root, uint64_t *rng, uint64_t keys)
{
    char text[8][32];
    struct slice slices[8];
    uint64_t ids[8], heads[8];
    for (int i = 0; i < 8; i++) {
        slices[i] = world_key(world_random(rng, keys), text[i]);
        heads[i] = WORLD(a, root, bitmaps) + world_random(rng, 4) * sizeof(struct bitmap_head);
    }
    CHECK(dict_ids(a, WORLD(a, root, dict), 8, slices, ids) == 0);
    CHECK(bitmap_add_batch(a, 8, heads, ids, NULL) == 0);
}

static inline void world_list(struct arena *a, uint64_t root, uint64_t *rng)
{
    uint64_t head = WORLD(a, root, list);
    static const char text[300] = "a record of some length";
    struct list_cursor cursor = {0, 0};
    struct slice record;
    if (world_random(rng, 8)) {
        size_t len = world_random(rng, sizeof text);
        CHECK(list_append(a, head, slice_make(text, len)) == 0);
        return;
    }
    for (uint64_t n = list_count(a, head) / 2; n; n--)
        CHECK(list_next(a, head, &cursor, &record) == 1);
    list_truncate(a, head, &cursor, 4);
}

static inline void world_timers(struct arena *a, uint64_t root, uint64_t *rng)
{
    uint64_t payload, head = WORLD(a, root, timers);
    int64_t time;
    if (world_random(rng, 3))
        CHECK(timers_add(a, head, (int64_t)world_random(rng, 1000), world_random(rng, 9)) == 0);
    else
        timers_pop_due(a, head, 500, &time, &payload);
}

// Block `i` replaced by a new one of `bytes`, which is filled without a log.
static inline void world_replace(struct arena *a, uint64_t root, uint64_t i, uint64_t bytes)
{
    uint64_t slot = WORLD(a, root, blocks) + i * sizeof(struct world_block);
    struct world_block old = *(const struct world_block *)arena_at(a, slot);
    uint64_t offset;
    if (old.offset)
        arena_free(a, old.offset, old.bytes);
    CHECK(arena_alloc(a, bytes, &offset) == 0);
    memset(arena_fresh(a, offset), (int)(i + bytes % 200 + 1), bytes / 2); // the rest must be 0
    arena_store8(a, slot, offset);
    arena_store8(a, slot + 8, bytes);
}

static inline void world_blocks(struct arena *a, uint64_t root, uint64_t *rng)
{
    static const uint64_t sizes[] = {16, 40, 100, 600, 2048, 3000, 9000, 14000, 20000};
    uint64_t i = world_random(rng, WORLD_BLOCKS);
    world_replace(a, root, i, sizes[world_random(rng, ARRAY_SIZE(sizes))]);
}

static inline void world_drop(struct arena *a, uint64_t root, uint64_t *rng)
{
    switch (world_random(rng, 5)) {
    case 0:
        while (!table_drop_step(a, WORLD(a, root, table), 7))
            ;
        break;
    case 1:
        while (!dict_drop_step(a, WORLD(a, root, dict), 3))
            ;
        break;
    case 2:
        while (!bitmap_drop_step(a, WORLD(a, root, bitmaps), 3))
            ;
        break;
    case 3:
        while (!list_drop_step(a, WORLD(a, root, list), 3))
            ;
        break;
    default:
        while (!timers_drop_step(a, WORLD(a, root, timers), 3))
            ;
        break;
    }
}

// One transaction's changes, up to `ops` operations; not committed.
static inline void world_transaction(struct arena *a, uint64_t root, uint64_t seed, uint64_t ops)
{
    uint64_t rng = seed;
    arena_store8(a, WORLD(a, root, sum), seed);
    for (uint64_t i = 0; i < ops; i++) {
        uint64_t kind = world_random(&rng, 40);
        if (kind < 12)
            world_table(a, root, &rng, 200);
        else if (kind < 22)
            world_dict_bitmap(a, root, &rng, 3000);
        else if (kind < 28)
            world_list(a, root, &rng);
        else if (kind < 33)
            world_timers(a, root, &rng);
        else if (kind < 39 || world_random(&rng, 20))
            world_blocks(a, root, &rng);
        else
            world_drop(a, root, &rng);
    }
}

#endif
