// dict.c: bytes -> dense numbers; see dict.h.
//
// Key records are packed into chunks, 4-aligned; a chunk begins with the offset of the one before
// it and its size, which is all that dropping needs.
#include "core/state/dict.h"

#include <errno.h>

enum {
    CHUNK_BYTES_MIN = 256,
    CHUNK_BYTES_MAX = 64 << 10,
    KEY_BYTES_MAX = 512 << 20,
    LOGGED_BYTES_MAX = 4096, // a longer record gets a chunk of its own, so that it is not logged
};

struct chunk {
    uint64_t older; // 0: none
    uint64_t bytes;
};

static const struct dict_head *head_of(const struct arena *a, uint64_t head)
{
    return arena_at(a, head);
}

void dict_init(struct arena *a, uint64_t head, uint64_t base_block, uint64_t stride)
{
    CHECK(stride > 0 && head_of(a, head)->count == 0);
    arena_store8(a, head + offsetof(struct dict_head, base_block), base_block);
    arena_store8(a, head + offsetof(struct dict_head, stride), stride);
}

static uint64_t id_of(const struct dict_head *h, uint32_t n)
{
    uint64_t stride = h->stride ? h->stride : 1;
    return (h->base_block + stride * (n >> 16)) << 16 | (n & 0xffff);
}

static uint64_t record_id(const struct arena *a, uint64_t head, uint64_t record)
{
    return id_of(head_of(a, head), ((const struct record *)arena_at(a, record))->index);
}

uint64_t dict_find(const struct arena *a, uint64_t head, uint64_t hash, struct slice key)
{
    uint64_t record = index_find(a, head, hash, key);
    return record ? record_id(a, head, record) : (uint64_t)DICT_NONE;
}

// A chunk twice as large as the last, or just large enough for one long record of `bytes`.
static int add_chunk(struct arena *a, uint64_t head, uint64_t bytes)
{
    const struct dict_head *h = head_of(a, head);
    uint64_t chunk, room = (uint32_t)h->chunk_place * 2ul;
    room = room < CHUNK_BYTES_MIN ? CHUNK_BYTES_MIN : room;
    room = room > CHUNK_BYTES_MAX ? CHUNK_BYTES_MAX : room;
    if (bytes > LOGGED_BYTES_MAX || room < bytes + sizeof(struct chunk))
        room = bytes + sizeof(struct chunk);
    int r = arena_alloc(a, room, &chunk);
    if (r)
        return r;
    *(struct chunk *)arena_fresh(a, chunk) = (struct chunk){h->chunk, room};
    arena_store8_once(a, head + offsetof(struct dict_head, chunk), chunk);
    arena_store8_once(a, head + offsetof(struct dict_head, chunk_place),
                      (uint64_t)sizeof(struct chunk) << 32 | room);
    return 0;
}

// Append a key record to the newest chunk.
static int append_record(struct arena *a, uint64_t head, struct slice key, uint64_t *record)
{
    const struct dict_head *h = head_of(a, head);
    uint64_t bytes = (record_bytes(key.len) + 3) & ~UINT64_C(3);
    bool fresh =
        bytes > LOGGED_BYTES_MAX || (h->chunk_place >> 32) + bytes > (uint32_t)h->chunk_place;
    int r = fresh ? add_chunk(a, head, bytes) : 0;
    if (r)
        return r;
    *record = h->chunk + (h->chunk_place >> 32);
    void *to = fresh ? arena_fresh(a, *record) : arena_touch(a, *record, bytes);
    record_write(to, (uint32_t)h->count, key);
    uint64_t place = h->chunk_place + (bytes << 32);
#ifdef WEIR_MUTANT_6
    memcpy(a->base + head + offsetof(struct dict_head, chunk_place), &place, 8);
#else
    arena_store8_once(a, head + offsetof(struct dict_head, chunk_place), place);
#endif
    return 0;
}

static int insert(struct arena *a, uint64_t head, uint64_t hash, struct slice key, uint64_t *record)
{
    uint64_t count = head_of(a, head)->count;
    if (count == UINT32_MAX)
        return -EOVERFLOW;
    if (key.len >= KEY_BYTES_MAX)
        return -EINVAL;
    int r = append_record(a, head, key, record);
    if (r)
        return r;
    arena_store8_once(a, head + offsetof(struct dict_head, count), count + 1);
    return index_insert(a, head, hash, *record);
}

int dict_ids(struct arena *a, uint64_t head, const struct key_batch *batch, uint64_t *ids)
{
    const struct slice *keys = batch->keys;
    uint64_t records[INDEX_BATCH_ROWS];
    for (uint32_t from = 0; from < batch->count; from += INDEX_BATCH_ROWS) {
        uint32_t to = index_prefetch_rows(a, head, batch, from, records);
        for (uint32_t i = from; i < to; i++) {
            uint64_t hash = batch->hashes[i], record = records[i - from];
            CHECK_DEBUG(hash == hash_slice(keys[i]));
            if (!record || !record_is(arena_at(a, record), keys[i]))
                record = index_find(a, head, hash, keys[i]);
            int r = record ? 0 : insert(a, head, hash, keys[i], &record);
            if (r)
                return r;
            ids[i] = record_id(a, head, record);
        }
    }
    return 0;
}

struct key_list {
    const struct arena *arena;
    struct slice *keys;
    uint64_t count;
};

static void list_key(void *context, uint64_t record)
{
    const struct key_list *list = context;
    const struct record *r = arena_at(list->arena, record);
    CHECK(r->index < list->count);
    list->keys[r->index] = record_key(r);
}

void dict_keys(const struct arena *a, uint64_t head, struct slice *keys)
{
    struct key_list list = {a, keys, dict_count(a, head)};
    index_visit(a, head, list_key, &list);
}

int dict_drop_step(struct arena *a, uint64_t head, uint32_t budget)
{
    const struct dict_head *h = head_of(a, head);
    CHECK(budget > 0);
    uint64_t chunk = h->chunk;
    while (budget && chunk) {
        struct chunk c = *(const struct chunk *)arena_at(a, chunk);
        arena_free(a, chunk, c.bytes);
        chunk = c.older;
        budget--;
    }
    arena_store8_once(a, head + offsetof(struct dict_head, chunk), chunk);
    if (chunk || !budget || !index_drop_step(a, head, &budget))
        return 0;
    arena_store8_once(a, head + offsetof(struct dict_head, chunk_place), 0);
    arena_store8_once(a, head + offsetof(struct dict_head, count), 0);
    return 1;
}
