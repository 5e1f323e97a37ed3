// bind_internal.h: what the files of the binder share. Nothing outside core/sql/bind*.c includes
// it.
#ifndef WEIR_CORE_SQL_BIND_INTERNAL_H
#define WEIR_CORE_SQL_BIND_INTERNAL_H

#include "core/format/options.h"
#include "core/sql/bind.h"

enum {
    BIND_DEPTH_MAX = 64,      // views, derived tables and WITH inside one another
    BIND_NODES_MAX = 20000,   // of one expression, written out as a tree
    BIND_WINDOWS_MAX = 10000, // that one row may go into without GROUP BY
};

// A name that FROM can say: a table, a view, or a query of a WITH clause.
struct bind_entry {
    const char *name;
    const struct sql_create_table *table; // NULL: a view
    const struct sql_query *query;        // of a view
    struct sql_idents columns;            // of a view; count 0: as the query says
    int visible_entries; // how many entries the view's query may see: those before it
};

struct bind_setting {
    const char *key;
    const char *value;
    struct source_pos pos; // of the value
};

struct binder {
    struct pool *pool;
    const struct source_text *source;
    struct err *err; // NULL while something is only tried
    struct bind_entry *entries;
    int entry_count, entry_capacity;
    struct bind_setting *settings; // as of the statement that is being bound
    int setting_count, setting_capacity;
    struct rel **pipelines;
    int pipeline_count, pipeline_capacity;
    int depth;
    bool explain_only;
};

// What a window TVF adds. Between the TVF and the GROUP BY that uses it a window has no operator:
// its columns are placeholders that only GROUP BY and plain select items may name.
enum window_role { ROLE_NONE, ROLE_START, ROLE_END, ROLE_TIME };

struct window_spec {
    enum window_kind kind;
    int64_t size_ms, step_ms, offset_ms;
    struct source_pos pos;
    struct rel *placeholder; // of a TVF: the projection that has the window's columns
    int time_column;         // of the placeholder's input
    bool assigned;           // the placeholder has become an OP_ASSIGN
};

struct relation {
    struct rel *rel;
    int visible_count;             // the first fields of rel have names that a query may use
    const char *alias;             // NULL: none
    const enum window_role *roles; // one a field; NULL: no pending window
    struct window_spec *window;    // pending TVF; NULL: none
    int time_column;               // of the pending window
    const char *updating;          // why rows may be changed later; NULL: insert-only
};

struct bind_agg {
    enum agg_kind kind;
    struct expr *arg;    // over the rows; NULL for COUNT(*)
    struct expr *filter; // NULL: none
    struct type type;
    const char *name;
};

// A grouped query: expressions over it read [keys, window_start, window_end, window_time, aggs].
struct grouping {
    const struct relation *input;
    struct window_spec window;
    bool legacy;
    int time_column;
    struct type time_type;
    struct expr **keys;
    const char **key_names;
    int key_count;
    struct bind_agg *aggs;
    int agg_count, agg_capacity;
};

// Where an expression stands: over the rows of `from`, or over the result of `grouping`.
struct bind_scope {
    const struct relation *from; // NULL: no columns
    struct grouping *grouping;   // NULL: not grouped
    const char *clause;          // "WHERE", for messages
    bool roles_allowed;          // a bare window_start of a pending TVF is fine here
    bool assigns;                // any use of it is: rows are assigned to windows then
};

// bind.c
void *bind_grow(struct binder *b, void *items, int count, int *capacity, size_t item_bytes);
const char *bind_setting_value(const struct binder *b, const char *key, struct source_pos *pos);

// bind_insert.c: the table that SET 'dead-letter.table' names; *out NULL: none is named.
int bind_letters(struct binder *b, struct plan_table **out);

// bind_catalog.c
int bind_type(struct binder *b, const struct sql_type *from, struct type *out);
int bind_add_table(struct binder *b, const struct sql_create_table *table);
int bind_add_view(struct binder *b, const struct sql_create_view *view);
int bind_drop(struct binder *b, const struct sql_drop *drop);
int bind_lookup(struct binder *b, const struct sql_name *name, int *out); // index of the entry
// The table's columns that a sink takes, with its options and `hints` over them.
int bind_plan_table(struct binder *b, const struct bind_entry *entry,
                    const struct sql_options *hints, struct plan_table **out);
int bind_scan(struct binder *b, const struct bind_entry *entry, const struct sql_options *hints,
              struct relation *out);
const char *bind_table_option(const struct plan_table *table, const char *key); // NULL: not given
// Where the option stands that the message names first; otherwise all options.
struct source_pos bind_option_pos(const struct sql_create_table *create, const char *message);
// The format whose options begin with `prefix` ("", "key.", "value.").
int bind_format(struct binder *b, const struct sql_create_table *create,
                const struct plan_table *table, const char *prefix, struct format_options *out);

