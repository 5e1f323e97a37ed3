// pool.c: a chain of chunks, each at least twice as large as the one before.
#include "core/base/pool.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/check.h"

enum { POOL_FIRST_BYTES = 4096, POOL_ALIGN = 16 };

struct pool_chunk {
    struct pool_chunk *next;
    size_t used;
    size_t capacity;
    _Alignas(16) char data[];
};

void pool_fini(struct pool *pool)
{
    struct pool_chunk *chunk = pool->first;
    while (chunk) {
        struct pool_chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
    *pool = (struct pool){0};
}

void pool_reset(struct pool *pool)
{
    for (struct pool_chunk *chunk = pool->first; chunk; chunk = chunk->next)
        chunk->used = 0;
    pool->current = pool->first;
}

static struct pool_chunk *add_chunk(struct pool *pool, size_t bytes)
{
    size_t capacity = pool->current ? pool->current->capacity * 2 : POOL_FIRST_BYTES;
    while (capacity < bytes)
        capacity *= 2;
    struct pool_chunk *chunk = malloc(sizeof(*chunk) + capacity);
    CHECK(chunk);
    chunk->used = 0;
    chunk->capacity = capacity;
    chunk->next = NULL;
    if (pool->current) {
        chunk->next = pool->current->next;
        pool->current->next = chunk;
    } else {
        pool->first = chunk;
    }
    return chunk;
}

void *pool_alloc(struct pool *pool, size_t bytes)
{
    bytes = (bytes + POOL_ALIGN - 1) & ~(size_t)(POOL_ALIGN - 1);
    struct pool_chunk *chunk = pool->current;
    while (chunk && chunk->capacity - chunk->used < bytes) {
        chunk = chunk->next;
        if (chunk)
            pool->current = chunk;
    }
    if (!chunk)
        chunk = add_chunk(pool, bytes);
    pool->current = chunk;
    void *out = chunk->data + chunk->used;
    chunk->used += bytes;
    return out;
}

void *pool_zalloc(struct pool *pool, size_t bytes)
{
    return memset(pool_alloc(pool, bytes), 0, bytes);
}

char *pool_strdup(struct pool *pool, const char *text)
{
    return pool_strndup(pool, text, strlen(text));
}

char *pool_strndup(struct pool *pool, const char *text, size_t len)
{
    char *out = pool_alloc(pool, len + 1);
    if (len)
        memcpy(out, text, len);
    out[len] = 0;
    return out;
}

char *pool_printf(struct pool *pool, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int needed = vsnprintf(NULL, 0, format, args);
    va_end(args);
    CHECK(needed >= 0);
    char *out = pool_alloc(pool, (size_t)needed + 1);
    va_start(args, format);
    vsnprintf(out, (size_t)needed + 1, format, args);
    va_end(args);
    return out;
}

struct slice pool_copy(struct pool *pool, struct slice bytes)
{
    return slice_make(pool_strndup(pool, bytes.ptr, bytes.len), bytes.len);
}
