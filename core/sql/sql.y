/* sql.y: Flink's SQL. Actions only call constructors (build.h); what a word is has been decided in
   token.c. See README.md for the rules, among them how a word becomes or stays no keyword. */
%require "3.8"
%language "C"
%define api.pure full
%define api.prefix {sql_yy}
%define api.token.prefix {TOK_}
%define api.location.type {struct source_pos}
%define parse.error custom
%define parse.lac full
%define lr.type lalr
%locations
%param {struct sql_parser *parser}

%code requires {
#include "core/sql/build.h"
}
%code provides {
int sql_yylex(SQL_YYSTYPE *value, struct source_pos *pos, struct sql_parser *parser);
}
%code {
/* Deep right recursion ends here instead of in the C stack; the real bounds are in parse.h. */
#define YYMAXDEPTH 20000
#define YYLLOC_DEFAULT(current, rhs, count)                                                        \
    do {                                                                                           \
        (current) = (struct source_pos){0};                                                        \
        for (int i_ = 1; i_ <= (count); i_++)                                                      \
            (current) = source_span((current), YYRHSLOC(rhs, i_));                                 \
    } while (0)
#define P parser
#define ARGS1(a) sql_exprs_of(P, (a), NULL, NULL)
#define ARGS2(a, b) sql_exprs_of(P, (a), (b), NULL)
#define ARGS3(a, b, c) sql_exprs_of(P, (a), (b), (c))
#define NEW(type, ...) memcpy(pool_alloc(P->pool, sizeof(type)), &(type){__VA_ARGS__}, sizeof(type))
#define TEXT(slice) slice_make((slice), sizeof(slice) - 1)

static void sql_yyerror(const struct source_pos *pos, struct sql_parser *parser, const char *message)
{
    (void)message;
    sql_fail(parser, *pos, "nested too deeply");
}
}

%union {
    struct slice token;
    struct sql_ident ident;
    struct sql_idents idents;
    struct sql_name name;
    bool flag;
    int number;
    const char *text;
    struct sql_option option;
    struct sql_options options;
    struct sql_type *type;
    struct sql_types types;
    struct sql_type_words type_words;
    struct sql_interval_parts unit;
    struct sql_expr *expr;
    struct sql_exprs exprs;
    struct sql_case *cases;
    struct sql_call *call;
    struct sql_call_tail *call_tail;
    struct sql_order_item order_item;
    struct sql_order_items order_items;
    struct sql_frame_bound bound;
    struct sql_window *window;
    struct sql_windows windows;
    struct sql_query *query;
    struct sql_query_tail *tail;
    struct sql_ctes ctes;
    struct sql_select_item item;
    struct sql_select_items items;
    struct sql_table_ref *table;
    struct sql_join *join;
    struct sql_alias *alias;
    struct sql_group *group;
    struct sql_groups groups;
    struct sql_column column;
    struct sql_statement *statement;
    struct sql_statements statements;
}

/* In the order in which a message lists what was expected. */
%token END_OF_SCRIPT 0 "end of script"
%token <ident> IDENT "a name"
%token <token> STRING "a string"
%token <token> INTEGER "a number"
%token ';' "';'" ')' "')'" ',' "','" '(' "'('" '=' "'='" ']' "']'"
%token <token> SELECT "SELECT" FROM "FROM" AS "AS" WITH "WITH" TABLE "TABLE" <ident> VIEW "VIEW"
%token <token> SET "SET" INTO "INTO" INSERT "INSERT" CREATE "CREATE" DROP "DROP" EXPLAIN "EXPLAIN"
%token <token> EXECUTE "EXECUTE" BEGIN "BEGIN" RESET "RESET" VALUES "VALUES" BY "BY" ON "ON"
%token <token> USING "USING" JOIN "JOIN" WHEN "WHEN" THEN "THEN" END "END" ELSE "ELSE" AND "AND"
%token <token> FOR "FOR" TO "TO" WHERE "WHERE" GROUP "GROUP" HAVING "HAVING" WINDOW "WINDOW"
%token <token> UNION "UNION" INTERSECT "INTERSECT" EXCEPT "EXCEPT" ORDER "ORDER" LIMIT "LIMIT"
%token <token> OFFSET "OFFSET" FETCH "FETCH" NOT "NOT" NOT_LA "NOT " NULL "NULL"
%token <token> CROSS "CROSS" INNER "INNER" LEFT "LEFT" RIGHT "RIGHT" FULL "FULL" NATURAL "NATURAL"
%token <token> OUTER "OUTER" LATERAL "LATERAL" UNNEST "UNNEST" IF "IF" EXISTS "EXISTS"
%token <token> ALL "ALL" DISTINCT "DISTINCT" OR "OR" IS "IS" IN "IN" LIKE "LIKE" BETWEEN "BETWEEN"
%token <token> SIMILAR "SIMILAR" ESCAPE "ESCAPE" SYMMETRIC "SYMMETRIC" ASYMMETRIC "ASYMMETRIC"
%token <token> TRUE "TRUE" FALSE "FALSE" UNKNOWN "UNKNOWN" CASE "CASE" CAST "CAST"
%token <token> TRY_CAST "TRY_CAST" INTERVAL "INTERVAL" DATE "DATE" TIME "TIME"
%token <ident> NILADIC "CURRENT_TIMESTAMP" TYPE_BEGIN "a type"
%token <token> TIMESTAMP "TIMESTAMP" EXTRACT "EXTRACT" FLOOR "FLOOR"
%token <token> CEIL "CEIL" TRIM "TRIM" BOTH "BOTH" LEADING "LEADING" TRAILING "TRAILING"
%token <token> SUBSTRING "SUBSTRING" POSITION "POSITION" OVERLAY "OVERLAY" ANY "ANY" ROW "ROW"
%token <token> ARRAY "ARRAY" MAP "MAP" MULTISET "MULTISET" OVER "OVER" FILTER "FILTER"
%token <token> WITHIN "WITHIN" PARTITION "PARTITION" ROWS "ROWS" RANGE "RANGE" CURRENT "CURRENT"
%token <token> UNBOUNDED "UNBOUNDED" DESCRIPTOR "DESCRIPTOR" GROUPING "GROUPING" ROLLUP "ROLLUP"
%token <token> CUBE "CUBE" NULLS "NULLS" PRIMARY "PRIMARY" UNIQUE "UNIQUE"
%token <token> CONSTRAINT "CONSTRAINT" WATERMARK "WATERMARK" PARTITIONED "PARTITIONED"
%token <token> COMMENT "COMMENT" LOCAL "LOCAL" WITHOUT "WITHOUT" SYSTEM_TIME "SYSTEM_TIME" OF "OF"
%token <token> ONLY "ONLY" RAW_KEY "a key" RAW_VALUE "a value"
%token <token> DECIMAL "a decimal number" DOUBLE "a floating-point number" BINARY "a binary string"
%token <token> HINT_BEGIN "a hint" HINT_END "'*/'" UNSUPPORTED "unsupported"
%token NOT_EQUAL "'<>'" LESS_EQUAL "'<='" GREATER_EQUAL "'>='" CONCAT "'||'" ARROW "'=>'"
/* Words that stay usable as names; the rule `nonreserved` lists them again. */
%token <ident> ASC "ASC" DESC "DESC" ENFORCED "ENFORCED" FIRST "FIRST" FOLLOWING "FOLLOWING"
%token <ident> KEY "KEY" LAST "LAST" METADATA "METADATA" NEXT "NEXT" ORDINALITY "ORDINALITY"
%token <ident> OVERWRITE "OVERWRITE" PLACING "PLACING" PLAN "PLAN" PRECEDING "PRECEDING"
%token <ident> PRECISION "PRECISION" SETS "SETS" STATEMENT "STATEMENT" TEMPORARY "TEMPORARY"
%token <ident> VARYING "VARYING" VIRTUAL "VIRTUAL" ZONE "ZONE"

