// job_folders.h: one job a folder of output. Two jobs that wrote the same parts would destroy both.
#ifndef WEIR_STAGES_RUNTIME_JOB_FOLDERS_H
#define WEIR_STAGES_RUNTIME_JOB_FOLDERS_H

#include "stages/runtime/job.h"

struct job_folders {
    int *fds; // each holds a lock, until it is closed
    int count;
    int64_t place; // of this job's locks
};

// Make the folders of file sinks and lock them; the dead-letter folder too, when it is there. A
// lock is held until every process has closed its descriptor: this one and the tasks that inherit
// it, for they may outlive their supervisor. `job_path` (the job's folder) says which job it is:
// processes of the same job are not in each other's way. -EBUSY: another job writes there.
int job_folders_claim(const struct plan *plan, const struct job_options *options,
                      const char *job_path, struct job_folders *out, struct err *err);
void job_folders_release(struct job_folders *folders);

#endif