// bind_metadata.c
bool bind_is_kafka(const struct plan_table *table); // kafka or upsert-kafka
// Keys and types of the METADATA columns among `physical`.
int bind_metadata_columns(struct binder *b, const struct sql_create_table *create,
                          struct plan_table *table);
int bind_check_written_metadata(struct binder *b, const struct sql_create_table *create,
                                const struct plan_table *table, struct source_pos pos);
int bind_primary_key(struct binder *b, const struct sql_create_table *create,
                     struct plan_table *table);

// bind_kafka.c
// What hangs together in a Kafka table: formats, primary key, metadata of several topics.
int bind_check_kafka(struct binder *b, const struct sql_create_table *create,
                     const struct plan_table *table);
// scan.watermark.* over the settings.
int bind_watermark_options(struct binder *b, const struct sql_create_table *create,
                           const struct plan_table *table, struct op_watermark *watermark);
// "format" or "value.format", whichever is given; "format" without either.
const char *bind_value_format_key(const struct plan_table *table);
// Can rows of the table say that they change or delete what was there?
bool bind_takes_changes(const struct plan_table *table);
// Does the chain begin at a table that is a changelog?
bool bind_reads_changelog(const struct rel *rel);

// bind_options.c
// Are these names of options of the connector, and what they may be? -EINVAL with a place.
int bind_check_options(struct binder *b, const char *connector, const struct sql_options *options);
// May the setting, whose key is known, have this value?
int bind_check_setting(struct binder *b, const struct sql_option *option);

// bind_expr.c
int bind_expr(struct binder *b, const struct bind_scope *scope, const struct sql_expr *e,
              struct expr **out);
int bind_condition(struct binder *b, const struct bind_scope *scope, const struct sql_expr *e,
                   struct expr **out); // must be BOOLEAN
// Index of the column that the name means. -EINVAL with suggestions.
int bind_column(struct binder *b, const struct relation *from, const struct sql_name *name,
                int *out);
// Message of core/expr in front of which a position goes.
int bind_expr_error(struct binder *b, struct source_pos pos, const struct err *cause);
bool bind_same_expr(const struct expr *a, const struct expr *b);

// bind_refuse.c: is the call an operator or function of Flink's that there is not yet? -EINVAL if
// so.
int bind_refuse_call(struct binder *b, const struct sql_expr *e);

// bind_group.c
bool bind_is_aggregate(const struct sql_expr *e);
bool bind_has_aggregate(const struct sql_expr *e);
bool bind_is_group_window(const struct sql_expr *e);
// Which of the pending window's columns a plain name means; ROLE_NONE: none.
enum window_role bind_role_of(struct binder *b, const struct relation *from,
                              const struct sql_expr *e);
int bind_group_by(struct binder *b, const struct sql_select *select, struct grouping *out);
// If `e` is a group key, an aggregate or a window property: its column of the result; else *out
// NULL.
int bind_grouped(struct binder *b, const struct bind_scope *scope, const struct sql_expr *e,
                 struct expr **out);
// The relations below the SELECT list: window input, window.
int bind_group_rel(struct binder *b, struct grouping *g, struct expr *where, struct rel **out,
                   const char **updating);

// bind_window.c
int bind_interval(struct binder *b, const struct sql_expr *e, int64_t *ms);
int bind_time_attribute(struct binder *b, const struct relation *from, int column,
                        struct source_pos pos);
int bind_window_function(struct binder *b, const struct sql_table_ref *ref, struct relation *out);
// The window function gets an operator of its own: rows go on once for each window.
int bind_assign(struct binder *b, struct window_spec *spec);
int bind_check_window(struct binder *b, const struct window_spec *spec, bool legacy);
int bind_emit(struct binder *b, const struct window_spec *spec, struct op_window *window);
// The zone whose local time cuts windows over TIMESTAMP_LTZ; NULL: UTC.
int bind_window_zone(struct binder *b, struct source_pos pos, const char **name);

// bind_values.c
int bind_values(struct binder *b, const struct sql_query *query, struct relation *out);
int bind_numbers(struct binder *b, int count, struct relation *out); // rows without a column

// bind_union.c: the query's branches of UNION ALL, all of one schema; one without any.
struct branches {
    struct relation *items;
    int count, capacity;
};
int bind_branches(struct binder *b, const struct sql_query *query, struct branches *out);

// bind_query.c
void bind_ctes(struct binder *b, const struct sql_query *query);
int bind_query(struct binder *b, const struct sql_query *query, struct relation *out);
int bind_from(struct binder *b, const struct sql_table_ref *ref, struct relation *out);

// bind_insert.c
int bind_complete_window(struct binder *b, struct relation *query);
int bind_insert(struct binder *b, const struct sql_insert *insert);
int bind_select(struct binder *b, const struct sql_query *query); // a bare SELECT: prints

#endif