/* From loose to tight, as Calcite has them. */
%left UNION EXCEPT
%left INTERSECT
%left OR
%left AND
%precedence NOT
%precedence IS
%left '=' NOT_EQUAL '<' '>' LESS_EQUAL GREATER_EQUAL
%precedence BETWEEN IN LIKE SIMILAR NOT_LA
%left '+' '-'
%left '*' '/' '%' CONCAT
%precedence UNARY
%precedence ')'
/* INTERVAL '1' DAY TO ... goes on, also inside FLOOR(... TO unit). */
%precedence UNIT_ALONE
%precedence TO

%type <ident> name nonreserved bare_alias opt_as_alias opt_base
%type <idents> names opt_column_list opt_partitioned
%type <name> qname
%type <flag> opt_temporary opt_if_not_exists opt_if_exists opt_not opt_symmetric set_quantifier
%type <flag> opt_nulls_order_first insert_kind opt_with_ordinality opt_descending
%type <flag> frame_unit sign
%type <number> opt_nulls join_kind opt_quantifier time_zone
%type <type_words> type_length opt_varying_length
%type <unit> interval_unit
%type <text> opt_comment opt_constraint opt_metadata_key comparison quantifier trim_mode
%type <option> option
%type <options> options opt_with opt_hint opt_partition_spec partition_values
%type <type> type column_type row_field
%type <types> row_fields
%type <expr> expr arith primary postfix literal call special_call case_expr interval call_arg
%type <expr> in_list row_count opt_row_count opt_where opt_having opt_filter unit case_operand opt_escape
%type <expr> opt_system_time limit_count when
%type <exprs> exprs exprs_more call_arg_list opt_partition_by table_partition opt_exprs map_items
%type <cases> when_list case_else
%type <call> call_args
%type <call_tail> call_tail
%type <order_item> order_item
%type <order_items> order_by order_items opt_order_by opt_within table_order
%type <bound> frame_bound
%type <window> window_spec frame over
%type <windows> opt_windows window_definitions
%type <query> query query_parens query_bare query_clause simple_query
%type <tail> tail opt_tail limit
%type <ctes> with_clause ctes
%type <item> select_item
%type <items> select_items
%type <table> opt_from from_list table_ref table_primary joined
%type <join> join_condition
%type <alias> opt_alias alias
%type <group> group_item
%type <groups> opt_group_by group_items
%type <column> column
%type <statement> statement create_table create_view drop_statement set_statement insert
%type <statement> insert_source insert_set explain explainable
%type <statements> insert_list
%%
script:
  slot
| script ';' slot
;
slot:
  %empty
| statement { sql_statement_add(P, &P->script->statements, $1); }
;
statement:
  create_table
| create_view
| drop_statement
| set_statement
| insert
| insert_set
| explain
| EXECUTE insert { $$ = $2; }
| EXECUTE query  { $$ = sql_statement_of(P, SQL_STATEMENT_QUERY, @$); $$->query = $2; }
| query          { $$ = sql_statement_of(P, SQL_STATEMENT_QUERY, @$); $$->query = $1; }
;

/* --- names --- */

nonreserved:
  ASC | DESC | ENFORCED | FIRST | FOLLOWING | KEY | LAST | METADATA | NEXT | ORDINALITY | OVERWRITE
| PLACING | PLAN | PRECEDING | PRECISION | SETS | STATEMENT | TEMPORARY | VARYING | VIEW | VIRTUAL
| ZONE
;
name:
  IDENT
| nonreserved
;
bare_alias:
  IDENT
| KEY
| FIRST
| LAST
| NEXT
| ZONE
| PRECISION
| METADATA
;
names:
  name           { $$ = (struct sql_idents){0}; SQL_APPEND(P, &$$, $1); }
| names ',' name { $$ = $1; SQL_APPEND(P, &$$, $3); }
;
opt_column_list:
  %empty        { $$ = (struct sql_idents){0}; }
| '(' names ')' { $$ = $2; }
;
qname:
  name           { $$ = sql_name_of(P, $1); }
| qname '.' name { $$ = $1; sql_name_add(P, &$$, $3); }
;

/* --- CREATE, DROP --- */

opt_temporary:
  %empty    { $$ = false; }
| TEMPORARY { $$ = true; }
;
opt_if_not_exists:
  %empty        { $$ = false; }
| IF NOT EXISTS { $$ = true; }
;
opt_if_exists:
  %empty    { $$ = false; }
| IF EXISTS { $$ = true; }
;
create_table:
  create_table_head opt_elements opt_comment opt_partitioned opt_with create_table_rest
      { struct sql_create_table *t = P->table;
        t->comment = $3; t->partitioned_by = $4; t->partitioned_pos = @4;
        t->options = $5; t->options_pos = @5;
        $$ = sql_statement_of(P, SQL_STATEMENT_CREATE_TABLE, @$); $$->create_table = t; }
;
create_table_head:
  CREATE opt_temporary TABLE opt_if_not_exists qname
      { sql_table_begin(P);
        P->table->temporary = $2; P->table->if_not_exists = $4; P->table->name = $5; }
;
create_table_rest:
  %empty
| LIKE { sql_refuse(P, @1, "CREATE TABLE ... LIKE", "repeat the columns and options"); }
| AS   { sql_refuse(P, @1, "CREATE TABLE ... AS SELECT",
                    "declare the table, then INSERT INTO it"); }
;
opt_elements:
  %empty
| '(' elements ')'
;
elements:
  element
| elements ',' element
;
element:
  column                      { sql_table_column(P, $1, @$); }
| WATERMARK FOR qname AS expr { sql_table_watermark(P, (struct sql_watermark){
                                    .column = $3, .expr = $5, .pos = @$}); }
| opt_constraint PRIMARY KEY '(' names ')' enforced
                              { sql_table_primary_key(P, (struct sql_primary_key){
                                    .constraint_name = $1, .columns = $5, .pos = @$}); }
| opt_constraint UNIQUE '(' names ')'
                              { sql_refuse(P, @2, "UNIQUE", "declare PRIMARY KEY (...) NOT ENFORCED"); }
;
column:
  name column_type { $$ = (struct sql_column){.kind = SQL_COLUMN_PHYSICAL, .name = $1, .type = $2}; }
| name AS expr     { $$ = (struct sql_column){.kind = SQL_COLUMN_COMPUTED, .name = $1, .expr = $3}; }
| column METADATA opt_metadata_key
                   { $$ = $1; $$.kind = SQL_COLUMN_METADATA; $$.metadata_key = $3; }
