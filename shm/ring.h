// ring.h: a single-producer single-consumer byte ring in shared memory: one channel.
//
// It knows nothing of what it carries. Positions are 64-bit byte counts that only grow. Each side
// works at a *private* position, ahead of the word that it has published; what lies between is a
// transaction in progress. The committed positions live in the owner's arena: after a death the
// successor attaches with them, publishes them, and the unfinished transaction has never been.
//
// Progress: every call is wait-free.
#ifndef WEIR_SHM_RING_H
#define WEIR_SHM_RING_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/check.h"
#include "core/base/err.h"
#include "shm/atomic.h"
#include "shm/ring_layout.h"

struct ring_producer {
    char *data; // the data, twice in a row
    uint64_t capacity;
    uint64_t position;    // private: where the next byte goes
    uint64_t cached_head; // the consumer's word as last seen
    struct ring_producer_page *own;
    const struct ring_consumer_page *other;
    void *mapping; // for ring_producer_close
};

struct ring_consumer {
    const char *data;
    uint64_t capacity;
    uint64_t position; // private: the next byte to read
    uint64_t cached_tail;
    const struct ring_producer_page *other;
    struct ring_consumer_page *own;
    void *mapping;
};

// Bytes of a ring file with this capacity.
uint64_t ring_file_bytes(uint64_t capacity);

// Make `fd` (an empty file, on tmpfs for preference) a ring. Its memory is claimed here, so that no
// later access can find a hole. capacity: a power of two, at least a page. -ENOSPC when the memory
// is not there.
int ring_create(int fd, uint64_t capacity, uint64_t fingerprint, struct err *err);

// A ring that nobody has attached yet begins at `position` instead of 0: it is empty, and both
// sides have come that far in an earlier life of the job.
int ring_start_at(int fd, uint64_t fingerprint, uint64_t position, struct err *err);

// Is it a whole ring of this job, and do its positions fit each other? -EPROTO with a text.
int ring_check(int fd, uint64_t fingerprint, struct err *err);

// Where a channel is, for whoever only looks: read, never mapped, so whatever becomes of the file
// meanwhile, it is an answer or an error. Positions as they were published, the head first.
struct ring_level {
    uint64_t capacity;
    uint64_t tail, head; // bytes since the ring was made; head <= tail, both only grow
};
int ring_look(int fd, uint64_t fingerprint, struct ring_level *out, struct err *err);

// Map as producer or consumer and start at the committed position. The header and the words of the
// other side are validated: -EPROTO with a text when they cannot be. The fd may be closed
// afterwards.
int ring_attach_producer(int fd, uint64_t fingerprint, uint64_t committed_tail,
                         struct ring_producer *out, struct err *err);
int ring_attach_consumer(int fd, uint64_t fingerprint, uint64_t committed_head,
                         struct ring_consumer *out, struct err *err);
// The same in two steps, for a process that waits for its turn. Mapping changes nothing and may be
// done beside a living producer or consumer; beginning is for who owns the end.
int ring_map_producer(int fd, uint64_t fingerprint, struct ring_producer *out, struct err *err);
int ring_map_consumer(int fd, uint64_t fingerprint, struct ring_consumer *out, struct err *err);
int ring_begin_producer(struct ring_producer *ring, uint64_t committed_tail, struct err *err);
int ring_begin_consumer(struct ring_consumer *ring, uint64_t committed_head, struct err *err);
// Fault the pages of a mapped ring in; *bytes grows by what that was.
int ring_fault_in(const void *mapping, uint64_t capacity, uint64_t *bytes);
void ring_producer_close(struct ring_producer *ring);
void ring_consumer_close(struct ring_consumer *ring);

// --- the data path ---
//
// Inline: the other side's word is looked at only where the last look at it is used up.

// Look at the consumer's word. Is there room for `bytes` now?
bool ring_look_for_room(struct ring_producer *ring, uint64_t bytes);
// Look at the producer's word. -EPROTO when it cannot be.
int ring_look_for_frames(struct ring_consumer *ring);

// Room for `bytes` in one piece at the private position, or NULL while the consumer has not freed
// it. A request over the capacity is never met.
static inline void *ring_reserve(struct ring_producer *ring, uint64_t bytes)
{
    if (UNLIKELY(ring->position + bytes - ring->cached_head > ring->capacity) &&
        !ring_look_for_room(ring, bytes))
        return NULL;
    return ring->data + (ring->position & (ring->capacity - 1));
}

// The private position moves on by `bytes` that were reserved and written.
static inline void ring_advance(struct ring_producer *ring, uint64_t bytes)
{
    ring->position += bytes;
}

// Forget what was written past the committed tail.
static inline void ring_rewind(struct ring_producer *ring, uint64_t committed_tail)
{
    ring->position = committed_tail;
}

// Make everything before `committed_tail` visible. It never moves back.
static inline void ring_publish(struct ring_producer *ring, uint64_t committed_tail)
{
    CHECK(committed_tail <= ring->position);
    // R1: pairs with A1 in ring_look_for_frames, ring_begin_consumer; publishes the frames
    atomic_release_u64(&ring->own->tail, committed_tail);
}

// Bytes readable in one piece at the private position; *out points to them. -EPROTO when the
// producer's word cannot be (it ran back, or claims more than the ring holds).
static inline int64_t ring_peek(struct ring_consumer *ring, const void **out)
{
    if (ring->cached_tail == ring->position) {
        int status = ring_look_for_frames(ring);
        if (UNLIKELY(status < 0))
            return status;
    }
    *out = ring->data + (ring->position & (ring->capacity - 1));
    return (int64_t)(ring->cached_tail - ring->position);
}

// The private position moves on by `bytes` that were peeked.
static inline void ring_consume(struct ring_consumer *ring, uint64_t bytes)
{
    ring->position += bytes;
}

// Read again from the committed head.
static inline void ring_consumer_rewind(struct ring_consumer *ring, uint64_t committed_head)
{
    ring->position = committed_head;
}

// Give everything before `committed_head` back to the producer. It never moves back.
static inline void ring_release(struct ring_consumer *ring, uint64_t committed_head)
{
    CHECK(committed_head <= ring->position);
    // R2: pairs with A2 in ring_look_for_room, ring_begin_producer; publishes the free space
    atomic_release_u64(&ring->own->head, committed_head);
}

#endif
