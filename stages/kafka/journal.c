// journal.c: chunks of rows in the arena; see journal.h.
//
// A chunk is written once, in the transaction that makes it, but for the link to its successor and
// the marks of dead rows, which are logged. So readers of any later transaction see rows that do
// not change, and a snapshot that copies a chunk copies it whole.
#include "stages/kafka/journal.h"

#include <assert.h>
#include <errno.h>

enum {
    CHUNK_ROW_BYTES = 256 << 10, // rows are added to a chunk up to here; a longer one is alone
    PART_BYTES_MAX = 512 << 20,
    NO_PART = -1, // as uint32_t: of a key, a value that is not there
    ROW_DEAD = 1,
    PAD = 8,
};

struct chunk {
    uint64_t next;  // 0: the last one
    uint64_t room;  // bytes, this head counted
    uint64_t count; // rows
    uint64_t row;   // number of the first one
    uint64_t bytes; // of all rows before it
};

struct record { // of a row, in front of its key, value and headers
    uint32_t key_bytes, value_bytes, header_bytes;
    uint16_t topic, flags;
    int32_t partition;
    uint32_t reserved;
    int64_t timestamp_ms;
};

static_assert(sizeof(struct record) == 32 && sizeof(struct chunk) == 40, "layout");

static const struct journal_head *head_of(const struct arena *a, uint64_t head)
{
    return arena_at(a, head);
}

static const struct chunk *chunk_at(const struct arena *a, uint64_t chunk)
{
    return arena_at(a, chunk);
}

static uint64_t part_bytes(uint32_t bytes)
{
    return bytes == (uint32_t)NO_PART ? 0 : bytes;
}

static uint64_t record_bytes(const struct record *r)
{
    uint64_t bytes = sizeof *r + part_bytes(r->key_bytes) + part_bytes(r->value_bytes) +
                     part_bytes(r->header_bytes);
    return (bytes + PAD - 1) & ~(uint64_t)(PAD - 1);
}

// --- composing ---

void journal_row_begin(struct buf *rows, struct journal_draft *draft)
{
    draft->start = rows->len;
    draft->key_end = draft->value_end = rows->len + sizeof(struct record);
    buf_reserve(rows, sizeof(struct record));
    rows->len += sizeof(struct record);
}

void journal_row_key_done(const struct buf *rows, struct journal_draft *draft)
{
    draft->key_end = draft->value_end = rows->len;
}

void journal_row_value_done(const struct buf *rows, struct journal_draft *draft)
{
    draft->value_end = rows->len;
}

int journal_row_end(struct buf *rows, const struct journal_draft *draft,
                    const struct journal_row *row)
{
    static const char zeroes[PAD];
    size_t key = draft->key_end - draft->start - sizeof(struct record);
    size_t value = draft->value_end - draft->key_end;
    size_t headers = rows->len - draft->value_end;
    if (key >= PART_BYTES_MAX || value >= PART_BYTES_MAX || headers >= PART_BYTES_MAX) {
        rows->len = draft->start;
        return -EMSGSIZE;
    }
    const struct record record = {
        .key_bytes = row->has_key ? (uint32_t)key : (uint32_t)NO_PART,
        .value_bytes = row->is_tombstone ? (uint32_t)NO_PART : (uint32_t)value,
        .header_bytes = (uint32_t)headers,
        .topic = (uint16_t)row->topic,
        .partition = row->partition,
        .timestamp_ms = row->timestamp_ms,
    };
    CHECK(row->has_key || key == 0);
    CHECK(!row->is_tombstone || value == 0);
    memcpy(rows->data + draft->start, &record, sizeof record);
    size_t tail = (rows->len - draft->start) % PAD;
    if (tail)
        buf_append(rows, zeroes, PAD - tail);
    return 0;
}

// --- appending ---

static uint64_t next_record(const char *rows)
{
    struct record record;
    memcpy(&record, rows, sizeof record);
    return record_bytes(&record);
}

// How many of the first rows go into one chunk, and their bytes.
static uint64_t cut(const char *rows, uint64_t left, uint64_t *bytes)
{
    uint64_t count = 0;
    *bytes = 0;
    while (*bytes < left) {
        uint64_t more = next_record(rows + *bytes);
        if (count && *bytes + more > CHUNK_ROW_BYTES)
            break;
        *bytes += more;
        count++;
    }
    CHECK(*bytes <= left);
    return count;
}

static int add_chunk(struct arena *a, uint64_t head, struct slice rows, uint64_t count)
{
    const struct journal_head h = *head_of(a, head);
    uint64_t at;
    const struct chunk chunk = {
        .room = sizeof chunk + rows.len, .count = count, .row = h.next, .bytes = h.bytes};
    int rc = arena_alloc(a, chunk.room, &at);
    if (rc < 0)
        return rc == -EINVAL ? -EMSGSIZE : rc;
    uint8_t *to = arena_fresh(a, at);
    memcpy(to, &chunk, sizeof chunk);
    memcpy(to + sizeof chunk, rows.ptr, rows.len);
    if (h.last)
        arena_store8(a, h.last + offsetof(struct chunk, next), at);
    struct journal_head *now = arena_touch(a, head, sizeof *now);
    now->first = h.first ? h.first : at;
    now->last = at;
    now->next = h.next + count;
    now->bytes = h.bytes + rows.len;
    return 0;
}