| column VIRTUAL   { $$ = $1; $$.is_virtual = true; }
| column COMMENT STRING { $$ = $1; $$.comment = sql_cstr(P, $3, @3); }
| column opt_constraint PRIMARY KEY enforced
                   { $$ = $1;
                     struct sql_idents key = {0};
                     SQL_APPEND(P, &key, $1.name);
                     sql_table_primary_key(P, (struct sql_primary_key){
                         .constraint_name = $2, .columns = key, .pos = source_span(@3, @5)}); }
| column UNIQUE    { $$ = $1; sql_refuse(P, @2, "UNIQUE", "declare PRIMARY KEY NOT ENFORCED"); }
;
opt_metadata_key:
  %empty      { $$ = NULL; }
| FROM STRING { $$ = sql_cstr(P, $2, @2); }
;
opt_constraint:
  %empty          { $$ = NULL; }
| CONSTRAINT name { $$ = $2.text; }
;
enforced:
  NOT ENFORCED
| ENFORCED { sql_refuse(P, @1, "an enforced key", "write NOT ENFORCED: keys are not checked"); }
| %empty   { sql_refuse(P, P->previous.pos, "an enforced key",
                        "write NOT ENFORCED behind it: keys are not checked"); }
;
opt_comment:
  %empty         { $$ = NULL; }
| COMMENT STRING { $$ = sql_cstr(P, $2, @2); }
;
opt_partitioned:
  %empty                         { $$ = (struct sql_idents){0}; }
| PARTITIONED BY '(' names ')'   { $$ = $4; }
;
opt_with:
  %empty               { $$ = (struct sql_options){0}; }
| WITH '(' options ')' { $$ = $3; }
;
options:
  option             { $$ = (struct sql_options){0}; sql_option_add(P, &$$, $1); }
| options ',' option { $$ = $1; sql_option_add(P, &$$, $3); }
;
option:
  STRING '=' literal { $$ = sql_option_of(P, $1, $3); $$.key_pos = @1; }
| STRING '=' qname   { $$ = (struct sql_option){.key = "", .value = ""};
                       sql_fail(P, @3, "the value of an option is a string");
                       sql_hint(P, "put it into single quotes"); }
| qname '=' literal  { $$ = (struct sql_option){.key = "", .value = ""};
                       sql_fail(P, @1, "the name of an option is a string");
                       sql_hint(P, "put it into single quotes"); }
;
create_view:
  CREATE opt_temporary VIEW opt_if_not_exists qname opt_column_list opt_comment AS query
      { $$ = sql_statement_of(P, SQL_STATEMENT_CREATE_VIEW, @$);
        $$->create_view = NEW(struct sql_create_view, .name = $5, .temporary = $2,
                              .if_not_exists = $4, .columns = $6, .comment = $7, .query = $9); }
;
drop_statement:
  DROP opt_temporary TABLE opt_if_exists qname
      { $$ = sql_statement_of(P, SQL_STATEMENT_DROP, @$);
        $$->drop = NEW(struct sql_drop, .temporary = $2, .if_exists = $4, .name = $5); }
| DROP opt_temporary VIEW opt_if_exists qname
      { $$ = sql_statement_of(P, SQL_STATEMENT_DROP, @$);
        $$->drop = NEW(struct sql_drop, .view = true, .temporary = $2, .if_exists = $4,
                       .name = $5); }
;

/* --- SET, INSERT, EXPLAIN --- */

set_statement:
  SET            { $$ = sql_statement_of(P, SQL_STATEMENT_SET, @$);
                   $$->option = NEW(struct sql_option, .key = NULL); }
| SET option     { $$ = sql_statement_of(P, SQL_STATEMENT_SET, @$);
                   $$->option = NEW(struct sql_option, 0); *$$->option = $2; }
| SET RAW_KEY '=' RAW_VALUE
                 { $$ = sql_statement_of(P, SQL_STATEMENT_SET, @$);
                   $$->option = NEW(struct sql_option, 0); *$$->option = sql_option_of(P, $2, sql_string(P, $4, @4));
                   $$->option->key_pos = @2; }
| SET RAW_KEY '=' STRING
                 { $$ = sql_statement_of(P, SQL_STATEMENT_SET, @$);
                   $$->option = NEW(struct sql_option, 0); *$$->option = sql_option_of(P, $2, sql_string(P, $4, @4));
                   $$->option->key_pos = @2; }
| RESET          { $$ = sql_statement_of(P, SQL_STATEMENT_RESET, @$);
                   $$->option = NEW(struct sql_option, .key = NULL); }
| RESET STRING   { $$ = sql_statement_of(P, SQL_STATEMENT_RESET, @$);
                   $$->option = NEW(struct sql_option, .key = sql_cstr(P, $2, @2), .key_pos = @2); }
| RESET RAW_KEY  { $$ = sql_statement_of(P, SQL_STATEMENT_RESET, @$);
                   $$->option = NEW(struct sql_option, .key = sql_cstr(P, $2, @2), .key_pos = @2); }
;
insert:
  INSERT insert_kind opt_table qname opt_hint opt_partition_spec insert_source
      { $$ = $7; $$->pos = @$; $$->insert->table = $4; $$->insert->options = $5;
        $$->insert->partition = $6; $$->insert->partition_pos = @6;
        $$->insert->overwrite = $2; $$->insert->overwrite_pos = @2; }
;
insert_kind:
  INTO      { $$ = false; }
| OVERWRITE { $$ = true; }
;
opt_table: %empty | TABLE ;
opt_partition_spec:
  %empty                              { $$ = (struct sql_options){0}; }
| PARTITION '(' partition_values ')'  { $$ = $3; }
;
partition_values:
  name '=' STRING { $$ = (struct sql_options){0};
                    struct sql_option o = {.key = $1.text, .value = sql_cstr(P, $3, @3),
                                           .key_pos = @1, .value_pos = @3};
                    sql_option_add(P, &$$, o); }
| partition_values ',' name '=' STRING
                  { $$ = $1;
                    struct sql_option o = {.key = $3.text, .value = sql_cstr(P, $5, @5),
                                           .key_pos = @3, .value_pos = @5};
                    sql_option_add(P, &$$, o); }
;
insert_source:
  query               { $$ = sql_statement_of(P, SQL_STATEMENT_INSERT, @$);
                        $$->insert = NEW(struct sql_insert, .query = $1); }
| '(' names ')' query { $$ = sql_statement_of(P, SQL_STATEMENT_INSERT, @$);
                        $$->insert = NEW(struct sql_insert, .columns = $2, .query = $4); }
;
insert_set:
  EXECUTE STATEMENT SET BEGIN insert_list END
      { $$ = sql_statement_of(P, SQL_STATEMENT_SET_OF_INSERTS, @$); $$->inserts = $5; }
| STATEMENT SET BEGIN insert_list END
      { $$ = sql_statement_of(P, SQL_STATEMENT_SET_OF_INSERTS, @$); $$->inserts = $4; }
| BEGIN STATEMENT SET ';' insert_list END
      { $$ = sql_statement_of(P, SQL_STATEMENT_SET_OF_INSERTS, @$); $$->inserts = $5; }
;
insert_list:
  %empty                 { $$ = (struct sql_statements){0}; }
