// split.h: watermarks of the splits of a source, and the least of them.
//
// As Flink has it (WatermarkOutputMultiplexer, WatermarksWithIdleness, SourceOperator):
//
// - a split's watermark is the greatest that its rows have given; before the first it has none and
//   holds the others where they are
// - splits that are idle or done do not count; when all are idle the greatest of them does, so that
//   it does not matter which of several became so first
// - a split that has given no row for the timeout is idle; a row of it makes it count again, before
//   that row, and what was combined never goes back (who asks takes the greatest so far)
// - time in which the task could not have read does not count as silence: while it waited for room
//   at its output, while alignment held the split back
//
// Flink keeps none of this over a restart; here the source does (operator.h).
//
// Knows no arena and no clock: what is kept, and when, is the head's to say.
#ifndef WEIR_STAGES_RUNTIME_SPLIT_H
#define WEIR_STAGES_RUNTIME_SPLIT_H

#include "stages/runtime/operator.h"

struct splits {
    // A tournament: node i has the lesser of 2i and 2i + 1, node 1 the least of all, and split s is
    // leaf `base` + s. INT64_MAX: does not count.
    int64_t *nodes;
    uint32_t base, count;
    // The run that the next row is of.
    uint32_t run, left;
    int64_t others_ms; // least of all other splits
    int64_t limit_ms;  // splits above it are ahead; INT64_MAX: none can be
    bool has_ahead;    // some were when last looked at
    // When splits were last looked at for silence, and when to look again.
    int64_t looked_ms, looked_active_ms, look_ms;
    bool is_watched; // look_ms is worth waking up for: a split may become idle by then
};

// Now, by the wall clock, and by one that stands still while the task cannot read.
struct splits_now {
    int64_t wall_ms, active_ms;
};

void splits_init(struct splits *splits);
void splits_fini(struct splits *splits);

// The array is another one, or was changed by the source.
void splits_refresh(struct splits *splits, struct source *source);

// The source was polled. Call splits_row for each of its rows, in order.
void splits_polled(struct splits *splits, struct source *source, bool has_rows, int64_t now_ms);

// The next row of the poll, which gives its split watermark_ms (INT64_MIN: nothing). Returns the
// least of all splits behind that row.
int64_t splits_row(struct splits *splits, struct source *source, int64_t watermark_ms);

// Does any split count?
static inline bool splits_any(const struct splits *splits)
{
    return splits->nodes && splits->nodes[1] != INT64_MAX;
}

// The least of those that count, else the greatest of those that are idle; INT64_MIN: none yet.
int64_t splits_combined(const struct splits *splits, const struct source *source);

// Splits without rows for timeout_ms (0: never) become idle. Cheap while it is too early for that.
// true: one did.
bool splits_look(struct splits *splits, struct source *source, const struct splits_now *now,
                 int64_t timeout_ms);

// Splits whose watermark is above limit_ms are ahead, the others are not.
void splits_limit(struct splits *splits, struct source *source, int64_t limit_ms);

#endif
