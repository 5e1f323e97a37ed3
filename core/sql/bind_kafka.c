// bind_kafka.c: what hangs together in a kafka or upsert-kafka table and decides what a query may
// do with it: formats, the primary key, watermarks. Each option by itself is bind_options.c's;
// positions, bounds and columns of key and value are read by stages/kafka/table.c.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/check.h"
#include "core/sql/bind_internal.h"

const char *bind_value_format_key(const struct plan_table *table)
{
    return bind_table_option(table, "value.format") ? "value.format" : "format";
}

bool bind_takes_changes(const struct plan_table *table)
{
    bool is_plain = strcmp(table->connector, "filesystem") == 0 || //
                    strcmp(table->connector, "kafka") == 0;
    const char *format = bind_table_option(table, bind_value_format_key(table));
    return !is_plain || (format && strcmp(format, "debezium-json") == 0);
}

bool bind_reads_changelog(const struct rel *rel)
{
    while (rel->input)
        rel = rel->input;
    return rel->op.kind == OP_SOURCE && plan_is_changelog(rel->op.table);
}

static bool is_upsert(const struct plan_table *table)
{
    return strcmp(table->connector, "upsert-kafka") == 0;
}

// --- formats ---

static int check_given(struct binder *b, const struct sql_create_table *create,
                       const struct plan_table *table, const char *key)
{
    if (bind_table_option(table, key))
        return 0;
    diag_error(b->err, b->source, create->options_pos, "table '%s' has no '%s' option", table->name,
               key);
    return diag_hint(b->err, "'%s' = 'json', 'csv' or 'raw'", key);
}

static int refuse_changelog_part(struct binder *b, const struct sql_create_table *create,
                                 const struct plan_table *table, const char *key)
{
    char quoted[32];
    snprintf(quoted, sizeof quoted, "'%s'", key);
    diag_error(b->err, b->source, bind_option_pos(create, quoted),
               "'%s' = 'debezium-json' of table '%s': %s", key, table->name,
               key[0] == 'k' ? "a key is no change of something"
                             : "upsert-kafka says by key and tombstone what was changed");
    return diag_hint(b->err, "'json', 'csv' or 'raw'");
}

static int check_key_format(struct binder *b, const struct sql_create_table *create,
                            const struct plan_table *table)
{
    struct format_options format;
    int rc = is_upsert(table) ? check_given(b, create, table, "key.format") : 0;
    if (rc || !bind_table_option(table, "key.format"))
        return rc;
    rc = bind_format(b, create, table, "key.", &format);
    if (rc == 0 && format_is_changelog(format.kind))
        rc = refuse_changelog_part(b, create, table, "key.format");
    return rc;
}

static int check_value_format(struct binder *b, const struct sql_create_table *create,
                              const struct plan_table *table, struct format_options *format)
{
    const char *key = bind_value_format_key(table);
    if (is_upsert(table))
        key = "value.format";
    int rc = check_given(b, create, table, key);
    if (rc == 0 && bind_table_option(table, "value.format") && bind_table_option(table, "format"))
        return diag_error(b->err, b->source, bind_option_pos(create, "'format'"),
                          "'format' and 'value.format' are the same option: give one");
    if (rc == 0)
        rc = bind_format(b, create, table, strcmp(key, "format") == 0 ? "" : "value.", format);
    if (rc == 0 && is_upsert(table) && format_is_changelog(format->kind))
        rc = refuse_changelog_part(b, create, table, key);
    return rc;
}

// An option of a format that is not this table's would have no effect.
static int check_strays(struct binder *b, const struct sql_create_table *create,
                        const struct plan_table *table)
{
    static const char *const formats[] = {"json.", "csv.", "debezium-json.", "raw."};
    bool is_plain = strcmp(bind_value_format_key(table), "format") == 0;
    bool has_key = bind_table_option(table, "key.format") != NULL;
    for (int i = 0; i < table->option_count; i++) {
        const char *key = table->options[i].key, *name = strchr(key, '.');
        bool is_key = strncmp(key, "key.", 4) == 0, is_value = strncmp(key, "value.", 6) == 0;
        name = is_key || is_value ? name + 1 : key;
        bool is_format = false;
        for (size_t f = 0; f < ARRAY_SIZE(formats); f++)
            is_format |= strncmp(name, formats[f], strlen(formats[f])) == 0;
        if (!is_format || (is_key ? has_key : is_value != is_plain))
            continue;
        const char *quoted = pool_printf(b->pool, "'%s'", key);
        diag_error(b->err, b->source, bind_option_pos(create, quoted),
                   "%s has no effect: there is no '%s'", quoted,
                   is_key     ? "key.format"
                   : is_value ? "value.format"
                              : "format");
        return diag_hint(b->err, "options of 'value.format' begin with 'value.', those of "
                                 "'key.format' with 'key.'");
    }
    return 0;
}

