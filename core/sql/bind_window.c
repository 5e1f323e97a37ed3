// bind_window.c: windows: intervals, time attributes, the table functions, and the emit options.
#include <errno.h>
#include <stdlib.h>
#include <strings.h>

#include "core/base/check.h"
#include "core/expr/zone.h"
#include "core/sql/bind_internal.h"
#include "core/time/window.h"

int bind_interval(struct binder *b, const struct sql_expr *e, int64_t *ms)
{
    struct bind_scope scope = {.clause = "a window's size"};
    struct expr *bound = NULL;
    int rc = bind_expr(b, &scope, e, &bound);
    if (rc)
        return rc;
    bound = expr_fold(b->pool, bound);
    if (bound->kind == EXPR_LITERAL && !bound->is_null && bound->type.kind == TYPE_INTERVAL_DAY) {
        *ms = bound->i64;
        return 0;
    }
    diag_error(b->err, b->source, e->pos, "an interval of days to seconds is expected here");
    return diag_hint(b->err, bound->type.kind == TYPE_INTERVAL_MONTH
                                 ? "months differ in length: write days, INTERVAL '30' DAY"
                                 : "for example INTERVAL '1' MINUTE");
}

int bind_time_attribute(struct binder *b, const struct relation *from, int column,
                        struct source_pos pos)
{
    const struct field *field = &from->rel->op.output.fields[column];
    if (!field->type.rowtime) {
        diag_error(b->err, b->source, pos, "'%s' is not a time attribute, so it cannot be windowed",
                   field->name);
        if (!type_is_timestamp(field->type.kind))
            return diag_hint(b->err, "a time attribute is a TIMESTAMP(3) or TIMESTAMP_LTZ(3) "
                                     "column that CREATE TABLE declares with WATERMARK FOR");
        return diag_hint(b->err,
                         "declare it in CREATE TABLE: WATERMARK FOR %s AS %s - INTERVAL '5' "
                         "SECOND; only a plain column keeps the attribute through a query",
                         field->name, field->name);
    }
    if (!from->updating)
        return 0;
    diag_error(b->err, b->source, pos,
               bind_reads_changelog(from->rel)
                   ? "a window doesn't support consuming update and delete changes: %s"
                   : "a window cannot read results that change later (%s)",
               from->updating);
    if (bind_reads_changelog(from->rel))
        return diag_hint(b->err, "windows take rows that are only added; read the topic as plain "
                                 "'json' to have each message as a row of its own");
    return diag_hint(b->err, "turn the emit options off, or use a window function: CUMULATE");
}

// --- shape ---

static int check_multiple(struct binder *b, const struct window_spec *spec, const char *what)
{
    if (spec->size_ms % spec->step_ms == 0)
        return 0;
    return diag_error(b->err, b->source, spec->pos,
                      "the size (%lld ms) must be a whole multiple of the %s (%lld ms)",
                      (long long)spec->size_ms, what, (long long)spec->step_ms);
}

int bind_check_window(struct binder *b, const struct window_spec *spec, bool legacy)
{
    if (spec->size_ms <= 0 || spec->step_ms <= 0)
        return diag_error(b->err, b->source, spec->pos, "a window's intervals must be positive");
    if (legacy)
        return 0;
    if (spec->kind == WINDOW_TUMBLE && llabs(spec->offset_ms) >= spec->size_ms)
        return diag_error(b->err, b->source, spec->pos,
                          "the offset must be smaller than the window's size");
    if (spec->kind == WINDOW_TUMBLE)
        return 0;
    return check_multiple(b, spec, spec->kind == WINDOW_HOP ? "slide" : "step");
}

int bind_window_zone(struct binder *b, struct source_pos pos, const char **name)
{
    struct err cause = {0};
    struct zone *zone = NULL;
    const char *set = bind_setting_value(b, "table.local-time-zone", &pos);
    *name = NULL;
    if (!set || strcasecmp(set, "default") == 0)
        return 0;
    if (zone_open(set, &zone, &cause))
        return bind_expr_error(b, pos, &cause);
    if (!zone_is_utc(zone))
        *name = pool_strdup(b->pool, set);
    zone_close(zone);
    return 0;
}