| insert_list insert ';' { $$ = $1; sql_statement_add(P, &$$, $2); }
;
explain:
  EXPLAIN explainable          { $$ = sql_statement_of(P, SQL_STATEMENT_EXPLAIN, @$);
                                 $$->explained = $2; }
| EXPLAIN PLAN FOR explainable { $$ = sql_statement_of(P, SQL_STATEMENT_EXPLAIN, @$);
                                 $$->explained = $4; }
| EXPLAIN explain_details explainable
                               { $$ = sql_statement_of(P, SQL_STATEMENT_EXPLAIN, @$);
                                 $$->explained = $3;
                                 sql_refuse(P, @2, "EXPLAIN with details", "write EXPLAIN alone"); }
;
explain_details:
  IDENT
| explain_details ',' IDENT
;
explainable:
  query { $$ = sql_statement_of(P, SQL_STATEMENT_QUERY, @$); $$->query = $1; }
| insert
| insert_set
;

/* --- queries --- */

query:
  query_bare
| query_parens %prec UNARY
;
query_parens:
  '(' query_bare ')'   { $$ = $2; }
| '(' query_parens ')' { $$ = $2; }
;
query_bare:
  simple_query
| query_clause tail                 { $$ = sql_query_with(P, $1, (struct sql_ctes){0}, $2, @$); }
| with_clause query_clause opt_tail { $$ = sql_query_with(P, $2, $1, $3, @$); }
;
query_clause:
  simple_query
| query_parens
;
with_clause:
  WITH ctes { $$ = $2; }
;
ctes:
  name opt_column_list AS query_parens
      { $$ = (struct sql_ctes){0};
        struct sql_cte c = {.name = $1, .columns = $2, .query = $4};
        SQL_APPEND(P, &$$, c); }
| ctes ',' name opt_column_list AS query_parens
      { $$ = $1;
        struct sql_cte c = {.name = $3, .columns = $4, .query = $6};
        SQL_APPEND(P, &$$, c); }
;
set_quantifier:
  %empty   { $$ = false; }
| DISTINCT { $$ = false; }
| ALL      { $$ = true; }
;
simple_query:
  SELECT opt_select_hint opt_quantifier select_items opt_from opt_where opt_group_by opt_having
  opt_windows
      { struct sql_select *s = NEW(struct sql_select, .distinct = $3, .distinct_pos = @3,
                                   .items = $4, .from = $5, .where = $6, .group_by = $7,
                                   .group_pos = @7, .having = $8, .windows = $9);
        $$ = sql_select_query(P, s, @$); }
| VALUES exprs { $$ = sql_values_query(P, $2, @$); }
| TABLE qname  { $$ = sql_query_of(P, SQL_QUERY_TABLE, @$); $$->table = $2; }
| query_clause UNION set_quantifier query_clause %prec UNION
      { $$ = sql_set_query(P, (struct sql_set_query){SQL_UNION, $3, source_span(@2, @3), $1, $4}, @$); }
| query_clause INTERSECT set_quantifier query_clause %prec INTERSECT
      { $$ = sql_set_query(P, (struct sql_set_query){SQL_INTERSECT, $3, source_span(@2, @3), $1, $4}, @$); }
| query_clause EXCEPT set_quantifier query_clause %prec EXCEPT
      { $$ = sql_set_query(P, (struct sql_set_query){SQL_EXCEPT, $3, source_span(@2, @3), $1, $4}, @$); }
;
opt_select_hint:
  %empty
| HINT_BEGIN qname { sql_refuse(P, @2, "a query hint", "remove it"); }
;
opt_quantifier:
  %empty   { $$ = false; }
| DISTINCT { $$ = true; }
| ALL      { $$ = false; }
;
select_items:
  select_item                  { $$ = (struct sql_select_items){0}; SQL_APPEND(P, &$$, $1); }
| select_items ',' select_item { $$ = $1; SQL_APPEND(P, &$$, $3); }
;
select_item:
  expr opt_as_alias { $$ = (struct sql_select_item){.expr = $1, .alias = $2}; }
| '*'               { $$ = (struct sql_select_item){.expr = sql_leaf(P, SQL_EXPR_STAR, @$)}; }
| qname '.' '*'     { $$ = (struct sql_select_item){.expr = sql_leaf(P, SQL_EXPR_STAR, @$)};
                      $$.expr->name = $1; }
;
opt_as_alias:
  %empty     { $$ = (struct sql_ident){0}; }
| AS name    { $$ = $2; }
| bare_alias
;
opt_from:
  %empty         { $$ = NULL; }
| FROM from_list { $$ = $2; }
;
from_list:
  table_ref
| from_list ',' table_ref { $$ = sql_join(P, (struct sql_join){
                                .kind = SQL_JOIN_COMMA, .pos = @2, .left = $1, .right = $3}, @$); }
;
table_ref:
  table_primary
| joined
;
joined:
  table_ref CROSS JOIN table_primary
      { $$ = sql_join(P, (struct sql_join){.kind = SQL_JOIN_CROSS, .pos = source_span(@2, @3),
                                           .left = $1, .right = $4}, @$); }
| table_ref NATURAL join_kind JOIN table_primary
      { $$ = sql_join(P, (struct sql_join){.kind = $3, .natural = true, .pos = source_span(@2, @4),
                                           .left = $1, .right = $5}, @$); }
| table_ref join_kind JOIN table_primary join_condition
      { $$ = sql_join(P, (struct sql_join){.kind = $2, .pos = source_span(@2, @3), .left = $1,
                                           .right = $4, .on = $5->on, .using = $5->using}, @$); }
;
join_kind:
  %empty          { $$ = SQL_JOIN_INNER; }
| INNER           { $$ = SQL_JOIN_INNER; }
| LEFT opt_outer  { $$ = SQL_JOIN_LEFT; }
| RIGHT opt_outer { $$ = SQL_JOIN_RIGHT; }
| FULL opt_outer  { $$ = SQL_JOIN_FULL; }
;
opt_outer: %empty | OUTER ;
join_condition:
  ON expr             { $$ = NEW(struct sql_join, .on = $2); }
| USING '(' names ')' { $$ = NEW(struct sql_join, .using = $3); }
;
table_primary:
  qname opt_hint opt_system_time opt_alias
      { $$ = sql_from(P, SQL_FROM_TABLE, @$); $$->name = $1; $$->options = $2;
        $$->system_time = $3; sql_alias_set($$, *$4); }
| query_parens opt_alias                { $$ = sql_from_query(P, $1, *$2, @$); }
| LATERAL query_parens opt_alias        { $$ = sql_from_query(P, $2, *$3, @$); $$->lateral = true; }
| TABLE '(' call ')' opt_alias          { $$ = sql_from_function(P, $3, *$5, @$); }
| LATERAL TABLE '(' call ')' opt_alias  { $$ = sql_from_function(P, $4, *$6, @$);
                                          $$->lateral = true; }
| qname '(' call_args ')' opt_alias
      { struct sql_call_tail none = {0};
        $$ = sql_from_function(P, sql_function(P, &$1, $3, &none, source_span(@1, @4)), *$5, @$); }
