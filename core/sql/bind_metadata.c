// bind_metadata.c: METADATA columns and PRIMARY KEY of CREATE TABLE: what the connector has, under
// which name and of which type.
//
// A scan gives a metadata column the connector's type; where another one is declared, a cast
// follows it (bind_scan), as in Flink.
#include <errno.h>
#include <stdio.h>

#include "core/base/check.h"
#include "core/sql/bind_internal.h"

struct metadata {
    const char *key;
    enum type_kind kind;
    bool is_written; // a sink may take it
};

// Of a Kafka message. 'topic' is written where the table names several.
static const struct metadata kafka_metadata[] = {
    {"topic", TYPE_STRING, true},           {"partition", TYPE_INT, false},
    {"headers", TYPE_STRING, true},         {"leader-epoch", TYPE_INT, false},
    {"offset", TYPE_BIGINT, false},         {"timestamp", TYPE_TIMESTAMP_LTZ, true},
    {"timestamp-type", TYPE_STRING, false},
};

#define KAFKA_KEYS "topic, partition, headers, leader-epoch, offset, timestamp and timestamp-type"

bool bind_is_kafka(const struct plan_table *table)
{
    return strcmp(table->connector, "kafka") == 0 || strcmp(table->connector, "upsert-kafka") == 0;
}

static const struct metadata *find_metadata(const char *key)
{
    for (size_t i = 0; i < ARRAY_SIZE(kafka_metadata); i++)
        if (strcmp(kafka_metadata[i].key, key) == 0)
            return &kafka_metadata[i];
    return NULL;
}

static const char *key_of(const struct sql_column *column)
{
    return column->metadata_key ? column->metadata_key : column->name.text;
}

static int refuse_key(struct binder *b, const struct sql_column *column,
                      const struct plan_table *table)
{
    const char *keys[ARRAY_SIZE(kafka_metadata)];
    for (size_t i = 0; i < ARRAY_SIZE(kafka_metadata); i++)
        keys[i] = kafka_metadata[i].key;
    if (!bind_is_kafka(table)) {
        diag_error(b->err, b->source, column->pos,
                   "table '%s' has no METADATA columns: connector '%s' offers none", table->name,
                   table->connector);
        return diag_hint(b->err, "a physical column has no METADATA behind its type");
    }
    if (strncmp(key_of(column), "value.", 6) == 0) {
        diag_error(b->err, b->source, column->pos,
                   "metadata of the format ('%s') is not supported yet", key_of(column));
        return diag_hint(b->err, "a message offers " KAFKA_KEYS);
    }
    diag_error(b->err, b->source, column->pos, "there is no metadata '%s'", key_of(column));
    diag_hint(b->err, "a message offers " KAFKA_KEYS "; column METADATA FROM 'key' names one");
    return diag_suggest(b->err, key_of(column), keys, ARRAY_SIZE(kafka_metadata));
}

static int check_type(struct binder *b, const struct sql_column *column, const struct type *from,
                      const struct type *declared)
{
    struct expr *ignored = NULL;
    struct buf own = {0};
    if (from->kind == declared->kind ||
        expr_cast(b->pool, expr_column(b->pool, 0, *from), *declared, &ignored, NULL) == 0)
        return 0;
    type_format(from, &own);
    diag_error(b->err, b->source, column->type->pos, "metadata '%s' is %s and cannot become %s",
               key_of(column), buf_str(&own), type_kind_name(declared->kind));
    if (strcmp(key_of(column), "headers") == 0)
        diag_hint(b->err, "declare it STRING: a JSON object of the headers");
    else
        diag_hint(b->err, "declare it %s", buf_str(&own));
    buf_fini(&own);
    return -EINVAL;
}

static int check_twice(struct binder *b, const struct sql_column *column,
                       const struct plan_table *table, int at)
{
    for (int i = 0; i < at; i++)
        if (table->metadata_keys[i] && strcmp(table->metadata_keys[i], key_of(column)) == 0)
            return diag_error(b->err, b->source, column->pos,
                              "metadata '%s' is column '%s' already", key_of(column),
                              table->physical.fields[i].name);
    return 0;
}

