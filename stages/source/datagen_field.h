// datagen_field.h: one column of the datagen connector: its options, and its value in row n.
//
// A value is a pure function of (seed, field, row number, options), but for the kinds that Flink
// defines by the wall clock; so a position is a row number and every run with one seed is equal.
#ifndef WEIR_STAGES_SOURCE_DATAGEN_FIELD_H
#define WEIR_STAGES_SOURCE_DATAGEN_FIELD_H

#include "core/base/pool.h"
#include "core/plan/plan.h"
#include "core/row/batch.h"

// DUE: when the row was due by the table's rate: wall clock, nanoseconds of BIGINT or the
// timestamp.
enum datagen_kind { DATAGEN_RANDOM, DATAGEN_SEQUENCE, DATAGEN_DUE };

struct datagen_field {
    const char *name;
    enum datagen_kind kind;
    enum type_kind type;
    uint64_t salt;    // of this field's random numbers
    int64_t min, max; // numbers: inclusive; sequence: start and end
    double min_double, max_double;
    uint32_t length;     // of random text, in characters
    bool var_len;        // random length 1 .. length
    double null_rate;    // 0 .. 1
    int64_t max_past_ms; // timestamps around now
    bool event_time;     // timestamps that run with the row number
    int64_t start_ms;
    double ms_per_row;
    int64_t jitter_ms;  // out of order by up to so much
    const char *prefix; // pattern: prefix, digits, suffix; NULL: none
    const char *suffix;
    size_t prefix_len, suffix_len;
    int digits;                // least width, zero-padded
    uint64_t power;            // 10 to the digits
    uint32_t *alias_threshold; // zipf: alias table of alias_count entries (Walker 1977, Vose 1991)
    uint32_t *alias_other;
    uint32_t alias_count;
};

// Row numbers first, first + step, ...
struct datagen_rows {
    uint64_t first, step;
    uint32_t count;
    int64_t now_ms;       // wall clock, which random timestamps lie before
    int64_t due_start_ns; // when row 0 was due; and each row so much later than the one before
    double due_each_ns;
};

// Read the options 'fields.NAME.*' of one column. -EINVAL with a text. `pool` owns what it makes.
int datagen_field_parse(const struct plan_table *table, int column, struct pool *pool,
                        struct datagen_field *out, struct err *err);

// The table's seed: a field's values are a function of it, the column and the row's number.
void datagen_field_seed(struct datagen_field *field, int column, uint64_t seed);

// Fill rows 0 .. count-1 of `column`. Text goes to `scratch`.
void datagen_field_fill(const struct datagen_field *field, const struct datagen_rows *rows,
                        struct pool *scratch, struct column *column);

// When a row is due.
int64_t datagen_due_ns(const struct datagen_rows *rows, uint64_t row);

// How many rows the field can give: INT64_MAX, or the length of its sequence.
int64_t datagen_field_rows(const struct datagen_field *field);

#endif
