// job_arena.h: a task's arena in the job's folder, before any task runs.
#ifndef WEIR_STAGES_RUNTIME_JOB_ARENA_H
#define WEIR_STAGES_RUNTIME_JOB_ARENA_H

#include "core/plan/plan.h"
#include "core/state/arena.h"
#include "shm/jobdir.h"
#include "shm/segment.h"

// Mapped; the segment stays open for claims.
struct job_arena {
    struct segment segment;
    void *base;
    uint64_t bytes;
    struct arena_options options; // for arena_open and for what comes before it
};

// Map what job_create has made. Close it also after a failure; it must not move in between.
int job_arena_map(const struct jobdir *dir, const struct plan *plan, int task,
                  struct job_arena *out, struct err *err);
void job_arena_unmap(struct job_arena *arena);

#endif
