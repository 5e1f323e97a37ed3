// savepoint.h: a job's state in its logical form: out of a complete checkpoint, and into the arenas
// of a new run at any parallelism.
//
//   DIR/STATE      the records (core/snapshot/savepoint.h)
//   DIR/SAVEPOINT  a manifest (core/snapshot/manifest.h), written last, of one task and one file;
//                  its fingerprint is that of the script's operators
#ifndef WEIR_STAGES_RUNTIME_SAVEPOINT_H
#define WEIR_STAGES_RUNTIME_SAVEPOINT_H

#include "stages/checkpoint/store.h"
#include "stages/runtime/job.h"

// Where a savepoint is made from: a checkpoint, and the plan that it was made with.
struct savepoint_origin {
    const struct store *store;
    const struct manifest *manifest;
    const struct plan *plan;
};

// -ENOTSUP with a text when the plan has state that no savepoint carries.
int savepoint_can_carry(const struct plan *plan, struct err *err);

// Write it into the folder, which must not be there or be empty. -ENOTSUP: the job keeps state that
// a savepoint cannot carry, the text says which; -EBADMSG, -ENOENT: of the checkpoint's files. What
// was begun is removed then.
int savepoint_write(const struct savepoint_origin *origin, const char *dir, struct err *err);

// Is there a savepoint in the folder?
bool savepoint_is_there(const char *dir);

// Its manifest; texts live in the pool. -EBADMSG, -EPROTO, -ENOENT.
int savepoint_read(struct env *env, const char *dir, struct pool *pool, struct manifest *out,
                   struct err *err);

// Can the plan go on from it? -ESTALE with a text that says what has changed.
int savepoint_check(const struct plan *plan, const struct job_options *options,
                    const struct manifest *manifest, struct err *err);

// Whose state goes on where, when the script has changed.
struct savepoint_match {
    const struct plan *from; // of the savepoint's script
    int *to; // owned: the operator of the new plan, one an operator of `from`; -1: none
    int count;
};

// Match two plans; `text` gets a line for each state that goes on, is dropped or begins empty.
void savepoint_match_make(const struct plan *from, const struct plan *to,
                          struct savepoint_match *out, struct buf *text);
void savepoint_match_free(struct savepoint_match *match);

struct savepoint_from {
    const char *dir;
    const struct savepoint_match *match; // NULL: the script must be the same
    // All of it was read, and fits; now files will change. Non-zero ends it. May be NULL.
    int (*before_files)(void *context, struct err *err);
    void *context;
};

// Fill the arenas that job_create has just made, and lead the folders of sinks and dead letters
// back to what they held.
int savepoint_restore(const struct jobdir *dir, const struct plan *plan,
                      const struct job_options *options, const struct savepoint_from *from,
                      struct err *err);

#endif
