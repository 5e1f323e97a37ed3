// format.c: operators and chains as text for people, in the manner of Flink's explain.
#include "core/plan/logical.h"

#include "core/base/check.h"

// "1 d", "90 s", "1500 ms": the largest unit that divides it.
static void format_ms(int64_t ms, struct buf *out)
{
    static const struct {
        int64_t ms;
        const char *name;
    } units[] = {{86400000, "d"}, {3600000, "h"}, {60000, "min"}, {1000, "s"}};
    for (size_t i = 0; i < ARRAY_SIZE(units); i++)
        if (ms != 0 && ms % units[i].ms == 0) {
            buf_printf(out, "%lld %s", (long long)(ms / units[i].ms), units[i].name);
            return;
        }
    buf_printf(out, "%lld ms", (long long)ms);
}

static const char *field_name(const struct schema *schema, int column)
{
    return schema && column < schema->field_count ? schema->fields[column].name : "?";
}

static const char *option(const struct plan_table *table, const char *key)
{
    for (int i = 0; i < table->option_count; i++)
        if (strcmp(table->options[i].key, key) == 0)
            return table->options[i].value;
    return NULL;
}

static void format_table(const struct op *op, const char *what, struct buf *out)
{
    const struct plan_table *table = op->table;
    const char *topic = option(table, "topic"), *pattern = option(table, "topic-pattern");
    buf_printf(out, "%s(table=[%s], connector=[%s], ", what, table->name, table->connector);
    if (topic || pattern)
        buf_printf(out, "topic=[%s], ", topic ? topic : pattern);
    buf_append_str(out, "fields=[");
    for (int i = 0; i < op->output.field_count; i++)
        buf_printf(out, "%s%s", i ? ", " : "", op->output.fields[i].name);
    buf_append_char(out, ']');
}

static void format_source(const struct op *op, struct buf *out)
{
    format_table(op, "Source", out);
    if (plan_is_changelog(op->table))
        buf_append_str(out, ", changelog=[I,UB,UA,D]");
    buf_append_char(out, ')');
}

static void format_sink(const struct op *op, struct buf *out)
{
    const struct plan_table *table = op->table;
    format_table(op, "Sink", out);
    for (int i = 0; plan_is_upsert(table) && i < table->primary_key_count; i++)
        buf_printf(out, "%s%s", i ? ", " : ", upsert_key=[",
                   table->physical.fields[table->primary_key[i]].name);
    buf_append_str(out, plan_is_upsert(table) ? "])" : ")");
}

static void format_calc(const struct op *op, const struct schema *input, struct buf *out)
{
    buf_append_str(out, "Calc(select=[");
    for (int i = 0; i < op->output.field_count; i++) {
        const struct expr *expr = op->calc.exprs[i];
        const char *name = op->output.fields[i].name;
        if (i)
            buf_append_str(out, ", ");
        size_t start = out->len;
        expr_format(expr, input, out);
        struct slice text = slice_make(out->data + start, out->len - start);
        if (!slice_equal(text, slice_of(name)))
            buf_printf(out, " AS %s", name);
    }
    buf_append_char(out, ']');
    if (op->calc.filter) {
        buf_append_str(out, ", where=[");
        expr_format(op->calc.filter, input, out);
        buf_append_char(out, ']');
    }
    buf_append_char(out, ')');
}

static void format_watermark(const struct op *op, const struct schema *input, struct buf *out)
{
    const struct op_watermark *watermark = &op->watermark;
    buf_printf(out, "Watermark(rowtime=[%s], watermark=[",
               field_name(input, watermark->rowtime_column));
    expr_format(watermark->expr, input, out);
    buf_append_str(out, "], interval=[");
    format_ms(watermark->interval_ms, out);
    buf_append_char(out, ']');
    if (watermark->idle_timeout_ms > 0) {
        buf_append_str(out, ", idle_timeout=[");
        format_ms(watermark->idle_timeout_ms, out);
        buf_append_char(out, ']');
    }
    if (watermark->align_group) {
        buf_printf(out, ", alignment=[%s, ", watermark->align_group);
        format_ms(watermark->align_drift_ms, out);
        buf_append_char(out, ']');
    }
    buf_append_char(out, ')');
}

