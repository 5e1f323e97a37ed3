// bind_catalog.c: tables and views: types, columns, computed columns, watermarks, options.
#include <errno.h>
#include <stdio.h>

#include "core/base/check.h"
#include "core/format/options.h"
#include "core/sql/bind_internal.h"

// --- types ---

static int refuse_type(struct binder *b, const struct sql_type *from, const char *hint)
{
    struct slice text = source_slice(b->source, from->pos);
    diag_error(b->err, b->source, from->pos, "type %.*s is not supported yet", (int)text.len,
               text.ptr);
    return diag_hint(b->err, "%s", hint);
}

static int bind_timestamp_type(struct binder *b, const struct sql_type *from, struct type *out)
{
    int precision = from->precision < 0 ? 6 : from->precision;
    if (precision > 3)
        return refuse_type(b, from,
                           "times have milliseconds here: write TIMESTAMP(3) or TIMESTAMP_LTZ(3) "
                           "(without a precision it means 6 digits)");
    *out = type_of(from->kind == SQL_TYPE_TIMESTAMP ? TYPE_TIMESTAMP : TYPE_TIMESTAMP_LTZ);
    out->precision = (uint8_t)precision;
    return 0;
}

static int bind_string_type(struct binder *b, const struct sql_type *from, struct type *out)
{
    *out = type_of(TYPE_STRING);
    if (from->kind == SQL_TYPE_STRING)
        return 0;
    out->fixed_length = from->kind == SQL_TYPE_CHAR;
    if (from->precision == 0)
        return diag_error(b->err, b->source, from->pos, "a length must be at least 1");
    // VARCHAR(2147483647) is STRING and, whatever Flink's documentation says, so is plain VARCHAR.
    if (out->fixed_length || (from->precision > 0 && from->precision != INT32_MAX))
        out->length = from->precision < 0 ? 1 : (uint32_t)from->precision;
    return 0;
}

int bind_type(struct binder *b, const struct sql_type *from, struct type *out)
{
    static const struct {
        enum sql_type_kind from;
        enum type_kind to;
    } plain[] = {{SQL_TYPE_BOOLEAN, TYPE_BOOLEAN},
                 {SQL_TYPE_INT, TYPE_INT},
                 {SQL_TYPE_BIGINT, TYPE_BIGINT},
                 {SQL_TYPE_DOUBLE, TYPE_DOUBLE},
                 {SQL_TYPE_DATE, TYPE_DATE},
                 {SQL_TYPE_TIME, TYPE_TIME},
                 {SQL_TYPE_INTERVAL_DAY, TYPE_INTERVAL_DAY},
                 {SQL_TYPE_INTERVAL_MONTH, TYPE_INTERVAL_MONTH}};
    int rc = 1;
    for (size_t i = 0; i < ARRAY_SIZE(plain); i++) {
        if (plain[i].from == from->kind) {
            *out = type_of(plain[i].to);
            rc = 0;
        }
    }
    if (from->kind == SQL_TYPE_TIMESTAMP || from->kind == SQL_TYPE_TIMESTAMP_LTZ)
        rc = bind_timestamp_type(b, from, out);
    else if (from->kind == SQL_TYPE_STRING || from->kind == SQL_TYPE_VARCHAR ||
             from->kind == SQL_TYPE_CHAR)
        rc = bind_string_type(b, from, out);
    else if (rc == 1)
        rc = refuse_type(b, from,
                         from->kind == SQL_TYPE_TINYINT || from->kind == SQL_TYPE_SMALLINT
                             ? "use INT"
                         : from->kind == SQL_TYPE_FLOAT || from->kind == SQL_TYPE_DECIMAL
                             ? "use DOUBLE, or BIGINT for whole numbers"
                             : "supported are BOOLEAN, INT, BIGINT, DOUBLE, STRING, VARCHAR(n), "
                               "CHAR(n), DATE, TIME, TIMESTAMP(3), TIMESTAMP_LTZ(3)");
    if (rc == 0)
        out->not_null = from->not_null;
    return rc;
}

