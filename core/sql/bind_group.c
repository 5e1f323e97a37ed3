// bind_group.c: GROUP BY with a window: keys, window properties and aggregates.
//
// Expressions of a grouped SELECT read the window's result [keys, window_start, window_end,
// window_time, aggregates]; aggregates are collected while these expressions are bound.
#include <errno.h>

#include "core/base/check.h"
#include "core/sql/bind_internal.h"

// --- what a call is ---

static const struct {
    const char *name;
    enum agg_kind kind;
} aggregates[] = {
    {"COUNT", AGG_COUNT}, {"SUM", AGG_SUM}, {"AVG", AGG_AVG}, {"MIN", AGG_MIN}, {"MAX", AGG_MAX}};

// Flink's other aggregates: known, so that the message can say "not yet".
static const char *const later_aggregates[] = {
    "FIRST_VALUE",    "LAST_VALUE",    "LISTAGG",   "COLLECT",
    "STDDEV_POP",     "STDDEV_SAMP",   "VAR_POP",   "VAR_SAMP",
    "VARIANCE",       "STDDEV",        "ARRAY_AGG", "APPROX_COUNT_DISTINCT",
    "JSON_OBJECTAGG", "JSON_ARRAYAGG", "RANK",      "DENSE_RANK",
    "ROW_NUMBER",     "LAG",           "LEAD"};

static bool is_later_aggregate(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(later_aggregates); i++)
        if (strcmp(later_aggregates[i], name) == 0)
            return true;
    return false;
}

static bool find_aggregate(const char *name, enum agg_kind *out)
{
    for (size_t i = 0; i < ARRAY_SIZE(aggregates); i++) {
        if (strcmp(aggregates[i].name, name) == 0) {
            *out = aggregates[i].kind;
            return true;
        }
    }
    return false;
}

bool bind_is_aggregate(const struct sql_expr *e)
{
    enum agg_kind ignored;
    if (e->kind != SQL_EXPR_CALL || e->call->is_operator || e->call->qualified || e->call->over)
        return false;
    return find_aggregate(e->call->name, &ignored) || is_later_aggregate(e->call->name);
}

static bool any_has_aggregate(const struct sql_exprs *list)
{
    for (int i = 0; i < list->count; i++)
        if (bind_has_aggregate(list->items[i]))
            return true;
    return false;
}

bool bind_has_aggregate(const struct sql_expr *e)
{
    if (e->kind == SQL_EXPR_CAST)
        return bind_has_aggregate(e->cast->arg);
    if (e->kind == SQL_EXPR_CASE)
        return any_has_aggregate(&e->case_->when) || any_has_aggregate(&e->case_->then) ||
               (e->case_->otherwise && bind_has_aggregate(e->case_->otherwise)) ||
               (e->case_->operand && bind_has_aggregate(e->case_->operand));
    if (e->kind != SQL_EXPR_CALL)
        return false;
    return bind_is_aggregate(e) || any_has_aggregate(&e->call->args);
}

bool bind_is_group_window(const struct sql_expr *e)
{
    if (e->kind != SQL_EXPR_CALL || e->call->is_operator)
        return false;
    const char *name = e->call->name;
    return strcmp(name, "TUMBLE") == 0 || strcmp(name, "HOP") == 0 || strcmp(name, "SESSION") == 0;
}

// --- the window of GROUP BY TUMBLE(...) ---

