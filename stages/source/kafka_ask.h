// kafka_ask.h: the questions of kafka_scout.h, asked of the brokers; the thread waits for them.
#ifndef WEIR_STAGES_SOURCE_KAFKA_ASK_H
#define WEIR_STAGES_SOURCE_KAFKA_ASK_H

#include "stages/source/kafka_scout.h"

struct kafka_ask {
    struct kafka_client *client;
    const struct kafka_table *table;
    rd_kafka_queue_t *queue; // of answers to this thread
    uint32_t is_cancelled;   // set by another thread, never cleared
};

void kafka_ask_init(struct kafka_ask *ask, struct kafka_client *client,
                    const struct kafka_table *table);
void kafka_ask_fini(struct kafka_ask *ask);

// From another thread: give up what is being waited for.
void kafka_ask_cancel(struct kafka_ask *ask);

// Answer the question; it takes as long as the brokers do, some seconds at most.
void kafka_ask_brokers(struct kafka_ask *ask, const struct kafka_question *question,
                       struct kafka_answer *answer);

// For kafka_ask_brokers: where the list's partitions begin, or end where `is_end`, by `position`
// (KAFKA_UNBOUNDED: KAFKA_NO_END), into the offsets of the list. 0; or -errno with a text, and
// *passes says whether to try again. kafka_offsets.c.
int kafka_ask_offsets(struct kafka_ask *ask, const struct kafka_position *position, bool is_end,
                      rd_kafka_topic_partition_list_t *list, struct kafka_answer *answer);

// Ask the leaders for the offsets of the list's specs or times, as the table's reader sees them.
// The event ListOffsets comes to the queue, after timeout_ms at the latest.
void kafka_request_offsets(rd_kafka_t *rk, const struct kafka_table *table,
                           rd_kafka_topic_partition_list_t *list, int timeout_ms,
                           rd_kafka_queue_t *queue);

// A request is under way to ask->queue: wait for its event, which is the caller's. NULL: it failed,
// and the answer says why.
rd_kafka_event_t *kafka_ask_wait(struct kafka_ask *ask, struct kafka_answer *answer);

// The answer is that the brokers said `code` (about the topic, if not NULL). Returns answer->rc.
int kafka_ask_refused(struct kafka_ask *ask, rd_kafka_resp_err_t code, const char *reason,
                      const char *topic, struct kafka_answer *answer);

enum { KAFKA_ASK_MS = 10000 };

#endif
