// checkpoints.h: what config and script say about checkpoints, and which one a run goes on from.
#ifndef WEIR_TOOLS_CHECKPOINTS_H
#define WEIR_TOOLS_CHECKPOINTS_H

#include "stages/runtime/job.h"
#include "stages/supervisor/coordinator.h"
#include "tools/job_load.h"

// SET 'execution.checkpointing.*' in the script wins over the config. interval_ms 0: none are made.
struct checkpoint_settings {
    int64_t interval_ms, min_pause_ms, timeout_ms;
    int retain, tolerable_failures; // -1: any number
    int engine;                     // enum engine_kind
    const char *dir;                // lives as long as the load
};

// -EINVAL with a text when a setting of the script is wrong.
int checkpoint_settings_read(const struct job_load *load, struct checkpoint_settings *out,
                             struct err *err);

// The store of the job, made if needed. -errno with a text when checkpoints cannot be kept there.
int checkpoint_store_open(const struct job_load *load, const struct checkpoint_settings *settings,
                          struct store *out, struct err *err);

#endif