static int bind_one(struct binder *b, const struct sql_column *column, struct plan_table *table,
                    int at)
{
    struct field *field = &table->physical.fields[at];
    const struct metadata *metadata = find_metadata(key_of(column));
    int rc = 0;
    if (!metadata || !bind_is_kafka(table))
        return refuse_key(b, column, table);
    rc = check_twice(b, column, table, at);
    struct type type = type_of(metadata->kind);
    type.not_null = field->type.not_null;
    if (rc == 0)
        rc = check_type(b, column, &type, &field->type);
    field->type = type;
    table->metadata_keys[at] = metadata->key;
    return rc;
}

int bind_metadata_columns(struct binder *b, const struct sql_create_table *create,
                          struct plan_table *table)
{
    size_t count = (size_t)table->physical.field_count + 1;
    bool *is_virtual = pool_zalloc(b->pool, count * sizeof(*is_virtual));
    int at = 0, metadata = 0;
    for (int i = 0; i < create->columns.count; i++)
        metadata += create->columns.items[i].kind == SQL_COLUMN_METADATA;
    if (metadata == 0)
        return 0;
    table->metadata_keys = pool_zalloc(b->pool, count * sizeof(*table->metadata_keys));
    table->is_virtual = is_virtual;
    for (int i = 0; i < create->columns.count; i++) {
        const struct sql_column *column = &create->columns.items[i];
        if (column->kind == SQL_COLUMN_COMPUTED)
            continue;
        is_virtual[at] = column->is_virtual;
        int rc = column->kind == SQL_COLUMN_METADATA ? bind_one(b, column, table, at) : 0;
        if (rc)
            return rc;
        at++;
    }
    return 0;
}

// May a sink be given all that it would be given?
int bind_check_written_metadata(struct binder *b, const struct sql_create_table *create,
                                const struct plan_table *table, struct source_pos pos)
{
    for (int i = 0; i < table->physical.field_count; i++) {
        const char *key = plan_metadata_key(table, i);
        if (!key || !plan_is_written(table, i) || find_metadata(key)->is_written)
            continue;
        diag_error(b->err, b->source, pos,
                   "table '%s' cannot be written: metadata '%s' (column '%s') is only read",
                   table->name, key, table->physical.fields[i].name);
        for (int c = 0; c < create->columns.count; c++)
            if (strcmp(create->columns.items[c].name.text, table->physical.fields[i].name) == 0)
                diag_hint(b->err, "declare it VIRTUAL in line %u: then no sink is given it",
                          create->columns.items[c].pos.line);
        return -EINVAL;
    }
    return 0;
}

// --- PRIMARY KEY ---

static int key_column(struct binder *b, const struct sql_ident *name,
                      const struct plan_table *table, int *out)
{
    *out = schema_find(&table->physical, name->text);
    if (*out >= 0 && !plan_metadata_key(table, *out))
        return 0;
    diag_error(b->err, b->source, name->pos, "'%s' cannot be in the primary key: it is %s",
               name->text, *out < 0 ? "computed" : "metadata");
    return diag_hint(b->err, "a key is made of physical columns");
}

int bind_primary_key(struct binder *b, const struct sql_create_table *create,
                     struct plan_table *table)
{
    const struct sql_idents *names = &create->primary_key.columns;
    int *columns = pool_alloc(b->pool, sizeof(int) * (size_t)(names->count + 1));
    for (int i = 0; i < names->count; i++) {
        int rc = key_column(b, &names->items[i], table, &columns[i]);
        if (rc)
            return rc;
        for (int before = 0; before < i; before++)
            if (columns[before] == columns[i])
                return diag_error(b->err, b->source, names->items[i].pos,
                                  "the primary key names '%s' twice", names->items[i].text);
        table->physical.fields[columns[i]].type.not_null = true; // as in Flink
    }
    table->primary_key = columns;
    table->primary_key_count = names->count;
    return 0;
}
