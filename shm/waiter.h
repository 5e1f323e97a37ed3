// waiter.h: how a task sleeps until a neighbour has something for it: one eventcount a task.
//
// The protocol, with the full fences without which wake-ups are lost:
//
//   sleeper                              publisher
//   sleeping = 1                         tail (or head) = ...
//   full fence          W1 <-> W2        full fence
//   look again at all inputs             if sleeping: sleeping = 0, futex wake
//   nothing: futex wait while sleeping == 1, with a timeout
//   sleeping = 0
//
// The word `sleeping` is the one word here with several writers: the owner sets it, whoever wakes
// clears it. A sleeper that is killed leaves it set: the next publisher makes one wake call too
// many, no more. A publisher that dies between publishing and waking is replaced by one that wakes
// everyone; until then the timeout bounds the sleep.
#ifndef WEIR_SHM_WAITER_H
#define WEIR_SHM_WAITER_H

#include <stdbool.h>
#include <stdint.h>

// Lies in shared memory, one a task, on a cache line of its own; all zero is ready.
struct waiter {
    uint32_t sleeping; // 1: the owner sleeps, or is about to
    uint32_t reserved[15];
};

_Static_assert(sizeof(struct waiter) == 64, "one cache line");

enum waiter_policy {
    WAITER_ADAPTIVE, // spin for some microseconds, then sleep: no CPU when idle (the default)
    WAITER_SPIN,     // never sleep: the lowest latency, a core at 100 %
    WAITER_BLOCK,    // sleep at once: the least CPU
};

// Wait until ready(context) says true, somebody wakes us, or timeout_ns has passed (at most;
// spurious returns are allowed). Returns what ready said last. Only the waiter's owner calls this.
bool waiter_wait(struct waiter *waiter, enum waiter_policy policy, bool (*ready)(void *context),
                 void *context, int64_t timeout_ns);

// After publishing: wake the owner when it sleeps. A system call only then.
void waiter_wake(struct waiter *waiter);

#endif
