// eval.c: a tree compiled to a flat list of steps, each one kernel over the whole batch.
//
// A column reference points into the batch, a literal into a column filled once at compile time, a
// call into a scratch column, which another call takes over once nobody reads it any more. Equal
// subtrees are one node. Nothing is allocated per batch but the bytes of computed strings.
#include <stdlib.h>

#include "core/expr/internal.h"
#include "core/expr/zone.h"

enum register_kind { REGISTER_COLUMN, REGISTER_LITERAL, REGISTER_CALL };

struct node {
    const struct expr *expr;
    int *args; // indexes of nodes
    int arg_count;
    const struct column **arg_columns;
    bool *arg_constant;
    void *prepared;
    struct column column; // of a literal; of a call: a header over a scratch column's arrays
};

struct expr_program {
    struct node *nodes; // arguments before their calls; the last one is the result
    int node_count, node_capacity;
    int result;
    struct column *scratch; // as many as are in use at one time
    int scratch_count;
    const struct column **values; // one a node; set at each evaluation
    struct zone *zone;            // opened when a function needs it
    bool needs_zone;
};

static void *alloc_zeroed(size_t count, size_t bytes)
{
    void *p = calloc(count ? count : 1, bytes);
    CHECK(p);
    return p;
}

static void fill_literal(struct column *column, const struct expr *e)
{
    enum type_kind kind = e->type.kind == TYPE_NULL ? TYPE_BOOLEAN : e->type.kind;
    column_init(column, kind);
    for (uint32_t i = 0; i < BATCH_ROWS; i++) {
        if (kind == TYPE_STRING)
            column->str[i] = e->is_null ? slice_make("", 0) : e->str;
        else if (kind == TYPE_DOUBLE)
            column->f64[i] = e->f64;
        else
            column->i64[i] = e->i64;
    }
    memset(column->state, e->is_null ? VALUE_NULL : VALUE_PRESENT, BATCH_ROWS);
    column->all_present = !e->is_null;
}

static int add_node(struct expr_program *p, const struct expr *e);

static void prepare_call(struct expr_program *p, struct node *node, const struct expr *e)
{
    node->arg_count = e->function->flags & FUNCTION_SET ? 1 : e->arg_count;
    size_t count = (size_t)node->arg_count;
    node->args = alloc_zeroed(count, sizeof(int));
    node->arg_columns = alloc_zeroed(count, sizeof(*node->arg_columns));
    node->arg_constant = alloc_zeroed(count, sizeof(bool));
    for (int i = 0; i < node->arg_count; i++) {
        node->args[i] = add_node(p, e->args[i]);
        node->arg_constant[i] = e->args[i]->kind == EXPR_LITERAL;
    }
    if (e->function->prepare)
        node->prepared = e->function->prepare(e);
    p->needs_zone |= (e->function->flags & FUNCTION_ZONE) != 0;
}

// Index of the node for `e`: one that is equal, or a new one behind its arguments.
static int add_node(struct expr_program *p, const struct expr *e)
{
    for (int i = 0; i < p->node_count; i++)
        if (expr_equal(p->nodes[i].expr, e))
            return i;
    struct node node = {.expr = e};
    if (e->kind == EXPR_CALL)
        prepare_call(p, &node, e);
    else if (e->kind == EXPR_LITERAL)
        fill_literal(&node.column, e);
    if (p->node_count == p->node_capacity) {
        p->node_capacity = p->node_capacity ? p->node_capacity * 2 : 8;
        p->nodes = realloc(p->nodes, (size_t)p->node_capacity * sizeof(*p->nodes));
        CHECK(p->nodes);
    }
    p->nodes[p->node_count] = node;
    return p->node_count++;
}

// --- scratch columns ---

// last[i]: the last node that reads node i; the result is read after all.
static int *find_last_reads(const struct expr_program *p)
{
    int *last = alloc_zeroed((size_t)p->node_count, sizeof(*last));
    for (int i = 0; i < p->node_count; i++)
        for (int a = 0; a < p->nodes[i].arg_count; a++)
            last[p->nodes[i].args[a]] = i;
    last[p->result] = p->node_count;
    return last;
}

// A scratch column of the node's slot size that is not read from node `at` on: its number. Strings
// keep apart from numbers, so that what an absent row has left in a slot is never another kind's.
static int take_scratch(struct expr_program *p, int *busy_until, enum type_kind kind, int at)
{
    for (int s = 0; s < p->scratch_count; s++)
        if (busy_until[s] < at && column_slot_bytes(p->scratch[s].kind) == column_slot_bytes(kind))
            return s;
    column_init(&p->scratch[p->scratch_count], kind);
    return p->scratch_count++;
}

