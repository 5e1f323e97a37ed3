// bind_query.c: FROM, WHERE, GROUP BY, HAVING and SELECT to relations.
#include <errno.h>

#include "core/base/check.h"
#include "core/sql/bind_internal.h"

static int deeper(struct binder *b, struct source_pos pos)
{
    if (++b->depth <= BIND_DEPTH_MAX)
        return 0;
    return diag_error(b->err, b->source, pos, "queries are nested more than %d deep",
                      BIND_DEPTH_MAX);
}

// --- FROM ---

static int rename_columns(struct binder *b, const struct sql_idents *names, struct source_pos pos,
                          struct relation *relation)
{
    if (names->count == 0)
        return 0;
    if (names->count != relation->visible_count)
        return diag_error(b->err, b->source, pos, "%d names for %d columns", names->count,
                          relation->visible_count);
    struct schema *schema = &relation->rel->op.output;
    struct rel *calc = rel_calc(b->pool, relation->rel, schema->field_count);
    for (int i = 0; i < schema->field_count; i++) {
        calc->op.calc.exprs[i] = expr_column(b->pool, i, schema->fields[i].type);
        calc->op.output.fields[i] = schema->fields[i];
        if (i < names->count)
            calc->op.output.fields[i].name = names->items[i].text;
    }
    relation->rel = calc;
    return 0;
}

// A view's query sees the entries that were there when it was declared.
static int bind_view(struct binder *b, int index, struct source_pos pos, struct relation *out)
{
    struct bind_entry view = b->entries[index];
    struct bind_entry *entries = b->entries;
    int count = b->entry_count, capacity = b->entry_capacity;
    size_t bytes = sizeof(*entries) * (size_t)view.visible_entries;
    b->entries = pool_alloc(b->pool, bytes + 1);
    memcpy(b->entries, entries, bytes);
    b->entry_count = b->entry_capacity = view.visible_entries;
    int rc = deeper(b, pos);
    if (rc == 0)
        rc = bind_query(b, view.query, out);
    b->depth--;
    b->entries = entries;
    b->entry_count = count;
    b->entry_capacity = capacity;
    out->alias = view.name;
    return rc ? rc : rename_columns(b, &view.columns, pos, out);
}

static int bind_named(struct binder *b, const struct sql_table_ref *ref, struct relation *out)
{
    int index = -1;
    int rc = bind_lookup(b, &ref->name, &index);
    if (rc)
        return rc;
    if (b->entries[index].table)
        return bind_scan(b, &b->entries[index], &ref->options, out);
    if (ref->options.count)
        return diag_error(b->err, b->source, ref->pos, "a view takes no OPTIONS");
    return bind_view(b, index, ref->name.pos, out);
}

// Joins by what makes them special: what they join, or when.
static int refuse_join(struct binder *b, const struct sql_join *join)
{
    const struct sql_table_ref *right = join->right;
    if (right->kind == SQL_FROM_UNNEST)
        return diag_error(b->err, b->source, right->pos, "UNNEST is not supported yet");
    if (right->kind == SQL_FROM_FUNCTION && right->lateral)
        return diag_error(b->err, b->source, right->pos,
                          "table functions of one's own are not supported yet");
    if (right->lateral)
        return diag_error(b->err, b->source, right->pos, "LATERAL queries are not supported yet");
    if (right->system_time) {
        diag_error(b->err, b->source, join->pos, "temporal and lookup joins are not supported yet");
        return -EINVAL;
    }
    diag_error(b->err, b->source, join->pos, "joins are not supported yet");
    return diag_hint(b->err, "one table, view or derived table may stand in FROM");
}

static int refuse_from(struct binder *b, const struct sql_table_ref *ref)
{
    if (ref->kind == SQL_FROM_JOIN)
        return refuse_join(b, ref->join);
    return diag_error(b->err, b->source, ref->pos, "UNNEST is not supported yet");
}

