// slot.h: one task as the supervisor sees it: a state, and a table of what each event does in it.
//
// Private to stages/supervisor. Knows no system call: what the table makes happen goes through ops,
// so every cell can be tested without a process.
#ifndef WEIR_STAGES_SUPERVISOR_SLOT_H
#define WEIR_STAGES_SUPERVISOR_SLOT_H

#include <stdbool.h>
#include <stdint.h>

#include "shm/control.h"
#include "stages/supervisor/hang.h"
#include "stages/supervisor/supervisor.h"

enum { SLOT_PROGRAM_BYTES = 32 };

enum slot_state {
    SLOT_IDLE,     // not started yet
    SLOT_UP,       // its process runs
    SLOT_HURT,     // its replacement was started and does not run batches yet
    SLOT_DOWN,     // dead; to be started again at start_at_ns
    SLOT_STOPPING, // it was asked to stop; who dies meanwhile is replaced, to stop well
    SLOT_KILLED,   // its time to stop was over
    SLOT_LOST,     // its region's memory is lost: its process is ended, then that is made anew
    SLOT_DONE,     // no process, and there will be none
    SLOT_STATE_COUNT,
};

enum slot_event {
    SLOT_START,      // it is time to start it
    SLOT_READY,      // its process runs batches
    SLOT_ENDED_WELL, // its process has ended, all input handled
    SLOT_GAVE_UP,    // its process has ended and says why it cannot go on
    SLOT_CRASHED,    // its process has ended otherwise
    SLOT_STOP,       // the job shall end
    SLOT_KILL,       // the time to stop is over
    SLOT_ADOPT,      // an earlier supervisor had started it; its process lives if pidfd is set
    SLOT_LOSE,       // the memory of its region is lost
    SLOT_REMADE,     // it was made anew, as a checkpoint has it
    SLOT_REPLACED,   // its process has ended so that one of another program goes on (roll.h)
    SLOT_EVENT_COUNT,
};

struct slot {
    int index; // of the task
    enum slot_state state;
    pid_t pid;
    int pidfd;                  // -1: no process
    bool is_adopted;            // its process is nobody's child here
    bool is_cause_unknown;      // of the last end, because it was adopted
    int signal, exit_status;    // of the last end
    int64_t started_ns;         // when its process was started
    int64_t died_ns;            // when it died last
    int64_t start_at_ns;        // DOWN: when to start it again
    int64_t gap_ns;             // of the last restart
    int64_t delay_ns;           // of the last death
    int quick_deaths;           // deaths in a row without any progress
    uint64_t restarts;          // starts after the first
    int64_t sign_ns;            // its last sign of life at the last look
    int64_t sign_cpu_ns;        // what it had run when there was no new one for the first time
    int64_t silent_at_ns;       // heartbeat at the last look that found it hanging; 0: it did not
    enum hang_kind hang;        // its process is being ended for this
    int64_t killed_ns;          // when it was sent SIGKILL from here; 0: it was not
    int64_t dying_ns;           // since when its thread is seen to be on its way out; 0: it is not
    int64_t asleep_since_ns;    // its last sign before a sleep that has been told (stuck.h)
    bool is_left;               // was killed, and left behind at the end of the run
    bool was_spare;             // its process had waited for the death of the one before
    bool goes_back;             // to a checkpoint, since it was last up
    bool is_used_up;            // so are the restarts of its region: the loss ends the job
    uint64_t progress_at_start; // of its counter, to see whether a process did anything
    char program[SLOT_PROGRAM_BYTES]; // what its next process runs; "": as the supervisor does
    bool runs_other;                  // its process runs the program that is put in (roll.h)
    bool is_to_be_replaced;           // its process was sent SIGKILL for that
    bool is_replacing;                // no death of its own came before its process
};

// What the table makes happen.
struct slot_ops {
    void *context;
    int (*start)(struct slot *slot,
                 void *context); // sets pid, pidfd, progress_at_start; 0 or -errno
    bool (*progressed)(const struct slot *slot, void *context); // did its process do anything?
    // A death: how long to put the restart off, or RESTART_NEVER (restart.h).
    int64_t (*delay_ns)(const struct slot *slot, bool progressed, int64_t now_ns, void *context);
    void (*ask_stop)(struct slot *slot, void *context);
    void (*kill)(struct slot *slot, void *context);
    void (*report)(const struct slot *slot, enum supervisor_event_kind kind, void *context);
};

// The table. 0, or -errno when the very first start failed.
int slot_handle(struct slot *slot, enum slot_event event, int64_t now_ns,
                const struct slot_ops *ops);

// What kind of end was it? `view` is the task's page, which an older process may have written.
// exit_status counts when signal is 0, and neither when the cause is unknown: then the page is all
// there is.
enum slot_event slot_classify(const struct control_view *view, const struct slot *slot);

#endif
