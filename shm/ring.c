// ring.c: mapping the pages with the rights of each side, and the four ordered accesses.
//
//   R1 ring_publish  -> A1 ring_look_for_frames   the frames before tail
//   R2 ring_release  -> A2 ring_look_for_room     the space before head
//
// What a crash leaves: the words only ever hold committed positions, so a producer that dies while
// it writes leaves bytes past tail, which do not exist, and a consumer that dies while it reads
// leaves head where it was.
#include "shm/ring.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/check.h"
#include "shm/atomic.h"
#include "shm/ring_layout.h"

enum { PRODUCER_PAGE = 1, CONSUMER_PAGE = 2, DATA_PAGE = 3 };

uint64_t ring_file_bytes(uint64_t capacity)
{
    return (uint64_t)DATA_PAGE * RING_PAGE_BYTES + capacity;
}

static bool capacity_is_valid(uint64_t capacity)
{
    return capacity >= RING_PAGE_BYTES && capacity <= (uint64_t)1 << 40 &&
           (capacity & (capacity - 1)) == 0;
}

int ring_create(int fd, uint64_t capacity, uint64_t fingerprint, struct err *err)
{
    if (!capacity_is_valid(capacity))
        return err_set(err, -EINVAL,
                       "ring of %llu bytes: the size must be a power of two, %d or more",
                       (unsigned long long)capacity, RING_PAGE_BYTES);
    int status = posix_fallocate(fd, 0, (off_t)ring_file_bytes(capacity));
    if (status)
        return err_set(err, -status, "cannot claim %llu bytes for a ring: %s",
                       (unsigned long long)ring_file_bytes(capacity), strerror(status));
    struct ring_header header = {.version = RING_LAYOUT_VERSION,
                                 .page_bytes = RING_PAGE_BYTES,
                                 .capacity = capacity,
                                 .fingerprint = fingerprint};
    uint64_t magic = RING_MAGIC;
    if (pwrite(fd, &header, sizeof(header), 0) != sizeof(header) ||
        pwrite(fd, &magic, sizeof(magic), 0) != sizeof(magic))
        return err_set(err, -EIO, "cannot write a ring's header: %s", strerror(errno));
    return 0;
}

static int header_check(int fd, uint64_t fingerprint, struct ring_header *header, struct err *err)
{
    struct stat st;
    if (pread(fd, header, sizeof(*header), 0) != sizeof(*header) || fstat(fd, &st) < 0)
        return err_set(err, -EPROTO, "ring segment is shorter than its header");
    if (header->magic != RING_MAGIC)
        return err_set(err, -EPROTO, "this is no ring segment, or it was never finished");
    if (header->version != RING_LAYOUT_VERSION || header->page_bytes != RING_PAGE_BYTES)
        return err_set(err, -EPROTO,
                       "ring layout %u, this program knows %d: stop the job and run it anew",
                       header->version, RING_LAYOUT_VERSION);
    if (!capacity_is_valid(header->capacity) ||
        (uint64_t)st.st_size < ring_file_bytes(header->capacity))
        return err_set(err, -EPROTO,
                       "ring segment is damaged: it claims %llu bytes of data in a file of %lld",
                       (unsigned long long)header->capacity, (long long)st.st_size);
    if (header->fingerprint != fingerprint)
        return err_set(err, -EPROTO, "ring segment belongs to another job or plan");
    return 0;
}

int ring_start_at(int fd, uint64_t fingerprint, uint64_t position, struct err *err)
{
    struct ring_header header;
    int status = header_check(fd, fingerprint, &header, err);
    if (status)
        return status;
    const off_t tail = PRODUCER_PAGE * RING_PAGE_BYTES, head = CONSUMER_PAGE * RING_PAGE_BYTES;
    if (pwrite(fd, &position, sizeof(position), tail) != sizeof(position) ||
        pwrite(fd, &position, sizeof(position), head) != sizeof(position))
        return err_set(err, -EIO, "cannot write a ring's positions: %s", strerror(errno));
    return 0;
}

static uint64_t mapping_bytes(uint64_t capacity)
{
    return ring_file_bytes(capacity) + capacity;
}