int bind_from(struct binder *b, const struct sql_table_ref *ref, struct relation *out)
{
    if (ref->system_time)
        return diag_error(b->err, b->source, ref->system_time->pos,
                          "FOR SYSTEM_TIME AS OF is not supported yet");
    if (ref->lateral && ref->kind == SQL_FROM_QUERY)
        return diag_error(b->err, b->source, ref->pos, "LATERAL queries are not supported yet");
    int rc = deeper(b, ref->pos);
    if (rc)
        return rc;
    if (ref->kind == SQL_FROM_TABLE)
        rc = bind_named(b, ref, out);
    else if (ref->kind == SQL_FROM_QUERY)
        rc = bind_query(b, ref->query, out);
    else if (ref->kind == SQL_FROM_FUNCTION)
        rc = bind_window_function(b, ref, out);
    else
        rc = refuse_from(b, ref);
    b->depth--;
    if (rc)
        return rc;
    if (ref->alias.text)
        out->alias = ref->alias.text;
    else if (ref->kind != SQL_FROM_TABLE)
        out->alias = NULL;
    return rename_columns(b, &ref->column_aliases, ref->pos, out);
}

// --- SELECT ---

struct items { // what a SELECT list comes to
    struct expr **exprs;
    const char **names;
    int count, capacity, name_capacity;
};

static void add_item(struct binder *b, struct items *items, struct expr *expr, const char *name)
{
    items->exprs =
        bind_grow(b, items->exprs, items->count, &items->capacity, sizeof(*items->exprs));
    items->names =
        bind_grow(b, items->names, items->count, &items->name_capacity, sizeof(*items->names));
    items->exprs[items->count] = expr;
    items->names[items->count++] = name;
}

static int expand_star(struct binder *b, const struct bind_scope *scope, const struct sql_expr *e,
                       struct items *items)
{
    const struct relation *from = scope->from;
    if (scope->grouping) {
        diag_error(b->err, b->source, e->pos, "* cannot be selected with GROUP BY");
        return diag_hint(b->err, "name the group keys and aggregates");
    }
    if (from->visible_count == 0)
        return diag_error(b->err, b->source, e->pos, "* needs a FROM");
    if (e->name.parts.count > 0) {
        const struct sql_ident *table = &e->name.parts.items[e->name.parts.count - 1];
        if (!from->alias || strcmp(from->alias, table->text) != 0)
            return diag_error(b->err, b->source, table->pos, "there is no table '%s' in this query",
                              table->text);
    }
    for (int i = 0; i < from->visible_count; i++) {
        const struct field *field = &from->rel->op.output.fields[i];
        add_item(b, items, expr_column(b->pool, i, field->type), field->name);
    }
    return 0;
}

static const char *item_name(struct binder *b, const struct sql_select_item *item, int index)
{
    if (item->alias.text)
        return item->alias.text;
    if (item->expr->kind == SQL_EXPR_NAME)
        return item->expr->name.parts.items[item->expr->name.parts.count - 1].text;
    return pool_printf(b->pool, "EXPR$%d", index);
}

static int bind_items(struct binder *b, struct bind_scope *scope, const struct sql_select *select,
                      struct items *items)
{
    for (int i = 0; i < select->items.count; i++) {
        const struct sql_select_item *item = &select->items.items[i];
        struct expr *expr = NULL;
        scope->roles_allowed = item->expr->kind == SQL_EXPR_NAME;
        int rc = item->expr->kind == SQL_EXPR_STAR ? expand_star(b, scope, item->expr, items)
                                                   : bind_expr(b, scope, item->expr, &expr);
        if (rc)
            return rc;
        if (expr)
            add_item(b, items, expr, item_name(b, item, i));
    }
    scope->roles_allowed = false;
    return 0;
}

// A projection over `input` that keeps the rows where `filter` is true.
static struct rel *project(struct binder *b, struct rel *input, const struct items *items,
                           struct expr *filter)
{
    struct rel *calc = rel_calc(b->pool, input, items->count);
    for (int i = 0; i < items->count; i++) {
        struct type type = items->exprs[i]->type;
        if (items->exprs[i]->kind != EXPR_COLUMN)
            type.rowtime = false; // only a plain column stays a time attribute
        calc->op.calc.exprs[i] = items->exprs[i];
        calc->op.output.fields[i] = (struct field){items->names[i], type};
    }
    calc->op.calc.filter = filter;
    return calc;
}

