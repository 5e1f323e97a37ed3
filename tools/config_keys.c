// config_keys.c: every key of the config, once.
//
// A default is written as a person would write it and goes through the same reader, so a default
// that no file could say cannot exist.
#include "tools/config_keys.h"

#include <stddef.h>

#include "core/base/check.h"

#define AT(field) offsetof(struct config, field)

enum { DAY_MS = 24 * 60 * 60 * 1000 };

const struct config_key config_keys[] = {
    {
        .name = "job",
        .kind = CONFIG_KIND_NAME,
        .offset = AT(job),
        .meaning = "name of the job; its memory is found by it",
    },
    {
        .name = "sql",
        .kind = CONFIG_KIND_PATH,
        .offset = AT(sql),
        .meaning = "the SQL script",
    },
    {
        .section = "memory",
        .name = "dir",
        .kind = CONFIG_KIND_PATH,
        .offset = AT(memory.dir),
        .default_text = "/dev/shm",
        .meaning = "folder of the job's shared memory, on tmpfs",
    },
    {
        .section = "memory",
        .name = "state",
        .kind = CONFIG_KIND_SIZE_AUTO,
        .offset = AT(memory.state_bytes),
        .default_text = "auto",
        .meaning = "memory for the state of one task",
        .low = 1LL << 20,
        .high = 1LL << 44,
    },
    {
        .section = "memory",
        .name = "reserve",
        .kind = CONFIG_KIND_SHARE,
        .offset = AT(memory.reserve),
        .default_text = "10%",
        .meaning = "memory that the host must keep free",
        .low = 0,
        .high = 1LL << 50,
    },
    {
        .section = "memory",
        .name = "ring",
        .kind = CONFIG_KIND_SIZE,
        .offset = AT(memory.ring_bytes),
        .default_text = "1MiB",
        .meaning = "size of one channel's ring; a power of two",
        .low = 64LL << 10,
        .high = 1LL << 30,
        .power_of_two = true,
    },
    {
        .section = "checkpoint",
        .name = "interval",
        .kind = CONFIG_KIND_DURATION_NONE,
        .offset = AT(checkpoint.interval_ms),
        .default_text = "10s",
        .meaning = "time from one checkpoint to the next; none: no checkpoints",
        .low = 100,
        .high = DAY_MS,
    },
    {
        .section = "checkpoint",
        .name = "dir",
        .kind = CONFIG_KIND_PATH,
        .offset = AT(checkpoint.dir),
        .default_text = "./{job}.checkpoints",
        .meaning = "folder of the checkpoints, on a real disk",
    },
    {
        .section = "checkpoint",
        .name = "retain",
        .kind = CONFIG_KIND_COUNT,
        .offset = AT(checkpoint.retain),
        .default_text = "3",
        .meaning = "complete checkpoints to keep",
        .low = 1,
        .high = 1000,
    },
    {
        .section = "checkpoint",
        .name = "timeout",
        .kind = CONFIG_KIND_DURATION,
        .offset = AT(checkpoint.timeout_ms),
        .default_text = "10min",
        .meaning = "a checkpoint that takes longer is abandoned",
        .low = 100,
        .high = DAY_MS,
    },
    {
        .section = "checkpoint",
        .name = "min_pause",
        .kind = CONFIG_KIND_DURATION,
        .offset = AT(checkpoint.min_pause_ms),
        .default_text = "0s",
        .meaning = "time from the end of one checkpoint to the next, at least",
        .low = 0,
        .high = DAY_MS,
    },
    {
        .section = "checkpoint",
        .name = "tolerable_failures",
        .kind = CONFIG_KIND_COUNT_AUTO,
        .offset = AT(checkpoint.tolerable_failures),
        .default_text = "auto",
        .meaning = "failed checkpoints in a row that do not end the job; auto: any number",
        .low = 0,
        .high = 1000000,
    },
    {
        .section = "checkpoint",
        .name = "engine",
        .kind = CONFIG_KIND_CHOICE,
        .offset = AT(checkpoint.engine),
        .default_text = "auto",
        .meaning = "how blocks are written",
        .choices = {"auto", "io_uring", "pwrite"},
    },
    {
        .section = "recovery",
        .name = "spares",
        .kind = CONFIG_KIND_COUNT_AUTO,
        .offset = AT(recovery.spares),
        .default_text = "auto",
        .meaning = "processes of each task that wait to replace it when it dies; 0: none; "
                   "auto: one, where memory allows",
        .low = 0,
        .high = 4,
    },
    {
        .section = "recovery",
        .name = "hang_after",
        .kind = CONFIG_KIND_DURATION,
        .offset = AT(recovery.hang_after_ms),
        .default_text = "5s",
        .meaning = "a task that is stopped or busy in one batch for this long is replaced",
        .low = 100,
        .high = DAY_MS,
    },
    {
        .section = "recovery",
        .name = "restart",
        .kind = CONFIG_KIND_CHOICE,
        .offset = AT(recovery.restart),
        .default_text = "exponential-delay",
        .meaning = "the restart strategy, named as in Flink",
        .choices = {"exponential-delay", "fixed-delay", "failure-rate", "none"},
    },
    {
        .section = "recovery",
        .name = "orphan_after",
        .kind = CONFIG_KIND_DURATION,
        .offset = AT(recovery.orphan_after_ms),
        .default_text = "60s",
        .meaning = "tasks without a supervisor stop after this long",
        .low = 100,
        .high = DAY_MS,
    },
    {
        .section = "recovery",
        .name = "dead_letter",
        .kind = CONFIG_KIND_PATH,
        .offset = AT(recovery.dead_letter),
        .default_text = "./{job}.dead",
        .meaning = "where rows go that cannot be read",
    },
    {
        .section = "recovery",
        .name = "events",
        .kind = CONFIG_KIND_PATH,
        .offset = AT(recovery.events),
        .default_text = "./{job}.events",
        .meaning = "the event log: a record of each death, for weir events",
    },
    {
        .section = "recovery",
        .name = "bad_rows",
        .kind = CONFIG_KIND_CHOICE,
        .offset = AT(recovery.bad_rows),
        .default_text = "dead-letter",
        .meaning = "what a row that cannot be read does to the job",
        .choices = {"fail", "skip", "dead-letter"},
    },
    {
        .section = "placement",
        .name = "cores",
        .kind = CONFIG_KIND_CORES,
        .offset = AT(placement.cores),
        .default_text = "auto",
        .meaning = "cores for the tasks: auto, how many, or which",
        .low = 1,
        .high = 4096,
    },
    {
        .section = "placement",
        .name = "housekeeping",
        .kind = CONFIG_KIND_CORES,
        .offset = AT(placement.housekeeping),
        .default_text = "auto",
        .meaning = "cores for the supervisor: auto, how many, or which",
        .low = 1,
        .high = 4096,
    },
    {
        .section = "placement",
        .name = "waiting",
        .kind = CONFIG_KIND_CHOICE,
        .offset = AT(placement.waiting),
        .default_text = "adaptive",
        .meaning = "how a task waits; adaptive spins first, unless tasks outnumber cores",
        .choices = {"spin", "adaptive", "block"},
    },
    {
        .section = "metrics",
        .name = "listen",
        .kind = CONFIG_KIND_LISTEN,
        .offset = AT(metrics.listen),
        .default_text = "none",
        .meaning = "host:port where metrics are served",
    },
};

int config_key_count(void)
{
    return (int)ARRAY_SIZE(config_keys);
}

struct config_key_info config_key_info_at(int index)
{
    CHECK(index >= 0 && index < config_key_count());
    const struct config_key *key = &config_keys[index];
    return (struct config_key_info){key->section, key->name, key->default_text, key->meaning};
}