// --- emit options ---

static int emit_error(struct binder *b, const char *key, struct source_pos pos, const char *text)
{
    diag_error(b->err, b->source, pos, "%s %s", key, text);
    return diag_hint(b->err, "for example SET '%s' = '60 s';", key);
}

static bool is_enabled(struct binder *b, const char *key, struct source_pos *pos)
{
    const char *value = bind_setting_value(b, key, pos);
    return value && strcasecmp(value, "true") == 0;
}

// A delay that must be there because its switch (at `enabled`) is on.
static int emit_duration(struct binder *b, const char *key, struct source_pos enabled, int64_t *ms)
{
    struct source_pos pos = enabled;
    struct err cause = {0};
    const char *text = bind_setting_value(b, key, &pos);
    if (!text)
        return emit_error(b, key, enabled, "must be set with this");
    if (plan_duration_ms(text, ms, &cause))
        return emit_error(b, key, pos, cause.text);
    return 0;
}

static int bind_late_fire(struct binder *b, struct source_pos enabled, struct op_window *window)
{
    static const char delay[] = "table.exec.emit.late-fire.delay";
    static const char lateness[] = "table.exec.emit.allow-lateness";
    int rc = emit_duration(b, delay, enabled, &window->late_delay_ms);
    if (rc == 0)
        rc = emit_duration(b, lateness, enabled, &window->lateness_ms);
    if (rc)
        return rc;
    struct source_pos pos = enabled;
    bind_setting_value(b, lateness, &pos);
    if (window->lateness_ms <= 0)
        return emit_error(b, lateness, pos, "must be positive when late fires are on");
    if (window->lateness_ms < window->late_delay_ms)
        return emit_error(b, lateness, pos, "must be at least the delay of the late fires");
    return 0;
}

int bind_emit(struct binder *b, const struct window_spec *spec, struct op_window *window)
{
    struct source_pos early = {0}, late = {0};
    bool has_early = is_enabled(b, "table.exec.emit.early-fire.enabled", &early);
    bool has_late = is_enabled(b, "table.exec.emit.late-fire.enabled", &late);
    window->early_delay_ms = window->late_delay_ms = -1;
    window->lateness_ms = 0;
    if (!window->changelog && (has_early || has_late)) {
        diag_error(b->err, b->source, spec->pos,
                   "early and late fires do not work with window functions in FROM");
        return diag_hint(b->err,
                         "RESET 'table.exec.emit.%s-fire.enabled'; CUMULATE gives early "
                         "results by itself, or GROUP BY TUMBLE(time, interval)",
                         has_early ? "early" : "late");
    }
    int rc = 0;
    if (has_early)
        rc = emit_duration(b, "table.exec.emit.early-fire.delay", early, &window->early_delay_ms);
    if (rc == 0 && has_late)
        rc = bind_late_fire(b, late, window);
    return rc;
}

// --- window functions in FROM ---

struct window_args {
    const struct sql_expr *table, *time, *step, *size, *offset;
};

struct window_function {
    const char *name;
    enum window_kind kind;
    const char *parameters[5]; // by position; NULL: no more
};

static const struct window_function window_functions[] = {
    {"TUMBLE", WINDOW_TUMBLE, {"DATA", "TIMECOL", "SIZE", "OFFSET", NULL}},
    {"HOP", WINDOW_HOP, {"DATA", "TIMECOL", "SLIDE", "SIZE", "OFFSET"}},
    {"CUMULATE", WINDOW_CUMULATE, {"DATA", "TIMECOL", "STEP", "SIZE", "OFFSET"}},
};

static const struct sql_expr **parameter_slot(struct window_args *args, const char *name)
{
    if (strcmp(name, "DATA") == 0)
        return &args->table;
    if (strcmp(name, "TIMECOL") == 0)
        return &args->time;
    if (strcmp(name, "SIZE") == 0)
        return &args->size;
    return strcmp(name, "OFFSET") == 0 ? &args->offset : &args->step;
}