| UNNEST '(' expr ')' opt_with_ordinality opt_alias
      { $$ = sql_from_unnest(P, $3, *$6, @$); $$->with_ordinality = $5; }
| '(' joined ')'                        { $$ = $2; }
;
opt_with_ordinality:
  %empty          { $$ = false; }
| WITH ORDINALITY { $$ = true; }
;
opt_hint:
  %empty                                         { $$ = (struct sql_options){0}; }
| HINT_BEGIN hint_name '(' options ')' HINT_END  { $$ = $4; }
;
hint_name:
  IDENT { if (strcasecmp($1.text, "OPTIONS") != 0)
              sql_refuse(P, @1, "this hint", "the only one is OPTIONS('key' = 'value')"); }
;
opt_system_time:
  %empty                      { $$ = NULL; }
| FOR SYSTEM_TIME AS OF arith { $$ = $5; }
;
opt_alias:
  %empty { $$ = NEW(struct sql_alias, .name = {0}); }
| alias
;
alias:
  AS name opt_column_list    { $$ = NEW(struct sql_alias, .name = $2, .columns = $3); }
| bare_alias opt_column_list { $$ = NEW(struct sql_alias, .name = $1, .columns = $2); }
;
opt_where:
  %empty     { $$ = NULL; }
| WHERE expr { $$ = $2; }
;
opt_group_by:
  %empty                              { $$ = (struct sql_groups){0}; }
| GROUP BY group_items                { $$ = $3; }
| GROUP BY ALL group_items            { $$ = $4; }
| GROUP BY DISTINCT group_items       { $$ = $4; sql_refuse(P, @3, "GROUP BY DISTINCT", NULL); }
;
group_items:
  group_item                 { $$ = (struct sql_groups){0}; SQL_APPEND(P, &$$, $1); }
| group_items ',' group_item { $$ = $1; SQL_APPEND(P, &$$, $3); }
;
group_item:
  expr                               { $$ = sql_group_of(P, SQL_GROUP_EXPR, $1, @$); }
| '(' ')'                            { $$ = sql_group_of(P, SQL_GROUP_EMPTY, NULL, @$); }
| GROUPING SETS '(' group_items ')'  { $$ = sql_group_sets(P, SQL_GROUP_SETS, $4, @$); }
| ROLLUP '(' group_items ')'         { $$ = sql_group_sets(P, SQL_GROUP_ROLLUP, $3, @$); }
| CUBE '(' group_items ')'           { $$ = sql_group_sets(P, SQL_GROUP_CUBE, $3, @$); }
;
opt_having:
  %empty      { $$ = NULL; }
| HAVING expr { $$ = $2; }
;
opt_windows:
  %empty                    { $$ = (struct sql_windows){0}; }
| WINDOW window_definitions { $$ = $2; }
;
window_definitions:
  name AS '(' window_spec ')' { $$ = (struct sql_windows){0}; $4->name = $1; $4->pos = @$;
                                SQL_APPEND(P, &$$, $4); }
| window_definitions ',' name AS '(' window_spec ')'
                              { $$ = $1; $6->name = $3; $6->pos = source_span(@3, @7);
                                SQL_APPEND(P, &$$, $6); }
;
window_spec:
  opt_base opt_partition_by opt_order_by frame
      { struct sql_window w = *$4;
        w.base = $1; w.partition_by = $2; w.order_by = $3;
        $$ = sql_window_of(P, w, @$); }
;
opt_base:
  %empty { $$ = (struct sql_ident){0}; }
| name
;
opt_partition_by:
  %empty             { $$ = (struct sql_exprs){0}; }
| PARTITION BY exprs { $$ = $3; }
;
frame:
  %empty                                       { $$ = NEW(struct sql_window, .has_frame = false); }
| frame_unit frame_bound                       { $$ = NEW(struct sql_window, .has_frame = true,
                                                    .rows = $1, .start = $2,
                                                    .end = {.kind = SQL_BOUND_CURRENT_ROW}); }
| frame_unit BETWEEN frame_bound AND frame_bound
                                               { $$ = NEW(struct sql_window, .has_frame = true,
                                                    .rows = $1, .start = $3, .end = $5); }
;
frame_unit:
  ROWS  { $$ = true; }
| RANGE { $$ = false; }
;
frame_bound:
  UNBOUNDED PRECEDING { $$ = (struct sql_frame_bound){SQL_BOUND_UNBOUNDED_PRECEDING, NULL}; }
| UNBOUNDED FOLLOWING { $$ = (struct sql_frame_bound){SQL_BOUND_UNBOUNDED_FOLLOWING, NULL}; }
| CURRENT ROW         { $$ = (struct sql_frame_bound){SQL_BOUND_CURRENT_ROW, NULL}; }
| arith PRECEDING     { $$ = (struct sql_frame_bound){SQL_BOUND_PRECEDING, $1}; }
| arith FOLLOWING     { $$ = (struct sql_frame_bound){SQL_BOUND_FOLLOWING, $1}; }
;
opt_tail:
  %empty { $$ = NULL; }
| tail
;
tail:
  order_by       { $$ = NEW(struct sql_query_tail, .order_by = $1, .order_pos = @1); }
| order_by limit { $$ = $2; $$->order_by = $1; $$->order_pos = @1; }
| limit
;
opt_order_by:
  %empty { $$ = (struct sql_order_items){0}; }
| order_by
;
order_by:
  ORDER BY order_items { $$ = $3; }
;
order_items:
  order_item                 { $$ = (struct sql_order_items){0}; SQL_APPEND(P, &$$, $1); }
| order_items ',' order_item { $$ = $1; SQL_APPEND(P, &$$, $3); }
;
order_item:
  expr opt_descending opt_nulls { $$ = (struct sql_order_item){$1, $2, $3}; }
;
opt_descending:
  %empty { $$ = false; }
| ASC    { $$ = false; }
| DESC   { $$ = true; }
;
opt_nulls:
  %empty                      { $$ = -1; }
| NULLS opt_nulls_order_first { $$ = $2; }
;
opt_nulls_order_first:
  FIRST { $$ = true; }
| LAST  { $$ = false; }
;
limit:
  LIMIT limit_count                     { $$ = NEW(struct sql_query_tail, .limit = $2, .limit_pos = @$); }
| LIMIT limit_count OFFSET row_count opt_rows
                                        { $$ = NEW(struct sql_query_tail, .limit = $2, .offset = $4,
                                                   .limit_pos = @$); }
| OFFSET row_count opt_rows             { $$ = NEW(struct sql_query_tail, .offset = $2, .limit_pos = @$); }
| OFFSET row_count opt_rows LIMIT limit_count
                                        { $$ = NEW(struct sql_query_tail, .limit = $5, .offset = $2,
                                                   .limit_pos = @$); }
| fetch opt_row_count rows_only            { $$ = NEW(struct sql_query_tail, .limit = $2, .limit_pos = @$); }
| OFFSET row_count opt_rows fetch opt_row_count rows_only
                                        { $$ = NEW(struct sql_query_tail, .limit = $5, .offset = $2,
                                                   .limit_pos = @$); }
;
limit_count:
  row_count
| ALL       { $$ = NULL; }
;
row_count:
  INTEGER { $$ = sql_number(P, TOK_INTEGER, $1, @1); }
