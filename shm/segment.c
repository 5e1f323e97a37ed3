// segment.c: creating, checking, claiming and mapping segments.
//
//   R10 header_write -> A10 segment_open   the rest of the header
//
// What a crash leaves: a file whose version is 0, or shorter than a header; segment_open answers
// -ENODATA for both. A claim that was cut short is simply made again.
#include "shm/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/check.h"
#include "core/base/hash.h"
#include "shm/atomic.h"
#include "shm/huge.h"
#include "shm/segment_layout.h"

// fallocate on tmpfs undoes its work when a signal comes: small steps always get on.
static const uint64_t claim_step_bytes = UINT64_C(64) << 20;

static int boot_id_read(char out[40])
{
    memset(out, 0, 40);
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    ssize_t len = read(fd, out, 36);
    int status = len == 36 ? 0 : len < 0 ? -errno : -EIO;
    close(fd);
    return status;
}

static uint64_t header_checksum(const struct segment_header *header)
{
    struct segment_header copy;
    memcpy(&copy, header, sizeof(copy));
    copy.version = 0;
    copy.checksum = 0;
    return hash_bytes(&copy, sizeof(copy));
}

static void segment_init(struct segment *out, int fd, const char *name, bool writable)
{
    *out = (struct segment){.fd = fd, .writable = writable};
    snprintf(out->name, sizeof(out->name), "%s", name);
}

// Everything but the version, then the version.
static int header_write(struct segment *segment, const struct segment_spec *spec, struct err *err)
{
    CHECK(strlen(spec->kind) < sizeof((struct segment_header){0}.kind));
    struct segment_range range = {.bytes = SEGMENT_HEADER_BYTES, .writable = true};
    void *page;
    int status = segment_map(segment, &range, &page, err);
    if (status)
        return status;
    struct segment_header *header = page;
    header->magic = SEGMENT_MAGIC;
    header->header_bytes = SEGMENT_HEADER_BYTES;
    header->layout_hash = spec->layout_hash;
    header->segment_bytes = segment->bytes;
    header->job_fingerprint = spec->job_fingerprint;
    memcpy(header->kind, spec->kind, strlen(spec->kind));
    status = boot_id_read(header->boot_id);
    if (status) {
        err_set(err, status, "cannot read /proc/sys/kernel/random/boot_id: %s", strerror(-status));
    } else {
        header->checksum = header_checksum(header);
        // R10: pairs with A10 in segment_open; publishes the rest of the header
        atomic_release_u32(&header->version, SEGMENT_VERSION);
    }
    segment_unmap(page, SEGMENT_HEADER_BYTES);
    return status;
}

int segment_create(const struct segment_spec *spec, uint64_t bytes, struct segment *out,
                   struct err *err)
{
    return segment_create_at(spec, bytes, NULL, out, err);
}

