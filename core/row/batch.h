// batch.h: up to BATCH_ROWS rows as columns, in private memory of one task.
//
// Operators take and give batches; expressions run a column at a time. A batch owns its slot arrays
// but not the bytes of its strings: a string slice points into the source's read buffer, a ring's
// frame or a scratch pool, and is valid until the batch is filled again.
#ifndef WEIR_CORE_ROW_BATCH_H
#define WEIR_CORE_ROW_BATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/slice.h"
#include "core/row/type.h"

enum { BATCH_ROWS = 1024 };

// Kinds of changelog rows; the numbers are Flink's (RowKind.toByteValue).
enum row_kind {
    ROW_INSERT = 0,        // +I
    ROW_UPDATE_BEFORE = 1, // -U
    ROW_UPDATE_AFTER = 2,  // +U
    ROW_DELETE = 3,        // -D
};

// State of one value. An error is a value that could not be computed (1/0, a failed CAST): it
// travels like NULL and becomes a bad row only where the value is used (CASE discards the branches
// not taken).
enum value_state {
    VALUE_PRESENT = 0,
    VALUE_NULL = 1,
    VALUE_ERROR = 2, // VALUE_ERROR + enum expr_error (core/expr/expr.h)
};

struct column {
    enum type_kind kind;
    bool all_present; // every state byte of rows [0, count) is VALUE_PRESENT
    union {
        int64_t *i64;      // every kind but DOUBLE and STRING
        double *f64;       // DOUBLE
        struct slice *str; // STRING
    };
    uint8_t *state; // enum value_state, one byte a row; always allocated and always valid
};

struct batch {
    uint32_t count; // rows in use, at most BATCH_ROWS
    int column_count;
    struct column *columns;
    uint8_t *kinds; // enum row_kind a row; meaningful only when has_kinds
    bool has_kinds; // false: every row is ROW_INSERT
    // Row i was row origin[i] of the source's poll; borrowed from the head of the chain. NULL: no
    // row of this batch is a source's row.
    uint16_t *origin;
};

// Allocate arrays of BATCH_ROWS slots for each field. Freed by batch_fini. Out of memory aborts.
void batch_init(struct batch *batch, const struct schema *schema);
void batch_fini(struct batch *batch);

// A column of BATCH_ROWS slots on its own, for expression results.
void column_init(struct column *column, enum type_kind kind);
void column_fini(struct column *column);

// Bytes of one slot of the kind's array: 8, or sizeof(struct slice).
static inline size_t column_slot_bytes(enum type_kind kind)
{
    return kind == TYPE_STRING ? sizeof(struct slice) : 8;
}

// Recompute all_present from the state bytes of rows [0, count).
void column_summarize(struct column *column, uint32_t count);

// Keep the rows whose indexes are in `rows` (ascending, `count` of them), in place.
void batch_compact(struct batch *batch, const uint16_t *rows, uint32_t count);

// A view of rows [from, to) of `batch`: shares its arrays, owns only the column headers that the
// caller gives in `columns` (batch->column_count of them). Do not batch_fini it.
struct batch batch_view(const struct batch *batch, uint32_t from, uint32_t to,
                        struct column *columns);

static inline enum row_kind batch_kind(const struct batch *batch, uint32_t row)
{
    return batch->has_kinds ? (enum row_kind)batch->kinds[row] : ROW_INSERT;
}

// "+I", "-U", "+U" or "-D".
const char *row_kind_name(enum row_kind kind);

#endif
