// spread.h: how a pipeline's first window is spread over tasks, and how many tasks that is. Private
// to core/plan.
#ifndef WEIR_CORE_PLAN_SPREAD_H
#define WEIR_CORE_PLAN_SPREAD_H

#include "core/plan/plan.h"

enum spread {
    SPREAD_ONE_TASK,   // no exchange
    SPREAD_FORWARD,    // one producer, one consumer
    SPREAD_KEYS,       // raw rows by group key, WINDOW_SINGLE
    SPREAD_ALL_TO_ONE, // raw rows to one task: there is no key
    SPREAD_DISTINCT,   // raw rows by the distinct argument, WINDOW_PARTIAL, then a merge
    SPREAD_TWO_PHASE,  // WINDOW_PARTIAL beside the source, WINDOW_FINAL behind
};

// What a pipeline may use.
struct spread_budget {
    bool forced; // parallelism.default says `tasks` for each stage
    int tasks;   // else: its share of the cores
};

struct spread_decision {
    enum spread spread;
    int column;      // SPREAD_DISTINCT: of the window's input
    int sources;     // tasks of the source's stage
    int aggregators; // tasks of the stage that the exchange leads to
    const char *reason;
};

// Where the rows come from.
struct spread_input {
    const struct plan_table *source;
    const struct schema *schema; // of what the window reads
    bool may_be_idle;            // a task of the source may say so: nobody waits for it then
};

// The first window of a pipeline. Texts are the pool's or for ever.
struct spread_decision spread_window(struct pool *pool, const struct spread_budget *budget,
                                     const struct spread_input *input,
                                     const struct op_window *window);

// Does the table's source have tasks that have read all of theirs while it goes on?
bool spread_source_follows(const struct plan_table *source);

// A window over another one's result, or one that cannot be cut in phases: `why_keys` says why.
struct spread_decision spread_by_keys(const struct op_window *window, const char *why_keys);

// How several tasks share what the source reads; NULL: nothing to say.
const char *spread_of_source(const struct plan_table *source);

#endif
