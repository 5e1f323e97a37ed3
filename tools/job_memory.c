// job_memory.c: sizing a job before anything starts.
#include "tools/checkpoints.h"
#include "tools/job_memory.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/check.h"
#include "stages/runtime/folder.h"
#include "tools/settings.h"

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
    struct checkpoint_settings checkpoints = {.interval_ms = 0};
    struct err wrong; // is said where the settings are needed
    if (checkpoint_settings_read(load, &checkpoints, &wrong) < 0)
        checkpoints.interval_ms = 0;
    return (struct job_options){.job_name = config->job,
                                .sql_file = config->sql,
                                .sql = buf_slice(&load->sql),
                                .cores = load->cores,
                                .ring_bytes = (uint64_t)config->memory.ring_bytes,
                                .dead_letter_dir = config->recovery.dead_letter,
                                .bad_rows = bad_rows_of(config),
                                .waiting = waiting_of(config),
                                .orphan_after_ms = config->recovery.orphan_after_ms,
                                .checkpoint_interval_ms = checkpoints.interval_ms,
                                .latency_interval_ms = settings_latency_interval_ms(load)};
}

// Is memory.dir a folder in which this user's jobs can have theirs?
static int check_folder(const struct config *config, struct err *err)
{
    char path[FOLDER_PATH_BYTES];
    struct stat st;
    int code = 0;
    if (stat(config->memory.dir, &st) < 0)
        code = err_set(err, -errno, "memory.dir %s: %s", config->memory.dir, strerror(errno));
    else if (!S_ISDIR(st.st_mode))
        code = err_set(err, -ENOTDIR, "memory.dir %s is not a folder", config->memory.dir);
    if (code)
        return err_append(err, code, "name a folder on a tmpfs, such as /dev/shm");
    snprintf(path, sizeof(path), "%s/weir-%u/%s", config->memory.dir, (unsigned)getuid(),
             config->job);
    code = folder_check(path, err);
    return code ? err_prefix(err, code, "memory.dir") : 0;
}

int job_memory_plan(const struct job_load *load, struct job_memory *out, struct err *err)
{
    const struct config *config = load->config;
    const struct config_share *reserve = &config->memory.reserve;
    *out = (struct job_memory){
        .options = job_memory_options(load),
        .task_count = load->plan->task_count,
        .request = {.memory_dir = config->memory.dir,
                    .job = config->job,
                    .reserve_bytes = reserve->is_percent ? 0 : (uint64_t)reserve->amount,
                    .reserve_percent = reserve->is_percent ? (unsigned)reserve->amount : 0},
    };
    int code = check_folder(config, err);
    if (code)
        return code;
    code = budget_measure(&out->request, &out->budget, err);
    if (code)
        return code;
    bool is_auto = config->memory.state_bytes == CONFIG_AUTO;
    out->options.state_bytes = is_auto ? auto_state_bytes(&out->budget, load->plan->task_count)
                                       : (uint64_t)config->memory.state_bytes;
    out->huge = huge_look(config->memory.dir);
    out->request.wanted_bytes = job_memory_bytes(load->plan, &out->options, &out->huge);
    return 0;
}

uint64_t job_memory_spare_bytes(const struct job_memory *memory)
{
    enum { PER_TABLE_ENTRY = 512 };              // a page has 4096 bytes, its entry 8
    static const uint64_t PRIVATE = 10ULL << 20; // heap, stack, buffers of a batch
    uint64_t tasks = (uint64_t)memory->task_count;
    uint64_t tables = memory->huge.page_bytes ? 0 : memory->request.wanted_bytes / PER_TABLE_ENTRY;
    return tasks * PRIVATE + tables;
}

int job_memory_spares(const struct job_memory *memory, const struct config *config)
{
    const struct budget *budget = &memory->budget;
    uint64_t needed = memory->request.wanted_bytes + job_memory_spare_bytes(memory);
    if (config->recovery.spares != CONFIG_AUTO)
        return config->recovery.spares;
    return config->recovery.restart == CONFIG_EXPONENTIAL_DELAY &&
           needed <= budget->available_bytes;
}

// What of memory.state would fit, rounded down to whole MiB; 0: nothing would.
static uint64_t fitting_state_mib(const struct job_memory *memory, int task_count)
{
    uint64_t wanted = memory->request.wanted_bytes, available = memory->budget.available_bytes;
    uint64_t fixed = wanted - (uint64_t)task_count * memory->options.state_bytes;
    return available > fixed ? (available - fixed) / (uint64_t)task_count >> 20 : 0;
}

int job_memory_check(const struct job_memory *memory, struct err *err)
{
    int code = budget_check(&memory->request, NULL, err);
    uint64_t fits = code ? fitting_state_mib(memory, memory->task_count) : 0;
    if (fits)
        err_append(err, code, "this would fit now:  memory: {state: %lluMiB}",
                   (unsigned long long)fits);
    if (code && strncmp(memory->budget.binding, memory->request.memory_dir,
                        strlen(memory->request.memory_dir)) == 0)
        err_append(
            err, code,
            "in a container, make its /dev/shm larger (docker run --shm-size=1g); on a host:  "
            "mount -o remount,size=... %s",
            memory->request.memory_dir);
    return code;
}
