// ast.h: what a script says, as a tree; nothing is resolved or typed yet.
//
// Everything lives in the pool given to sql_parse. Lists are arrays with a count. Each node has the
// run of text that it came from. Names keep the case they were written in (Flink's are
// case-sensitive); names of functions, types and operators are upper case here.
#ifndef WEIR_CORE_SQL_AST_H
#define WEIR_CORE_SQL_AST_H

#include "core/base/buf.h"
#include "core/base/pool.h"
#include "core/sql/diag.h"

struct sql_query;
struct sql_expr;
struct sql_table_ref;

// --- names and lists ---

struct sql_ident {
    const char *text; // without backquotes
    bool quoted;      // was written in backquotes
    struct source_pos pos;
};

struct sql_idents {
    struct sql_ident *items;
    int count, capacity;
};

// A possibly qualified name: catalog.database.table, table.column, row.field.
struct sql_name {
    struct sql_idents parts; // at least one
    struct source_pos pos;
};

struct sql_exprs {
    struct sql_expr **items;
    int count, capacity;
};

struct sql_option { // 'key' = 'value' of WITH, OPTIONS, SET
    const char *key;
    const char *value;
    struct source_pos key_pos;
    struct source_pos value_pos;
};

struct sql_options {
    struct sql_option *items;
    int count, capacity;
};

// --- types ---

enum sql_type_kind {
    SQL_TYPE_BOOLEAN,
    SQL_TYPE_TINYINT,
    SQL_TYPE_SMALLINT,
    SQL_TYPE_INT,
    SQL_TYPE_BIGINT,
    SQL_TYPE_FLOAT,
    SQL_TYPE_DOUBLE,
    SQL_TYPE_DECIMAL,
    SQL_TYPE_CHAR,
    SQL_TYPE_VARCHAR,
    SQL_TYPE_STRING,
    SQL_TYPE_BINARY,
    SQL_TYPE_VARBINARY,
    SQL_TYPE_BYTES,
    SQL_TYPE_DATE,
    SQL_TYPE_TIME,
    SQL_TYPE_TIMESTAMP,
    SQL_TYPE_TIMESTAMP_TZ,
    SQL_TYPE_TIMESTAMP_LTZ,
    SQL_TYPE_INTERVAL_MONTH, // INTERVAL YEAR TO MONTH
    SQL_TYPE_INTERVAL_DAY,   // INTERVAL DAY TO SECOND
    SQL_TYPE_ARRAY,          // children[0]: the element
    SQL_TYPE_MULTISET,       // children[0]: the element
    SQL_TYPE_MAP,            // children[0], [1]: key and value
    SQL_TYPE_ROW,            // children: the fields, each with a field_name
    SQL_TYPE_RAW,
    SQL_TYPE_NULL,
    SQL_TYPE_KIND_COUNT,
};

struct sql_types {
    struct sql_type **items;
    int count, capacity;
};

struct sql_type {
    enum sql_type_kind kind;
    bool not_null;
    int precision; // or length; -1 when it was not written
    int scale;     // -1 when it was not written
    struct sql_types children;
    struct sql_ident field_name; // of a field of a ROW
    struct source_pos pos;
    int height;
};

// --- expressions ---

enum sql_expr_kind {
    SQL_EXPR_NAME, // name: a column
    SQL_EXPR_NULL,
    SQL_EXPR_UNKNOWN,        // NULL of type BOOLEAN
    SQL_EXPR_BOOLEAN,        // i64: 0 or 1
    SQL_EXPR_INTEGER,        // i64
    SQL_EXPR_DECIMAL,        // str: digits, at most one dot: 1.50, or an integer beyond int64
    SQL_EXPR_DOUBLE,         // f64: written with an exponent
    SQL_EXPR_STRING,         // str
    SQL_EXPR_BINARY,         // str: the bytes of x'00ff'
    SQL_EXPR_DATE,           // i64: days since 1970-01-01
    SQL_EXPR_TIME,           // i64: milliseconds of the day; precision: digits of the fraction
    SQL_EXPR_TIMESTAMP,      // i64: milliseconds since 1970-01-01 00:00:00; precision likewise
    SQL_EXPR_INTERVAL_DAY,   // i64: milliseconds; text of the literal in str
    SQL_EXPR_INTERVAL_MONTH, // i64: months; text of the literal in str
    SQL_EXPR_CALL,           // call: a function or an operator
    SQL_EXPR_CASE,           // case_
    SQL_EXPR_CAST,           // cast
    SQL_EXPR_FIELD,          // field: a field of a row that is not a plain name
    SQL_EXPR_SUBQUERY,       // query: a scalar, or the argument of IN, EXISTS, = ANY ...
    SQL_EXPR_STAR,           // name: t.* (name.parts.count 0: plain *); only as a select item
    SQL_EXPR_DESCRIPTOR,     // columns; only as an argument of a table function
    SQL_EXPR_TABLE_ARG,      // table_arg: TABLE t PARTITION BY ...; likewise
    SQL_EXPR_NAMED_ARG,      // named: arg => value
};

