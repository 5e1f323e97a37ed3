// row.c: rows to bytes and back. Bytes read back are input: validated, never trusted.
#include "core/row/row.h"

#include <errno.h>

#include "core/base/check.h"

void row_sizes(const struct batch *batch, uint32_t *sizes)
{
    uint32_t fixed = row_fixed_bytes(batch->column_count);
    for (uint32_t i = 0; i < batch->count; i++)
        sizes[i] = fixed;
    for (int c = 0; c < batch->column_count; c++) {
        const struct column *column = &batch->columns[c];
        if (column->kind != TYPE_STRING)
            continue;
        for (uint32_t i = 0; i < batch->count; i++) {
            uint64_t bytes = column->state[i] == VALUE_PRESENT ? column->str[i].len : 0;
            uint64_t total = sizes[i] + ((bytes + 7) & ~(uint64_t)7);
            sizes[i] = total > UINT32_MAX - 8 ? UINT32_MAX : (uint32_t)total;
        }
    }
}

uint32_t row_encode(const struct batch *batch, uint32_t index, void *out)
{
    char *row = out;
    int fields = batch->column_count;
    uint32_t bitmap_words = ((uint32_t)fields + 63) / 64;
    uint64_t *nulls = (uint64_t *)(row + ROW_HEADER_BYTES);
    uint64_t *slots = nulls + bitmap_words;
    uint32_t tail = row_fixed_bytes(fields);
    for (uint32_t w = 0; w < bitmap_words; w++)
        nulls[w] = 0;
    for (int c = 0; c < fields; c++) {
        const struct column *column = &batch->columns[c];
        if (column->state[index] != VALUE_PRESENT) {
            nulls[c / 64] |= (uint64_t)1 << (c % 64);
            slots[c] = 0;
        } else if (column->kind == TYPE_STRING) {
            struct slice s = column->str[index];
            uint32_t padded = ((uint32_t)s.len + 7) & ~7u;
            slots[c] = tail | s.len << 32;
            if (padded) {
                memset(row + tail + padded - 8, 0, 8);
                memcpy(row + tail, s.ptr, s.len);
            }
            tail += padded;
        } else {
            memcpy(&slots[c], &column->i64[index], 8);
        }
    }
    uint64_t header = tail | (uint64_t)batch_kind(batch, index) << 32;
    memcpy(row, &header, 8);
    return tail;
}

static int decode_string(const char *row, uint32_t bytes, uint64_t slot, struct slice *out)
{
    uint32_t offset = (uint32_t)slot;
    uint32_t len = (uint32_t)(slot >> 32);
    if (offset > bytes || len > bytes - offset)
        return -EBADMSG;
    *out = slice_make(row + offset, len);
    return 0;
}

int row_decode(const void *bytes, uint64_t available, struct batch *batch)
{
    const char *row = bytes;
    uint32_t fixed = row_fixed_bytes(batch->column_count);
    uint64_t header;
    if (available < fixed)
        return -EBADMSG;
    memcpy(&header, row, 8);
    uint32_t size = (uint32_t)header;
    uint8_t kind = (uint8_t)(header >> 32);
    if (size < fixed || size % 8 || size > available || kind > ROW_DELETE ||
        batch->count >= BATCH_ROWS)
        return -EBADMSG;
    const char *nulls = row + ROW_HEADER_BYTES; // of a row in a list at any address
    const char *slots = row + fixed - (uint32_t)batch->column_count * 8;
    uint32_t at = batch->count;
    for (int c = 0; c < batch->column_count; c++) {
        struct column *column = &batch->columns[c];
        uint64_t null_word, slot;
        memcpy(&null_word, nulls + c / 64 * 8, 8);
        memcpy(&slot, slots + c * 8, 8);
        bool is_null = null_word >> (c % 64) & 1;
        column->state[at] = is_null ? VALUE_NULL : VALUE_PRESENT;
        if (column->kind != TYPE_STRING)
            column->i64[at] = (int64_t)slot;
        else if (decode_string(row, size, slot, &column->str[at]) < 0)
            return -EBADMSG;
    }
    batch->kinds[at] = kind;
    batch->has_kinds |= kind != ROW_INSERT;
    batch->count = at + 1;
    return 0;
}

void row_decode_done(struct batch *batch)
{
    for (int c = 0; c < batch->column_count; c++)
        column_summarize(&batch->columns[c], batch->count);
}
