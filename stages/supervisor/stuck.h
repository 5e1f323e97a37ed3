// stuck.h: processes that do not end, or cannot be ended. Private to stages/supervisor.
//
// SIGKILL ends a process when its threads next look at signals. One that sleeps in the kernel for a
// disk that does not answer (state D) does not look. Who takes its place is decided by the owner
// mutex alone, so two cases are told apart by the first thread, the only one that is ever the task:
//
//   it is on its way out or gone; another thread of the process (one that writes a snapshot) is
//   not: the mutex passes on, and nothing that the process may still write is a successor's. The
//   task is restarted at once, the rest of the process is watched until it is gone ("buried").
//
//   it sleeps itself: what it was doing may still happen, so nothing takes its place and its memory
//   is nobody else's: told once, with where it sleeps. The task goes on when the sleep is over, or
//   is replaced when it was killed meanwhile. A run that is to end does not wait for ever: it ends
//   and leaves the memory, so that the next one finds the process, and later goes on.
#ifndef WEIR_STAGES_SUPERVISOR_STUCK_H
#define WEIR_STAGES_SUPERVISOR_STUCK_H

#include <stdint.h>

#include "stages/supervisor/slot.h"

struct supervisor;

enum { STUCK_BURIED_MAX = 16 };

// Dead processes of tasks whose other threads the kernel has not ended yet.
struct stuck {
    struct buried {
        pid_t pid;
        int pidfd;
        bool is_adopted; // nobody's child here
    } buried[STUCK_BURIED_MAX];
    int count;
    int64_t look_at_ns;
    int64_t end_by_ns; // at the end of a run: how long to wait for who was killed; 0: not yet
};

// Now and then: tasks whose process is dead and does not go, that were killed and do not die.
void stuck_on_time(struct supervisor *s, int64_t now_ns);
int64_t stuck_next_deadline(const struct supervisor *s);

// The process of this slot sleeps and has not given a sign since sign_ns: tell it, once a sleep.
void stuck_tell_asleep(struct supervisor *s, struct slot *slot, int64_t sign_ns);

// At the end of a run, all were sent SIGKILL: wait for the end of a process, for some seconds in
// all. false: it does not end.
bool stuck_wait_end(struct supervisor *s, pid_t pid, int pidfd, bool is_adopted);

// At the very end: nobody waits for the buried any more. Is there a task that could not be ended?
// Then the memory is still its: status, or -EBUSY with the text of it in err.
int stuck_end(struct supervisor *s, int status);

#endif
