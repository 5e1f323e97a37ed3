// window_state.h: what a window operator keeps in the arena, and the parts it is made of. Private
// to the window operator's files.
//
// A pane is one window's state (of CUMULATE: of the whole day, with a point fired at each step).
// Groups are a table from the encoded key to the accumulators; distinct values get numbers from the
// pane's dictionaries and live in one bitmap a group. Everything of a pane is freed with it, in
// steps.
//
// The three phases share all of it. A PARTIAL keeps in a group's first word the rows that it has
// counted since the group was last sent, and behind each bitmap the cardinality that it sent last:
// what travels is always the difference. A FINAL's accumulators are those of a SINGLE, but for a
// distinct count, which is a plain number there because the shards are disjoint.
#ifndef WEIR_STAGES_OPERATOR_WINDOW_STATE_H
#define WEIR_STAGES_OPERATOR_WINDOW_STATE_H

#include "core/expr/zone.h"
#include "core/state/bitmap.h"
#include "core/state/dict.h"
#include "core/state/list.h"
#include "core/state/table.h"
#include "core/state/timers.h"
#include "stages/runtime/operator.h"

enum { WINDOW_MAX_DICTS = 8 };

// What is being done to the pane at the head of `due`; the order is that of the enum.
enum fire_phase { FIRE_EMIT, FIRE_REPLAY, FIRE_DROP_VALUES, FIRE_DROP_PANE };

struct window_root {        // the operator's root in the arena; zeroed at birth
    uint64_t has_watermark; // 0: none came yet
    int64_t watermark;
    uint64_t firing; // 1: panes up to `watermark` are being fired; no input until that is done
    uint64_t cursor; // of the pane being fired: groups emitted so far
    uint64_t phase;  // of the pane being fired: enum fire_phase
    struct list_cursor ahead; // of the pane being fired: waiting rows replayed so far
    uint64_t first_live;      // no pane below this index of `panes` is left
    struct table_head panes;  // 8 bytes of pane start -> 8 bytes: the pane's offset
    struct timers_head due;   // (the pane's next point - 1, the pane's offset)
};

struct pane {
    int64_t start, end;
    int64_t next_end;         // of the point that fires next; = end but for CUMULATE
    struct table_head groups; // encoded key -> accumulators
    struct table_head ahead; // CUMULATE: 8 bytes of slice end -> struct list_head of rows that wait
    uint64_t fired;          // changelog: the on-time firing is behind us
    uint64_t unsent;         // PARTIAL: rows counted that no partial row stands for yet
    struct timers_head timers; // changelog: (processing time, group index), early or late firings
    struct dict_head dicts[WINDOW_MAX_DICTS];
};

// One aggregate's place in a group's value.
struct acc_slot {
    uint32_t offset; // bytes into the value
    int dict;        // index into pane.dicts; -1: no bitmap
};

// Some rows of a batch.
struct window_rows {
    const struct batch *batch;
    const uint16_t *rows; // indexes, ascending
    uint32_t count;
};

// A group's place in the order of the keys.
struct group_order {
    uint64_t prefix; // of the key
    uint64_t index;
};

struct window {
    struct operator base;
    const struct op_window *plan;
    bool is_partial, is_final; // the phase
    const int *key_columns;    // of the input
    int *final_keys;           // owned: 0, 1 ..: those of partial rows
    bool merges; // the rows are partial rows: of a FINAL always, else see window_merge
    int64_t early_ms, late_ms; // delays of firing or, of a PARTIAL, of sending; -1: off
    uint64_t root;             // offset of struct window_root
    struct zone *zone;         // NULL: windows are cut from UTC
    struct acc_slot *slots;
    uint32_t value_bytes;
    uint32_t emit_offset; // into a group's value: its timer, and what was last emitted; 0: none
    int dict_count;
    struct batch output;
    uint64_t output_bytes; // about: keys and strings in it
    struct batch replay;   // rows that waited, on their way back in
    struct batch merged;   // partial rows that waited in a SINGLE; no columns: not needed yet
    uint64_t records[BATCH_ROWS]; // of the last window_accumulate, one a row
    struct column *one_row;       // headers for views of one row
    struct pool scratch;          // strings of the output that state may free meanwhile
    struct buf keys;              // encoded keys of one batch
    struct group_order *order;    // for inputs without an order; owned
    uint64_t order_count, order_capacity;
    uint64_t order_pane; // what `order` was made for: the pane, and its start, for an offset may
    int64_t order_start; // be given to another pane later
};

static inline const struct window_root *window_root(const struct window *w)
{
    return arena_at(w->base.context.arena, w->root);
}

// Rows that may still be counted, or groups emitted, in this transaction: what they log has a bound
// (arena.h), and the log an end.
static inline uint32_t window_row_room(const struct window *w)
{
    enum { ROW_LOG_BYTES = 4096 };
    uint64_t room = arena_log_room(w->base.context.arena);
    uint64_t beside = (uint64_t)ARENA_OP_LOG_BYTES * (uint64_t)(2 + w->plan->agg_count);
    if (room < beside + ROW_LOG_BYTES)
        return 0;
    uint64_t rows = (room - beside) / ROW_LOG_BYTES;
    return rows < BATCH_ROWS ? (uint32_t)rows : BATCH_ROWS;
}

