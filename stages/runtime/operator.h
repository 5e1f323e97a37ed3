// operator.h: what a task's chain is made of.
//
// The runtime calls an operator inside a transaction; everything the operator must remember goes to
// the arena through core/state, what it keeps in private memory must be rebuildable. After an abort
// the runtime calls `reset`, and private caches of state must be dropped.
#ifndef WEIR_STAGES_RUNTIME_OPERATOR_H
#define WEIR_STAGES_RUNTIME_OPERATOR_H

#include "core/base/buf.h"
#include "core/base/env.h"
#include "core/plan/plan.h"
#include "core/state/arena.h"

struct operator;
struct op_context;
struct savepoint_writer; // core/snapshot/savepoint.h
struct savepoint_record;
struct rd_kafka_message_s; // librdkafka's rd_kafka_message_t

// How the state of an operator or source goes into a savepoint and out of it, whatever the number
// of tasks. In the process that does it: no task runs, no clock goes on. All return 0 or -errno
// with a text; -ENOTSUP: this state cannot be carried.
struct savepoint_class {
    // What one task keeps, as records of operator `id`; `clocks`: those that come first in the
    // file (up to SAVEPOINT_WATERMARK), else the others. The arena is a copy that may be changed.
    int (*put)(const struct op_context *context, struct savepoint_writer *out, int id, bool clocks,
               struct err *err);
    // All tasks of the stage, on new arenas; *out is the class's own. Then every record of the
    // operator, and the end; `take` is given a copy to consume, and commits when the log fills.
    int (*begin)(const struct op_context *contexts, int count, void **out, struct err *err);
    int (*take)(void *restoring, struct savepoint_record *record, struct err *err);
    int (*end)(void *restoring, struct err *err);
    void (*free)(void *restoring);
};

// A set of numbers that a group counts distinct values with.
struct state_bitmap {
    const char *name; // of the aggregate
    uint64_t head;    // offset of its struct bitmap_head in the arena
};

// One group of keyed state, valid during the visit.
struct state_group {
    struct slice json; // one object: window, key, what was accumulated
    const struct state_bitmap *bitmaps;
    int bitmap_count;
};

// Called for each group; non-zero ends the visit, which returns it.
struct state_visitor {
    void *context;
    int (*group)(void *context, const struct state_group *group);
};

// Rows have killed the task, so it goes on row by row for a while: who is about to handle one says
// so first (docs/recovery.md).
struct row_trial {
    bool is_on; // else nobody need ask
    void *context;
    // This row comes next. true: it has killed the task too often; put it aside, for `reason`.
    // `text` may be empty; a row is the same when source, position and text are.
    bool (*begin)(void *context, const char *source, uint64_t position, struct slice text);
    const char *reason;
    bool is_blind; // putting it aside has killed the task too: do not even look into it
};

// What sources and sinks know of things outside of this host, for people; INT64_MIN: nothing.
struct op_outside {
    int64_t behind_rows;   // source: that there are and it has not read, as far as it knows
    int64_t kept_bytes;    // sink: of rows that it keeps until those outside have them for good
    int64_t open_since_ms; // sink: wall clock, when its open transaction was begun
    int64_t committed;     // sink: the last checkpoint whose rows are committed outside
};

static inline void op_outside_init(struct op_outside *outside)
{
    *outside = (struct op_outside){INT64_MIN, INT64_MIN, INT64_MIN, INT64_MIN};
}

// A row that could not be processed, for who keeps such rows. Valid during the call.
struct dead_letter {
    const char *source; // file; topic-partition; behind an exchange the name of the stage
    uint64_t position;  // in it; BAD_ROW_NOWHERE: not known
    const char *reason;
    struct slice text;                        // as it stands there, or as people see it
    const struct rd_kafka_message_s *message; // that it is of, whole; NULL: of none
    int task;
};

