// pack.h: rows of a batch as packed columns: what a frame of a channel carries.
//
//   offset 0   u64  flags        bit 0: kinds follow
//   then       u8[rows]          enum row_kind, padded to 8; only with the flag
//   then for each column
//     u64  head                  bytes of the strings in the lower half; bit 32: states follow
//     u8[rows]                   0 a value, else NULL; padded to 8; only with the bit
//     i64[rows]                  the values; of a STRING instead u32[rows] lengths, padded to 8,
//                                and the bytes of all strings one behind the other, padded to 8
//
// Padding and what a NULL holds mean nothing. Half the bytes of core/row/row.h's rows, and a loop a
// column on both sides. Bytes read back are input: validated, never trusted.
#ifndef WEIR_CORE_ROW_PACK_H
#define WEIR_CORE_ROW_PACK_H

#include "core/row/batch.h"

// Some of the packed rows.
struct pack_part {
    uint32_t rows;        // that were packed
    uint32_t from, count; // the part
};

// Packed rows are at most this many bytes and, for each row, what pack_row_bounds says.
static inline uint32_t pack_base_bytes(int column_count)
{
    return 16 + (uint32_t)column_count * 32; // words, and what padding adds
}

// A row over UINT32_MAX - 8 bytes has UINT32_MAX.
void pack_row_bounds(const struct batch *batch, uint32_t *bounds);

// Pack rows[0, count) of the batch at `out`, 8-byte aligned. Returns the size, a multiple of 8.
uint64_t pack_rows(const struct batch *batch, const uint16_t *rows, uint32_t count, void *out);

// Append a part of the rows packed at `bytes` to the batch, which has room for it (columns as the
// batch that was packed). Strings point into `bytes`. Call row_decode_done after the last part. 0,
// or -EBADMSG when the bytes are no packed rows of that shape; the batch is unchanged then, but for
// values past its count.
int pack_read(const void *bytes, uint64_t available, const struct pack_part *part,
              struct batch *batch);

#endif
