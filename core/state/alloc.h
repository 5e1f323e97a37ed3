// alloc.h: between arena.c and alloc.c. Nobody else includes it.
#ifndef WEIR_CORE_STATE_ALLOC_H
#define WEIR_CORE_STATE_ALLOC_H

#include "core/state/arena.h"

// Make sure that bytes up to `end` are claimed. -ENOSPC.
int arena_claim(struct arena *a, uint64_t end);

// Put the pending frees into the free lists: the last part of a transaction.
void alloc_apply_frees(struct arena *a);

// Forget the pending frees.
void alloc_drop_frees(struct arena *a);

// The bytes of size class `index`, and the class of a block of `bytes` (1 ..
// ARENA_CLASS_BYTES_MAX).
uint64_t alloc_class_bytes(uint32_t index);
uint32_t alloc_class_of(uint64_t bytes);

#endif
