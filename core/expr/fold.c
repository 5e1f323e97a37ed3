// fold.c: calls of literals become literals, by evaluating them over a batch of one row.
#include "core/expr/internal.h"

static bool can_fold(const struct expr *e)
{
    if (e->kind != EXPR_CALL || (e->function->flags & (FUNCTION_CONTEXT | FUNCTION_ZONE)))
        return false;
    for (int i = 0; i < e->arg_count; i++)
        if (e->args[i]->kind != EXPR_LITERAL)
            return false;
    return true;
}

// The literal, or `e` itself when its value is an error.
static struct expr *evaluate(struct pool *pool, struct expr *e)
{
    struct pool scratch = {0};
    struct expr_context context = {.time_zone = "UTC", .scratch = &scratch};
    struct batch batch = {.count = 1};
    struct expr_program *program = expr_compile(e, NULL);
    const struct column *column;
    struct expr *result = e;

    expr_eval(program, &batch, &context, &column);
    if (column->state[0] < VALUE_ERROR) {
        result = pool_zalloc(pool, sizeof(*result));
        result->kind = EXPR_LITERAL;
        result->type = e->type;
        result->is_null = column->state[0] == VALUE_NULL;
        result->type.not_null = !result->is_null;
        if (result->is_null)
            result->i64 = 0;
        else if (e->type.kind == TYPE_STRING)
            result->str = pool_copy(pool, column->str[0]);
        else if (e->type.kind == TYPE_DOUBLE)
            result->f64 = column->f64[0];
        else
            result->i64 = column->i64[0];
    }
    expr_program_free(program);
    pool_fini(&scratch);
    return result;
}

struct expr *expr_fold(struct pool *pool, struct expr *expr)
{
    for (int i = 0; i < expr->arg_count; i++)
        expr->args[i] = expr_fold(pool, expr->args[i]);
    return can_fold(expr) ? evaluate(pool, expr) : expr;
}