;
opt_row_count:
  %empty { $$ = sql_number(P, TOK_INTEGER, TEXT("1"), P->previous.pos); }
| row_count
;
opt_rows: %empty | ROW | ROWS ;
fetch: FETCH FIRST | FETCH NEXT ;
rows_only: ROW ONLY | ROWS ONLY ;

/* --- expressions --- */

exprs:
  expr           { $$ = ARGS1($1); }
| exprs ',' expr { $$ = $1; SQL_APPEND(P, &$$, $3); }
;
opt_exprs:
  %empty { $$ = (struct sql_exprs){0}; }
| exprs
;
exprs_more:
  expr ',' expr       { $$ = ARGS2($1, $3); }
| exprs_more ',' expr { $$ = $1; SQL_APPEND(P, &$$, $3); }
;
opt_not:
  %empty { $$ = false; }
| NOT    { $$ = true; }
;
comparison:
  '='           { $$ = "="; }
| NOT_EQUAL     { $$ = "<>"; }
| '<'           { $$ = "<"; }
| '>'           { $$ = ">"; }
| LESS_EQUAL    { $$ = "<="; }
| GREATER_EQUAL { $$ = ">="; }
;
quantifier:
  ANY { $$ = "ANY"; }
| ALL { $$ = "ALL"; }
;
expr:
  arith
| expr OR expr  { $$ = sql_operator(P, "OR", @2, ARGS2($1, $3), @$); }
| expr AND expr { $$ = sql_operator(P, "AND", @2, ARGS2($1, $3), @$); }
| NOT expr      { $$ = sql_operator(P, "NOT", @1, ARGS1($2), @$); }
| expr '=' expr           { $$ = sql_operator(P, "=", @2, ARGS2($1, $3), @$); }
| expr NOT_EQUAL expr     { $$ = sql_operator(P, "<>", @2, ARGS2($1, $3), @$); }
| expr '<' expr           { $$ = sql_operator(P, "<", @2, ARGS2($1, $3), @$); }
| expr '>' expr           { $$ = sql_operator(P, ">", @2, ARGS2($1, $3), @$); }
| expr LESS_EQUAL expr    { $$ = sql_operator(P, "<=", @2, ARGS2($1, $3), @$); }
| expr GREATER_EQUAL expr { $$ = sql_operator(P, ">=", @2, ARGS2($1, $3), @$); }
| expr comparison quantifier in_list %prec '='
      { $$ = sql_operator(P, sql_quantified(P, $2, $3), source_span(@2, @3), ARGS2($1, $4), @$); }
| expr IS opt_not NULL
      { $$ = sql_operator(P, $3 ? "IS NOT NULL" : "IS NULL", source_span(@2, @4), ARGS1($1), @$); }
| expr IS opt_not TRUE
      { $$ = sql_operator(P, $3 ? "IS NOT TRUE" : "IS TRUE", source_span(@2, @4), ARGS1($1), @$); }
| expr IS opt_not FALSE
      { $$ = sql_operator(P, $3 ? "IS NOT FALSE" : "IS FALSE", source_span(@2, @4), ARGS1($1), @$); }
| expr IS opt_not UNKNOWN
      { $$ = sql_operator(P, $3 ? "IS NOT UNKNOWN" : "IS UNKNOWN", source_span(@2, @4), ARGS1($1), @$); }
| expr IS opt_not DISTINCT FROM arith %prec IS
      { $$ = sql_operator(P, $3 ? "IS NOT DISTINCT FROM" : "IS DISTINCT FROM", source_span(@2, @5),
                          ARGS2($1, $6), @$); }
| expr LIKE arith opt_escape
      { $$ = sql_operator(P, "LIKE", @2, ARGS3($1, $3, $4), @$); }
| expr NOT_LA LIKE arith opt_escape
      { $$ = sql_operator(P, "NOT LIKE", source_span(@2, @3), ARGS3($1, $4, $5), @$); }
| expr SIMILAR TO arith opt_escape
      { $$ = sql_operator(P, "SIMILAR TO", source_span(@2, @3), ARGS3($1, $4, $5), @$); }
| expr NOT_LA SIMILAR TO arith opt_escape
      { $$ = sql_operator(P, "NOT SIMILAR TO", source_span(@2, @4), ARGS3($1, $5, $6), @$); }
| expr BETWEEN opt_symmetric arith AND arith %prec BETWEEN
      { $$ = sql_operator(P, $3 ? "BETWEEN SYMMETRIC" : "BETWEEN", source_span(@2, @3),
                          ARGS3($1, $4, $6), @$); }
| expr NOT_LA BETWEEN opt_symmetric arith AND arith %prec BETWEEN
      { $$ = sql_operator(P, $4 ? "NOT BETWEEN SYMMETRIC" : "NOT BETWEEN", source_span(@2, @4),
                          ARGS3($1, $5, $7), @$); }
| expr IN in_list
      { struct sql_exprs args = ARGS1($1);
        $$ = sql_operator(P, "IN", @2, sql_exprs_join(P, args, $3), @$); }
| expr NOT_LA IN in_list
      { struct sql_exprs args = ARGS1($1);
        $$ = sql_operator(P, "NOT IN", source_span(@2, @3), sql_exprs_join(P, args, $4), @$); }
;
opt_escape:
  %empty       { $$ = NULL; }
| ESCAPE arith { $$ = $2; }
;
opt_symmetric:
  %empty     { $$ = false; }
| SYMMETRIC  { $$ = true; }
| ASYMMETRIC { $$ = false; }
;
in_list:
  query_parens  { $$ = sql_subquery(P, $1); }
| '(' exprs ')' { $$ = sql_operator(P, "ROW", @$, $2, @$); }
;
arith:
  primary
| arith '+' arith        { $$ = sql_operator(P, "+", @2, ARGS2($1, $3), @$); }
| arith '-' arith        { $$ = sql_operator(P, "-", @2, ARGS2($1, $3), @$); }
| arith '*' arith        { $$ = sql_operator(P, "*", @2, ARGS2($1, $3), @$); }
| arith '/' arith        { $$ = sql_operator(P, "/", @2, ARGS2($1, $3), @$); }
| arith '%' arith        { $$ = sql_operator(P, "%", @2, ARGS2($1, $3), @$); }
| arith CONCAT arith     { $$ = sql_operator(P, "||", @2, ARGS2($1, $3), @$); }
| '-' arith %prec UNARY  { $$ = sql_negative(P, @1, $2, @$); }
| '+' arith %prec UNARY  { $$ = $2; }
;
primary:
  literal
| interval
| qname                      { $$ = sql_column_ref(P, $1); }
| query_parens %prec UNARY   { $$ = sql_subquery(P, $1); }
| NILADIC                    { $$ = sql_niladic(P, slice_of($1.text), @1); }
| postfix
;
postfix:
  '(' expr ')'            { $$ = $2; }
