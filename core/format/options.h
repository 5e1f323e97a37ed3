// options.h: what a table's 'format' = '...' and its 'json.*', 'csv.*' options say, checked once.
#ifndef WEIR_CORE_FORMAT_OPTIONS_H
#define WEIR_CORE_FORMAT_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/err.h"

enum format_kind {
    FORMAT_JSON,
    FORMAT_CSV,
    FORMAT_DEBEZIUM_JSON, // a changelog
    FORMAT_RAW, // one column, the bytes of its value: messages only, for lines have an end
};

enum format_timestamp {
    FORMAT_TIMESTAMP_SQL, // 2024-01-01 00:00:01.234
    FORMAT_TIMESTAMP_ISO, // 2024-01-01T00:00:01.234
};

enum { FORMAT_NULL_LITERAL_BYTES = 64 };

// An option that is not given has Flink's default.
struct format_options {
    enum format_kind kind;
    // A field that cannot be converted becomes NULL instead of making its row a bad one. Rows that
    // are not JSON or CSV at all stay bad rows: the source decides what becomes of those.
    bool ignore_parse_errors;

    // json, debezium-json
    bool json_fail_on_missing_field;
    bool json_ignore_null_fields; // writer: leave NULL fields out
    enum format_timestamp json_timestamp;
    bool debezium_schema_include; // read: each change stands in {"schema": ..., "payload": ...}

    // csv
    char csv_delimiter;
    int csv_quote;  // a byte, or -1: none
    int csv_escape; // a byte, or -1: none
    bool csv_allow_comments;
    bool csv_has_null_literal;
    char csv_null_literal[FORMAT_NULL_LITERAL_BYTES]; // NUL-terminated

    // raw
    bool raw_little_endian; // numbers; else the most significant byte comes first

    // Knobs of tests and benches, not of users.
    bool no_simd;      // scalar scanning
    bool no_avx2;      // as on a processor without it
    bool no_fast_path; // never speculate on the shape of an earlier row
};

// Flink's defaults for the kind.
void format_options_default(enum format_kind kind, struct format_options *out);

// Read a WITH clause: 'format' and the keys that begin with "json.", "csv." or "debezium-json.".
// Other keys are the connector's and ignored. -EINVAL with a text that names the option and what it
// may be; `out` is then undefined.
int format_options_parse(const char *const *keys, const char *const *values, int count,
                         struct format_options *out, struct err *err);

// A WITH clause, of which the options count that begin with `prefix`.
struct format_with {
    const char *prefix; // "key.": 'key.format' and 'key.json.*'; "": 'format' and 'json.*'
    const char *const *keys;
    const char *const *values;
    int count;
};

// The same for options behind a prefix.
int format_options_parse_prefixed(const struct format_with *with, struct format_options *out,
                                  struct err *err);

// Can the format say that a row was changed or deleted?
bool format_is_changelog(enum format_kind kind);

// "json", "csv", "debezium-json", "raw".
const char *format_kind_name(enum format_kind kind);

#endif