static inline const struct pane *pane_at(const struct window *w, uint64_t pane)
{
    return arena_at(w->base.context.arena, pane);
}

// Panes live in the zone's local time, watermarks are instants. The time that a row at this instant
// has there, and the instant at which a pane's point with this last millisecond is over.
static inline int64_t window_local(const struct window *w, int64_t instant_ms)
{
    return w->zone ? zone_to_local(w->zone, instant_ms) : instant_ms;
}

static inline int64_t window_over(const struct window *w, int64_t last_ms)
{
    return w->zone ? zone_timer(w->zone, last_ms) : last_ms;
}

// Lay out the accumulators and the dictionaries of the plan. -ENOTSUP with a text.
int window_layout(struct window *w, struct err *err);

// Rows of a batch into their panes; of a changelog without a delay one row a call.
int window_push_rows(struct window *w, const struct batch *batch);

// From now on the rows that are counted are partial rows, whatever the phase (false: those of the
// phase again). Distinct counts are left out then: a SINGLE or PARTIAL counts them by their sets.
void window_merge(struct window *w, bool on);

// Where the rows that wait for a slice are in pane.ahead. Partial rows may wait in a SINGLE as
// well, after a restore from a savepoint, under a key of their own.
struct ahead_key {
    char bytes[9];
};
struct slice window_ahead_key(struct ahead_key *key, int64_t slice_end, bool partial);

// Count the rows into the pane's groups.
int window_accumulate(struct window *w, uint64_t pane, const struct window_rows *rows);

// Write aggregate `agg` of the group value at `value` into the output column's row.
void window_result(const struct window *w, int agg, uint64_t value, struct column *out,
                   uint32_t row);

// Make w->order the order of the pane's groups.
void window_sort_groups(struct window *w, uint64_t pane);

// Write the group as one more row of the output.
void window_emit_group(struct window *w, const struct pane *pane, uint64_t record);

// An empty output / give it to the next operator.
void window_begin_output(struct window *w);
int window_push_output(struct window *w);

// Has the output as many rows, or bytes of strings, as one transaction should carry?
bool window_output_is_full(const struct window *w);

// PARTIAL: put what the group has counted since it was last sent into the output (0 or 1 row), and
// mark it as sent.
void window_send_group(struct window *w, uint64_t pane, uint64_t record);

// Changelog: put what has changed of the group since it was last emitted into the output (0 to 2
// rows).
int window_emit_change(struct window *w, const struct pane *pane, uint64_t record);

// Changelog: arm the processing-time firing of the groups that have none armed.
int window_arm(struct window *w, uint64_t pane, const uint64_t *records, uint32_t count);
void window_disarm(struct window *w, uint64_t record);
// The same of one group, for this time, whatever was armed before.
int window_arm_at(struct window *w, uint64_t pane, uint64_t record, int64_t due_ms);

// Changelog, for savepoints: the time that is armed (0: none), and whether something was emitted:
// then the results of then are in row 0 of the output. And back: row 0 was emitted.
int64_t window_armed(const struct window *w, uint64_t record);
bool window_last_emitted(struct window *w, uint64_t record);
int window_set_emitted(struct window *w, uint64_t record);

// Changelog: would a firing of the group emit something?
bool window_has_change(struct window *w, uint64_t pane, uint64_t record);

// Changelog: the delay of the firing that the pane's rows arm; -1: off, 0: each row fires.
int64_t window_delay(const struct window *w, uint64_t pane);
int window_processing_time(struct operator* op, int64_t now_ms, int64_t *next_ms);

// See struct operator_class.
void window_describe(const struct operator* op, struct buf *out);
int window_visit(const struct operator* op, const struct state_visitor *visitor);

// When the pane is due next, in event time.
int64_t window_due(const struct window *w, const struct pane *pane);

// Free what the values point to besides bitmaps (strings of MIN and MAX) and the bitmaps; 1: all
// done.
int window_drop_values(struct window *w, uint64_t value, uint32_t *budget);

// The pane that starts at start_ms, made when there is none. *pane = its offset.
int window_pane(struct window *w, int64_t start_ms, uint64_t *pane);

// Let the rows (partial ones in between window_merge) wait in the pane, the i-th for the slice that
// ends at slice_ends[i].
int window_wait(struct window *w, uint64_t pane, const struct window_rows *rows,
                const int64_t *slice_ends);

// Write the group's key into the first key_count columns of the output's row.
void window_key(const struct window *w, struct slice key, struct batch *out, uint32_t row);

// Encode the keys of the rows into w->keys: equal keys are equal bytes, NULLs are equal.
void window_encode_keys(struct window *w, const struct window_rows *rows, struct slice *keys);

// --- savepoints: window_put.c, window_take.c ---

extern const struct savepoint_class window_savepoint;

// What one task keeps: see struct savepoint_class.
int window_put(const struct op_context *context, struct savepoint_writer *out, int id, bool clocks,
               struct err *err);

#endif
