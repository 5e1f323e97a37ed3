// bind.h: from the AST to a bound, typed logical plan.
//
// The binder resolves names against the CREATE TABLE and CREATE VIEW statements of the script,
// derives types, and refuses what weir cannot run: with file:line:column, the text under a caret
// and a hint.
#ifndef WEIR_CORE_SQL_BIND_H
#define WEIR_CORE_SQL_BIND_H

#include "core/plan/logical.h"
#include "core/sql/ast.h"

// Bind the whole script. Everything in *out lives in `pool`. -EINVAL with the text in err.
int sql_bind(struct pool *pool, const struct sql_script *script, struct logical *out,
             struct err *err);

#endif
