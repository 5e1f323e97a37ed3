// region.h: the memory of a task is lost: its region, the tasks that channels connect with it, goes
// back to a checkpoint, while the other regions run on. Private to stages/supervisor.
//
//   a task says that it cannot use its memory (SUPERVISOR_EXIT_MEMORY), or the caller knows it
//     -> no checkpoint is begun; every process of the region is ended, its spares first
//     -> the last of them has ended: nobody holds the old memory any more
//     -> a process of our own makes the memory anew (supervisor_options.remake); the loop goes on
//     -> the tasks are started, and checkpoints go on
//
// Where that cannot be done the job ends with SUPERVISOR_EXIT_MEMORY, and the caller takes the
// whole of it back.
#ifndef WEIR_STAGES_SUPERVISOR_REGION_H
#define WEIR_STAGES_SUPERVISOR_REGION_H

#include <stdbool.h>
#include <stdint.h>

#include "stages/supervisor/slot.h"

struct supervisor;
struct regions; // of a job; private

// Tags of epoll events that are about regions.
enum { REGION_TAG = 1 << 25 };

void regions_open(struct supervisor *s);
void regions_close(struct supervisor *s);

// The slot's process has ended because it cannot use its memory. false: the region cannot go back
// by itself now, or has used up its restarts (slot->is_used_up); the job ends then.
bool regions_lose(struct supervisor *s, struct slot *slot, const struct control_view *view);

// What supervisor_options.lost says of the memory that was taken over.
void regions_take_over(struct supervisor *s);

// The process that made a region's memory has ended.
void regions_on_end(struct supervisor *s, uint32_t tag);
// Go on where the last process of a region has ended.
void regions_on_time(struct supervisor *s);

#endif
