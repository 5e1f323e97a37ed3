// slice.h: a borrowed run of bytes. It owns nothing; who made it says how long it lives.
#ifndef WEIR_CORE_BASE_SLICE_H
#define WEIR_CORE_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const char *ptr; // not NUL-terminated; may be NULL when len is 0
    uint64_t len;    // bytes
};

static inline struct slice slice_make(const void *ptr, size_t len)
{
    return (struct slice){.ptr = (const char *)ptr, .len = len};
}

// The bytes of a NUL-terminated string, without the NUL.
static inline struct slice slice_of(const char *text)
{
    return slice_make(text, strlen(text));
}

static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

// Byte-wise order, the shorter first when one is a prefix of the other: <0, 0, >0.
static inline int slice_compare(struct slice a, struct slice b)
{
    uint64_t common = a.len < b.len ? a.len : b.len;
    int order = common ? memcmp(a.ptr, b.ptr, common) : 0;
    if (order)
        return order;
    return a.len < b.len ? -1 : a.len > b.len;
}

#endif