// --- names of the catalog ---

static int find_entry(const struct binder *b, const char *name)
{
    for (int i = b->entry_count - 1; i >= 0; i--)
        if (strcmp(b->entries[i].name, name) == 0)
            return i;
    return -1;
}

static const char *last_part(const struct sql_name *name)
{
    return name->parts.items[name->parts.count - 1].text;
}

int bind_lookup(struct binder *b, const struct sql_name *name, int *out)
{
    *out = find_entry(b, last_part(name));
    if (*out >= 0)
        return 0;
    const char **names = pool_alloc(b->pool, sizeof(char *) * (size_t)(b->entry_count + 1));
    for (int i = 0; i < b->entry_count; i++)
        names[i] = b->entries[i].name;
    diag_error(b->err, b->source, name->pos, "there is no table or view '%s'", last_part(name));
    if (b->entry_count == 0)
        return diag_hint(b->err, "declare it with CREATE TABLE before it is used");
    return diag_suggest(b->err, last_part(name), names, b->entry_count);
}

// 0: add it; 1: it is there and IF NOT EXISTS was said.
static int check_new_name(struct binder *b, const struct sql_name *name, bool if_not_exists)
{
    if (find_entry(b, last_part(name)) < 0)
        return 0;
    if (if_not_exists)
        return 1;
    diag_error(b->err, b->source, name->pos, "'%s' exists already", last_part(name));
    return diag_hint(b->err, "names are case-sensitive; drop the other one, or say IF NOT EXISTS");
}

static void add_entry(struct binder *b, struct bind_entry entry)
{
    b->entries = bind_grow(b, b->entries, b->entry_count, &b->entry_capacity, sizeof(*b->entries));
    entry.visible_entries = b->entry_count;
    b->entries[b->entry_count++] = entry;
}

int bind_add_view(struct binder *b, const struct sql_create_view *view)
{
    int rc = check_new_name(b, &view->name, view->if_not_exists);
    if (rc)
        return rc < 0 ? rc : 0;
    struct relation ignored = {0};
    rc =
        bind_query(b, view->query, &ignored); // so that its mistakes are found where it is declared
    if (rc)
        return rc;
    if (view->columns.count && view->columns.count != ignored.visible_count)
        return diag_error(b->err, b->source, view->name.pos,
                          "the view names %d columns, its query has %d", view->columns.count,
                          ignored.visible_count);
    add_entry(b, (struct bind_entry){.name = last_part(&view->name),
                                     .query = view->query,
                                     .columns = view->columns});
    return 0;
}

int bind_drop(struct binder *b, const struct sql_drop *drop)
{
    int index = find_entry(b, last_part(&drop->name));
    if (index < 0 && drop->if_exists)
        return 0;
    if (index < 0)
        return bind_lookup(b, &drop->name, &index);
    if (drop->view != (b->entries[index].table == NULL))
        return diag_error(b->err, b->source, drop->name.pos, "'%s' is a %s", last_part(&drop->name),
                          drop->view ? "table" : "view");
    b->entries[index].name = ""; // the place stays: views count entries
    return 0;
}

// --- options ---

const char *bind_table_option(const struct plan_table *table, const char *key)
{
    for (int i = 0; i < table->option_count; i++)
        if (strcmp(table->options[i].key, key) == 0)
            return table->options[i].value;
    return NULL;
}

static const char *place_text(struct binder *b, struct source_pos pos)
{
    return pool_printf(b->pool, "%s:%u:%u", b->source->file_name, pos.line, pos.column);
}

// A later one of the same name wins.
static void put_option(struct binder *b, struct plan_table *table, struct plan_option *options,
                       const struct sql_option *from)
{
    int at = 0;
    while (at < table->option_count && strcmp(options[at].key, from->key) != 0)
        at++;
    options[at] = (struct plan_option){from->key, from->value};
    table->option_places[at] = place_text(b, from->key_pos);
    if (at == table->option_count)
        table->option_count++;
}

