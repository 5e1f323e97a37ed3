// bind_insert.c: a query and its sink: columns, implicit casts, and whether the sink takes changes.
#include <errno.h>

#include "core/base/check.h"
#include "core/sql/bind_internal.h"

// --- what a sink takes ---

// `or_else`: what to do instead of changing the sink.
static int refuse_changes(struct binder *b, const struct plan_table *table, const char *or_else)
{
    if (bind_is_kafka(table))
        return diag_hint(b->err,
                         "write them with 'connector' = 'upsert-kafka' and a primary key, or "
                         "as a changelog with '%s' = 'debezium-json'",
                         bind_value_format_key(table));
    return diag_hint(b->err, "write changes with 'format' = 'debezium-json' or to a print table%s",
                     or_else);
}

// A table that is a changelog itself, so no single column changes.
static int refuse_changelog(struct binder *b, const struct relation *query,
                            const struct plan_table *table, struct source_pos pos)
{
    const char *format = bind_table_option(table, bind_value_format_key(table));
    diag_error(b->err, b->source, pos,
               "table '%s' (connector %s, format %s) only appends: it doesn't support consuming "
               "update and delete changes, and %s",
               table->name, table->connector, format ? format : "none", query->updating);
    return refuse_changes(b, table, "");
}

static int check_changes(struct binder *b, const struct relation *query,
                         const struct plan_table *table, struct source_pos pos)
{
    if (!query->updating || bind_takes_changes(table))
        return 0;
    if (bind_reads_changelog(query->rel))
        return refuse_changelog(b, query, table, pos);
    const char *format = bind_table_option(table, bind_value_format_key(table));
    const struct rel *rel = query->rel;
    int changing = query->visible_count - 1; // without better knowledge the last: an aggregate
    for (int i = query->visible_count - 1; i >= 0; i--) {
        const struct expr *expr = rel->op.kind == OP_CALC ? rel->op.calc.exprs[i] : NULL;
        const struct rel *window = rel->input;
        if (expr && expr->kind == EXPR_COLUMN && window && window->op.kind == OP_WINDOW &&
            expr->column >= window->op.window.key_count + 3)
            changing = i;
    }
    diag_error(b->err, b->source, pos,
               "table '%s' (connector %s, format %s) only appends, but column '%s' of the query "
               "changes after it was written: %s",
               table->name, table->connector, format ? format : "none",
               rel->op.output.fields[changing].name, query->updating);
    return refuse_changes(b, table,
                          ", switch the option off, or group by the window function CUMULATE");
}

static int check_sink(struct binder *b, const struct bind_entry *entry,
                      const struct plan_table *table, struct source_pos pos)
{
    if (strcmp(table->connector, "datagen") == 0) {
        diag_error(b->err, b->source, pos, "table '%s' cannot be written: datagen is a source",
                   table->name);
        return diag_hint(b->err, "sinks are print, blackhole, filesystem, kafka and upsert-kafka");
    }
    return bind_check_written_metadata(b, entry->table, table, pos);
}

// --- columns ---

// Casts that INSERT makes by itself, as Flink's LogicalTypeCasts.supportsImplicitCast: those of
// expr_coerce, and between the kinds of time.
static bool implicit_time_cast(enum type_kind from, enum type_kind to)
{
    if (from == TYPE_TIMESTAMP)
        return to == TYPE_TIMESTAMP_LTZ || to == TYPE_DATE || to == TYPE_TIME;
    return from == TYPE_TIMESTAMP_LTZ &&
           (to == TYPE_TIMESTAMP || to == TYPE_DATE || to == TYPE_TIME);
}

static bool coercible(enum type_kind from, enum type_kind to)
{
    if (from == TYPE_NULL)
        return true;
    if (from == TYPE_INT)
        return to == TYPE_BIGINT || to == TYPE_DOUBLE;
    return from == TYPE_BIGINT && to == TYPE_DOUBLE;
}

static int cast_column(struct binder *b, struct expr *from, const struct field *target,
                       struct source_pos pos, struct expr **out)
{
    struct err cause = {0};
    struct type to = target->type;
    to.not_null = from->type.not_null;
    *out = from;
    if (from->type.kind == to.kind) // strings of any length: Flink's type-length-enforcer is off
        return 0;
    if (coercible(from->type.kind, to.kind) || implicit_time_cast(from->type.kind, to.kind)) {
        if (expr_cast(b->pool, from, to, out, &cause))
            return bind_expr_error(b, pos, &cause);
        return 0;
    }
    struct buf query = {0}, sink = {0};
    type_format(&from->type, &query);
    type_format(&target->type, &sink);
    diag_error(b->err, b->source, pos, "column '%s' of the sink is %s, the query gives it %s",
               target->name, buf_str(&sink), buf_str(&query));
    diag_hint(b->err, "CAST(... AS %s) in the SELECT list", buf_str(&sink));
    buf_fini(&query);
    buf_fini(&sink);
    return -EINVAL;
}

