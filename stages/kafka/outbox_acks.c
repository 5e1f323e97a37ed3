// outbox_acks.c: partitions acknowledge rows each in its own time; up to where are all of them in?
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "stages/kafka/outbox_internal.h"

enum { FIRST_CAPACITY = 4096 };

void outbox_acks_reset(struct outbox_acks *acks, uint64_t first)
{
    acks->first = first;
    if (acks->capacity)
        memset(acks->words, 0, acks->capacity / 8);
}

static uint64_t bit(const struct outbox_acks *acks, uint64_t row, uint64_t *word)
{
    uint64_t at = row & (acks->capacity - 1);
    *word = at / 64;
    return UINT64_C(1) << at % 64;
}

static bool is_set(const struct outbox_acks *acks, uint64_t row)
{
    uint64_t word, mask = bit(acks, row, &word);
    return acks->words[word] & mask;
}

void outbox_acks_reserve(struct outbox_acks *acks, uint64_t row)
{
    if (row - acks->first < acks->capacity)
        return;
    struct outbox_acks larger = {.first = acks->first, .capacity = FIRST_CAPACITY};
    while (row - acks->first >= larger.capacity)
        larger.capacity *= 2;
    larger.words = calloc(larger.capacity / 64, sizeof *larger.words);
    CHECK(larger.words);
    for (uint64_t i = 0; i < acks->capacity; i++) {
        if (!is_set(acks, acks->first + i))
            continue;
        uint64_t word, mask = bit(&larger, acks->first + i, &word);
        larger.words[word] |= mask;
    }
    free(acks->words);
    *acks = larger;
}

void outbox_acks_set(struct outbox_acks *acks, uint64_t row)
{
    uint64_t word, mask;
    if (row < acks->first)
        return;
    CHECK(row - acks->first < acks->capacity);
    mask = bit(acks, row, &word);
    acks->words[word] |= mask;
    while (is_set(acks, acks->first)) {
        mask = bit(acks, acks->first, &word);
        acks->words[word] &= ~mask;
        acks->first++;
    }
}
