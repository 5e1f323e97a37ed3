// exchange.h: both ends of an exchange inside a task: its output channels as the chain's last
// operator, its input channels as the chain's source of batches.
#ifndef WEIR_STAGES_RUNTIME_EXCHANGE_H
#define WEIR_STAGES_RUNTIME_EXCHANGE_H

#include "shm/ring.h"
#include "stages/runtime/frame.h"
#include "stages/runtime/operator.h"
#include "stages/runtime/task_state.h"

// --- writer ---

struct out_channel {
    struct ring_producer ring;
    uint64_t committed; // tail
    int task;           // who reads it
    bool is_news;       // the last publishing moved it
};

struct exchange_writer {
    struct operator base; // must be first
    const struct exchange *exchange;
    const struct schema *schema;
    struct out_channel *channels; // owned
    int channel_count;
    int next_channel; // rebalance
    int64_t sent_ms;  // last watermark put into the channels; private
    uint32_t dice;    // which channel the next marker goes into; private
    // Wait for room: 0 look again, -ECANCELED stop. Given by the task.
    int (*wait_room)(void *wait_context, struct out_channel *channel, uint64_t bytes);
    void *wait_context;
    uint32_t bounds[BATCH_ROWS]; // bytes that each row takes at most
    uint16_t target[BATCH_ROWS];
    uint16_t order[BATCH_ROWS];
    uint64_t hashes[BATCH_ROWS];
};

extern const struct operator_class exchange_writer_class;

struct exchange_writer *exchange_writer_create(const struct op_context *context);

// A control frame without a watermark (IDLE, END) into every channel.
int exchange_writer_control(struct exchange_writer *writer, enum frame_type type);

// The barrier of a checkpoint into every channel.
int exchange_writer_barrier(struct exchange_writer *writer, uint64_t checkpoint);

// A latency marker into one channel, behind what was written: *channel, or one that is drawn when
// it is -1. -EAGAIN: there is no room now; *channel is where it shall go.
int exchange_writer_marker(struct exchange_writer *writer, const struct marker *marker,
                           int *channel);

// --- reader ---

struct in_channel {
    struct ring_consumer ring;
    uint64_t committed; // head
    int task;           // who writes it
    bool is_news;       // the last publishing moved it
    struct channel_state state;
};

struct exchange_reader {
    struct in_channel *channels; // owned
    int channel_count;
    int next_channel; // where the next round begins: fair
    struct batch batch;
    struct err *err;
    // Where the batch's first row was: channel, its position, rows left of that frame.
    int first_channel;
    uint64_t first_position;
    uint32_t first_left;
    uint64_t passed;         // the last checkpoint whose barrier the task has passed on
    struct markers *markers; // where latency markers go; NULL: nowhere
};

// Reads until `max_rows` rows or a watermark that moved the minimum: fills the batch, *watermark_ms
// is the new minimum or INT64_MIN. *ended: every channel has delivered its end. -EBADMSG: damaged.
// A channel that has delivered a barrier is not read on until the others have delivered theirs.
int exchange_reader_take(struct exchange_reader *reader, uint32_t max_rows, int64_t *watermark_ms,
                         bool *ended);

// The checkpoint whose barrier has come through every channel that has not ended, and has not been
// passed on yet; 0: none. It stands behind everything that was taken and before everything else.
uint64_t exchange_reader_aligned(const struct exchange_reader *reader);

// Does a channel wait for others' barriers?
bool exchange_reader_aligns(const struct exchange_reader *reader);

// No barrier that was delivered so far will be waited for any more; returns the newest that was
// passed on or is forgone.
uint64_t exchange_reader_forgo(struct exchange_reader *reader);

// Anything to read in any channel?
bool exchange_reader_ready(struct exchange_reader *reader);

#endif
