// schema.h: what an operator is given: the output of the operator before it, or of the exchange.
#ifndef WEIR_STAGES_RUNTIME_SCHEMA_H
#define WEIR_STAGES_RUNTIME_SCHEMA_H

#include "core/plan/plan.h"

// The schema of the batches that `op` of `stage` is given. Never NULL but for a source.
const struct schema *schema_of_input(const struct plan *plan, const struct stage *stage,
                                     const struct op *op);

// Value of an option of a table's WITH clause, or `fallback`.
const char *table_option(const struct plan_table *table, const char *key, const char *fallback);

#endif
