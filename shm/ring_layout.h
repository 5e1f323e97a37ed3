// ring_layout.h: what the two sides of a ring share. Little-endian, page by page:
//
//   page 0   struct ring_header       written once by ring_create, magic last; read-only after
//   page 1   struct ring_producer_page   written by the producer alone; mapped read-only at the
//   consumer page 2   struct ring_consumer_page   written by the consumer alone; mapped read-only
//   at the producer page 3.. data, `capacity` bytes      written by the producer alone; mapped
//   twice in a row, so that
//                                        a frame never wraps; read-only at the consumer
//
//   word    writer     readers    meaning
//   tail    producer   consumer   bytes published since the ring was made; only grows
//   head    consumer   producer   bytes released since the ring was made; only grows
//
// 0 <= tail - head <= capacity. Bytes past tail do not exist.
#ifndef WEIR_SHM_RING_LAYOUT_H
#define WEIR_SHM_RING_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

enum { RING_PAGE_BYTES = 4096, RING_LAYOUT_VERSION = 1 };

#define RING_MAGIC 0x31676e6972726577u // "werring1"

struct ring_header {
    uint64_t magic; // stored last
    uint32_t version;
    uint32_t page_bytes;
    uint64_t capacity;    // bytes of data: a power of two, a multiple of the page
    uint64_t fingerprint; // of the job
};

struct ring_producer_page {
    uint64_t tail;
};

struct ring_consumer_page {
    uint64_t head;
};

_Static_assert(offsetof(struct ring_header, magic) == 0, "layout");
_Static_assert(offsetof(struct ring_header, version) == 8, "layout");
_Static_assert(offsetof(struct ring_header, page_bytes) == 12, "layout");
_Static_assert(offsetof(struct ring_header, capacity) == 16, "layout");
_Static_assert(offsetof(struct ring_header, fingerprint) == 24, "layout");
_Static_assert(sizeof(struct ring_header) == 32, "layout");
_Static_assert(offsetof(struct ring_producer_page, tail) == 0, "layout");
_Static_assert(offsetof(struct ring_consumer_page, head) == 0, "layout");

#endif
