// asked.c: what others ask of the running job, in the supervisor's loop: a stop, a drain, another
// program, other cores. The request and its answers are a file (request.h).
#include "stages/supervisor/internal.h"
#include "stages/supervisor/move.h"
#include "stages/supervisor/roll.h"

static void refuse(struct supervisor *s, const char *why)
{
    request_answer(s->options->requests, REQUEST_REFUSED, NULL, why);
}

static void post_drain(struct supervisor *s)
{
    s->is_draining = true;
    for (int i = 0; i < s->options->task_count; i++)
        control_post(s->control, i, CONTROL_DRAIN);
}

static void begin_stop(struct supervisor *s, const char *why)
{
    const struct supervisor_event event = {
        .kind = SUPERVISOR_STOPPING, .task_index = -1, .text = why};
    s->asked_ns = supervisor_now_ns();
    s->result->end = SUPERVISOR_END_STOPPED;
    supervisor_report(s, &event);
    supervisor_begin_end(s);
}

static void stop(struct supervisor *s)
{
    const struct request *request = &s->options->requests->request;
    s->stop_timeout_ms = request->timeout_ms;
    if (s->ending) { // on a signal, or since an earlier supervisor: the same end, one answer more
        if (request->timeout_ms)
            s->kill_at_ns = supervisor_earlier(s->kill_at_ns,
                                               supervisor_now_ns() + request->timeout_ms * MS_NS);
        return;
    }
    if (request->drains) {
        const struct supervisor_event event = {.kind = SUPERVISOR_DRAINING, .task_index = -1};
        s->drain_until_ns =
            request->timeout_ms ? supervisor_now_ns() + request->timeout_ms * MS_NS : INT64_MAX;
        s->stop_timeout_ms = 0;
        supervisor_report(s, &event);
        post_drain(s);
        return;
    }
    begin_stop(s, "weir stop");
}

static void serve(struct supervisor *s)
{
    struct request_box *box = s->options->requests;
    if (box->request.kind == REQUEST_STOP && box->request.drains && s->ending) {
        refuse(s, "the job is being stopped already; it can be drained when it runs again");
        return;
    }
    if (box->request.kind == REQUEST_MOVE && s->ending) {
        refuse(s, "the job is being stopped");
        return;
    }
    if (box->request.kind == REQUEST_REPLACE && (s->ending || s->is_draining)) {
        refuse(s, "the job is being stopped");
        return;
    }
    request_answer(box, REQUEST_TAKEN, NULL, NULL);
    if (box->request.kind == REQUEST_STOP)
        stop(s);
    else if (box->request.kind == REQUEST_MOVE)
        move_begin(s);
    else
        roll_begin(s);
}

bool asked_look(struct supervisor *s)
{
    if (!s->options->requests || !request_take(s->options->requests))
        return false;
    serve(s);
    return true;
}

// One that came before this supervisor looked, or that an earlier one left. A stop that was not
// begun and that nobody waits for is forgotten: who starts a job does not want it to stop at once.
void asked_begin(struct supervisor *s)
{
    if (!s->options->requests || !request_take(s->options->requests))
        return;
    bool is_stop = s->options->requests->request.kind == REQUEST_STOP;
    if (is_stop && !s->ending && !s->is_draining && !request_is_awaited(s->options->requests))
        refuse(s, "nobody waits for it any more");
    else
        serve(s);
}

void asked_take_over_drain(struct supervisor *s)
{
    s->drain_until_ns = INT64_MAX;
    post_drain(s);
}

void asked_on_time(struct supervisor *s, int64_t now)
{
    if (s->drain_until_ns > now || s->ending)
        return;
    s->drain_until_ns = INT64_MAX;
    begin_stop(s, "it was not drained in time");
}
