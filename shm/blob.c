// blob.c: a segment that holds a length, a checksum and bytes; written once.
//
// What a crash leaves: the length is stored last, so a blob half written has length 0 and a
// checksum that does not match.
#include "shm/blob.h"

#include <errno.h>
#include <string.h>

#include "core/base/check.h"
#include "core/base/hash.h"
#include "shm/segment.h"

struct blob_head { // at SEGMENT_PAGE_BYTES; the bytes follow
    uint64_t len;
    uint64_t checksum; // XXH3 of the bytes
};

_Static_assert(sizeof(struct blob_head) == 16, "layout");

#define BLOB_LAYOUT_HASH UINT64_C(0x424c4f4200000001)

static const uint64_t blob_max_bytes = UINT64_C(64) << 20;

static uint64_t round_to_page(uint64_t bytes)
{
    return (bytes + SEGMENT_PAGE_BYTES - 1) / SEGMENT_PAGE_BYTES * SEGMENT_PAGE_BYTES;
}

int blob_create(int dir_fd, const char *name, uint64_t job_fingerprint, struct slice bytes,
                struct err *err)
{
    CHECK(bytes.len <= blob_max_bytes);
    struct segment_spec spec = {dir_fd, name, "blob", BLOB_LAYOUT_HASH, job_fingerprint};
    struct segment segment;
    uint64_t mapped = round_to_page(sizeof(struct blob_head) + bytes.len);
    struct segment_range range = {SEGMENT_PAGE_BYTES, mapped, .writable = true};
    void *at;
    int status = segment_create(&spec, SEGMENT_PAGE_BYTES + mapped, &segment, err);
    if (status)
        return status;
    status = segment_claim(&segment, SEGMENT_PAGE_BYTES, mapped, err);
    if (!status)
        status = segment_map(&segment, &range, &at, err);
    if (!status) {
        struct blob_head *head = at;
        if (bytes.len)
            memcpy(head + 1, bytes.ptr, bytes.len);
        head->checksum = hash_slice(bytes);
        head->len = bytes.len;
        segment_unmap(at, mapped);
    }
    segment_close(&segment);
    if (status)
        segment_unlink(dir_fd, name, NULL);
    return status;
}

int blob_read(int dir_fd, const char *name, uint64_t job_fingerprint, struct buf *out,
              struct err *err)
{
    struct segment_spec spec = {dir_fd, name, "blob", BLOB_LAYOUT_HASH, job_fingerprint};
    struct segment segment;
    void *at;
    int status = segment_open(&spec, false, &segment, err);
    if (status)
        return status;
    uint64_t mapped = segment.bytes - SEGMENT_PAGE_BYTES;
    struct segment_range range = {SEGMENT_PAGE_BYTES, mapped, .writable = false};
    if (mapped < sizeof(struct blob_head))
        status = err_set(err, -EILSEQ, "segment %s is damaged: it has no content", name);
    if (!status)
        status = segment_map(&segment, &range, &at, err);
    if (!status) {
        const struct blob_head *head = at;
        struct slice bytes = slice_make(head + 1, head->len);
        if (bytes.len > mapped - sizeof(*head) || hash_slice(bytes) != head->checksum)
            status = err_set(err, -EILSEQ, "segment %s is damaged: its checksum is wrong", name);
        else if (bytes.len)
            buf_append(out, bytes.ptr, bytes.len);
        segment_unmap(at, mapped);
    }
    segment_close(&segment);
    return status;
}
