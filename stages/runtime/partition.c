// partition.c: see partition.h.
#include "stages/runtime/partition.h"

#include "core/base/hash.h"

static void hash_column(const struct column *column, uint32_t count, uint64_t *hashes)
{
    for (uint32_t i = 0; i < count; i++) {
        uint64_t h = 0x9ae16a3b2f90404fu;
        if (column->state[i] == VALUE_PRESENT)
            h = column->kind == TYPE_STRING ? hash_slice(column->str[i])
                                            : hash_u64((uint64_t)column->i64[i]);
        hashes[i] = hash_u64(hashes[i] * 31 + h);
    }
}

void partition_hash(const struct batch *batch, const int *columns, int column_count,
                    uint64_t *hashes)
{
    memset(hashes, 0, batch->count * sizeof *hashes);
    for (int k = 0; k < column_count; k++)
        hash_column(&batch->columns[columns[k]], batch->count, hashes);
}
