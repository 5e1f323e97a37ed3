// raw.c: a payload that is one value: its bytes, as Flink's raw format has them. Numbers are of
// fixed width, the most significant byte first unless 'raw.endianness' says otherwise.
#include <errno.h>

#include "core/base/utf8.h"
#include "core/format/raw.h"
#include "core/format/reader_impl.h"

uint32_t raw_bytes(enum type_kind kind)
{
    return kind == TYPE_BOOLEAN ? 1 : kind == TYPE_INT ? 4 : 8;
}

int raw_check(const struct schema *schema, struct err *err)
{
    if (schema->field_count != 1)
        return err_set(err, -EINVAL, "the format 'raw' is one column, and here are %d",
                       schema->field_count);
    switch (schema->fields[0].type.kind) {
    case TYPE_BOOLEAN:
    case TYPE_INT:
    case TYPE_BIGINT:
    case TYPE_DOUBLE:
    case TYPE_STRING:
        return 0;
    default:
        return err_set(err, -EINVAL,
                       "column \"%s\": the format 'raw' holds STRING, BOOLEAN, INT, BIGINT or "
                       "DOUBLE",
                       schema->fields[0].name);
    }
}

uint64_t raw_swap(const struct format_options *options, uint64_t value, uint32_t bytes)
{
    return options->raw_little_endian ? value : __builtin_bswap64(value) >> (64 - 8 * bytes);
}

static int read_string(struct reader *reader, struct reader_slot *slot, struct slice payload,
                       uint32_t row)
{
    if (!utf8_valid(payload.ptr, payload.len)) {
        reader_fail(reader, "column \"%.40s\": not valid UTF-8", slot->name.ptr);
        return -EBADMSG;
    }
    slot_set_string(slot, row, payload);
    return 1;
}

int raw_payload(struct reader *reader, struct slice payload, uint32_t row)
{
    struct reader_slot *slot = reader->slots;
    uint64_t value = 0;
    if (reader->slot_count == 0)
        return 1;
    if (!payload.ptr) {
        slot_set_null(slot, row);
        return 1;
    }
    if (slot->kind == TYPE_STRING)
        return read_string(reader, slot, payload, row);
    uint32_t bytes = raw_bytes(slot->kind);
    if (payload.len != bytes) {
        reader_fail(reader, "column \"%.40s\": %s has %u byte%s, the payload %llu", slot->name.ptr,
                    type_kind_name(slot->kind), bytes, bytes == 1 ? "" : "s",
                    (unsigned long long)payload.len);
        return -EBADMSG;
    }
    memcpy(&value, payload.ptr, bytes);
    value = raw_swap(&reader->options, value, bytes);
    if (slot->kind == TYPE_BOOLEAN)
        value = value != 0;
    slot_set_i64(slot, row, slot->kind == TYPE_INT ? (int32_t)(uint32_t)value : (int64_t)value);
    return 1;
}
