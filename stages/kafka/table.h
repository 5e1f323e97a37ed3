// table.h: what CREATE TABLE says of a Kafka table, typed: what a source and a sink of it need to
// know. core/sql has checked names and values of the options; here they become numbers and lists,
// and what only hangs together as a whole is checked.
//
// Nothing in it is resolved or secret: properties are as written, `${file:...}` included.
#ifndef WEIR_STAGES_KAFKA_TABLE_H
#define WEIR_STAGES_KAFKA_TABLE_H

#include "core/format/options.h"
#include "core/plan/plan.h"

// Where a partition is read from, or up to, before there is a position in the arena.
enum kafka_point {
    KAFKA_GROUP,     // the group's committed offset; without one, `reset`
    KAFKA_EARLIEST,  // start only
    KAFKA_LATEST,    // as of when the source opens for the first time
    KAFKA_TIMESTAMP, // the first message at or after `timestamp_ms`; none: the end
    KAFKA_OFFSETS,   // those of `offsets`; start: other partitions as KAFKA_GROUP; bound: others
                     // have none
    KAFKA_UNBOUNDED, // bound only
};

struct kafka_offset {
    int32_t partition;
    int64_t offset; // of the next message to read; a bound: of the first not to read
};

struct kafka_position {
    enum kafka_point point;
    int64_t timestamp_ms;
    struct kafka_offset *offsets; // ascending partitions, of the one topic
    int offset_count;
};

// What a policy says to do when the wanted offset is not there any more (or never was).
enum kafka_reset { KAFKA_RESET_FAIL, KAFKA_RESET_EARLIEST, KAFKA_RESET_LATEST };

enum kafka_guarantee { KAFKA_NONE, KAFKA_AT_LEAST_ONCE, KAFKA_EXACTLY_ONCE };

enum kafka_partitioner {
    KAFKA_BY_KEY,      // 'default': murmur2 of the key as Java's client; without a key by batches
    KAFKA_FIXED,       // subtask % number of partitions
    KAFKA_ROUND_ROBIN, // refused with key fields
};

enum kafka_metadata {
    KAFKA_META_TOPIC,          // STRING; writable when `topics` is a list or a pattern
    KAFKA_META_PARTITION,      // INT, read only
    KAFKA_META_HEADERS,        // STRING: core/format/headers.h; writable
    KAFKA_META_LEADER_EPOCH,   // INT or NULL, read only
    KAFKA_META_OFFSET,         // BIGINT, read only
    KAFKA_META_TIMESTAMP,      // TIMESTAMP_LTZ(3); writable
    KAFKA_META_TIMESTAMP_TYPE, // STRING: "NoTimestampType", "CreateTime", "LogAppendTime"; read
                               // only
    KAFKA_META_COUNT,
};

// The key or the value of a message. A batch for its reader or writer is a view: column i of the
// format is column source_columns[i] of a source's batch or sink_columns[i] of a sink's.
struct kafka_part {
    bool is_present; // the value always is; the key when it has columns
    struct format_options format;
    struct schema schema; // as the format sees it: names without the prefix
    bool *needed;         // source: for reader_create
    int needed_count;     // of them; 0: the part need not be read
    int *columns;         // of the plan_table's `physical`, one a field
    int *source_columns;  // one a needed field: its place in the source's batch
    int *sink_columns;    // one a field: its place in the sink's batch
};

struct kafka_property { // one properties.*
    const char *key;    // without "properties."
    const char *value;  // as written
    const char *option; // with it
};

struct kafka_table {
    struct pool pool; // owns everything below; what the plan_table owns is borrowed from it
    const char *name;
    bool is_upsert;      // upsert-kafka: a row replaces the one of its key, -D is a tombstone
    bool is_changelog;   // the value's format says what was changed: debezium-json
    const char **topics; // NULL with a pattern
    int topic_count;
    const char *topic_pattern; // Java's regular expression, of whole names; NULL: `topics`
    struct kafka_property *properties;
    int property_count;
    const char *servers;  // properties.bootstrap.servers
    const char *group_id; // properties.group.id, or weir-<job>-<table>

    struct kafka_part key, value;
    // Columns of a source's and a sink's batch by enum kafka_metadata; -1: not wanted.
    int source_metadata[KAFKA_META_COUNT];
    int sink_metadata[KAFKA_META_COUNT];
    bool is_value_without_key; // value.fields-include is EXCEPT_KEY

    // source
    struct kafka_position start, bound;
    enum kafka_reset reset; // properties.auto.offset.reset: the group has no offset
    enum kafka_reset lost;  // scan.lost-offsets: the position in the arena is gone
    int64_t discovery_ms;   // of topics and partitions; 0: never
    const char *bad_rows;   // 'bad-rows' of the table; NULL: not said

    // sink
    enum kafka_guarantee guarantee;
    const char *transactional_id_prefix; // or weir-<job>-<table>
    enum kafka_partitioner partitioner;
    uint64_t buffer_max_bytes; // sink.buffer.max-bytes: rows that wait for the broker
    bool repeats_on_rollback;  // sink.on-rollback = repeat
};

// Read the table's options. 0, or -EINVAL with a text that begins with the option it is about, in
// quotes ("'scan.startup.mode': ..."). kafka_table_fini frees `out` in either case. The table must
// outlive it.
int kafka_table_parse(const struct plan_table *table, const char *job_name, struct kafka_table *out,
                      struct err *err);
// What only a sink must have: one topic or a column that says it. 0, or -EINVAL as above.
int kafka_table_check_sink(const struct kafka_table *table, struct err *err);
void kafka_table_fini(struct kafka_table *table);
// The same, but what it points to stays for good: a thread that cannot be ended may read it.
void kafka_table_leave(struct kafka_table *table);

#endif
