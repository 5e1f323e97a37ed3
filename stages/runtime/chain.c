// chain.c: opening, driving and closing the operators of one task.
#include "stages/runtime/chain.h"

#include <errno.h>
#include <string.h>

#include "core/base/check.h"

const struct source_class *chain_source_class(const struct plan_table *table)
{
    if (strcmp(table->connector, "filesystem") == 0)
        return &file_source_class;
    if (strcmp(table->connector, "kafka") == 0)
        return &kafka_source_class;
    return strcmp(table->connector, "datagen") == 0 ? &datagen_class : NULL;
}

const struct operator_class *chain_sink_class(const struct plan_table *table)
{
    if (strcmp(table->connector, "filesystem") == 0)
        return &file_sink_class;
    if (strcmp(table->connector, "kafka") == 0 || strcmp(table->connector, "upsert-kafka") == 0)
        return &kafka_sink_class;
    if (strcmp(table->connector, "print") == 0)
        return &print_class;
    return strcmp(table->connector, "blackhole") == 0 ? &blackhole_class : NULL;
}

const struct operator_class *chain_letters_class(const struct plan_table *table)
{
    return strcmp(table->connector, "kafka") == 0 ? &kafka_letters_class : NULL;
}

bool chain_plan_settles(const struct plan *plan)
{
    if (plan->letters)
        return true;
    for (int s = 0; s < plan->stage_count; s++)
        for (int i = 0; i < plan->stages[s].op_count; i++) {
            const struct op *op = plan->stages[s].ops[i];
            const struct operator_class *class =
                op->kind == OP_SINK ? chain_sink_class(op->table) : NULL;
            if (class && class->is_settled)
                return true;
        }
    return false;
}

static const struct operator_class *class_of(const struct op *op, struct err *err)
{
    const struct operator_class *class = NULL;
    switch (op->kind) {
    case OP_CALC:
        return &calc_class;
    case OP_WINDOW:
        return &window_class;
    case OP_ASSIGN:
        return &window_assign_class;
    case OP_SINK:
        class = chain_sink_class(op->table);
        if (!class)
            err_set(err, -EINVAL, "table %s: connector '%s' cannot be written to", op->table->name,
                    op->table->connector);
        return class;
    default:
        err_set(err, -EINVAL, "operator %d cannot stand behind others", op->id);
        return NULL;
    }
}

// Does something stand before the sink that keeps NULLs out of NOT NULL columns?
static bool needs_guard(const struct op *op)
{
    for (int i = 0; op->kind == OP_SINK && i < op->output.field_count; i++)
        if (op->output.fields[i].type.not_null)
            return true;
    return false;
}

// Open one operator into the chain's place `at`; the places behind it are open.
static int open_at(struct chain *chain, const struct op_context *context,
                   const struct operator_class *class, int at, struct err *err)
{
    struct op_context own = *context;
    own.next = at + 1 < chain->count ? chain->ops[at + 1] : NULL;
    return class ? class->open(&own, &chain->ops[at], err) : -EINVAL;
}

static bool is_upsert(const struct op *op)
{
    return op->kind == OP_SINK && plan_is_upsert(op->table);
}

// Operators that stand beside the plan's own: behind a window one that looks at what it gives, in
// front of a sink one that keeps NULLs out, and one that drops what a sink by key need not know.
static int count_guards(const struct stage *stage, int first_op, bool is_guarded)
{
    int count = is_guarded;
    for (int i = first_op; i < stage->op_count; i++)
        count += stage->ops[i]->kind == OP_WINDOW || is_upsert(stage->ops[i]);
    return count;
}

// What stands before the sink that `context` is of.
static int open_sink_guards(struct chain *chain, const struct op_context *context, bool is_guarded,
                            int *at, struct err *err)
{
    int rc = is_upsert(context->op) ? open_at(chain, context, &upsert_class, (*at)--, err) : 0;
    if (rc == 0 && is_guarded)
        rc = open_at(chain, context, &not_null_class, (*at)--, err);
    return rc;
}

int chain_open(struct chain *chain, const struct op_context *context, int first_op,
               struct operator* last, struct err *err)
{
    const struct stage *stage = context->stage;
    int count = stage->op_count - first_op;
    bool is_guarded = count > 0 && needs_guard(stage->ops[stage->op_count - 1]);
    int guards = count_guards(stage, first_op, is_guarded);
    CHECK(count >= 0 && count + guards + 1 < CHAIN_OPS_MAX && count + (last != NULL) > 0);
    CHECK(!is_guarded || !last);
    *chain = (struct chain){.count = count + guards + (last != NULL)};
    if (last)
        chain->ops[count + guards] = last;
    int at = count + guards - 1, rc = 0;
    for (int i = count - 1; i >= 0 && rc == 0; i--) {
        struct op_context own = *context;
        own.op = stage->ops[first_op + i];
        own.warm = context->warm ? &context->warm[first_op + i] : NULL;
        if (own.op->kind == OP_WINDOW)
            rc = open_at(chain, &own, &row_guard_class, at--, err);
        if (rc == 0)
            rc = open_at(chain, &own, class_of(own.op, err), at--, err);
        if (rc == 0 && own.op->kind == OP_SINK)
            rc = open_sink_guards(chain, &own, is_guarded, &at, err);
    }
    if (rc < 0)
        chain_close(chain);
    return rc;
}

