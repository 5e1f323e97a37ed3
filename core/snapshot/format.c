// format.c: seal and check the frames of a snapshot file.
#include "core/snapshot/format.h"

#include <errno.h>
#include <inttypes.h>
#include <isa-l/crc.h>
#include <limits.h>
#include <string.h>

#include "core/base/check.h"

uint32_t snapshot_crc(uint32_t crc, const void *bytes, size_t len)
{
    CHECK(len <= INT_MAX);
    // The library takes a pointer to what it only reads.
    return ~crc32_iscsi((unsigned char *)(uintptr_t)bytes, (int)len, ~crc);
}

// (job, checkpoint, task, number): what a payload's checksum begins with.
static uint32_t bound_crc(const struct snapshot_id *id, uint64_t number)
{
    const uint64_t words[] = {id->job, id->checkpoint, id->task, number};
    return snapshot_crc(0, words, sizeof words);
}

uint32_t snapshot_block_crc(const struct snapshot_id *id, uint64_t number, const void *page)
{
    return snapshot_crc(bound_crc(id, number), page, SNAPSHOT_PAGE_BYTES);
}

uint32_t snapshot_undo_crc(const struct snapshot_id *id, uint64_t index, const void *bytes,
                           size_t len)
{
    return snapshot_crc(bound_crc(id, ~index), bytes, len);
}

static uint32_t header_crc(const struct snapshot_frame *frame)
{
    const uint32_t zero = 0;
    const size_t at = offsetof(struct snapshot_frame, header_crc);
    uint32_t crc = snapshot_crc(0, frame, at);
    crc = snapshot_crc(crc, &zero, sizeof zero);
    return snapshot_crc(crc, (const uint8_t *)frame + at + sizeof zero,
                        sizeof *frame - at - sizeof zero);
}

void snapshot_seal(struct snapshot_frame *frame)
{
    frame->magic = SNAPSHOT_MAGIC;
    frame->version = SNAPSHOT_VERSION;
    frame->header_crc = header_crc(frame);
}

static int check_counts(const struct snapshot_frame *frame, struct err *err)
{
    bool is_blocks = frame->kind == SNAPSHOT_BLOCKS;
    if (frame->kind < SNAPSHOT_HEAD || frame->kind > SNAPSHOT_FOOT ||
        frame->bytes > SNAPSHOT_PAYLOAD_MAX || frame->blocks > SNAPSHOT_BLOCKS_MAX ||
        frame->bytes != (is_blocks ? frame->blocks * SNAPSHOT_PAGE_BYTES : frame->bytes) ||
        (!is_blocks && frame->blocks) ||
        (frame->kind != SNAPSHOT_BLOCKS && frame->kind != SNAPSHOT_UNDO && frame->bytes))
        return err_set(err, -EBADMSG, "frame %" PRIu64 " has counts that cannot be", frame->index);
    return 0;
}

int snapshot_frame_check(const struct snapshot_frame *frame, const struct snapshot_id *id,
                         uint64_t index, struct err *err)
{
    if (frame->magic != SNAPSHOT_MAGIC)
        return err_set(err, -EBADMSG, "no frame where frame %" PRIu64 " should begin", index);
    // A version whose checksum is right is one; else it is damage, and an older checkpoint may do.
    if (frame->version != SNAPSHOT_VERSION && frame->header_crc == header_crc(frame))
        return err_set(err, -EPROTO,
                       "the snapshot has format version %" PRIu32
                       ", this program reads version %d: use the program that wrote it",
                       frame->version, SNAPSHOT_VERSION);
    if (frame->version != SNAPSHOT_VERSION || frame->header_crc != header_crc(frame))
        return err_set(err, -EBADMSG, "the header of frame %" PRIu64 " is damaged (its checksum)",
                       index);
    if (frame->id.job != id->job || frame->id.checkpoint != id->checkpoint ||
        frame->id.task != id->task)
        return err_set(err, -EBADMSG,
                       "frame %" PRIu64 " belongs to job %016" PRIx64 ", checkpoint %" PRIu64
                       ", task %" PRIu32 "; wanted are %016" PRIx64 ", %" PRIu64 ", %" PRIu32,
                       index, frame->id.job, frame->id.checkpoint, frame->id.task, id->job,
                       id->checkpoint, id->task);
    if (frame->index != index)
        return err_set(err, -EBADMSG, "frame %" PRIu64 " where frame %" PRIu64 " should be",
                       frame->index, index);
    return check_counts(frame, err);
}
