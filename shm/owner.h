// owner.h: never two writers. A robust, process-shared mutex that the one thread of a task holds
// for life: whoever holds it is the task, and nobody else writes into the task's arena, its control
// page, its ends of rings, its output files. All these follow from this one mutex.
//
// The kernel hands it on when the thread that holds it can run no more user code, a fraction of a
// millisecond after a kill, long before the process is gone; whatever other threads the process has
// and however long they live. The word is the truth, every pid that is written elsewhere a hint.
//
// The kernel finds the mutex through a list in the memory of the thread that dies. When that list
// was damaged it hands nothing on: then somebody who knows for sure that the thread is gone does
// what the kernel should have done (owner_hand_on).
#ifndef WEIR_SHM_OWNER_H
#define WEIR_SHM_OWNER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { OWNER_AREA_BYTES = 64 };

// Lay the mutex into a 64-byte area, 8-byte aligned, of shared memory. Once, at creation.
int owner_init(void *area);

// 0: ours, and nobody died holding it; 1: ours, and the previous owner died holding it; -ETIMEDOUT;
// -EILSEQ: this is no owner's mutex any more, something has written over it; another -errno.
// timeout_ns < 0 waits for ever. The area stays mapped for as long as it is held.
int owner_acquire(void *area, int64_t timeout_ns);

// Only by the thread that acquired it.
void owner_release(void *area);

// The thread that holds it; 0: nobody, or one that died and was noticed.
pid_t owner_holder(const void *area);

// Is it what it was, and held by thread `self`? For the thread that acquired it, before it makes
// anything final: something may have written over the word since, and another have it now.
bool owner_is_held_by(const void *area, pid_t self);

// Thread `dead` is gone for sure and the kernel has not handed its mutex on: do so, and wake who
// waits. false: `dead` does not hold it (any more). Safe to call from several processes at once.
bool owner_hand_on(void *area, pid_t dead);

#endif
