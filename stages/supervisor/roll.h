// roll.h: another program is put in under a running job, one task after the other. Private to
// stages/supervisor.
//
// For each task: a spare of the new program is made; when it is ready, and no checkpoint is under
// way, the task gets SIGKILL, and the spare goes on as it would after any death. When it has
// committed something, the next task follows. In the end this process becomes the program, too: the
// run ends with SUPERVISOR_END_REPLACED, and the next supervisor adopts.
//
// Which processes run the program already says /proc/<pid>/exe when it begins: the device and the
// inode of the file that was asked whether it can (roll_check.h). So a supervisor that finds a roll
// half done goes on where it stands.
//
// A program that ends before it has done anything is on trial: no restart strategy counts that, no
// row is suspected. After a few times every task gets the program of before.
#ifndef WEIR_STAGES_SUPERVISOR_ROLL_H
#define WEIR_STAGES_SUPERVISOR_ROLL_H

#include <stdbool.h>
#include <stdint.h>

#include "stages/supervisor/slot.h"

struct supervisor;

// The request in the box asks for it. What is wrong with the program is answered before any task is
// touched.
void roll_begin(struct supervisor *s);

void roll_on_time(struct supervisor *s, int64_t now);
int64_t roll_next_deadline(const struct supervisor *s, int64_t now);

// The slot's process has ended, as `event` says: what is it when the roll is taken into account?
enum slot_event roll_judge(struct supervisor *s, struct slot *slot, enum slot_event event);
// A spare of the slot has ended that had not become the task.
void roll_spare_ended(struct supervisor *s, const struct slot *slot, pid_t pid, int signal_number,
                      int exit_status);
// Does this process run the program that is put in? Only while one is.
bool roll_runs_other(const struct supervisor *s, pid_t pid);
// Will the next process of the slot run the program that is put in?
bool roll_starts_other(const struct supervisor *s, const struct slot *slot);
// What the slot's process runs, for people.
const char *roll_program_name(const struct supervisor *s, const struct slot *slot);

void roll_free(struct supervisor *s);

#endif
