// owner.c: the robust mutex. Recovery is the arena's undo log, which every attach runs, so a dead
// owner's mutex is marked consistent at once.
//
// Two things are known here of how glibc keeps it, both part of its ABI: the futex word is
// `__data.__lock` (the kernel's protocol: thread id, FUTEX_WAITERS, FUTEX_OWNER_DIED), and what
// kind of mutex it is stands in `__data.__kind`. A kind that was written over would make it a mutex
// that lets two in, so it is sealed.
#include "shm/owner.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "core/base/check.h"
#include "shm/atomic.h"

enum { NS_PER_SECOND = 1000000000 };

#define SEAL UINT64_C(0x52454e574f524957) // "WIROWNER"

struct owner {
    pthread_mutex_t mutex;
    uint64_t seal;
};

_Static_assert(sizeof(struct owner) <= OWNER_AREA_BYTES, "the area holds it");
_Static_assert(_Alignof(struct owner) <= 8, "the area is 8-byte aligned");
_Static_assert(sizeof(((pthread_mutex_t *)0)->__data.__lock) == sizeof(uint32_t), "a futex word");

static uint64_t seal_of(const struct owner *owner)
{
    return SEAL ^ (uint32_t)owner->mutex.__data.__kind;
}

int owner_init(void *area)
{
    CHECK((uintptr_t)area % 8 == 0);
    struct owner *owner = area;
    pthread_mutexattr_t attr;
    int status = pthread_mutexattr_init(&attr);
    if (status)
        return -status;
    status = pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    if (!status)
        status = pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    if (!status)
        status = pthread_mutex_init(&owner->mutex, &attr);
    pthread_mutexattr_destroy(&attr);
    owner->seal = seal_of(owner);
    return -status;
}

int owner_acquire(void *area, int64_t timeout_ns)
{
    CHECK((uintptr_t)area % 8 == 0);
    struct owner *owner = area;
    int status;
    if (owner->seal != seal_of(owner))
        return -EILSEQ;
    if (timeout_ns < 0) {
        status = pthread_mutex_lock(&owner->mutex);
    } else {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        int64_t ns = until.tv_nsec + timeout_ns % NS_PER_SECOND;
        until.tv_sec += timeout_ns / NS_PER_SECOND + ns / NS_PER_SECOND;
        until.tv_nsec = ns % NS_PER_SECOND;
        status = pthread_mutex_clocklock(&owner->mutex, CLOCK_MONOTONIC, &until);
    }
    if (status != EOWNERDEAD)
        return -status;
    status = pthread_mutex_consistent(&owner->mutex);
    return status ? -status : 1;
}

void owner_release(void *area)
{
    struct owner *owner = area;
    int status = pthread_mutex_unlock(&owner->mutex);
    CHECK(status == 0);
}

static const uint32_t *word_of(const struct owner *owner)
{
    return (const uint32_t *)&owner->mutex.__data.__lock;
}

pid_t owner_holder(const void *area)
{
    // Relaxed: who it names is asked after by other means.
    return (pid_t)(atomic_read_u32(word_of(area)) & FUTEX_TID_MASK);
}

bool owner_is_held_by(const void *area, pid_t self)
{
    const struct owner *owner = area;
    return owner->seal == seal_of(owner) && owner_holder(area) == self;
}

// What the kernel does at the end of a thread (its exit_robust_list): the word says that the owner
// died, one waiter is woken. Only a word that still names the dead one is changed.
bool owner_hand_on(void *area, pid_t dead)
{
    uint32_t *word = (uint32_t *)word_of(area);
    uint32_t old = atomic_read_u32(word); // relaxed: the exchange below decides
    CHECK(dead > 0);
    if ((old & FUTEX_TID_MASK) != (uint32_t)dead)
        return false;
    if (!atomic_exchange_if_u32(word, old, (old & FUTEX_WAITERS) | FUTEX_OWNER_DIED))
        return false;
    syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
    return true;
}