static int read_group_window(struct binder *b, const struct relation *input,
                             const struct sql_expr *e, struct window_spec *spec, int *time_column)
{
    const struct sql_call *call = e->call;
    spec->pos = e->pos;
    spec->kind = call->name[0] == 'T' ? WINDOW_TUMBLE : WINDOW_HOP;
    int wanted = spec->kind == WINDOW_TUMBLE ? 2 : 3;
    if (call->args.count != wanted) {
        diag_error(b->err, b->source, e->pos, "%s takes %d arguments here", call->name, wanted);
        return diag_hint(b->err, spec->kind == WINDOW_TUMBLE
                                     ? "TUMBLE(time, INTERVAL '1' DAY)"
                                     : "HOP(time, INTERVAL '1' MINUTE, INTERVAL '1' HOUR): slide, "
                                       "then size");
    }
    const struct sql_expr *time = call->args.items[0];
    if (time->kind != SQL_EXPR_NAME)
        return diag_error(b->err, b->source, time->pos,
                          "a window needs a plain column with a watermark here");
    int rc = bind_column(b, input, &time->name, time_column);
    if (rc == 0)
        rc = bind_interval(b, call->args.items[wanted - 1], &spec->size_ms);
    spec->step_ms = spec->size_ms;
    if (rc == 0 && wanted == 3)
        rc = bind_interval(b, call->args.items[1], &spec->step_ms);
    return rc;
}

static int bind_group_window(struct binder *b, const struct sql_expr *e, struct grouping *g)
{
    if (e->call->name[0] == 'S') {
        diag_error(b->err, b->source, e->pos, "SESSION windows are not supported yet");
        return diag_hint(b->err, "there are TUMBLE, HOP and CUMULATE");
    }
    if (g->legacy)
        return diag_error(b->err, b->source, e->pos, "GROUP BY takes one window only");
    g->legacy = true;
    int rc = read_group_window(b, g->input, e, &g->window, &g->time_column);
    if (rc == 0)
        rc = bind_time_attribute(b, g->input, g->time_column, e->call->args.items[0]->pos);
    return rc ? rc : bind_check_window(b, &g->window, true);
}

// --- keys ---

static const char *expr_text(struct binder *b, const struct relation *input,
                             const struct expr *expr)
{
    struct buf text = {0};
    expr_format(expr, &input->rel->op.output, &text);
    const char *copy = pool_strdup(b->pool, buf_str(&text));
    buf_fini(&text);
    return copy;
}

enum window_role bind_role_of(struct binder *b, const struct relation *input,
                              const struct sql_expr *e)
{
    int column = -1;
    if (!input->roles || e->kind != SQL_EXPR_NAME)
        return ROLE_NONE;
    struct err *err = b->err;
    b->err = NULL;
    int rc = bind_column(b, input, &e->name, &column);
    b->err = err;
    return rc ? ROLE_NONE : input->roles[column];
}

static bool can_bind(struct binder *b, const struct bind_scope *scope, const struct sql_expr *e)
{
    struct expr *ignored = NULL;
    struct err *err = b->err;
    b->err = NULL;
    int rc = bind_expr(b, scope, e, &ignored);
    b->err = err;
    return rc == 0;
}

// A key that the window's columns alone decide, such as DATE_FORMAT(window_start, 'HH'), adds
// nothing to them.
static bool is_key_of_window(struct binder *b, const struct sql_expr *e, const struct grouping *g)
{
    const struct relation *input = g->input;
    if (!input->window || bind_has_aggregate(e))
        return false;
    struct grouping window = {.input = input, .time_column = input->time_column};
    window.window = *input->window;
    window.time_type = input->rel->op.output.fields[input->time_column].type;
    struct bind_scope rows = {.from = input, .clause = "GROUP BY"};
    struct bind_scope groups = {.from = input, .grouping = &window, .clause = "GROUP BY"};
    return !can_bind(b, &rows, e) && can_bind(b, &groups, e);
}

static int bind_key(struct binder *b, const struct sql_expr *e, struct grouping *g)
{
    struct bind_scope scope = {.from = g->input, .clause = "GROUP BY"};
    struct expr **key = &g->keys[g->key_count];
    if (is_key_of_window(b, e, g))
        return 0;
    int rc = bind_expr(b, &scope, e, key);
    if (rc)
        return rc;
    if ((*key)->type.kind == TYPE_NULL)
        return diag_error(b->err, b->source, e->pos, "a group key needs a type: CAST it");
    g->key_names[g->key_count++] = expr_text(b, g->input, *key);
    return 0;
}

