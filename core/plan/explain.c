// explain.c: the steps of the compilation, for people and as JSON.
#include "core/base/check.h"
#include "core/plan/logical.h"

static const char *exchange_kind_name(enum exchange_kind kind)
{
    static const char *const names[] = {"forward", "hash", "rebalance"};
    return names[kind];
}

// What ops[index] of the stage reads: the operator before it, or the stage before its exchange.
static const struct schema *op_input(const struct plan *plan, const struct stage *stage, int index)
{
    if (index > 0)
        return &stage->ops[index - 1]->output;
    if (stage->input_exchange < 0)
        return NULL;
    const struct exchange *exchange = &plan->exchanges[stage->input_exchange];
    const struct stage *from = &plan->stages[exchange->from_stage];
    return &from->ops[from->op_count - 1]->output;
}

// --- text ---

static void text_exchange(const struct plan *plan, int index, struct buf *out)
{
    const struct exchange *exchange = &plan->exchanges[index];
    const struct stage *from = &plan->stages[exchange->from_stage];
    const struct schema *schema = &from->ops[from->op_count - 1]->output;
    buf_printf(out, "  exchange %d: %s", index, exchange_kind_name(exchange->kind));
    for (int i = 0; i < exchange->hash_column_count; i++)
        buf_printf(out, "%s%s", i ? ", " : " on ", schema->fields[exchange->hash_columns[i]].name);
    const struct stage *to = &plan->stages[exchange->to_stage];
    buf_printf(out, ", %d -> %d tasks, %d channel%s\n", from->parallelism, to->parallelism,
               from->parallelism * to->parallelism,
               from->parallelism * to->parallelism == 1 ? "" : "s");
    buf_printf(out, "    why: %s\n", exchange->reason);
    if (exchange->watermark_step_ms)
        buf_printf(out, "    watermarks: only those that pass a line of the %lld ms grid\n",
                   (long long)exchange->watermark_step_ms);
}

static void text_stage(const struct plan *plan, int index, struct buf *out)
{
    const struct stage *stage = &plan->stages[index];
    if (stage->input_exchange >= 0)
        text_exchange(plan, stage->input_exchange, out);
    buf_printf(out, "Stage %d: %s\n", index, stage->name);
    if (stage->parallelism == 1)
        buf_printf(out, "  task %d (%s)\n", stage->first_task, stage->reason);
    else
        buf_printf(out, "  tasks %d..%d (%s)\n", stage->first_task,
                   stage->first_task + stage->parallelism - 1, stage->reason);
    for (int i = 0; i < stage->op_count; i++) {
        buf_printf(out, "  [%d] ", stage->ops[i]->id);
        op_format(stage->ops[i], op_input(plan, stage, i), out);
        buf_append_char(out, '\n');
    }
}

static void explain_as_text(const struct plan *plan, struct buf *out)
{
    buf_printf(out, "== Abstract Syntax Tree ==\n%s\n", plan->ast_text);
    buf_printf(out, "== Bound Logical Plan ==\n%s\n", plan->logical_text);
    buf_printf(out, "== Optimized Logical Plan ==\n%s\n", plan->optimized_text);
    buf_printf(out, "== Stages and Exchanges (%d task%s) ==\n", plan->task_count,
               plan->task_count == 1 ? "" : "s");
    for (int s = 0; s < plan->stage_count; s++)
        text_stage(plan, s, out);
    buf_append_str(out, "\n== Settings ==\n");
    for (int i = 0; i < plan->setting_count; i++)
        buf_printf(out, "%s = %s\n", plan->settings[i].key, plan->settings[i].value);
    if (plan->setting_count == 0)
        buf_append_str(out, "(none: every option has its default)\n");
    buf_printf(out, "\nfingerprint %016llx\n", (unsigned long long)plan->fingerprint);
}

// --- JSON ---

static void json_text(const char *key, const char *text, struct buf *out)
{
    buf_append_json_string(out, slice_of(key));
    buf_append_char(out, ':');
    buf_append_json_string(out, slice_of(text));
}

