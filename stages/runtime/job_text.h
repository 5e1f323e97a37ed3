// job_text.h: what a job's tasks read about it: options and script, in a blob of its folder.
#ifndef WEIR_STAGES_RUNTIME_JOB_TEXT_H
#define WEIR_STAGES_RUNTIME_JOB_TEXT_H

#include <stdbool.h>

#include "stages/runtime/job.h"

// Put it in place, in one step: over an older one, if there is one.
int job_text_write(const struct jobdir *dir, uint64_t fingerprint,
                   const struct job_options *options, struct err *err);

// Would their texts be the same?
bool job_text_is_same(const struct job_options *a, const struct job_options *b);

// Read it into job->options, whose strings live in job->text; job->dir is open. -EILSEQ: damaged.
int job_text_read(struct job *job, struct err *err);

#endif
