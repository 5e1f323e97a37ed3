// region.h: a region of a job goes back to its last checkpoint while the others run on.
#ifndef WEIR_TOOLS_REGION_H
#define WEIR_TOOLS_REGION_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "stages/checkpoint/store.h"
#include "stages/runtime/job.h"
#include "stages/supervisor/supervisor.h"

struct region_context {
    const struct jobdir *dir;
    const struct plan *plan;
    const struct job_options *options; // as the job would be made with now
    const struct store *store;
};

// supervisor_options.remake; `context` is a struct region_context. A checkpoint that is damaged is
// told on stderr, and the one before it is taken. Without any the region begins anew, unless the
// job had begun from a savepoint, which is one of the whole job.
int region_remake(const bool *tasks, uint64_t *checkpoint, void *context, struct err *err);

// supervisor_options.examine; the same context.
int region_examine(int task, void *context, struct err *err);

// SUPERVISOR_MEMORY_LOST and SUPERVISOR_REMADE, for people: data is about to be read again, so it
// is said also by a run that is asked to be quiet. Without a newline.
void region_format_event(const struct supervisor_event *event, const char *job, struct buf *out);
// The members that these add to the event's JSON object.
void region_append_json(const struct supervisor_event *event, struct buf *out);

#endif