// What the task gives to each operator and source at open. Lives as long as the task.
struct op_context {
    struct env *env;
    struct arena *arena;
    const struct plan *plan;
    const struct op *op;
    const struct stage *stage;
    int subtask;        // index in the stage, 0 ..
    bool ordered_input; // one input channel: rows come in a reproducible order
    bool checkpoints;   // the job makes checkpoints: output is final when one is complete
    int64_t checkpoint_interval_ms; // from one to the next; 0: none, or not known
    bool is_restored; // the task was restored from a checkpoint: output may go beyond the state
    const char *job_name;
    struct operator* next; // where output goes; NULL for a sink or the exchange writer
    void *bad_row_context;
    // A row that cannot be processed: goes to the dead-letter output inside this transaction.
    // `source` NULL: `position` is batch->origin of the row, or BAD_ROW_NOWHERE without one; the
    // task then says which row of the input it was.
    void (*bad_row)(void *bad_row_context, const char *source, uint64_t position,
                    const char *reason, struct slice row);
    // The job must not go on, for this reason: the transaction will be aborted.
    void (*fail_job)(void *bad_row_context, const char *reason);
    // Something that a person should know, while the job goes on.
    void (*note)(void *bad_row_context, const char *text);
    const uint32_t *max_rows; // of one transaction's output, where that is long work; NULL: no less
    const struct row_trial *input_trial;  // for sources; NULL: never
    const struct row_trial *output_trial; // for what windows give; NULL: never
    uint64_t *late_rows;                  // counters to bump (plain adds; published by the task)
    uint64_t *rows_out;
    uint64_t *bytes_in, *bytes_out; // read by a source, written by a sink; NULL: nobody counts
    struct op_outside *outside;     // to be kept up to date; NULL: nobody looks
    // Something has come from outside (a broker has answered): the task polls its source and its
    // operators soon. From any thread, at any time until close. NULL: nobody sleeps.
    void (*wake)(void *wake_context);
    void *wake_context;
    // What `warm` of the same class has made in this process. Who opens takes it, and stores NULL;
    // what is left is given to `cool`. NULL, or a NULL there: nothing is warm.
    void **warm;
};

static inline void op_wake(const struct op_context *context)
{
    if (context->wake)
        context->wake(context->wake_context);
}

// For `open`: the warm thing, which is the caller's from now on, or NULL.
static inline void *op_take_warm(const struct op_context *context)
{
    void *warm = context->warm ? *context->warm : NULL;
    if (warm)
        *context->warm = NULL;
    return warm;
}

// NULL: the operator's own return code has to say it.
static inline void op_fail(const struct op_context *context, const char *reason)
{
    if (context->fail_job)
        context->fail_job(context->bad_row_context, reason);
}

static inline void op_note(const struct op_context *context, const char *text)
{
    if (context->note)
        context->note(context->bad_row_context, text);
}

#define BAD_ROW_NOWHERE UINT64_MAX

static inline void op_count_bytes(uint64_t *counter, uint64_t bytes)
{
    if (counter)
        *counter += bytes;
}

enum { OP_OUTPUTS_MAX = 50 }; // files of one operator that are not durable yet

