// job_folders.h: one job a folder of output. Two jobs that wrote the same parts would destroy both.
#ifndef WEIR_STAGES_RUNTIME_JOB_FOLDERS_H
#define WEIR_STAGES_RUNTIME_JOB_FOLDERS_H

#include "stages/runtime/job.h"

struct job_folders {
    int *fds; // each holds a lock, until it is closed
    int count;
};

// Make the folders of file sinks and lock them for as long as this process lives or until they are
// released; the dead-letter folder too, when it is there. -EBUSY: another job writes there.
int job_folders_claim(const struct plan *plan, const struct job_options *options,
                      struct job_folders *out, struct err *err);
void job_folders_release(struct job_folders *folders);

#endif
