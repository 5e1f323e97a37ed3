// job_memory.c: sizing a job before anything starts.
#include "tools/job_memory.h"

#include "core/base/check.h"

enum { STATE_SHARE = 4 }; // `auto` takes one part in this many of what is available

static const uint64_t STATE_LOW = (uint64_t)64 << 20, STATE_HIGH = (uint64_t)4 << 30;

static enum waiter_policy waiting_of(const struct config *config)
{
    switch (config->placement.waiting) {
    case CONFIG_WAITING_SPIN:
        return WAITER_SPIN;
    case CONFIG_WAITING_BLOCK:
        return WAITER_BLOCK;
    default:
        return WAITER_ADAPTIVE;
    }
}

static uint64_t auto_state_bytes(const struct budget *budget, int task_count)
{
    CHECK(task_count > 0);
    uint64_t bytes = budget->available_bytes / STATE_SHARE / (uint64_t)task_count;
    bytes &= ~(STATE_LOW - 1);
    if (bytes < STATE_LOW)
        return STATE_LOW;
    return bytes > STATE_HIGH ? STATE_HIGH : bytes;
}

static const char *bad_rows_of(const struct config *config)
{
    switch (config->recovery.bad_rows) {
    case CONFIG_BAD_ROWS_FAIL:
        return "fail";
    case CONFIG_BAD_ROWS_SKIP:
        return "skip";
    default:
        return "dead-letter";
    }
}

struct job_options job_memory_options(const struct job_load *load)
{
    const struct config *config = load->config;
    return (struct job_options){.job_name = config->job,
                                .sql_file = config->sql,
                                .sql = buf_slice(&load->sql),
                                .cores = load->cores,
                                .ring_bytes = (uint64_t)config->memory.ring_bytes,
                                .dead_letter_dir = config->recovery.dead_letter,
                                .bad_rows = bad_rows_of(config),
                                .waiting = waiting_of(config)};
}

int job_memory_plan(const struct job_load *load, struct job_memory *out, struct err *err)
{
    const struct config *config = load->config;
    const struct config_share *reserve = &config->memory.reserve;
    *out = (struct job_memory){
        .options = job_memory_options(load),
        .request = {.memory_dir = config->memory.dir,
                    .job = config->job,
                    .reserve_bytes = reserve->is_percent ? 0 : (uint64_t)reserve->amount,
                    .reserve_percent = reserve->is_percent ? (unsigned)reserve->amount : 0},
    };
    int code = budget_measure(&out->request, &out->budget, err);
    if (code)
        return code;
    bool is_auto = config->memory.state_bytes == CONFIG_AUTO;
    out->options.state_bytes = is_auto ? auto_state_bytes(&out->budget, load->plan->task_count)
                                       : (uint64_t)config->memory.state_bytes;
    out->request.wanted_bytes = job_memory_bytes(load->plan, &out->options);
    return 0;
}

int job_memory_check(const struct job_memory *memory, struct err *err)
{
    return budget_check(&memory->request, NULL, err);
}