void chain_close(struct chain *chain)
{
    for (int i = 0; i < chain->count; i++)
        if (chain->ops[i])
            chain->ops[i]->class->close(chain->ops[i]);
    *chain = (struct chain){0};
}

void chain_add(struct chain *chain, struct operator* op)
{
    CHECK(chain->count > 0 && chain->count < CHAIN_OPS_MAX);
    chain->ops[chain->count++] = op;
}

void chain_remove_last(struct chain *chain)
{
    CHECK(chain->count > 1);
    struct operator* op = chain->ops[--chain->count];
    chain->ops[chain->count] = NULL;
    op->class->close(op);
}

int chain_before_commit(struct chain *chain)
{
    int rc = 0;
    for (int i = 0; i < chain->count && rc == 0; i++)
        if (chain->ops[i]->class->before_commit)
            rc = chain->ops[i]->class->before_commit(chain->ops[i]);
    return rc;
}

void chain_after_commit(struct chain *chain)
{
    for (int i = 0; i < chain->count; i++)
        if (chain->ops[i]->class->after_commit)
            chain->ops[i]->class->after_commit(chain->ops[i]);
}

void chain_reset(struct chain *chain)
{
    for (int i = 0; i < chain->count; i++)
        chain->ops[i]->class->reset(chain->ops[i]);
}

int chain_barrier(struct chain *chain, uint64_t checkpoint)
{
    int rc = 0;
    for (int i = 0; i < chain->count && rc == 0; i++)
        if (chain->ops[i]->class->barrier)
            rc = chain->ops[i]->class->barrier(chain->ops[i], checkpoint);
    return rc;
}

int chain_complete(struct chain *chain, uint64_t checkpoint)
{
    int rc = 0;
    for (int i = 0; i < chain->count && rc == 0; i++)
        if (chain->ops[i]->class->complete)
            rc = chain->ops[i]->class->complete(chain->ops[i], checkpoint);
    return rc;
}

int chain_poll(struct chain *chain)
{
    int rc = 0;
    for (int i = 0; i < chain->count && rc == 0; i++)
        if (chain->ops[i]->class->poll)
            rc = chain->ops[i]->class->poll(chain->ops[i]);
    return rc;
}

bool chain_has_room(const struct chain *chain)
{
    for (int i = 0; i < chain->count; i++) {
        const struct operator* op = chain->ops[i];
        if (op->class->has_room && !op->class->has_room(op))
            return false;
    }
    return true;
}

bool chain_is_settled(const struct chain *chain)
{
    for (int i = 0; i < chain->count; i++) {
        const struct operator* op = chain->ops[i];
        if (op->class->is_settled && !op->class->is_settled(op))
            return false;
    }
    return true;
}

int chain_prepare_finish(struct chain *chain, struct buf *renames, struct err *err)
{
    int rc = 0;
    for (int i = 0; i < chain->count && rc == 0; i++)
        if (chain->ops[i]->class->prepare_finish)
            rc = chain->ops[i]->class->prepare_finish(chain->ops[i], renames, err);
    return rc;
}

int chain_finish(struct chain *chain, struct err *err)
{
    int rc = 0;
    for (int i = 0; i < chain->count && rc == 0; i++)
        if (chain->ops[i]->class->finish)
            rc = chain->ops[i]->class->finish(chain->ops[i], err);
    return rc;
}

int chain_work(struct chain *chain, bool *more)
{
    *more = false;
    for (int i = chain->count - 1; i >= 0; i--) {
        // The last of an operator's work passes a watermark on: those behind may have work then.
        for (int behind = i; behind < chain->count; behind++) {
            struct operator* op = chain->ops[behind];
            int rc = op->class->work ? op->class->work(op, more) : 0;
            if (rc < 0 || *more)
                return rc;
        }
    }
    return 0;
}

int chain_processing_time(struct chain *chain, int64_t now_ms, int64_t *next_ms)
{
    *next_ms = INT64_MAX;
    for (int i = 0; i < chain->count; i++) {
        int64_t next = INT64_MAX;
        struct operator* op = chain->ops[i];
        int rc = op->class->processing_time ? op->class->processing_time(op, now_ms, &next) : 0;
        if (rc < 0)
            return rc;
        *next_ms = next < *next_ms ? next : *next_ms;
    }
    return 0;
}