// A pending window goes through a projection: its time column travels along behind the named ones.
static void carry_window(struct binder *b, const struct relation *from, struct items *items,
                         struct relation *out)
{
    const struct field *time = &from->rel->op.output.fields[from->time_column];
    enum window_role *roles = pool_zalloc(b->pool, sizeof(*roles) * (size_t)(items->count + 1));
    for (int i = 0; i < items->count; i++)
        if (items->exprs[i]->kind == EXPR_COLUMN)
            roles[i] = from->roles[items->exprs[i]->column];
    out->visible_count = items->count;
    out->time_column = items->count;
    add_item(b, items, expr_column(b->pool, from->time_column, time->type), time->name);
    out->roles = roles;
    out->window = from->window;
}

static int select_rows(struct binder *b, const struct sql_select *select,
                       const struct relation *from, struct relation *out)
{
    struct bind_scope scope = {.from = from, .clause = "WHERE", .assigns = true};
    struct expr *where = NULL;
    struct items items = {0};
    if (select->having) {
        diag_error(b->err, b->source, select->having->pos, "HAVING needs GROUP BY");
        return diag_hint(b->err, "a condition on rows goes to WHERE");
    }
    int rc = select->where ? bind_condition(b, &scope, select->where, &where) : 0;
    scope.clause = "SELECT";
    if (rc == 0)
        rc = bind_items(b, &scope, select, &items);
    if (rc)
        return rc;
    out->visible_count = items.count;
    out->updating = from->updating;
    if (from->window && !from->window->assigned)
        carry_window(b, from, &items, out);
    out->rel = project(b, from->rel, &items, where);
    return 0;
}

// --- WHERE in front of a window's GROUP BY ---

struct where {
    const struct bind_scope *rows, *groups;
    struct expr *of_rows, *of_groups; // NULL: nothing is asked of them
};

static int also(struct binder *b, const struct sql_expr *e, struct expr *condition,
                struct expr **all)
{
    struct err cause = {0};
    struct expr *pair[] = {*all, condition};
    struct expr_args args = {pair, 2};
    if (*all && expr_call(b->pool, "AND", args, &condition, &cause))
        return bind_expr_error(b, e->pos, &cause);
    *all = condition;
    return 0;
}

static int try_condition(struct binder *b, const struct bind_scope *scope, const struct sql_expr *e,
                         struct expr **out)
{
    struct err *err = b->err;
    b->err = NULL;
    int rc = bind_condition(b, scope, e, out);
    b->err = err;
    return rc;
}

// A condition on the window's columns and the keys keeps or drops whole groups, so it is asked of
// the result: which window a row belongs to is not known before.
static int bind_where(struct binder *b, struct where *where, const struct sql_expr *e)
{
    struct expr *condition = NULL;
    if (try_condition(b, where->rows, e, &condition) == 0)
        return also(b, e, condition, &where->of_rows);
    if (e->kind == SQL_EXPR_CALL && e->call->is_operator && strcmp(e->call->name, "AND") == 0) {
        int rc = 0;
        for (int i = 0; i < e->call->args.count && rc == 0; i++)
            rc = bind_where(b, where, e->call->args.items[i]);
        return rc;
    }
    if (!bind_has_aggregate(e) && where->rows->from->window &&
        try_condition(b, where->groups, e, &condition) == 0)
        return also(b, e, condition, &where->of_groups);
    return bind_condition(b, where->rows, e, &condition); // says what is wrong
}

