// window_rows.c: rows in: which panes take a row, and whether it is too late for all of them.
//
// A FINAL's rows are partial rows: they name their pane, and the point that they count from. It
// judges them by its own watermark, which is never ahead of what the sender had when it took the
// rows, unless the sender was idle in between: then they may be late here, and are counted as such.
#include <errno.h>
#include <stddef.h>

#include "core/time/window.h"
#include "stages/operator/window_state.h"

// Changelog: a delay arms a timer; without one each row fires.
static int after_rows(struct window *w, uint64_t pane, uint32_t count)
{
    if ((pane_at(w, pane)->fired ? w->late_ms : w->early_ms) != 0)
        return window_arm(w, pane, w->records, count);
    CHECK(count == 1); // window_push_rows is given rows one by one then
    window_begin_output(w);
    int status = window_emit_change(w, pane_at(w, pane), w->records[0]);
    return status < 0 ? status : window_push_output(w);
}

// The points of the pane from which on the rows count, into ends[]. Rows come nearly in order, so
// most have the point of the row before and need no division.
static void slice_ends_of(const struct window *w, int64_t start_ms, const struct window_rows *rows,
                          int64_t *ends)
{
    const int64_t *times =
        rows->batch->columns[w->is_final ? w->plan->key_count + 1 : w->plan->time_column].i64;
    int64_t step_ms = w->plan->step_ms, end = start_ms;
    for (uint32_t i = 0; i < rows->count; i++) {
        int64_t time = times[rows->rows[i]];
        if (w->is_final) { // it names the point
            ends[i] = time;
            continue;
        }
        time = window_local(w, time);
        if (UNLIKELY(time >= end || time < end - step_ms))
            end = time - (time - start_ms) % step_ms + step_ms;
        ends[i] = end;
    }
}

// CUMULATE: what counts for the next point is counted, the rest waits.
static int add_to_cumulate(struct window *w, uint64_t pane, const struct window_rows *rows)
{
    static _Thread_local uint16_t now[BATCH_ROWS], ahead[BATCH_ROWS];
    static _Thread_local int64_t ends[BATCH_ROWS];
    int64_t start_ms = pane_at(w, pane)->start, next_end = pane_at(w, pane)->next_end;
    uint32_t now_count = 0, ahead_count = 0;
    slice_ends_of(w, start_ms, rows, ends);
    for (uint32_t i = 0; i < rows->count; i++) {
        int64_t end = ends[i];
        ends[ahead_count] = end; // of the waiting rows only, in the end
        now[now_count] = ahead[ahead_count] = rows->rows[i];
        now_count += end <= next_end;
        ahead_count += end > next_end;
    }
    struct window_rows counted = {rows->batch, now, now_count};
    struct window_rows waiting = {rows->batch, ahead, ahead_count};
    int status = now_count ? window_accumulate(w, pane, &counted) : 0;
    return status < 0 || !ahead_count ? status : window_wait(w, pane, &waiting, ends);
}

static int add_to_pane(struct window *w, int64_t start_ms, const struct window_rows *rows)
{
    uint64_t pane;
    if (window_row_room(w) < rows->count)
        return -EAGAIN; // fewer rows at a time, then
    int status = window_pane(w, start_ms, &pane);
    if (status < 0)
        return status;
    if (w->plan->kind == WINDOW_CUMULATE)
        return add_to_cumulate(w, pane, rows);
    status = window_accumulate(w, pane, rows);
    return status < 0 || !w->emit_offset ? status : after_rows(w, pane, rows->count);
}

// Rows by pane: all rows of the first row's window, then all of the next one's that is left ...
static int add_by_start(struct window *w, const struct batch *batch, const int64_t *starts,
                        uint16_t *rows, uint32_t count)
{
    static _Thread_local uint16_t taken[BATCH_ROWS];
    while (count) {
        int64_t start = starts[rows[0]];
        uint32_t taken_count = 0, left = 0, same_count = 1;
        while (same_count < count && starts[rows[same_count]] == start)
            same_count++;
        if (same_count == count) { // mostly
            struct window_rows all = {batch, rows, count};
            return add_to_pane(w, start, &all);
        }
        for (uint32_t i = 0; i < count; i++) {
            if (starts[rows[i]] == start)
                taken[taken_count++] = rows[i];
            else
                rows[left++] = rows[i];
        }
        count = left;
        struct window_rows same = {batch, taken, taken_count};
        int status = add_to_pane(w, start, &same);
        if (status < 0)
            return status;
    }
    return 0;
}

static bool is_late(const struct window *w, int64_t start_ms)
{
    const struct window_root *root = window_root(w);
    int64_t over_ms = window_over(w, start_ms + w->plan->size_ms - 1) + w->plan->lateness_ms;
    return root->has_watermark && over_ms <= root->watermark;
}

// HOP puts a row into each window that holds it, the newest first: the slide need not divide the
// size, and a slide longer than the size leaves gaps. TUMBLE and CUMULATE put it into one.
static int push_raw_rows(struct window *w, const struct batch *batch)
{
    const struct op_window *plan = w->plan;
    static _Thread_local int64_t starts[BATCH_ROWS];
    static _Thread_local uint16_t rows[BATCH_ROWS];
    const struct column *time = &batch->columns[plan->time_column];
    int64_t stride = plan->kind == WINDOW_HOP ? plan->step_ms : plan->size_ms;
    int64_t windows = (plan->size_ms + stride - 1) / stride;
    for (int64_t nth = 0; nth < windows; nth++) {
        int64_t start = 0, stop = 0; // the stride of the row before; at first none
        bool late = false;           // the window that begins with it
        uint32_t count = 0;
        for (uint32_t i = 0; i < batch->count; i++) {
            int64_t local = window_local(w, time->i64[i]);
            if (UNLIKELY(local < start || local >= stop)) {
                start = window_start(local, plan->offset_ms, stride);
                stop = start + stride;
                late = is_late(w, start - nth * stride);
            }
            starts[i] = start - nth * stride;
            bool holds = local - starts[i] < plan->size_ms;
            bool has_time = time->state[i] == VALUE_PRESENT;
            if (nth == 0 && holds && (late || !has_time)) // the newest has gone: none takes it
                ++*w->base.context.late_rows;
            rows[count] = (uint16_t)i;
            count += has_time && holds && !late;
        }
        int status = add_by_start(w, batch, starts, rows, count);
        if (status < 0)
            return status;
    }
    return 0;
}

static int push_partial_rows(struct window *w, const struct batch *batch)
{
    static _Thread_local uint16_t rows[BATCH_ROWS];
    const struct column *times = &batch->columns[w->plan->key_count];
    uint32_t count = 0;
    for (uint32_t i = 0; i < batch->count; i++) {
        bool late = is_late(w, times[0].i64[i]);
        if (late)
            *w->base.context.late_rows += (uint64_t)times[2].i64[i];
        rows[count] = (uint16_t)i;
        count += !late;
    }
    return add_by_start(w, batch, times[0].i64, rows, count);
}

int window_push_rows(struct window *w, const struct batch *batch)
{
    return w->is_final ? push_partial_rows(w, batch) : push_raw_rows(w, batch);
}
