// manifest.h: what makes a set of snapshot files a checkpoint: written last, read first.
//
// A JSON document. Its last member, "crc32c", covers every byte before that member, and nothing may
// follow the closing brace: a changed byte anywhere is noticed.
#ifndef WEIR_CORE_SNAPSHOT_MANIFEST_H
#define WEIR_CORE_SNAPSHOT_MANIFEST_H

#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/base/pool.h"

enum { MANIFEST_VERSION = 1, MANIFEST_TASKS_MAX = 1024, MANIFEST_CHAIN_MAX = 256 };

// One file of a task's chain.
struct manifest_file {
    uint64_t checkpoint; // that it was written for
    uint32_t attempt;    // of the process that wrote it
    const char *path;    // "FOLDER/FILE" in the folder of the checkpoints, plain names
};

struct manifest_task {
    const char *name;            // "source: person"
    struct manifest_file *files; // the full one first, this checkpoint's last
    int file_count;
    uint64_t file_bytes, blocks, undo_bytes; // of the last file
    int64_t align_ms, duration_ms;
    uint64_t rows_in, rows_out;
    int64_t watermark_ms;  // INT64_MIN: none yet
    const char *positions; // JSON: where its source, sink or state stands, for people
};

struct manifest {
    const char *job;
    uint64_t fingerprint; // of the plan
    uint64_t checkpoint;
    int64_t started_ms, duration_ms; // started: wall clock, Unix epoch
    uint64_t state_bytes;            // of one task's arena
    int cores;                       // the plan was made for
    const char *version;             // of the program
    const char *command;             // that ran the job
    const char *sql;                 // the script
    struct manifest_task *tasks;
    int task_count;
};

// Append the document.
void manifest_write(const struct manifest *manifest, struct buf *out);

// Read one; texts live in the pool. -EBADMSG: damaged; -EPROTO: another format version.
int manifest_read(struct slice text, struct pool *pool, struct manifest *out, struct err *err);

#endif