int journal_append(struct arena *a, uint64_t head, const struct buf *rows, uint64_t count)
{
    uint64_t at = 0, bytes, added = 0;
    int rc = 0;
    while (at < rows->len && rc == 0) {
        uint64_t some = cut(rows->data + at, rows->len - at, &bytes);
        rc = add_chunk(a, head, slice_make(rows->data + at, bytes), some);
        at += bytes;
        added += some;
    }
    CHECK(rc < 0 || added == count);
    return rc;
}

// --- reading ---

uint64_t journal_first(const struct arena *a, uint64_t head)
{
    const struct journal_head *h = head_of(a, head);
    return h->first ? chunk_at(a, h->first)->row : h->next;
}

static void begin_chunk(const struct arena *a, uint64_t chunk, struct journal_cursor *cursor)
{
    const struct chunk *c = chunk_at(a, chunk);
    *cursor =
        (struct journal_cursor){.chunk = chunk, .at = sizeof *c, .row = c->row, .bytes = c->bytes};
}

// Is there a row at the cursor? One at the end of its chunk goes on to the next.
static bool settle(const struct arena *a, uint64_t head, struct journal_cursor *cursor)
{
    const struct journal_head *h = head_of(a, head);
    if (cursor->row >= h->next || !h->first)
        return false;
    // It was made when nothing was kept; the transaction that dropped the rest may have been
    // undone.
    if (!cursor->chunk && cursor->row > journal_first(a, head))
        journal_seek(a, head, cursor->row, cursor);
    else if (!cursor->chunk)
        begin_chunk(a, h->first, cursor);
    const struct chunk *c = chunk_at(a, cursor->chunk);
    CHECK(cursor->row >= c->row && cursor->row <= c->row + c->count);
    if (cursor->row == c->row + c->count)
        begin_chunk(a, c->next, cursor);
    return true;
}

int journal_read(const struct arena *a, uint64_t head, struct journal_cursor *cursor,
                 struct journal_row *row)
{
    if (!settle(a, head, cursor))
        return 0;
    const struct record *r = arena_at(a, cursor->chunk + cursor->at);
    const char *parts = (const char *)(r + 1);
    *row = (struct journal_row){
        .key = slice_make(parts, part_bytes(r->key_bytes)),
        .has_key = r->key_bytes != (uint32_t)NO_PART,
        .is_tombstone = r->value_bytes == (uint32_t)NO_PART,
        .is_dead = r->flags & ROW_DEAD,
        .partition = r->partition,
        .topic = r->topic,
        .timestamp_ms = r->timestamp_ms,
    };
    row->value = slice_make(row->key.ptr + row->key.len, part_bytes(r->value_bytes));
    row->headers = slice_make(row->value.ptr + row->value.len, r->header_bytes);
    uint64_t bytes = record_bytes(r);
    cursor->at += bytes;
    cursor->bytes += bytes;
    cursor->row++;
    return 1;
}

void journal_seek(const struct arena *a, uint64_t head, uint64_t row, struct journal_cursor *out)
{
    const struct journal_head *h = head_of(a, head);
    struct journal_row skipped;
    CHECK(row >= journal_first(a, head) && row <= h->next);
    *out = (struct journal_cursor){.chunk = h->last, .row = h->next, .bytes = h->bytes};
    if (row == h->next)
        return;
    uint64_t chunk = h->first;
    while (chunk_at(a, chunk)->row + chunk_at(a, chunk)->count <= row)
        chunk = chunk_at(a, chunk)->next;
    begin_chunk(a, chunk, out);
    while (out->row < row)
        CHECK(journal_read(a, head, out, &skipped) == 1);
}

// --- dropping ---

int journal_drop(struct arena *a, uint64_t head, uint64_t row, uint32_t budget)
{
    for (;;) {
        const struct journal_head *h = head_of(a, head);
        const struct chunk *c = h->first ? chunk_at(a, h->first) : NULL;
        if (!c || c->row + c->count > row)
            return 1;
        if (budget-- == 0)
            return 0;
        uint64_t first = h->first, next = c->next;
        arena_free(a, first, c->room);
        arena_store8_once(a, head + offsetof(struct journal_head, first), next);
        if (!next)
            arena_store8_once(a, head + offsetof(struct journal_head, last), 0);
    }
}

void journal_bury(struct arena *a, uint64_t head, const struct journal_cursor *cursor)
{
    struct journal_cursor at = *cursor;
    CHECK(settle(a, head, &at));
    uint64_t place = at.chunk + at.at + offsetof(struct record, topic);
    uint16_t *flags = arena_touch(a, place, 4);
    flags[1] |= ROW_DEAD;
}