int segment_create_at(const struct segment_spec *spec, uint64_t bytes, const struct place *place,
                      struct segment *out, struct err *err)
{
    CHECK(bytes >= SEGMENT_HEADER_BYTES && bytes % SEGMENT_PAGE_BYTES == 0);
    int fd =
        openat(spec->dir_fd, spec->name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_set(err, -errno, "cannot create segment %s: %s", spec->name, strerror(errno));
    segment_init(out, fd, spec->name, true);
    out->bytes = bytes;
    int status = 0;
    if (ftruncate(fd, (off_t)bytes) < 0)
        status = err_set(err, -errno, "cannot make segment %s %llu bytes long: %s", spec->name,
                         (unsigned long long)bytes, strerror(errno));
    // Its length comes first: it decides which pages the kernel takes.
    struct stat st;
    if (!status && fstat(fd, &st) == 0)
        out->huge_bytes = huge_page_bytes(&st);
    if (!status && place) // a wish: without it the memory comes from anywhere
        place_prefer(place, fd, bytes, NULL);
    if (!status)
        status = segment_claim(out, 0, SEGMENT_HEADER_BYTES, err);
    if (!status)
        status = header_write(out, spec, err);
    if (status) {
        segment_close(out);
        unlinkat(spec->dir_fd, spec->name, 0);
    }
    return status;
}

// Is this the header that the caller expects? The order goes from "not ours at all" to "of another
// run", so that the text names the first thing that is wrong.
static int header_check(const struct segment_header *header, const struct segment *segment,
                        const struct segment_spec *spec, struct err *err)
{
    const char *name = segment->name;
    char boot_id[40], kind[16] = {0};
    memcpy(kind, spec->kind, strlen(spec->kind));
    if (header->magic != SEGMENT_MAGIC)
        return err_set(err, -EILSEQ, "segment %s is not a segment of weir: wrong magic", name);
    if (header->version != SEGMENT_VERSION)
        return err_set(err, -EILSEQ, "segment %s has format version %u, this weir reads %d", name,
                       header->version, SEGMENT_VERSION);
    if (header->checksum != header_checksum(header) || header->header_bytes != SEGMENT_HEADER_BYTES)
        return err_set(err, -EILSEQ, "segment %s is damaged: header checksum is wrong", name);
    if (memcmp(header->kind, kind, sizeof(kind)) != 0)
        return err_set(err, -EILSEQ, "segment %s is of kind %.15s, not %s", name, header->kind,
                       kind);
    if (header->layout_hash != spec->layout_hash)
        return err_set(err, -EILSEQ,
                       "segment %s was made by another version of weir: layout "
                       "%016llx, this one uses %016llx",
                       name, (unsigned long long)header->layout_hash,
                       (unsigned long long)spec->layout_hash);
    if (header->segment_bytes != segment->bytes)
        return err_set(err, -EILSEQ, "segment %s is damaged: %llu bytes long, its header says %llu",
                       name, (unsigned long long)segment->bytes,
                       (unsigned long long)header->segment_bytes);
    int status = boot_id_read(boot_id);
    if (status || memcmp(header->boot_id, boot_id, sizeof(boot_id)) != 0)
        return err_set(err, -EILSEQ, "segment %s is from before the last boot", name);
    if (spec->job_fingerprint && header->job_fingerprint != spec->job_fingerprint)
        return err_set(err, -EILSEQ,
                       "segment %s belongs to another version of the job: its SQL or "
                       "options have changed",
                       name);
    return 0;
}

int segment_file_check(int fd, const char *what, struct err *err)
{
    enum { OTHERS_MAY_WRITE = 022, PERMISSIONS = 07777 };
    struct stat st;
    if (fstat(fd, &st) < 0)
        return err_set(err, -EILSEQ, "cannot look at %s: %s", what, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return err_set(err, -EILSEQ, "%s is %s, not a file", what,
                       S_ISDIR(st.st_mode) ? "a folder" : "something else");
    if (st.st_uid != geteuid())
        return err_set(err, -EILSEQ, "%s belongs to user %u, and the job is run by user %u", what,
                       (unsigned)st.st_uid, (unsigned)geteuid());
    if (st.st_mode & OTHERS_MAY_WRITE)
        return err_set(err, -EILSEQ,
                       "%s has permissions %04o: others may have written to it, it was made with "
                       "0600",
                       what, (unsigned)st.st_mode & PERMISSIONS);
    return 0;
}

const char *segment_explain(int code)
{
    return code == EISDIR   ? "it is a folder, not a file"
           : code == ELOOP  ? "it is a symbolic link, not a file"
           : code == EACCES ? "its permissions forbid it, it was made with 0600"
                            : strerror(code);
}

// -EILSEQ: it is there, but no segment.
static int cannot_open(const struct segment_spec *spec, int code, struct err *err)
{
    bool is_no_segment = code == EISDIR || code == ELOOP || code == EACCES || code == EPERM;
    return err_set(err, is_no_segment ? -EILSEQ : -code, "cannot open segment %s: %s", spec->name,
                   segment_explain(code));
}

// Is the file one of ours, and long enough for a header? Sets its sizes.
static int file_measure(struct segment *out, struct err *err)
{
    char what[sizeof(out->name) + sizeof("segment ")];
    struct stat st;
    snprintf(what, sizeof(what), "segment %s", out->name);
    int status = segment_file_check(out->fd, what, err);
    if (status)
        return status;
    if (fstat(out->fd, &st) < 0 || st.st_size == 0)
        return err_set(err, -ENODATA, "%s is empty: it was cut, or never finished", what);
    if (st.st_size < SEGMENT_HEADER_BYTES)
        return err_set(err, -ENODATA,
                       "%s is %lld bytes long, less than its header: it was cut, or never finished",
                       what, (long long)st.st_size);
    out->bytes = (uint64_t)st.st_size;
    out->huge_bytes = huge_page_bytes(&st);
    return 0;
}

int segment_open(const struct segment_spec *spec, bool writable, struct segment *out,
                 struct err *err)
{
    const char *name = spec->name;
    int flags = O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK; // a pipe in its place must not hold us up
    int fd = openat(spec->dir_fd, name, (writable ? O_RDWR : O_RDONLY) | flags);
    if (fd < 0)
        return cannot_open(spec, errno, err);
    segment_init(out, fd, name, writable);
    struct segment_range range = {.bytes = SEGMENT_HEADER_BYTES};
    void *page = NULL;
    int status = file_measure(out, err);
    if (!status)
        status = segment_map(out, &range, &page, err);
    if (!status) {
        const struct segment_header *header = page;
        // A10: pairs with R10 in header_write; the rest of the header
        if (!atomic_acquire_u32(&header->version))
            status = err_set(err, -ENODATA, "segment %s was never finished", name);
        else
            status = header_check(header, out, spec, err);
        segment_unmap(page, SEGMENT_HEADER_BYTES);
    }
    if (status)
        segment_close(out);
    return status;
}

void segment_close(struct segment *segment)
{
    if (segment->fd >= 0)
        close(segment->fd);
    segment->fd = -1;
}

int segment_unlink(int dir_fd, const char *name, struct err *err)
{
    if (unlinkat(dir_fd, name, 0) < 0)
        return err_set(err, -errno, "cannot remove segment %s: %s", name, strerror(errno));
    return 0;
}

// A claim that begins or ends inside a huge page would have the kernel fill that page twice.
static void widen_to_huge(const struct segment *segment, uint64_t *offset, uint64_t *bytes)
{
    const uint64_t huge = segment->huge_bytes;
    if (huge == 0 || *bytes == 0)
        return;
    uint64_t end = (*offset + *bytes + huge - 1) / huge * huge;
    *offset = *offset / huge * huge;
    *bytes = (end < segment->bytes ? end : segment->bytes) - *offset;
}

int segment_claim(struct segment *segment, uint64_t offset, uint64_t bytes, struct err *err)
{
    CHECK(offset <= segment->bytes && bytes <= segment->bytes - offset);
    uint64_t done = 0;
    widen_to_huge(segment, &offset, &bytes);
    while (done < bytes) {
        uint64_t step = bytes - done < claim_step_bytes ? bytes - done : claim_step_bytes;
        if (fallocate(segment->fd, 0, (off_t)(offset + done), (off_t)step) == 0) {
            done += step;
        } else if (errno != EINTR) {
            return err_set(err, -errno,
                           "cannot claim %llu bytes for segment %s (%llu done): %s; "
                           "give the job less memory.state, or memory.dir a larger file system",
                           (unsigned long long)bytes, segment->name, (unsigned long long)done,
                           strerror(errno));
        }
    }
    return 0;
}

// mmap with the checks that both forms share.
static int range_map(const struct segment *segment, const struct segment_range *range, void **at,
                     int flags, struct err *err)
{
    CHECK(range->offset % SEGMENT_PAGE_BYTES == 0 && range->bytes > 0);
    CHECK(range->offset <= segment->bytes && range->bytes <= segment->bytes - range->offset);
    CHECK(!range->writable || segment->writable);
    void *mapped = mmap(*at, range->bytes, range->writable ? PROT_READ | PROT_WRITE : PROT_READ,
                        MAP_SHARED | flags | (range->populate ? MAP_POPULATE : 0), segment->fd,
                        (off_t)range->offset);
    if (mapped == MAP_FAILED)
        return err_set(err, -errno, "cannot map %llu bytes of segment %s: %s",
                       (unsigned long long)range->bytes, segment->name, strerror(errno));
    *at = mapped;
    return 0;
}

// A huge page is mapped as one only where address and offset are the same modulo its size. The
// header page in front makes that offset odd for an arena.
static int map_aligned(const struct segment *segment, const struct segment_range *range, void **out,
                       struct err *err)
{
    const uint64_t huge = segment->huge_bytes, page = SEGMENT_PAGE_BYTES;
    uint64_t bytes = (range->bytes + page - 1) / page * page, room_bytes = bytes + huge;
    char *room =
        mmap(NULL, room_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (room == MAP_FAILED)
        return err_set(err, -errno, "cannot reserve %llu bytes of addresses for segment %s: %s",
                       (unsigned long long)room_bytes, segment->name, strerror(errno));
    uint64_t before = (range->offset - (uint64_t)(uintptr_t)room) & (huge - 1);
    void *at = room + before;
    int status = range_map(segment, range, &at, MAP_FIXED, err);
    if (status) {
        munmap(room, room_bytes);
        return status;
    }
    if (before)
        munmap(room, before);
    if (before < huge)
        munmap(room + before + bytes, huge - before);
    *out = at;
    return 0;
}

int segment_map(const struct segment *segment, const struct segment_range *range, void **out,
                struct err *err)
{
    *out = NULL;
    if (segment->huge_bytes && range->bytes >= segment->huge_bytes)
        return map_aligned(segment, range, out, err);
    return range_map(segment, range, out, 0, err);
}

int segment_map_at(const struct segment *segment, const struct segment_range *range, void *at,
                   struct err *err)
{
    return range_map(segment, range, &at, MAP_FIXED, err);
}

void segment_unmap(void *address, uint64_t bytes)
{
    if (address)
        munmap(address, bytes);
}