static const char *find_parameter(const struct window_function *function, const char *name)
{
    for (int p = 0; p < 5 && function->parameters[p]; p++)
        if (strcasecmp(function->parameters[p], name) == 0)
            return function->parameters[p];
    return NULL;
}

static int read_arguments(struct binder *b, const struct window_function *function,
                          const struct sql_expr *e, struct window_args *args)
{
    for (int i = 0; i < e->call->args.count; i++) {
        const struct sql_expr *arg = e->call->args.items[i];
        const char *name = i < 5 ? function->parameters[i] : NULL;
        if (arg->kind == SQL_EXPR_NAMED_ARG) {
            name = find_parameter(function, arg->named->name.text);
            arg = arg->named->value;
        }
        if (!name)
            return diag_error(b->err, b->source, arg->pos, "%s has no such parameter",
                              function->name);
        *parameter_slot(args, name) = arg;
    }
    bool needs_step = function->kind != WINDOW_TUMBLE;
    if (args->table && args->time && args->size && (args->step || !needs_step))
        return 0;
    diag_error(b->err, b->source, e->pos, "%s lacks arguments", function->name);
    return diag_hint(b->err, "%s(TABLE t, DESCRIPTOR(time)%s, INTERVAL '1' DAY)", function->name,
                     needs_step ? ", INTERVAL '1' MINUTE" : "");
}

static const struct window_function *find_window_function(struct binder *b,
                                                          const struct sql_expr *e)
{
    for (size_t i = 0; i < ARRAY_SIZE(window_functions); i++)
        if (strcmp(window_functions[i].name, e->call->name) == 0)
            return &window_functions[i];
    if (strcmp(e->call->name, "SESSION") == 0)
        diag_error(b->err, b->source, e->call->name_pos, "SESSION windows are not supported yet");
    else
        diag_error(b->err, b->source, e->call->name_pos, "there is no table function %s",
                   e->call->name);
    diag_hint(b->err, "there are TUMBLE, HOP and CUMULATE");
    return NULL;
}

// The window's columns behind those of the input: placeholders until GROUP BY makes the window.
static void add_window_columns(struct binder *b, const struct relation *in, struct relation *out)
{
    static const char *const names[] = {"window_start", "window_end", "window_time"};
    const struct schema *schema = &in->rel->op.output;
    int count = in->visible_count;
    struct rel *calc = rel_calc(b->pool, in->rel, count + 3);
    enum window_role *roles = pool_zalloc(b->pool, sizeof(*roles) * (size_t)(count + 3));
    for (int i = 0; i < count; i++) {
        calc->op.calc.exprs[i] = expr_column(b->pool, i, schema->fields[i].type);
        calc->op.output.fields[i] = schema->fields[i];
    }
    for (int i = 0; i < 3; i++) {
        struct type type = type_of(TYPE_TIMESTAMP);
        type.not_null = true;
        if (i == 2) {
            type.kind = schema->fields[out->time_column].type.kind;
            type.rowtime = true;
        }
        calc->op.calc.exprs[count + i] = expr_typed(b->pool, type, 0);
        calc->op.output.fields[count + i] = (struct field){names[i], type};
        roles[count + i] = (enum window_role)(ROLE_START + i);
    }
    out->window->placeholder = calc;
    out->window->time_column = out->time_column;
    out->rel = calc;
    out->visible_count = count + 3;
    out->roles = roles;
}

