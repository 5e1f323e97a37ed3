// segment.h: named memory that outlives processes: a file in a job's folder, with a header page
// that says what it is. Whoever attaches checks the header; a mismatch is a clear error, never a
// guess.
//
// A file is as long as it may ever get, but memory is had only for what was claimed: use nothing
// that segment_claim has not given (a hole in a full tmpfs is SIGBUS, even to read).
#ifndef WEIR_SHM_SEGMENT_H
#define WEIR_SHM_SEGMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/err.h"
#include "shm/place.h"

enum { SEGMENT_PAGE_BYTES = 4096 };

// Which segment, and what its header must say.
struct segment_spec {
    int dir_fd;               // the job's folder
    const char *name;         // of the file, at most 63 bytes
    const char *kind;         // at most 15 bytes
    uint64_t layout_hash;     // of what lies behind the header
    uint64_t job_fingerprint; // 0 at open: any job's (for tools that only look)
};

// Part of a segment, and how it is mapped.
struct segment_range {
    uint64_t offset; // page-aligned
    uint64_t bytes;
    bool writable;
    bool populate; // fault it in now (claim it first)
};

// A private handle. All zero but fd -1 is closed.
struct segment {
    int fd;
    bool writable;
    uint64_t bytes;      // of the file, header page included
    uint64_t huge_bytes; // of a huge page, where the file has them (huge.h); 0: small pages
    char name[64];
};

// Make the file, header and `bytes - SEGMENT_PAGE_BYTES` of space behind it, of which nothing but
// the header is claimed. -EEXIST when there is one.
int segment_create(const struct segment_spec *spec, uint64_t bytes, struct segment *out,
                   struct err *err);

// The same, with memory from where `place` says, as far as it is there (place_prefer).
int segment_create_at(const struct segment_spec *spec, uint64_t bytes, const struct place *place,
                      struct segment *out, struct err *err);

// Open and validate. -ENOENT: no such file; -ENODATA: its creation never finished; -EILSEQ:
// damaged, or of another layout, job, boot or user (the text says which).
int segment_open(const struct segment_spec *spec, bool writable, struct segment *out,
                 struct err *err);

// Is the open file one that only this user may have written to: a plain file, its own, without
// write permission for others? -EILSEQ; `what` names it in the text.
int segment_file_check(int fd, const char *what, struct err *err);

// Why a segment's file cannot be opened, from errno, as the end of a sentence.
const char *segment_explain(int code);

// Close the file; mappings stay. Safe on a closed one.
void segment_close(struct segment *segment);

int segment_unlink(int dir_fd, const char *name, struct err *err);

// Have memory for [offset, offset + bytes) of the file, in steps; what is claimed already costs
// little. Where pages are huge they are claimed whole, as far as the file goes. -ENOSPC: the memory
// is not there; nothing is harmed, the text says what to set.
int segment_claim(struct segment *segment, uint64_t offset, uint64_t bytes, struct err *err);

// Map a range. Where pages are huge, at an address from which they can be mapped as such.
int segment_map(const struct segment *segment, const struct segment_range *range, void **out,
                struct err *err);

// Map a range over part of an existing mapping (`at` from segment_map or an own reservation).
int segment_map_at(const struct segment *segment, const struct segment_range *range, void *at,
                   struct err *err);

void segment_unmap(void *address, uint64_t bytes);

#endif
