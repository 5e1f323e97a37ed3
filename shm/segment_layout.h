// segment_layout.h: the header page that begins every segment. Bytes, little-endian:
//
//      0  magic            u64  "WEIRSEGM"
//      8  version          u32  stored last, with release: 0 means that creation never finished
//     12  header_bytes     u32  4096
//     16  layout_hash      u64  of the structs behind the header; says which program can read them
//     24  segment_bytes    u64  size of the file
//     32  job_fingerprint  u64  hash of the job's text and options
//     40  checksum         u64  XXH3 of the whole page with version and checksum as zero
//     48  kind             16   "ring", "control", "arena", ...; padded with zeros
//     64  boot_id          40   /proc/sys/kernel/random/boot_id as text, padded with zeros
//    104  zeros up to 4096
//
// Written once by segment_create, read-only ever after.
#ifndef WEIR_SHM_SEGMENT_LAYOUT_H
#define WEIR_SHM_SEGMENT_LAYOUT_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

enum { SEGMENT_HEADER_BYTES = 4096, SEGMENT_VERSION = 1 };

#define SEGMENT_MAGIC UINT64_C(0x4d47455352494557) // "WEIRSEGM"

struct segment_header {
    uint64_t magic;
    uint32_t version;
    uint32_t header_bytes;
    uint64_t layout_hash;
    uint64_t segment_bytes;
    uint64_t job_fingerprint;
    uint64_t checksum;
    char kind[16];
    char boot_id[40];
    char zeros[SEGMENT_HEADER_BYTES - 104];
};

static_assert(offsetof(struct segment_header, magic) == 0, "layout");
static_assert(offsetof(struct segment_header, version) == 8, "layout");
static_assert(offsetof(struct segment_header, header_bytes) == 12, "layout");
static_assert(offsetof(struct segment_header, layout_hash) == 16, "layout");
static_assert(offsetof(struct segment_header, segment_bytes) == 24, "layout");
static_assert(offsetof(struct segment_header, job_fingerprint) == 32, "layout");
static_assert(offsetof(struct segment_header, checksum) == 40, "layout");
static_assert(offsetof(struct segment_header, kind) == 48, "layout");
static_assert(offsetof(struct segment_header, boot_id) == 64, "layout");
static_assert(offsetof(struct segment_header, zeros) == 104, "layout");
static_assert(sizeof(struct segment_header) == SEGMENT_HEADER_BYTES, "the header is one page");

#endif
