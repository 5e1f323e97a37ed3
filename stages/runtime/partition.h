// partition.h: which channel of a hash exchange a row goes to. Savepoints are dealt out by it as
// well, so it is part of what a plan is.
#ifndef WEIR_STAGES_RUNTIME_PARTITION_H
#define WEIR_STAGES_RUNTIME_PARTITION_H

#include "core/row/batch.h"

// hashes[i]: of these columns of row i. NULLs are equal.
void partition_hash(const struct batch *batch, const int *columns, int column_count,
                    uint64_t *hashes);

// The channel, of `channels`, of a row with this hash.
static inline uint32_t partition_target(uint64_t hash, uint64_t channels)
{
    return (uint32_t)((hash >> 32) * channels >> 32);
}

#endif
