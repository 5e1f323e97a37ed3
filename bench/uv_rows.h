// uv_rows.h: the person events of the UV job, from a seed: the same arguments give the same rows.
//
// Event time runs evenly through one day; each row is set back by up to `disorder_ms`. Dimensions
// are skewed (the cube of a uniform draw), devices uniform.
#ifndef WEIR_BENCH_UV_ROWS_H
#define WEIR_BENCH_UV_ROWS_H

#include <stdint.h>

enum { UV_DAY_MS = 86400000 };

// 2024-01-01 00:00:00 UTC, the day's begin, in milliseconds since 1970.
#define UV_DAY_START_MS INT64_C(1704067200000)

struct uv_rows {
    uint64_t rows, devices, dimensions, disorder_ms, seed;
    uint64_t next; // 0: nothing was drawn yet
};

struct uv_row {
    uint64_t device, dimension;
    uint32_t ms; // of the day
};

static inline uint64_t uv_draw(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u; // splitmix64
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static inline uint64_t uv_skewed(uint64_t draw, uint64_t limit)
{
    double u = (double)(draw >> 11) / 9007199254740992.0;
    return (uint64_t)(u * u * u * (double)limit);
}

// The next of `rows` rows; at most so many calls.
static inline struct uv_row uv_rows_next(struct uv_rows *rows)
{
    uint64_t at = rows->next++ * UV_DAY_MS / rows->rows;
    uint64_t back = rows->disorder_ms ? uv_draw(&rows->seed) % (rows->disorder_ms + 1) : 0;
    struct uv_row row = {.ms = (uint32_t)(at > back ? at - back : 0)};
    row.device = uv_draw(&rows->seed) % rows->devices;
    row.dimension = uv_skewed(uv_draw(&rows->seed), rows->dimensions);
    return row;
}

#endif