static int refuse_plain_group(struct binder *b, const struct sql_select *select)
{
    diag_error(b->err, b->source, select->group_pos,
               "GROUP BY without a window is not supported yet");
    return diag_hint(b->err,
                     "group by a window: FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(time), INTERVAL '1' "
                     "MINUTE)) GROUP BY window_start, window_end, ...");
}

static int check_window_keys(struct binder *b, const struct sql_select *select,
                             const struct grouping *g, const bool *seen)
{
    if (g->input->window && g->legacy)
        return diag_error(
            b->err, b->source, g->window.pos,
            "the FROM clause has a window already: GROUP BY window_start, window_end");
    if (g->input->window && (!seen[ROLE_START] || !seen[ROLE_END])) {
        diag_error(b->err, b->source, select->group_pos,
                   "GROUP BY must name both window_start and window_end of the window function");
        return diag_hint(b->err, "GROUP BY window_start, window_end, ...");
    }
    return g->input->window || g->legacy ? 0 : refuse_plain_group(b, select);
}

int bind_group_by(struct binder *b, const struct sql_select *select, struct grouping *g)
{
    int count = select->group_by.count;
    bool seen[ROLE_TIME + 1] = {0};
    g->keys = pool_zalloc(b->pool, sizeof(*g->keys) * (size_t)(count + 1));
    g->key_names = pool_zalloc(b->pool, sizeof(*g->key_names) * (size_t)(count + 1));
    for (int i = 0; i < count; i++) {
        const struct sql_group *item = select->group_by.items[i];
        if (item->kind != SQL_GROUP_EXPR)
            return diag_error(b->err, b->source, item->pos,
                              "GROUPING SETS, ROLLUP and CUBE are not supported yet");
        const struct sql_expr *e = item->exprs.items[0];
        enum window_role role = bind_role_of(b, g->input, e);
        seen[role] = true;
        int rc = role != ROLE_NONE         ? 0
                 : bind_is_group_window(e) ? bind_group_window(b, e, g)
                                           : bind_key(b, e, g);
        if (rc)
            return rc;
    }
    int rc = check_window_keys(b, select, g, seen);
    if (rc)
        return rc;
    if (g->input->window) {
        g->window = *g->input->window;
        g->time_column = g->input->time_column;
    }
    g->time_type = g->input->rel->op.output.fields[g->time_column].type;
    return 0;
}

// --- columns of the result ---

// window_start and window_end are local times also over TIMESTAMP_LTZ.
static struct type window_type(const struct grouping *g, enum window_role role)
{
    struct type type = type_of(role == ROLE_TIME ? g->time_type.kind : TYPE_TIMESTAMP);
    type.not_null = true;
    type.rowtime = role == ROLE_TIME;
    return type;
}

static void bind_window_property(struct binder *b, const struct grouping *g, enum window_role role,
                                 struct expr **out)
{
    *out = expr_column(b->pool, g->key_count + (int)role - ROLE_START, window_type(g, role));
}

// TUMBLE_START, HOP_ROWTIME ...; ROLE_NONE: another function.
static enum window_role auxiliary_role(const char *name)
{
    if (strncmp(name, "TUMBLE_", 7) == 0)
        name += 7;
    else if (strncmp(name, "HOP_", 4) == 0)
        name += 4;
    else
        return ROLE_NONE;
    return strcmp(name, "START") == 0     ? ROLE_START
           : strcmp(name, "END") == 0     ? ROLE_END
           : strcmp(name, "ROWTIME") == 0 ? ROLE_TIME
                                          : ROLE_NONE;
}

