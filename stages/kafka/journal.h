// journal.h: rows for a broker, kept in the arena from the transaction that made them until the
// broker has them for good: appended at the end, numbered, dropped from the front.
//
// Rows are composed in private memory (journal_row_begin .. end into a struct buf) and put into the
// arena once a transaction, as chunks made for them: fresh memory, so not a byte of theirs goes to
// the undo log, and an aborted transaction leaves none. Row n is the n-th ever appended, whatever
// was dropped since.
//
// A row costs 32 bytes beside its key, value and headers, padded to 8; a chunk 40 bytes and what
// the allocator rounds up. All of it counts as used memory of the arena until it is dropped.
#ifndef WEIR_STAGES_KAFKA_JOURNAL_H
#define WEIR_STAGES_KAFKA_JOURNAL_H

#include "core/base/buf.h"
#include "core/state/arena.h"

struct journal_head {     // inside a block of the caller's; all zero: empty
    uint64_t first, last; // chunks; 0: none
    uint64_t next;        // number of the next row: rows ever appended
    uint64_t bytes;       // of all rows ever appended, as they are kept
};

struct journal_row {
    struct slice key, value;
    struct slice headers; // any bytes; the journal does not look into them
    bool has_key;         // else there is none; an empty key is one
    bool is_tombstone;    // no value
    bool is_dead;         // can never go out (journal_bury)
    int32_t partition;    // -1: by key
    uint32_t topic;       // index, below 65,536
    int64_t timestamp_ms; // of the row; 0: none
};

// A reader's place. All zero: at the front. Private memory; valid until rows behind it are dropped.
struct journal_cursor {
    uint64_t chunk, at; // 0: not looked for yet
    uint64_t row;       // its number
    uint64_t bytes;     // of all rows before it
};

// --- composing, in private memory ---

// A row's begin in `rows`. Append its key, then its value, then its headers, with
// journal_row_key_done and journal_row_value_done in between, and end it.
struct journal_draft {
    size_t start, key_end, value_end; // in rows->data
};

void journal_row_begin(struct buf *rows, struct journal_draft *draft);
void journal_row_key_done(const struct buf *rows, struct journal_draft *draft);
void journal_row_value_done(const struct buf *rows, struct journal_draft *draft);
// Of `row` only the fields that are no slices matter. -EMSGSIZE: a part of 512 MiB or more; the row
// is taken out of `rows` again.
int journal_row_end(struct buf *rows, const struct journal_draft *draft,
                    const struct journal_row *row);

// --- in the arena ---

// Append all rows of `rows`, which hold `count` of them. In a transaction. -ENOSPC; -EMSGSIZE: a
// row of 1 GiB.
int journal_append(struct arena *a, uint64_t head, const struct buf *rows, uint64_t count);

// Number of the first row that is kept; that of the next one when none is.
uint64_t journal_first(const struct arena *a, uint64_t head);
static inline uint64_t journal_next(const struct arena *a, uint64_t head)
{
    return ((const struct journal_head *)arena_at(a, head))->next;
}

// The place of row `row`, between journal_first and journal_next, both included. Walks chunks.
void journal_seek(const struct arena *a, uint64_t head, uint64_t row, struct journal_cursor *out);

// The row at the cursor, which moves on. 1: *row is valid until it is dropped; 0: at the end; rows
// appended later will be seen from here.
int journal_read(const struct arena *a, uint64_t head, struct journal_cursor *cursor,
                 struct journal_row *row);

// Drop rows before number `row`, whole chunks only, at most `budget` of them. In a transaction. 1:
// nothing more can be dropped; 0: call again.
int journal_drop(struct arena *a, uint64_t head, uint64_t row, uint32_t budget);

// The row at the cursor can never go out: whoever reads it from now on is told so. In a
// transaction.
void journal_bury(struct arena *a, uint64_t head, const struct journal_cursor *cursor);

#endif
