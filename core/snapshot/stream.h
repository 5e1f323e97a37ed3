// stream.h: the undo entries on their way from the task, which makes them, to whoever writes the
// file: a queue of bytes in pieces of a frame's payload.
//
// One thread appends, one takes; they may be the same. Nothing is moved: appending and taking cost
// the same however much waits. Memory of pieces that were taken is used again, some of it also for
// the next snapshot. The appender never waits for the taker, except to stop it.
//
// The taker says when it needs no more (want_end), the appender ends it when that suits (end).
#ifndef WEIR_CORE_SNAPSHOT_STREAM_H
#define WEIR_CORE_SNAPSHOT_STREAM_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/slice.h"

struct stream_piece;

struct stream_list {
    struct stream_piece *first, *last;
};

struct stream {
    // The appender's:
    struct stream_piece *open; // being filled, or NULL
    struct stream_list full;   // not handed over yet
    bool is_short;             // there was no memory: entries are lost
    pthread_mutex_t mutex;
    pthread_cond_t has_news; // for the taker
    // Under the mutex:
    struct stream_list given;   // handed over
    struct stream_piece *spare; // not in use
    uint32_t spare_count;
    uint64_t bytes;                       // handed over and not taken
    uint64_t peak_bytes, last_peak_bytes; // the most of them, since the reset and before it
    bool is_end_wanted, is_ended;
    bool is_stopped; // the appender wants to hear no more of it
};

void stream_init(struct stream *s);
void stream_fini(struct stream *s);

// Empty and not ended, as after init, with the memory that it has. Neither side is at work.
void stream_reset(struct stream *s);

// --- the appender's ---

void stream_append(struct stream *s, const void *bytes, size_t len);

struct stream_news {
    bool is_end_wanted;
    uint64_t waiting; // bytes handed over and not taken; UINT64_MAX: there was no memory, entries
                      // are lost
};

// Hand over the pieces that are full. When the taker is in the way: nothing is done, and no news.
struct stream_news stream_give(struct stream *s);

// The last piece, full or not, is handed over; nothing more comes. false: the taker is in the way,
// try again.
bool stream_end(struct stream *s);

// The taker is to give up: stream_is_stopped.
void stream_stop(struct stream *s);

// --- the taker's ---

// Of the first piece: SNAPSHOT_PAYLOAD_MAX bytes, less only in the last piece; empty: nothing
// waits. Valid until it is dropped.
struct slice stream_first(struct stream *s);
void stream_drop_first(struct stream *s);

void stream_want_end(struct stream *s);

// Nothing waits, and nothing more comes.
bool stream_is_empty_for_good(struct stream *s);

bool stream_is_stopped(struct stream *s);

// Sleep until it is ended or stopped, for `ns` at most.
void stream_wait_end(struct stream *s, int64_t ns);

#endif