static int bind_auxiliary(struct binder *b, struct grouping *g, const struct sql_expr *e,
                          enum window_role role, struct expr **out)
{
    struct window_spec spec = {0};
    int time_column = -1;
    int rc = g->legacy ? read_group_window(b, g->input, e, &spec, &time_column) : 0;
    if (rc)
        return rc;
    if (g->legacy && spec.kind == g->window.kind && time_column == g->time_column &&
        spec.size_ms == g->window.size_ms && spec.step_ms == g->window.step_ms) {
        bind_window_property(b, g, role, out);
        return 0;
    }
    diag_error(b->err, b->source, e->pos, "%s does not belong to the window of GROUP BY",
               e->call->name);
    if (!g->legacy)
        return diag_hint(b->err, "with a window function in FROM write window_start, window_end "
                                 "or window_time");
    struct slice window = source_slice(b->source, g->window.pos);
    return diag_hint(b->err, "its arguments must be those of %.*s", (int)window.len, window.ptr);
}

// --- aggregates ---

static int check_aggregate(struct binder *b, const struct sql_expr *e, enum agg_kind *kind)
{
    const struct sql_call *call = e->call;
    if (!find_aggregate(call->name, kind)) {
        diag_error(b->err, b->source, e->pos, "the aggregate %s is not supported yet", call->name);
        return diag_hint(b->err, "there are COUNT, SUM, AVG, MIN and MAX");
    }
    if (call->within_group.count)
        return diag_error(b->err, b->source, e->pos, "WITHIN GROUP is not supported yet");
    if (call->star && *kind == AGG_COUNT && !call->distinct)
        *kind = AGG_COUNT_STAR;
    else if (call->star || call->args.count != 1)
        return diag_error(b->err, b->source, e->pos, "%s takes one argument", call->name);
    if (call->distinct && (*kind == AGG_SUM || *kind == AGG_AVG)) {
        diag_error(b->err, b->source, e->pos, "%s(DISTINCT ...) is not supported yet", call->name);
        return diag_hint(b->err, "COUNT(DISTINCT ...) is");
    }
    if (call->distinct && *kind == AGG_COUNT)
        *kind = AGG_COUNT_DISTINCT; // MIN and MAX are the same with DISTINCT
    return 0;
}

static int aggregate_type(struct binder *b, const struct sql_expr *e, struct bind_agg *agg)
{
    bool counts = agg->kind <= AGG_COUNT_DISTINCT;
    if (agg->arg && agg->arg->type.kind == TYPE_NULL)
        return diag_error(b->err, b->source, e->pos, "the argument needs a type: CAST it");
    if ((agg->kind == AGG_SUM || agg->kind == AGG_AVG) && !type_is_numeric(agg->arg->type.kind)) {
        struct buf type = {0};
        type_format(&agg->arg->type, &type);
        diag_error(b->err, b->source, e->pos, "%s needs a number, this is %s", e->call->name,
                   buf_str(&type));
        buf_fini(&type);
        return -EINVAL;
    }
    agg->type = counts ? type_of(TYPE_BIGINT) : agg->arg->type;
    agg->type.rowtime = false;
    agg->type.not_null = counts || (agg->arg->type.not_null && !agg->filter);
    return 0;
}

static bool same_optional(const struct expr *x, const struct expr *y)
{
    return x && y ? bind_same_expr(x, y) : x == y;
}

// The call among those already collected, or added to them.
static int collect(struct binder *b, struct grouping *g, const struct bind_agg *agg)
{
    for (int i = 0; i < g->agg_count; i++)
        if (g->aggs[i].kind == agg->kind && same_optional(g->aggs[i].arg, agg->arg) &&
            same_optional(g->aggs[i].filter, agg->filter))
            return i;
    g->aggs = bind_grow(b, g->aggs, g->agg_count, &g->agg_capacity, sizeof(*g->aggs));
    g->aggs[g->agg_count] = *agg;
    return g->agg_count++;
}