// All return 0 or -errno. -EAGAIN: the transaction's output does not fit the rings, or its changes
// the undo log; the runtime aborts and tries again with fewer rows (context.max_rows for work).
struct operator_class {
    const char *name;
    // Before the start: are the options right, could it write where it shall? Changes nothing. A
    // text for the user if not. NULL: there is nothing to check.
    int (*check)(const struct op *op, struct err *err);
    // The same where the job makes no checkpoints: can it do without? NULL: it can.
    int (*check_without_checkpoints)(const struct op *op, struct err *err);
    int (*open)(const struct op_context *context, struct operator** out, struct err *err);
    // Handle all rows. The batch may be changed in place. Rows precede any later watermark.
    int (*push)(struct operator* op, struct batch *batch);
    // Event time has reached watermark_ms (INT64_MAX: end of input). The operator may leave long
    // work for `work`; it passes the watermark on to `next` itself, after the output that it
    // causes.
    int (*watermark)(struct operator* op, int64_t watermark_ms);
    // One bounded piece (about 1,024 output rows) of work left over. *more: call again after a
    // commit. NULL: the operator never leaves work.
    int (*work)(struct operator* op, bool *more);
    // Processing time: fire what is due at now_ms; *next_ms = when to call again (INT64_MAX:
    // never).
    int (*processing_time)(struct operator* op, int64_t now_ms, int64_t *next_ms);
    // Somebody has called op_wake: take in what has come from outside, in a transaction of its own
    // (none where nothing changes). Never waits. NULL: nothing ever comes.
    int (*poll)(struct operator* op);
    // false: take no input for now; op_wake says when to ask again. Barriers and timers go on. Only
    // for what will get better by itself: never for what a checkpoint must free. NULL: always.
    bool (*has_room)(const struct operator* op);
    // Keep a dead letter, in the open transaction: of the class that chain_letters_class gives
    // only.
    int (*put_letter)(struct operator* op, const struct dead_letter *letter);
    int (*before_commit)(struct operator*
                         op); // flush what must be outside before the commit (may be NULL)
    void (*after_commit)(struct operator* op); // NULL: nothing
    // The barrier of a checkpoint has come: what was written so far belongs to it. In the
    // transaction that passes it on. NULL: nothing.
    int (*barrier)(struct operator* op, uint64_t checkpoint);
    // The checkpoint is complete: make final what belongs to it. In a transaction of its own. NULL:
    // nothing.
    int (*complete)(struct operator* op, uint64_t checkpoint);
    // Is everything final outside that the newest complete checkpoint allows? false: it is on its
    // way, or who takes it is away. NULL: always.
    bool (*is_settled)(const struct operator* op);
    // With checkpoints, when all input is handled: make the output's bytes durable and append, to
    // `renames`, the lines "from<TAB>to" that will make it final (see store.h). In a transaction.
    // NULL: nothing.
    int (*prepare_finish)(struct operator* op, struct buf *renames, struct err *err);
    // Files whose bytes must be durable before a snapshot counts, into fds[OP_OUTPUTS_MAX]; returns
    // how many. Another thread makes them so: the task does not wait. NULL: none.
    int (*output_fds)(const struct operator* op, int *fds);
    // The folder whose names must be durable with it; -1 or NULL: none.
    int (*folder_fd)(const struct operator* op);
    // Append `"name":value` members, JSON: where it stands, for people. NULL: nothing.
    void (*describe)(const struct operator* op, struct buf *out);
    // Visit the groups of its keyed state, in the order in which they came; changes nothing. For
    // tools, on a restored copy of the arena. NULL: it keeps none.
    int (*visit)(const struct operator* op, const struct state_visitor *visitor);
    // After the end of input, all committed. What is not settled then (a stop does not wait for
    // ever) is in the last checkpoint, and settled by the run that goes on from there. May be NULL.
    int (*finish)(struct operator* op, struct err *err);
    void (*reset)(struct operator* op); // after an abort: forget private views of state
    void (*close)(struct operator* op);
    // In a process that waits as a spare: connect to what `open` will need, without a trace there
    // and without waiting. context->arena is NULL. What it returns (NULL: nothing) is handed to
    // `open` through context->warm, or to `cool`.
    void *(*warm)(const struct op_context *context);
    void (*cool)(void *warm);
    const struct savepoint_class *savepoint; // NULL: it keeps nothing that a savepoint must carry
};

struct operator
{ // the head of every operator's private struct
    const struct operator_class *class;
    struct op_context context;
};

static inline int operator_push(struct operator* op, struct batch *batch)
{
    return batch->count ? op->class->push(op, batch) : 0;
}

static inline int operator_watermark(struct operator* op, int64_t watermark_ms)
{
    return op->class->watermark(op, watermark_ms);
}

extern const struct operator_class calc_class, window_class, window_assign_class, not_null_class,
    row_guard_class, upsert_class, print_class, blackhole_class, file_sink_class, kafka_sink_class,
    kafka_letters_class;

// --- sources: the head of a chain ---

struct bad_row {
    uint32_t rows_before; // batch rows that come before it
    uint64_t position;    // byte offset in its file, offset in its partition
    const char *source;   // file name; topic-partition
    const char *reason;
    struct slice row;
    // The message that the row is of, until the next poll; NULL: it is of none.
    const struct rd_kafka_message_s *message;
};

