// store.h: a folder of checkpoints on a disk.
//
//   DIR/JOB              one line: the name of the job that the folder belongs to
//   DIR/FROM             the savepoint that the job began from, as long as it has no checkpoint
//   DIR/new-state/       a savepoint of a checkpoint, for a changed script to go on from; as FROM
//   DIR/DEAD             how long dead-letter files were before the job's first run
//   DIR/chk-N/           checkpoint N
//     task-T-A.snap      snapshot of task T, written by its attempt A
//     task-T-A.positions where task T stood, for the manifest, when it is long; not durable
//     MANIFEST           there when the checkpoint is complete, never before
//   DIR/finish-T         task T has handled all its input: the renames that make its output final
//   DIR/FINISHED         every task has: those renames are due, and nothing else (what is committed
//                        outside has been: see ending.c of the supervisor)
//
// A checkpoint is made complete by: files durable, then their folder, then MANIFEST.tmp durable,
// then its rename, then the folders again. Nothing that a complete checkpoint needs is removed
// before a newer one is complete.
#ifndef WEIR_STAGES_CHECKPOINT_STORE_H
#define WEIR_STAGES_CHECKPOINT_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/env.h"
#include "core/base/err.h"
#include "core/base/pool.h"
#include "core/snapshot/manifest.h"

enum { STORE_PATH_BYTES = 4096 };

struct store {
    struct env *env;
    char dir[STORE_PATH_BYTES - 256];
};

struct store_entry {
    uint64_t checkpoint;
    bool is_complete; // has a manifest; what is in it is another question
};

// The folder must be there (see store_create) and be this job's; job NULL: anyone's. -ENOENT,
// -EEXIST (another job's), -EACCES .. with a text that says what to do.
int store_open(struct env *env, const char *dir, const char *job, struct store *out,
               struct err *err);

// Make the folder if needed, and see that it can be written.
int store_create(struct env *env, const char *dir, const char *job, struct store *out,
                 struct err *err);

// All checkpoints, ascending; the caller frees *out with free().
int store_list(const struct store *store, struct store_entry **out, int *count, struct err *err);

// Where the pieces are. `out` has STORE_PATH_BYTES.
void store_checkpoint_path(const struct store *store, uint64_t checkpoint, char *out);
void store_snapshot_name(uint64_t checkpoint, int task, uint32_t attempt, char *out); // relative
void store_path(const struct store *store, const char *relative, char *out);

// Read a checkpoint's manifest; texts live in the pool. -ENOENT, -EBADMSG, -EPROTO.
int store_read(const struct store *store, uint64_t checkpoint, struct pool *pool,
               struct manifest *out, struct err *err);

// Make the checkpoint's folder, durably: it says that the number is used, also when the checkpoint
// comes to nothing and the run ends.
int store_begin(const struct store *store, uint64_t checkpoint, struct err *err);

// One task's part of a checkpoint: attempt `attempt` of task `task`.
struct store_part {
    uint64_t checkpoint;
    int task;
    uint32_t attempt;
};

// What of a task's report does not fit into shared memory, on its way to the manifest: from the
// task to the supervisor of the same host, so not durable. Reading removes it. 0 or -errno.
int store_write_positions(const struct store *store, const struct store_part *part,
                          struct slice positions, struct err *err);
int store_take_positions(const struct store *store, const struct store_part *part, struct buf *out,
                         struct err *err);

// Every snapshot file is durable: write the manifest, make the checkpoint complete.
int store_commit(const struct store *store, const struct manifest *manifest, struct err *err);

// It will not become complete: remove its files. Its folder stays, to be removed when there is a
// newer one.
int store_give_up(const struct store *store, uint64_t checkpoint, struct err *err);

// It is complete no longer; its files stay until the next one is complete.
int store_set_aside(const struct store *store, uint64_t checkpoint, struct err *err);

// Remove a checkpoint: its manifest first, so that it is never half there.
int store_remove(const struct store *store, uint64_t checkpoint, struct err *err);

// Keep the newest `retain` complete checkpoints and what their chains need; remove the rest, and
// what was never completed and is older than the newest complete one.
int store_retain(const struct store *store, int retain, struct err *err);

// A few lines about dead-letter files as they were before the job's first run (see
// tools/dead_letters.h), durably. -ENOENT: never written.
int store_write_dead(const struct store *store, struct slice lengths, struct err *err);
int store_read_dead(const struct store *store, struct buf *out);

// The folder of the savepoint that the job goes on from until a checkpoint is complete, durably.
// -ENOENT: none.
int store_write_from(const struct store *store, const char *savepoint, struct err *err);
int store_read_from(const struct store *store, struct buf *out);

// Where the savepoint of a checkpoint lies that a changed script goes on from. `out` has
// STORE_PATH_BYTES. It goes with the first complete checkpoint of the changed job.
void store_new_state_path(const struct store *store, char *out);
int store_remove_new_state(const struct store *store, struct err *err);

// What makes the output of an ended task final, durably: lines "from<TAB>to".
int store_write_finish(const struct store *store, int task, struct slice renames, struct err *err);

// Every task has written its renames: from now on the job has ended, whatever happens. -ENOENT when
// one of them has not.
int store_set_finished(const struct store *store, int task_count, struct err *err);
bool store_is_finished(const struct store *store);

// Do the renames that are still to be done. Idempotent.
int store_finish(const struct store *store, struct err *err);

// Remove every checkpoint, the files of the store, and the folder if nothing else is in it.
int store_remove_all(const struct store *store, struct err *err);

#endif
