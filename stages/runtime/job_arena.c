// job_arena.c: see job_arena.h.
#include "stages/runtime/job_arena.h"

#include "stages/runtime/job.h"

static int claim(void *context, uint64_t from, uint64_t to)
{
    return segment_claim(context, SEGMENT_PAGE_BYTES + from, to - from, NULL);
}

int job_arena_map(const struct jobdir *dir, const struct plan *plan, int task,
                  struct job_arena *out, struct err *err)
{
    char name[64];
    job_arena_name(task, name);
    const struct segment_spec spec = {dir->fd, name, "arena", ARENA_VERSION, plan->fingerprint};
    *out = (struct job_arena){.segment = {.fd = -1}};
    out->options = (struct arena_options){
        .fingerprint = plan->fingerprint, .claim = claim, .claim_context = &out->segment};
    int rc = segment_open(&spec, true, &out->segment, err);
    if (rc < 0)
        return rc;
    out->bytes = out->segment.bytes - SEGMENT_PAGE_BYTES;
    const struct segment_range range = {SEGMENT_PAGE_BYTES, out->bytes, true, false};
    return segment_map(&out->segment, &range, &out->base, err);
}

void job_arena_unmap(struct job_arena *arena)
{
    if (arena->base)
        segment_unmap(arena->base, arena->bytes);
    segment_close(&arena->segment);
}
