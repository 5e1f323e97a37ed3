// expr.h: bound, typed expressions, and their evaluation a column at a time.
//
// The binder builds trees with the constructors below, which resolve overloads, insert implicit
// casts and derive types as Flink does; the runtime compiles a tree once and evaluates it batch by
// batch without allocation per row. NULL follows SQL's three-valued logic. A value that cannot be
// computed is an error *value* (see batch.h): AND/OR/CASE/COALESCE may discard it.
#ifndef WEIR_CORE_EXPR_EXPR_H
#define WEIR_CORE_EXPR_EXPR_H

#include "core/base/err.h"
#include "core/base/pool.h"
#include "core/row/batch.h"

// Why a value could not be computed; state byte = VALUE_ERROR + this.
enum expr_error {
    EXPR_ERROR_DIVISION_BY_ZERO,
    EXPR_ERROR_OVERFLOW,
    EXPR_ERROR_CAST,
    EXPR_ERROR_ARGUMENT,
};

// "division by zero", ...: for the dead-letter reason.
const char *expr_error_text(enum expr_error error);

enum expr_kind { EXPR_COLUMN, EXPR_LITERAL, EXPR_CALL };

struct expr_function; // one resolved overload; private to core/expr

struct expr {
    enum expr_kind kind;
    struct type type;
    int column;                           // EXPR_COLUMN: index into the input schema
    bool is_null;                         // EXPR_LITERAL
    int64_t i64;                          // EXPR_LITERAL of a slot kind but DOUBLE
    double f64;                           // EXPR_LITERAL DOUBLE
    struct slice str;                     // EXPR_LITERAL STRING
    const struct expr_function *function; // EXPR_CALL
    struct expr **args;
    int arg_count;
    int node_count; // of expr_node_count; 0: not counted yet
};

// --- building (everything lives in `pool`) ---

struct expr *expr_column(struct pool *pool, int column, struct type type);
struct expr *expr_null(struct pool *pool);
struct expr *expr_bool(struct pool *pool, bool value);
struct expr *expr_int(struct pool *pool, int64_t value); // INT when it fits, else BIGINT
struct expr *expr_double(struct pool *pool, double value);
struct expr *expr_string(struct pool *pool, struct slice value);
struct expr *expr_typed(struct pool *pool, struct type type,
                        int64_t value); // DATE, TIMESTAMP, INTERVAL ...

// What a call is made of: `count` typed expressions, borrowed.
struct expr_args {
    struct expr **items;
    int count;
};

// Resolve a function or operator by its SQL name, case ignored, over typed arguments, and build the
// call. Operators go by symbol or keyword: "+" "-" "*" "/" "%" (unary minus is "-" with one
// argument),
// "=" "<>" "<" "<=" ">" ">=" "AND" "OR" "NOT" "IS NULL" "IS NOT NULL" "IS TRUE" "IS NOT TRUE"
// "IS FALSE" "IS NOT FALSE" "IS UNKNOWN" "IS NOT UNKNOWN" "IS DISTINCT FROM" "IS NOT DISTINCT FROM"
// "LIKE" (2 or 3 args: escape) "NOT LIKE" "SIMILAR TO" "IN" (value, list...) "NOT IN"
// "BETWEEN" (value, low, high) "NOT BETWEEN" "CASE" (when, then, when, then, ..., else)
// "COALESCE" "NULLIF" "IF" "||"; EXTRACT is "EXTRACT" with the unit as a string literal first,
// FLOOR/CEIL of time likewise with the unit as a string literal second; TRIM is "TRIM" (mode
// literal, what, from). -ENOENT: no such function (the text suggests one); -EINVAL: the arguments
// do not fit (the text says which are accepted). The text has no position: the caller puts it in
// front.
int expr_call(struct pool *pool, const char *name, struct expr_args args, struct expr **out,
              struct err *err);

// CAST / TRY_CAST as Flink's (legacy-cast-behaviour disabled): a failing CAST is an error value, a
// failing TRY_CAST is NULL. -EINVAL when the pair of types has no cast.
int expr_cast(struct pool *pool, struct expr *arg, struct type to, struct expr **out,
              struct err *err);
int expr_try_cast(struct pool *pool, struct expr *arg, struct type to, struct expr **out,
                  struct err *err);

// Implicit coercion where Flink allows it (INT -> BIGINT -> DOUBLE, NULL -> anything, string
// literal
// -> DATE/TIMESTAMP in comparisons, CHAR/VARCHAR). -EINVAL otherwise.
int expr_coerce(struct pool *pool, struct expr *arg, struct type to, struct expr **out,
                struct err *err);

// Fold constants: a call whose arguments are all literals becomes a literal (not when it would be
// an error).
struct expr *expr_fold(struct pool *pool, struct expr *expr);

// Append the expression as SQL-like text, with field names from `input` (may be NULL: $0, $1 ...).
void expr_format(const struct expr *expr, const struct schema *input, struct buf *out);

// Mark used[c] for every column that the expression reads.
void expr_columns(const struct expr *expr, bool *used);

// How many nodes the expression has, shared ones counted wherever they stand; INT_MAX: or more.
// Counted once: for trees that are complete.
int expr_node_count(struct expr *expr);

// Names of all scalar functions, for suggestions. Returns how many; static storage.
int expr_function_names(const char *const **out);

// --- evaluating ---

struct expr_program; // compiled form of one expression, with its scratch columns; one a task

// Values that functions take from outside the row. Filled by the caller before each evaluation.
struct expr_context {
    int64_t now_ms;        // CURRENT_TIMESTAMP, NOW(): wall clock at the start of the batch
    int64_t watermark_ms;  // CURRENT_WATERMARK; INT64_MIN: none yet
    const char *time_zone; // table.local-time-zone, an IANA name or "UTC"
    struct pool *scratch;  // bytes of computed strings; the caller resets it between batches
};

// Compile. `input` gives the kinds of the columns. Out of memory aborts.
struct expr_program *expr_compile(const struct expr *expr, const struct schema *input);
void expr_program_free(struct expr_program *program);

// Evaluate over all rows of the batch. *out is set to a column that belongs to the program or to
// the batch (a bare column reference is not copied) and is valid until the next evaluation.
void expr_eval(struct expr_program *program, const struct batch *batch,
               struct expr_context *context, const struct column **out);

#endif
