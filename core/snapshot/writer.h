// writer.h: write a snapshot of an arena while the arena goes on changing.
//
// At the barrier, between two transactions, snapshot_begin notes which blocks there are. Then,
// after each transaction, a few blocks are copied *as they are now*, and the undo entries of every
// transaction since the barrier go into the same file. Blocks, and then the entries from the end,
// are the arena at the barrier (restore.h). Nothing stops, nothing is copied aside.
//
//   snapshot_begin(..)                  after the commit that passed the barrier
//   each transaction:
//     ... arena_commit(a)               the snapshot watches the arena and takes the entries
//     snapshot_step(s, blocks)          copies; done when it says so
//   snapshot_end(s)                     also to abandon it
//
// Nothing here waits for the disk.
#ifndef WEIR_CORE_SNAPSHOT_WRITER_H
#define WEIR_CORE_SNAPSHOT_WRITER_H

#include "core/snapshot/engine.h"
#include "core/state/arena.h"

struct snapshot; // private; one thread

// How much a task copies in one step.
enum {
    SNAPSHOT_BLOCKS_MIN = 4,
    SNAPSHOT_BLOCKS_IDLE = 16, // while there is nothing else to do: a batch may come at any moment
};

// Behind a batch: as much as costs a quarter of the time since the last step, by what blocks have
// cost so far. So a task that is busy half of the time stays ahead of its input. Twice as much was
// tried for one that is never idle: what is half busy and late once then stays late until the end.
struct snapshot_pace {
    int64_t stepped_ns; // when the last step ended
    int64_t block_ns;   // what a block costs, a running mean; 0: not known yet
};

static inline uint32_t snapshot_pace_blocks(const struct snapshot_pace *pace, int64_t now_ns)
{
    enum { SHARE = 4, BLOCK_FIRST_NS = 4000 };
    int64_t cost = pace->block_ns > 0 ? pace->block_ns : BLOCK_FIRST_NS;
    int64_t blocks = (now_ns - pace->stepped_ns) / SHARE / cost;
    if (blocks > SNAPSHOT_BLOCKS_MAX)
        return SNAPSHOT_BLOCKS_MAX;
    return blocks < SNAPSHOT_BLOCKS_MIN ? SNAPSHOT_BLOCKS_MIN : (uint32_t)blocks;
}

// A step of `blocks` ran from began_ns to now_ns.
static inline void snapshot_pace_note(struct snapshot_pace *pace, uint32_t blocks, int64_t began_ns,
                                      int64_t now_ns)
{
    enum { MEAN_OF = 8 };
    int64_t cost = (now_ns - began_ns) / (blocks ? blocks : 1);
    pace->stepped_ns = now_ns;
    pace->block_ns = pace->block_ns ? pace->block_ns + (cost - pace->block_ns) / MEAN_OF : cost;
}

struct snapshot_spec {
    struct snapshot_id id;
    uint64_t base;       // checkpoint that this one builds on; 0: full
    uint8_t since_epoch; // blocks marked with this epoch or a later one have changed since `base`;
                         // not used when full. The caller sets the arena's next epoch itself, right
                         // after snapshot_begin.
    uint64_t undo_limit; // bytes of entries that may wait in memory for a slow disk; 0: 256 MiB
};

struct snapshot_stats {
    uint64_t file_bytes, blocks, undo_bytes; // written so far
    uint64_t blocks_left;                    // at most: to be looked at
};

// The engine stays the caller's, who has begun its file and ends it after snapshot_end. -ENOMEM.
int snapshot_begin(struct arena *arena, struct snapshot_engine *engine,
                   const struct snapshot_spec *spec, struct snapshot **out, struct err *err);

// Between two transactions: copy up to `blocks` blocks and move on. *done: the file is complete and
// durable. -ENOBUFS: the disk is slower than the state changes, give up; other -errno: of the disk.
// After an error, or *done, only snapshot_end may follow.
int snapshot_step(struct snapshot *s, uint32_t blocks, bool *done, struct err *err);

// Has everything been given to the disk? Then only its answer is awaited, and a step costs nothing.
bool snapshot_is_written(const struct snapshot *s);

// Could the last step do nothing, or not all, because the disk is behind? Then sleep rather than
// step again at once.
bool snapshot_waits(const struct snapshot *s);

struct snapshot_stats snapshot_stats(const struct snapshot *s);

void snapshot_end(struct snapshot *s); // NULL is fine

#endif
