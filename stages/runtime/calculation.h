// calculation.h: one compiled OP_CALC: filter and expressions over a batch.
//
// Shared by the calc operator and by the head of a source's chain, which must know which of the
// source's rows a result belongs to and therefore removes nothing itself.
#ifndef WEIR_STAGES_RUNTIME_CALCULATION_H
#define WEIR_STAGES_RUNTIME_CALCULATION_H

#include "core/plan/plan.h"
#include "core/row/batch.h"

struct calculation;

// What became of a row; `reason` of a bad one is in calculation_result.
enum row_fate { ROW_KEEP = 0, ROW_FILTERED = 1, ROW_BAD = 2 };

struct calculation_result {
    struct batch batch;  // headers only: slots belong to the input batch or to the calculation
    bool clean;          // every fate is ROW_KEEP
    const uint8_t *fate; // enum row_fate, one an input row
};

// `input` is the schema of the batches to come. `time_zone` lives as long as the calculation.
struct calculation *calculation_create(const struct op *op, const struct schema *input,
                                       const char *time_zone);
void calculation_free(struct calculation *calculation);

// Filter in place first (removing rows from `batch`), then compute: for a batch whose row numbers
// nobody needs afterwards. Rows whose filter or result is an error have fate ROW_BAD and index into
// the batch as it is after filtering; their number never exceeds the rows.
void calculation_filter(struct calculation *calculation, struct batch *batch, int64_t now_ms,
                        int64_t watermark_ms, struct calculation_result *out);

// Compute over all rows and say each row's fate; nothing is removed, row numbers stay.
void calculation_run(struct calculation *calculation, const struct batch *batch, int64_t now_ms,
                     int64_t watermark_ms, struct calculation_result *out);

// Why row `row` of the last result is bad, as a sentence; valid until the next call.
const char *calculation_reason(struct calculation *calculation, uint32_t row);

#endif
