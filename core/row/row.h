// row.h: one row as bytes; the same bytes in rings and in state.
//
//   offset 0   u32  bytes        whole row, a multiple of 8
//   offset 4   u8   kind         enum row_kind
//   offset 5   u8[3]             zero
//   offset 8   null bitmap       one bit a field, rounded up to 8 bytes
//   then       8-byte slots      one a field; of a STRING: u32 offset from the row's start, u32
//   length then       variable tail     bytes of the strings, zero-padded to 8
//
// NULL's slot is zero, padding is zero: equal rows are equal bytes.
#ifndef WEIR_CORE_ROW_ROW_H
#define WEIR_CORE_ROW_ROW_H

#include "core/row/batch.h"

enum { ROW_HEADER_BYTES = 8 };

// Bytes of the fixed part (header, null bitmap, slots) of a row with this many fields.
static inline uint32_t row_fixed_bytes(int field_count)
{
    return ROW_HEADER_BYTES + ((uint32_t)field_count + 63) / 64 * 8 + (uint32_t)field_count * 8;
}

// For each of the batch's rows, the encoded size in bytes at sizes[i]. The sum may exceed 32 bits;
// a row over UINT32_MAX - 8 bytes has size UINT32_MAX.
void row_sizes(const struct batch *batch, uint32_t *sizes);

// Encode row `index` at `out` (8-byte aligned, row_sizes() bytes). Returns the size.
uint32_t row_encode(const struct batch *batch, uint32_t index, void *out);

// Append the row at `bytes` to the batch (count grows by one; columns as the schema it was written
// with). Strings point into `bytes`. 0, or -EBADMSG when the bytes are no row of that shape.
int row_decode(const void *bytes, uint64_t available, struct batch *batch);

// Recompute all_present of every column after the last row_decode of a batch.
void row_decode_done(struct batch *batch);

#endif
