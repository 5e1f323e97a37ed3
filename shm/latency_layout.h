// latency_layout.h: the segment "latency": how long rows take to a task, a section a task.
//
//   page 0        segment header
//   pages 1 ..    struct latency_section [T], each LATENCY_SECTION_BYTES, section i written by task
//   i
//
// word                  writer   readers   order
// from                  creator  anyone    none: written before anyone attaches
// lost, made, sum_ns    task     anyone    relaxed: each word is true on its own
// total                 task     anyone    relaxed, a word a counter (core/base/histogram.h)
// recent[k]             task     anyone    its epoch: 0 while it is cleared, else which interval of
//                                          LATENCY_RECENT_NS it holds; stored with release
//
// The histogram of a recent interval has one digit: it is cleared between two batches, and 5 KiB of
// that cost nothing. The one that holds everything has two.
#ifndef WEIR_SHM_LATENCY_LAYOUT_H
#define WEIR_SHM_LATENCY_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/histogram.h"
#include "shm/latency.h"

#define LATENCY_LAYOUT_HASH UINT64_C(0x4c41544500000001)

enum {
    LATENCY_RECENT_COUNT = 2,
    LATENCY_TOTAL_ROOM = 37120, // histogram_bytes(2) and histogram_bytes(1), rounded up
    LATENCY_RECENT_ROOM = 5632,
    LATENCY_SECTION_BYTES = 24 * 4096,
};

struct latency_recent {
    uint64_t epoch;
    uint64_t reserved[7];
    uint64_t histogram[LATENCY_RECENT_ROOM / 8];
};

struct latency_words {
    char from[LATENCY_NAME_BYTES]; // "": there is no such path
    uint64_t sum_ns;
    uint64_t reserved[7];
    struct latency_recent recent[LATENCY_RECENT_COUNT];
    uint64_t total[LATENCY_TOTAL_ROOM / 8];
};

struct latency_section {
    uint64_t made; // markers that the task has made
    uint64_t lost; // that it could not read, or for which it had no place
    uint64_t reserved[6];
    struct latency_words paths[LATENCY_PATH_COUNT];
};

_Static_assert(offsetof(struct latency_section, lost) == 8, "layout");
_Static_assert(offsetof(struct latency_section, paths) == 64, "layout");
_Static_assert(offsetof(struct latency_words, sum_ns) == 64, "layout");
_Static_assert(offsetof(struct latency_words, recent) == 128, "layout");
_Static_assert(offsetof(struct latency_recent, histogram) == 64, "layout");
_Static_assert(sizeof(struct latency_recent) % 64 == 0, "cache lines");
_Static_assert(sizeof(struct latency_section) <= LATENCY_SECTION_BYTES, "a section");

#endif
