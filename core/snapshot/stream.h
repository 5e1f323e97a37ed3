// stream.h: the undo entries that wait for a frame: a queue of bytes in pieces of a frame's
// payload.
//
// Nothing is moved: appending and taking cost the same however much waits. Memory of pieces that
// were taken is used again, and given back a piece at a time, because giving back a hundred
// megabytes at once is a pause of milliseconds.
#ifndef WEIR_CORE_SNAPSHOT_STREAM_H
#define WEIR_CORE_SNAPSHOT_STREAM_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/slice.h"

struct stream_piece;

struct stream { // all zero: empty
    struct stream_piece *first, *last;
    struct stream_piece *spare; // not in use
    uint64_t bytes;             // that wait
};

void stream_append(struct stream *s, const void *bytes, size_t len);

// The bytes of the first piece: SNAPSHOT_PAYLOAD_MAX of them, less only in the last piece; empty:
// nothing waits. Valid until the next call.
struct slice stream_first(const struct stream *s);

// The first piece has been taken.
void stream_drop_first(struct stream *s);

// Give the memory of one unused piece back.
void stream_trim(struct stream *s);

void stream_fini(struct stream *s);

#endif
