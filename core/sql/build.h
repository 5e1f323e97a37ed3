// build.h: constructors of the AST, called by the grammar's actions. Private to core/sql.
//
// None returns NULL: on an error they report it (parser.h) and return something well-formed. Each
// node's height is bounded here (SQL_HEIGHT_MAX), so whoever walks the tree may recurse.
#ifndef WEIR_CORE_SQL_BUILD_H
#define WEIR_CORE_SQL_BUILD_H

#include "core/sql/parser.h"

// Room for one more in a growing array; `*capacity` grows. Amortised constant.
void *sql_grow(struct pool *pool, void *items, int count, int *capacity, size_t item_bytes);

#define SQL_APPEND(parser, list, item)                                                             \
    do {                                                                                           \
        (list)->items = sql_grow((parser)->pool, (list)->items, (list)->count, &(list)->capacity,  \
                                 sizeof(*(list)->items));                                          \
        (list)->items[(list)->count++] = (item);                                                   \
    } while (0)

// --- build.c: names, expressions ---

// height := max(height, child + 1); an error at pos when that is too high.
void sql_raise(struct sql_parser *parser, int *height, int child, struct source_pos pos);

struct sql_name sql_name_of(struct sql_parser *parser, struct sql_ident first);
void sql_name_add(struct sql_parser *parser, struct sql_name *name, struct sql_ident part);

// A list of up to three; NULLs at the end are left out.
struct sql_exprs sql_exprs_of(struct sql_parser *parser, struct sql_expr *a, struct sql_expr *b,
                              struct sql_expr *c);

// `a` and then `b`; an implicit ROW in b counts as its fields (the list of IN).
struct sql_exprs sql_exprs_join(struct sql_parser *parser, struct sql_exprs a, struct sql_expr *b);

struct sql_expr *sql_leaf(struct sql_parser *parser, enum sql_expr_kind kind,
                          struct source_pos pos);
struct sql_expr *sql_column_ref(struct sql_parser *parser, struct sql_name name);
struct sql_expr *sql_string(struct sql_parser *parser, struct slice text, struct source_pos pos);

// An operator, or a function whose syntax has keywords inside. `name`: see struct sql_call.
struct sql_expr *sql_operator(struct sql_parser *parser, const char *name,
                              struct source_pos name_pos, struct sql_exprs args,
                              struct source_pos pos);
struct sql_expr *sql_special(struct sql_parser *parser, const char *name,
                             struct source_pos name_pos, struct sql_exprs args,
                             struct source_pos pos);
// -x: an operator, but a constant in front of the one integer that only then fits.
struct sql_expr *sql_negative(struct sql_parser *parser, struct source_pos sign_pos,
                              struct sql_expr *arg, struct source_pos pos);
// CURRENT_DATE and its like.
struct sql_expr *sql_niladic(struct sql_parser *parser, struct slice name, struct source_pos pos);

// What stands behind the arguments of a call; NULL or count 0: nothing.
struct sql_call_tail {
    struct sql_expr *filter;
    struct sql_order_items within_group;
    struct sql_window *over;
};

// An ordinary call; `call` holds arguments, distinct, star.
struct sql_expr *sql_function(struct sql_parser *parser, const struct sql_name *name,
                              struct sql_call *call, const struct sql_call_tail *tail,
                              struct source_pos pos);
struct sql_call *sql_call_of(struct sql_parser *parser, struct sql_exprs args);
struct sql_expr *sql_case(struct sql_parser *parser, struct sql_case *parts, struct source_pos pos);
struct sql_expr *sql_cast(struct sql_parser *parser, struct sql_cast parts, struct source_pos pos);
struct sql_expr *sql_field(struct sql_parser *parser, struct sql_expr *row, struct sql_ident field,
                           struct source_pos pos);
struct sql_expr *sql_subquery(struct sql_parser *parser, struct sql_query *query);
struct sql_expr *sql_named_arg(struct sql_parser *parser, struct sql_ident name,
                               struct sql_expr *value, struct source_pos pos);
struct sql_expr *sql_table_arg(struct sql_parser *parser, struct sql_table_arg arg,
                               struct source_pos pos);
// PARTITION BY (a, b): the row becomes a list.
struct sql_exprs sql_unrow(struct sql_parser *parser, struct sql_expr *expr);
// A time unit as a string literal, upper case, singular; an error when it is none.
struct sql_expr *sql_unit(struct sql_parser *parser, struct sql_ident unit);
// "= ANY" from "=" and so on.
const char *sql_quantified(struct sql_parser *parser, const char *operator,
                           const char * quantifier);

// --- literal.c ---

struct sql_expr *sql_number(struct sql_parser *parser, int token, struct slice text,
                            struct source_pos pos);
// kind: SQL_EXPR_DATE, SQL_EXPR_TIME, SQL_EXPR_TIMESTAMP.
struct sql_expr *sql_time_literal(struct sql_parser *parser, enum sql_expr_kind kind,
                                  struct slice text, struct source_pos pos);

