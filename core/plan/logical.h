// logical.h: the bound, typed plan between binder and stages.
//
// A query without joins is a chain, so a relation is an operator and the relation it reads. The
// binder makes chains, the optimiser rewrites them in place, the stage cutter takes the operators
// out of them.
#ifndef WEIR_CORE_PLAN_LOGICAL_H
#define WEIR_CORE_PLAN_LOGICAL_H

#include "core/plan/plan.h"

struct rel {
    struct op op;      // op.output is the relation's schema; windows are WINDOW_SINGLE
    struct rel *input; // NULL for OP_SOURCE
};

struct logical {
    struct rel **pipelines; // one OP_SINK relation for each INSERT or SELECT
    int pipeline_count;
    const struct plan_option *settings;
    int setting_count;
    struct plan_table *letters; // SET 'dead-letter.table'; NULL: none
    bool explain_only;
};

// --- building; everything lives in `pool` ---

// A relation of this kind over `input`, with `field_count` fields that the caller fills.
struct rel *rel_make(struct pool *pool, enum op_kind kind, struct rel *input, int field_count);

// An OP_CALC over `input` with room for `field_count` expressions.
struct rel *rel_calc(struct pool *pool, struct rel *input, int field_count);

// A copy of `expr` in which column c is replaced by a copy of with[c].
struct expr *rel_substitute(struct pool *pool, const struct expr *expr, struct expr *const *with);

// A copy of `expr` in which column c becomes map[c]; map[c] >= 0 for every column that is read.
struct expr *rel_renumber(struct pool *pool, const struct expr *expr, const int *map);

// Fill window->partial_schema and the `partial` of each call from its keys, times and calls.
void rel_window_partials(struct pool *pool, struct op_window *window, const struct schema *input);

// --- optimising: fold constants, merge projections, read only the needed columns ---
void rel_optimize(struct pool *pool, struct rel *sink);

// --- text ---

// The chain as an indented tree, sink first.
void rel_format(const struct rel *rel, struct buf *out);

// One operator on one line. `input` is the schema that it reads; NULL for a source.
void op_format(const struct op *op, const struct schema *input, struct buf *out);

// --- stages (stages.c) ---

// Cut all pipelines into stages and exchanges of `plan`. The plan's settings are set.
int plan_cut(struct plan *plan, const struct logical *logical, int cores, struct err *err);

// Hash of what decides the layout of state and channels.
uint64_t plan_fingerprint(const struct plan *plan);

#endif
