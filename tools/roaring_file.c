// roaring_file.c: a bitmap of the state as a file in Roaring's portable format, through CRoaring.
//
// Numbers of 64 bits: the count of parts as 64 bits, then for each its upper 32 bits and a bitmap
// of the lower 32 (as CRoaring's Roaring64Map and Java's Roaring64NavigableMap write it).
#include <errno.h>
#include <fcntl.h>
#include <roaring/roaring.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "core/state/bitmap.h"
#include "tools/checkpoint.h"

enum { NUMBERS = 1024 };

// The part of the set with these upper 32 bits, from *number on, which moves behind it.
static roaring_bitmap_t *read_part(const struct arena *arena, uint64_t head, uint64_t *number)
{
    const uint64_t upper = *number >> 32;
    uint32_t numbers[NUMBERS];
    size_t count = 0;
    roaring_bitmap_t *part = roaring_bitmap_create();
    CHECK(part);
    while (bitmap_next(arena, head, number) && *number >> 32 == upper) {
        numbers[count++] = (uint32_t)*number;
        if (count == NUMBERS) {
            roaring_bitmap_add_many(part, count, numbers);
            count = 0;
        }
        if (++*number == 0)
            break;
    }
    roaring_bitmap_add_many(part, count, numbers);
    return part;
}

static void append_part(const struct arena *arena, uint64_t head, uint64_t *number, struct buf *out)
{
    roaring_bitmap_t *part = read_part(arena, head, number);
    roaring_bitmap_run_optimize(part);
    size_t bytes = roaring_bitmap_portable_size_in_bytes(part);
    out->len += roaring_bitmap_portable_serialize(part, buf_reserve(out, bytes));
    roaring_bitmap_free(part);
}

// All parts behind their upper bits; returns how many.
static uint64_t append_parts(const struct arena *arena, uint64_t head, struct buf *out)
{
    uint64_t number = 0, count = 0;
    while (bitmap_next(arena, head, &number)) {
        uint32_t upper = (uint32_t)(number >> 32);
        bool is_last = upper == UINT32_MAX;
        buf_append(out, &upper, sizeof upper);
        append_part(arena, head, &number, out);
        count++;
        if (is_last)
            break;
    }
    return count;
}

static int write_file(const char *path, struct slice bytes)
{
    struct env *env = env_system();
    int fd = env->open(env, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        return fd;
    int rc = env_pwrite_all(env, fd, bytes, 0);
    int closed = env->close(env, fd);
    return rc < 0 ? rc : closed;
}

int roaring_file_write(const struct arena *arena, uint64_t head, const char *path, bool *is_64,
                       struct err *err)
{
    struct buf bytes = {0};
    uint64_t number = UINT64_C(1) << 32;
    *is_64 = bitmap_next(arena, head, &number);
    number = 0;
    if (*is_64) {
        uint64_t count = 0;
        buf_append(&bytes, &count, sizeof count);
        count = append_parts(arena, head, &bytes);
        memcpy(bytes.data, &count, sizeof count);
    } else {
        append_part(arena, head, &number, &bytes);
    }
    int rc = write_file(path, buf_slice(&bytes));
    buf_fini(&bytes);
    return rc < 0 ? err_set(err, rc, "cannot write %s: %s", path, strerror(-rc)) : 0;
}
