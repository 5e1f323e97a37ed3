// topics.h: which topics and partitions there are, and which subtask reads which.
#ifndef WEIR_STAGES_KAFKA_TOPICS_H
#define WEIR_STAGES_KAFKA_TOPICS_H

#include "core/base/pool.h"
#include "stages/kafka/client.h"

struct kafka_topic {
    const char *name;
    int partition_count;       // partitions 0 .. partition_count - 1; 0 with an error
    rd_kafka_resp_err_t error; // NO_ERROR; UNKNOWN_TOPIC_OR_PART, TOPIC_AUTHORIZATION_FAILED, ...
};

struct kafka_topics {
    struct kafka_topic *topics; // ascending names
    int count;
};

// The subtask of 0 .. subtask_count - 1 that reads a partition, as in Flink.
int kafka_subtask_of(const char *topic, int32_t partition, int subtask_count);

// The topics of the client's table as the cluster has them: each of the list (those that are not
// there with their error), or those that its pattern matches, without internal ones. Waits for a
// broker for at most timeout_ms, in the calling thread: -EHOSTUNREACH, or what is in the way
// (-EACCES), with a text. *out lies in the pool. Asked by a producer, brokers that make topics by
// themselves make one that is missing; a consumer never causes that.
int kafka_topics_find(struct kafka_client *client, int timeout_ms, struct pool *pool,
                      struct kafka_topics *out, struct err *err);

// For `weir check`: does a broker answer, is the table's topic there? Through a client of its own
// (without the spec's own settings), for at most timeout_ms. 0 or -errno with a text. A sink's
// topic may be missing, for brokers that make topics by themselves: that is said through `note`
// (NULL: nobody listens).
int kafka_check_cluster(const struct kafka_client_spec *spec, int timeout_ms,
                        void (*note)(void *context, const char *text), void *note_context,
                        struct err *err);

// The same as kafka_topics_find beside the task, in a thread of its own. One at a time.
struct kafka_lookup;

// `wake` is called from that thread when it is done; NULL: the caller looks. The client outlives
// it. 0 or -errno: no thread can be started.
int kafka_lookup_start(struct kafka_client *client, int timeout_ms, void (*wake)(void *context),
                       void *wake_context, struct kafka_lookup **out);
bool kafka_lookup_is_done(const struct kafka_lookup *lookup);

// Waits for it where it is not done (at most timeout_ms), gives what it found, into the pool, and
// frees it. NULL `out`: what it found does not matter.
int kafka_lookup_end(struct kafka_lookup *lookup, struct pool *pool, struct kafka_topics *out,
                     struct err *err);

#endif
