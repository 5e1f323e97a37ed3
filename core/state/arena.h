// arena.h: the memory of one task that outlives it, changed in transactions.
//
// One rule: no byte of committed arena changes before its old value is in the undo log. The log is
// in the arena; an entry is the old bytes (padded to 8) and then one word, offset << 16 | length,
// so that the log is read from its end. The order of stores is: entry, log_word, change. A killed
// process leaves a prefix of its stores in memory, so only the compiler must keep that order, and
// ARENA_BARRIER makes it. A commit is one store: log_word = 0.
//
// A transaction has no begin: it starts with the first change after a commit, an abort or an open.
// A function here or in a typed state that fails (-ENOSPC ..) may have changed a part: abort.
//
// Blocks allocated in this transaction may be written without a log entry (arena_fresh): an abort
// makes them free, and the bytes of free blocks mean nothing, except their links, which are logged.
//
// The arena is plain memory given by the caller; this module knows no mmap, no process, no clock.
// One thread changes an arena. Pointers from arena_at and arena_touch stay valid until close, but
// what they point at may be freed: operators keep offsets.
#ifndef WEIR_CORE_STATE_ARENA_H
#define WEIR_CORE_STATE_ARENA_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "core/base/check.h"
#include "core/base/err.h"
#include "core/base/slice.h"
#include "core/state/arena_layout.h"

enum {
    // No single operation of a typed state logs more than this (the batch forms: this, and 4 KiB a
    // row at the very worst). Commit when arena_log_room falls below what is to come.
    ARENA_OP_LOG_BYTES = 32 << 10,
    ARENA_ONCE_COUNT = 256,
};

struct arena_options {
    uint64_t fingerprint; // of the job: an arena of another job is refused
    uint64_t log_bytes;   // format only; 0: 1/64 of the arena, 8 MiB .. 16 MiB; at most 1/4
    const char *boot_id;  // NULL: not kept / not checked
    // Called before the bytes [from, to) of the arena are used for the first time, in steps of 16
    // MiB or more, so that the owner can put memory behind them. Non-zero refuses: the operation
    // that wanted the memory fails with -ENOSPC. NULL: all memory is there.
    int (*claim)(void *claim_context, uint64_t from, uint64_t to);
    void *claim_context;
};

// Who wants to see everything that is about to be lost: a snapshot under way.
struct arena_watcher {
    void *context;
    // Memory is handed out again and still holds its old bytes: they will be written over without a
    // log entry.
    void (*reuse)(void *context, uint64_t offset, uint64_t bytes);
    // A transaction is about to end, by a commit or by an abort that puts nothing back yet; all of
    // its entries.
    void (*end)(void *context, struct slice entries);
};

// A private handle. The fields are here for the inline functions below; nobody else uses them.
struct arena {
    uint8_t *base;
    struct arena_header *header;
    struct arena_meta *meta;
    uint8_t *log;
    uint8_t *epochs;
    uint64_t log_bytes;
    uint64_t log_reserve; // log bytes that the pending frees will need at commit
    uint64_t round;       // of the once cache: << 48
    uint8_t epoch;
    struct arena_watcher watcher;
    uint32_t pending_count, pending_capacity;
    struct arena_pending *pending; // owned: frees that wait for the commit
    struct arena_options options;
    uint64_t once[ARENA_ONCE_COUNT]; // round | offset of words logged in this transaction
#ifdef WEIR_MUTANT_4
    uint64_t late_word;
#endif
};

struct arena_pending {
    uint64_t offset, bytes;
};

#define ARENA_BARRIER() __asm__ __volatile__("" ::: "memory")

// --- life ---

// Make an empty arena of base[0, bytes), base aligned to 4096, bytes a multiple of 4096. What was
// there is lost. `claim` is asked for the fixed part. -EINVAL: too small or too large, -ENOSPC.
int arena_format(void *base, uint64_t bytes, const struct arena_options *options, struct err *err);

// Attach: check the header, undo an unfinished transaction. *out is owned by the caller, who is the
// arena's one writer from before this call. -EINVAL: not an arena, or damaged; -EPROTO: another
// version; -ESTALE: another job's or of before a reboot. `err` says which, and what to do.
int arena_open(void *base, uint64_t bytes, const struct arena_options *options, struct arena **out,
               struct err *err);

// Forget the handle. An unfinished transaction stays unfinished: the next open undoes it.
void arena_close(struct arena *arena);

// The 64 bytes at a fixed place that the shm layer keeps the owner's robust mutex in; valid as soon
// as arena_format has returned, also without a handle.
void *arena_owner(void *base);

// --- transactions ---

// Apply the frees, make all changes final.
void arena_commit(struct arena *a);

// Only apply the frees: arena_log then has every entry of the transaction. Follow with
// arena_commit.
void arena_commit_prepare(struct arena *a);

// Undo all changes since the last commit.
void arena_abort(struct arena *a);

// Bytes of log left, what the commit itself will need taken off.
uint64_t arena_log_room(const struct arena *a);

// The entries of the transaction so far (for a snapshot's stream). Valid until the next touch.
struct slice arena_log(const struct arena *a);

// Undo `entries` (as arena_log gave them), newest first, in the blocks whose bit is set in `blocks`
// (NULL: everywhere); they are checked first. -EINVAL: damaged.
int arena_undo_entries(struct arena *a, struct slice entries, const uint8_t *blocks,
                       struct err *err);

// The epoch that changed blocks are marked with from now on; between transactions only.
void arena_set_epoch(struct arena *a, uint8_t epoch);
// Begin the next epoch and return it; between transactions only. After 255 of them all marks become
// 1, and the snapshot base is forgotten: the next snapshot is a full one.
uint8_t arena_next_epoch(struct arena *a);
// What arena_next_epoch will return.
uint8_t arena_epoch_behind(const struct arena *a);