// from[sink column] = query column or -1.
static int match_columns(struct binder *b, const struct sql_insert *insert,
                         const struct schema *sink, int query_columns, int *from)
{
    int wanted = insert->columns.count ? insert->columns.count : sink->field_count;
    struct source_pos pos = insert->table.pos;
    if (wanted != query_columns) {
        struct buf names = {0};
        for (int i = 0; i < sink->field_count && insert->columns.count == 0; i++)
            buf_printf(&names, "%s%s", i ? ", " : "", sink->fields[i].name);
        diag_error(b->err, b->source, pos, "the query has %d column%s, INSERT INTO needs %d",
                   query_columns, query_columns == 1 ? "" : "s", wanted);
        if (names.len)
            diag_hint(b->err, "the sink's columns are %s", buf_str(&names));
        buf_fini(&names);
        return -EINVAL;
    }
    for (int i = 0; i < sink->field_count; i++)
        from[i] = insert->columns.count ? -1 : i;
    for (int i = 0; i < insert->columns.count; i++) {
        const struct sql_ident *name = &insert->columns.items[i];
        int column = schema_find(sink, name->text);
        if (column < 0)
            return diag_error(b->err, b->source, name->pos, "the sink has no column '%s'",
                              name->text);
        if (from[column] >= 0)
            return diag_error(b->err, b->source, name->pos, "column '%s' is named twice",
                              name->text);
        from[column] = i;
    }
    return 0;
}

// What goes into the sink column: the query's column `from`, or NULL when it is -1.
static int sink_value(struct binder *b, const struct relation *query, int from,
                      const struct field *target, struct expr **out)
{
    *out = from >= 0 ? expr_column(b->pool, from, query->rel->op.output.fields[from].type)
                     : expr_null(b->pool);
    return from < 0 && target->type.not_null ? -EINVAL : 0;
}

// Where the query says the value of its column; the whole query when it has a * or is no SELECT.
static struct source_pos value_pos(const struct sql_insert *insert, const struct relation *query,
                                   int from)
{
    const struct sql_query *text = insert->query;
    if (text->kind == SQL_QUERY_SELECT && from >= 0 &&
        text->select->items.count == query->visible_count)
        return text->select->items.items[from].expr->pos;
    return text->pos;
}

// The columns that a sink is given: all but METADATA ... VIRTUAL.
static struct schema written_columns(struct binder *b, const struct plan_table *table)
{
    const struct schema *all = &table->physical;
    struct schema out = {
        .fields = pool_alloc(b->pool, sizeof(struct field) * (size_t)(all->field_count + 1))};
    for (int i = 0; i < all->field_count; i++)
        if (plan_is_written(table, i))
            out.fields[out.field_count++] = all->fields[i];
    return out;
}

static int bind_sink_columns(struct binder *b, const struct sql_insert *insert,
                             const struct plan_table *table, const struct relation *query,
                             struct rel **out)
{
    const struct schema written = written_columns(b, table), *sink = &written;
    int *from = pool_alloc(b->pool, sizeof(int) * (size_t)(sink->field_count + 1));
    int rc = match_columns(b, insert, sink, query->visible_count, from);
    struct rel *calc = rel_calc(b->pool, query->rel, sink->field_count);
    for (int i = 0; i < sink->field_count && rc == 0; i++) {
        struct source_pos pos = value_pos(insert, query, from[i]);
        struct expr *value = NULL;
        if (sink_value(b, query, from[i], &sink->fields[i], &value))
            return diag_error(b->err, b->source, insert->table.pos,
                              "column '%s' of the sink is NOT NULL and gets no value",
                              sink->fields[i].name);
        rc = cast_column(b, value, &sink->fields[i], pos, &calc->op.calc.exprs[i]);
        calc->op.output.fields[i] = sink->fields[i];
        calc->op.output.fields[i].type.rowtime = false;
    }
    *out = calc;
    return rc;
}

// --- pipelines ---

static void add_pipeline(struct binder *b, struct rel *input, struct plan_table *table)
{
    struct rel *sink = rel_make(b->pool, OP_SINK, input, input->op.output.field_count);
    memcpy(sink->op.output.fields, input->op.output.fields,
           sizeof(struct field) * (size_t)input->op.output.field_count);
    sink->op.table = table;
    b->pipelines =
        bind_grow(b, b->pipelines, b->pipeline_count, &b->pipeline_capacity, sizeof(*b->pipelines));
    b->pipelines[b->pipeline_count++] = sink;
}

// A window function that no GROUP BY has made a window of; the time column that travelled behind
// the named ones ends here.
int bind_complete_window(struct binder *b, struct relation *query)
{
    const struct schema *schema = &query->rel->op.output;
    int rc = query->window ? bind_assign(b, query->window) : 0;
    if (rc || schema->field_count == query->visible_count)
        return rc;
    struct rel *calc = rel_calc(b->pool, query->rel, query->visible_count);
    for (int i = 0; i < query->visible_count; i++) {
        calc->op.calc.exprs[i] = expr_column(b->pool, i, schema->fields[i].type);
        calc->op.output.fields[i] = schema->fields[i];
    }
    query->rel = calc;
    return 0;
}

