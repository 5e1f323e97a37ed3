// doctor.h: what `weir doctor` finds out about the host, a line each.
#ifndef WEIR_TOOLS_DOCTOR_H
#define WEIR_TOOLS_DOCTOR_H

#include <stdbool.h>

#include "core/base/buf.h"
#include "core/base/err.h"

enum doctor_grade { DOCTOR_OK, DOCTOR_WARN, DOCTOR_BROKEN };

// Where lines go, and the worst of them.
struct doctor {
    bool json;
    struct buf lines; // JSON: the objects so far
    enum doctor_grade worst;
};

// One finding; `advice` (may be NULL) says what to do about it.
void doctor_say(struct doctor *doctor, enum doctor_grade grade, const char *what,
                const char *finding, const char *advice);

// doctor_memory.c: size, kind and pages of the folder of the jobs' memory.
void doctor_memory(struct doctor *doctor, const char *dir);

// doctor_disk.c: the folder of the checkpoints, or the nearest one above it that is there.
void doctor_disk(struct doctor *doctor, const char *dir);

// doctor_arena.c: what a job holds in memory, a line a task; the folder of the jobs' memory and the
// job's name. -errno with a text: it could not be looked at.
int doctor_arena(struct doctor *doctor, const char *memory_dir, const char *job,
                 bool makes_checkpoints, struct err *err);

#endif