static int check_connector(struct binder *b, const struct bind_entry *entry,
                           struct plan_table *table)
{
    static const char *const connectors[] = {"filesystem", "datagen", "print",
                                             "blackhole",  "kafka",   "upsert-kafka"};
    const struct sql_create_table *create = entry->table;
    struct source_pos pos = create->options.count ? create->options_pos : create->name.pos;
    table->connector = bind_table_option(table, "connector");
    if (!table->connector) {
        diag_error(b->err, b->source, pos, "table '%s' has no 'connector' option", table->name);
        return diag_hint(b->err, "WITH ('connector' = 'filesystem', ...); there are filesystem, "
                                 "datagen, print, blackhole, kafka and upsert-kafka");
    }
    for (size_t i = 0; i < ARRAY_SIZE(connectors); i++)
        if (strcmp(table->connector, connectors[i]) == 0)
            return 0;
    for (int i = 0; i < create->options.count; i++)
        if (strcmp(create->options.items[i].key, "connector") == 0)
            pos = create->options.items[i].value_pos;
    diag_error(b->err, b->source, pos, "there is no connector '%s'", table->connector);
    diag_hint(b->err, "there are filesystem, datagen, print, blackhole, kafka and upsert-kafka");
    return diag_suggest(b->err, table->connector, connectors, ARRAY_SIZE(connectors));
}

struct source_pos bind_option_pos(const struct sql_create_table *create, const char *message)
{
    const char *first = NULL;
    struct source_pos pos = create->options_pos;
    for (int i = 0; i < create->options.count; i++) {
        const struct sql_option *option = &create->options.items[i];
        char quoted[128];
        snprintf(quoted, sizeof(quoted), "'%s'", option->key);
        const char *at = strstr(message, quoted);
        if (at && (!first || at < first)) {
            first = at;
            pos = source_span(option->key_pos, option->value_pos);
        }
    }
    return pos;
}

int bind_format(struct binder *b, const struct sql_create_table *create,
                const struct plan_table *table, const char *prefix, struct format_options *out)
{
    size_t bytes = sizeof(char *) * (size_t)(table->option_count + 1);
    const char **keys = pool_alloc(b->pool, bytes), **values = pool_alloc(b->pool, bytes);
    for (int i = 0; i < table->option_count; i++) {
        keys[i] = table->options[i].key;
        values[i] = table->options[i].value;
    }
    struct format_with with = {prefix, keys, values, table->option_count};
    struct err cause = {0};
    if (format_options_parse_prefixed(&with, out, &cause))
        return bind_expr_error(b, bind_option_pos(create, cause.text), &cause);
    return 0;
}

// What every filesystem table must say; the rest is for the source or sink to check.
static int check_filesystem(struct binder *b, const struct sql_create_table *create,
                            const struct plan_table *table)
{
    const char *path = bind_table_option(table, "path");
    if (!path || !*path) {
        diag_error(b->err, b->source, create->options_pos, "table '%s' has no 'path' option",
                   table->name);
        return diag_hint(b->err, "'path' = 'a file, a folder, or for a source a pattern'");
    }
    struct format_options format;
    int rc = bind_format(b, create, table, "", &format);
    if (rc || format.kind != FORMAT_RAW)
        return rc;
    diag_error(b->err, b->source, bind_option_pos(create, "'format'"),
               "'format' = 'raw' is for messages: a file would not tell where a row ends");
    return diag_hint(b->err, "a line as one column: 'format' = 'csv' with a delimiter that no line "
                             "has, such as '\\u0001', and 'csv.disable-quote-character' = 'true'");
}