// The last complete checkpoint (0: none) that an increment can build on: blocks marked with
// since_epoch or a later one have changed since its barrier. Outlives the process.
uint64_t arena_snapshot_base(const struct arena *a, uint8_t *since_epoch);
void arena_set_snapshot_base(struct arena *a, uint64_t checkpoint, uint8_t since_epoch);

uint8_t arena_block_epoch(const struct arena *a, uint64_t block);

// From now on tell `watcher` (copied); NULL: nobody any more. Between two transactions.
void arena_watch(struct arena *a, const struct arena_watcher *watcher);

// --- memory ---

// A zeroed block, 16-byte aligned (page-aligned above 2 KiB). Write it with arena_fresh in the
// transaction that made it, with arena_touch later. -ENOSPC: full; -EINVAL: above 1 GiB.
int arena_alloc(struct arena *a, uint64_t bytes, uint64_t *offset);

// Give a block of `bytes` (as it was asked for) back, at commit.
void arena_free(struct arena *a, uint64_t offset, uint64_t bytes);

// The persistent block of operator `index` (< ARENA_ROOT_COUNT): made and zeroed at the first call,
// in this transaction; found again later. -EINVAL: it exists with another size.
int arena_root(struct arena *a, uint32_t index, uint64_t bytes, uint64_t *offset);

// Bytes in live blocks (as rounded up); bytes of the heap.
uint64_t arena_used_bytes(const struct arena *a);
uint64_t arena_capacity(const struct arena *a);

// Is the structure sound: page map, free lists, slabs, roots? Changes nothing; for use after a
// crash by a wild write. -EINVAL: err says what is wrong. -ENOMEM.
int arena_check(const struct arena *a, struct err *err);

// A copy of the data part, with the bytes that mean nothing (bodies of free blocks) as zeroes: two
// arenas with the same image hold the same state. For tests. Owned by the caller (free).
uint8_t *arena_image(const struct arena *a, uint64_t *bytes);

// --- the hot path ---

#if defined(WEIR_STATE_HOOKS) || defined(WEIR_DEBUG_CHECKS)
#define ARENA_HAS_HOOK 1
// In debug builds and where tests compile core/state with it: called after each entry, before the
// change.
extern void (*arena_test_hook)(void);
#define ARENA_HOOK() (arena_test_hook ? arena_test_hook() : (void)0)
#else
#define ARENA_HOOK() ((void)0)
#endif

static inline const void *arena_at(const struct arena *a, uint64_t offset)
{
    return a->base + offset;
}

static inline uint64_t arena_word(const struct arena *a, uint64_t offset)
{
    uint64_t word;
    memcpy(&word, a->base + offset, sizeof word);
    return word;
}

static inline void arena_prefetch(const struct arena *a, uint64_t offset)
{
    __builtin_prefetch(a->base + offset);
}

// A writable pointer into a block allocated in this transaction; alloc has marked it.
static inline void *arena_fresh(struct arena *a, uint64_t offset)
{
    return a->base + offset;
}

static inline uint64_t arena_log_used(const struct arena *a)
{
#ifdef WEIR_MUTANT_4
    return (uint32_t)a->late_word;
#else
    return (uint32_t)a->header->log_word;
#endif
}

// Count an entry of `bytes`. The word holds the count twice, so one addition moves both halves. The
// store must not tear; nobody else reads it while we live, so relaxed is enough.
static inline void arena_log_count(struct arena *a, uint64_t used, uint64_t bytes)
{
    uint64_t word = (used + bytes) * UINT64_C(0x100000001);
    ARENA_BARRIER();
#ifdef WEIR_MUTANT_4
    // The compiler has moved the count behind the change.
    __atomic_store_n(&a->header->log_word, a->late_word, __ATOMIC_RELAXED);
    a->late_word = word;
#else
    __atomic_store_n(&a->header->log_word, word, __ATOMIC_RELAXED);
#endif
    ARENA_BARRIER();
    ARENA_HOOK();
}

// Log `len` bytes (1 .. any) at `offset`, mark their blocks; they may change now.
void *arena_touch(struct arena *a, uint64_t offset, uint64_t len);

// The same for 8 bytes that lie in one block.
static inline void *arena_touch8(struct arena *a, uint64_t offset)
{
    uint64_t used = arena_log_used(a);
    CHECK(a->log_bytes - used >= 16);
#ifdef WEIR_MUTANT_1
    arena_log_count(a, used, 16);
#endif
    uint64_t trailer = offset << 16 | 8;
    memcpy(a->log + used, a->base + offset, 8);
    memcpy(a->log + used + 8, &trailer, 8);
    a->epochs[offset >> ARENA_PAGE_SHIFT] = a->epoch;
#ifndef WEIR_MUTANT_1
    arena_log_count(a, used, 16);
#endif
    return a->base + offset;
}

// The same for a word that changes often in one transaction (a count, a list's head): mostly logged
// once. The offset is a multiple of 8.
static inline void *arena_touch8_once(struct arena *a, uint64_t offset)
{
    uint64_t *slot = &a->once[(offset >> 3) % ARENA_ONCE_COUNT];
    if (*slot == (a->round | offset))
        return a->base + offset;
    void *bytes = arena_touch8(a, offset);
    *slot = a->round | offset;
    return bytes;
}

// Log and store one word.
static inline void arena_store8(struct arena *a, uint64_t offset, uint64_t value)
{
    memcpy(arena_touch8(a, offset), &value, 8);
}

static inline void arena_store8_once(struct arena *a, uint64_t offset, uint64_t value)
{
    memcpy(arena_touch8_once(a, offset), &value, 8);
}

#endif