static int refuse_insert(struct binder *b, const struct sql_insert *insert)
{
    if (insert->overwrite) {
        diag_error(b->err, b->source, insert->overwrite_pos, "INSERT OVERWRITE is not supported");
        return diag_hint(b->err, "a stream has no moment to overwrite at: INSERT INTO");
    }
    if (insert->partition.count)
        return diag_error(b->err, b->source, insert->partition_pos,
                          "INSERT ... PARTITION is not supported yet");
    return 0;
}

static int lookup_sink(struct binder *b, const struct sql_insert *insert, struct plan_table **out)
{
    int index = -1;
    int rc = bind_lookup(b, &insert->table, &index);
    if (rc)
        return rc;
    const struct bind_entry *entry = &b->entries[index];
    if (!entry->table)
        return diag_error(b->err, b->source, insert->table.pos,
                          "'%s' is a view: rows go into tables", entry->name);
    rc = bind_plan_table(b, entry, &insert->options, out);
    return rc ? rc : check_sink(b, entry, *out, insert->table.pos);
}

// A letter is a message as it came, so its table has one column that takes any bytes as they are.
static int check_letters(struct binder *b, const struct bind_entry *entry,
                         const struct plan_table *table, struct source_pos pos)
{
    const char *format = bind_table_option(table, "value.format");
    format = format ? format : bind_table_option(table, "format");
    if (strcmp(table->connector, "kafka") != 0) {
        diag_error(b->err, b->source, pos, "dead letters cannot go to table '%s' (connector %s)",
                   entry->name, table->connector);
        return diag_hint(b->err, "name a table with 'connector' = 'kafka'; without one they go to "
                                 "files, in the folder recovery.dead_letter");
    }
    if (table->physical.field_count == 1 && format && strcmp(format, "raw") == 0 &&
        !bind_table_option(table, "key.format"))
        return 0;
    diag_error(b->err, b->source, pos, "table '%s' cannot take dead letters", entry->name);
    return diag_hint(b->err, "it needs one column, 'format' = 'raw' and no key.format: the message "
                             "as it came, its key and headers that say why are put in");
}

int bind_letters(struct binder *b, struct plan_table **out)
{
    struct source_pos pos = {0};
    const char *name = bind_setting_value(b, "dead-letter.table", &pos);
    struct sql_ident part = {.text = name, .pos = pos};
    const struct sql_name path = {.parts = {.items = &part, .count = 1}, .pos = pos};
    int index = -1;
    if (!name)
        return 0;
    int rc = bind_lookup(b, &path, &index);
    if (rc)
        return rc;
    const struct bind_entry *entry = &b->entries[index];
    if (!entry->table)
        return diag_error(b->err, b->source, pos, "'%s' is a view: dead letters go into a table",
                          entry->name);
    rc = bind_plan_table(b, entry, NULL, out);
    if (rc == 0)
        rc = check_letters(b, entry, *out, pos);
    return rc ? rc : check_sink(b, entry, *out, pos);
}

int bind_insert(struct binder *b, const struct sql_insert *insert)
{
    struct plan_table *table = NULL;
    struct branches branches = {0};
    int rc = refuse_insert(b, insert);
    if (rc == 0)
        rc = lookup_sink(b, insert, &table);
    if (rc == 0)
        rc = bind_branches(b, insert->query, &branches);
    for (int i = 0; i < branches.count && rc == 0; i++) {
        struct rel *rel = NULL;
        rc = check_changes(b, &branches.items[i], table, insert->table.pos);
        if (rc == 0)
            rc = bind_sink_columns(b, insert, table, &branches.items[i], &rel);
        if (rc == 0)
            add_pipeline(b, rel, table);
    }
    return rc;
}

static bool name_taken(const struct schema *schema, int count, const char *name)
{
    for (int i = 0; i < count; i++)
        if (strcmp(schema->fields[i].name, name) == 0)
            return true;
    return false;
}

// Two columns of one name: the later one gets a number, as Flink does.
static const char *unique_name(struct binder *b, const struct schema *schema, int index)
{
    const char *name = schema->fields[index].name;
    for (int suffix = 0; name_taken(schema, index, name); suffix++)
        name = pool_printf(b->pool, "%s%d", schema->fields[index].name, suffix);
    return name;
}

int bind_select(struct binder *b, const struct sql_query *query)
{
    struct branches branches = {0};
    int rc = bind_branches(b, query, &branches);
    if (rc)
        return rc;
    struct schema *schema = &branches.items[0].rel->op.output;
    for (int i = 0; i < schema->field_count; i++)
        schema->fields[i].name = unique_name(b, schema, i);
    struct plan_table *table = pool_zalloc(b->pool, sizeof(*table));
    table->name = "print";
    table->connector = "print";
    table->physical = *schema;
    for (int i = 0; i < branches.count; i++) {
        branches.items[i].rel->op.output = *schema;
        add_pipeline(b, branches.items[i].rel, table);
    }
    return 0;
}
