// side.h: a process on a core of its own that does the measured work, while its parent sleeps.
//
// Sides share memory that was mapped before they were started (side_share) and die with their
// parent, however it dies. Ctrl-C is the parent's: it ends the sides and the benchmark reports what
// there is.
#ifndef WEIR_TOOLS_BENCH_SIDE_H
#define WEIR_TOOLS_BENCH_SIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "core/base/err.h"

struct side {
    pid_t pid; // 0: none
    int core;  // -1: any
};

// Block the signals that the parent waits for; once, before any side.
void side_prepare(void);

// Zeroed memory for this process and its sides. Out of memory aborts.
void *side_share(size_t bytes);
void side_unshare(void *memory, size_t bytes);

// Start work(context) on `core`; what it returns is the exit status. -errno with a text.
int side_start(struct side *side, int core, int (*work)(void *context), void *context,
               struct err *err);

// Start a program, its stdout to /dev/null; SIGTERM comes to it when we die. argv ends with NULL.
int side_exec(struct side *side, char *const *argv, struct err *err);

// Until all of them have ended. One that fails ends the others: -EIO with a text. -EINTR: Ctrl-C or
// SIGTERM: all were ended.
int side_wait(struct side *sides, int count, struct err *err);

// Sleep so long, or until Ctrl-C: -EINTR with a text.
int side_sleep(double seconds, struct err *err);

// SIGKILL and reap; one that has ended is fine.
void side_kill(struct side *side);

#endif
