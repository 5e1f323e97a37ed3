// bind.c: the statements of a script, in order: each sees the tables, views and settings before it.
#include "core/sql/bind.h"

#include <strings.h>

#include "core/base/check.h"
#include "core/sql/bind_internal.h"

void *bind_grow(struct binder *b, void *items, int count, int *capacity, size_t item_bytes)
{
    if (count < *capacity)
        return items;
    int grown = *capacity ? *capacity * 2 : 8;
    void *copy = pool_zalloc(b->pool, (size_t)grown * item_bytes);
    if (count)
        memcpy(copy, items, (size_t)count * item_bytes);
    *capacity = grown;
    return copy;
}

// --- settings ---

// The settings that change a plan or a run. A key that looks like one of them but is none is a
// typing error; any other key is kept and shown by explain, as Flink does.
static const char *const known_settings[] = {
    "bad-rows",
    "dead-letter.table",
    "execution.checkpointing.dir",
    "execution.checkpointing.interval",
    "execution.checkpointing.min-pause",
    "execution.checkpointing.num-retained",
    "execution.checkpointing.timeout",
    "execution.checkpointing.tolerable-failed-checkpoints",
    "metrics.latency.interval",
    "parallelism.default",
    "pipeline.auto-watermark-interval",
    "pipeline.name",
    "restart-strategy",
    "restart-strategy.exponential-delay.attempts-before-reset-backoff",
    "restart-strategy.exponential-delay.backoff-multiplier",
    "restart-strategy.exponential-delay.initial-backoff",
    "restart-strategy.exponential-delay.jitter-factor",
    "restart-strategy.exponential-delay.max-backoff",
    "restart-strategy.exponential-delay.reset-backoff-threshold",
    "restart-strategy.failure-rate.delay",
    "restart-strategy.failure-rate.failure-rate-interval",
    "restart-strategy.failure-rate.max-failures-per-interval",
    "restart-strategy.fixed-delay.attempts",
    "restart-strategy.fixed-delay.delay",
    "restart-strategy.type",
    "table.exec.emit.allow-lateness",
    "table.exec.emit.early-fire.delay",
    "table.exec.emit.early-fire.enabled",
    "table.exec.emit.late-fire.delay",
    "table.exec.emit.late-fire.enabled",
    "table.exec.mini-batch.allow-latency",
    "table.exec.mini-batch.enabled",
    "table.exec.mini-batch.size",
    "table.exec.sink.not-null-enforcer",
    "table.exec.source.idle-timeout",
    "table.exec.state.ttl",
    "table.local-time-zone",
    "table.optimizer.agg-phase-strategy",
    "table.optimizer.distinct-agg.split.enabled",
};

static int check_setting_key(struct binder *b, const struct sql_option *option)
{
    for (size_t i = 0; i < ARRAY_SIZE(known_settings); i++)
        if (strcmp(option->key, known_settings[i]) == 0)
            return 0;
    if (!err_suggest(option->key, known_settings, ARRAY_SIZE(known_settings)))
        return 0;
    diag_error(b->err, b->source, option->key_pos, "unknown setting '%s'", option->key);
    return diag_suggest(b->err, option->key, known_settings, ARRAY_SIZE(known_settings));
}

static int bind_set(struct binder *b, const struct sql_option *option)
{
    if (!option->key)
        return 0; // SET alone lists the settings: explain does that
    int rc = check_setting_key(b, option);
    if (rc == 0)
        rc = bind_check_setting(b, option);
    if (rc)
        return rc;
    const char *value = option->value;
    if (strcmp(option->key, "table.local-time-zone") == 0 && strcasecmp(value, "default") == 0)
        value = "UTC"; // a job must not depend on the zone of the host it runs on
    struct bind_setting *setting = NULL;
    for (int i = 0; i < b->setting_count; i++)
        if (strcmp(b->settings[i].key, option->key) == 0)
            setting = &b->settings[i];
    if (!setting) {
        b->settings =
            bind_grow(b, b->settings, b->setting_count, &b->setting_capacity, sizeof(*b->settings));
        setting = &b->settings[b->setting_count++];
    }
    *setting = (struct bind_setting){option->key, value, option->value_pos};
    return 0;
}

static void bind_reset(struct binder *b, const struct sql_option *option)
{
    int kept = 0;
    for (int i = 0; i < b->setting_count; i++)
        if (option->key && strcmp(b->settings[i].key, option->key) != 0)
            b->settings[kept++] = b->settings[i];
    b->setting_count = kept;
}

const char *bind_setting_value(const struct binder *b, const char *key, struct source_pos *pos)
{
    for (int i = 0; i < b->setting_count; i++) {
        if (strcmp(b->settings[i].key, key) == 0) {
            *pos = b->settings[i].pos;
            return b->settings[i].value;
        }
    }
    return NULL;
}

// --- statements ---

static int bind_statement(struct binder *b, const struct sql_statement *statement)
{
    switch (statement->kind) {
    case SQL_STATEMENT_CREATE_TABLE:
        return bind_add_table(b, statement->create_table);
    case SQL_STATEMENT_CREATE_VIEW:
        return bind_add_view(b, statement->create_view);
    case SQL_STATEMENT_DROP:
        return bind_drop(b, statement->drop);
    case SQL_STATEMENT_SET:
        return bind_set(b, statement->option);
    case SQL_STATEMENT_RESET:
        bind_reset(b, statement->option);
        return 0;
    case SQL_STATEMENT_INSERT:
        return bind_insert(b, statement->insert);
    case SQL_STATEMENT_QUERY:
        return bind_select(b, statement->query);
    case SQL_STATEMENT_SET_OF_INSERTS:
        for (int i = 0; i < statement->inserts.count; i++) {
            int rc = bind_insert(b, statement->inserts.items[i]->insert);
            if (rc)
                return rc;
        }
        return 0;
    case SQL_STATEMENT_EXPLAIN:
        b->explain_only = true;
        return bind_statement(b, statement->explained);
    }
    CHECK(!"a statement of no kind");
    return 0;
}

static const struct plan_option *final_settings(const struct binder *b)
{
    struct plan_option *settings =
        pool_alloc(b->pool, sizeof(*settings) * (size_t)(b->setting_count + 1));
    for (int i = 0; i < b->setting_count; i++)
        settings[i] = (struct plan_option){b->settings[i].key, b->settings[i].value};
    return settings;
}

int sql_bind(struct pool *pool, const struct sql_script *script, struct logical *out,
             struct err *err)
{
    struct binder b = {.pool = pool, .source = &script->source, .err = err};
    for (int i = 0; i < script->statements.count; i++) {
        int rc = bind_statement(&b, script->statements.items[i]);
        if (rc)
            return rc;
    }
    if (b.pipeline_count == 0) {
        diag_error(err, b.source, (struct source_pos){0}, "the script computes nothing");
        return diag_hint(err, "add an INSERT INTO ... SELECT, or a SELECT, whose rows are printed");
    }
    int rc = bind_letters(&b, &out->letters);
    if (rc)
        return rc;
    out->pipelines = b.pipelines;
    out->pipeline_count = b.pipeline_count;
    out->settings = final_settings(&b);
    out->setting_count = b.setting_count;
    out->explain_only = b.explain_only;
    return 0;
}
