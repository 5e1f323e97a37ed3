// exchange_writer.c: rows of a batch into frames of the output rings, without a copy in between.
//
// What is written lies past the published tail: it exists for nobody until the task has committed.
#include "stages/runtime/exchange.h"

#include <errno.h>
#include <stdlib.h>

#include "core/format/writer.h"
#include "core/row/pack.h"
#include "stages/runtime/partition.h"

struct exchange_writer *exchange_writer_create(const struct op_context *context)
{
    struct exchange_writer *w = calloc(1, sizeof *w);
    const struct stage *stage = context->stage;
    CHECK(w && stage->output_exchange >= 0);
    w->base = (struct operator){.class = &exchange_writer_class, .context = *context};
    w->base.context.next = NULL;
    w->exchange = &context->plan->exchanges[stage->output_exchange];
    w->schema = &stage->ops[stage->op_count - 1]->output;
    w->sent_ms = INT64_MIN;
    w->dice = (uint32_t)(context->subtask + 1) * 2654435761u;
    return w;
}

// Space for one frame, waiting for the reader while that can help. 0, -EAGAIN, -ECANCELED.
static int reserve(struct exchange_writer *w, struct out_channel *channel, uint64_t bytes,
                   void **out)
{
    for (;;) {
        *out = ring_reserve(&channel->ring, bytes);
        if (*out)
            return 0;
        // Our own transaction fills the ring: no reader can make room before we commit.
        if (channel->ring.position - channel->committed + bytes > channel->ring.capacity)
            return -EAGAIN;
        int rc = w->wait_room(w->wait_context, channel, bytes);
        if (rc < 0)
            return rc;
    }
}

static void choose_targets(struct exchange_writer *w, const struct batch *batch)
{
    uint64_t n = (uint64_t)w->channel_count;
    memset(w->target, 0, batch->count * sizeof *w->target);
    if (n == 1)
        return;
    if (w->exchange->kind != EXCHANGE_HASH) {
        uint16_t next = (uint16_t)(w->next_channel++ % w->channel_count);
        for (uint32_t i = 0; i < batch->count; i++)
            w->target[i] = next;
        return;
    }
    partition_hash(batch, w->exchange->hash_columns, w->exchange->hash_column_count, w->hashes);
    for (uint32_t i = 0; i < batch->count; i++)
        w->target[i] = (uint16_t)partition_target(w->hashes[i], n);
}

static uint64_t frame_base_bytes(const struct batch *batch)
{
    return FRAME_HEADER_BYTES + pack_base_bytes(batch->column_count);
}

// Put rows order[from, to) into one frame.
static int put_frame(struct exchange_writer *w, int at, const struct batch *batch, uint32_t from,
                     uint32_t to)
{
    uint64_t bound = frame_base_bytes(batch);
    void *space;
    for (uint32_t i = from; i < to; i++)
        bound += w->bounds[w->order[i]];
    bound = (bound + 7) & ~UINT64_C(7);
    int rc = reserve(w, &w->channels[at], bound, &space);
    if (rc < 0)
        return rc;
    uint64_t bytes = FRAME_HEADER_BYTES + pack_rows(batch, w->order + from, to - from,
                                                    (char *)space + FRAME_HEADER_BYTES);
    const struct frame frame = {(uint32_t)bytes, FRAME_DATA, (uint16_t)(to - from)};
    CHECK(bytes <= bound);
    memcpy(space, &frame, sizeof frame);
    ring_advance(&w->channels[at].ring, bytes);
    return 0;
}

static void report_large_row(struct exchange_writer *w, const struct batch *batch, uint32_t row)
{
    const struct op_context *context = &w->base.context;
    struct buf text = {0};
    writer_print_row(batch, row, w->schema, &text);
    context->bad_row(context->bad_row_context, context->stage->name, 0,
                     "the row is larger than a channel", buf_slice(&text));
    buf_fini(&text);
}

// Rows for one channel, in frames of at most a quarter of the ring (a larger row has its own).
static int put_rows(struct exchange_writer *w, int at, const struct batch *batch)
{
    uint64_t capacity = w->channels[at].ring.capacity, base = frame_base_bytes(batch);
    uint64_t bytes = base;
    uint32_t count = 0, from = 0;
    for (uint32_t i = 0; i < batch->count; i++) {
        if (w->target[i] != at)
            continue;
        if (w->bounds[i] + base + FRAME_CONTROL_BYTES + 8 > capacity) {
            report_large_row(w, batch, i);
            continue;
        }
        if (count > from && bytes + w->bounds[i] > capacity / 4) {
            int rc = put_frame(w, at, batch, from, count);
            if (rc < 0)
                return rc;
            from = count;
            bytes = base;
        }
        w->order[count++] = (uint16_t)i;
        bytes += w->bounds[i];
    }
    return count > from ? put_frame(w, at, batch, from, count) : 0;
}

