// job.h: a job's memory: what it will hold, and the making of it, before the first task starts.
#ifndef WEIR_STAGES_RUNTIME_JOB_H
#define WEIR_STAGES_RUNTIME_JOB_H

#include "core/base/buf.h"
#include "core/plan/plan.h"
#include "shm/huge.h"
#include "shm/jobdir.h"
#include "shm/nodes.h"
#include "shm/waiter.h"

enum { JOB_NAME_BYTES = 64 };

enum job_lock { JOB_LOCK_NO, JOB_LOCK_YES };

struct job_options {
    const char *job_name;
    const char *sql_file;        // for messages
    struct slice sql;            // the script
    int cores;                   // as plan_make was told
    uint64_t state_bytes;        // of one task's arena; 0: 64 MiB
    uint64_t ring_bytes;         // of one channel, a power of two; 0: 1 MiB
    const char *dead_letter_dir; // folder of dead-<task>.jsonl; NULL: "dead"
    const char *bad_rows;        // policy when the SQL sets none; NULL: "dead-letter"
    enum waiter_policy waiting;
    const char *checkpoint_dir;     // folder of the checkpoints; NULL or "": none are made
    int checkpoint_engine;          // enum engine_kind
    int64_t checkpoint_interval_ms; // 0: none are made
    bool is_restored;               // the arenas were restored from a checkpoint
    int64_t orphan_after_ms;        // tasks without a supervisor for so long stop; 0: never
    int64_t latency_interval_ms;    // between two latency markers of a source; 0: none
    enum job_lock lock;             // of the memory of tasks, against being swapped out
    bool is_fifo;                   // tasks have a real-time priority
    // Only for who makes segments: on which nodes (job_place.h).
    const struct nodes *nodes; // NULL: wherever
    const int *cpus;           // of each task, -1: any; NULL: of all
};

// Are the options of every source and sink right, is what the sources name there, can the sinks and
// the dead letters be written? Changes nothing. -errno with a text.
int job_check(const struct plan *plan, const struct job_options *options, struct err *err);

// What becomes of the stage's bad rows: the source's option, else the script's setting, else the
// config's.
const char *job_bad_rows(const struct plan *plan, const struct stage *stage,
                         const struct job_options *options);

// Does a policy say that bad rows go to the dead letters?
bool job_uses_dead_letters(const struct plan *plan, const struct job_options *options);

// Bytes of one task's arena, as it is made.
uint64_t job_state_bytes(const struct job_options *options);

// Memory that the job promises to hold: all segments, at their largest, in pages of the folder's
// kind (NULL: small ones).
uint64_t job_memory_bytes(const struct plan *plan, const struct job_options *options,
                          const struct huge *huge);

// Make every segment in the (empty) folder: control block, text, arenas, rings.
int job_create(const struct jobdir *dir, const struct plan *plan, const struct job_options *options,
               struct err *err);

// What a task reads back. `text` owns the bytes that options and plan point at.
struct job {
    struct jobdir dir;
    struct buf text;
    struct job_options options;
    struct plan *plan;
};

// Attach to the folder at `path` and make the plan again; -ESTALE when it is not the job's plan.
int job_attach(const char *path, struct job *out, struct err *err);
void job_detach(struct job *job);

// "source: person [2/4]": for people. `out` has JOB_NAME_BYTES.
void job_task_name(const struct plan *plan, int task, char *out);

// Names of segments: "arena-3", "ring-0-1-2" (exchange, producing subtask, consuming subtask).
void job_arena_name(int task, char out[64]);
void job_ring_name(int exchange, int from, int to, char out[64]);

// Open a ring's file of the job's folder; -errno with a text where it is none of this user's.
int job_ring_open(const struct jobdir *dir, const char *name, struct err *err);

// Make the arenas of some tasks and the rings that they write to (tasks NULL: of all), as
// job_create does, in `dir`; remove them. No process of those tasks lives. With the tasks of whole
// regions that is all of their memory but for their pages in the control block.
int job_create_tasks(const struct jobdir *dir, const struct plan *plan,
                     const struct job_options *options, const bool *tasks, struct err *err);
int job_remove_tasks(const struct jobdir *dir, const struct plan *plan, const bool *tasks,
                     struct err *err);

// Make the segment of the latencies: from which source, and from which stage in front, rows reach
// each task.
int job_latency_create(const struct jobdir *dir, const struct plan *plan, struct err *err);

// The region of each task, counted from 0: tasks are in one when channels connect them, however
// many tasks lie between. The caller frees it with free().
int *job_regions(const struct plan *plan);

// Does the exchange have a channel between these two subtasks?
bool job_has_channel(const struct plan *plan, int exchange, int from, int to);

#endif
