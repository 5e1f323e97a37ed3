// config.h: the supervisor config: where a job runs, how often it is saved, what happens on
// failure.
//
// The file is YAML. One table (config_keys.c) names every key with its kind, default and meaning;
// the reader, docs/config.schema.json and docs/config.md all say what that table says, and a test
// holds them together. What is wrong is refused with file:line:column, a caret and a hint.
#ifndef WEIR_TOOLS_CONFIG_H
#define WEIR_TOOLS_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/err.h"
#include "core/base/pool.h"

enum config_engine { CONFIG_ENGINE_AUTO, CONFIG_ENGINE_IO_URING, CONFIG_ENGINE_PWRITE };
enum config_restart {
    CONFIG_EXPONENTIAL_DELAY,
    CONFIG_FIXED_DELAY,
    CONFIG_FAILURE_RATE,
    CONFIG_NONE
};
enum config_bad_rows { CONFIG_BAD_ROWS_FAIL, CONFIG_BAD_ROWS_SKIP, CONFIG_BAD_ROWS_DEAD_LETTER };
enum config_waiting { CONFIG_WAITING_SPIN, CONFIG_WAITING_ADAPTIVE, CONFIG_WAITING_BLOCK };

enum config_priority { CONFIG_PRIORITY_NORMAL, CONFIG_PRIORITY_FIFO };
enum config_lock { CONFIG_LOCK_NO, CONFIG_LOCK_AUTO, CONFIG_LOCK_YES };

enum { CONFIG_AUTO = -1 }; // value of a number whose key says `auto`

// Either a share of the host's memory or a number of bytes.
struct config_share {
    bool is_percent;
    int64_t amount; // percent or bytes
};

// `auto` (count CONFIG_AUTO), a number of cores, or a list as taskset writes it ("0-3,8").
struct config_cores {
    int count;
    const char *list; // NULL unless a list was given
};

// The core of each task of the plan, in order: a list as that of the cores, but in any order and
// with repetitions ("3,1,2,2").
struct config_tasks {
    const char *list; // NULL: `auto`
    int count;
    int line, column; // where it stands, for messages
};

struct config {
    struct pool pool; // owns every text below
    const char *file_name;
    const char *job;
    const char *sql; // paths are joined to the folder of the config
    struct {
        const char *dir;     // NULL after config_parse: `auto`; config_load has found it
        bool is_auto;        // and says that it was
        int64_t state_bytes; // of one task's arena; or CONFIG_AUTO
        struct config_share reserve;
        int64_t ring_bytes; // of one channel's ring
        int lock;           // enum config_lock
    } memory;
    struct {
        int64_t interval_ms; // 0: no checkpoints
        int64_t min_pause_ms;
        int tolerable_failures; // or CONFIG_AUTO
        const char *dir;
        int retain;
        int64_t timeout_ms;
        int engine; // enum config_engine
    } checkpoint;
    struct {
        int spares; // or CONFIG_AUTO
        int64_t hang_after_ms;
        int restart;          // enum config_restart
        int restart_attempts; // or CONFIG_AUTO
        int64_t restart_delay_ms, restart_max_delay_ms, restart_interval_ms, restart_reset_ms;
        double restart_multiplier, restart_jitter;
        int64_t orphan_after_ms;
        const char *dead_letter;
        const char *events; // the event log
        int bad_rows;       // enum config_bad_rows
    } recovery;
    struct {
        struct config_cores cores;
        struct config_tasks tasks;
        struct config_cores housekeeping;
        int waiting;  // enum config_waiting
        int priority; // enum config_priority
    } placement;
    struct {
        const char *listen;          // NULL: none
        int64_t latency_interval_ms; // 0: no markers
    } metrics;
};

// Read the file. On failure the text has file:line:column and a caret; -ENOENT and the like when
// the file cannot be read, -EINVAL when its content is wrong. *out is freed with config_free. Of
// `auto` the folder of the memory is looked for here (memory_dir.h).
int config_load(const char *path, struct config **out, struct err *err);

// The same for text in memory; file_name is for messages, and relative paths are joined to its
// folder.
int config_parse(const char *file_name, struct slice text, struct config **out, struct err *err);

void config_free(struct config *config);

// What the table says about key number `index`, for documentation and tests.
struct config_key_info {
    const char *section; // NULL: at the top
    const char *name;
    const char *default_text; // NULL: the key is required
    const char *meaning;
};

int config_key_count(void);
struct config_key_info config_key_info_at(int index);

#endif