struct sql_order_item {
    struct sql_expr *expr;
    bool descending;
    int nulls_first; // 1: NULLS FIRST, 0: NULLS LAST, -1: not said
};

struct sql_order_items {
    struct sql_order_item *items;
    int count, capacity;
};

enum sql_frame_bound_kind {
    SQL_BOUND_UNBOUNDED_PRECEDING,
    SQL_BOUND_PRECEDING, // offset
    SQL_BOUND_CURRENT_ROW,
    SQL_BOUND_FOLLOWING, // offset
    SQL_BOUND_UNBOUNDED_FOLLOWING,
};

struct sql_frame_bound {
    enum sql_frame_bound_kind kind;
    struct sql_expr *offset; // NULL where the kind has none
};

// OVER (...), OVER name, or one definition of the WINDOW clause.
struct sql_window {
    struct sql_ident name; // of a definition in WINDOW; text NULL otherwise
    struct sql_ident base; // the window it refers to or extends; text NULL: none
    struct sql_exprs partition_by;
    struct sql_order_items order_by;
    bool has_frame;
    bool rows; // ROWS; otherwise RANGE
    struct sql_frame_bound start, end;
    struct source_pos pos;
    int height;
};

struct sql_windows {
    struct sql_window **items;
    int count, capacity;
};

// Operators carry the names that expr_call (core/expr/expr.h) takes: "+", "AND", "IS NOT NULL",
// "NOT LIKE", "BETWEEN", "IN" ... and these: "BETWEEN SYMMETRIC", "NOT BETWEEN SYMMETRIC",
// "NOT SIMILAR TO", "= ANY", "< ALL" ..., "EXISTS", "ROW", "ARRAY", "MAP", "ITEM" (a[i]).
// Syntax with keywords inside becomes plain arguments: EXTRACT('DAY', x), FLOOR(x, 'DAY'),
// TRIM('BOTH', what, from), SUBSTRING(x, from, for), POSITION(what, in), OVERLAY(x, y, from, for),
// TIMESTAMPADD('DAY', n, x). CURRENT_TIMESTAMP and its like are calls without arguments.
struct sql_call {
    const char *name;           // upper case; as written, dots included, when `qualified`
    struct source_pos name_pos; // of the operator or the function's name
    bool is_operator;           // written as an operator
    bool no_parens;             // CURRENT_TIMESTAMP
    bool special;               // its syntax has keywords inside: EXTRACT(DAY FROM x)
    bool qualified;             // catalog.database.function
    bool star;                  // COUNT(*)
    bool distinct;              // f(DISTINCT ...)
    struct sql_exprs args;
    struct sql_expr *filter;             // FILTER (WHERE ...); NULL: none
    struct sql_order_items within_group; // WITHIN GROUP (ORDER BY ...)
    struct sql_window *over;             // NULL: none
};

struct sql_case {
    struct sql_expr *operand; // CASE x WHEN ...; NULL: CASE WHEN ...
    struct sql_exprs when;    // as many as `then`
    struct sql_exprs then;
    struct sql_expr *otherwise; // NULL: no ELSE
};

struct sql_cast {
    struct sql_expr *arg;
    struct sql_type *type;
    bool try_cast;
};

struct sql_field_access {
    struct sql_expr *row;
    struct sql_ident field;
};

struct sql_table_arg {
    struct sql_table_ref *table; // SQL_FROM_TABLE or SQL_FROM_QUERY
    struct sql_exprs partition_by;
    struct sql_order_items order_by;
};

