// copier.h: the thread of a task that writes its snapshots, beside the task's own work.
//
// The task, the owner of the arena, begins a snapshot behind a barrier's commit and polls between
// its transactions; the copier reads the arena, at any moment, and does everything that touches the
// disk. It never writes to the arena, and its files carry the attempt in their names: when the task
// dies, whatever the copier still does for a moment harms no successor.
//
// It runs on the supervisor's cores, and on another than the task where there is one, gives way to
// tasks (nice 5), and is asleep while there is no snapshot.
#ifndef WEIR_STAGES_CHECKPOINT_COPIER_H
#define WEIR_STAGES_CHECKPOINT_COPIER_H

#include "core/snapshot/writer.h"
#include "shm/waiter.h"
#include "stages/checkpoint/engine.h"
#include "stages/checkpoint/store.h"

struct copier; // private; its functions are for one thread, the task's

enum { COPIER_SYNC_MAX = 64 };

struct copier_job {
    const char *path; // of the file, which must not exist
    const struct snapshot_spec *spec;
    const int
        *sync_fds;  // other files, whose content by now must be durable with the snapshot; they
    int sync_count; // may be closed at once. At most COPIER_SYNC_MAX.
    // Where the task stood, when that is too long for its report: goes to store_write_positions.
    // The store outlives the copier; the text is copied. Empty: it is in the report.
    const struct store *store;
    struct slice positions;
};

enum copier_status { COPIER_IDLE, COPIER_RUNNING, COPIER_DONE, COPIER_FAILED };

// The thread, and in it, when it is first needed, the engine. Owned by the caller.
// `host` is the process on whose cores it may run, the supervisor: 0: the parent.
int copier_create(struct env *env, enum engine_kind kind, pid_t host, struct copier **out,
                  struct err *err);

// Wake whoever waits there when copier_poll is wanted: the writer has come to the end of the undo
// entries, or the snapshot is done. Before the first begin; without it the owner looks by itself.
void copier_wakes(struct copier *c, struct waiter *waiter);

// Is copier_poll wanted? Cheap; for the `ready` of a wait.
bool copier_has_news(const struct copier *c);

// Between two transactions: a snapshot of the arena as it is now. The caller sets the arena's next
// epoch right after it. One before it must have been seen to its end, or abandoned; an abandoned
// one may still be ending, then this one waits for its turn. 0 or -errno; an error of the disk is
// told by copier_poll.
int copier_begin(struct copier *c, struct arena *arena, const struct copier_job *job,
                 struct err *err);

// Between two transactions, after each of them and while idle: how is it? DONE and FAILED are told
// once, with what was written, and why.
enum copier_status copier_poll(struct copier *c, struct snapshot_stats *stats, struct err *err);

// Could another file (sync_fds) not be made durable, ever? The kernel tells that once and may have
// dropped what it held, so no later checkpoint can count on it: this stays true, and *err says
// which error it was.
// Whatever was lost before a snapshot is told here once copier_poll has told its end.
bool copier_has_lost_output(struct copier *c, struct err *err);

// The snapshot is not wanted any more. Does not wait.
void copier_abandon(struct copier *c);

// Abandons what is under way and waits for the thread, and so for a disk that is slow. NULL is
// fine.
void copier_destroy(struct copier *c);

#endif
