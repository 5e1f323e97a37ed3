// plan.h: the one structure that everything reads: what SQL compiles to.
//
// A plan is a pure function of (SQL text, settings): the supervisor makes it to size the job, and
// each task makes it again from the text in the job's segment, so no plan is ever serialised.
#ifndef WEIR_CORE_PLAN_PLAN_H
#define WEIR_CORE_PLAN_PLAN_H

#include "core/base/err.h"
#include "core/base/pool.h"
#include "core/expr/expr.h"

struct plan_option { // one 'key' = 'value' of WITH or SET
    const char *key;
    const char *value;
};

struct plan_table { // a source or sink as CREATE TABLE declared it
    const char *name;
    const char *connector; // "filesystem", "datagen", "print", "blackhole", "kafka", "upsert-kafka"
    const struct plan_option *options;
    int option_count;
    const char *place;          // "uv.sql:3:1" of its options, for messages; NULL: nowhere
    const char **option_places; // one an option; NULL: nowhere
    // Physical and metadata columns in declared order, without computed ones. A metadata column has
    // the connector's type for it; a cast to the declared one, where it differs, follows the scan.
    struct schema physical;
    const char **metadata_keys; // one a column: the key; NULL: a physical one. NULL: none has one
    const bool *is_virtual; // one a column: METADATA ... VIRTUAL, no sink is given it. NULL: none
    const int *primary_key; // columns of `physical`, as PRIMARY KEY names them
    int primary_key_count;  // 0: no primary key
    const bool *needed; // source: columns the query reads, physical.field_count of them; NULL: all
};

// OP_ASSIGN: rows -> rows, once for each window that holds them. Its `window` has the shape, the
// time column and the zone; `keys` are the input columns that go on, and behind them come
// window_start, window_end, window_time as in OP_WINDOW.
enum op_kind { OP_SOURCE, OP_CALC, OP_WATERMARK, OP_WINDOW, OP_SINK, OP_ASSIGN };

// rows -> rows: keep where `filter` is TRUE, then compute `exprs` over the kept rows.
struct op_calc {
    struct expr *filter; // NULL: keep all
    struct expr **exprs; // one an output field
};

struct op_watermark {
    int rowtime_column;      // into the op's input
    struct expr *expr;       // over the op's input; milliseconds
    int64_t interval_ms;     // pipeline.auto-watermark-interval
    int64_t idle_timeout_ms; // scan.watermark.idle-timeout of the table, else
                             // table.exec.source.idle-timeout; 0: off
    // scan.watermark.alignment.*: splits that are further ahead of the group's smallest watermark
    // than the drift wait. NULL: no alignment.
    const char *align_group;
    int64_t align_drift_ms, align_update_ms;
};

enum window_kind { WINDOW_TUMBLE, WINDOW_HOP, WINDOW_CUMULATE };

// WINDOW_SINGLE: rows in, results out. WINDOW_PARTIAL: rows in, partial accumulators out (the local
// phase, or a shard of a distinct count). WINDOW_FINAL: partials in, results out.
enum window_phase { WINDOW_SINGLE, WINDOW_PARTIAL, WINDOW_FINAL };

enum agg_kind { AGG_COUNT_STAR, AGG_COUNT, AGG_COUNT_DISTINCT, AGG_SUM, AGG_AVG, AGG_MIN, AGG_MAX };

struct agg_call {
    enum agg_kind kind;
    int arg;          // input column of the raw rows; -1 for COUNT(*)
    int filter;       // BOOLEAN input column of the raw rows; -1: none
    int partial;      // first of this call's columns in the partial row (see partial_schema)
    struct type type; // of the result
    struct type arg_type;
};

// The input of SINGLE and PARTIAL is [time, keys..., args and filters...]; of FINAL it is the
// partial row. The result row is [keys..., window_start, window_end, window_time, aggs...]; times
// are TIMESTAMP ms; window_time = window_end - 1. Over an LTZ time attribute windows are cut from
// the local time of `zone`: window_start and window_end are local, window_time is an instant. The
// partial row is [keys..., pane_start, slice_end, rows, then for each agg: COUNT*: BIGINT count;
// SUM: the sum (BIGINT or DOUBLE, NULL when empty); AVG: sum, BIGINT count; MIN, MAX: the value].
// It stands for `rows` raw rows since the group's last partial row; slice_end is the point that
// they count from, of TUMBLE and HOP the window's end. Both are local times too.
struct op_window {
    enum window_kind kind;
    enum window_phase phase;
    bool changelog; // legacy group window: emits by emit options; else a window TVF: insert-only
    int64_t size_ms, step_ms, offset_ms; // step: slide of HOP, step of CUMULATE, = size for TUMBLE
    const char *zone;                    // of windows in local time; NULL: UTC
    int time_column;                     // of raw rows
    int key_count;
    const int *keys; // input columns of raw rows; a FINAL reads columns 0..key_count-1
    int agg_count;
    const struct agg_call *aggs;
    int64_t early_delay_ms; // -1: off; 0: per element
    int64_t late_delay_ms;  // -1: off; 0: per late row
    int64_t lateness_ms;    // allow-lateness
    struct schema partial_schema;
};