struct sql_named_arg {
    struct sql_ident name;
    struct sql_expr *value;
};

struct sql_expr {
    enum sql_expr_kind kind;
    int height;    // 1 for a leaf
    int precision; // of TIME and TIMESTAMP literals
    struct source_pos pos;
    union {
        int64_t i64;
        double f64;
        struct sql_name name;
        struct sql_idents columns;
        struct sql_call *call;
        struct sql_case *case_;
        struct sql_cast *cast;
        struct sql_field_access *field;
        struct sql_query *query;
        struct sql_table_arg *table_arg;
        struct sql_named_arg *named;
    };
    struct slice str; // strings; the text of a number or interval
};

// --- queries ---

enum sql_from_kind {
    SQL_FROM_TABLE,    // name
    SQL_FROM_QUERY,    // query
    SQL_FROM_FUNCTION, // function: TABLE(f(...))
    SQL_FROM_UNNEST,   // unnest
    SQL_FROM_JOIN,     // join
};

enum sql_join_kind {
    SQL_JOIN_INNER,
    SQL_JOIN_LEFT,
    SQL_JOIN_RIGHT,
    SQL_JOIN_FULL,
    SQL_JOIN_CROSS,
    SQL_JOIN_COMMA, // FROM a, b
};

struct sql_join {
    enum sql_join_kind kind;
    bool natural;
    struct source_pos pos; // of the words LEFT JOIN
    struct sql_table_ref *left, *right;
    struct sql_expr *on;     // NULL: none
    struct sql_idents using; // count 0: none
};

struct sql_table_ref {
    enum sql_from_kind kind;
    int height;
    struct source_pos pos;
    union {
        struct sql_name name;
        struct sql_query *query;
        struct sql_expr *function; // SQL_EXPR_CALL
        struct sql_expr *unnest;
        struct sql_join *join;
    };
    bool lateral;
    bool with_ordinality;         // UNNEST
    struct sql_options options;   // /*+ OPTIONS('k'='v') */
    struct sql_expr *system_time; // FOR SYSTEM_TIME AS OF; NULL: none
    struct sql_ident alias;       // text NULL: none
    struct sql_idents column_aliases;
};

enum sql_group_kind {
    SQL_GROUP_EXPR,  // exprs.items[0]
    SQL_GROUP_EMPTY, // ()
    SQL_GROUP_LIST,  // (a, b) inside GROUPING SETS, ROLLUP, CUBE
    SQL_GROUP_SETS,  // sets
    SQL_GROUP_ROLLUP,
    SQL_GROUP_CUBE,
};

struct sql_groups {
    struct sql_group **items;
    int count, capacity;
};

struct sql_group {
    enum sql_group_kind kind;
    struct sql_exprs exprs;
    struct sql_groups sets;
    struct source_pos pos;
    int height;
};

struct sql_select_item {
    struct sql_expr *expr;  // may be SQL_EXPR_STAR
    struct sql_ident alias; // text NULL: none
};

struct sql_select_items {
    struct sql_select_item *items;
    int count, capacity;
};

struct sql_select {
    bool distinct;
    struct source_pos distinct_pos;
    struct sql_select_items items;
    struct sql_table_ref *from; // NULL: no FROM
    struct sql_expr *where;     // NULL: none
    struct sql_groups group_by;
    struct source_pos group_pos;
    struct sql_expr *having;
    struct sql_windows windows;
};

enum sql_set_op { SQL_UNION, SQL_INTERSECT, SQL_EXCEPT };

struct sql_set_query {
    enum sql_set_op op;
    bool all;
    struct source_pos pos; // of the words UNION ALL
    struct sql_query *left, *right;
};

struct sql_cte {
    struct sql_ident name;
    struct sql_idents columns;
    struct sql_query *query;
};

struct sql_ctes {
    struct sql_cte *items;
    int count, capacity;
};

enum sql_query_kind {
    SQL_QUERY_SELECT, // select
    SQL_QUERY_SET,    // set
    SQL_QUERY_VALUES, // rows: each an SQL_EXPR_CALL "ROW", or a single expression
    SQL_QUERY_TABLE,  // table: TABLE t
    SQL_QUERY_NESTED, // nested: (query with its own ORDER BY, LIMIT or WITH)
};

