// engine.h: the two ways to write a snapshot file.
#ifndef WEIR_STAGES_CHECKPOINT_ENGINE_H
#define WEIR_STAGES_CHECKPOINT_ENGINE_H

#include "core/base/env.h"
#include "core/snapshot/engine.h"

enum engine_kind { ENGINE_AUTO, ENGINE_IO_URING, ENGINE_PWRITE, ENGINE_KIND_COUNT };

// "auto", "io_uring", "pwrite".
const char *engine_kind_name(enum engine_kind kind);
int engine_kind_parse(const char *text, enum engine_kind *out); // -EINVAL

// Does io_uring work in this process, with all that the engine needs? 0, or -errno and why not, and
// what could be done about it.
int engine_probe_io_uring(struct err *why);

// AUTO takes io_uring where it works. Owned by the caller: class->destroy.
int engine_create(enum engine_kind kind, struct env *env, struct snapshot_engine **out,
                  struct err *err);
int engine_create_io_uring(struct env *env, struct snapshot_engine **out, struct err *err);
int engine_create_pwrite(struct env *env, struct snapshot_engine **out, struct err *err);

#endif
