// job_resume.h: can a job go on from the memory that an earlier run has left?
#ifndef WEIR_STAGES_RUNTIME_JOB_RESUME_H
#define WEIR_STAGES_RUNTIME_JOB_RESUME_H

#include "core/plan/plan.h"
#include "shm/jobdir.h"
#include "stages/runtime/job.h"

// Look at the folder's segments, which the caller has locked, before anybody maps them for writing:
// is everything there, of this plan, of this program's layout, since the last boot, and do the
// positions of the channels fit the arenas? (Whether an arena is sound inside its task looks when
// it attaches.) 0; -ENOENT: no task had ever run; -ESTALE: another plan's, the text says what
// differs; -EINVAL: it made checkpoints and this job does not, or the other way; -ENODATA: it
// cannot be used, the text says why; where that is so only of what some tasks have, these are
// marked in `lost` (one a task): their regions can go back to a checkpoint alone. Changes nothing
// but the mutex of a dead owner.
int job_resume_check(const struct jobdir *dir, const struct plan *plan,
                     const struct job_options *options, bool *lost, struct err *err);

// Is what all tasks share whole: control block, text, error log? 0, or -errno with a text.
int job_check_shared(const struct jobdir *dir, const struct plan *plan, struct err *err);

// What is wrong with the arena and the rings of one task, whose process may live? 0, or -errno with
// a text.
int job_check_memory(const struct jobdir *dir, const struct plan *plan, int task, struct err *err);

// The same of a job that runs, for a program that is to take it over: are its segments of this
// program's layout, and is this the plan that runs? 0; -ESTALE: script or cores have changed;
// -EINVAL as above; others: this program cannot. Changes nothing.
int job_resume_fits(const struct jobdir *dir, const struct plan *plan,
                    const struct job_options *options, struct err *err);

// Have the segment of the latencies, which a run can do without: where an earlier run has left none
// that can be used, a new one. Tasks that live go on without it.
int job_resume_latency(const struct jobdir *dir, const struct plan *plan, struct err *err);

// The job's text as a run now would write it, as far as that can change while the arenas stay.
// Tasks that are started from now on read it. *changed: tasks that live have read another one.
// options->state_bytes becomes what the arenas have, which checkpoints must say.
int job_resume_text(const struct jobdir *dir, const struct plan *plan, struct job_options *options,
                    bool *changed, struct err *err);

#endif