static void format_window_shape(const struct op_window *window, const struct schema *input,
                                struct buf *out)
{
    static const char *const kinds[] = {"TUMBLE", "HOP", "CUMULATE"};
    buf_printf(out, "%s(", kinds[window->kind]);
    if (input)
        buf_printf(out, "%s, ", field_name(input, window->time_column));
    buf_append_str(out, "size=[");
    format_ms(window->size_ms, out);
    buf_append_char(out, ']');
    if (window->kind != WINDOW_TUMBLE) {
        buf_append_str(out, window->kind == WINDOW_HOP ? ", slide=[" : ", step=[");
        format_ms(window->step_ms, out);
        buf_append_char(out, ']');
    }
    if (window->offset_ms) {
        buf_append_str(out, ", offset=[");
        format_ms(window->offset_ms, out);
        buf_append_char(out, ']');
    }
    if (window->zone)
        buf_printf(out, ", zone=[%s]", window->zone);
    buf_append_char(out, ')');
}

static void format_agg(const struct agg_call *call, const struct schema *input, struct buf *out)
{
    static const char *const names[] = {"COUNT(*", "COUNT(", "COUNT(DISTINCT ", "SUM(", "AVG(",
                                        "MIN(",    "MAX("};
    buf_append_str(out, names[call->kind]);
    if (call->arg >= 0)
        buf_append_str(out, input ? field_name(input, call->arg) : "..");
    buf_append_char(out, ')');
    if (call->filter >= 0)
        buf_printf(out, " FILTER (WHERE %s)", input ? field_name(input, call->filter) : "..");
}

static void format_emit(const struct op_window *window, struct buf *out)
{
    static const char *const names[] = {", early_fire=[", ", late_fire=[", ", allow_lateness=["};
    int64_t values[] = {window->early_delay_ms, window->late_delay_ms,
                        window->lateness_ms > 0 ? window->lateness_ms : -1};
    for (int i = 0; i < 3; i++) {
        if (values[i] < 0)
            continue;
        buf_append_str(out, names[i]);
        format_ms(values[i], out);
        buf_append_char(out, ']');
    }
}

static void format_window(const struct op *op, const struct schema *input, struct buf *out)
{
    static const char *const names[] = {"Window(", "PartialWindow(", "FinalWindow("};
    const struct op_window *window = &op->window;
    bool final = window->phase == WINDOW_FINAL; // it reads partial rows, not what its columns name
    buf_append_str(out, names[window->phase]);
    format_window_shape(window, final ? NULL : input, out);
    buf_append_str(out, ", keys=[");
    for (int k = 0; k < window->key_count; k++)
        buf_printf(out, "%s%s", k ? ", " : "", field_name(input, final ? k : window->keys[k]));
    buf_append_str(out, "], aggs=[");
    for (int a = 0; a < window->agg_count; a++) {
        if (a)
            buf_append_str(out, ", ");
        format_agg(&window->aggs[a], final ? NULL : input, out);
    }
    buf_append_char(out, ']');
    format_emit(window, out);
    buf_append_str(out, window->changelog ? ", group window)" : ", insert-only)");
}

static void format_assign(const struct op *op, const struct schema *input, struct buf *out)
{
    buf_append_str(out, "WindowTableFunction(");
    format_window_shape(&op->window, input, out);
    buf_append_str(out, ", columns=[");
    for (int k = 0; k < op->window.key_count; k++)
        buf_printf(out, "%s%s", k ? ", " : "", field_name(input, op->window.keys[k]));
    buf_append_str(out, "])");
}

void op_format(const struct op *op, const struct schema *input, struct buf *out)
{
    switch (op->kind) {
    case OP_SOURCE:
        format_source(op, out);
        break;
    case OP_CALC:
        format_calc(op, input, out);
        break;
    case OP_WATERMARK:
        format_watermark(op, input, out);
        break;
    case OP_WINDOW:
        format_window(op, input, out);
        break;
    case OP_SINK:
        format_sink(op, out);
        break;
    case OP_ASSIGN:
        format_assign(op, input, out);
        break;
    }
}

void rel_format(const struct rel *rel, struct buf *out)
{
    for (int depth = 0; rel; rel = rel->input, depth++) {
        if (depth)
            buf_printf(out, "%*s+- ", (depth - 1) * 3, "");
        op_format(&rel->op, rel->input ? &rel->input->op.output : NULL, out);
        buf_append_char(out, '\n');
    }
}