struct sql_query {
    enum sql_query_kind kind;
    int height;
    struct source_pos pos;
    struct sql_ctes ctes; // WITH ...
    union {
        struct sql_select *select;
        struct sql_set_query *set;
        struct sql_exprs rows;
        struct sql_name table;
        struct sql_query *nested;
    };
    struct sql_order_items order_by;
    struct source_pos order_pos;
    struct sql_expr *offset; // NULL: none
    struct sql_expr *limit;  // of LIMIT or FETCH; NULL: none
    struct source_pos limit_pos;
};

// --- statements ---

enum sql_column_kind {
    SQL_COLUMN_PHYSICAL, // type
    SQL_COLUMN_COMPUTED, // expr
    SQL_COLUMN_METADATA, // type; metadata_key, is_virtual
};

struct sql_column {
    enum sql_column_kind kind;
    struct sql_ident name;
    struct source_pos pos; // the whole definition
    struct sql_type *type;
    struct sql_expr *expr;
    const char *metadata_key; // NULL: the column's name
    bool is_virtual;
    const char *comment; // NULL: none
};

struct sql_columns {
    struct sql_column *items;
    int count, capacity;
};

struct sql_watermark {
    struct sql_name column; // usually one part
    struct sql_expr *expr;
    struct source_pos pos;
};

struct sql_primary_key {
    const char *constraint_name; // NULL: none
    struct sql_idents columns;   // count 0: no primary key
    struct source_pos pos;
};

struct sql_create_table {
    struct sql_name name;
    bool temporary;
    bool if_not_exists;
    struct sql_columns columns;
    struct sql_watermark *watermark; // NULL: none
    struct sql_primary_key primary_key;
    const char *comment; // NULL: none
    struct sql_idents partitioned_by;
    struct source_pos partitioned_pos;
    struct sql_options options;
    struct source_pos options_pos; // of WITH (...); zeroed without
};

struct sql_create_view {
    struct sql_name name;
    bool temporary;
    bool if_not_exists;
    struct sql_idents columns;
    const char *comment;
    struct sql_query *query;
};

struct sql_drop {
    bool view; // otherwise a table
    bool temporary;
    bool if_exists;
    struct sql_name name;
};

struct sql_insert {
    struct sql_name table;
    struct sql_options options;   // /*+ OPTIONS(...) */
    struct sql_options partition; // PARTITION (k = 'v')
    struct source_pos partition_pos;
    struct sql_idents columns; // count 0: all
    bool overwrite;
    struct source_pos overwrite_pos;
    struct sql_query *query;
};

struct sql_statements {
    struct sql_statement **items;
    int count, capacity;
};

enum sql_statement_kind {
    SQL_STATEMENT_CREATE_TABLE,
    SQL_STATEMENT_CREATE_VIEW,
    SQL_STATEMENT_DROP,
    SQL_STATEMENT_SET,   // option; key NULL: SET alone, which lists the settings
    SQL_STATEMENT_RESET, // option.key; NULL: all
    SQL_STATEMENT_INSERT,
    SQL_STATEMENT_SET_OF_INSERTS, // inserts: EXECUTE STATEMENT SET BEGIN ... END
    SQL_STATEMENT_QUERY,
    SQL_STATEMENT_EXPLAIN, // explained
};

struct sql_statement {
    enum sql_statement_kind kind;
    struct source_pos pos;
    union {
        struct sql_create_table *create_table;
        struct sql_create_view *create_view;
        struct sql_drop *drop;
        struct sql_option *option;
        struct sql_insert *insert;
        struct sql_statements inserts; // each SQL_STATEMENT_INSERT
        struct sql_query *query;
        struct sql_statement *explained; // a query, an insert or a set of inserts
    };
};

struct sql_script {
    struct source_text source; // for messages
    struct sql_statements statements;
};

// Append the script, or one statement, query or expression, as text: statements as an indented
// outline, expressions as SQL with every operator in parentheses.
void sql_ast_print(const struct sql_script *script, struct buf *out);
void sql_ast_print_statement(const struct sql_statement *statement, struct buf *out);
void sql_ast_print_query(const struct sql_query *query, int indent, struct buf *out);
void sql_ast_print_expr(const struct sql_expr *expr, struct buf *out);
void sql_ast_print_type(const struct sql_type *type, struct buf *out);

#endif