struct sql_interval_parts {
    bool negative;
    struct slice text;
    struct source_pos text_pos;
    struct sql_ident from;
    struct sql_ident to; // text NULL: none
};

struct sql_expr *sql_interval(struct sql_parser *parser, const struct sql_interval_parts *parts,
                              struct source_pos pos);
// A literal that has to be an int (precision, length); an error when it is not.
int sql_small_int(struct sql_parser *parser, struct slice text, struct source_pos pos);

// --- types.c ---

struct sql_type_words {
    int precision, scale; // -1: not written
};

static const struct sql_type_words sql_no_length = {-1, -1};

enum sql_zone { SQL_ZONE_NONE, SQL_ZONE_LOCAL, SQL_ZONE_WITH, SQL_ZONE_WITHOUT };

// A type by its name and WITH [LOCAL] TIME ZONE or WITHOUT TIME ZONE.
struct sql_type *sql_named_type(struct sql_parser *parser, struct sql_ident name,
                                struct sql_type_words words, int zone, struct source_pos pos);
// A word that the grammar knows as a keyword, as a name.
struct sql_ident sql_word(struct sql_parser *parser, const char *text, struct source_pos pos);
struct sql_type *sql_nested_type(struct sql_parser *parser, enum sql_type_kind kind,
                                 struct sql_types children, struct source_pos pos);
struct sql_type *sql_interval_type(struct sql_parser *parser, struct sql_ident from,
                                   struct sql_ident to, struct source_pos pos);

// --- build_query.c ---

struct sql_query *sql_query_of(struct sql_parser *parser, enum sql_query_kind kind,
                               struct source_pos pos);
struct sql_query *sql_select_query(struct sql_parser *parser, struct sql_select *select,
                                   struct source_pos pos);
struct sql_query *sql_values_query(struct sql_parser *parser, struct sql_exprs rows,
                                   struct source_pos pos);
struct sql_query *sql_set_query(struct sql_parser *parser, struct sql_set_query set,
                                struct source_pos pos);

// ORDER BY, OFFSET, LIMIT of a query.
struct sql_query_tail {
    struct sql_order_items order_by;
    struct source_pos order_pos;
    struct sql_expr *offset;
    struct sql_expr *limit;
    struct source_pos limit_pos;
};

// Put WITH and a tail on a query; one that has its own is wrapped. `tail` may be NULL.
struct sql_query *sql_query_with(struct sql_parser *parser, struct sql_query *query,
                                 struct sql_ctes ctes, const struct sql_query_tail *tail,
                                 struct source_pos pos);

struct sql_alias {
    struct sql_ident name; // text NULL: none
    struct sql_idents columns;
};

struct sql_table_ref *sql_from(struct sql_parser *parser, enum sql_from_kind kind,
                               struct source_pos pos);
struct sql_table_ref *sql_from_query(struct sql_parser *parser, struct sql_query *query,
                                     struct sql_alias alias, struct source_pos pos);
struct sql_table_ref *sql_from_function(struct sql_parser *parser, struct sql_expr *call,
                                        struct sql_alias alias, struct source_pos pos);
struct sql_table_ref *sql_from_unnest(struct sql_parser *parser, struct sql_expr *arg,
                                      struct sql_alias alias, struct source_pos pos);
struct sql_table_ref *sql_join(struct sql_parser *parser, struct sql_join join,
                               struct source_pos pos);
void sql_alias_set(struct sql_table_ref *table, struct sql_alias alias);

struct sql_group *sql_group_of(struct sql_parser *parser, enum sql_group_kind kind,
                               struct sql_expr *expr, struct source_pos pos);
struct sql_group *sql_group_sets(struct sql_parser *parser, enum sql_group_kind kind,
                                 struct sql_groups sets, struct source_pos pos);
struct sql_window *sql_window_of(struct sql_parser *parser, struct sql_window window,
                                 struct source_pos pos);

// --- build_statement.c ---

struct sql_statement *sql_statement_of(struct sql_parser *parser, enum sql_statement_kind kind,
                                       struct source_pos pos);
void sql_table_begin(struct sql_parser *parser);
void sql_table_column(struct sql_parser *parser, struct sql_column column, struct source_pos pos);
void sql_table_watermark(struct sql_parser *parser, struct sql_watermark watermark);
void sql_table_primary_key(struct sql_parser *parser, struct sql_primary_key key);
// `value` has to be a string; an error when it is another literal.
struct sql_option sql_option_of(struct sql_parser *parser, struct slice key,
                                struct sql_expr *value);
void sql_option_add(struct sql_parser *parser, struct sql_options *options,
                    struct sql_option option);
void sql_statement_add(struct sql_parser *parser, struct sql_statements *list,
                       struct sql_statement *statement);

#endif
