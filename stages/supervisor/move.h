// move.h: tasks of a running job are put on other cores, and their memory on the nodes of these.
// Private to stages/supervisor.
//
// First the cores, of all tasks at once: that is a system call a thread. Then the memory, piece by
// piece between the other things that a supervisor does, so that no task waits for more than a
// piece. The next process of a task begins where it was put, as the control block says it, also
// under another supervisor.
//
// Where the kernel moves only what a single process maps (no CAP_SYS_NICE) spares are ended first
// and made again behind it, and rings stay where they are; what stays is told.
#ifndef WEIR_STAGES_SUPERVISOR_MOVE_H
#define WEIR_STAGES_SUPERVISOR_MOVE_H

#include <stdbool.h>
#include <stdint.h>

#include "stages/supervisor/slot.h"

struct supervisor;

// The request in the box asks for it. A core that cannot be used is answered before any task is
// touched.
void move_begin(struct supervisor *s);

void move_on_time(struct supervisor *s, int64_t now);
int64_t move_next_deadline(const struct supervisor *s, int64_t now);

// Must the spares of a task be gone for now?
bool move_bars_spares(const struct supervisor *s, const struct slot *slot);

void move_free(struct supervisor *s);

#endif
