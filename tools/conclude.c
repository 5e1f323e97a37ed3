// conclude.c: see conclude.h. The savepoint is made of the very last checkpoint, by the process
// that holds the job's lock: so nothing can have been output behind it.
#include "tools/conclude.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "core/base/buf.h"
#include "stages/runtime/savepoint.h"

bool conclude_wants_savepoint(const struct request_box *requests)
{
    return requests->request.kind == REQUEST_STOP && *requests->request.path;
}

const char *conclude_unsettled(const struct supervisor_result *result)
{
    return result->unsettled ? ", which holds rows that could not be committed outside in time"
                             : "";
}

static int write_savepoint(const struct conclusion *c, struct err *err)
{
    struct pool pool = {0};
    struct manifest manifest;
    if (!c->result->is_cut)
        return err_set(err, -ECANCELED,
                       "the last checkpoint was not made, so there is no state of where the job "
                       "stopped");
    int rc = store_read(c->store, c->result->last_checkpoint, &pool, &manifest, err);
    const struct savepoint_origin origin = {c->store, &manifest, c->plan};
    if (rc == 0)
        rc = savepoint_write(&origin, c->requests->request.path, err);
    pool_fini(&pool);
    return rc;
}

static void answer(const struct conclusion *c, enum request_answer answer, const char *end,
                   struct buf *text)
{
    struct buf members = {0};
    buf_printf(&members, ",\"end\":\"%s\",\"checkpoint\":", end);
    if (c->result->last_checkpoint && c->result->end == SUPERVISOR_END_STOPPED)
        buf_printf(&members, "%" PRIu64 ",\"is_last\":%s,\"unsettled_tasks\":%d",
                   c->result->last_checkpoint, c->result->is_cut ? "true" : "false",
                   c->result->unsettled);
    else
        buf_append_str(&members, "null");
    if (answer == REQUEST_DONE && conclude_wants_savepoint(c->requests)) {
        buf_append_str(&members, ",\"savepoint\":");
        buf_append_json_string(&members, slice_of(c->requests->request.path));
    }
    request_answer(c->requests, answer, buf_str(&members), buf_str(text));
    buf_fini(&members);
}

static void conclude_savepoint(const struct conclusion *c, struct buf *text)
{
    struct err err = {.text = ""};
    const char *dir = c->requests->request.path;
    uint64_t checkpoint = c->result->last_checkpoint;
    if (!c->store) {
        buf_append_str(text,
                       "the job has stopped; it makes no checkpoints, so there is no savepoint");
        answer(c, REQUEST_FAILED, "stopped", text);
    } else if (write_savepoint(c, &err) < 0) {
        buf_printf(
            text,
            "the job has stopped, but the savepoint was not made: %s\nthe next `weir run %s` "
            "goes on from checkpoint %" PRIu64,
            err.text, c->config, checkpoint);
        if (c->result->is_cut)
            buf_printf(text, "; `weir savepoint %s DIR` makes a savepoint of it", c->config);
        answer(c, REQUEST_FAILED, "stopped", text);
    } else {
        buf_printf(text,
                   "stopped at checkpoint %" PRIu64
                   "%s, savepoint in %s; `weir run --from %s %s` goes "
                   "on from there",
                   checkpoint, conclude_unsettled(c->result), dir, dir, c->config);
        answer(c, REQUEST_DONE, "stopped", text);
    }
}

static void conclude_stop(const struct conclusion *c, struct buf *text)
{
    uint64_t checkpoint = c->result->last_checkpoint;
    if (c->store && c->result->is_cut)
        buf_printf(text, "stopped at checkpoint %" PRIu64 "%s; `weir run %s` goes on from there",
                   checkpoint, conclude_unsettled(c->result), c->config);
    else if (c->store && checkpoint)
        buf_printf(
            text,
            "stopped, but no last checkpoint was made; `weir run %s` goes on from checkpoint "
            "%" PRIu64 " and does again what came after it",
            c->config, checkpoint);
    else
        buf_printf(text, "stopped; the job has no checkpoint, `weir run %s` begins anew",
                   c->config);
    answer(c, REQUEST_DONE, "stopped", text);
}

static void conclude_finished(const struct conclusion *c, struct buf *text)
{
    const struct request *request = &c->requests->request;
    if (request->drains)
        buf_append_str(text,
                       "drained: every window has fired, the output is complete; the next run "
                       "begins anew");
    else
        buf_append_str(text,
                       "the job had handled all its input before it could stop; its output is "
                       "complete, the next run begins anew");
    answer(c, *request->path ? REQUEST_FAILED : REQUEST_DONE, "finished", text);
}

void conclude(const struct conclusion *c, const struct err *err)
{
    struct buf text = {0};
    const struct request *request = &c->requests->request;
    bool failed = c->status != 0 || c->result->end == SUPERVISOR_END_FAILED;
    if (request->kind == REQUEST_NONE)
        return;
    if (failed || request->kind == REQUEST_REPLACE) {
        buf_printf(&text, "the job %s%s", failed ? "has failed: " : "has ended meanwhile",
                   failed ? err->text : "");
        answer(c, REQUEST_FAILED, failed ? "failed" : "ended", &text);
    } else if (c->result->end == SUPERVISOR_END_FINISHED) {
        conclude_finished(c, &text);
    } else if (conclude_wants_savepoint(c->requests)) {
        conclude_savepoint(c, &text);
    } else {
        conclude_stop(c, &text);
    }
    buf_fini(&text);
}
