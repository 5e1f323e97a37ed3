// datagen_parts.h: the row numbers that one subtask of datagen makes, as arithmetic progressions.
//
// A job that began anew has one: s, s + p, s + 2p .. . After a restore from a savepoint at another
// parallelism there are more: what the old subtasks had left out below the one that was ahead, and
// all behind it. Numbers come in ascending order, so event time goes on as it would have.
#ifndef WEIR_STAGES_SOURCE_DATAGEN_PARTS_H
#define WEIR_STAGES_SOURCE_DATAGEN_PARTS_H

#include <stdbool.h>
#include <stdint.h>

struct datagen_part {
    uint64_t first, step, count; // count 0: nothing is left
};

// The next numbers of all parts together, at most `most`: the longest run with one step. Taken out.
struct datagen_part datagen_parts_take(struct datagen_part *parts, int count, uint64_t most);

// What one old subtask has left.
struct datagen_left {
    struct datagen_part part;
    bool is_rest; // it goes on to the table's end; else it was left out by an older one
};

struct datagen_deal {
    const struct datagen_left *left;
    int left_count;
    uint64_t rows; // of the table
    int subtasks;  // that it is dealt out to
};

// `out` has room for left_count + 1; returns how many are this subtask's.
int datagen_parts_deal(const struct datagen_deal *deal, int subtask, struct datagen_part *out);

#endif
