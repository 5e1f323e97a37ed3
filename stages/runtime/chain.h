// chain.h: from what a plan says to the classes that do it, and the open chain of one task.
#ifndef WEIR_STAGES_RUNTIME_CHAIN_H
#define WEIR_STAGES_RUNTIME_CHAIN_H

#include "stages/runtime/operator.h"

// The class of a table's connector, or NULL.
const struct source_class *chain_source_class(const struct plan_table *table);
const struct operator_class *chain_sink_class(const struct plan_table *table);

// Does a sink of the plan keep rows that something outside must commit (is_settled)?
bool chain_plan_settles(const struct plan *plan);

// The class that keeps dead letters in the table, or NULL.
const struct operator_class *chain_letters_class(const struct plan_table *table);

enum { CHAIN_OPS_MAX = 64 };

// Operators from `first_op` of the stage on; ops[count - 1] is a sink or the given `last`.
struct chain {
    struct operator* ops[CHAIN_OPS_MAX];
    int count;
    bool owns_last;
};

// Open the operators ops[first_op ..] of context->stage, last to first. context->warm (may be NULL)
// has a place for each of the stage's operators. `last` (may be NULL) takes the output of the last
// one. In a transaction. -errno with a text.
int chain_open(struct chain *chain, const struct op_context *context, int first_op,
               struct operator* last, struct err *err);
void chain_close(struct chain *chain);

// Let an operator that gets no rows take part in all that operators are told; the chain closes it.
void chain_add(struct chain *chain, struct operator* op);
// Close it and forget it.
void chain_remove_last(struct chain *chain);

static inline struct operator* chain_first(const struct chain *chain)
{
    return chain->ops[0];
}

// Every operator's hook of that name, first to last.
int chain_before_commit(struct chain *chain);
void chain_after_commit(struct chain *chain);
void chain_reset(struct chain *chain);
int chain_barrier(struct chain *chain, uint64_t checkpoint);
int chain_complete(struct chain *chain, uint64_t checkpoint);
int chain_poll(struct chain *chain);
bool chain_has_room(const struct chain *chain); // of all
bool chain_is_settled(const struct chain *chain);
int chain_prepare_finish(struct chain *chain, struct buf *renames, struct err *err);
int chain_finish(struct chain *chain, struct err *err);

// One piece of work that operators have left, the ones near the end first, so that nothing reaches
// an operator that has not done its own. *more: there is, or may be, more.
int chain_work(struct chain *chain, bool *more);

// Fire what is due; *next_ms: when to call again.
int chain_processing_time(struct chain *chain, int64_t now_ms, int64_t *next_ms);

#endif
