// task_state.h: what of a task's own must outlive it: a root of its arena.
//
// Copied to private memory after attach and abort, written back before each commit.
#ifndef WEIR_STAGES_RUNTIME_TASK_STATE_H
#define WEIR_STAGES_RUNTIME_TASK_STATE_H

#include <stdint.h>

// 253 is that of dead letters in a topic (stages/sink/kafka_letters.c).
enum { TASK_ROOT = 255, DEAD_LETTER_ROOT = 254, LETTERS_TABLE_ROOT = 252 };

struct channel_state {
    uint64_t position;    // committed head (of an input) or tail (of an output)
    int64_t watermark_ms; // input: last one it delivered
    uint32_t rows_left;   // input: rows of the frame at the head that are not taken yet
    uint16_t is_idle;     // input: does not hold the watermark back
    uint16_t has_ended;   // input
    uint64_t barrier;     // input: the checkpoint whose barrier it delivered last; 0: none
};

struct task_state {
    uint64_t rows_in, rows_out, bad_rows, late_rows;
    uint64_t bytes_in, bytes_out; // of sources and sinks; rings count their own
    int64_t newest_ms;            // source: the latest event time
    int64_t current_ms;           // source: the running maximum of the watermark expression
    int64_t flink_ms;             // source: what Flink would have emitted last
    int64_t emitted_ms;           // what the chain has been given last
    uint64_t end_started;         // the watermark MAX has been given to the chain
    uint64_t has_ended;           // everything is handled
    uint64_t is_known;            // the watermarks have been laid to "none yet"
    uint64_t barrier;             // the last checkpoint whose barrier has passed this task; 0: none
    uint64_t barrier_epoch;       // the arena's first epoch behind it
};

#endif
