// checkpoint_measure.h: what a snapshot under way costs the batches beside it, and how near it is
// to the disk. Of bench/checkpoint, which prints all of it, and of `weir bench checkpoint`.
//
// In one process: the product's arena, a table of it with records that are updated at random, the
// product's writer and both of its engines; files go to a folder, which should be on the disk that
// checkpoints will be on. What is compared takes turns (A B A B). Never fails on a time.
#ifndef WEIR_TOOLS_BENCH_CHECKPOINT_MEASURE_H
#define WEIR_TOOLS_BENCH_CHECKPOINT_MEASURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/histogram.h"

enum { CHECKPOINT_SIDES = 4, CHECKPOINT_ROUNDS_MAX = 64 };

struct checkpoint_settings {
    const char *folder;
    uint64_t state_bytes;
    double seconds; // of one turn
    int rounds;     // turns of each side
};

// Prints the parts that are named, all where none is: delay, throughput, write, increment, restore.
// It says so where memory or disk would not do. Ends the process with 1 where it fails.
void checkpoint_print(const struct checkpoint_settings *settings, int part_count, char **parts);

// Delays and throughput alone, without a word, into memory that was given: one side is without
// checkpoints, one with a plain writer of as many bytes, the others with the engines there are.
struct checkpoint_told {
    bool is_refused; // memory or disk would not do
    int side_count;
    char names[CHECKPOINT_SIDES][16];
    double records, state_mib;
    int64_t period_ns;                                     // from one batch to the next
    double rates[CHECKPOINT_SIDES][CHECKPOINT_ROUNDS_MAX]; // batches a second, at full speed
    uint64_t complete[CHECKPOINT_SIDES], given_up[CHECKPOINT_SIDES];
    uint64_t room[]; // a histogram a side and round
};

enum { CHECKPOINT_BATCH_ROWS = 1024 };

size_t checkpoint_told_bytes(int rounds);
struct histogram *checkpoint_delays(struct checkpoint_told *told, int rounds, int side, int round);
void checkpoint_measure(const struct checkpoint_settings *settings, struct checkpoint_told *told);

#endif
