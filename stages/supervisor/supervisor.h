// supervisor.h: start a job's tasks, watch them, restart in place what failed, end them together.
//
// The caller has made the job's folder, segments and control block; each task is a process
// `weir task <job-dir> <index>`, and everything else it needs it finds in that folder.
#ifndef WEIR_STAGES_SUPERVISOR_SUPERVISOR_H
#define WEIR_STAGES_SUPERVISOR_SUPERVISOR_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/err.h"
#include "shm/control.h"
#include "shm/errlog.h"
#include "shm/jobdir.h"
#include "shm/place.h"
#include "stages/supervisor/coordinator.h"
#include "stages/supervisor/events.h"
#include "stages/supervisor/request.h"

// Exit statuses of a task, besides 0 (done; state FINISHED in the control block). With either of
// these and state FAILED the job ends with the task's error text; any other end is a crash and is
// restarted.
enum {
    SUPERVISOR_EXIT_FAILURE = 1,
    SUPERVISOR_EXIT_MEMORY = 76, // a segment is lost or damaged
    SUPERVISOR_EXIT_CONFIG = 78,
};

enum supervisor_event_kind {
    SUPERVISOR_STARTED,           // first start of a task
    SUPERVISOR_DIED,              // a task died and will be restarted
    SUPERVISOR_RESTARTED,         // its replacement runs batches again
    SUPERVISOR_FINISHED,          // a task has handled all its input
    SUPERVISOR_FAILED,            // a task cannot go on
    SUPERVISOR_STOPPING,          // a signal asked for the end
    SUPERVISOR_KILLED,            // a task that did not stop in time
    SUPERVISOR_CHECKPOINT,        // a checkpoint is complete
    SUPERVISOR_HUNG,              // a task hangs and is killed for that; DIED follows
    SUPERVISOR_CHECKPOINT_FAILED, // one was given up; the job goes on
    SUPERVISOR_ADOPTED,           // an earlier supervisor had started it; it runs on
    SUPERVISOR_SPARE_READY,       // a spare of a task waits, with everything faulted in
    SUPERVISOR_STUCK,             // a task's process sleeps in the kernel, or does not end
    SUPERVISOR_MEMORY_LOST,       // of a region, which goes back to a checkpoint; text says why
    SUPERVISOR_REMADE,            // its memory is there again; its tasks are started
    SUPERVISOR_DRAINING,          // sources shall end as if their input had
    SUPERVISOR_REPLACING,         // another program is put in, task by task; text: which
    SUPERVISOR_REPLACED,          // a task goes on with another program; text: which
    SUPERVISOR_REPLACE_DEATH,     // that program has ended before it did anything; text: how
    SUPERVISOR_REPLACE_DONE,      // every process runs it; text: which
    SUPERVISOR_REPLACE_FAILED,    // not every process does; text: why, and what runs now
    SUPERVISOR_MOVED,             // tasks were put on other cores; text: which
    SUPERVISOR_SETTLING,          // the job would end, but something outside keeps it; text: why
    SUPERVISOR_EVENT_COUNT,
};

// As records and `weir run --json` call it: "checkpoint-failed".
const char *supervisor_event_name(enum supervisor_event_kind kind);

// A region whose memory was lost.
struct supervisor_region {
    const bool *tasks; // which of the job's belong to it
    int task_count;    // of the job
    // REMADE
    uint64_t checkpoint; // that it goes on from; 0: it reads its input from the begin
    double duration_ms;  // from the loss
};

struct supervisor_event {
    enum supervisor_event_kind kind;
    int task_index; // -1: of the whole job
    pid_t pid;
    int signal;            // DIED: by this signal, or 0; STOPPING: the signal, 0: `weir stop`
    int exit_status;       // DIED: with this status when signal is 0
    bool is_cause_unknown; // DIED: it had been adopted, so neither is known
    double gap_ms;         // RESTARTED, REPLACED: from noticing the death to its first progress
    int64_t went_on_ns;    // RESTARTED: when that was; monotonic
    const char *rung;      // RESTARTED: "spare"; "task": a process started for it; "region"
    double delay_ms;       // DIED: how long its restart is put off
    // HUNG, STUCK: what it does; FAILED, CHECKPOINT_FAILED, SETTLING: why; REPLAC..
    const char *text;
    const struct coordinator_event *checkpoint; // CHECKPOINT, CHECKPOINT_FAILED
    const struct control_spare *spare;          // SPARE_READY
    const struct supervisor_region *region;     // MEMORY_LOST, REMADE
};

// What happens when a task dies; named as in Flink, with Flink's defaults.
enum supervisor_restart {
    SUPERVISOR_RESTART_EXPONENTIAL_DELAY,
    SUPERVISOR_RESTART_FIXED_DELAY,
    SUPERVISOR_RESTART_FAILURE_RATE,
    SUPERVISOR_RESTART_NONE,
};

struct supervisor_restart_options {
    enum supervisor_restart strategy;
    int attempts;         // restarts before the job ends: in all, in an interval; -1: any number
    int64_t delay_ms;     // before a restart; exponential-delay: the first that waits
    int64_t max_delay_ms; // the rest is of exponential-delay, but for the interval
    int64_t interval_ms;  // of failure-rate
    int64_t reset_ms;     // so long without a failure, and all are forgotten
    double multiplier, jitter;
};

// Flink's defaults.
struct supervisor_restart_options supervisor_restart_defaults(enum supervisor_restart strategy);