struct op {
    enum op_kind kind;
    int id;               // unique in the plan; index of the operator's root in the arena
    struct schema output; // a sink's is what it is given
    union {
        struct plan_table *table; // OP_SOURCE, OP_SINK
        struct op_calc calc;
        struct op_watermark watermark;
        struct op_window window; // OP_WINDOW, OP_ASSIGN
    };
};

enum exchange_kind { EXCHANGE_FORWARD, EXCHANGE_HASH, EXCHANGE_REBALANCE };

struct exchange {
    int from_stage, to_stage;
    enum exchange_kind kind;
    const int *hash_columns; // of the producing stage's output
    int hash_column_count;
    int64_t watermark_step_ms; // a watermark matters downstream only when floor((wm + 1 - offset) /
                               // step)
    int64_t watermark_offset_ms; // changes; 0 step: every watermark matters
    const char *reason;          // a sentence for explain
};

struct stage {
    struct op **ops; // a chain: ops[0] is a source, or reads the input exchange
    int op_count;
    int parallelism;
    int input_exchange;  // -1: begins with OP_SOURCE
    int output_exchange; // -1: ends with OP_SINK
    int first_task;      // tasks first_task .. first_task + parallelism - 1
    const char *name;    // "source: person -> calc", for people
    const char *reason;  // why this parallelism
};

struct plan {
    struct pool pool; // owns everything below
    struct stage *stages;
    int stage_count;
    struct exchange *exchanges;
    int exchange_count;
    int task_count;
    const struct plan_option *settings; // every SET of the script, merged over the given ones
    int setting_count;
    const struct plan_table *letters; // where bad rows go, SET 'dead-letter.table'; NULL: a folder
    uint64_t fingerprint;             // of everything that decides the layout of state and channels
    bool explain_only;                // the script asks for EXPLAIN: print plan_explain and stop
    const char *ast_text;             // the script as parsed, for explain
    const char *logical_text;         // the bound plan before and after optimising, for explain
    const char *optimized_text;
};

struct plan_settings {
    const char *file_name; // of the script, for messages
    struct slice sql;      // the script
    int cores;             // what `auto` parallelism may use, >= 1
};

// Parse, bind, optimise, cut into stages. On failure the text has file:line:column and a caret.
// *out is freed with plan_free.
int plan_make(const struct plan_settings *settings, struct plan **out, struct err *err);
void plan_free(struct plan *plan);

// The steps of the compilation for people, or one JSON object. Appends to `out`.
void plan_explain(const struct plan *plan, bool json, struct buf *out);

// The grid of instants on which the window's points lie, also with the lateness added: a watermark
// between two of its lines changes nothing. *offset_ms is one of its lines.
int64_t plan_window_grid(const struct op_window *window, int64_t *offset_ms);

// Does the operator ask for CURRENT_WATERMARK, so that every watermark matters to it?
bool plan_calc_reads_watermark(const struct op *op);

// The operators of the script, numbered the same at every parallelism: the phases of a window share
// a number. And a hash of what they are: state may go from one plan to another when it is the same.
int plan_logical_op(const struct plan *plan, const struct op *op);
uint64_t plan_logical_fingerprint(const struct plan *plan);

// How many there are, and the operator with a number.
int plan_logical_count(const struct plan *plan);
const struct op *plan_logical_at(const struct plan *plan, int number);

// For each operator of `from` the number of the one in `to` that its state fits, or -1: a source
// over the same place, a sink into the same place, and of the others those that are given the same
// rows and make the same of them. out has plan_logical_count(from) places.
void plan_logical_match(const struct plan *from, const struct plan *to, int *out);

// Value of a setting (exact key), or `fallback`.
const char *plan_setting(const struct plan *plan, const char *key, const char *fallback);

// "60s", "1 min", "500ms", "200 ms", "1 d": Flink's durations, to milliseconds. -EINVAL with a
// text.
int plan_duration_ms(const char *text, int64_t *out, struct err *err);

// "128MB", "1 kb", "4096": Flink's sizes (powers of 1024, at least 1), to bytes. 0 or -EINVAL.
int plan_size_bytes(const char *text, int64_t *out);

// The key of the metadata that the table's column is; NULL: a physical column.
static inline const char *plan_metadata_key(const struct plan_table *table, int column)
{
    return table->metadata_keys ? table->metadata_keys[column] : NULL;
}

// Is the column in the rows that a sink is given? Those are the columns for which it is, in order.
static inline bool plan_is_written(const struct plan_table *table, int column)
{
    return !table->is_virtual || !table->is_virtual[column];
}

// Where the table's column is in the rows that a sink is given; it is written.
static inline int plan_written_place(const struct plan_table *table, int column)
{
    int place = 0;
    for (int i = 0; i < column; i++)
        place += plan_is_written(table, i);
    return place;
}

// Does a row of the sink replace the one with its primary key, so that -U need not come?
bool plan_is_upsert(const struct plan_table *table);

// Are the table's messages changes, so that its rows may be deleted and replaced?
bool plan_is_changelog(const struct plan_table *table);

// The stage and subtask of a global task index.
static inline const struct stage *plan_stage_of(const struct plan *plan, int task, int *subtask)
{
    int s = 0;
    while (s + 1 < plan->stage_count && plan->stages[s + 1].first_task <= task)
        s++;
    *subtask = task - plan->stages[s].first_task;
    return &plan->stages[s];
}

#endif
