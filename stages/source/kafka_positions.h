// kafka_positions.h: which partitions a Kafka source reads and how far it came in each, in the
// arena.
//
// A list in order of discovery that only grows, so a partition's index is that of its split. An
// entry is a block of its own: {next, partition, topic bytes, end, topic id, lost, place, topic}.
// Only the place changes with every batch.
#ifndef WEIR_STAGES_SOURCE_KAFKA_POSITIONS_H
#define WEIR_STAGES_SOURCE_KAFKA_POSITIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/state/arena.h"

#define KAFKA_NO_END INT64_C(-1)

struct kafka_topic_id { // 0, 0: not known
    uint64_t high, low;
};

// How far a partition is read. All of it changes together.
struct kafka_place {
    int64_t offset;       // of the next message
    int64_t rows;         // of that message that are consumed already
    int64_t watermark_ms; // INT64_MIN: none yet
    int64_t is_idle;
};

struct kafka_entry {   // the private view of one partition
    const char *topic; // owned by the positions, one string a topic
    int32_t partition;
    int64_t end; // the first offset that is not read, KAFKA_NO_END: none
    struct kafka_topic_id id;
    uint64_t block;           // in the arena
    struct kafka_place place; // as the arena has it
};

// What is known of a partition before it is read.
struct kafka_start {
    const char *topic; // copied
    int32_t partition;
    int64_t end;
    struct kafka_topic_id id;
    struct kafka_place place;
};

struct kafka_positions {
    struct arena *arena;
    uint64_t root;
    bool has_started; // where to begin has been found out: partitions that come later are new ones
    struct kafka_entry *entries;
    int count, capacity;
    char **topics; // owned
    int topic_count;
};

// Find what the arena knows. In a transaction: a first call makes the root. 0 or -errno.
int kafka_positions_open(struct kafka_positions *positions, struct arena *arena,
                         uint32_t root_index);
void kafka_positions_close(struct kafka_positions *positions);

// Make the private view again from the arena: after an abort.
void kafka_positions_reload(struct kafka_positions *positions);

// These change the arena in a transaction.
int kafka_positions_add(struct kafka_positions *positions, const struct kafka_start *start);
void kafka_positions_mark_started(struct kafka_positions *positions);
void kafka_positions_identify(struct kafka_positions *positions, int index,
                              struct kafka_topic_id id);
// Stores what differs.
void kafka_positions_set(struct kafka_positions *positions, int index,
                         const struct kafka_place *place);
// `count` more messages of the partition are gone for good.
void kafka_positions_lose(struct kafka_positions *positions, int index, int64_t count);

// `count` more messages were of the kind that stands for no row: tombstones.
void kafka_positions_skip(struct kafka_positions *positions, uint32_t count);
uint64_t kafka_positions_skipped(const struct kafka_positions *positions);

int64_t kafka_positions_lost(const struct kafka_positions *positions, int index);

// The index of a partition, or -1.
int kafka_positions_find(const struct kafka_positions *positions, const char *topic,
                         int32_t partition);

static inline bool kafka_entry_is_done(const struct kafka_entry *entry)
{
    return entry->end != KAFKA_NO_END && entry->place.offset >= entry->end;
}

#endif
