// engine.c: which engine.
#include "stages/checkpoint/engine.h"

#include <errno.h>
#include <string.h>

#include "core/base/check.h"

static const char *const names[ENGINE_KIND_COUNT] = {"auto", "io_uring", "pwrite"};

const char *engine_kind_name(enum engine_kind kind)
{
    CHECK(kind < ENGINE_KIND_COUNT);
    return names[kind];
}

int engine_kind_parse(const char *text, enum engine_kind *out)
{
    for (int i = 0; i < ENGINE_KIND_COUNT; i++) {
        if (strcmp(text, names[i]) != 0)
            continue;
        *out = (enum engine_kind)i;
        return 0;
    }
    return -EINVAL;
}

int engine_create(enum engine_kind kind, struct env *env, struct snapshot_engine **out,
                  struct err *err)
{
    struct err why;
    if (kind == ENGINE_AUTO)
        kind = engine_probe_io_uring(&why) == 0 ? ENGINE_IO_URING : ENGINE_PWRITE;
    return kind == ENGINE_IO_URING ? engine_create_io_uring(env, out, err)
                                   : engine_create_pwrite(env, out, err);
}
