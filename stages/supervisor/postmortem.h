// postmortem.h: what the supervisor makes of the end of a task's process: a record in the event
// log, counters, and for the next process a verdict about rows (poison.h). Private to
// stages/supervisor.
//
// Which ends may be a row's doing:
//
//   SIGSEGV SIGBUS SIGABRT SIGFPE SIGILL SIGTRAP SIGSYS   yes, unless another process sent it
//   an exit with a status that says nothing               yes: something called exit
//   a hang that ran without end                           yes: the supervisor ended it
//   a hang that was stopped (SIGSTOP), SIGKILL, others    no: an operator, the kernel out of memory
//   of an adopted task that left no crash record          no: it is not known
//   before the process had taken over                     no: it had no row in hand
#ifndef WEIR_STAGES_SUPERVISOR_POSTMORTEM_H
#define WEIR_STAGES_SUPERVISOR_POSTMORTEM_H

#include "shm/control.h"
#include "shm/errlog.h"
#include "stages/supervisor/events.h"
#include "stages/supervisor/hang.h"
#include "stages/supervisor/poison.h"
#include "stages/supervisor/slot.h"

// The last death of one task.
struct postmortem {
    bool is_new;     // no record has been written of it
    uint64_t ticket; // of its record, whose end is open; 0: none
    pid_t pid;
    int signal, exit_status;
    bool is_unknown;     // neither is known: it was nobody's child, and left no word
    enum hang_kind hang; // ended by the supervisor for that
    bool has_taken_over; // the process had the task's memory
    bool has_crash;      // `crash` is its own
    struct errlog_crash crash;
    struct control_view view;
    struct control_trial trial;
    enum poison_step step;
    bool leads_on; // it is on the way to a dead letter: no strategy need hold it up
};

// Where the supervisor keeps what it is made from.
struct postmortem_context {
    struct control *control;
    const struct errlog *errlog; // NULL: without it
    struct events *events;       // NULL: nothing is written
};

// The slot's process has crashed (slot_classify). Fills *out, counts, tells the next process.
void postmortem_examine(const struct postmortem_context *context, const struct slot *slot,
                        struct postmortem *out);

// Write the record, once; the slot says how long the restart is put off. Off the path of a restart.
void postmortem_write(const struct postmortem_context *context, const struct slot *slot,
                      struct postmortem *death);

// The task goes on (gap_ms), or will not (gap_ms < 0); `rung`: what brought it back
// (docs/recovery.md).
void postmortem_settle(const struct postmortem_context *context, struct postmortem *death,
                       double gap_ms, const char *rung);

// May this end be a row's doing?
bool postmortem_may_be_a_row(const struct postmortem *death);

// "signal 11 (Segmentation fault) at f+0x1 (weir+0x2) < g+0x3 (weir+0x4)".
void postmortem_cause(const struct postmortem *death, struct buf *out);

#endif