static void json_schema(const struct schema *schema, struct buf *out)
{
    buf_append_char(out, '[');
    for (int i = 0; i < schema->field_count; i++) {
        struct buf type = {0};
        type_format(&schema->fields[i].type, &type);
        buf_append_str(out, i ? ",{" : "{");
        json_text("name", schema->fields[i].name, out);
        buf_append_char(out, ',');
        json_text("type", buf_str(&type), out);
        buf_append_char(out, '}');
        buf_fini(&type);
    }
    buf_append_char(out, ']');
}

static void json_op(const struct plan *plan, const struct stage *stage, int index, struct buf *out)
{
    struct buf text = {0};
    op_format(stage->ops[index], op_input(plan, stage, index), &text);
    buf_printf(out, "{\"id\":%d,", stage->ops[index]->id);
    json_text("operator", buf_str(&text), out);
    buf_append_str(out, ",\"output\":");
    json_schema(&stage->ops[index]->output, out);
    buf_append_char(out, '}');
    buf_fini(&text);
}

static void json_stage(const struct plan *plan, const struct stage *stage, struct buf *out)
{
    buf_append_char(out, '{');
    json_text("name", stage->name, out);
    buf_printf(out, ",\"parallelism\":%d,\"first_task\":%d,", stage->parallelism,
               stage->first_task);
    json_text("reason", stage->reason, out);
    buf_append_str(out, ",\"operators\":[");
    for (int i = 0; i < stage->op_count; i++) {
        if (i)
            buf_append_char(out, ',');
        json_op(plan, stage, i, out);
    }
    buf_append_str(out, "]}");
}

static void json_exchange(const struct exchange *exchange, struct buf *out)
{
    buf_printf(out, "{\"from_stage\":%d,\"to_stage\":%d,", exchange->from_stage,
               exchange->to_stage);
    json_text("kind", exchange_kind_name(exchange->kind), out);
    buf_append_str(out, ",\"hash_columns\":[");
    for (int i = 0; i < exchange->hash_column_count; i++)
        buf_printf(out, "%s%d", i ? "," : "", exchange->hash_columns[i]);
    buf_printf(out, "],\"watermark_step_ms\":%lld,\"watermark_offset_ms\":%lld,",
               (long long)exchange->watermark_step_ms, (long long)exchange->watermark_offset_ms);
    json_text("reason", exchange->reason, out);
    buf_append_char(out, '}');
}

static void explain_as_json(const struct plan *plan, struct buf *out)
{
    buf_append_char(out, '{');
    json_text("ast", plan->ast_text, out);
    buf_append_char(out, ',');
    json_text("logical", plan->logical_text, out);
    buf_append_char(out, ',');
    json_text("optimized", plan->optimized_text, out);
    buf_printf(out, ",\"task_count\":%d,\"stages\":[", plan->task_count);
    for (int s = 0; s < plan->stage_count; s++) {
        if (s)
            buf_append_char(out, ',');
        json_stage(plan, &plan->stages[s], out);
    }
    buf_append_str(out, "],\"exchanges\":[");
    for (int e = 0; e < plan->exchange_count; e++) {
        if (e)
            buf_append_char(out, ',');
        json_exchange(&plan->exchanges[e], out);
    }
    buf_append_str(out, "],\"settings\":{");
    for (int i = 0; i < plan->setting_count; i++) {
        if (i)
            buf_append_char(out, ',');
        json_text(plan->settings[i].key, plan->settings[i].value, out);
    }
    buf_printf(out, "},\"fingerprint\":\"%016llx\"}\n", (unsigned long long)plan->fingerprint);
}

void plan_explain(const struct plan *plan, bool json, struct buf *out)
{
    CHECK(plan->ast_text && plan->logical_text && plan->optimized_text);
    if (json)
        explain_as_json(plan, out);
    else
        explain_as_text(plan, out);
}