static int bind_physical(struct binder *b, const struct sql_create_table *create,
                         struct schema *out)
{
    out->fields = pool_zalloc(b->pool, sizeof(struct field) * (size_t)(create->columns.count + 1));
    for (int i = 0; i < create->columns.count; i++) {
        const struct sql_column *column = &create->columns.items[i];
        if (column->kind == SQL_COLUMN_COMPUTED)
            continue;
        struct field *field = &out->fields[out->field_count++];
        field->name = column->name.text;
        int rc = bind_type(b, column->type, &field->type);
        if (rc)
            return rc;
    }
    return 0;
}

int bind_plan_table(struct binder *b, const struct bind_entry *entry,
                    const struct sql_options *hints, struct plan_table **out)
{
    const struct sql_create_table *create = entry->table;
    struct plan_table *table = pool_zalloc(b->pool, sizeof(*table));
    int hint_count = hints ? hints->count : 0;
    size_t capacity = (size_t)create->options.count + (size_t)hint_count + 1;
    struct plan_option *options = pool_alloc(b->pool, sizeof(*options) * capacity);
    table->name = entry->name;
    table->place = place_text(b, create->options.count ? create->options_pos : create->name.pos);
    table->option_places = pool_alloc(b->pool, sizeof(char *) * capacity);
    for (int i = 0; i < create->options.count; i++)
        put_option(b, table, options, &create->options.items[i]);
    for (int i = 0; i < hint_count; i++)
        put_option(b, table, options, &hints->items[i]);
    table->options = options;
    int rc = bind_physical(b, create, &table->physical);
    if (rc)
        return rc;
    *out = table;
    rc = check_connector(b, entry, table);
    if (rc == 0)
        rc = bind_metadata_columns(b, create, table);
    if (rc == 0)
        rc = bind_primary_key(b, create, table);
    if (rc == 0)
        rc = bind_check_options(b, table->connector, &create->options);
    if (rc == 0)
        rc = bind_check_options(b, table->connector, hints);
    if (rc == 0 && strcmp(table->connector, "filesystem") == 0)
        rc = check_filesystem(b, create, table);
    if (rc == 0 && bind_is_kafka(table))
        rc = bind_check_kafka(b, create, table);
    return rc;
}

// --- scanning ---

static const struct sql_column *find_column(const struct sql_create_table *create, const char *name)
{
    for (int i = 0; i < create->columns.count; i++)
        if (strcmp(create->columns.items[i].name.text, name) == 0)
            return &create->columns.items[i];
    return NULL;
}

// A column of the scan, cast to what it was declared as: metadata has the connector's type.
static int scanned_column(struct binder *b, const struct sql_column *column,
                          const struct field *from, int index, struct expr **out)
{
    struct type declared = from->type;
    *out = expr_column(b->pool, index, from->type);
    int rc = column->kind == SQL_COLUMN_METADATA ? bind_type(b, column->type, &declared) : 0;
    if (rc || (declared.kind == from->type.kind && declared.precision == from->type.precision))
        return rc;
    rc = expr_cast(b->pool, *out, declared, out, NULL);
    CHECK(rc == 0); // bind_metadata_columns has tried
    return rc;
}

static int declared_column(struct binder *b, const struct bind_scope *scope,
                           const struct sql_column *column, int *scanned, struct expr **out)
{
    const struct schema *source = &scope->from->rel->op.output;
    if (column->kind == SQL_COLUMN_COMPUTED)
        return bind_expr(b, scope, column->expr, out);
    int index = (*scanned)++;
    return scanned_column(b, column, &source->fields[index], index, out);
}

