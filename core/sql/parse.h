// parse.h: SQL text to AST.
#ifndef WEIR_CORE_SQL_PARSE_H
#define WEIR_CORE_SQL_PARSE_H

#include "core/sql/ast.h"

// Limits that keep everything that walks an AST recursively within its stack. More is an error.
enum {
    SQL_NESTING_MAX = 200, // parentheses, brackets and CASEs that are open at once
    SQL_HEIGHT_MAX = 1000, // nodes on the longest way from a root to a leaf
};

// Parse a script: statements separated by ';' (the last one may go without). The AST and copies of
// all names live in `pool`; `file_name` and `text` are borrowed and outlive the AST, because
// messages quote them. -EINVAL with file:line:column, the text under a caret and often a hint in
// err.
int sql_parse(struct pool *pool, const char *file_name, struct slice text, struct sql_script **out,
              struct err *err);

#endif
