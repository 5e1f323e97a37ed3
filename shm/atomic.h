// atomic.h: the only door to <stdatomic.h>. Explicit orders, one function an operation.
//
// Words shared between processes are plain fixed-width integers in *_layout.h; these functions are
// the only way to touch them. Every ordered access elsewhere carries a label that names its
// partner: `R1: pairs with A1 in <function>; publishes <data>`.
#ifndef WEIR_SHM_ATOMIC_H
#define WEIR_SHM_ATOMIC_H

#include <stdatomic.h>
#include <stdint.h>

// Shared words are plain integers, so the builtins are used: they are what <stdatomic.h> expands
// to.

static inline uint64_t atomic_read_u64(const uint64_t *word) // relaxed
{
    return __atomic_load_n(word, __ATOMIC_RELAXED);
}

static inline void atomic_write_u64(uint64_t *word, uint64_t value) // relaxed
{
    __atomic_store_n(word, value, __ATOMIC_RELAXED);
}

static inline uint64_t atomic_acquire_u64(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static inline void atomic_release_u64(uint64_t *word, uint64_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

static inline uint32_t atomic_read_u32(const uint32_t *word) // relaxed
{
    return __atomic_load_n(word, __ATOMIC_RELAXED);
}

static inline void atomic_write_u32(uint32_t *word, uint32_t value) // relaxed
{
    __atomic_store_n(word, value, __ATOMIC_RELAXED);
}

static inline uint32_t atomic_acquire_u32(const uint32_t *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static inline void atomic_release_u32(uint32_t *word, uint32_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

// Swap in `value`; returns what was there. Sequentially consistent; off the data path only.
static inline uint32_t atomic_exchange_u32(uint32_t *word, uint32_t value)
{
    return __atomic_exchange_n(word, value, __ATOMIC_SEQ_CST);
}

// Swap in `value` where `expected` is; false, and nothing done, where something else is.
// Sequentially consistent; off the data path only.
static inline int atomic_exchange_if_u32(uint32_t *word, uint32_t expected, uint32_t value)
{
    return __atomic_compare_exchange_n(word, &expected, value, 0, __ATOMIC_SEQ_CST,
                                       __ATOMIC_SEQ_CST);
}

// A full fence: no load after it is answered before a store in front of it is visible.
static inline void atomic_full_fence(void)
{
#ifdef __SANITIZE_THREAD__
    // TSan knows no fences; a locked instruction is one on the machines it runs on.
    uint64_t word = 0;
    __atomic_fetch_add(&word, 0, __ATOMIC_SEQ_CST);
#else
    atomic_thread_fence(memory_order_seq_cst);
#endif
}

// Tell the core that this is a spin loop.
static inline void atomic_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

#endif