// The columns of the scan as they come, the computed ones among them, in declared order.
static int bind_computed(struct binder *b, const struct sql_create_table *create,
                         struct relation *relation)
{
    struct rel *source = relation->rel;
    struct bind_scope scope = {.from = relation, .clause = "a computed column"};
    struct rel *calc = rel_calc(b->pool, source, create->columns.count);
    int scanned = 0;
    bool is_scan = true; // nothing is computed or cast
    for (int i = 0; i < create->columns.count; i++) {
        const struct sql_column *column = &create->columns.items[i];
        struct expr **slot = &calc->op.calc.exprs[i];
        int rc = declared_column(b, &scope, column, &scanned, slot);
        if (rc)
            return rc;
        calc->op.output.fields[i] = (struct field){column->name.text, (*slot)->type};
        is_scan &= (*slot)->kind == EXPR_COLUMN && column->kind != SQL_COLUMN_COMPUTED;
    }
    if (is_scan)
        return 0;
    relation->rel = calc;
    relation->visible_count = create->columns.count;
    return 0;
}

static int watermark_setting(struct binder *b, const char *key, const char *fallback, int64_t *out)
{
    struct source_pos pos = {0};
    const char *text = bind_setting_value(b, key, &pos);
    struct err cause = {0};
    if (plan_duration_ms(text ? text : fallback, out, &cause))
        return diag_error(b->err, b->source, pos, "%s: %s", key, cause.text);
    return 0;
}

static int watermark_settings(struct binder *b, const struct sql_create_table *create,
                              const struct plan_table *table, struct op_watermark *watermark)
{
    int rc =
        watermark_setting(b, "pipeline.auto-watermark-interval", "200 ms", &watermark->interval_ms);
    if (rc == 0)
        rc = watermark_setting(b, "table.exec.source.idle-timeout", "0 ms",
                               &watermark->idle_timeout_ms);
    return rc ? rc : bind_watermark_options(b, create, table, watermark);
}

static int check_watermark(struct binder *b, const struct sql_watermark *declared,
                           const struct type *time, struct expr **expr)
{
    if (!type_is_timestamp(time->kind)) {
        diag_error(b->err, b->source, declared->column.pos,
                   "a watermark needs a TIMESTAMP(3) or TIMESTAMP_LTZ(3) column");
        return diag_hint(b->err, "add a computed column, for example "
                                 "ts AS TO_TIMESTAMP(text) or ts AS TO_TIMESTAMP_LTZ(millis, 3)");
    }
    if (!type_is_timestamp((*expr)->type.kind))
        return diag_error(b->err, b->source, declared->expr->pos,
                          "the watermark must be a TIMESTAMP(3) or TIMESTAMP_LTZ(3)");
    return 0;
}

static int bind_watermark(struct binder *b, const struct sql_create_table *create,
                          const struct plan_table *table, struct relation *relation)
{
    const struct sql_watermark *declared = create->watermark;
    const struct schema *input = &relation->rel->op.output;
    int column = -1;
    int rc = bind_column(b, relation, &declared->column, &column);
    if (rc)
        return rc;
    struct rel *rel = rel_make(b->pool, OP_WATERMARK, relation->rel, input->field_count);
    struct op_watermark *watermark = &rel->op.watermark;
    struct bind_scope scope = {.from = relation, .clause = "WATERMARK FOR"};
    rc = bind_expr(b, &scope, declared->expr, &watermark->expr);
    if (rc == 0)
        rc = check_watermark(b, declared, &input->fields[column].type, &watermark->expr);
    if (rc == 0)
        rc = watermark_settings(b, create, table, watermark);
    if (rc)
        return rc;
    memcpy(rel->op.output.fields, input->fields, sizeof(struct field) * (size_t)input->field_count);
    rel->op.output.fields[column].type.rowtime = true;
    watermark->rowtime_column = column;
    relation->rel = rel;
    return 0;
}

static bool is_readable(const struct plan_table *table)
{
    if (strcmp(table->connector, "filesystem") == 0)
        return strcmp(bind_table_option(table, "format"), "debezium-json") != 0;
    return strcmp(table->connector, "datagen") == 0 || strcmp(table->connector, "kafka") == 0;
}