| '(' exprs_more ')'      { $$ = sql_operator(P, "ROW", @$, $2, @$); }
| ROW '(' opt_exprs ')'   { $$ = sql_operator(P, "ROW", @1, $3, @$); }
| ARRAY '[' opt_exprs ']' { $$ = sql_operator(P, "ARRAY", @1, $3, @$); }
| MAP '[' map_items ']'   { $$ = sql_operator(P, "MAP", @1, $3, @$); }
| ARRAY query_parens      { $$ = sql_operator(P, "ARRAY", @1, ARGS1(sql_subquery(P, $2)), @$); }
| MULTISET query_parens   { $$ = sql_operator(P, "MULTISET", @1, ARGS1(sql_subquery(P, $2)), @$); }
| MULTISET '[' opt_exprs ']' { $$ = sql_operator(P, "MULTISET", @1, $3, @$); }
| EXISTS query_parens     { $$ = sql_operator(P, "EXISTS", @1, ARGS1(sql_subquery(P, $2)), @$); }
| call
| special_call
| case_expr
| CAST '(' expr AS type ')'     { $$ = sql_cast(P, (struct sql_cast){$3, $5, false}, @$); }
| TRY_CAST '(' expr AS type ')' { $$ = sql_cast(P, (struct sql_cast){$3, $5, true}, @$); }
| postfix '.' name        { $$ = sql_field(P, $1, $3, @$); }
| postfix '[' expr ']'    { $$ = sql_operator(P, "ITEM", source_span(@2, @4), ARGS2($1, $3), @$); }
| qname '[' expr ']'      { $$ = sql_operator(P, "ITEM", source_span(@2, @4),
                                              ARGS2(sql_column_ref(P, $1), $3), @$); }
;
map_items:
  %empty                        { $$ = (struct sql_exprs){0}; }
| exprs
;
literal:
  NULL             { $$ = sql_leaf(P, SQL_EXPR_NULL, @1); }
| TRUE             { $$ = sql_leaf(P, SQL_EXPR_BOOLEAN, @1); $$->i64 = 1; }
| FALSE            { $$ = sql_leaf(P, SQL_EXPR_BOOLEAN, @1); }
| UNKNOWN          { $$ = sql_leaf(P, SQL_EXPR_UNKNOWN, @1); }
| INTEGER          { $$ = sql_number(P, TOK_INTEGER, $1, @1); }
| DECIMAL          { $$ = sql_number(P, TOK_DECIMAL, $1, @1); }
| DOUBLE           { $$ = sql_number(P, TOK_DOUBLE, $1, @1); }
| STRING           { $$ = sql_string(P, $1, @1); }
| BINARY           { $$ = sql_leaf(P, SQL_EXPR_BINARY, @1); $$->str = $1; }
| DATE STRING      { $$ = sql_time_literal(P, SQL_EXPR_DATE, $2, @$); }
| TIME STRING      { $$ = sql_time_literal(P, SQL_EXPR_TIME, $2, @$); }
| TIMESTAMP STRING { $$ = sql_time_literal(P, SQL_EXPR_TIMESTAMP, $2, @$); }
;
interval:
  INTERVAL sign STRING interval_unit
      { $4.negative = $2; $4.text = $3; $4.text_pos = @3;
        $$ = sql_interval(P, &$4, @$); }
;
sign:
  %empty { $$ = false; }
| '-'    { $$ = true; }
| '+'    { $$ = false; }
;
interval_unit:
  IDENT opt_precision %prec UNIT_ALONE       { $$ = (struct sql_interval_parts){.from = $1}; }
| IDENT opt_precision TO IDENT opt_precision { $$ = (struct sql_interval_parts){.from = $1, .to = $4}; }
;
opt_precision:
  %empty
| '(' INTEGER ')'             { sql_small_int(P, $2, @2); }
| '(' INTEGER ',' INTEGER ')' { sql_small_int(P, $2, @2); }
;
case_expr:
  CASE case_operand when_list case_else END
      { $3->operand = $2; $3->otherwise = $4->otherwise; $$ = sql_case(P, $3, @$); }
;
case_operand:
  %empty { $$ = NULL; }
| expr
;
when_list:
  when expr           { $$ = NEW(struct sql_case, .when = ARGS1($1), .then = ARGS1($2)); }
| when_list when expr { $$ = $1; SQL_APPEND(P, &$$->when, $2); SQL_APPEND(P, &$$->then, $3); }
;
when:
  WHEN expr THEN { $$ = $2; }
| WHEN expr ','  { $$ = $2; sql_refuse(P, @3, "several values behind one WHEN",
                                       "write a WHEN ... THEN ... for each"); }
;
case_else:
  %empty    { $$ = NEW(struct sql_case, .otherwise = NULL); }
| ELSE expr { $$ = NEW(struct sql_case, .otherwise = $2); }
;
call:
  qname '(' call_args ')' call_tail { $$ = sql_function(P, &$1, $3, $5, @$); }
;
call_args:
  %empty                    { $$ = sql_call_of(P, (struct sql_exprs){0}); }
| '*'                       { $$ = sql_call_of(P, (struct sql_exprs){0}); $$->star = true; }
| call_arg_list             { $$ = sql_call_of(P, $1); }
| ALL call_arg_list         { $$ = sql_call_of(P, $2); }
| DISTINCT call_arg_list    { $$ = sql_call_of(P, $2); $$->distinct = true; }
;
call_arg_list:
  call_arg                   { $$ = ARGS1($1); }
| call_arg_list ',' call_arg { $$ = $1; SQL_APPEND(P, &$$, $3); }
;
call_arg:
  expr
| name ARROW call_arg      { $$ = sql_named_arg(P, $1, $3, @$); }
| DESCRIPTOR '(' names ')' { $$ = sql_leaf(P, SQL_EXPR_DESCRIPTOR, @$); $$->columns = $3; }
| TABLE qname table_partition table_order
      { struct sql_table_ref *t = sql_from(P, SQL_FROM_TABLE, @2);
        t->name = $2;
        $$ = sql_table_arg(P, (struct sql_table_arg){t, $3, $4}, @$); }
| TABLE query_parens table_partition table_order
      { struct sql_alias none = {0};
        $$ = sql_table_arg(P, (struct sql_table_arg){sql_from_query(P, $2, none, @2), $3, $4}, @$); }
;
table_partition:
  %empty            { $$ = (struct sql_exprs){0}; }
| PARTITION BY expr { $$ = sql_unrow(P, $3); }
;
table_order:
  %empty              { $$ = (struct sql_order_items){0}; }
| ORDER BY order_item { $$ = (struct sql_order_items){0}; SQL_APPEND(P, &$$, $3); }
;
call_tail:
  opt_within opt_filter over
      { $$ = NEW(struct sql_call_tail, .within_group = $1, .filter = $2, .over = $3); }
;
opt_within:
  %empty                        { $$ = (struct sql_order_items){0}; }
| WITHIN GROUP '(' order_by ')' { $$ = $4; }
;
opt_filter:
  %empty                    { $$ = NULL; }
| FILTER '(' WHERE expr ')' { $$ = $4; }
;
over:
  %empty                   { $$ = NULL; }
| OVER name                { $$ = sql_window_of(P, (struct sql_window){.base = $2}, @$); }
| OVER '(' window_spec ')' { $$ = $3; $$->pos = @$; }
;
unit:
  IDENT { $$ = sql_unit(P, $1); }
;
trim_mode:
  BOTH     { $$ = "BOTH"; }
