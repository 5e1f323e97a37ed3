// reader.h: bytes of a file into columns of a batch: JSON lines and CSV.
//
// A reader takes what the source has in its buffer, fills a batch from the complete rows in it and
// says how far it came; it keeps no bytes between calls, so the source can begin again anywhere
// at the start of a row (reader_reset). Only the needed columns are looked at. A row that is none
// is reported, never dropped in silence, and the rows around it are read.
//
// Messages are read payload by payload (reader_parse_one), or, where reader_takes_lines, many
// together: each payload without a line's end in it as one line (reader_set_payload_lines).
#ifndef WEIR_CORE_FORMAT_READER_H
#define WEIR_CORE_FORMAT_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/err.h"
#include "core/base/slice.h"
#include "core/format/options.h"
#include "core/row/batch.h"
#include "core/row/type.h"

enum {
    READER_BAD_ROWS = 64,      // at most so many bad rows a call
    READER_REASON_BYTES = 160, // one reason's text, with its NUL
    READER_PAYLOAD_ROWS = 2,   // at most so many rows a payload: a change is two
};

#define READER_MAX_ROW_BYTES (UINT64_C(16) << 20) // default of reader_set_max_row_bytes

struct reader;

// A row that could not be read.
struct reader_bad_row {
    uint64_t offset;      // of its first byte in `bytes`
    uint64_t length;      // bytes, without the line's end; of an overlong row the piece seen first
    uint32_t rows_before; // index of the batch row that follows it
    char reason[READER_REASON_BYTES]; // for a person, NUL-terminated
};

struct reader_result {
    uint64_t consumed; // bytes done with: give the rest again, with more behind it
    // row_end[i]: offset after the batch's row i, its line's end included: where to begin again
    // when rows 0..i are done with.
    uint32_t row_end[BATCH_ROWS];
    uint32_t bad_row_count;
    struct reader_bad_row bad_rows[READER_BAD_ROWS]; // ascending offset
};

// `schema`: all physical columns in declared order (a CSV row's positions). needed[i]: column i is
// in the batches; NULL: all are. Both are copied. -EINVAL with a text for a format or type that
// cannot be read.
int reader_create(const struct format_options *options, const struct schema *schema,
                  const bool *needed, struct reader **out, struct err *err);
void reader_free(struct reader *reader);

// At most so many rows a call (1..BATCH_ROWS, default BATCH_ROWS).
void reader_set_max_rows(struct reader *reader, uint32_t rows);

// A longer row is a bad one: its start is reported and its bytes are skipped, over as many calls as
// it takes. So a caller's buffer need never be larger than this plus one byte.
void reader_set_max_row_bytes(struct reader *reader, uint64_t bytes);

// Fill `batch` (columns: the needed ones, in schema order; count is set, states and all_present
// too) from the complete rows of `bytes`. Blank lines are skipped. A row cut off by the end of the
// bytes is left unconsumed, unless `end_of_input`. The call ends early when the batch or the array
// of bad rows is full. bytes.len < 4 GiB.
//
// Strings point into `bytes` or into memory of the reader; they are valid until `bytes` go or the
// next call. With consumed == 0 and bytes.len > 0 (and not end_of_input) the buffer holds no
// complete row yet: read more behind it.
void reader_parse(struct reader *reader, struct slice bytes, bool end_of_input,
                  struct reader_result *result, struct batch *batch);

// As reader_parse, but rows are added behind the batch's (count, states, all_present and, for
// changelogs, kinds are kept up): row_end is indexed by the batch's rows, and the strings of the
// earlier rows stay valid. The batch must have come from this reader's reader_begin.
void reader_parse_more(struct reader *reader, struct slice bytes, bool end_of_input,
                       struct reader_result *result, struct batch *batch);

// A new batch: count 0, the strings of the one before go.
void reader_begin(struct reader *reader, struct batch *batch);

// May payloads be given to reader_parse as lines? true: json and csv; debezium-json and raw are
// read with reader_parse_one.
bool reader_takes_lines(const struct reader *reader);

// Every line is the payload of one message: a blank one is a bad row instead of being skipped, and
// no CSV row goes on in the next line: a quote that is not closed costs its line alone.
void reader_set_payload_lines(struct reader *reader, bool on);

// For a changelog the batch's kinds are filled, and has_kinds is set by reader_begin: where the
// batch given here is a view, the caller passes that on.
//
// Add the row of exactly one payload behind the batch's rows (see reader_begin, reader_parse_more);
// line ends in it are blanks of JSON and belong to quoted values of CSV, as in any text. Returns
// how many rows it has added: 1; for a change of debezium-json 2 (-U, +U, with batch->kinds); 0
// when it stands for none (payload.ptr NULL: a null payload, which is a row of NULL for raw and
// none for the others; a CSV comment). -EBADMSG: it is none, for the `reason`; the batch is as it
// was. The batch must have READER_PAYLOAD_ROWS free slots, whatever reader_set_max_rows says.
//
// Strings point into `payload` or into memory of the reader, as those of reader_parse.
int reader_parse_one(struct reader *reader, struct slice payload, struct batch *batch,
                     char reason[READER_REASON_BYTES]);

// Forget that the middle of an overlong row is being skipped: the next bytes begin a row. For a
// new file, or after going back to an earlier row_end.
void reader_reset(struct reader *reader);

// Is the next byte in the middle of an overlong row that is being skipped?
bool reader_is_skipping(const struct reader *reader);

#endif
