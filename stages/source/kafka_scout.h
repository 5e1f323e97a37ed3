// kafka_scout.h: a thread that asks the brokers what a source must know before it reads: which
// partitions there are, where each begins and ends, whether a topic is still the one that it was.
//
// The task asks a question, goes on, and takes the answer when it is there. The thread changes
// nothing but its answer.
#ifndef WEIR_STAGES_SOURCE_KAFKA_SCOUT_H
#define WEIR_STAGES_SOURCE_KAFKA_SCOUT_H

#include "stages/kafka/client.h"
#include "stages/source/kafka_positions.h"

struct kafka_question {
    int subtask, subtask_count;
    bool is_first; // begin where the table says; else at a partition's begin, and without an end
    // Partitions with a position, of which no start is wanted. NULL: none. The question owns it.
    rd_kafka_topic_partition_list_t *known;
    // Partitions of which the first and last offset is wanted. NULL: none. The question owns it.
    rd_kafka_topic_partition_list_t *lost;
};

struct kafka_found_topic {
    const char *name;
    int partition_count;
    rd_kafka_resp_err_t error;
    struct kafka_topic_id id; // of 0, 0 where the brokers do not say
};

struct kafka_range {
    const char *topic;
    int32_t partition;
    int64_t first, end; // what there is: [first, end)
};

struct kafka_answer { // everything lies in its pool
    struct pool pool;
    int rc;      // 0, or -errno with a text; then nothing else counts
    bool passes; // ask again later; else a person must mend it
    struct err err;
    struct kafka_found_topic *topics;
    int topic_count;
    struct kafka_start *starts; // this subtask's partitions that are not known
    int start_count;
    struct kafka_range *ranges; // of the lost ones
    int range_count;
};

// Brokers close connections that were silent for ten minutes.
enum { KAFKA_WARM_MS = 60000 };

struct kafka_scout;

// Client and table outlive it. 0 or -errno with a text.
int kafka_scout_create(struct kafka_client *client, const struct kafka_table *table,
                       struct kafka_scout **out, struct err *err);
// Waits for the thread, for some seconds at most. NULL is fine.
void kafka_scout_destroy(struct kafka_scout *scout);

// Call `wake` from the scout's thread when an answer is there; NULL: do not any more.
void kafka_scout_set_wake(struct kafka_scout *scout, void (*wake)(void *context), void *context);

// In a spare: ask this (without lists) now and each KAFKA_WARM_MS, for the sake of the connections
// that it needs, until somebody wants to be woken. The answers are forgotten.
void kafka_scout_keep_warm(struct kafka_scout *scout, const struct kafka_question *question);

// One question at a time: not before the answer was taken.
void kafka_scout_ask(struct kafka_scout *scout, const struct kafka_question *question);
// The caller's from now on, or NULL: not yet (or nothing was asked).
struct kafka_answer *kafka_scout_take(struct kafka_scout *scout);
bool kafka_scout_is_busy(const struct kafka_scout *scout); // asked, and not taken
void kafka_answer_free(struct kafka_answer *answer);

#endif
