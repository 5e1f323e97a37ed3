// kafka_window.h: the messages that a Kafka source has taken from its consumer and not given yet.
//
// They are kept until their rows are committed, so after an abort the same rows come again without
// a word to the broker. Messages of a partition that has to wait are put aside, and come first when
// it goes on.
#ifndef WEIR_STAGES_SOURCE_KAFKA_WINDOW_H
#define WEIR_STAGES_SOURCE_KAFKA_WINDOW_H

#include "stages/source/kafka_rows.h"

struct kafka_aside { // of one partition
    struct kafka_item *items;
    uint32_t first, count, capacity; // items[first .. count)
};

struct kafka_window {
    struct kafka_item items[KAFKA_ITEMS];
    uint32_t at, count;         // items[at .. count) are to be given
    struct kafka_aside *asides; // one a split
    uint32_t split_count;
    uint32_t aside_count; // splits that have messages aside
};

void kafka_window_init(struct kafka_window *window);
void kafka_window_fini(struct kafka_window *window);

// There are so many splits now; never fewer.
void kafka_window_set_splits(struct kafka_window *window, uint32_t count);

static inline bool kafka_window_is_empty(const struct kafka_window *window)
{
    return window->at == window->count;
}

// All that was given is committed: forget it. The window must be empty.
void kafka_window_clear(struct kafka_window *window);

// Add one behind the others, or to what is aside. Takes the message over. Not more than KAFKA_ITEMS
// without a clear.
void kafka_window_add(struct kafka_window *window, const struct kafka_item *item, bool aside);

// What is in the window of this split waits.
void kafka_window_put_aside(struct kafka_window *window, uint32_t split);

// Fill a clear window with what is aside of the split. False: nothing was.
bool kafka_window_take_back(struct kafka_window *window, uint32_t split);

// All messages of the split go: its position has moved elsewhere.
void kafka_window_drop(struct kafka_window *window, uint32_t split);

#endif
