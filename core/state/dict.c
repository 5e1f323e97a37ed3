// dict.c: bytes -> dense numbers; see dict.h.
//
// Keys of up to 16 bytes are in the index. Longer ones are records, packed into chunks, 2-aligned;
// a chunk begins with the offset of the one before it and its size, which is all that dropping
// needs.
#include "core/state/dict.h"

#include <errno.h>

#include "core/state/dict_index.h"

enum {
    CHUNK_BYTES_MIN = 256,
    CHUNK_BYTES_MAX = 64 << 10,
    KEY_BYTES_MAX = 512 << 20,
    LOGGED_BYTES_MAX = 4096, // a longer record gets a chunk of its own, so that it is not logged
    RECORD_LONG = 0xffff,
    BATCH_ROWS = 128, // as many cache lines stay in the first-level cache
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

static inline uint64_t id_of(uint64_t base_block, uint64_t stride, uint32_t n)
{
    return (base_block + stride * (n >> 16)) << 16 | (n & 0xffff);
}

static uint64_t stride_of(const struct dict_head *h)
{
    return h->stride ? h->stride : 1;
}

uint64_t dict_find(const struct arena *a, uint64_t head, struct slice key)
{
    const struct dict_head *h = head_of(a, head);
    struct dict_key wanted = dict_key_make(key);
    struct dict_place place;
    dict_index_find(a, head, &wanted, &place);
    return place.found ? id_of(h->base_block, stride_of(h), place.number) : (uint64_t)DICT_NONE;
}

// --- records ---

struct slice dict_record_key(const struct arena *a, uint64_t record)
{
    const char *p = arena_at(a, record);
    uint16_t short_len;
    uint32_t len;
    memcpy(&short_len, p, sizeof short_len);
    if (LIKELY(short_len != RECORD_LONG))
        return slice_make(p + sizeof short_len, short_len);
    memcpy(&len, p + sizeof short_len, sizeof len);
    return slice_make(p + sizeof short_len + sizeof len, len);
}

static uint64_t record_bytes(uint64_t len)
{
    return (sizeof(uint16_t) + (len >= RECORD_LONG ? sizeof(uint32_t) : 0) + len + 1) &
           ~UINT64_C(1);
}

static void record_write(char *p, struct slice key)
{
    uint16_t short_len = key.len >= RECORD_LONG ? RECORD_LONG : (uint16_t)key.len;
    uint32_t len = (uint32_t)key.len;
    memcpy(p, &short_len, sizeof short_len);
    p += sizeof short_len;
    if (short_len == RECORD_LONG) {
        memcpy(p, &len, sizeof len);
        p += sizeof len;
    }
    memcpy(p, key.ptr, key.len);
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

int dict_record_add(struct arena *a, uint64_t head, struct slice key, uint64_t *record)
{
    const struct dict_head *h = head_of(a, head);
    uint64_t bytes = record_bytes(key.len);
    bool fresh =
        bytes > LOGGED_BYTES_MAX || (h->chunk_place >> 32) + bytes > (uint32_t)h->chunk_place;
    int r = fresh ? add_chunk(a, head, bytes) : 0;
    if (r)
        return r;
    *record = h->chunk + (h->chunk_place >> 32);
    record_write(fresh ? arena_fresh(a, *record) : arena_touch(a, *record, bytes), key);
    uint64_t place = h->chunk_place + (bytes << 32);
    arena_store8_once(a, head + offsetof(struct dict_head, chunk_place), place);
    return 0;
}

// --- numbers of batches ---

static int insert(struct arena *a, uint64_t head, const struct dict_key *key,
                  const struct dict_place *place)
{
    uint64_t count = head_of(a, head)->count;
    if (count == UINT32_MAX)
        return -EOVERFLOW;
    if (key->bytes.len >= KEY_BYTES_MAX)
        return -EINVAL;
    int r = dict_index_insert(a, head, key, place, (uint32_t)count);
    if (r)
        return r;
    arena_store8_once(a, head + offsetof(struct dict_head, count), count + 1);
    return 0;
}

// Keys of a batch on their way: their home lines are fetched first, then looked at.
struct probes {
    uint32_t count;
    struct dict_key keys[BATCH_ROWS];
    uint64_t lines[BATCH_ROWS]; // offsets, 1 added when they are wide; 0: there is no segment
    uint32_t missing_count;
    uint8_t missing[BATCH_ROWS]; // the keys that are not in their home lines
};

static void fetch_homes(const struct arena *a, const struct dict_head *h, const struct slice *keys,
                        struct probes *p)
{
    for (uint32_t i = 0; i < p->count; i++) {
        p->keys[i] = dict_key_make(keys[i]);
        const struct dict_entry *e = dict_entry_of(a, h, p->keys[i].hash);
        p->lines[i] = 0;
        if (UNLIKELY(!e->lines))
            continue;
        uint64_t line = dict_line(e, dict_home(e, dict_tag(p->keys[i].hash)));
        arena_prefetch(a, line);
        p->lines[i] = line + e->wide;
    }
}

// The home lines are there: take the numbers of the keys that are in them, fetch what is to be
// looked at next for the others.
static void look_at_homes(const struct arena *a, struct probes *p, uint64_t *numbers)
{
    p->missing_count = 0;
    for (uint32_t i = 0; i < p->count; i++) {
        const struct dict_key *key = &p->keys[i];
        const uint64_t *line = arena_at(a, p->lines[i] & ~UINT64_C(1));
        bool wide = p->lines[i] & 1;
        uint32_t kind = (uint32_t)key->bytes.len + 1;
        int slot = -1;
        if (LIKELY(p->lines[i] && dict_inline(key, wide)))
            slot = wide ? dict_match_wide(line, key->words, kind)
                        : dict_match_short(line, key->words[0], kind);
        else if (p->lines[i])
            dict_index_prefetch_record(a, line, wide, key);
        if (LIKELY(slot >= 0)) {
            numbers[i] = dict_number(line, wide, (uint32_t)slot);
        } else {
            __builtin_prefetch(line + DICT_LINE_BYTES / 8);
            p->missing[p->missing_count++] = (uint8_t)i;
        }
    }
}

// The numbers of the keys that were not in their home lines.
static int find_missing(struct arena *a, uint64_t head, const struct probes *p, uint64_t *numbers)
{
    for (uint32_t m = 0; m < p->missing_count; m++) {
        uint32_t i = p->missing[m];
        struct dict_place place;
        dict_index_find(a, head, &p->keys[i], &place);
        numbers[i] = place.found ? place.number : dict_count(a, head);
        int r = place.found ? 0 : insert(a, head, &p->keys[i], &place);
        if (r)
            return r;
    }
    return 0;
}

int dict_ids(struct arena *a, uint64_t head, uint32_t count, const struct slice *keys,
             uint64_t *ids)
{
    const struct dict_head *h = head_of(a, head);
    const uint64_t base_block = h->base_block, stride = stride_of(h);
    struct probes p;
    for (uint32_t from = 0; from < count; from += BATCH_ROWS) {
        p.count = count - from < BATCH_ROWS ? count - from : BATCH_ROWS;
        if (UNLIKELY(!h->directory)) {
            struct dict_place none = {0};
            struct dict_key first = dict_key_make(keys[from]);
            int r = insert(a, head, &first, &none);
            if (r)
                return r;
        }
        fetch_homes(a, h, keys + from, &p);
        look_at_homes(a, &p, ids + from);
        int r = find_missing(a, head, &p, ids + from);
        if (r)
            return r;
        for (uint32_t i = from; i < from + p.count; i++)
            ids[i] = id_of(base_block, stride, (uint32_t)ids[i]);
    }
    return 0;
}

// --- all keys; the end ---

struct key_list {
    struct slice *keys;
    uint64_t count;
};

static void list_key(void *context, struct slice key, uint32_t number)
{
    const struct key_list *list = context;
    CHECK(number < list->count);
    list->keys[number] = key;
}

void dict_keys(const struct arena *a, uint64_t head, struct slice *keys)
{
    struct key_list list = {keys, dict_count(a, head)};
    dict_index_visit(a, head, list_key, &list);
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
    if (chunk || !budget || !dict_index_drop_step(a, head, &budget))
        return 0;
    arena_store8_once(a, head + offsetof(struct dict_head, chunk_place), 0);
    arena_store8_once(a, head + offsetof(struct dict_head, count), 0);
    return 1;
}
