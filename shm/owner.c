// owner.c: the robust mutex. Recovery is the arena's undo log, which every attach runs, so a dead
// owner's mutex is marked consistent at once.
#include "shm/owner.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <time.h>

#include "core/base/check.h"

enum { NS_PER_SECOND = 1000000000 };

_Static_assert(sizeof(pthread_mutex_t) <= OWNER_AREA_BYTES, "the area holds a mutex");
_Static_assert(_Alignof(pthread_mutex_t) <= 8, "the area is 8-byte aligned");

int owner_init(void *area)
{
    CHECK((uintptr_t)area % 8 == 0);
    pthread_mutexattr_t attr;
    int status = pthread_mutexattr_init(&attr);
    if (status)
        return -status;
    status = pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    if (!status)
        status = pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    if (!status)
        status = pthread_mutex_init(area, &attr);
    pthread_mutexattr_destroy(&attr);
    return -status;
}

int owner_acquire(void *area, int64_t timeout_ns)
{
    CHECK((uintptr_t)area % 8 == 0);
    int status;
    if (timeout_ns < 0) {
        status = pthread_mutex_lock(area);
    } else {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        int64_t ns = until.tv_nsec + timeout_ns % NS_PER_SECOND;
        until.tv_sec += timeout_ns / NS_PER_SECOND + ns / NS_PER_SECOND;
        until.tv_nsec = ns % NS_PER_SECOND;
        status = pthread_mutex_clocklock(area, CLOCK_MONOTONIC, &until);
    }
    if (status != EOWNERDEAD)
        return -status;
    status = pthread_mutex_consistent(area);
    return status ? -status : 1;
}

void owner_release(void *area)
{
    int status = pthread_mutex_unlock(area);
    CHECK(status == 0);
}
