// owner.h: never two writers: a robust, process-shared mutex that the one thread of a task holds
// for life. The kernel hands it on when that thread can run no more user code.
#ifndef WEIR_SHM_OWNER_H
#define WEIR_SHM_OWNER_H

#include <stdint.h>

enum { OWNER_AREA_BYTES = 64 };

// Lay the mutex into a 64-byte area, 8-byte aligned, of shared memory. Once, at creation.
int owner_init(void *area);

// 0: ours; 1: ours, and the previous owner died holding it; -ETIMEDOUT; another -errno.
// timeout_ns < 0 waits for ever. The area stays mapped for as long as it is held.
int owner_acquire(void *area, int64_t timeout_ns);

// Only by the thread that acquired it.
void owner_release(void *area);

#endif