// Where a row of the last poll came from.
struct row_place {
    const char *source; // file name; topic-partition
    uint64_t position;  // byte offset in its file, offset in its partition, else the row's number
    struct slice text;  // as it stands there; empty: nowhere
    const struct rd_kafka_message_s *message; // as in struct bad_row
};

enum source_status { SOURCE_ROWS, SOURCE_IDLE, SOURCE_END };

// What a poll found. SOURCE_IDLE: nothing now, ask again at retry_ms. SOURCE_END: nothing ever
// again.
struct source_poll {
    enum source_status status;
    int64_t retry_ms; // wall clock
    int64_t retry_ns; // from now, where it is known better; 0: retry_ms says it
};

// A source whose rows come from several ordered places (partitions) has a watermark for each: the
// task's is the least of those that are neither idle nor done, as in Flink. The source keeps the
// array; the head of the task (task_split.c) reads and changes it between `poll` and `advance`,
// which puts what is kept into the arena: watermark_ms, is_idle, is_done. `reset` brings that back
// and leaves the rest as it is. A new split is {INT64_MIN, 0, false ...}; the array may move, but
// a split keeps its index until `reset`.
struct source_split {
    int64_t watermark_ms; // INT64_MIN: none yet
    int64_t rows_ms;      // wall clock, when it last gave rows; the head's, but a source that knows
                          // of rows which wait may set it too; 0: the head has not looked yet
    bool is_idle;         // does not hold back the others
    bool is_ahead;        // of alignment: the source gives no more rows of it for now
    bool is_done;         // nothing ever again; the source says so when its last row is consumed
};

// Rows of the last poll that come from one split, in order.
struct source_run {
    uint32_t rows;  // at least 1
    uint32_t split; // index into splits
};

struct source {
    const struct source_class *class;
    struct op_context context;
    // NULL: all rows are of one place, and the task keeps the one watermark. A source with splits
    // has an array from `open` on, also while none of them is its own.
    struct source_split *splits;
    uint32_t split_count;
    const struct source_run *runs; // of the last poll; together all its rows
    uint32_t run_count;
    const struct bad_row *bad_rows; // of the last poll, ascending rows_before
    int bad_row_count;
    // SOURCE_IDLE came because this subtask has read all that there is for it. With splits: it
    // knows which there are. Without any then, it holds nobody back.
    bool has_caught_up;
};

struct source_class {
    const char *name;
    // Before the start: are the options right, is what they name there? A text for the user if not.
    int (*check)(const struct plan_table *table, struct err *err);
    int (*open)(const struct op_context *context, struct source **out, struct err *err);
    // Fill the batch (needed physical columns, at most max_rows) from the private read position.
    int (*poll)(struct source *source, struct batch *batch, uint32_t max_rows,
                struct source_poll *out, struct err *err);
    // Inside a transaction: the first `rows` rows of the last polled batch are consumed; put the
    // position after them into the arena. 0: none of them, but splits may have changed.
    int (*advance)(struct source *source, uint32_t rows);
    // Row `row` of the last polled batch, before the next poll. NULL: nobody can tell.
    void (*place)(const struct source *source, uint32_t row, struct row_place *out);
    void (*reset)(struct source *source); // after an abort: read again from the arena's position
    // Append `"name":value` members, JSON: its committed position, for people. NULL: nothing.
    void (*describe)(const struct source *source, struct buf *out);
    // The barrier of a checkpoint has been passed on: what is committed now belongs to it. NULL:
    // nothing.
    void (*barrier)(struct source *source, uint64_t checkpoint);
    // A checkpoint is complete: tell those outside who like to know. NULL: nobody.
    void (*complete)(struct source *source, uint64_t checkpoint);
    void (*close)(struct source *source);
    void *(*warm)(const struct op_context *context); // as of an operator
    void (*cool)(void *warm);
    const struct savepoint_class *savepoint; // NULL: its position cannot be carried
};

extern const struct source_class file_source_class, datagen_class, kafka_source_class;

#endif