// --- the primary key ---

static int check_key(struct binder *b, const struct sql_create_table *create,
                     const struct plan_table *table, const struct format_options *value)
{
    if (is_upsert(table) && table->primary_key_count == 0) {
        diag_error(b->err, b->source, create->name.pos,
                   "table '%s' needs a primary key: connector 'upsert-kafka' takes the key of its "
                   "messages from it",
                   table->name);
        return diag_hint(b->err, "PRIMARY KEY (column, ...) NOT ENFORCED among the columns");
    }
    if (is_upsert(table) || table->primary_key_count == 0 || format_is_changelog(value->kind))
        return 0;
    diag_error(b->err, b->source, create->primary_key.pos,
               "the Kafka table '%s' with '%s' format doesn't support defining PRIMARY KEY "
               "constraint on the table, because it can't guarantee the semantic of primary key",
               table->name, format_kind_name(value->kind));
    return diag_hint(b->err, "write it with 'connector' = 'upsert-kafka', or as a changelog with "
                             "'format' = 'debezium-json'");
}

int bind_check_kafka(struct binder *b, const struct sql_create_table *create,
                     const struct plan_table *table)
{
    struct format_options value;
    int rc = check_value_format(b, create, table, &value);
    if (rc == 0)
        rc = check_key_format(b, create, table);
    if (rc == 0)
        rc = check_strays(b, create, table);
    return rc ? rc : check_key(b, create, table, &value);
}

// --- watermarks ---

static void duration(const struct plan_table *table, const char *key, int64_t *out)
{
    const char *text = bind_table_option(table, key);
    int rc = text ? plan_duration_ms(text, out, NULL) : 0;
    CHECK(rc == 0); // bind_check_options has read it
}

static int check_gap(struct binder *b, const struct sql_create_table *create,
                     const struct plan_table *table)
{
    const char *gap = bind_table_option(table, "scan.watermark.emit.on-event.gap");
    if (!gap || strtol(gap, NULL, 10) == 1)
        return 0;
    diag_error(b->err, b->source, bind_option_pos(create, "'scan.watermark.emit.on-event.gap'"),
               "'scan.watermark.emit.on-event.gap' = '%s' is not supported", gap);
    return diag_hint(b->err, "leave it at 1, a watermark behind every row, or take "
                             "'scan.watermark.emit.strategy' = 'on-periodic'");
}

int bind_watermark_options(struct binder *b, const struct sql_create_table *create,
                           const struct plan_table *table, struct op_watermark *watermark)
{
    if (!bind_is_kafka(table))
        return 0;
    const char *strategy = bind_table_option(table, "scan.watermark.emit.strategy");
    const char *drift = bind_table_option(table, "scan.watermark.alignment.max-drift");
    duration(table, "scan.watermark.idle-timeout", &watermark->idle_timeout_ms);
    if (strategy && strcmp(strategy, "on-event") == 0)
        watermark->interval_ms = 0;
    watermark->align_group = bind_table_option(table, "scan.watermark.alignment.group");
    watermark->align_update_ms = 1000;
    duration(table, "scan.watermark.alignment.max-drift", &watermark->align_drift_ms);
    duration(table, "scan.watermark.alignment.update-interval", &watermark->align_update_ms);
    if ((watermark->align_group != NULL) == (drift != NULL))
        return check_gap(b, create, table);
    const char *given = drift ? "max-drift" : "group", *other = drift ? "group" : "max-drift";
    diag_error(b->err, b->source,
               bind_option_pos(create, drift ? "'scan.watermark.alignment.max-drift'"
                                             : "'scan.watermark.alignment.group'"),
               "'scan.watermark.alignment.%s' without 'scan.watermark.alignment.%s'", given, other);
    return diag_hint(b->err, "give both: tables of one group wait for each other when they are "
                             "further apart than the drift");
}
