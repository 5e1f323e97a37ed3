// fingerprint.c: a hash of everything that decides the layout of state and channels. Two plans with
// the same fingerprint may share segments; a different one is refused at attach.
#include <stdlib.h>

#include "core/base/check.h"
#include "core/base/hash.h"
#include "core/plan/logical.h"

enum { FINGERPRINT_VERSION = 3 }; // raise it when a stored layout changes with the plan unchanged

static void put(struct buf *out, int64_t value)
{
    buf_append(out, &value, sizeof(value));
}

static void put_text(struct buf *out, const char *text)
{
    put(out, (int64_t)strlen(text));
    buf_append_str(out, text);
}

static void put_schema(struct buf *out, const struct schema *schema)
{
    put(out, schema->field_count);
    for (int i = 0; i < schema->field_count; i++) {
        const struct type *type = &schema->fields[i].type;
        put_text(out, schema->fields[i].name);
        put(out, type->kind);
        put(out, type->precision);
        put(out, type->length);
    }
}

static void put_window(struct buf *out, const struct op_window *window)
{
    put(out, window->kind);
    put(out, window->changelog);
    put(out, window->size_ms);
    put(out, window->step_ms);
    put(out, window->offset_ms);
    put_text(out, window->zone ? window->zone : "");
    put(out, window->lateness_ms);
    put(out, window->time_column);
    put(out, window->key_count);
    for (int k = 0; k < window->key_count; k++)
        put(out, window->keys[k]);
    for (int a = 0; a < window->agg_count; a++) {
        const struct agg_call *call = &window->aggs[a];
        put(out, call->kind);
        put(out, call->arg);
        put(out, call->filter);
        put(out, call->type.kind);
        put(out, call->arg_type.kind);
    }
    put_schema(out, &window->partial_schema);
}

static bool is_kafka(const struct plan_table *table)
{
    return strcmp(table->connector, "kafka") == 0 || strcmp(table->connector, "upsert-kafka") == 0;
}

// What its columns are besides names and types. Only what there is, so that the hashes of tables
// without any of it stay as they were.
static void put_columns(struct buf *out, const struct plan_table *table)
{
    for (int i = 0; table->metadata_keys && i < table->physical.field_count; i++) {
        put_text(out, table->metadata_keys[i] ? table->metadata_keys[i] : "");
        put(out, table->is_virtual && table->is_virtual[i]);
    }
    for (int i = 0; is_kafka(table) && i < table->primary_key_count; i++)
        put(out, table->primary_key[i]);
}

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

// Does the option say how rows are fetched or sent, rather than what they are? Brokers move and
// timeouts change without the rows becoming others.
static bool is_of_transport(const struct plan_table *table, const char *key)
{
    return is_kafka(table) && strcmp(key, "sink.transactional-id-prefix") != 0 &&
           (begins(key, "properties.") || begins(key, "scan.") || begins(key, "sink."));
}

static void put_table(struct buf *out, const struct plan_table *table, bool with_transport)
{
    put_text(out, table->name);
    put_text(out, table->connector);
    for (int i = 0; i < table->option_count; i++) {
        if (!with_transport && is_of_transport(table, table->options[i].key))
            continue;
        put_text(out, table->options[i].key);
        put_text(out, table->options[i].value);
    }
    put_columns(out, table);
}

// What the operator does, however it is spread.
static void put_op(struct buf *out, const struct op *op, bool with_transport)
{
    put(out, op->kind);
    put_schema(out, &op->output);
    if (op->kind == OP_SOURCE || op->kind == OP_SINK) {
        put_table(out, op->table, with_transport);
    } else if (op->kind == OP_WINDOW || op->kind == OP_ASSIGN) {
        put_window(out, &op->window);
    } else if (op->kind == OP_WATERMARK) {
        put(out, op->watermark.rowtime_column);
        expr_format(op->watermark.expr, NULL, out);
    } else if (op->kind == OP_CALC) {
        for (int i = 0; i < op->output.field_count; i++)
            expr_format(op->calc.exprs[i], NULL, out);
        put(out, op->calc.filter != NULL);
        if (op->calc.filter)
            expr_format(op->calc.filter, NULL, out);
    }
}

uint64_t plan_fingerprint(const struct plan *plan)
{
    struct buf text = {0};
    put(&text, FINGERPRINT_VERSION);
    for (int s = 0; s < plan->stage_count; s++) {
        const struct stage *stage = &plan->stages[s];
        put(&text, stage->parallelism);
        put(&text, stage->input_exchange);
        for (int i = 0; i < stage->op_count; i++) {
            const struct op *op = stage->ops[i];
            put(&text, op->id);
            put(&text, op->kind == OP_WINDOW ? op->window.phase : WINDOW_SINGLE);
            put_op(&text, op, true);
        }
    }
    for (int e = 0; e < plan->exchange_count; e++) {
        const struct exchange *exchange = &plan->exchanges[e];
        put(&text, exchange->kind);
        put(&text, exchange->from_stage);
        put(&text, exchange->to_stage);
        for (int i = 0; i < exchange->hash_column_count; i++)
            put(&text, exchange->hash_columns[i]);
    }
    uint64_t hash = hash_bytes(text.data, text.len);
    buf_fini(&text);
    return hash;
}