| LEADING  { $$ = "LEADING"; }
| TRAILING { $$ = "TRAILING"; }
;
special_call:
  EXTRACT '(' unit FROM expr ')' { $$ = sql_special(P, "EXTRACT", @1, ARGS2($3, $5), @$); }
| FLOOR '(' expr ')'             { $$ = sql_special(P, "FLOOR", @1, ARGS1($3), @$); }
| FLOOR '(' expr TO unit ')'     { $$ = sql_special(P, "FLOOR", @1, ARGS2($3, $5), @$); }
| CEIL '(' expr ')'              { $$ = sql_special(P, "CEIL", @1, ARGS1($3), @$); }
| CEIL '(' expr TO unit ')'      { $$ = sql_special(P, "CEIL", @1, ARGS2($3, $5), @$); }
| TRIM '(' expr ')'              { $$ = sql_special(P, "TRIM", @1, ARGS3(
                                       sql_string(P, TEXT("BOTH"), @1),
                                       sql_string(P, TEXT(" "), @1), $3), @$); }
| TRIM '(' expr FROM expr ')'    { $$ = sql_special(P, "TRIM", @1, ARGS3(
                                       sql_string(P, TEXT("BOTH"), @1), $3, $5), @$); }
| TRIM '(' trim_mode FROM expr ')'
      { $$ = sql_special(P, "TRIM", @1, ARGS3(sql_string(P, slice_of($3), @3),
                         sql_string(P, TEXT(" "), @3), $5), @$); }
| TRIM '(' trim_mode expr FROM expr ')'
      { $$ = sql_special(P, "TRIM", @1, ARGS3(sql_string(P, slice_of($3), @3), $4, $6), @$); }
| SUBSTRING '(' exprs ')'                   { $$ = sql_special(P, "SUBSTRING", @1, $3, @$); }
| SUBSTRING '(' expr FROM expr ')'          { $$ = sql_special(P, "SUBSTRING", @1, ARGS2($3, $5), @$); }
| SUBSTRING '(' expr FROM expr FOR expr ')' { $$ = sql_special(P, "SUBSTRING", @1, ARGS3($3, $5, $7), @$); }
| POSITION '(' arith IN arith ')'           { $$ = sql_special(P, "POSITION", @1, ARGS2($3, $5), @$); }
| OVERLAY '(' expr PLACING expr FROM expr ')'
      { $$ = sql_special(P, "OVERLAY", @1, ARGS3($3, $5, $7), @$); }
| OVERLAY '(' expr PLACING expr FROM expr FOR expr ')'
      { struct sql_exprs args = ARGS3($3, $5, $7);
        SQL_APPEND(P, &args, $9);
        $$ = sql_special(P, "OVERLAY", @1, args, @$); }
| OVERLAY '(' exprs_more ')'                { $$ = sql_special(P, "OVERLAY", @1, $3, @$); }
;

/* --- types --- */

column_type:
  type
| type NULL     { $$ = $1; }
| type NOT NULL { $$ = $1; $$->not_null = true; }
;
type:
  IDENT                 { $$ = sql_named_type(P, $1, sql_no_length, 0, @$); }
| IDENT type_length     { $$ = sql_named_type(P, $1, $2, 0, @$); }
| IDENT time_zone       { $$ = sql_named_type(P, $1, sql_no_length, $2, @$); }
| IDENT type_length time_zone { $$ = sql_named_type(P, $1, $2, $3, @$); }
| TIME time_zone        { $$ = sql_named_type(P, sql_word(P, "TIME", @1), sql_no_length, $2, @$); }
| NULL                  { $$ = sql_named_type(P, sql_word(P, "NULL", @1), sql_no_length, 0, @$); }
| TYPE_BEGIN PRECISION  { $$ = sql_named_type(P, sql_word(P, "DOUBLE", @1), sql_no_length, 0, @$); }
| TYPE_BEGIN VARYING opt_varying_length
      { bool binary = ($1.text[0] | 0x20) == 'b';
        $$ = sql_named_type(P, sql_word(P, binary ? "VARBINARY" : "VARCHAR", @1), $3, 0, @$); }
| IDENT '(' STRING ',' STRING ')' { $$ = sql_named_type(P, $1, sql_no_length, 0, @$); }
| INTERVAL interval_unit { $$ = sql_interval_type(P, $2.from, $2.to, @$); }
| ARRAY '<' column_type '>'    { struct sql_types c = {0}; SQL_APPEND(P, &c, $3);
                                 $$ = sql_nested_type(P, SQL_TYPE_ARRAY, c, @$); }
| MULTISET '<' column_type '>' { struct sql_types c = {0}; SQL_APPEND(P, &c, $3);
                                 $$ = sql_nested_type(P, SQL_TYPE_MULTISET, c, @$); }
| MAP '<' column_type ',' column_type '>'
      { struct sql_types c = {0}; SQL_APPEND(P, &c, $3); SQL_APPEND(P, &c, $5);
        $$ = sql_nested_type(P, SQL_TYPE_MAP, c, @$); }
| ROW '<' row_fields '>'       { $$ = sql_nested_type(P, SQL_TYPE_ROW, $3, @$); }
| ROW '(' row_fields ')'       { $$ = sql_nested_type(P, SQL_TYPE_ROW, $3, @$); }
| type ARRAY                   { struct sql_types c = {0}; SQL_APPEND(P, &c, $1);
                                 $$ = sql_nested_type(P, SQL_TYPE_ARRAY, c, @$); }
| type MULTISET                { struct sql_types c = {0}; SQL_APPEND(P, &c, $1);
                                 $$ = sql_nested_type(P, SQL_TYPE_MULTISET, c, @$); }
;
type_length:
  '(' INTEGER ')'             { $$ = (struct sql_type_words){sql_small_int(P, $2, @2), -1}; }
| '(' INTEGER ',' INTEGER ')' { $$ = (struct sql_type_words){sql_small_int(P, $2, @2),
                                                             sql_small_int(P, $4, @4)}; }
;
opt_varying_length:
  %empty      { $$ = sql_no_length; }
| type_length
;
time_zone:
  WITH LOCAL TIME ZONE { $$ = SQL_ZONE_LOCAL; }
| WITH TIME ZONE       { $$ = SQL_ZONE_WITH; }
| WITHOUT TIME ZONE    { $$ = SQL_ZONE_WITHOUT; }
;
row_fields:
  row_field                { $$ = (struct sql_types){0}; SQL_APPEND(P, &$$, $1); }
| row_fields ',' row_field { $$ = $1; SQL_APPEND(P, &$$, $3); }
;
row_field:
  name column_type            { $$ = $2; $$->field_name = $1; }
| name column_type STRING     { $$ = $2; $$->field_name = $1; }
;
%%
/* What could have stood where the parser stopped, by name, for syntax.c to put into words. */
static int yyreport_syntax_error(const yypcontext_t *context, struct sql_parser *parser)
{
    yysymbol_kind_t kinds[YYNTOKENS];
    const char *names[YYNTOKENS];
    int count = yypcontext_expected_tokens(context, kinds, YYNTOKENS);
    for (int i = 0; i < count; i++)
        names[i] = yysymbol_name(kinds[i]);
    sql_syntax_error(parser, names, count < 0 ? 0 : count);
    return 0;
}