static int bind_aggregate(struct binder *b, struct grouping *g, const struct sql_expr *e,
                          struct expr **out)
{
    struct bind_agg agg = {0};
    struct bind_scope rows = {.from = g->input, .clause = "an aggregate"};
    int rc = check_aggregate(b, e, &agg.kind);
    if (rc == 0 && agg.kind != AGG_COUNT_STAR)
        rc = bind_expr(b, &rows, e->call->args.items[0], &agg.arg);
    rows.clause = "FILTER";
    if (rc == 0 && e->call->filter)
        rc = bind_condition(b, &rows, e->call->filter, &agg.filter);
    if (rc == 0)
        rc = aggregate_type(b, e, &agg);
    if (rc)
        return rc;
    if (agg.arg) {
        agg.arg = expr_fold(b->pool, agg.arg);
        agg.name = pool_printf(b->pool, "%s(%s%s)", e->call->name,
                               agg.kind == AGG_COUNT_DISTINCT ? "DISTINCT " : "",
                               expr_text(b, g->input, agg.arg));
    } else {
        agg.name = "COUNT(*)";
    }
    if (agg.filter)
        agg.name = pool_printf(b->pool, "%s FILTER (WHERE %s)", agg.name,
                               expr_text(b, g->input, agg.filter));
    int index = collect(b, g, &agg);
    *out = expr_column(b->pool, g->key_count + 3 + index, agg.type);
    return 0;
}

// --- expressions over the groups ---

static bool keys_are_columns(const struct grouping *g)
{
    for (int k = 0; k < g->key_count; k++)
        if (g->keys[k]->kind != EXPR_COLUMN)
            return false;
    return true;
}

static struct expr *find_key(struct binder *b, struct grouping *g, const struct sql_expr *e)
{
    struct bind_scope rows = {.from = g->input, .clause = "SELECT"};
    struct expr *expr = NULL;
    struct err *err = b->err;
    b->err = NULL; // this is only tried
    int rc = bind_expr(b, &rows, e, &expr);
    b->err = err;
    for (int k = 0; rc == 0 && k < g->key_count; k++) {
        if (bind_same_expr(expr, g->keys[k])) {
            struct type type = g->keys[k]->type;
            type.rowtime = false;
            return expr_column(b->pool, k, type);
        }
    }
    return NULL;
}

int bind_grouped(struct binder *b, const struct bind_scope *scope, const struct sql_expr *e,
                 struct expr **out)
{
    struct grouping *g = scope->grouping;
    *out = NULL;
    if (bind_is_aggregate(e))
        return bind_aggregate(b, g, e, out);
    if (e->kind == SQL_EXPR_CALL && !e->call->is_operator && !e->call->over) {
        int rc = bind_refuse_call(b, e); // before the arguments: TUMBLE_PROCTIME(ts, ...)
        if (rc)
            return rc;
        enum window_role role = auxiliary_role(e->call->name);
        if (role != ROLE_NONE)
            return bind_auxiliary(b, g, e, role, out);
    }
    enum window_role role = bind_role_of(b, g->input, e);
    if (role != ROLE_NONE)
        bind_window_property(b, g, role, out);
    else if (e->kind == SQL_EXPR_NAME || (!keys_are_columns(g) && !bind_has_aggregate(e)))
        *out = find_key(b, g, e);
    return 0;
}

// --- relations ---

struct input_columns { // of the window's input projection
    struct expr **exprs;
    const char **names;
    int count;
};

static int input_column(struct input_columns *columns, struct expr *expr, const char *name)
{
    for (int i = 1; i < columns->count; i++) // column 0 is the time
        if (bind_same_expr(columns->exprs[i], expr))
            return i;
    columns->exprs[columns->count] = expr;
    columns->names[columns->count] = name;
    return columns->count++;
}

static struct rel *window_input(struct binder *b, struct grouping *g, struct expr *where,
                                const struct input_columns *columns)
{
    struct rel *calc = rel_calc(b->pool, g->input->rel, columns->count);
    for (int i = 0; i < columns->count; i++) {
        calc->op.calc.exprs[i] = columns->exprs[i];
        calc->op.output.fields[i] = (struct field){columns->names[i], columns->exprs[i]->type};
        if (i > 0)
            calc->op.output.fields[i].type.rowtime = false;
    }
    calc->op.calc.filter = where;
    return calc;
}