static int writer_push(struct operator* op, struct batch *batch)
{
    struct exchange_writer *w = (struct exchange_writer *)op;
    pack_row_bounds(batch, w->bounds);
    choose_targets(w, batch);
    for (int at = 0; at < w->channel_count; at++) {
        int rc = put_rows(w, at, batch);
        if (rc < 0)
            return rc;
    }
    *op->context.rows_out += batch->count;
    return 0;
}

static int put_control(struct exchange_writer *w, enum frame_type type, uint64_t bytes,
                       int64_t word)
{
    for (int at = 0; at < w->channel_count; at++) {
        const struct frame frame = {(uint32_t)bytes, (uint16_t)type, 0};
        void *space;
        int rc = reserve(w, &w->channels[at], bytes, &space);
        if (rc < 0)
            return rc;
        memcpy(space, &frame, sizeof frame);
        if (bytes == FRAME_CONTROL_BYTES)
            memcpy((char *)space + sizeof frame, &word, sizeof word);
        ring_advance(&w->channels[at].ring, bytes);
    }
    return 0;
}

int exchange_writer_control(struct exchange_writer *w, enum frame_type type)
{
    CHECK(type == FRAME_IDLE || type == FRAME_END);
    return put_control(w, type, FRAME_HEADER_BYTES, 0);
}

int exchange_writer_barrier(struct exchange_writer *w, uint64_t checkpoint)
{
    return put_control(w, FRAME_BARRIER, FRAME_CONTROL_BYTES, (int64_t)checkpoint);
}

// Marsaglia's xorshift: which one does not matter, only that it is another one each time and in no
// step with what other tasks draw.
static int draw_channel(struct exchange_writer *w)
{
    w->dice ^= w->dice << 13;
    w->dice ^= w->dice >> 17;
    w->dice ^= w->dice << 5;
    return (int)(w->dice % (uint32_t)w->channel_count);
}

int exchange_writer_marker(struct exchange_writer *w, const struct marker *marker, int *channel)
{
    const struct frame frame = {FRAME_LATENCY_BYTES, FRAME_LATENCY, 0};
    if (*channel < 0)
        *channel = w->channel_count > 1 ? draw_channel(w) : 0;
    struct ring_producer *ring = &w->channels[*channel].ring;
    char *space = ring_reserve(ring, FRAME_LATENCY_BYTES);
    if (!space)
        return -EAGAIN;
    memcpy(space, &frame, sizeof frame);
    memcpy(space + sizeof frame, marker, sizeof *marker);
    ring_advance(ring, FRAME_LATENCY_BYTES);
    return 0;
}

static int64_t bucket_of(int64_t watermark_ms, int64_t step, int64_t offset)
{
    __int128 at = (__int128)watermark_ms + 1 - offset;
    return (int64_t)(at >= 0 ? at / step : -((-at + step - 1) / step));
}

static int writer_watermark(struct operator* op, int64_t watermark_ms)
{
    struct exchange_writer *w = (struct exchange_writer *)op;
    int64_t step = w->exchange->watermark_step_ms, offset = w->exchange->watermark_offset_ms;
    if (step > 0 && watermark_ms != INT64_MAX && w->sent_ms != INT64_MIN &&
        bucket_of(watermark_ms, step, offset) == bucket_of(w->sent_ms, step, offset))
        return 0;
    int rc = put_control(w, FRAME_WATERMARK, FRAME_CONTROL_BYTES, watermark_ms);
    if (rc == 0)
        w->sent_ms = watermark_ms;
    return rc;
}

static void writer_reset(struct operator* op)
{
    struct exchange_writer *w = (struct exchange_writer *)op;
    w->sent_ms = INT64_MIN; // sending one again does no harm
    for (int i = 0; i < w->channel_count; i++)
        ring_rewind(&w->channels[i].ring, w->channels[i].committed);
}

static void writer_close(struct operator* op)
{
    struct exchange_writer *w = (struct exchange_writer *)op;
    for (int i = 0; i < w->channel_count; i++)
        if (w->channels[i].ring.mapping)
            ring_producer_close(&w->channels[i].ring);
    free(w->channels);
    free(w);
}

const struct operator_class exchange_writer_class = {
    .name = "exchange",
    .push = writer_push,
    .watermark = writer_watermark,
    .reset = writer_reset,
    .close = writer_close,
};
