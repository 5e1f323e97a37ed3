// writer.h: write a snapshot of an arena while the arena goes on changing.
//
// At the barrier, between two transactions, snapshot_begin notes which blocks there are. Then the
// blocks are copied *as they are at some time*, and the undo entries of every transaction since the
// barrier go into the same file. Blocks, and then the entries from the end, are the arena at the
// barrier (restore.h). Nothing stops, nothing is copied aside.
//
// There are two sides, which may be two threads: the owner, whose transactions change the arena,
// and the writer, which only reads it, at any moment, also in the middle of a transaction.
//
//   owner                                     writer
//   snapshot_begin(..)   behind the commit    snapshot_write(s, blocks, &done)
//   each transaction:                           ... until done, or an error
//     arena_commit(a)    the snapshot watches
//     snapshot_poll(s)   the arena and takes
//                        the entries
//   snapshot_end(s)      when the writer has come to its end; snapshot_stop asks it to
//
// The owner never waits for the disk, nor for the writer.
#ifndef WEIR_CORE_SNAPSHOT_WRITER_H
#define WEIR_CORE_SNAPSHOT_WRITER_H

#include "core/snapshot/engine.h"
#include "core/state/arena.h"

struct snapshot; // private

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

// --- the owner's ---

// *out: NULL, or a snapshot that both sides have done with, whose memory is used again. -ENOMEM.
int snapshot_begin(struct arena *arena, const struct snapshot_spec *spec, struct snapshot **out,
                   struct err *err);

// Between two transactions, now and then: the writer cannot end without it. -ENOBUFS: the disk is
// slower than the state changes; stop it.
int snapshot_poll(struct snapshot *s, struct err *err);

// Watch no more, and ask the writer to give up (snapshot_write says -ECANCELED) if it has not done.
void snapshot_stop(struct snapshot *s);

// Neither side is at work any more; NULL is fine.
void snapshot_end(struct snapshot *s);

// --- the writer's ---

// First: where to. The engine stays the caller's, who has begun its file and ends it behind the
// last call.
void snapshot_use(struct snapshot *s, struct snapshot_engine *engine);

// Copy up to `blocks` blocks and move on. *done: the file is complete and durable. -errno: of the
// disk. After an error, or *done, only snapshot_stats may follow.
int snapshot_write(struct snapshot *s, uint32_t blocks, bool *done, struct err *err);

// Why could the last call of snapshot_write do nothing, or not all?
enum snapshot_wait {
    SNAPSHOT_WAITS_NOT,
    SNAPSHOT_WAITS_DISK,  // for a buffer, or the sync: poll the engine
    SNAPSHOT_WAITS_OWNER, // for snapshot_poll: see snapshot_wait_owner
};
enum snapshot_wait snapshot_waits(const struct snapshot *s);
void snapshot_wait_owner(struct snapshot *s, int64_t ns); // ns at most

struct snapshot_stats snapshot_stats(const struct snapshot *s);

// --- both sides in one thread ---

int snapshot_step(struct snapshot *s, uint32_t blocks, bool *done, struct err *err);

#endif
