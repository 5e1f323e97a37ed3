// split.c: the least watermark of many splits: a step for a row, a walk up a tree for a run.
//
// While rows of one split pass, the others stand still: the least of those is asked for once a run,
// and a row costs two comparisons however many splits there are.
#include "stages/runtime/split.h"

#include <stdlib.h>

#include "core/base/check.h"

enum { LOOK_MS_MAX = 200, LOOKS_IN_TIMEOUT = 16 };

static int64_t lesser(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

void splits_init(struct splits *s)
{
    *s = (struct splits){.limit_ms = INT64_MAX};
}

void splits_fini(struct splits *s)
{
    free(s->nodes);
    splits_init(s);
}

static int64_t leaf_of(const struct source_split *split)
{
    return split->is_idle || split->is_done ? INT64_MAX : split->watermark_ms;
}

static void resize(struct splits *s, uint32_t count)
{
    uint32_t base = s->base ? s->base : 1;
    while (base < count)
        base *= 2;
    if (base != s->base) {
        free(s->nodes);
        s->nodes = malloc(2 * (size_t)base * sizeof *s->nodes);
        CHECK(s->nodes);
        s->base = base;
    }
    s->count = count;
}

void splits_refresh(struct splits *s, struct source *source)
{
    resize(s, source->split_count);
    for (uint32_t i = 0; i < s->base; i++)
        s->nodes[s->base + i] = i < s->count ? leaf_of(&source->splits[i]) : INT64_MAX;
    for (uint32_t i = s->base - 1; i >= 1; i--)
        s->nodes[i] = lesser(s->nodes[2 * i], s->nodes[2 * i + 1]);
    s->run = s->left = 0;
}

static void set_leaf(struct splits *s, uint32_t split, int64_t value)
{
    uint32_t at = s->base + split;
    for (s->nodes[at] = value; at > 1; at /= 2)
        s->nodes[at / 2] = lesser(s->nodes[at], s->nodes[at ^ 1]);
}

static int64_t least_of_others(const struct splits *s, uint32_t split)
{
    int64_t least = INT64_MAX;
    for (uint32_t at = s->base + split; at > 1; at /= 2)
        least = lesser(least, s->nodes[at ^ 1]);
    return least;
}

int64_t splits_combined(const struct splits *s, const struct source *source)
{
    int64_t greatest = INT64_MIN;
    if (splits_any(s))
        return s->nodes[1];
    for (uint32_t i = 0; i < s->count; i++) {
        const struct source_split *split = &source->splits[i];
        if (!split->is_done && split->watermark_ms > greatest)
            greatest = split->watermark_ms;
    }
    return greatest;
}

void splits_polled(struct splits *s, struct source *source, bool has_rows, int64_t now_ms)
{
    s->run = s->left = 0;
    if (source->split_count != s->count)
        s->look_ms = 0;
    if (!has_rows || source->split_count != s->count)
        splits_refresh(s, source);
    for (uint32_t i = 0; has_rows && i < source->run_count; i++) {
        CHECK(source->runs[i].split < s->count && source->runs[i].rows > 0);
        source->splits[source->runs[i].split].rows_ms = now_ms;
    }
}

int64_t splits_row(struct splits *s, struct source *source, int64_t watermark_ms)
{
    if (s->left == 0) {
        CHECK(s->run < source->run_count);
        const uint32_t split = source->runs[s->run].split;
        s->left = source->runs[s->run].rows;
        s->others_ms = least_of_others(s, split);
        if (source->splits[split].is_idle)
            s->is_watched = true;
        source->splits[split].is_idle = false;
    }
    struct source_split *split = &source->splits[source->runs[s->run].split];
    if (watermark_ms > split->watermark_ms)
        split->watermark_ms = watermark_ms;
    if (--s->left == 0) {
        set_leaf(s, source->runs[s->run].split, leaf_of(split));
        split->is_ahead = split->watermark_ms > s->limit_ms;
        s->has_ahead |= split->is_ahead;
        s->run++;
    }
    return lesser(split->watermark_ms, s->others_ms);
}

// Time that has passed since the last look is no silence of a split that was held back, or as far
// as the task could not read.
static void forgive(const struct splits *s, struct source_split *split,
                    const struct splits_now *now)
{
    int64_t passed_ms = now->wall_ms - s->looked_ms;
    int64_t lost_ms = passed_ms - (now->active_ms - s->looked_active_ms);
    if (split->rows_ms == 0)
        split->rows_ms = now->wall_ms;
    else if (s->looked_ms)
        split->rows_ms += split->is_ahead ? passed_ms : lost_ms;
    split->rows_ms = lesser(split->rows_ms, now->wall_ms);
}

// Not each time that one of many may have become idle by now.
static void set_next_look(struct splits *s, int64_t due_ms, int64_t timeout_ms)
{
    int64_t pause_ms = timeout_ms / LOOKS_IN_TIMEOUT + 1;
    if (timeout_ms == 0 || pause_ms > LOOK_MS_MAX)
        pause_ms = LOOK_MS_MAX;
    s->look_ms = s->looked_ms + pause_ms;
    s->is_watched = due_ms != INT64_MAX;
    if (s->is_watched && due_ms > s->look_ms)
        s->look_ms = due_ms;
}

bool splits_look(struct splits *s, struct source *source, const struct splits_now *now,
                 int64_t timeout_ms)
{
    int64_t due_ms = INT64_MAX;
    bool any = false;
    if (now->wall_ms < s->look_ms && now->wall_ms >= s->looked_ms)
        return false;
    for (uint32_t i = 0; i < s->count; i++) {
        struct source_split *split = &source->splits[i];
        forgive(s, split, now);
        if (split->is_idle || split->is_done || split->is_ahead || timeout_ms == 0)
            continue;
        split->is_idle = now->wall_ms - split->rows_ms >= timeout_ms;
        any |= split->is_idle;
        if (!split->is_idle)
            due_ms = lesser(due_ms, split->rows_ms + timeout_ms);
    }
    splits_refresh(s, source); // some may have come to their end besides
    s->looked_ms = now->wall_ms;
    s->looked_active_ms = now->active_ms;
    set_next_look(s, due_ms, timeout_ms);
    return any;
}

void splits_limit(struct splits *s, struct source *source, int64_t limit_ms)
{
    s->limit_ms = limit_ms;
    s->has_ahead = false;
    for (uint32_t i = 0; i < source->split_count; i++) {
        struct source_split *split = &source->splits[i];
        const bool was_ahead = split->is_ahead;
        split->is_ahead = split->watermark_ms > limit_ms && !split->is_done;
        s->has_ahead |= split->is_ahead;
        s->is_watched |= was_ahead && !split->is_ahead;
    }
}