struct supervisor_options {
    const struct jobdir *dir;
    uint64_t job_fingerprint;
    int task_count;
    const char *const *names;      // of tasks, for messages
    const int *cpus;               // cpu of each, or -1; NULL: anywhere
    const cpu_set_t *housekeeping; // cores of this process and of threads beside tasks; none: those
                                   // that no task is pinned to, where there are any
    bool (*may_use)(int cpu);  // a core outside of this process's affinity, where it is isolated;
                               // NULL: none
    const struct nodes *nodes; // whose memory the segments are; NULL: of one node
    const struct place_segment *segments; // what is moved with a task
    int segment_count;
    const int *levels;  // of each: sources 0, a reader above what it reads; NULL: all 0
    const int *regions; // of each, counted from 0; NULL: one for all
    struct supervisor_restart_options restart; // of each region on its own
    const struct errlog *errlog;               // a reader's; NULL: deaths are told without it
    struct events *events;                     // the event log (events.h); NULL: none is kept
    const char *program;                       // NULL: /proc/self/exe (tests give their own)
    int spares;          // processes that wait to replace a task, each; at most CONTROL_SPARES_MAX
    int spares_after_ms; // how long a task has run before its first spare is made
    // NULL: no checkpoints. on_event and context of it are set here. What is on disk after a job
    // that has FINISHED is the caller's to remove.
    const struct coordinator_options *checkpoints;
    // Tasks keep rows until something outside has committed them: before the job ends, a last
    // checkpoint is made, and what it covers is settled (control_set_settled). Needs `checkpoints`.
    bool settles;
    // The memory is that of an earlier run whose supervisor is gone: its tasks that live are
    // adopted, the others go on from their last batch, and an end that it had begun is brought to
    // its end.
    bool adopts;
    // Of the memory taken over, that of these tasks (one flag a task) cannot be used: their regions
    // go back to a checkpoint first. NULL: all can be. lost_text says why.
    const bool *lost;
    const char *lost_text;
    // Make the memory of a region anew, as the newest complete checkpoint that is whole has it, and
    // set newer ones aside; no process of its tasks lives. Called in a process of its own, which
    // ends with this one. *checkpoint: which one; 0: there was none, it begins anew. -errno with a
    // text, or NULL: it cannot be, the job ends with SUPERVISOR_EXIT_MEMORY. Needs `checkpoints`.
    int (*remake)(const bool *tasks, uint64_t *checkpoint, void *context, struct err *err);
    // What is wrong with the segments of a task that could not say it? 0: they look whole. May be
    // NULL.
    int (*examine)(int task, void *context, struct err *err);
    void *remake_context; // of both
    const int *kept_fds;  // descriptors that tasks inherit: their locks must outlive this process
    int kept_count;
    int tick_ms;         // how often on_tick is called; 0: never
    int hang_after_ms;   // SIGKILL for a task that gives no sign of life for so long and hangs; 0:
                         // never
    int stop_timeout_ms; // SIGKILL for what has not stopped by then; 0: 10 s
    // What `weir stop` and `weir replace` ask (request.h), in the job's folder; NULL: nobody can.
    // The caller gives the last answer to what is still in the box when the run has ended.
    struct request_box *requests;
    const char *config; // of the job: what another program would be started with; NULL: none can
    bool was_replaced;  // this process supervised the job before, with another program
    void (*on_tick)(const struct control *control, void *context);         // may be NULL
    void (*on_event)(const struct supervisor_event *event, void *context); // may be NULL
    void *context;
};

enum supervisor_end {
    SUPERVISOR_END_FINISHED, // all input handled
    SUPERVISOR_END_STOPPED,  // SIGINT, SIGTERM
    SUPERVISOR_END_FAILED,   // a task failed for good; the text is in err
    // Every task runs the program that the request in the box names, and this process is to
    // become it (exec). Tasks and spares run on; SIGINT, SIGTERM and SIGUSR1 are blocked.
    SUPERVISOR_END_REPLACED,
};

struct supervisor_result {
    enum supervisor_end end;
    int stop_signal;          // when STOPPED
    int exit_status;          // of the task that FAILED
    uint64_t restarts;        // of all tasks
    uint64_t last_checkpoint; // when STOPPED with checkpoints: what the next run goes on from
    bool is_cut;              // it holds all that was committed: nothing came after it
    int unsettled;            // tasks whose rows are in it, but not yet committed outside
    int program_fd;           // when REPLACED: the program (O_PATH); the caller's to close
    bool ended_earlier;       // it was an earlier supervisor that began to stop the job
    int adopted, started;     // tasks, when the memory was an earlier run's
    int left_behind;          // tasks that could not be ended: their memory must stay as it is
    double worst_gap_ms;      // longest from a death to the replacement's first progress
};

// Run the job to its end. SIGINT, SIGTERM and SIGHUP are taken (and given back) here: they stop the
// tasks level by level, so that what a task has committed arrives where it was going. 0, also for a
// STOPPED job; -ECANCELED with the task's text when FAILED; another -errno when it could not be
// run. No task lives when it returns, unless it was REPLACED, but for those that the kernel does
// not end (left_behind; -EBUSY when that is all that went wrong). The folder and its segments are
// left to the caller.
int supervisor_run(const struct supervisor_options *options, struct supervisor_result *out,
                   struct err *err);

#endif
