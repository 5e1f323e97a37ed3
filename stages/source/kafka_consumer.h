// kafka_consumer.h: a Kafka source's connection: the consumer, its one queue of messages, and the
// scout. A spare makes one and keeps it warm; the task that takes over goes on with it.
//
// Partitions are assigned by offset; the group is only where offsets are told to. What a consumer
// has read ahead is nobody's state: a new one begins at the offsets that it is given.
#ifndef WEIR_STAGES_SOURCE_KAFKA_CONSUMER_H
#define WEIR_STAGES_SOURCE_KAFKA_CONSUMER_H

#include "stages/kafka/client.h"
#include "stages/runtime/operator.h"
#include "stages/source/kafka_scout.h"

struct kafka_consumer {
    struct kafka_table table;
    struct kafka_client *client;
    rd_kafka_t *rk;           // the client's
    rd_kafka_queue_t *queue;  // of messages
    rd_kafka_queue_t *events; // of everything else: errors, commits that are done
    struct kafka_scout *scout;
    rd_kafka_resp_err_t commit_error; // of the last commit of offsets that failed; 0: none since
    int commits;                      // of offsets, on their way
};

// Connects by itself, later. 0 or -errno with a text.
int kafka_consumer_create(const struct op_context *context, struct kafka_consumer **out,
                          struct err *err);
void kafka_consumer_destroy(struct kafka_consumer *consumer); // NULL is fine

// From now on `context` hears of messages and answers; NULL: nobody does, when this returns.
void kafka_consumer_set_wake(struct kafka_consumer *consumer, const struct op_context *context);

// Read these partitions too, from their offsets; do not read them any more. 0 or -errno.
int kafka_consumer_assign(struct kafka_consumer *consumer,
                          const rd_kafka_topic_partition_list_t *list, struct err *err);
int kafka_consumer_unassign(struct kafka_consumer *consumer,
                            const rd_kafka_topic_partition_list_t *list, struct err *err);

// Tell the group these offsets. Does not wait.
void kafka_consumer_commit(struct kafka_consumer *consumer,
                           const rd_kafka_topic_partition_list_t *list);

// Does the table name a group? Only then is it told offsets, as in Flink.
bool kafka_consumer_has_group(const struct kafka_consumer *consumer);

// struct source_class's: connections made before there is anything to read.
void *kafka_consumer_warm(const struct op_context *context);
void kafka_consumer_cool(void *warm);

#endif
