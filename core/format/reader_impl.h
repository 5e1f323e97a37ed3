// reader_impl.h: what the JSON and the CSV reader share. Private to core/format.
//
// reader.c owns the buffer's edges (cut-off rows, overlong rows, the lists of the result);
// convert.c owns what a text becomes in a column; json*.c and csv.c own what a row is.
#ifndef WEIR_CORE_FORMAT_READER_IMPL_H
#define WEIR_CORE_FORMAT_READER_IMPL_H

#include "core/base/buf.h"
#include "core/base/check.h"
#include "core/base/pool.h"
#include "core/format/quick_time.h"
#include "core/format/reader.h"
#include "core/format/scan.h"

// One needed column: its place in the batch, and how its texts are read.
struct reader_slot {
    enum type_kind kind;
    int position;      // in the physical schema
    struct slice name; // owned by the reader, NUL-terminated
    // Arrays of the batch of the current call.
    union {
        int64_t *i64;
        double *f64;
        struct slice *str;
    };
    uint8_t *state;
    struct quick_date date; // timestamps, with AVX2: the last one's
    uint64_t seen;          // JSON: number of the row that had this field last
};

// One call of reader_parse.
struct reader_run {
    const char *base;  // the caller's bytes
    const char *p;     // where the next row begins
    const char *limit; // rows may be read up to here
    bool final;        // nothing comes after limit
    uint32_t row;      // rows in the batch so far
    struct reader_result *result;
};

struct reader {
    struct format_options options;
    enum scan_mode scan;
    uint32_t max_rows;
    uint64_t max_row_bytes;
    bool skipping;      // in the middle of an overlong row
    bool quiet;         // speculating: do not spend time on a reason
    bool payload_lines; // every line is the payload of a message
    int slot_count;
    int field_count;                  // physical columns
    struct reader_slot *slots;        // needed columns in schema order
    struct pool names;                // of the slots
    struct pool scratch;              // decoded strings of the current batch
    struct buf spare;                 // decoded keys
    char reason[READER_REASON_BYTES]; // why the current row is a bad one
    struct json_reader *json;         // when the format is JSON
    struct csv_reader *csv;           // when it is CSV
};

// Point the slots at the batch's columns.
void reader_bind(struct reader *reader, struct batch *batch);

// Note why the current row is bad (the first reason stays). Always false.
bool reader_fail(struct reader *reader, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// `text` fit to be shown in a reason: cut to about 40 bytes, control characters as '?'.
enum { READER_SHOWN_BYTES = 48 };
const char *reader_shown(struct slice text, char out[READER_SHOWN_BYTES]);

// Report the row [from, from + length) as bad, with the reason noted, and go on at `next`. The
// caller has made sure that there is room (reader_has_room).
void reader_report(struct reader *reader, struct reader_run *run, uint64_t length,
                   const char *next);

static inline bool reader_has_room(const struct reader_run *run)
{
    return run->result->bad_row_count < READER_BAD_ROWS;
}

// The row at run->p has no end in its first max_row_bytes + 1 bytes: report it and skip on.
void reader_report_overlong(struct reader *reader, struct reader_run *run);

// The current row is read, its line ends before `next`.
static inline void reader_accept(struct reader_run *run, const char *next)
{
    run->result->row_end[run->row++] = (uint32_t)(next - run->base);
    run->p = next;
}

static inline void slot_set_null(struct reader_slot *slot, uint32_t row)
{
    if (slot->kind == TYPE_STRING)
        slot->str[row] = (struct slice){0};
    else
        slot->i64[row] = 0;
    slot->state[row] = VALUE_NULL;
}

static inline void slot_set_string(struct reader_slot *slot, uint32_t row, struct slice text)
{
    slot->str[row] = text;
    slot->state[row] = VALUE_PRESENT;
}

static inline void slot_set_i64(struct reader_slot *slot, uint32_t row, int64_t value)
{
    slot->i64[row] = value;
    slot->state[row] = VALUE_PRESENT;
}

// What a value was in its file: the same text means different things.
enum convert_token {
    TOKEN_JSON_STRING, // between quotes
    TOKEN_JSON_NUMBER, // a well-formed JSON number
    TOKEN_JSON_BOOL,   // true, false
    TOKEN_JSON_NESTED, // an object or array
    TOKEN_CSV,         // a CSV field, decoded
};

// Put a text into the slot's row. A text that is none of the type: NULL under ignore_parse_errors,
// else false with the reason noted. The text of a STRING column must live as long as the batch.
bool convert_text(struct reader *reader, struct reader_slot *slot, uint32_t row, struct slice text,
                  enum convert_token token);

#if defined(__x86_64__)
// convert_text of a string, the usual timestamps without a call.
SCAN_AVX2_CODE static inline bool convert_quickly(struct reader *reader, struct reader_slot *slot,
                                                  uint32_t row, struct slice text,
                                                  enum convert_token token)
{
    bool is_time = slot->kind == TYPE_TIMESTAMP || slot->kind == TYPE_TIMESTAMP_LTZ;
    int64_t ms;
    if (!is_time)
        return convert_text(reader, slot, row, text, token);
    uint64_t len = text.len;
    if (slot->kind == TYPE_TIMESTAMP_LTZ)
        len = len && text.ptr[len - 1] == 'Z' ? len - 1 : 0;
    if (LIKELY(quick_time_parse(&slot->date, text.ptr, len, &ms))) {
        slot_set_i64(slot, row, ms);
        return true;
    }
    if (!convert_text(reader, slot, row, text, token))
        return false;
    // Blanks before the date would be taken for a part of it.
    if (slot->state[row] == VALUE_PRESENT && (unsigned char)text.ptr[0] > ' ')
        quick_date_learn(&slot->date, text.ptr, slot->i64[row]);
    return true;
}
#endif

// The two readers: read rows until the batch or the list of bad rows is full, or no complete row
// is left. Both begin at run->p and leave it behind the last row done with.
int json_create(struct reader *reader, struct err *err);
void json_free(struct reader *reader);
void json_read(struct reader *reader, struct reader_run *run);
int csv_create(struct reader *reader, struct err *err);
void csv_free(struct reader *reader);
void csv_read(struct reader *reader, struct reader_run *run);

// One payload into `row` of the batch: how many rows it has, -EBADMSG with the reason noted.
// Nothing but the slots' places from `row` on has changed then.
int json_payload(struct reader *reader, struct slice payload, uint32_t row);
int csv_payload(struct reader *reader, struct slice payload, uint32_t row);
int raw_payload(struct reader *reader, struct slice payload, uint32_t row);
int debezium_payload(struct reader *reader, struct slice payload, uint32_t row, uint8_t *kinds);

// The text with the line ends between its tokens as blanks, for the readers of one line; a copy in
// reader->scratch where there are any. One inside a string stays, and is refused there.
struct slice json_one_line(struct reader *reader, struct slice text);

#endif
