// waiter.h: how a task waits until a neighbour has something for it: one eventcount a task.
//
// The protocol, with the full fences without which wake-ups are lost:
//
//   sleeper                              publisher
//   sleeping = what for                  tail (or head) = ...      of one channel or of several
//   full fence          W1 <-> W2        full fence                one for all of them
//   look again at all of that            if sleeping for it: sleeping = 0, futex wake
//   nothing: futex wait while sleeping is what it was, with a timeout
//   sleeping = 0
//
// What for: a task that waits for input is not to be woken because one of its outputs has room
// again, and a source that waits for the time not for either. Whoever comes with something else,
// the supervisor above all, wakes every sleeper.
//
// The word `sleeping` is the one word here with several writers: the owner sets it, whoever wakes
// clears it. A sleeper that is killed leaves it set: the next publisher makes one wake call too
// many, no more. A publisher that dies between publishing and waking is replaced by one that wakes
// everyone; until then the timeout bounds the sleep.
//
// How long it pays to spin before sleeping: as long as being woken takes, for then waiting costs at
// most twice what the best choice would have (Karlin et al., "Competitive randomized algorithms for
// nonuniform problems", 1990). What it takes is learned from sleeps that ran into their timeout.
// Where the waits turn out to be long the spin is halved again and again, as in Linux's halt
// polling (drivers/cpuidle/governors/haltpoll.c); a short one brings it back.
#ifndef WEIR_SHM_WAITER_H
#define WEIR_SHM_WAITER_H

#include <stdbool.h>
#include <stdint.h>

// Lies in shared memory, one a task, on a cache line of its own; all zero is ready.
struct waiter {
    uint32_t sleeping; // what for the owner sleeps, or is about to (enum waiter_reason); 0: not
    uint32_t reserved[15];
};

_Static_assert(sizeof(struct waiter) == 64, "one cache line");

enum waiter_reason {
    WAITER_ANYTHING = 1, // whoever wakes, wakes it; what a version before this one stores
    WAITER_INPUT = 2,    // rows in an input channel
    WAITER_ROOM = 4,     // room in an output channel
    WAITER_NEWS = 8,     // nothing that a neighbour has
};

enum waiter_policy {
    WAITER_ADAPTIVE, // spin for some microseconds, then sleep: no CPU when idle (the default)
    WAITER_SPIN,     // never sleep: the lowest latency, a core at 100 %
    WAITER_BLOCK,    // sleep at once: the least CPU
};

// The bounds of what is learned, and of the spin.
enum { WAITER_SPIN_MIN_NS = 1000, WAITER_WAKE_MIN_NS = 4000, WAITER_WAKE_MAX_NS = 100000 };

// The owner's side, private to its one thread. All zero but for `waiter` is ready, and adaptive.
struct waiter_owner {
    struct waiter *waiter;
    enum waiter_policy policy;
    enum waiter_reason reason; // of the next waits; 0: anything
    bool is_crowded;  // others want the same core: who they wait for may be who would spin there
    int64_t wake_ns;  // from a wake-up to running again, learned; 0: not yet
    int64_t spin_ns;  // how long it spins next; 0: not yet
    uint64_t sleeps;  // calls that gave the core away for a time (futex)
    int64_t slept_ns; // in them
};

// Wait until ready(context) says true, somebody wakes us, or timeout_ns has passed (at most;
// spurious returns are allowed, also some microseconds before the timeout). Returns what ready said
// last. Only the waiter's owner calls this. A crowded owner never keeps the core: with
// WAITER_SPIN it gives the rest of its turn away between two looks, else it sleeps at once.
bool waiter_wait(struct waiter_owner *owner, bool (*ready)(void *context), void *context,
                 int64_t timeout_ns);

// The same where the time is what is waited for, and `ready` the exception: a long wait does not
// begin with a spin. Under WAITER_SPIN and WAITER_ADAPTIVE it ends within about a microsecond of
// its time when it is called again for the rest.
bool waiter_doze(struct waiter_owner *owner, bool (*ready)(void *context), void *context,
                 int64_t timeout_ns);

// After publishing: wake the owner when it sleeps, whatever for. A system call only then; true: it
// was made.
bool waiter_wake(struct waiter *waiter);

// For several waiters at once: publish all, fence once, then look at each. Only who sleeps for that
// reason, or for anything, is woken.
void waiter_fence(void);
bool waiter_wake_behind_fence(struct waiter *waiter, enum waiter_reason reason);

#endif
