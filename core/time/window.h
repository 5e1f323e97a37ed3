// window.h: which windows a timestamp falls into. Pure arithmetic on int64 milliseconds; negative
// times and offsets are right, because every rounding is towards minus infinity (floorMod).
//
// A window is [start, end); its max timestamp is end - 1. Times are assumed to be within +-2^61 ms,
// so sums do not overflow (a TIMESTAMP of the years 1 .. 9999 is well inside).
#ifndef WEIR_CORE_TIME_WINDOW_H
#define WEIR_CORE_TIME_WINDOW_H

#include <stdint.h>

#include "core/base/check.h"

// Remainder with the sign of the divisor: 0 <= result < divisor. `divisor` > 0.
static inline int64_t window_floor_mod(int64_t value, int64_t divisor)
{
    int64_t rest = value % divisor;
    return rest < 0 ? rest + divisor : rest;
}

// Quotient rounded towards minus infinity. `divisor` > 0.
static inline int64_t window_floor_div(int64_t value, int64_t divisor)
{
    return (value - window_floor_mod(value, divisor)) / divisor;
}

// Start of the window of `size_ms` that holds `ts`, windows aligned to `offset_ms`.
// Flink: TimeWindow.getWindowStartWithOffset.
static inline int64_t window_start(int64_t ts, int64_t offset_ms, int64_t size_ms)
{
    return ts - window_floor_mod(ts - offset_ms, size_ms);
}

// The slices that a window is put together from. HOP: gcd(size, slide) long, so that every window
// is a whole number of slices whether or not the slide divides the size; CUMULATE: step long.
int64_t window_gcd(int64_t a, int64_t b);

// --- CUMULATE(step, size): windows [start, start + k * step), k = 1 .. size / step ---

// End of the slice of `ts`: the end of the smallest cumulative window that holds it.
static inline int64_t window_cumulate_slice_end(int64_t ts, int64_t offset_ms, int64_t step_ms)
{
    return window_start(ts, offset_ms, step_ms) + step_ms;
}

// Number of cumulative windows that hold `ts`: slice end, slice end + step, ... up to start + size.
static inline int64_t window_cumulate_count(int64_t ts, int64_t offset_ms, int64_t step_ms,
                                            int64_t size_ms)
{
    int64_t end = window_start(ts, offset_ms, size_ms) + size_ms;
    return (end - window_cumulate_slice_end(ts, offset_ms, step_ms)) / step_ms + 1;
}

// --- HOP(slide, size): windows [k * slide + offset, + size) ---

// Start of the last window that holds `ts`; the earlier ones start `slide_ms` before one another.
static inline int64_t window_hop_last_start(int64_t ts, int64_t offset_ms, int64_t slide_ms)
{
    return window_start(ts, offset_ms, slide_ms);
}

// Number of windows that hold `ts`; 0 when the slide is longer than the size and ts is in a gap.
static inline int64_t window_hop_count(int64_t ts, int64_t offset_ms, int64_t slide_ms,
                                       int64_t size_ms)
{
    int64_t last = window_hop_last_start(ts, offset_ms, slide_ms);
    int64_t reach = last + size_ms - ts; // > 0: the last window still holds ts
    return reach <= 0 ? 0 : (reach - 1) / slide_ms + 1;
}

// --- watermarks ---

// A watermark w says: no row with ts <= w is to come. A window [start, end) is complete at w >= end
// - 1.
static inline int window_is_complete(int64_t end_ms, int64_t watermark_ms)
{
    return watermark_ms >= end_ms - 1;
}

// The number of the grid line of `step_ms` that a watermark has passed: it matters to windows that
// begin and end on that grid only when this number grows.
static inline int64_t window_grid_index(int64_t watermark_ms, int64_t offset_ms, int64_t step_ms)
{
    if (watermark_ms > INT64_MAX / 4 || watermark_ms < INT64_MIN / 4) // MAX and "none yet"
        return watermark_ms > 0 ? INT64_MAX : INT64_MIN;
    return window_floor_div(watermark_ms + 1 - offset_ms, step_ms);
}

#endif
