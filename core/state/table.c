// table.c: keyed state; see table.h.
//
// A record is struct record, the key, and the value on the next multiple of 8, in a block of its
// own.
#include "core/state/table.h"

#include <errno.h>

static const struct table_head *head_of(const struct arena *a, uint64_t head)
{
    return arena_at(a, head);
}

static uint64_t order_of(uint64_t head)
{
    return head + offsetof(struct table_head, order);
}

static uint64_t block_bytes(uint64_t key_len, uint32_t value_bytes)
{
    return ((record_bytes(key_len) + 7) & ~UINT64_C(7)) + value_bytes;
}

void table_init(struct arena *a, uint64_t head, uint32_t value_bytes)
{
    CHECK(head_of(a, head)->count == 0);
    uint64_t at = head + offsetof(struct table_head, value_bytes);
    arena_touch8(a, at);
    memcpy(a->base + at, &value_bytes, sizeof value_bytes);
}

uint64_t table_find(const struct arena *a, uint64_t head, uint64_t hash, struct slice key)
{
    return index_find(a, head, hash, key);
}

static int insert(struct arena *a, uint64_t head, uint64_t hash, struct slice key, uint64_t *record)
{
    const struct table_head *h = head_of(a, head);
    uint64_t count = h->count;
    if (count == UINT32_MAX)
        return -EOVERFLOW;
    if (key.len > UINT32_MAX)
        return -EINVAL;
    int r = arena_alloc(a, block_bytes(key.len, h->value_bytes), record);
    if (r)
        return r;
    record_write(arena_fresh(a, *record), (uint32_t)count, key);
    r = vec_reserve(a, order_of(head), count);
    if (r)
        return r;
    arena_store8(a, vec_slot(a, order_of(head), count), *record);
    r = index_insert(a, head, hash, *record);
    if (r)
        return r;
    arena_store8_once(a, head + offsetof(struct table_head, count), count + 1);
    return 0;
}

int table_upsert(struct arena *a, uint64_t head, uint64_t hash, struct slice key, uint64_t *record)
{
    CHECK_DEBUG(hash == hash_slice(key));
    CHECK(head_of(a, head)->drop_cursor == 0);
    *record = index_find(a, head, hash, key);
    return *record ? 0 : insert(a, head, hash, key, record);
}

int table_upsert_batch(struct arena *a, uint64_t head, const struct key_batch *batch,
                       uint64_t *records)
{
    const struct slice *keys = batch->keys;
    CHECK(head_of(a, head)->drop_cursor == 0);
    for (uint32_t from = 0; from < batch->count; from += INDEX_BATCH_ROWS) {
        uint32_t to = index_prefetch_rows(a, head, batch, from, records + from);
        for (uint32_t i = from; i < to; i++) {
            if (records[i] && record_is(arena_at(a, records[i]), keys[i]))
                continue;
            int r = table_upsert(a, head, batch->hashes[i], keys[i], &records[i]);
            if (r)
                return r;
        }
    }
    return 0;
}

static void free_record(struct arena *a, uint64_t head, uint64_t record)
{
    uint64_t len = table_key(a, record).len;
    arena_free(a, record, block_bytes(len, head_of(a, head)->value_bytes));
}

int table_remove(struct arena *a, uint64_t head, uint64_t hash, struct slice key)
{
    CHECK(head_of(a, head)->drop_cursor == 0);
    uint64_t record = index_find(a, head, hash, key);
    if (!record)
        return 0;
    index_remove(a, head, hash, record);
    arena_store8(a, vec_slot(a, order_of(head), table_index(a, record)), 0);
    arena_store8_once(a, head + offsetof(struct table_head, removed),
                      head_of(a, head)->removed + 1);
    free_record(a, head, record);
    return 1;
}

// Free records from drop_cursor - 1 on, a leaf of the order with its last one.
static bool drop_records(struct arena *a, uint64_t head, uint32_t *budget)
{
    const struct table_head *h = head_of(a, head);
    uint64_t next = h->drop_cursor - 1;
    while (*budget && next < h->count) {
        uint64_t record = table_at(a, head, next);
        if (record)
            free_record(a, head, record);
        next++;
        --*budget;
        if (next % VEC_NODE_WORDS == 0 || next == h->count)
            vec_free_leaf(a, order_of(head), next - 1);
    }
    arena_store8_once(a, head + offsetof(struct table_head, drop_cursor), next + 1);
    return next == h->count;
}

int table_drop_step(struct arena *a, uint64_t head, uint32_t budget)
{
    uint64_t cursor = head + offsetof(struct table_head, drop_cursor);
    CHECK(budget > 0);
    if (!head_of(a, head)->drop_cursor)
        arena_store8_once(a, cursor, 1);
    if (!drop_records(a, head, &budget) || !budget || !index_drop_step(a, head, &budget))
        return 0;
    vec_free(a, order_of(head));
    uint64_t from = offsetof(struct table_head, order);
    uint64_t bytes = offsetof(struct table_head, value_bytes) - from;
    memset(arena_touch(a, head + from, bytes), 0, bytes);
    return 1;
}
