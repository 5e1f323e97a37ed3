// remains.h: what an earlier run of the job has left in memory, and what becomes of it.
#ifndef WEIR_TOOLS_REMAINS_H
#define WEIR_TOOLS_REMAINS_H

#include <stdbool.h>

#include "stages/runtime/job_resume.h"
#include "tools/checkpoints.h"
#include "tools/command.h"

struct remains_context {
    struct jobdir *dir; // locked
    const struct job_load *load;
    const struct arguments *arguments;
    const struct checkpoint_settings *settings;
};

// What of it cannot be used.
struct remains_losses {
    bool *tasks;    // one flag a task: its region must go back to a checkpoint; NULL: none. free()
    struct err why; // of the first of them
};

// Look at it. COMMAND_OK: *goes_on says whether the job can go on from it; when not it was cleared,
// with the tasks that still ran, and a line on stderr says why. Another status: the run is refused,
// memory and tasks stay as they are. Where some regions are whole it goes on, and *losses says
// what does not.
int remains_look(const struct remains_context *context, bool *goes_on,
                 struct remains_losses *losses, struct err *err);

// Before the tasks are taken over: see that they do what this run's config says, and print to this
// run's stdout; those that would not are ended, to go on at once as new processes. Says what
// happens. `options` as the job would be made with now, and then as it was made.
int remains_prepare(const struct remains_context *context, struct job_options *options,
                    struct err *err);

// The memory turns out to be unusable: said even when asked to be quiet.
void remains_complain(const struct remains_context *context, const char *why);

// End what lives, remove what is there.
int remains_clear(const struct remains_context *context, int *ended, struct err *err);

#endif
