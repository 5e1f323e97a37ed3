// list.c: an append-only list of records; see list.h.
//
// A chunk knows how far it is used once a newer one follows; for the newest the head knows. A
// record is its length as 32 bits and its bytes, 4-aligned.
#include "core/state/list.h"

#include <errno.h>

enum {
    CHUNK_BYTES_MIN = 256,
    CHUNK_BYTES_MAX = 16 << 10,
    LOGGED_BYTES_MAX = 4096, // a longer record gets a chunk of its own, so that it is not logged
    RECORD_BYTES_MAX = 512 << 20,
};

struct chunk {
    uint64_t next;
    uint32_t bytes, used; // used: 0 in the newest
    uint64_t first;       // index of its first record
};

static const struct list_head *head_of(const struct arena *a, uint64_t head)
{
    return arena_at(a, head);
}

static const struct chunk *chunk_of(const struct arena *a, uint64_t chunk)
{
    return arena_at(a, chunk);
}

static void close_chunk(struct arena *a, uint64_t chunk, uint64_t next, uint32_t used)
{
    arena_store8(a, chunk + offsetof(struct chunk, next), next);
    uint64_t sizes = chunk_of(a, chunk)->bytes | (uint64_t)used << 32;
    arena_store8(a, chunk + offsetof(struct chunk, bytes), sizes);
}

// A new last chunk: twice the size of the one before, or as long as one long record.
static int add_chunk(struct arena *a, uint64_t head, uint64_t record_bytes)
{
    const struct list_head *h = head_of(a, head);
    uint64_t chunk, bytes = h->last ? chunk_of(a, h->last)->bytes * 2ul : CHUNK_BYTES_MIN;
    bytes = bytes > CHUNK_BYTES_MAX ? CHUNK_BYTES_MAX : bytes;
    if (record_bytes > LOGGED_BYTES_MAX || bytes < record_bytes + sizeof(struct chunk))
        bytes = record_bytes + sizeof(struct chunk);
    int r = arena_alloc(a, bytes, &chunk);
    if (r)
        return r;
    struct chunk *c = arena_fresh(a, chunk);
    c->bytes = (uint32_t)bytes;
    c->first = h->count;
    if (h->last)
        close_chunk(a, h->last, chunk, (uint32_t)h->last_used);
    else
        arena_store8_once(a, head + offsetof(struct list_head, first), chunk);
    arena_store8_once(a, head + offsetof(struct list_head, last), chunk);
    arena_store8_once(a, head + offsetof(struct list_head, last_used), sizeof(struct chunk));
    return 0;
}

int list_append(struct arena *a, uint64_t head, struct slice record)
{
    const struct list_head *h = head_of(a, head);
    if (record.len >= RECORD_BYTES_MAX)
        return -EINVAL;
    uint32_t len = (uint32_t)record.len;
    uint64_t bytes = (sizeof len + record.len + 3) & ~UINT64_C(3);
    bool fresh =
        bytes > LOGGED_BYTES_MAX || !h->last || h->last_used + bytes > chunk_of(a, h->last)->bytes;
    int r = fresh ? add_chunk(a, head, bytes) : 0;
    if (r)
        return r;
    uint64_t at = h->last + h->last_used;
    uint8_t *to = fresh ? arena_fresh(a, at) : arena_touch(a, at, bytes);
    memcpy(to, &len, sizeof len);
    if (len)
        memcpy(to + sizeof len, record.ptr, len);
    arena_store8_once(a, head + offsetof(struct list_head, last_used), h->last_used + bytes);
    arena_store8_once(a, head + offsetof(struct list_head, count), h->count + 1);
    return 0;
}

int list_next(const struct arena *a, uint64_t head, struct list_cursor *cursor,
              struct slice *record)
{
    const struct list_head *h = head_of(a, head);
    if (!cursor->chunk)
        *cursor = (struct list_cursor){h->first, sizeof(struct chunk)};
    if (!cursor->chunk)
        return 0;
    if (cursor->chunk != h->last && cursor->at == chunk_of(a, cursor->chunk)->used)
        *cursor = (struct list_cursor){chunk_of(a, cursor->chunk)->next, sizeof(struct chunk)};
    if (cursor->chunk == h->last && cursor->at == h->last_used)
        return 0;
    uint32_t len;
    const uint8_t *from = arena_at(a, cursor->chunk + cursor->at);
    memcpy(&len, from, sizeof len);
    *record = slice_make(from + sizeof len, len);
    cursor->at += (sizeof len + len + 3) & ~UINT64_C(3);
    return 1;
}

// Free the first chunk.
static void drop_first(struct arena *a, uint64_t head)
{
    const struct list_head *h = head_of(a, head);
    struct chunk c = *chunk_of(a, h->first);
    uint64_t dropped = c.next ? chunk_of(a, c.next)->first : h->count;
    arena_free(a, h->first, c.bytes);
    arena_store8_once(a, head + offsetof(struct list_head, first), c.next);
    arena_store8_once(a, head + offsetof(struct list_head, dropped), dropped);
}

int list_truncate(struct arena *a, uint64_t head, const struct list_cursor *cursor, uint32_t budget)
{
    const struct list_head *h = head_of(a, head);
    if (!cursor->chunk)
        return 1;
    for (; h->first != cursor->chunk; budget--) {
        if (!budget)
            return 0;
        CHECK(h->first && h->first != h->last); // else the cursor is of another list
        drop_first(a, head);
    }
    return 1;
}

int list_drop_step(struct arena *a, uint64_t head, uint32_t budget)
{
    const struct list_head *h = head_of(a, head);
    CHECK(budget > 0);
    for (; h->first; budget--) {
        if (!budget)
            return 0;
        drop_first(a, head);
    }
    memset(arena_touch(a, head, sizeof *h), 0, sizeof *h);
    return 1;
}
