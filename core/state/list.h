// list.h: an append-only list of byte records, dropped from its front.
//
// Records lie in chunks of 256 bytes to 16 KiB; one of more than 4 KiB has a chunk of its own.
#ifndef WEIR_CORE_STATE_LIST_H
#define WEIR_CORE_STATE_LIST_H

#include "core/state/arena.h"

struct list_head {        // inside a block of the caller's; all zero: empty
    uint64_t first, last; // chunks
    uint64_t last_used;   // bytes of the last chunk that are used, its head counted
    uint64_t count;       // records ever appended
    uint64_t dropped;     // of these, how many are gone from the front
};

// A reader's place, kept by the caller in its own state. All zero: at the front. Records dropped
// under a cursor: it must not be used any more.
struct list_cursor {
    uint64_t chunk, at;
};

static inline uint64_t list_count(const struct arena *a, uint64_t head) // records there are
{
    const struct list_head *h = arena_at(a, head);
    return h->count - h->dropped;
}

// -ENOSPC; -EINVAL: a record of 512 MiB or more.
int list_append(struct arena *a, uint64_t head, struct slice record);

// The record at the cursor, which moves on. 1: *record is valid until its chunk is dropped; 0: at
// the end; later appends will be seen from here.
int list_next(const struct arena *a, uint64_t head, struct list_cursor *cursor,
              struct slice *record);

// Free whole chunks before the cursor, at most `budget`. 1: nothing is left to free there; 0: call
// again.
int list_truncate(struct arena *a, uint64_t head, const struct list_cursor *cursor,
                  uint32_t budget);

// Free everything, at most `budget` chunks a call. 1: done, empty; 0: call again.
int list_drop_step(struct arena *a, uint64_t head, uint32_t budget);

#endif
