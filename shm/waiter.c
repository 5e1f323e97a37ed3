// waiter.c: the eventcount over futex, and the spin in front of it. Shared between processes, so no
// FUTEX_PRIVATE_FLAG.
#include "shm/waiter.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "shm/atomic.h"

enum {
    LOOKS = 16,      // between two looks at the clock: with the pauses half a microsecond or so
    WAKE_NS = 20000, // until it has been learned
    SHARE = 8,       // of what is learned, that the newest sleep makes up
    SHRINK = 16,     // the least spin is such a part of the longest
    NS_PER_SECOND = 1000000000,
};

static int64_t monotonic_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * NS_PER_SECOND + now.tv_nsec;
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

// --- spinning ---

// The pause keeps the core's other hardware thread fast, and the lines that are looked at where
// they are; `yields` gives the core itself to whoever waits for it.
static bool spin(bool (*ready)(void *), void *context, int64_t until_ns, bool yields)
{
    do {
        for (int i = 0; i < LOOKS; i++) {
            if (ready(context))
                return true;
            atomic_pause();
        }
        if (yields)
            sched_yield();
    } while (monotonic_ns() < until_ns);
    return false;
}

// How long to spin, at most: as long as a wake-up takes.
static int64_t longest_spin(const struct waiter_owner *owner)
{
    return owner->wake_ns ? owner->wake_ns : WAKE_NS;
}

static int64_t next_spin(const struct waiter_owner *owner)
{
    return owner->spin_ns ? owner->spin_ns : longest_spin(owner);
}

// A wait of waited_ns is over: would it have paid to spin longer, or was any spin in vain?
static void adjust(struct waiter_owner *owner, int64_t waited_ns)
{
    int64_t longest = longest_spin(owner), floor = longest / SHRINK;
    int64_t next = next_spin(owner);
    next = waited_ns <= 2 * longest ? least(2 * next, longest) : next / 2;
    floor = floor > WAITER_SPIN_MIN_NS ? floor : WAITER_SPIN_MIN_NS;
    owner->spin_ns = next > floor ? next : floor;
}

// --- sleeping ---

static void learn(struct waiter_owner *owner, int64_t late_ns)
{
    late_ns = late_ns > WAITER_WAKE_MIN_NS ? late_ns : WAITER_WAKE_MIN_NS;
    late_ns = least(late_ns, WAITER_WAKE_MAX_NS);
    owner->wake_ns = owner->wake_ns ? owner->wake_ns + (late_ns - owner->wake_ns) / SHARE : late_ns;
}

static uint32_t reason_of(const struct waiter_owner *owner)
{
    return owner->reason ? owner->reason : WAITER_ANYTHING;
}

static void sleep_for(struct waiter_owner *owner, int64_t ns)
{
    struct timespec timeout = {.tv_sec = ns / NS_PER_SECOND, .tv_nsec = ns % NS_PER_SECOND};
    int64_t began_ns = monotonic_ns();
    long rc = syscall(SYS_futex, &owner->waiter->sleeping, FUTEX_WAIT, reason_of(owner), &timeout,
                      NULL, 0);
    bool timed_out = rc < 0 && errno == ETIMEDOUT;
    int64_t slept_ns = monotonic_ns() - began_ns;
    owner->sleeps++;
    owner->slept_ns += slept_ns;
    if (timed_out)
        learn(owner, slept_ns - ns);
}

// Ready, or woken, or ns have passed.
static bool block(struct waiter_owner *owner, bool (*ready)(void *), void *context, int64_t ns)
{
    uint32_t *sleeping = &owner->waiter->sleeping;
    atomic_write_u32(sleeping, reason_of(owner)); // relaxed: ordered by the fence that follows
    // W1: pairs with W2 in waiter_fence; sleeping is seen, or what was published is
    // W3: pairs with W4 in wake_for; nothing
    atomic_full_fence();
    bool is_ready = ready(context);
    if (!is_ready && ns > 0) {
        sleep_for(owner, ns);
        is_ready = ready(context);
    }
    atomic_write_u32(sleeping, 0); // relaxed: a late look costs one wake call
    return is_ready;
}

// Back in time to spin for the rest.
static int64_t without_waking(const struct waiter_owner *owner, int64_t timeout_ns)
{
    int64_t wake_ns = longest_spin(owner);
    return timeout_ns > 2 * wake_ns ? timeout_ns - wake_ns : timeout_ns;
}

// --- waiting ---

static bool sleeps_at_once(const struct waiter_owner *owner)
{
    return owner->policy == WAITER_BLOCK || (owner->policy == WAITER_ADAPTIVE && owner->is_crowded);
}

static int64_t deadline_of(int64_t now_ns, int64_t timeout_ns)
{
    return timeout_ns > INT64_MAX - now_ns ? INT64_MAX : now_ns + timeout_ns;
}

bool waiter_wait(struct waiter_owner *owner, bool (*ready)(void *context), void *context,
                 int64_t timeout_ns)
{
    if (ready(context))
        return true;
    if (sleeps_at_once(owner))
        return block(owner, ready, context, timeout_ns);
    int64_t began_ns = monotonic_ns();
    if (owner->policy == WAITER_SPIN)
        return spin(ready, context, deadline_of(began_ns, timeout_ns), owner->is_crowded);
    int64_t spin_ns = least(next_spin(owner), timeout_ns);
    bool is_ready = spin(ready, context, began_ns + spin_ns, false);
    if (!is_ready && timeout_ns > spin_ns)
        is_ready = block(owner, ready, context, without_waking(owner, timeout_ns - spin_ns));
    adjust(owner, monotonic_ns() - began_ns);
    return is_ready;
}

bool waiter_doze(struct waiter_owner *owner, bool (*ready)(void *context), void *context,
                 int64_t timeout_ns)
{
    if (ready(context))
        return true;
    if (sleeps_at_once(owner))
        return block(owner, ready, context, timeout_ns);
    if (owner->policy == WAITER_SPIN || timeout_ns <= 2 * longest_spin(owner))
        return spin(ready, context, deadline_of(monotonic_ns(), timeout_ns), owner->is_crowded);
    return block(owner, ready, context, without_waking(owner, timeout_ns));
}

// --- waking ---

void waiter_fence(void)
{
    atomic_full_fence(); // W2: pairs with W1 in block; what was published is before the look
}

// Between the look and the exchange the owner may have begun to sleep for something else: then it
// wakes in vain, and looks.
static bool wake_for(struct waiter *waiter, uint32_t reasons)
{
    // Relaxed: waiter_fence has put it behind the publishing.
    if (!(atomic_read_u32(&waiter->sleeping) & reasons))
        return false;
    // W4: pairs with W3 in block; nothing: of several who wake, one makes the call
    if (!atomic_exchange_u32(&waiter->sleeping, 0))
        return false;
    syscall(SYS_futex, &waiter->sleeping, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
    return true;
}

bool waiter_wake_behind_fence(struct waiter *waiter, enum waiter_reason reason)
{
    return wake_for(waiter, WAITER_ANYTHING | (uint32_t)reason);
}

bool waiter_wake(struct waiter *waiter)
{
    waiter_fence();
    return wake_for(waiter, UINT32_MAX);
}