static int check_source(struct binder *b, const struct bind_entry *entry,
                        const struct plan_table *table)
{
    if (is_readable(table))
        return 0;
    if (strcmp(table->connector, "filesystem") == 0) {
        diag_error(b->err, b->source, bind_option_pos(entry->table, "'format'"),
                   "table '%s' cannot be read: debezium-json is only written to files",
                   table->name);
        return diag_hint(b->err, "files are read as 'json' or 'csv'; a kafka table may be "
                                 "debezium-json");
    }
    if (strcmp(table->connector, "upsert-kafka") == 0) {
        diag_error(b->err, b->source, entry->table->name.pos,
                   "table '%s' cannot be read: upsert-kafka is a sink here. To read it, what a "
                   "message replaces would have to be kept for every key",
                   table->name);
        return diag_hint(b->err, "read its topic as 'connector' = 'kafka': each message is then a "
                                 "row of its own");
    }
    diag_error(b->err, b->source, entry->table->name.pos,
               "table '%s' cannot be read: connector '%s' is a sink", table->name,
               table->connector);
    return diag_hint(b->err, "sources are filesystem, datagen and kafka");
}

int bind_scan(struct binder *b, const struct bind_entry *entry, const struct sql_options *hints,
              struct relation *out)
{
    struct plan_table *table = NULL;
    int rc = bind_plan_table(b, entry, hints, &table);
    if (rc == 0)
        rc = check_source(b, entry, table);
    if (rc)
        return rc;
    if (table->physical.field_count == 0)
        return diag_error(b->err, b->source, entry->table->name.pos,
                          "table '%s' has no physical column", table->name);
    struct rel *rel = rel_make(b->pool, OP_SOURCE, NULL, table->physical.field_count);
    rel->op.table = table;
    memcpy(rel->op.output.fields, table->physical.fields,
           sizeof(struct field) * (size_t)table->physical.field_count);
    *out = (struct relation){
        .rel = rel, .visible_count = table->physical.field_count, .alias = entry->name};
    if (bind_reads_changelog(rel))
        out->updating = pool_printf(b->pool, "table '%s' is a changelog ('%s' = 'debezium-json')",
                                    table->name, bind_value_format_key(table));
    rc = bind_computed(b, entry->table, out);
    if (rc == 0 && entry->table->watermark)
        rc = bind_watermark(b, entry->table, table, out);
    return rc;
}

// --- CREATE TABLE ---

static int check_columns(struct binder *b, const struct sql_create_table *table)
{
    for (int i = 0; i < table->columns.count; i++) {
        const struct sql_column *column = &table->columns.items[i];
        if (find_column(table, column->name.text) != column)
            return diag_error(b->err, b->source, column->name.pos, "column '%s' is declared twice",
                              column->name.text);
    }
    for (int i = 0; i < table->primary_key.columns.count; i++) {
        const struct sql_ident *key = &table->primary_key.columns.items[i];
        if (!find_column(table, key->text))
            return diag_error(b->err, b->source, key->pos,
                              "the primary key names '%s', which is no column", key->text);
    }
    if (table->partitioned_by.count)
        return diag_error(b->err, b->source, table->partitioned_pos,
                          "PARTITIONED BY is not supported yet");
    return 0;
}

int bind_add_table(struct binder *b, const struct sql_create_table *table)
{
    int rc = check_new_name(b, &table->name, table->if_not_exists);
    if (rc)
        return rc < 0 ? rc : 0;
    rc = check_columns(b, table);
    if (rc)
        return rc;
    struct bind_entry entry = {.name = last_part(&table->name), .table = table};
    struct plan_table *checked = NULL;
    rc = bind_plan_table(b, &entry, NULL, &checked);
    if (rc)
        return rc;
    struct relation ignored; // bound so that mistakes are found where they were made
    rc = is_readable(checked) ? bind_scan(b, &entry, NULL, &ignored) : 0;
    if (rc == 0)
        add_entry(b, entry);
    return rc;
}
