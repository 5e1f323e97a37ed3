// frame.h: what a channel carries: rows, or a word about time.
//
// A frame lies at an 8-byte boundary of the ring's byte stream and is a multiple of 8 long:
//
//   offset 0   u32  bytes   whole frame
//   offset 4   u16  type    enum frame_type
//   offset 6   u16  rows    FRAME_DATA: number of rows, else 0
//   offset 8   FRAME_DATA: the rows, packed as core/row/pack.h says
//              FRAME_WATERMARK: i64 watermark in milliseconds
//              FRAME_IDLE, FRAME_END: nothing
//              FRAME_BARRIER: u64 checkpoint number
//              FRAME_LATENCY: struct marker (marker.h)
//
// A reader checks everything: the bytes come from another process.
#ifndef WEIR_STAGES_RUNTIME_FRAME_H
#define WEIR_STAGES_RUNTIME_FRAME_H

#include <errno.h>
#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "core/base/check.h"
#include "stages/runtime/marker.h"

enum frame_type {
    FRAME_DATA = 1,
    FRAME_WATERMARK = 2,
    FRAME_IDLE = 3, // no watermark will come until the next frame: do not wait for this channel
    FRAME_END = 4,  // nothing comes ever again
    FRAME_BARRIER = 5,
    FRAME_LATENCY = 6, // says nothing about rows: a reader may handle it with those behind it
};

enum {
    FRAME_HEADER_BYTES = 8,
    FRAME_CONTROL_BYTES = 16, // of a control frame with its word
    FRAME_LATENCY_BYTES = FRAME_HEADER_BYTES + (int)sizeof(struct marker),
    FRAME_ROWS_MAX = 1024,
};

struct frame {
    uint32_t bytes;
    uint16_t type;
    uint16_t rows;
};

static_assert(sizeof(struct frame) == FRAME_HEADER_BYTES, "layout");

// Are rows and bytes what a frame of this type has?
static inline bool frame_fits_type(const struct frame *frame)
{
    switch (frame->type) {
    case FRAME_DATA:
        return frame->rows > 0 && frame->rows <= FRAME_ROWS_MAX;
    case FRAME_WATERMARK:
    case FRAME_BARRIER:
        return frame->bytes == FRAME_CONTROL_BYTES && frame->rows == 0;
    case FRAME_LATENCY:
        return frame->bytes == FRAME_LATENCY_BYTES && frame->rows == 0;
    case FRAME_IDLE:
    case FRAME_END:
        return frame->bytes == FRAME_HEADER_BYTES && frame->rows == 0;
    default:
        return false;
    }
}

// Is there a whole, sane frame at `bytes` (of which `available` are published)? 0 or -EBADMSG.
static inline int frame_check(const void *bytes, uint64_t available, struct frame *out)
{
    if (available < FRAME_HEADER_BYTES)
        return -EBADMSG;
    memcpy(out, bytes, sizeof *out);
    if (out->bytes < FRAME_HEADER_BYTES || out->bytes % 8 || out->bytes > available)
        return -EBADMSG;
    return frame_fits_type(out) ? 0 : -EBADMSG;
}

#endif
