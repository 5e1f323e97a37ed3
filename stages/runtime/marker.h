// marker.h: latency markers (Flink's LatencyMarker): a word in the stream of rows that says when it
// was made, so that whoever it reaches knows how long rows take to there.
//
// A source makes one each `latency_interval_ns`, for the moment at which it was due: a source that
// is held back by full rings makes it late, and the wait is in it. When several were due meanwhile
// one frame stands for all of them, `count`, `step_ns` apart. It goes into one output of an
// exchange, drawn at random, behind the rows of its transaction and in the same transaction, and
// past windows: it does not wait until they fire. What counts is when it is visible: a task records
// it when the transaction that holds it is committed and published.
//
// Markers are no state. They are never waited for: where there is no room in a ring, a marker stays
// with the task, in private memory, until there is. A task that dies loses those, and one that had
// not committed reads them again, later: then they say so.
#ifndef WEIR_STAGES_RUNTIME_MARKER_H
#define WEIR_STAGES_RUNTIME_MARKER_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

// What a FRAME_LATENCY carries. Times are of the monotonic clock, which all processes of a host
// share.
struct marker {
    int64_t made_ns;   // when the oldest of them was due
    int64_t passed_ns; // when the task in front put it into this channel
    int64_t step_ns;   // between two of them
    uint32_t count;    // 1 ..
    uint32_t source;   // stage that made it
};

static_assert(sizeof(struct marker) == 32, "layout");

enum {
    MARKERS_MAX = 16,          // that a task holds at once
    MARKER_COUNT_MAX = 100000, // that one frame stands for
};

// Can it be one? What another process wrote; `now_ns`: none comes from the future.
static inline bool marker_is_sane(const struct marker *marker, int64_t now_ns)
{
    if (marker->count < 1 || marker->count > MARKER_COUNT_MAX || marker->step_ns < 0 ||
        marker->made_ns < 0 || marker->made_ns > marker->passed_ns || marker->passed_ns > now_ns)
        return false;
    return marker->count == 1 ||
           marker->step_ns <= (now_ns - marker->made_ns) / (marker->count - 1);
}

struct marker_held {
    struct marker marker;
    int channel; // of the output; -1: not drawn yet
};

// Those of the open transaction, behind those that are still to be passed on.
struct markers {
    struct marker_held items[MARKERS_MAX];
    int count;
    int carried;  // the first so many were recorded by an earlier transaction
    int sent;     // the first so many stand in a ring
    int64_t lost; // for which there was no place; private
};

#endif