static struct rel *window_rel(struct binder *b, struct grouping *g, struct rel *input)
{
    static const char *const times[] = {"window_start", "window_end", "window_time"};
    struct rel *rel = rel_make(b->pool, OP_WINDOW, input, g->key_count + 3 + g->agg_count);
    struct field *fields = rel->op.output.fields;
    for (int k = 0; k < g->key_count; k++) {
        fields[k] = (struct field){g->key_names[k], g->keys[k]->type};
        fields[k].type.rowtime = false;
    }
    for (int i = 0; i < 3; i++) {
        fields[g->key_count + i] =
            (struct field){times[i], window_type(g, (enum window_role)(ROLE_START + i))};
    }
    for (int a = 0; a < g->agg_count; a++)
        fields[g->key_count + 3 + a] = (struct field){g->aggs[a].name, g->aggs[a].type};
    return rel;
}

static void window_calls(struct binder *b, struct grouping *g, struct input_columns *columns,
                         struct op_window *window)
{
    int *keys = pool_alloc(b->pool, sizeof(int) * (size_t)(g->key_count + 1));
    struct agg_call *aggs = pool_zalloc(b->pool, sizeof(*aggs) * (size_t)(g->agg_count + 1));
    for (int k = 0; k < g->key_count; k++) {
        keys[k] = columns->count; // keys[k] == k + 1, also when two keys are the same
        columns->exprs[columns->count] = g->keys[k];
        columns->names[columns->count++] = g->key_names[k];
    }
    for (int a = 0; a < g->agg_count; a++) {
        const struct bind_agg *agg = &g->aggs[a];
        aggs[a] = (struct agg_call){.kind = agg->kind, .arg = -1, .filter = -1, .type = agg->type};
        if (agg->arg) {
            aggs[a].arg = input_column(columns, agg->arg, expr_text(b, g->input, agg->arg));
            aggs[a].arg_type = agg->arg->type;
        }
        if (agg->filter)
            aggs[a].filter =
                input_column(columns, agg->filter, expr_text(b, g->input, agg->filter));
    }
    window->keys = keys;
    window->key_count = g->key_count;
    window->aggs = aggs;
    window->agg_count = g->agg_count;
}

int bind_group_rel(struct binder *b, struct grouping *g, struct expr *where, struct rel **out,
                   const char **updating)
{
    size_t room = 1 + (size_t)g->key_count + 2 * (size_t)g->agg_count;
    struct input_columns columns = {pool_alloc(b->pool, sizeof(struct expr *) * room),
                                    pool_alloc(b->pool, sizeof(char *) * room), 0};
    struct op_window window = {.kind = g->window.kind,
                               .changelog = g->legacy,
                               .size_ms = g->window.size_ms,
                               .step_ms = g->window.step_ms,
                               .offset_ms = g->window.offset_ms};
    int rc = bind_emit(b, &g->window, &window);
    if (rc == 0 && g->time_type.kind == TYPE_TIMESTAMP_LTZ)
        rc = bind_window_zone(b, g->window.pos, &window.zone);
    if (rc)
        return rc;
    columns.exprs[0] = expr_column(b->pool, g->time_column, g->time_type);
    columns.names[0] = g->input->rel->op.output.fields[g->time_column].name;
    columns.count = 1;
    window_calls(b, g, &columns, &window);
    struct rel *input = window_input(b, g, where, &columns);
    rel_window_partials(b->pool, &window, &input->op.output);
    *out = window_rel(b, g, input);
    (*out)->op.window = window;
    if (window.early_delay_ms >= 0)
        *updating = "early fires are on: table.exec.emit.early-fire.enabled";
    else if (window.late_delay_ms >= 0)
        *updating = "late fires are on: table.exec.emit.late-fire.enabled";
    return 0;
}
