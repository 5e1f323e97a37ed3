// resume.h: where a run begins: anew, or from a checkpoint.
#ifndef WEIR_TOOLS_RESUME_H
#define WEIR_TOOLS_RESUME_H

#include "core/base/pool.h"
#include "stages/checkpoint/store.h"
#include "tools/checkpoints.h"
#include "tools/job_memory.h"

// The job whose segments are to be made.
struct resume_job {
    struct jobdir *dir;
    const struct job_load *load;
    struct job_memory *memory; // sized; sized anew as the checkpoint was
    uint64_t from;             // this checkpoint; 0: the newest that is whole
    const char *savepoint;     // or from this savepoint; NULL: from a checkpoint
    bool allow_new_state;      // the script may have changed: what fits goes on
};

struct resume {
    bool is_on;       // the job makes checkpoints
    bool is_finished; // the last run had handled all its input; its output is complete now
    struct checkpoint_settings settings;
    struct store store;
    struct pool pool; // the manifest's texts
    struct manifest manifest;
    bool is_restored; // the manifest is what the job goes on from
    bool has_state;   // that, or a savepoint: input is not read from its begin
    bool has_newest;  // the manifest is the newest on disk; the job goes on from memory
    bool is_quiet;
};

// Open the store, finish what the last run has left. The caller holds the job's lock. -errno with a
// text; all zero is empty, free with resume_fini.
int resume_open(const struct job_load *load, const struct checkpoint_settings *settings, bool fresh,
                struct resume *out, struct err *err);
void resume_fini(struct resume *resume);

// The job goes on from memory: read what later checkpoints build on. None is no error.
void resume_find_newest(struct resume *resume, const struct plan *plan);

// Is the error the checkpoint's, so that an older one may do? Then it is told on stderr, also when
// asked to be quiet: data on disk is damaged.
bool resume_is_damage(int rc);
void resume_complain(uint64_t checkpoint, const struct err *err);

// Make the job's segments: from a checkpoint, or empty when there is none. A damaged checkpoint is
// told on stderr and the one before it is taken. -ESTALE: the plan has changed; others as
// job_create and job_restore.
int resume_create_job(struct resume *resume, const struct resume_job *job, struct err *err);

#endif