int bind_assign(struct binder *b, struct window_spec *spec)
{
    struct rel *rel = spec->placeholder;
    int count = rel->op.output.field_count - 3;
    int64_t windows = spec->kind == WINDOW_TUMBLE ? 1 : spec->size_ms / spec->step_ms;
    if (spec->assigned)
        return 0;
    if (windows > BIND_WINDOWS_MAX) {
        diag_error(b->err, b->source, spec->pos,
                   "this would put each row into up to %lld windows, more than %d",
                   (long long)windows, BIND_WINDOWS_MAX);
        return diag_hint(b->err, "aggregate it: GROUP BY window_start, window_end");
    }
    struct op_window window = {.kind = spec->kind,
                               .size_ms = spec->size_ms,
                               .step_ms = spec->step_ms,
                               .offset_ms = spec->offset_ms,
                               .early_delay_ms = -1,
                               .late_delay_ms = -1,
                               .time_column = spec->time_column,
                               .key_count = count};
    const struct schema *input = &rel->input->op.output;
    if (input->fields[spec->time_column].type.kind == TYPE_TIMESTAMP_LTZ) {
        int rc = bind_window_zone(b, spec->pos, &window.zone);
        if (rc)
            return rc;
    }
    int *columns = pool_alloc(b->pool, sizeof(int) * (size_t)(count + 1));
    for (int i = 0; i < count; i++)
        columns[i] = i;
    window.keys = columns;
    rel->op.kind = OP_ASSIGN;
    rel->op.window = window;
    spec->assigned = true;
    return 0;
}

// TABLE t, TABLE (query) or (query).
static const struct sql_table_ref *table_of_argument(struct binder *b, const struct sql_expr *arg)
{
    if (arg->kind == SQL_EXPR_TABLE_ARG)
        return arg->table_arg->table;
    if (arg->kind != SQL_EXPR_SUBQUERY)
        return NULL;
    struct sql_table_ref *ref = pool_zalloc(b->pool, sizeof(*ref));
    ref->kind = SQL_FROM_QUERY;
    ref->pos = arg->pos;
    ref->query = arg->query;
    return ref;
}

static int bind_window_input(struct binder *b, const struct window_args *args, struct relation *in,
                             int *time_column)
{
    const struct sql_table_ref *table = table_of_argument(b, args->table);
    if (!table || args->time->kind != SQL_EXPR_DESCRIPTOR || args->time->columns.count != 1) {
        diag_error(b->err, b->source, args->table->pos,
                   "a window function takes a table and the descriptor of one column");
        return diag_hint(b->err, "TABLE t, DESCRIPTOR(time)");
    }
    if (args->table->kind == SQL_EXPR_TABLE_ARG &&
        (args->table->table_arg->partition_by.count || args->table->table_arg->order_by.count))
        return diag_error(b->err, b->source, args->table->pos,
                          "PARTITION BY and ORDER BY are only for SESSION, which is not "
                          "supported yet");
    int rc = bind_from(b, table, in);
    if (rc)
        return rc;
    if (in->window)
        return diag_error(b->err, b->source, args->table->pos,
                          "a window function cannot read another one before its GROUP BY");
    const struct sql_ident *time = &args->time->columns.items[0];
    struct sql_ident part = *time;
    struct sql_name name = {.parts = {.items = &part, .count = 1}, .pos = time->pos};
    rc = bind_column(b, in, &name, time_column);
    return rc ? rc : bind_time_attribute(b, in, *time_column, time->pos);
}

int bind_window_function(struct binder *b, const struct sql_table_ref *ref, struct relation *out)
{
    const struct sql_expr *e = ref->function;
    const struct window_function *function = find_window_function(b, e);
    struct window_args args = {0};
    struct relation in = {0};
    if (!function)
        return -EINVAL;
    int rc = read_arguments(b, function, e, &args);
    if (rc == 0)
        rc = bind_window_input(b, &args, &in, &out->time_column);
    if (rc)
        return rc;
    struct window_spec *spec = pool_zalloc(b->pool, sizeof(*spec));
    spec->kind = function->kind;
    spec->pos = e->pos;
    rc = bind_interval(b, args.size, &spec->size_ms);
    spec->step_ms = spec->size_ms;
    if (rc == 0 && args.step)
        rc = bind_interval(b, args.step, &spec->step_ms);
    if (rc == 0 && args.offset)
        rc = bind_interval(b, args.offset, &spec->offset_ms);
    if (rc == 0)
        rc = bind_check_window(b, spec, false);
    if (rc)
        return rc;
    out->window = spec;
    add_window_columns(b, &in, out);
    return 0;
}
