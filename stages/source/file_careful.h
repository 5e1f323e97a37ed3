// file_careful.h: one row at a time, each announced before a byte of it is parsed: how a file
// source goes on when rows have killed its task.
#ifndef WEIR_STAGES_SOURCE_FILE_CAREFUL_H
#define WEIR_STAGES_SOURCE_FILE_CAREFUL_H

#include "core/format/reader.h"
#include "stages/runtime/operator.h"

struct file_careful {
    const struct row_trial *trial;
    const char *path;
    uint64_t at; // where the bytes stand in the file
    struct reader *reader;
};

struct file_careful_input {
    struct slice bytes; // not empty
    bool ends;          // nothing comes behind them
};

// As reader_parse, but not beyond the first row. Returns NULL; or why that row is put aside: then
// the result has it as its one bad row, and it was not parsed.
const char *file_careful_parse(const struct file_careful *careful,
                               const struct file_careful_input *input, struct reader_result *result,
                               struct batch *batch);

#endif
