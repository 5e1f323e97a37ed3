// engine.h: how a snapshot's bytes reach a disk, without the writer knowing by which system calls.
//
// An engine writes one new file after the other, each from its start on, in frames; one thread uses
// it, the writer's. That takes a free buffer, fills it, submits it: no free buffer means that the
// disk is behind. Whether a submission waits for the disk is the engine's affair, for nobody but
// the writer waits with it. The implementations (io_uring, pwrite) are in stages/checkpoint.
#ifndef WEIR_CORE_SNAPSHOT_ENGINE_H
#define WEIR_CORE_SNAPSHOT_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/snapshot/format.h"

struct snapshot_engine;

struct snapshot_engine_class {
    const char *name; // "io_uring", "pwrite"
    // Begin a new file, which must not exist; no other may be open. 0 or -errno.
    int (*begin)(struct snapshot_engine *engine, const char *path, struct err *err);
    // A free buffer of SNAPSHOT_FRAME_MAX bytes, aligned to 4096; NULL: all are taken or under way.
    // There are two or more: the writer may keep one while it submits another.
    void *(*take)(struct snapshot_engine *engine);
    // Write the first `bytes` (a multiple of 4096) of a taken buffer behind what was submitted
    // before. The buffer is the engine's again. 0 or -errno.
    int (*submit)(struct snapshot_engine *engine, void *buffer, uint32_t bytes);
    // Begin to make everything submitted durable. 0 or -errno.
    int (*sync)(struct snapshot_engine *engine);
    // Make what another file holds by now durable too, before poll says idle again. The fd may be
    // closed afterwards. 0 or -errno.
    int (*sync_file)(struct snapshot_engine *engine, int fd);
    // Collect what has finished; with `wait`, wait for something if anything is under way. *idle:
    // nothing is under way. The first -errno of any write or sync, again and again: the file is
    // lost then (an fsync error is never tried again).
    int (*poll)(struct snapshot_engine *engine, bool wait, bool *idle);
    // Wait for what is under way, take every buffer back, close the file. None open: does nothing.
    void (*end)(struct snapshot_engine *engine);
    void (*destroy)(struct snapshot_engine *engine);
};

struct snapshot_engine { // the head of every engine's private struct
    const struct snapshot_engine_class *class;
};

#endif
