// internal.h: the private struct of a supervisor, shared by the files of this folder that make
// system calls: supervisor.c (the wait), tasks.c (the tasks' processes), ending.c (checkpoints and
// the end).
#ifndef WEIR_STAGES_SUPERVISOR_INTERNAL_H
#define WEIR_STAGES_SUPERVISOR_INTERNAL_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "stages/supervisor/pinning.h"
#include "stages/supervisor/postmortem.h"
#include "stages/supervisor/region.h"
#include "stages/supervisor/restart.h"
#include "stages/supervisor/slot.h"
#include "stages/supervisor/spare.h"
#include "stages/supervisor/spawn.h"
#include "stages/supervisor/stuck.h"
#include "stages/supervisor/supervisor.h"

#define MS_NS INT64_C(1000000)

// The end of a job that makes checkpoints: its tasks have ended and wait for what is done with the
// output.
enum finale {
    FINALE_NONE,
    FINALE_CHECKPOINT, // the last checkpoint is under way
    FINALE_SETTLING,   // it is complete; what it covers is being committed outside
    FINALE_DONE,       // the tasks were told to finish, or not to
};

struct supervisor {
    const struct supervisor_options *options;
    struct control *control;
    struct slot *slots;
    struct slot_ops ops;
    struct spares *spares;
    struct regions *regions;
    bool spares_adopted;             // an earlier supervisor has left some
    struct restart_policy *policies; // one a task; a region uses that of its number
    struct supervisor_result *result;
    struct err *err;
    struct postmortem *deaths; // the last of each task
    struct postmortem_context mortuary;
    int epoll_fd, signal_fd, timer_fd;
    int bell_fd; // tasks ring it (shm/bell.h); < 0: there is none
    sigset_t old_mask, task_mask;
    bool ending;
    int64_t tick_at_ns, kill_at_ns;  // INT64_MAX: not set
    int64_t asked_ns;                // when the first signal asked for the end
    struct coordinator *coordinator; // NULL: no checkpoints
    enum finale finale;
    int64_t last_again_ns;   // when a last checkpoint that has failed is tried again
    int64_t settling_ns;     // when the settling began
    int64_t settle_until_ns; // of a job that is stopped; INT64_MAX: it is not
    bool settling_is_told;   // to a person: it takes long
    int64_t look_at_ns;      // when to look at checkpoints and their end again
    int64_t hang_at_ns;      // when to look for tasks that hang; INT64_MAX: never
    struct stuck stuck;
    struct pinning pinning;  // who runs where
    struct move *move;       // tasks are put on other cores; NULL: none
    struct roll *roll;       // another program is or was put in; NULL: none
    int64_t stop_timeout_ms; // of who asks for a stop, for all of it; 0: the options'
    bool is_draining;
    int64_t drain_until_ns; // then it becomes a stop; INT64_MAX: never
};

// The policy of the task's region.
static inline struct restart_policy *supervisor_policy(const struct supervisor *s, int task)
{
    return &s->policies[s->options->regions ? s->options->regions[task] : 0];
}

// asked.c: what others ask for (request.h). false: nothing new.
bool asked_look(struct supervisor *s);
// The run has begun: what an earlier supervisor left.
void asked_begin(struct supervisor *s);
// An earlier supervisor was draining the job: go on with that.
void asked_take_over_drain(struct supervisor *s);
void asked_on_time(struct supervisor *s, int64_t now);

// supervisor.c
int64_t supervisor_now_ns(void);
int64_t supervisor_earlier(int64_t a, int64_t b);
// Have the loop wake up when fd is readable; tag says what it is about: the index of a slot.
int supervisor_watch(const struct supervisor *s, int fd, uint32_t tag);
// Tell the caller.
void supervisor_report(const struct supervisor *s, const struct supervisor_event *event);
// The job shall end; what has not stopped by the timeout is killed.
void supervisor_begin_end(struct supervisor *s);
// Of a job that ends: the timeout begins anew, and so much more is allowed.
void supervisor_allow(struct supervisor *s, int64_t more_ms);

// tasks.c: a task's process is started in op_start (the slot table's `start`), watched through
// its pidfd in the loop's epoll, and declared dead in tasks_on_end.
struct slot_ops tasks_ops(struct supervisor *s);
// Of an earlier supervisor: watch those that live, note those that do not as to be replaced.
int tasks_adopt(struct supervisor *s);
// Before any of them runs: each looks who else is on its core.
void tasks_note_cpus(struct supervisor *s);
int tasks_handle_all(struct supervisor *s, enum slot_event event);
// The pidfd of this slot is readable: its process has ended.
void tasks_on_end(struct supervisor *s, struct slot *slot);
// The same, when it is known how: slot->signal and exit_status are set.
void tasks_ended(struct supervisor *s, struct slot *slot);
// Has it done something, or had nothing to do?
bool tasks_progressed(const struct supervisor *s, const struct slot *slot);
// Is it our child?
bool supervisor_is_parent(int pidfd);
// They run on, for a supervisor that is to come.
void tasks_let_go(struct supervisor *s);
// Start a process for the slot, whatever waits to replace it. 0 or -errno.
int tasks_start_cold(struct supervisor *s, struct slot *slot);
// What it takes to start one.
struct spawn_request tasks_spawn_request(const struct supervisor *s, const struct slot *slot);
// What is due by now: restarts, replacements that run, hangs.
void tasks_on_time(struct supervisor *s, int64_t now);
// When tasks_on_time is to be called next; INT64_MAX: never.
int64_t tasks_next_deadline(const struct supervisor *s);
// SIGKILL to the slot's process.
void tasks_kill(struct slot *slot);
// Its last sign of life; a process that has not come so far yet gave one when it was started.
int64_t tasks_last_sign(const struct supervisor *s, const struct slot *slot);
// No task may outlive the run, however it ends; one that cannot be ended is marked (is_left).
void tasks_kill_rest(struct supervisor *s);

// ending.c
int ending_begin_checkpoints(struct supervisor *s);
// An earlier supervisor had begun to end the job: go on with that.
void ending_take_over(struct supervisor *s);
// Checkpoints, and the end of a job that makes them.
void ending_on_time(struct supervisor *s);
// Something has happened: do so at once.
void ending_look(struct supervisor *s);
// Ask the lowest level that still runs to stop.
void ending_stop_next_level(struct supervisor *s);

#endif
