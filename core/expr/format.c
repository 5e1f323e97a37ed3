// format.c: expressions as text that a reader of SQL understands, for EXPLAIN and error texts.
#include "core/base/calendar.h"
#include "core/base/number.h"
#include "core/expr/internal.h"

static void format_string(struct slice text, struct buf *out)
{
    buf_append_char(out, '\'');
    for (uint64_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\'')
            buf_append_char(out, '\'');
        buf_append_char(out, text.ptr[i]);
    }
    buf_append_char(out, '\'');
}

static void format_literal(const struct expr *e, struct buf *out)
{
    char text[CALENDAR_TEXT_BYTES];
    if (e->is_null) {
        buf_append_str(out, "NULL");
        return;
    }
    switch (e->type.kind) {
    case TYPE_BOOLEAN:
        buf_append_str(out, e->i64 ? "TRUE" : "FALSE");
        return;
    case TYPE_DOUBLE:
        buf_append(out, text, number_format_double(e->f64, text));
        return;
    case TYPE_STRING:
        format_string(e->str, out);
        return;
    case TYPE_DATE:
        buf_printf(out, "DATE '%.*s'", (int)calendar_format_date(e->i64, text), text);
        return;
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_LTZ:
        buf_printf(out, "%s '%.*s'", e->type.kind == TYPE_TIMESTAMP ? "TIMESTAMP" : "TIMESTAMP_LTZ",
                   (int)calendar_format_timestamp(e->i64, CALENDAR_SQL, false, text), text);
        return;
    case TYPE_INTERVAL_DAY:
        buf_printf(out, "INTERVAL '%ld' MILLISECOND", (long)e->i64);
        return;
    case TYPE_INTERVAL_MONTH:
        buf_printf(out, "INTERVAL '%ld' MONTH", (long)e->i64);
        return;
    default:
        buf_printf(out, "%ld", (long)e->i64);
        return;
    }
}

static void format_case(const struct expr *e, const struct schema *input, struct buf *out)
{
    buf_append_str(out, "CASE");
    for (int i = 0; i + 1 < e->arg_count; i += 2) {
        buf_append_str(out, " WHEN ");
        expr_format(e->args[i], input, out);
        buf_append_str(out, " THEN ");
        expr_format(e->args[i + 1], input, out);
    }
    buf_append_str(out, " ELSE ");
    expr_format(e->args[e->arg_count - 1], input, out);
    buf_append_str(out, " END");
}

static void format_list(const struct expr *e, int from, const struct schema *input, struct buf *out)
{
    buf_append_char(out, '(');
    for (int i = from; i < e->arg_count; i++) {
        if (i > from)
            buf_append_str(out, ", ");
        expr_format(e->args[i], input, out);
    }
    buf_append_char(out, ')');
}

static void format_cast(const struct expr *e, const struct schema *input, struct buf *out)
{
    struct type type = e->type;
    type.not_null = false;
    buf_printf(out, "%s(", e->function->name);
    expr_format(e->args[0], input, out);
    buf_append_str(out, " AS ");
    type_format(&type, out);
    buf_append_char(out, ')');
}

static void format_call(const struct expr *e, const struct schema *input, struct buf *out)
{
    const struct expr_function *f = e->function;
    if (strcmp(f->name, "CASE") == 0) {
        format_case(e, input, out);
    } else if (strcmp(f->name, "CAST") == 0 || strcmp(f->name, "TRY_CAST") == 0) {
        format_cast(e, input, out);
    } else if (strcmp(f->name, "IN") == 0) {
        expr_format(e->args[0], input, out);
        buf_append_str(out, " IN ");
        format_list(e, 1, input, out);
    } else if ((f->flags & FUNCTION_INFIX) && e->arg_count == 2) {
        buf_append_char(out, '(');
        expr_format(e->args[0], input, out);
        buf_printf(out, " %s ", f->name);
        expr_format(e->args[1], input, out);
        buf_append_char(out, ')');
    } else if (f->flags & FUNCTION_POSTFIX) {
        expr_format(e->args[0], input, out);
        buf_printf(out, " %s", f->name);
    } else {
        buf_append_str(out, f->name);
        format_list(e, 0, input, out);
    }
}

void expr_format(const struct expr *expr, const struct schema *input, struct buf *out)
{
    switch (expr->kind) {
    case EXPR_COLUMN:
        if (input)
            buf_append_str(out, input->fields[expr->column].name);
        else
            buf_printf(out, "$%d", expr->column);
        return;
    case EXPR_LITERAL:
        format_literal(expr, out);
        return;
    case EXPR_CALL:
        format_call(expr, input, out);
        return;
    }
}
