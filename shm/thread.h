// thread.h: a thread beside the task's own, for what may take long outside of this host's memory.
#ifndef WEIR_SHM_THREAD_H
#define WEIR_SHM_THREAD_H

#include <pthread.h>
#include <stddef.h>

// Start `work` with a stack of so many bytes and every signal blocked: signals stay the task's. 0
// or -errno.
int thread_start(pthread_t *out, size_t stack_bytes, void *(*work)(void *context), void *context);

#endif
