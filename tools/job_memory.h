// job_memory.h: how much memory a job will hold, and whether the host can promise it.
#ifndef WEIR_TOOLS_JOB_MEMORY_H
#define WEIR_TOOLS_JOB_MEMORY_H

#include "shm/budget.h"
#include "stages/runtime/job.h"
#include "tools/job_load.h"

struct job_memory {
    struct job_options options; // what job_create is told
    struct budget_request request;
    struct budget budget; // what the host can give
    struct huge huge;     // the pages of memory.dir
    int task_count;
};

// What the config says about the job; the sizes of its memory are still 0.
struct job_options job_memory_options(const struct job_load *load);

// Size the job: `state: auto` takes a quarter of what is available, shared by the tasks, between
// 64 MiB and 4 GiB each. -errno with a text when the host cannot be measured.
int job_memory_plan(const struct job_load *load, struct job_memory *out, struct err *err);

// Spares of each task: what the config says; `auto`: one where a death is answered at once, and
// where the memory is there, which is not part of the promise.
int job_memory_spares(const struct job_memory *memory, const struct config *config);

// What the spares take, one a task: page tables (1/512 of the state; with huge pages hardly any)
// and private memory.
uint64_t job_memory_spare_bytes(const struct job_memory *memory);

// -ENOSPC with a text (asked, there, what to set) when the promise cannot be kept.
int job_memory_check(const struct job_memory *memory, struct err *err);

#endif
