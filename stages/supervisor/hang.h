// hang.h: does a task that has been silent for too long hang? Private to stages/supervisor.
//
// A task gives a sign of life after every transaction, and at least ten times a second while it
// waits for input or for room in a channel. Silence is a hang when its process is stopped
// (SIGSTOP) or runs without end inside one batch: who gets no processor does not. It is none when
// the process sleeps in a system call (a reader of its output that is paused, a slow disk: a
// replacement would wait there too) or when a debugger holds it. A sleep that signals do not end is
// told apart: no kill helps there, and nobody may be put in the place of a process that does not
// die (stuck.h).
#ifndef WEIR_STAGES_SUPERVISOR_HANG_H
#define WEIR_STAGES_SUPERVISOR_HANG_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "shm/errlog.h"

enum hang_kind {
    HANG_NONE,
    HANG_STOPPED,
    HANG_BUSY,
    HANG_ASLEEP, // in the kernel, where signals are not looked at: state D
};

// What the process does right now. A process that is gone does not hang.
enum hang_kind hang_judge(pid_t pid);

// For how long its first thread has been on a processor; 0: not known.
int64_t hang_cpu_ns(pid_t pid);

// Have a process that is about to be ended for a hang write down where it is
// (stages/runtime/crash.h), and wait for that a few milliseconds at most. errlog may be NULL.
void hang_ask_where(int pidfd, const struct errlog *errlog, int task_index, pid_t pid);

// "is stopped", "runs without end", for people.
const char *hang_name(enum hang_kind kind);

// Where in the kernel the process is, as far as this user may know: "pwrite64 of /out/part-0-3, in
// folio_wait_writeback". Of its threads the one that sleeps. "" when nothing is to be known.
void hang_describe_sleep(pid_t pid, char *out, size_t out_bytes);

#endif
