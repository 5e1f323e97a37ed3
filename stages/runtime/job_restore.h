// job_restore.h: a job's memory as a checkpoint has it.
#ifndef WEIR_STAGES_RUNTIME_JOB_RESTORE_H
#define WEIR_STAGES_RUNTIME_JOB_RESTORE_H

#include "stages/checkpoint/store.h"
#include "stages/runtime/job.h"

// Fill the arenas that job_create has just made (with the manifest's state_bytes) from the files of
// the checkpoint, and let the rings begin where their tasks stood. Everything is checked; -EBADMSG:
// a file is damaged, or the snapshots do not fit together; -EPROTO: another format; then the
// segments are to be made again.
int job_restore(const struct jobdir *dir, const struct plan *plan, const struct store *store,
                const struct manifest *manifest, struct err *err);

// The same of the tasks of whole regions: dir has their segments, made by job_create_tasks.
struct job_restoring {
    const struct jobdir *dir;
    const struct plan *plan;
    const struct store *store;
    const struct manifest *manifest;
    const bool *tasks; // NULL: all
};
int job_restore_tasks(const struct job_restoring *what, struct err *err);

// Can this plan go on from the checkpoint? -ESTALE with a text that says what has changed.
int job_restore_check(const struct plan *plan, const struct job_options *options,
                      const struct manifest *manifest, struct err *err);

// Append the first line in which two scripts differ; returns -ESTALE.
int job_restore_difference(const char *old, const char *new, struct err *err);

#endif
