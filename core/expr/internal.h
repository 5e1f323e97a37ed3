// internal.h: what the files of core/expr share and nobody else sees: the function table's rows,
// the arguments of a kernel, and how files of the folder reach one another.
//
// A kernel computes one function for all rows of a batch in one call. For a *strict* function
// (most) the evaluator has already merged the arguments' states into out->state (the greatest wins:
// error over NULL over present), so a numeric kernel computes every slot blindly and a string
// kernel looks only at rows that are present. A *lenient* function (AND, CASE, IS NULL ...) writes
// the states itself.
#ifndef WEIR_CORE_EXPR_INTERNAL_H
#define WEIR_CORE_EXPR_INTERNAL_H

#include "core/base/check.h"
#include "core/base/pool.h"
#include "core/expr/expr.h"

struct zone;

// One evaluation of one function over a batch.
struct kernel {
    uint32_t count;                   // rows
    int arg_count;                    //
    const struct column *const *args; // one column an argument
    const bool *constant;             // argument k is a literal: every row has the same value
    struct column *out;               // never one of the arguments' columns
    const struct expr *call;          // for the types of arguments and result
    const void *prepared;             // what function->prepare returned
    struct expr_context *context;     //
    const struct zone *zone;          // the session's time zone, for FUNCTION_ZONE
};

enum function_flags {
    FUNCTION_LENIENT = 1 << 0,  // the kernel writes out->state itself, for every row
    FUNCTION_PARTIAL = 1 << 1,  // the kernel may turn a present row into NULL or an error
    FUNCTION_NULLABLE = 1 << 2, // the result may be NULL though no argument is
    FUNCTION_NOT_NULL = 1 << 3, // the result is never NULL
    FUNCTION_CONTEXT = 1 << 4,  // depends on the context: never folded
    FUNCTION_ZONE = 1 << 5,     // depends on the session's time zone: never folded
    FUNCTION_TRY = 1 << 6,      // errors of its own become NULL
    FUNCTION_INFIX = 1 << 7,    // written as (a NAME b)
    FUNCTION_POSTFIX = 1 << 8,  // written as (a NAME)
    FUNCTION_HIDDEN = 1 << 9,   // not called by name: made by the binder
    FUNCTION_SET = 1 << 10,     // the kernel sees the first argument only, `prepare` the others
};

// One overload. `args` has a letter an argument; a trailing '*' repeats the last one any number of
// times. Letters: b BOOLEAN, i INT, l BIGINT, d DOUBLE, s STRING, D DATE, I TIME, t TIMESTAMP,
// z TIMESTAMP_LTZ, y INTERVAL_DAY, m INTERVAL_MONTH. `args` is NULL when a binder picked the
// function.
struct expr_function {
    const char *name;
    const char *args;
    char result; // a letter, or 0: the binder has set the type
    unsigned flags;
    void (*kernel)(struct kernel *k);
    // Refine the result's type (lengths, precisions); kind and not_null are already derived.
    void (*derive)(struct expr *call);
    // Look at literal arguments while the query is bound. 0 or -EINVAL.
    int (*check)(const struct expr *call, struct err *err);
    // Made once at compile time from literal arguments, on the heap; freed by `release`.
    void *(*prepare)(const struct expr *call);
    void (*release)(void *prepared);
};

// The tables of the kernel files, each ended by a row without a name.
extern const struct expr_function expr_arith_functions[];
extern const struct expr_function expr_math_functions[];
extern const struct expr_function expr_logic_functions[];
extern const struct expr_function expr_string_functions[];
extern const struct expr_function expr_text_functions[];
extern const struct expr_function expr_digest_functions[];
extern const struct expr_function expr_regex_functions[];
extern const struct expr_function expr_like_functions[];
extern const struct expr_function expr_time_functions[];
extern const struct expr_function expr_format_functions[];

// How a kind is stored: which member of struct column, which loop.
enum storage { STORAGE_I64, STORAGE_F64, STORAGE_STR, STORAGE_COUNT };