static int map_part(char *at, uint64_t bytes, int protection, int fd, uint64_t offset)
{
    void *p = mmap(at, bytes, protection, MAP_SHARED | MAP_FIXED, fd, (off_t)offset);
    return p == MAP_FAILED ? -errno : 0;
}

// Header, one's own page writable, the other's not, the data twice.
static int map_ring(int fd, uint64_t capacity, bool producer, char **out, struct err *err)
{
    const uint64_t page = RING_PAGE_BYTES;
    char *base = mmap(NULL, mapping_bytes(capacity), PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED)
        return err_set(err, -errno, "cannot reserve addresses for a ring: %s", strerror(errno));
    int own = PROT_READ | PROT_WRITE;
    int data = producer ? own : PROT_READ;
    char *first = base + DATA_PAGE * page;
    int status = map_part(base, page, PROT_READ, fd, 0);
    if (!status)
        status = map_part(base + PRODUCER_PAGE * page, page, producer ? own : PROT_READ, fd,
                          PRODUCER_PAGE * page);
    if (!status)
        status = map_part(base + CONSUMER_PAGE * page, page, producer ? PROT_READ : own, fd,
                          CONSUMER_PAGE * page);
    if (!status)
        status = map_part(first, capacity, data, fd, DATA_PAGE * page);
    if (!status)
        status = map_part(first + capacity, capacity, data, fd, DATA_PAGE * page);
    if (status) {
        munmap(base, mapping_bytes(capacity));
        return err_set(err, status, "cannot map a ring: %s", strerror(-status));
    }
    *out = base;
    return 0;
}

// Are head <= tail <= head + capacity? Positions never wrap: 2^63 bytes are centuries.
static bool positions_fit(uint64_t head, uint64_t tail, uint64_t capacity)
{
    return head <= tail && tail - head <= capacity;
}

int ring_look(int fd, uint64_t fingerprint, struct ring_level *out, struct err *err)
{
    struct ring_header header;
    uint64_t tail, head;
    int status = header_check(fd, fingerprint, &header, err);
    if (status)
        return status;
    // The head first: meanwhile both may move on.
    if (pread(fd, &head, sizeof(head), CONSUMER_PAGE * RING_PAGE_BYTES) != sizeof(head) ||
        pread(fd, &tail, sizeof(tail), PRODUCER_PAGE * RING_PAGE_BYTES) != sizeof(tail))
        return err_set(err, -EPROTO, "cannot read a ring's positions: %s", strerror(errno));
    if (tail < head)
        return err_set(err, -EPROTO, "ring positions do not fit: head %llu, tail %llu",
                       (unsigned long long)head, (unsigned long long)tail);
    *out = (struct ring_level){header.capacity, tail, head};
    return 0;
}

int ring_check(int fd, uint64_t fingerprint, struct err *err)
{
    struct ring_level level;
    return ring_look(fd, fingerprint, &level, err);
}

int ring_map_producer(int fd, uint64_t fingerprint, struct ring_producer *out, struct err *err)
{
    struct ring_header header;
    char *base;
    int status = header_check(fd, fingerprint, &header, err);
    if (!status)
        status = map_ring(fd, header.capacity, true, &base, err);
    if (status)
        return status;
    *out = (struct ring_producer){
        .data = base + DATA_PAGE * RING_PAGE_BYTES,
        .capacity = header.capacity,
        .own = (struct ring_producer_page *)(base + PRODUCER_PAGE * RING_PAGE_BYTES),
        .other = (const struct ring_consumer_page *)(base + CONSUMER_PAGE * RING_PAGE_BYTES),
        .mapping = base,
    };
    return 0;
}

int ring_begin_producer(struct ring_producer *ring, uint64_t committed_tail, struct err *err)
{
    // Relaxed: the word before it can only be this producer's own, of this life or the last.
    uint64_t published = atomic_read_u64(&ring->own->tail);
    ring->position = committed_tail;
    ring->cached_head =
        atomic_acquire_u64(&ring->other->head); // A2: pairs with R2 in ring_release; the free space
    if (published <= committed_tail &&
        positions_fit(ring->cached_head, committed_tail, ring->capacity))
        return 0;
    return err_set(err, -EPROTO,
                   "ring positions do not fit: head %llu, tail %llu, committed tail %llu",
                   (unsigned long long)ring->cached_head, (unsigned long long)published,
                   (unsigned long long)committed_tail);
}

