// exchange_reader.c: frames of the input rings into batches and watermarks.
//
// Bytes come from another process: everything is checked. A transaction may end in the middle of a
// frame; then the channel's state says how many of its rows are left, and the head stays at its
// beginning until the last one is taken.
#include "stages/runtime/exchange.h"

#include <errno.h>

#include "core/row/pack.h"
#include "core/row/row.h"

// The smallest watermark of the channels that are alive; when all are idle the largest, for then
// none of them holds another back (Flink: StatusWatermarkValve).
static int64_t minimum(const struct exchange_reader *r)
{
    int64_t least = INT64_MAX, most_idle = INT64_MIN;
    bool any = false, all_ended = true;
    for (int i = 0; i < r->channel_count; i++) {
        const struct channel_state *state = &r->channels[i].state;
        all_ended &= state->watermark_ms == INT64_MAX;
        if (state->is_idle && !state->has_ended && state->watermark_ms > most_idle)
            most_idle = state->watermark_ms;
        if (state->is_idle || state->has_ended)
            continue;
        any = true;
        least = state->watermark_ms < least ? state->watermark_ms : least;
    }
    if (all_ended)
        return INT64_MAX;
    return any ? least : most_idle;
}

// The newest barrier that any channel has delivered. An older one in another channel is of a
// checkpoint that was abandoned.
static uint64_t newest_barrier(const struct exchange_reader *r)
{
    uint64_t newest = 0;
    for (int i = 0; i < r->channel_count; i++)
        newest = r->channels[i].state.barrier > newest ? r->channels[i].state.barrier : newest;
    return newest;
}

static bool is_blocked(const struct exchange_reader *r, const struct in_channel *channel)
{
    return channel->state.barrier > r->passed && channel->state.barrier == newest_barrier(r);
}

uint64_t exchange_reader_aligned(const struct exchange_reader *r)
{
    uint64_t newest = newest_barrier(r);
    if (newest <= r->passed)
        return 0;
    for (int i = 0; i < r->channel_count; i++)
        if (r->channels[i].state.barrier != newest && !r->channels[i].state.has_ended)
            return 0;
    return newest;
}

bool exchange_reader_aligns(const struct exchange_reader *r)
{
    return newest_barrier(r) > r->passed;
}

uint64_t exchange_reader_forgo(struct exchange_reader *r)
{
    uint64_t newest = newest_barrier(r);
    r->passed = newest > r->passed ? newest : r->passed;
    return r->passed;
}

// Rows that are left of the frame at the head, `bytes`. 1: all of them were taken; 0: the batch is
// full; -EBADMSG.
static int take_rows(struct exchange_reader *r, struct in_channel *channel, uint32_t max_rows,
                     const struct frame *frame, const char *bytes)
{
    uint32_t room = max_rows - r->batch.count, left = channel->state.rows_left;
    if (left > frame->rows)
        return -EBADMSG;
    if (r->batch.count == 0) {
        r->first_channel = (int)(channel - r->channels);
        r->first_position = channel->ring.position;
        r->first_left = left;
    }
    const struct pack_part part = {frame->rows, frame->rows - left, left < room ? left : room};
    if (pack_read(bytes + FRAME_HEADER_BYTES, frame->bytes - FRAME_HEADER_BYTES, &part, &r->batch) <
        0)
        return -EBADMSG;
    channel->state.rows_left -= part.count;
    if (channel->state.rows_left)
        return 0;
    ring_consume(&channel->ring, frame->bytes);
    return 1;
}

// A marker goes with the transaction; it does not end the batch. 1: taken; 0: the batch first, for
// there is no place for more.
static int take_marker(struct exchange_reader *r, struct in_channel *channel, const char *bytes)
{
    struct markers *markers = r->markers;
    if (markers && markers->count == MARKERS_MAX && markers->carried < MARKERS_MAX)
        return 0;
    if (markers && markers->count == MARKERS_MAX) {
        markers->lost++;
    } else if (markers) {
        struct marker_held *held = &markers->items[markers->count++];
        memcpy(&held->marker, bytes + FRAME_HEADER_BYTES, sizeof held->marker);
        held->channel = -1;
    }
    ring_consume(&channel->ring, FRAME_LATENCY_BYTES);
    return 1;
}

// One frame. 1 handled, 0 nothing there, the batch is full, or it must wait until the batch is
// handled, -EBADMSG.
static int take_frame(struct exchange_reader *r, struct in_channel *channel, uint32_t max_rows)
{
    const void *bytes;
    struct frame frame;
    int64_t available = ring_peek(&channel->ring, &bytes);
    if (available <= 0)
        return (int)available;
    if (frame_check(bytes, (uint64_t)available, &frame) < 0 || channel->state.has_ended)
        return -EBADMSG;
    if (frame.type == FRAME_DATA) {
        channel->state.is_idle = 0;
        if (channel->state.rows_left == 0)
            channel->state.rows_left = frame.rows;
        return take_rows(r, channel, max_rows, &frame, bytes);
    }
    if (channel->state.rows_left)
        return -EBADMSG; // the head stands on the frame that the rows are left of
    if (frame.type == FRAME_LATENCY)
        return take_marker(r, channel, bytes);
    if (r->batch.count > 0)
        return 0; // rows first, then what follows them
    if (frame.type == FRAME_WATERMARK) {
        memcpy(&channel->state.watermark_ms, (const char *)bytes + sizeof frame, 8);
        channel->state.is_idle = 0;
    }
    if (frame.type == FRAME_BARRIER)
        memcpy(&channel->state.barrier, (const char *)bytes + sizeof frame, 8);
    channel->state.is_idle |= frame.type == FRAME_IDLE;
    channel->state.has_ended |= frame.type == FRAME_END;
    ring_consume(&channel->ring, frame.bytes);
    return 1;
}

// Everything of one channel, until the batch is full or a control frame must wait for it.
static int take_channel(struct exchange_reader *r, struct in_channel *channel, uint32_t max_rows,
                        int64_t before)
{
    while (r->batch.count < max_rows && !is_blocked(r, channel)) {
        int rc = take_frame(r, channel, max_rows);
        if (rc <= 0 || minimum(r) > before)
            return rc;
    }
    return 0;
}

int exchange_reader_take(struct exchange_reader *r, uint32_t max_rows, int64_t *watermark_ms,
                         bool *ended)
{
    int64_t before = minimum(r);
    max_rows = max_rows < BATCH_ROWS ? max_rows : BATCH_ROWS;
    r->batch.count = 0;
    r->batch.has_kinds = false;
    *watermark_ms = INT64_MIN;
    for (int i = 0; i < r->channel_count; i++) {
        int at = (r->next_channel + i) % r->channel_count;
        int rc = take_channel(r, &r->channels[at], max_rows, before);
        if (rc < 0)
            return rc;
        if (r->batch.count >= max_rows || minimum(r) > before || exchange_reader_aligned(r))
            break;
    }
    r->next_channel = (r->next_channel + 1) % r->channel_count;
    row_decode_done(&r->batch);
    if (minimum(r) > before)
        *watermark_ms = minimum(r);
    *ended = true;
    for (int i = 0; i < r->channel_count; i++)
        *ended &= r->channels[i].state.has_ended != 0;
    return 0;
}

bool exchange_reader_ready(struct exchange_reader *r)
{
    const void *bytes;
    for (int i = 0; i < r->channel_count; i++)
        if (!is_blocked(r, &r->channels[i]) && ring_peek(&r->channels[i].ring, &bytes) != 0)
            return true;
    return false;
}
