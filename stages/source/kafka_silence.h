// kafka_silence.h: is a partition without rows silent, or can it just not be read?
//
// Only where the table has an idle timeout. A split without rows is asked about, a few times within
// the timeout: its leader says where it ends. It is silent while the leader answers and nothing
// lies between our position and that end. Else its silence does not go on, and when that has been
// so for a while it begins anew: who writes to it could not either, and has the whole timeout
// again.
//
// Knows source_split.rows_ms and no more of what the head makes of it. Never waits.
#ifndef WEIR_STAGES_SOURCE_KAFKA_SILENCE_H
#define WEIR_STAGES_SOURCE_KAFKA_SILENCE_H

#include <stdbool.h>
#include <stdint.h>

#include <librdkafka/rdkafka.h>

struct kafka_source;
struct op_context;

struct kafka_silence {
    int64_t timeout_ms;      // 0: nobody asks
    rd_kafka_queue_t *queue; // of answers; NULL: nobody asks
    bool is_asked;
    int64_t asked_ms, next_ms; // the question that is under way; when the next one is due
    int64_t polled_ms;
};

// The idle timeout of the source's watermark, 0: none.
int64_t kafka_silence_timeout_ms(const struct op_context *context);

// With the consumer of the source, which outlives it.
void kafka_silence_open(struct kafka_source *k);
void kafka_silence_close(struct kafka_source *k);

// At each poll, before the head looks at the splits: take answers, ask, set rows_ms.
void kafka_silence_poll(struct kafka_source *k, int64_t now_ms);

// When it must be polled again, INT64_MAX: never.
int64_t kafka_silence_next_ms(const struct kafka_source *k);

#endif
