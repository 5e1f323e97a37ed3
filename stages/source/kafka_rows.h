// kafka_rows.h: messages into rows of a batch: value, key, metadata.
//
// Payloads that are lines (JSON, CSV) are copied together and read many at a time; what is no line
// (a null, an empty one, one with a line's end in it) and formats that are none are read one by
// one. A message gives one row, two (a change of debezium-json), or none: a tombstone, a comment, a
// bad row.
#ifndef WEIR_STAGES_SOURCE_KAFKA_ROWS_H
#define WEIR_STAGES_SOURCE_KAFKA_ROWS_H

#include <librdkafka/rdkafka.h>

#include "core/base/buf.h"
#include "core/format/reader.h"
#include "stages/kafka/table.h"

enum {
    KAFKA_ITEMS = 1024,           // messages looked at together
    KAFKA_ROWS_BYTES = 4 << 20,   // of payload in one batch; a single message may have more
    KAFKA_SHOWN_BYTES = 64 << 10, // of a bad payload
};

struct kafka_item {              // a message, or that there is none
    rd_kafka_message_t *message; // its topic, partition and offset
    uint32_t split;
    bool is_mark; // no row comes of it: the end of the partition, or behind the wanted end
    int64_t next; // the partition's offset behind it
};

struct kafka_bad_item {
    uint32_t item;
    char reason[READER_REASON_BYTES];
};

struct kafka_rows {
    const struct kafka_table *table;
    struct reader *value, *key;        // NULL: need not be read
    struct batch value_rows, key_rows; // views of the batch in work
    struct pool scratch;               // lines and headers of the last batch
    struct reader_result result;
    struct buf text;

    // Of the last kafka_rows_read. Item i (of those it was given) has the rows first_row[i] ..
    // first_row[i + 1].
    uint32_t item_count;
    uint16_t first_row[KAFKA_ITEMS + 1];
    bool is_cut; // the last item has more rows than fit: they come first next time
    uint32_t bad_count;
    struct kafka_bad_item bad[READER_BAD_ROWS]; // ascending items
    uint32_t tombstones;
};

struct kafka_rows_input {
    const struct kafka_item *items;
    uint32_t item_count; // 1 .. KAFKA_ITEMS
    uint32_t max_rows;   // at least 1
    uint32_t skip_rows;  // of the first item's, which are consumed already
};

// The table must outlive it. 0 or -EINVAL with a text. kafka_rows_fini in either case.
int kafka_rows_init(struct kafka_rows *rows, const struct kafka_table *table, struct err *err);
void kafka_rows_fini(struct kafka_rows *rows);

// Fill the batch from the first items, as many as fit. At least one is used. Strings are valid
// until the messages go or the next call. An item whose rows do not all fit (max_rows is 1, it has
// two) gives the first only.
void kafka_rows_read(struct kafka_rows *rows, const struct kafka_rows_input *input,
                     struct batch *batch);

// No row is read from the first item, which is a bad one for `reason`.
void kafka_rows_refuse(struct kafka_rows *rows, const char *reason, struct batch *batch);

// The item that has the row.
uint32_t kafka_rows_item(const struct kafka_rows *rows, uint32_t row);

#endif