static int select_groups(struct binder *b, const struct sql_select *select,
                         const struct relation *from, struct relation *out)
{
    struct grouping grouping = {.input = from};
    struct bind_scope rows = {.from = from, .clause = "WHERE"};
    struct bind_scope groups = {.from = from, .grouping = &grouping, .clause = "SELECT"};
    struct where where = {.rows = &rows, .groups = &groups};
    struct expr *having = NULL;
    struct items items = {0};
    struct rel *window = NULL;
    int rc = bind_group_by(b, select, &grouping);
    if (rc == 0 && select->where)
        rc = bind_where(b, &where, select->where);
    if (rc == 0)
        rc = bind_items(b, &groups, select, &items);
    groups.clause = "HAVING";
    if (rc == 0 && select->having)
        rc = bind_condition(b, &groups, select->having, &having);
    if (rc == 0 && having)
        rc = also(b, select->having, having, &where.of_groups);
    if (rc == 0)
        rc = bind_group_rel(b, &grouping, where.of_rows, &window, &out->updating);
    if (rc)
        return rc;
    out->visible_count = items.count;
    out->rel = project(b, window, &items, where.of_groups);
    return 0;
}

// --- SELECT DISTINCT over a window function is GROUP BY over its whole list ---

static struct sql_expr *name_of_field(struct binder *b, const char *name, struct source_pos pos)
{
    struct sql_expr *e = pool_zalloc(b->pool, sizeof(*e));
    struct sql_ident *part = pool_zalloc(b->pool, sizeof(*part));
    *part = (struct sql_ident){.text = name, .pos = pos};
    e->kind = SQL_EXPR_NAME;
    e->height = 1;
    e->pos = pos;
    e->name = (struct sql_name){.parts = {.items = part, .count = 1}, .pos = pos};
    return e;
}

static void add_key(struct binder *b, struct sql_select *out, const struct sql_select_item *item)
{
    struct sql_group *group = pool_zalloc(b->pool, sizeof(*group));
    struct sql_expr **expr = pool_alloc(b->pool, sizeof(*expr));
    *expr = item->expr;
    *group = (struct sql_group){.kind = SQL_GROUP_EXPR, .pos = item->expr->pos};
    group->exprs = (struct sql_exprs){.items = expr, .count = 1, .capacity = 1};
    out->items.items = bind_grow(b, out->items.items, out->items.count, &out->items.capacity,
                                 sizeof(*out->items.items));
    out->items.items[out->items.count++] = *item;
    out->group_by.items = bind_grow(b, out->group_by.items, out->group_by.count,
                                    &out->group_by.capacity, sizeof(*out->group_by.items));
    out->group_by.items[out->group_by.count++] = group;
}

static int select_distinct(struct binder *b, const struct sql_select *select,
                           const struct relation *from, struct relation *out)
{
    bool seen[ROLE_TIME + 1] = {0};
    struct sql_select grouped = *select;
    grouped.items = (struct sql_select_items){0};
    grouped.group_pos = select->distinct_pos;
    for (int i = 0; i < select->items.count; i++) {
        const struct sql_select_item *item = &select->items.items[i];
        if (item->expr->kind != SQL_EXPR_STAR)
            add_key(b, &grouped, item);
        for (int c = 0; item->expr->kind == SQL_EXPR_STAR && c < from->visible_count; c++) {
            const char *name = from->rel->op.output.fields[c].name;
            struct sql_select_item field = {.expr = name_of_field(b, name, item->expr->pos)};
            add_key(b, &grouped, &field);
        }
    }
    for (int i = 0; i < grouped.items.count; i++)
        seen[bind_role_of(b, from, grouped.items.items[i].expr)] = true;
    if (from->window && seen[ROLE_START] && seen[ROLE_END])
        return select_groups(b, &grouped, from, out);
    diag_error(b->err, b->source, select->distinct_pos,
               "SELECT DISTINCT without window_start and window_end is not supported yet");
    return diag_hint(b->err, "select both from a window function: FROM TABLE(TUMBLE(...)) gives "
                             "each row once a window");
}

static bool list_has_aggregate(const struct sql_select *select)
{
    for (int i = 0; i < select->items.count; i++)
        if (bind_has_aggregate(select->items.items[i].expr))
            return true;
    return false;
}

