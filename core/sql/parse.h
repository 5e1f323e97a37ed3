// parse.h: SQL text to AST.
#ifndef WEIR_CORE_SQL_PARSE_H
#define WEIR_CORE_SQL_PARSE_H

#include "core/sql/ast.h"

// The first two keep everything that walks an AST recursively within its stack; the others bound
// look-ups that are linear. More is an error.
enum {
    SQL_NESTING_MAX = 200, // parentheses, brackets and CASEs that are open at once
    SQL_HEIGHT_MAX = 1000, // nodes on the longest way from a root to a leaf
    SQL_COLUMNS_MAX = 4096,
    SQL_OPTIONS_MAX = 1000,          // of one WITH
    SQL_TEXT_MAX_BYTES = 1024 << 20, // of a script
};

// Parse a script: statements separated by ';' (the last one may go without). The AST and copies of
// all names live in `pool`; `file_name` and `text` are borrowed and outlive the AST, because
// messages quote them. -EINVAL with file:line:column, the text under a caret and often a hint in
// err.
int sql_parse(struct pool *pool, const char *file_name, struct slice text, struct sql_script **out,
              struct err *err);

#endif
