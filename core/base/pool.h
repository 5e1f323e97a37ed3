// pool.h: bump allocation for things that live and die together: an AST, a plan, one batch's
// computed strings. Nothing is freed alone; reset keeps the memory for the next round.
#ifndef WEIR_CORE_BASE_POOL_H
#define WEIR_CORE_BASE_POOL_H

#include <stddef.h>

#include "core/base/slice.h"

struct pool_chunk;

struct pool {
    struct pool_chunk *first;   // owned chain of chunks
    struct pool_chunk *current; // where the next allocation goes
};

// A zeroed struct pool is empty and ready. Out of memory aborts.
void pool_fini(struct pool *pool);

// Forget every allocation, keep the chunks: a loop that resets reaches its size once.
void pool_reset(struct pool *pool);

// 16-byte aligned, not zeroed / zeroed.
void *pool_alloc(struct pool *pool, size_t bytes);
void *pool_zalloc(struct pool *pool, size_t bytes);

// A NUL-terminated copy.
char *pool_strdup(struct pool *pool, const char *text);
char *pool_strndup(struct pool *pool, const char *text, size_t len);
char *pool_printf(struct pool *pool, const char *format, ...) __attribute__((format(printf, 2, 3)));

// A copy of the bytes that lives as long as the pool.
struct slice pool_copy(struct pool *pool, struct slice bytes);

#endif