static int check_select(struct binder *b, const struct sql_query *query)
{
    const struct sql_select *select = query->select;
    bool groups = select->group_by.count || list_has_aggregate(select);
    if (select->distinct && groups)
        return diag_error(b->err, b->source, select->distinct_pos,
                          "SELECT DISTINCT with GROUP BY or aggregates is not supported yet");
    if (select->windows.count)
        return diag_error(b->err, b->source, select->windows.items[0]->pos,
                          "the WINDOW clause is not supported yet");
    return 0;
}

static int bind_select_query(struct binder *b, const struct sql_query *query, struct relation *out)
{
    const struct sql_select *select = query->select;
    struct relation from = {0};
    int rc = check_select(b, query);
    if (rc == 0)
        rc = select->from ? bind_from(b, select->from, &from) : bind_numbers(b, 1, &from);
    if (rc)
        return rc;
    if (select->distinct)
        return select_distinct(b, select, &from, out);
    if (select->group_by.count)
        return select_groups(b, select, &from, out);
    if (!list_has_aggregate(select))
        return select_rows(b, select, &from, out);
    diag_error(b->err, b->source, query->pos, "an aggregate without GROUP BY is not supported yet");
    return diag_hint(b->err, "group by a window: FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(time), "
                             "INTERVAL '1' MINUTE)) GROUP BY window_start, window_end");
}

// --- queries ---

static int bind_table_query(struct binder *b, const struct sql_query *query, struct relation *out)
{
    struct sql_table_ref ref = {.kind = SQL_FROM_TABLE, .pos = query->pos, .name = query->table};
    return bind_from(b, &ref, out);
}

static int refuse_set_query(struct binder *b, const struct sql_query *query)
{
    static const char *const names[] = {"UNION", "INTERSECT", "EXCEPT"};
    if (query->set->op == SQL_UNION && query->set->all) {
        diag_error(b->err, b->source, query->set->pos,
                   "UNION ALL inside a query is not supported yet");
        return diag_hint(b->err, "it may stand at the top of a SELECT or INSERT");
    }
    return diag_error(b->err, b->source, query->set->pos, "%s is not supported yet",
                      names[query->set->op]);
}

static int check_query(struct binder *b, const struct sql_query *query)
{
    if (query->order_by.count) {
        diag_error(b->err, b->source, query->order_pos, "ORDER BY is not supported yet");
        return diag_hint(b->err,
                         "a stream has no end to sort at; window results come in time order");
    }
    if (query->limit || query->offset) {
        diag_error(b->err, b->source, query->limit_pos,
                   "LIMIT, FETCH and OFFSET are not supported yet");
        return diag_hint(b->err, "for a look at the first rows: weir run job.yaml | head -n 10");
    }
    return 0;
}

void bind_ctes(struct binder *b, const struct sql_query *query)
{
    for (int i = 0; i < query->ctes.count; i++) {
        const struct sql_cte *cte = &query->ctes.items[i];
        struct bind_entry entry = {.name = cte->name.text,
                                   .query = cte->query,
                                   .columns = cte->columns,
                                   .visible_entries = b->entry_count};
        b->entries =
            bind_grow(b, b->entries, b->entry_count, &b->entry_capacity, sizeof(*b->entries));
        b->entries[b->entry_count++] = entry;
    }
}

static int bind_body(struct binder *b, const struct sql_query *query, struct relation *out)
{
    switch (query->kind) {
    case SQL_QUERY_SELECT:
        return bind_select_query(b, query, out);
    case SQL_QUERY_TABLE:
        return bind_table_query(b, query, out);
    case SQL_QUERY_NESTED:
        return bind_query(b, query->nested, out);
    case SQL_QUERY_SET:
        return refuse_set_query(b, query);
    case SQL_QUERY_VALUES:
        return bind_values(b, query, out);
    }
    CHECK(!"a query of no kind");
    return 0;
}

int bind_query(struct binder *b, const struct sql_query *query, struct relation *out)
{
    int entry_count = b->entry_count;
    int rc = deeper(b, query->pos);
    if (rc == 0)
        rc = check_query(b, query);
    if (rc == 0) {
        bind_ctes(b, query);
        rc = bind_body(b, query, out);
    }
    b->entry_count = entry_count; // the names of WITH end here
    b->depth--;
    return rc;
}