static inline enum storage storage_of(enum type_kind kind)
{
    return kind == TYPE_DOUBLE ? STORAGE_F64 : kind == TYPE_STRING ? STORAGE_STR : STORAGE_I64;
}

// --- build.c ---

struct expr *expr_new_call(struct pool *pool, const struct expr_function *function,
                           struct expr **args, int arg_count);

// The type that both convert to without loss as CASE, COALESCE and set operations need it; 0 or
// -EINVAL. The result is NOT NULL when both are.
int expr_common_type(const struct type *a, const struct type *b, struct type *out);

bool expr_equal(const struct expr *a, const struct expr *b);

static inline bool expr_is_string_literal(const struct expr *e)
{
    return e->kind == EXPR_LITERAL && !e->is_null && e->type.kind == TYPE_STRING;
}

// --- eval.c ---

int expr_scratch_count(const struct expr_program *program); // columns for results of calls

// --- resolve.c ---

// Build the call of a function with arguments that already fit: derives the type, runs `check`.
int expr_finish_call(struct pool *pool, const struct expr_function *function, struct expr *call,
                     struct err *err);

// "(INT, STRING)": the arguments' types, for error texts.
void expr_format_types(struct expr *const *args, int arg_count, struct buf *out);

// --- bind.c: the forms whose arguments need more than overloads ---

struct binder {
    const char *name;
    int least_args, most_args;
    const char *usage; // for error texts
    int (*bind)(struct pool *pool, struct expr **args, int arg_count, struct expr **out,
                struct err *err);
};

extern const struct binder expr_binders[];      // ended by a row without a name
extern const struct binder expr_time_binders[]; // likewise

// --- kernels that binders pick ---

enum comparison {
    COMPARE_EQUAL,
    COMPARE_NOT_EQUAL,
    COMPARE_LESS,
    COMPARE_LESS_EQUAL,
    COMPARE_GREATER,
    COMPARE_GREATER_EQUAL,
    COMPARE_COUNT,
};

const struct expr_function *expr_compare_function(enum comparison comparison, enum storage storage);
const struct expr_function *expr_distinct_function(bool negated, enum storage storage);
const struct expr_function *expr_extreme_function(bool greatest, enum storage storage);
const struct expr_function *expr_case_function(enum storage storage);
const struct expr_function *expr_coalesce_function(enum storage storage);
const struct expr_function *expr_in_function(enum storage storage);

// --- like.c: patterns of LIKE ---

struct like_pattern;

// NULL: the escape is not one character, or escapes nothing that needs it.
struct like_pattern *like_compile(struct slice pattern, const struct slice *escape);
void like_free(struct like_pattern *pattern);
bool like_match(const struct like_pattern *pattern, struct slice text);

// --- time_pattern.c: the patterns of DATE_FORMAT and TO_TIMESTAMP ---

struct time_pattern;

// NULL with a reason in err (may be NULL): a letter that we do not know, an open quote.
struct time_pattern *time_pattern_compile(struct slice pattern, struct err *err);
void time_pattern_free(struct time_pattern *pattern);

// Bytes written at most for one timestamp.
size_t time_pattern_bytes(const struct time_pattern *pattern);
size_t time_pattern_format(const struct time_pattern *pattern, int64_t ms, char *out);
bool time_pattern_parse(const struct time_pattern *pattern, struct slice text, int64_t *ms);

// --- small helpers of kernels ---

static inline uint8_t error_state(enum expr_error error)
{
    return (uint8_t)(VALUE_ERROR + error);
}

static inline struct slice scratch_copy(struct kernel *k, const void *bytes, size_t len)
{
    return pool_copy(k->context->scratch, slice_make(bytes, len));
}

static inline char *scratch_bytes(struct kernel *k, size_t len)
{
    return pool_alloc(k->context->scratch, len);
}

// A result string longer than this is an error value.
enum { EXPR_STRING_LIMIT = 64 << 20 };

// Numeric loops are worth the compiler's full vectoriser; the rest of the house is built with -O2.
#define EXPR_VECTORIZE _Pragma("GCC optimize(\"O3\")")

#endif
