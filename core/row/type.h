// type.h: SQL types and schemas.
//
// Every value fits an 8-byte slot or is a string. BOOLEAN is 0/1, INT and BIGINT are int64,
// DATE is days since 1970-01-01, TIMESTAMP and TIMESTAMP_LTZ are int64 milliseconds since the epoch
// (UTC), INTERVAL_DAY is milliseconds, INTERVAL_MONTH is months, TIME is milliseconds of the day.
#ifndef WEIR_CORE_ROW_TYPE_H
#define WEIR_CORE_ROW_TYPE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/buf.h"

enum type_kind {
    TYPE_NULL, // the type of a bare NULL literal, before it is coerced
    TYPE_BOOLEAN,
    TYPE_INT,
    TYPE_BIGINT,
    TYPE_DOUBLE,
    TYPE_STRING, // CHAR(n), VARCHAR(n), STRING
    TYPE_DATE,
    TYPE_TIME,
    TYPE_TIMESTAMP,
    TYPE_TIMESTAMP_LTZ,
    TYPE_INTERVAL_DAY,
    TYPE_INTERVAL_MONTH,
    TYPE_KIND_COUNT,
};

struct type {
    enum type_kind kind;
    bool not_null;
    bool fixed_length; // CHAR(n) rather than VARCHAR(n)
    bool rowtime;      // an event-time attribute: TIMESTAMP or TIMESTAMP_LTZ with a watermark
    uint8_t precision; // of TIMESTAMP: 0..3
    uint32_t length;   // of CHAR/VARCHAR in characters; 0: STRING, without a limit
};

static inline struct type type_of(enum type_kind kind)
{
    return (struct type){.kind = kind,
                         .precision = kind == TYPE_TIMESTAMP || kind == TYPE_TIMESTAMP_LTZ ? 3 : 0};
}

static inline bool type_is_string(enum type_kind kind)
{
    return kind == TYPE_STRING;
}

static inline bool type_is_numeric(enum type_kind kind)
{
    return kind == TYPE_INT || kind == TYPE_BIGINT || kind == TYPE_DOUBLE;
}

static inline bool type_is_timestamp(enum type_kind kind)
{
    return kind == TYPE_TIMESTAMP || kind == TYPE_TIMESTAMP_LTZ;
}

// The name alone, without length or precision: "TIMESTAMP_LTZ".
const char *type_kind_name(enum type_kind kind);

// Append the type as Flink writes it: "VARCHAR(10) NOT NULL", "TIMESTAMP(3) *ROWTIME*".
void type_format(const struct type *type, struct buf *out);

struct field {
    const char *name; // NUL-terminated, owned by the pool of the plan
    struct type type;
};

struct schema {
    struct field *fields;
    int field_count;
};

// Index of the field with this exact name, or -1. (Flink's identifiers are case-sensitive.)
int schema_find(const struct schema *schema, const char *name);

#endif
