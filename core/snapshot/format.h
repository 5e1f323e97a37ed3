// format.h: the bytes of a snapshot file: one task's arena at one barrier.
//
// A file is a sequence of frames. A frame is one header page of 4 KiB and up to 63 pages of
// payload, padded with zeroes to whole pages, so that it can be written with O_DIRECT:
//
//   HEAD    first: the layout of the arena, and the checkpoint that this one builds on
//   BLOCKS  pages of the arena as they were when they were copied, some time after the barrier
//   UNDO    a piece of the stream of undo entries (core/state/arena.h): what has changed since the
//           barrier. All payloads together, undone from the end, lead back to the barrier.
//   FOOT    last: counts. A file without one was never finished.
//
// Everything is little-endian. Every header page has a checksum of its own, every block one that is
// bound to (job, checkpoint, task, block number): a block in the wrong place is as bad as a wrong
// byte. What is read back is input: nothing in it is believed before it is checked. The layout byte
// by byte: docs/checkpoint-format.md.
#ifndef WEIR_CORE_SNAPSHOT_FORMAT_H
#define WEIR_CORE_SNAPSHOT_FORMAT_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/err.h"

// "weirsnp1" read as a little-endian word.
#define SNAPSHOT_MAGIC UINT64_C(0x31706e7372696577)

enum {
    SNAPSHOT_VERSION = 1,
    SNAPSHOT_PAGE_BYTES = 4096,
    SNAPSHOT_BLOCKS_MAX = 63, // pages of payload in a frame
    SNAPSHOT_PAYLOAD_MAX = SNAPSHOT_BLOCKS_MAX * SNAPSHOT_PAGE_BYTES,
    SNAPSHOT_FRAME_MAX = SNAPSHOT_PAYLOAD_MAX + SNAPSHOT_PAGE_BYTES,
};

enum snapshot_frame_kind {
    SNAPSHOT_HEAD = 1,
    SNAPSHOT_BLOCKS = 2,
    SNAPSHOT_UNDO = 3,
    SNAPSHOT_FOOT = 4,
};

// What every checksum is bound to.
struct snapshot_id {
    uint64_t job;        // fingerprint of the plan
    uint64_t checkpoint; // 1 ..
    uint32_t task;
    uint32_t attempt; // of the process that wrote the file; for people
};

// SNAPSHOT_HEAD.
struct snapshot_head {
    uint64_t base;        // the checkpoint whose blocks are built on; 0: none, this one is full
    uint64_t layout_hash; // of the arena, as in its header
    uint64_t total_bytes; // of the arena
    uint64_t log_bytes;
    uint64_t top;        // bytes of the arena in use at the barrier, from its start
    uint64_t used_bytes; // of live blocks at the barrier
};

// SNAPSHOT_BLOCKS, one a page of payload, ascending over the file.
struct snapshot_block {
    uint64_t number; // offset in the arena / 4096
    uint32_t crc;
    uint32_t reserved; // 0
};

// SNAPSHOT_FOOT.
struct snapshot_foot {
    uint64_t frames; // this one included
    uint64_t blocks;
    uint64_t undo_bytes;
};

// The header page of a frame.
struct snapshot_frame {
    uint64_t magic;
    uint32_t version;
    uint32_t kind; // enum snapshot_frame_kind
    struct snapshot_id id;
    uint64_t index;       // 0 ..
    uint32_t bytes;       // of payload, without padding
    uint32_t blocks;      // SNAPSHOT_BLOCKS: how many
    uint32_t payload_crc; // SNAPSHOT_UNDO: of the payload with its padding
    uint32_t header_crc;  // of this page, with 0 here
    union {
        struct snapshot_head head;
        struct snapshot_foot foot;
        struct snapshot_block block[SNAPSHOT_BLOCKS_MAX];
    };
    uint8_t
        reserved[SNAPSHOT_PAGE_BYTES - 64 - SNAPSHOT_BLOCKS_MAX * sizeof(struct snapshot_block)];
};

static_assert(sizeof(struct snapshot_id) == 24, "layout");
static_assert(sizeof(struct snapshot_head) == 48, "layout");
static_assert(sizeof(struct snapshot_block) == 16, "layout");
static_assert(offsetof(struct snapshot_frame, id) == 16, "layout");
static_assert(offsetof(struct snapshot_frame, index) == 40, "layout");
static_assert(offsetof(struct snapshot_frame, header_crc) == 60, "layout");
static_assert(offsetof(struct snapshot_frame, block) == 64, "layout");
static_assert(sizeof(struct snapshot_frame) == SNAPSHOT_PAGE_BYTES, "layout");

// CRC32C (Castagnoli) of `bytes`, going on from `crc`; begin with 0.
uint32_t snapshot_crc(uint32_t crc, const void *bytes, size_t len);

// The checksum of one block; of the padded payload of UNDO frame
// `index`.
uint32_t snapshot_block_crc(const struct snapshot_id *id, uint64_t number, const void *page);
uint32_t snapshot_undo_crc(const struct snapshot_id *id, uint64_t index, const void *bytes,
                           size_t len);

// Bytes of the payload with its padding.
static inline uint32_t snapshot_padded(uint32_t bytes)
{
    return (bytes + SNAPSHOT_PAGE_BYTES - 1) & ~(uint32_t)(SNAPSHOT_PAGE_BYTES - 1);
}

// Fill in the constant words and the checksum of a header page whose other fields are set.
void snapshot_seal(struct snapshot_frame *frame);

// Is this a sound header page of frame `index` of (job, checkpoint, task)? -EBADMSG: damaged or not
// in its place; -EPROTO: another version. id->attempt is not compared.
int snapshot_frame_check(const struct snapshot_frame *frame, const struct snapshot_id *id,
                         uint64_t index, struct err *err);

#endif
