// waiter.c: the eventcount over futex. Shared between processes, so no FUTEX_PRIVATE_FLAG.
#include "shm/waiter.h"

#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "shm/atomic.h"

enum { SPIN_ROUNDS = 2000, NS_PER_SECOND = 1000000000 };

static int64_t monotonic_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * NS_PER_SECOND + now.tv_nsec;
}

static bool spin(bool (*ready)(void *), void *context, int64_t deadline_ns)
{
    do {
        for (int i = 0; i < SPIN_ROUNDS; i++) {
            if (ready(context))
                return true;
            atomic_pause();
        }
    } while (monotonic_ns() < deadline_ns);
    return false;
}

bool waiter_wait(struct waiter *waiter, enum waiter_policy policy, bool (*ready)(void *context),
                 void *context, int64_t timeout_ns)
{
    if (policy == WAITER_SPIN)
        return spin(ready, context, monotonic_ns() + timeout_ns);
    if (policy == WAITER_ADAPTIVE && spin(ready, context, 0))
        return true;
    atomic_write_u32(&waiter->sleeping, 1); // relaxed: ordered by the fence that follows
    atomic_full_fence(); // W1: pairs with W2 in waiter_wake; sleeping is seen, or what was
                         // published is
    bool is_ready = ready(context);
    if (!is_ready) {
        struct timespec timeout = {.tv_sec = timeout_ns / NS_PER_SECOND,
                                   .tv_nsec = timeout_ns % NS_PER_SECOND};
        syscall(SYS_futex, &waiter->sleeping, FUTEX_WAIT, 1, &timeout, NULL, 0);
        is_ready = ready(context);
    }
    atomic_write_u32(&waiter->sleeping, 0); // relaxed: a late look costs one wake call
    return is_ready;
}

void waiter_wake(struct waiter *waiter)
{
    atomic_full_fence(); // W2: pairs with W1 in waiter_wait; what was published is before the look
    // Relaxed: the fence has put it behind the publishing.
    if (atomic_read_u32(&waiter->sleeping) && atomic_exchange_u32(&waiter->sleeping, 0))
        syscall(SYS_futex, &waiter->sleeping, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}