int ring_attach_producer(int fd, uint64_t fingerprint, uint64_t committed_tail,
                         struct ring_producer *out, struct err *err)
{
    int status = ring_map_producer(fd, fingerprint, out, err);
    if (status)
        return status;
    status = ring_begin_producer(out, committed_tail, err);
    if (status)
        ring_producer_close(out);
    return status;
}

int ring_map_consumer(int fd, uint64_t fingerprint, struct ring_consumer *out, struct err *err)
{
    struct ring_header header;
    char *base;
    int status = header_check(fd, fingerprint, &header, err);
    if (!status)
        status = map_ring(fd, header.capacity, false, &base, err);
    if (status)
        return status;
    *out = (struct ring_consumer){
        .data = base + DATA_PAGE * RING_PAGE_BYTES,
        .capacity = header.capacity,
        .other = (const struct ring_producer_page *)(base + PRODUCER_PAGE * RING_PAGE_BYTES),
        .own = (struct ring_consumer_page *)(base + CONSUMER_PAGE * RING_PAGE_BYTES),
        .mapping = base,
    };
    return 0;
}

int ring_begin_consumer(struct ring_consumer *ring, uint64_t committed_head, struct err *err)
{
    // Relaxed: this consumer's own word.
    uint64_t released = atomic_read_u64(&ring->own->head);
    ring->position = committed_head;
    ring->cached_tail =
        atomic_acquire_u64(&ring->other->tail); // A1: pairs with R1 in ring_publish; the frames
    if (released <= committed_head &&
        positions_fit(committed_head, ring->cached_tail, ring->capacity))
        return 0;
    return err_set(err, -EPROTO,
                   "ring positions do not fit: head %llu, tail %llu, committed head %llu",
                   (unsigned long long)released, (unsigned long long)ring->cached_tail,
                   (unsigned long long)committed_head);
}

int ring_attach_consumer(int fd, uint64_t fingerprint, uint64_t committed_head,
                         struct ring_consumer *out, struct err *err)
{
    int status = ring_map_consumer(fd, fingerprint, out, err);
    if (status)
        return status;
    status = ring_begin_consumer(out, committed_head, err);
    if (status)
        ring_consumer_close(out);
    return status;
}

// All of it was claimed when the ring was made, so this allocates nothing.
int ring_fault_in(const void *mapping, uint64_t capacity, uint64_t *bytes)
{
    uint64_t all = mapping_bytes(capacity);
    if (madvise((void *)(uintptr_t)mapping, all, MADV_POPULATE_READ) < 0)
        return -errno;
    *bytes += all;
    return 0;
}

void ring_producer_close(struct ring_producer *ring)
{
    munmap(ring->mapping, mapping_bytes(ring->capacity));
    *ring = (struct ring_producer){0};
}

void ring_consumer_close(struct ring_consumer *ring)
{
    munmap(ring->mapping, mapping_bytes(ring->capacity));
    *ring = (struct ring_consumer){0};
}

bool ring_look_for_room(struct ring_producer *ring, uint64_t bytes)
{
    // A2: pairs with R2 in ring_release; the free space
    uint64_t head = atomic_acquire_u64(&ring->other->head);
    // A damaged word must not let us overwrite what was not read: it only counts when it fits.
    if (head >= ring->cached_head && head <= ring->position)
        ring->cached_head = head;
    return ring->position + bytes - ring->cached_head <= ring->capacity;
}

int ring_look_for_frames(struct ring_consumer *ring)
{
    // A1: pairs with R1 in ring_publish; the frames
    uint64_t tail = atomic_acquire_u64(&ring->other->tail);
    uint64_t released = atomic_read_u64(&ring->own->head); // relaxed: our own word
    if (tail < ring->cached_tail || !positions_fit(released, tail, ring->capacity))
        return -EPROTO;
    ring->cached_tail = tail;
    return 0;
}
