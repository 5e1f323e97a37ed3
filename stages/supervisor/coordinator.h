// coordinator.h: the supervisor's side of checkpoints: ask for one, wait for every task's snapshot,
// make it complete, tell the tasks, remove what is no longer needed.
//
// It never blocks on a task and restarts nothing: a checkpoint that fails or takes too long is
// given up and counted. Driven by the supervisor's one loop: coordinator_tick, then again at the
// time that it returns.
#ifndef WEIR_STAGES_SUPERVISOR_COORDINATOR_H
#define WEIR_STAGES_SUPERVISOR_COORDINATOR_H

#include <stdbool.h>
#include <stdint.h>

#include "shm/control.h"
#include "stages/checkpoint/store.h"

struct coordinator; // private

enum coordinator_event_kind {
    COORDINATOR_COMPLETE, // a checkpoint is complete
    COORDINATOR_FAILED,   // one was given up; text says why
    COORDINATOR_TROUBLE,  // something else about checkpoints that a person should know
};

struct coordinator_event {
    enum coordinator_event_kind kind;
    uint64_t checkpoint;
    int64_t duration_ms;
    uint64_t file_bytes;             // of all tasks
    const struct manifest *manifest; // COMPLETE
    const char *text;
};

struct coordinator_options {
    const struct store *store; // created; lives as long as the coordinator
    int64_t interval_ms;       // from the begin of one checkpoint to the begin of the next
    int64_t min_pause_ms;      // from the end of one to the begin of the next
    int64_t timeout_ms;
    int retain;
    int tolerable_failures;          // in a row, then the job fails; -1: any number
    struct manifest job;             // job, fingerprint, state_bytes, cores, version, command, sql
    const struct manifest *restored; // the checkpoint that the job goes on from; NULL: none
    void (*on_event)(const struct coordinator_event *event, void *context); // may be NULL
    void *context;
};

// The control block is the supervisor's. The first checkpoint begins one interval from now_ns.
int coordinator_create(const struct coordinator_options *options, struct control *control,
                       int64_t now_ns, struct coordinator **out, struct err *err);
void coordinator_free(struct coordinator *c); // NULL is fine

// Look at everything; *again_ns: when to call again at the latest. -ECANCELED: more failures in a
// row than are tolerable.
int coordinator_tick(struct coordinator *c, int64_t now_ns, int64_t *again_ns, struct err *err);

// A task has died: the checkpoint under way is lost.
void coordinator_task_died(struct coordinator *c, int task, int64_t now_ns);

// The memory of a region is lost: the checkpoint under way is too, and none is begun until it is
// there again. `checkpoint`: what the region went back to; 0: the begin of its input. Older than
// the newest complete one, that is damaged: the caller has set it aside, and what all tasks write
// next is full.
void coordinator_pause(struct coordinator *c, int64_t now_ns);
void coordinator_went_back(struct coordinator *c, uint64_t checkpoint);
void coordinator_resume(struct coordinator *c);

// No further checkpoint is begun by time; one under way is given up.
void coordinator_hold(struct coordinator *c, int64_t now_ns);

// No checkpoint is begun by time before then.
void coordinator_put_off(struct coordinator *c, int64_t until_ns);

// Somebody asks for a checkpoint now, whatever the interval: one that is under way will do.
void coordinator_ask(struct coordinator *c, int64_t now_ns);

// The job is quiet, every task has ended: begin the last checkpoint.
void coordinator_begin_last(struct coordinator *c, int64_t now_ns);
// How many have failed in a row, by no task's death.
int coordinator_failures(const struct coordinator *c);
bool coordinator_is_idle(const struct coordinator *c);

// The newest complete checkpoint; 0: none.
uint64_t coordinator_complete(const struct coordinator *c);

#endif
