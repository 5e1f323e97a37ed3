// timers.h: what is due when: a binary heap of (time, payload) in the arena.
//
// Order is by time, then by payload, so it is the same in every run. Equal pairs may be added twice
// and come out twice.
#ifndef WEIR_CORE_STATE_TIMERS_H
#define WEIR_CORE_STATE_TIMERS_H

#include "core/state/vec.h"

struct timers_head { // inside a block of the caller's; all zero: empty
    uint64_t count;
    uint64_t high;   // the highest count there was room for
    struct vec heap; // two words a timer
};

static inline uint64_t timers_count(const struct arena *a, uint64_t head)
{
    return ((const struct timers_head *)arena_at(a, head))->count;
}

// -ENOSPC.
int timers_add(struct arena *a, uint64_t head, int64_t time, uint64_t payload);

// The earliest time; INT64_MAX when there is no timer.
int64_t timers_next(const struct arena *a, uint64_t head);

// 1: the earliest timer, due at or before `now`, taken out; 0: none is due. The memory of timers
// that are gone is kept for later ones until timers_drop_step.
int timers_pop_due(struct arena *a, uint64_t head, int64_t now, int64_t *time, uint64_t *payload);

// Free everything, at most `budget` leaves of 256 timers a call. 1: done, empty; 0: call again. In
// between only this is allowed.
int timers_drop_step(struct arena *a, uint64_t head, uint32_t budget);

#endif
