// kafka_source.h: the parts of the Kafka source share this; nobody else includes it.
//
// kafka_source.c polls and advances, kafka_outside.c takes in what the brokers have answered and
// tells them what they like to know, kafka_savepoint.c carries positions from job to job.
#ifndef WEIR_STAGES_SOURCE_KAFKA_SOURCE_H
#define WEIR_STAGES_SOURCE_KAFKA_SOURCE_H

#include "stages/runtime/operator.h"
#include "stages/source/kafka_consumer.h"
#include "stages/source/kafka_silence.h"
#include "stages/source/kafka_window.h"

// What the process knows of a partition besides its position.
struct kafka_split {
    char *name;             // "topic-partition", owned
    const void *rkt;        // librdkafka's topic of its messages; NULL: none has come
    int64_t fetched;        // the next offset that is taken from the consumer
    bool is_assigned;       // to the consumer
    bool is_paused;         // there: it is ahead, or done
    bool is_lost;           // its offset is not there: the scout is asked what is
    int64_t barrier_offset; // at the last barrier
    int64_t gone_since_ms;  // its topic or it is not there; 0: it is
    // kafka_silence.c: when its leader last said that there is no more than what was read; for how
    // long that has been too long ago; the position when that was last looked at.
    int64_t heard_ms, unheard_ms, asked_offset;
};

struct kafka_source {
    struct source base; // must be first
    struct kafka_consumer *consumer;
    struct kafka_positions positions;
    struct kafka_split *splits; // positions.count of them, as base.splits
    uint32_t split_capacity;
    struct kafka_window window;
    struct kafka_rows rows;

    // The last poll: items window.items[base_item ..], rows.item_count of them.
    uint32_t polled_from, polled_rows;
    uint32_t skipped_rows; // of the first item, consumed before the poll
    uint32_t last_split;
    const char *given_up; // why the first item is put aside; NULL: it is not
    struct source_run runs[BATCH_ROWS];
    struct bad_row bad_rows[READER_BAD_ROWS];
    uint64_t bytes_before[KAFKA_ITEMS + 1]; // of payloads, of the items of the poll
    double item_bytes;                      // what a message has, about

    // Outside.
    struct kafka_silence silence;
    bool is_verified; // the topics are those that the positions are of
    int64_t opened_ms, next_look_ms, next_commit_ms;
    int64_t told_ms;          // when it was last found out how much there is to read
    bool has_uncommitted;     // offsets that the group was not told
    uint64_t barrier;         // the checkpoint that barrier_offset is of
    int64_t missing_since_ms; // a topic of the list has never been there; 0: none is
};

enum {
    KAFKA_RETRY_MS = 1000,  // a question that could not be answered
    KAFKA_COMMIT_MS = 5000, // without checkpoints
    KAFKA_TELL_MS = 500,
    KAFKA_GRACE_MS = 30000, // a topic that is not there may come back: brokers restart
};

#define KAFKA_NEVER_MS INT64_MAX

// Take in what has come. 1: the arena has changed, commit before anything is read; 0; or -errno.
int kafka_outside_poll(struct kafka_source *k, int64_t now_ms, struct err *err);

// Behind each look for messages, before they are taken: was a topic made anew that they may be of?
// 0 or -errno.
int kafka_outside_look_for_remade(struct kafka_source *k, struct err *err);

// A message that is none: what the consumer has to say of its partition or of itself. `split` -1:
// of itself. 0 or -errno.
int kafka_outside_error(struct kafka_source *k, const rd_kafka_message_t *message, int split,
                        struct err *err);

// The job must not go on. Returns -EBADMSG.
int kafka_fail(struct kafka_source *k, struct err *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// Tell the group: what is committed, or what was at the last barrier.
void kafka_outside_commit(struct kafka_source *k, bool at_barrier);

// Now and then: how much is there that was not read, as far as brokers have said?
void kafka_outside_tell(struct kafka_source *k, int64_t now_ms);

// When the source must be asked again, if nobody wakes it before.
int64_t kafka_outside_next_ms(const struct kafka_source *k);

// Private views of partitions [from, positions.count) that were added.
void kafka_splits_grow(struct kafka_source *k);
// A split's place in the arena has changed otherwise than by advance.
void kafka_split_load(struct kafka_source *k, uint32_t split);

extern const struct savepoint_class kafka_savepoint;

#endif
