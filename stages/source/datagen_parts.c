// datagen_parts.c: see datagen_parts.h.
#include "stages/source/datagen_parts.h"

static int smallest(const struct datagen_part *parts, int count, int but)
{
    int best = -1;
    for (int i = 0; i < count; i++)
        if (i != but && parts[i].count && (best < 0 || parts[i].first < parts[best].first))
            best = i;
    return best;
}

struct datagen_part datagen_parts_take(struct datagen_part *parts, int count, uint64_t most)
{
    int at = smallest(parts, count, -1), other = smallest(parts, count, at);
    if (at < 0)
        return (struct datagen_part){.step = 1};
    struct datagen_part run = parts[at];
    run.count = run.count < most ? run.count : most;
    if (other >= 0) {
        uint64_t until = parts[other].first - run.first;
        uint64_t below = until ? (until - 1) / run.step + 1 : 1;
        run.count = run.count < below ? run.count : below;
    }
    parts[at].first += run.count * run.step;
    parts[at].count -= run.count;
    return run;
}

int datagen_parts_deal(const struct datagen_deal *deal, int subtask, struct datagen_part *out)
{
    const struct datagen_left *left = deal->left;
    const uint64_t s = (uint64_t)subtask, p = (uint64_t)deal->subtasks, rows = deal->rows;
    const int left_count = deal->left_count, subtasks = deal->subtasks;
    uint64_t all_from = 0; // every number from here on is left
    int count = 0, dealt = 0;
    for (int i = 0; i < left_count; i++)
        if (left[i].is_rest && left[i].part.first > all_from)
            all_from = left[i].part.first;
    for (int i = 0; i < left_count; i++) {
        struct datagen_part part = left[i].part;
        if (left[i].is_rest) {
            uint64_t gap = all_from - part.first;
            uint64_t below = gap ? (gap - 1) / part.step + 1 : 0;
            part.count = part.count < below ? part.count : below;
        }
        if (part.count && dealt++ % subtasks == subtask)
            out[count++] = part;
    }
    uint64_t behind = rows > all_from ? rows - all_from : 0;
    out[count++] =
        (struct datagen_part){all_from + s, p, behind > s ? (behind - s - 1) / p + 1 : 0};
    return count;
}