// A window is counted where its results come out.
static bool is_counted(const struct op *op)
{
    return op->kind != OP_WINDOW || op->window.phase != WINDOW_PARTIAL;
}

int plan_logical_op(const struct plan *plan, const struct op *op)
{
    int id = 0;
    for (int s = 0; s < plan->stage_count; s++)
        for (int i = 0; i < plan->stages[s].op_count; i++) {
            if (plan->stages[s].ops[i] == op)
                return id;
            id += is_counted(plan->stages[s].ops[i]);
        }
    CHECK(false); // not one of the plan's
    return -1;
}

uint64_t plan_logical_fingerprint(const struct plan *plan)
{
    struct buf text = {0};
    for (int s = 0; s < plan->stage_count; s++)
        for (int i = 0; i < plan->stages[s].op_count; i++)
            if (is_counted(plan->stages[s].ops[i]))
                put_op(&text, plan->stages[s].ops[i], false);
    uint64_t hash = hash_bytes(text.data, text.len);
    buf_fini(&text);
    return hash;
}

int plan_logical_count(const struct plan *plan)
{
    int count = 0;
    for (int s = 0; s < plan->stage_count; s++)
        for (int i = 0; i < plan->stages[s].op_count; i++)
            count += is_counted(plan->stages[s].ops[i]);
    return count;
}

const struct op *plan_logical_at(const struct plan *plan, int number)
{
    for (int s = 0; s < plan->stage_count; s++)
        for (int i = 0; i < plan->stages[s].op_count; i++)
            if (is_counted(plan->stages[s].ops[i]) && number-- == 0)
                return plan->stages[s].ops[i];
    return NULL;
}

// --- whose state fits whom ---

// Options that say where rows lie, not what is made of them.
static bool is_of_place(const struct plan_table *table, const char *key, bool is_sink)
{
    if (is_kafka(table)) // whatever the address of the cluster is by now
        return strcmp(key, "topic") == 0 || strcmp(key, "topic-pattern") == 0 ||
               (is_sink && strcmp(key, "sink.transactional-id-prefix") == 0);
    if (is_sink)
        return strcmp(key, "path") == 0;
    bool is_format = strncmp(key, "csv.", 4) == 0 || strncmp(key, "json.", 5) == 0;
    return !is_format || strstr(key, "quote") != NULL;
}

static uint64_t place_hash(const struct op *op)
{
    struct buf text = {0};
    const bool is_sink = op->kind == OP_SINK;
    put(&text, op->kind);
    put_text(&text, op->table->connector);
    if (is_sink && is_kafka(op->table))
        put_text(&text, op->table->name); // it is in the transactional ids
    for (int i = 0; i < op->table->option_count; i++) {
        const struct plan_option *option = &op->table->options[i];
        if (!is_of_place(op->table, option->key, is_sink))
            continue;
        put_text(&text, option->key);
        if (strcmp(option->key, "source.monitor-interval") != 0) // followed or not, however often
            put_text(&text, option->value);
    }
    uint64_t hash = hash_bytes(text.data, text.len);
    buf_fini(&text);
    return hash;
}

// What the rows behind the operator are: all that was made of them since their source.
static uint64_t rows_hash(const struct op *op, uint64_t before)
{
    struct buf text = {0};
    put(&text, (int64_t)before);
    put_op(&text, op, false);
    uint64_t hash = hash_bytes(text.data, text.len);
    buf_fini(&text);
    return hash;
}

// One an operator of the script, plan_logical_count of them.
static uint64_t *match_hashes(const struct plan *plan)
{
    uint64_t *ends = calloc((size_t)plan->stage_count + 1, sizeof *ends);
    uint64_t *out = calloc((size_t)plan_logical_count(plan) + 1, sizeof *out);
    int number = 0;
    CHECK(ends && out);
    for (int s = 0; s < plan->stage_count; s++) {
        const struct stage *stage = &plan->stages[s];
        uint64_t rows = 0;
        if (stage->input_exchange >= 0)
            rows = ends[plan->exchanges[stage->input_exchange].from_stage];
        for (int i = 0; i < stage->op_count; i++) {
            const struct op *op = stage->ops[i];
            if (!is_counted(op))
                continue;
            rows = rows_hash(op, rows);
            bool is_edge = op->kind == OP_SOURCE || op->kind == OP_SINK;
            out[number++] = is_edge ? place_hash(op) : rows;
        }
        ends[s] = rows;
    }
    free(ends);
    return out;
}

void plan_logical_match(const struct plan *from, const struct plan *to, int *out)
{
    uint64_t *old = match_hashes(from), *new = match_hashes(to);
    const int old_count = plan_logical_count(from), new_count = plan_logical_count(to);
    bool *taken = calloc((size_t)new_count + 1, sizeof *taken);
    CHECK(taken);
    for (int i = 0; i < old_count; i++) {
        out[i] = -1;
        for (int n = 0; n < new_count && out[i] < 0; n++)
            if (!taken[n] && old[i] == new[n]) {
                out[i] = n;
                taken[n] = true;
            }
    }
    free(taken);
    free(old);
    free(new);
}