// A call's result and its arguments are never one column: an argument is busy until its last
// reader.
static void give_scratch(struct expr_program *p)
{
    int *last = find_last_reads(p);
    int *busy_until = alloc_zeroed((size_t)p->node_count, sizeof(*busy_until));
    p->scratch = alloc_zeroed((size_t)p->node_count, sizeof(*p->scratch));
    for (int i = 0; i < p->node_count; i++) {
        struct node *node = &p->nodes[i];
        if (node->expr->kind != EXPR_CALL)
            continue;
        enum type_kind kind = node->expr->type.kind;
        int taken = take_scratch(p, busy_until, kind, i);
        busy_until[taken] = last[i];
        node->column = p->scratch[taken];
        node->column.kind = kind;
    }
    free(busy_until);
    free(last);
}

int expr_scratch_count(const struct expr_program *program)
{
    return program->scratch_count;
}

struct expr_program *expr_compile(const struct expr *expr, const struct schema *input)
{
    (void)input;
    struct expr_program *p = alloc_zeroed(1, sizeof(*p));
    p->result = add_node(p, expr);
    p->values = alloc_zeroed((size_t)p->node_count, sizeof(*p->values));
    give_scratch(p);
    return p;
}

void expr_program_free(struct expr_program *program)
{
    if (!program)
        return;
    for (int i = 0; i < program->node_count; i++) {
        struct node *node = &program->nodes[i];
        if (node->expr->kind == EXPR_CALL && node->expr->function->release)
            node->expr->function->release(node->prepared);
        if (node->expr->kind == EXPR_LITERAL)
            column_fini(&node->column);
        free(node->args);
        free(node->arg_columns);
        free(node->arg_constant);
    }
    for (int s = 0; s < program->scratch_count; s++)
        column_fini(&program->scratch[s]);
    free(program->scratch);
    zone_close(program->zone);
    free(program->values);
    free(program->nodes);
    free(program);
}

// The states of a strict call: for each row the greatest of its arguments.
static void merge_states(const struct kernel *k)
{
    uint8_t *restrict out = k->out->state;
    memset(out, VALUE_PRESENT, k->count);
    k->out->all_present = true;
    for (int a = 0; a < k->arg_count; a++) {
        if (k->args[a]->all_present)
            continue;
        const uint8_t *in = k->args[a]->state;
        for (uint32_t i = 0; i < k->count; i++)
            out[i] = out[i] > in[i] ? out[i] : in[i];
        k->out->all_present = false;
    }
}

// TRY_CAST: an error that the function itself made becomes NULL.
static void forgive_errors(const struct kernel *k)
{
    for (uint32_t i = 0; i < k->count; i++)
        if (k->out->state[i] >= VALUE_ERROR && k->args[0]->state[i] < VALUE_ERROR)
            k->out->state[i] = VALUE_NULL;
}

static void run_call(struct expr_program *p, struct node *node, uint32_t count,
                     struct expr_context *context)
{
    const struct expr_function *function = node->expr->function;
    for (int i = 0; i < node->arg_count; i++)
        node->arg_columns[i] = p->values[node->args[i]];
    struct kernel k = {
        .count = count,
        .arg_count = node->arg_count,
        .args = node->arg_columns,
        .constant = node->arg_constant,
        .out = &node->column,
        .call = node->expr,
        .prepared = node->prepared,
        .context = context,
        .zone = p->zone,
    };
    if (!(function->flags & FUNCTION_LENIENT))
        merge_states(&k);
    function->kernel(&k);
    if (function->flags & FUNCTION_TRY)
        forgive_errors(&k);
    if (function->flags & (FUNCTION_LENIENT | FUNCTION_PARTIAL))
        column_summarize(&node->column, count);
}

void expr_eval(struct expr_program *program, const struct batch *batch,
               struct expr_context *context, const struct column **out)
{
    CHECK(batch->count <= BATCH_ROWS);
    if (program->needs_zone)
        zone_reopen(&program->zone, context->time_zone);
    for (int i = 0; i < program->node_count; i++) {
        struct node *node = &program->nodes[i];
        if (node->expr->kind == EXPR_COLUMN) {
            CHECK(node->expr->column < batch->column_count);
            program->values[i] = &batch->columns[node->expr->column];
            continue;
        }
        program->values[i] = &node->column;
        if (node->expr->kind == EXPR_CALL)
            run_call(program, node, batch->count, context);
    }
    *out = program->values[program->result];
}
