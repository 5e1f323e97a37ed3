// pin_apply.c: see pin_apply.h. The answers are JSON lines: one a task, and a last one.
#include "tools/pin_apply.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "shm/control.h"
#include "tools/asking.h"

struct applying {
    struct pin_applied *out;
    int task_count;
};

static const struct command pin = {.name = "pin --apply"}; // what it is called in messages

static enum asking_choice choose(const struct request *ours, const struct request *theirs,
                                 struct err *err)
{
    bool is_same = theirs->kind == REQUEST_MOVE && theirs->cpu_count == ours->cpu_count &&
                   memcmp(theirs->cpus, ours->cpus, sizeof ours->cpus) == 0;
    if (is_same)
        return ASKING_JOIN;
    if (theirs->kind == REQUEST_MOVE)
        err_set(err, -EBUSY,
                "its tasks are being put on other cores already; wait until that is "
                "done");
    else if (theirs->kind == REQUEST_REPLACE)
        err_set(err, -EBUSY, "another program is being put in; wait until that is done");
    else
        err_set(err, -EBUSY, "the job is being stopped");
    return ASKING_REFUSED;
}

static int number_of(const json_t *record, const char *key)
{
    return (int)json_integer_value(json_object_get(record, key));
}

static uint64_t bytes_of(const json_t *record, const char *key)
{
    json_int_t value = json_integer_value(json_object_get(record, key));
    return value > 0 ? (uint64_t)value : 0;
}

static void take_answer(const json_t *record, void *context)
{
    const struct applying *applying = context;
    const char *why = json_string_value(json_object_get(record, "why"));
    const json_t *task = json_object_get(record, "task");
    for (int i = 0; why && i < applying->task_count; i++)
        snprintf(applying->out[i].why, sizeof applying->out[i].why, "%s",
                 applying->out[i].bytes_left ? why : "");
    int index = (int)json_integer_value(task);
    if (!json_is_integer(task) || index < 0 || index >= applying->task_count)
        return;
    applying->out[index] = (struct pin_applied){.cpu_before = number_of(record, "cpu_before"),
                                                .cpu = number_of(record, "cpu"),
                                                .node_before = number_of(record, "node_before"),
                                                .node = number_of(record, "node"),
                                                .bytes_moved = bytes_of(record, "bytes_moved"),
                                                .bytes_left = bytes_of(record, "bytes_left")};
}

static int fill_request(const int *cpus, int task_count, struct request *out, struct err *err)
{
    *out = (struct request){.kind = REQUEST_MOVE, .cpu_count = task_count};
    if (task_count < 1 || task_count > CONTROL_TASKS_MAX)
        return err_set(err, -EINVAL, "a job has 1 to %d tasks, not %d", CONTROL_TASKS_MAX,
                       task_count);
    for (int i = 0; i < task_count; i++) {
        if (cpus[i] < -1 || cpus[i] > INT16_MAX)
            return err_set(err, -EINVAL, "task %d cannot be put on core %d: there is none", i,
                           cpus[i]);
        out->cpus[i] = (int16_t)cpus[i];
    }
    return 0;
}

// The status of a command, as what became of the job.
static int code_of(int status, enum asking_end end)
{
    if (status == COMMAND_OK)
        return 0;
    if (end == ASKING_LOST)
        return -EINTR;
    if (end == ASKING_ENDED)
        return -ECANCELED;
    if (end == ASKING_ANSWERED)
        return status == COMMAND_UNAVAILABLE ? -EINVAL : -ECANCELED;
    return -ETIMEDOUT;
}

int pin_apply(const struct config *config, const int *cpus, int task_count, struct pin_applied *out,
              struct err *err)
{
    struct applying applying = {out, task_count};
    struct asking asking = {.command = &pin,
                            .config = config,
                            .path = config->file_name,
                            .take = take_answer,
                            .take_context = &applying};
    struct request request;
    int rc = fill_request(cpus, task_count, &request, err);
    if (rc < 0)
        return rc;
    memset(out, 0, (size_t)task_count * sizeof *out);
    asking_init(&asking);
    int status = asking_find(&asking, err);
    rc = status == COMMAND_OK ? 0 : -ESRCH;
    if (rc == 0) {
        status = asking_post(&asking, &request, choose, err);
        rc = status == COMMAND_OK ? 0 : -EBUSY;
    }
    if (rc == 0) {
        status = asking_wait(&asking, false, err);
        rc = code_of(status, asking.end);
    }
    asking_fini(&asking);
    return rc;
}
