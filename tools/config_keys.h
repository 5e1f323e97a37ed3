// config_keys.h: the table of config keys, between the reader of YAML and the reader of values.
#ifndef WEIR_TOOLS_CONFIG_KEYS_H
#define WEIR_TOOLS_CONFIG_KEYS_H

#include "tools/config.h"

enum config_kind {
    CONFIG_KIND_NAME,          // letters, digits, - and _: it names files and folders
    CONFIG_KIND_PATH,          // joined to the folder of the config
    CONFIG_KIND_PATH_AUTO,     // the same or auto -> NULL
    CONFIG_KIND_SIZE,          // 64MiB -> int64_t bytes
    CONFIG_KIND_SIZE_AUTO,     // the same or auto
    CONFIG_KIND_SHARE,         // 10% or a size -> struct config_share
    CONFIG_KIND_DURATION,      // 10s -> int64_t milliseconds
    CONFIG_KIND_DURATION_NONE, // the same, or none -> 0
    CONFIG_KIND_COUNT,         // a whole number -> int
    CONFIG_KIND_COUNT_AUTO,    // the same or auto
    CONFIG_KIND_DECIMAL,       // 1.5 -> double
    CONFIG_KIND_CHOICE,        // one of `choices` -> int, its index
    CONFIG_KIND_CORES,         // -> struct config_cores
    CONFIG_KIND_LISTEN,        // none or host:port -> const char *
};

enum { CONFIG_CHOICES_MAX = 5 };

struct config_key {
    const char *section; // NULL: at the top
    const char *name;
    enum config_kind kind;
    size_t offset;            // of the value in struct config
    const char *default_text; // as a person would write it; NULL: required; {job} is replaced
    const char *meaning;
    const char *choices[CONFIG_CHOICES_MAX]; // CONFIG_KIND_CHOICE: NULL-terminated
    int64_t low, high;                       // bounds of numbers, both allowed
    bool power_of_two;                       // CONFIG_KIND_SIZE: no other size will do
    bool one_a_task; // CONFIG_KIND_CORES: a core for each task -> struct config_tasks
};

extern const struct config_key config_keys[];

// Why a value was refused: a sentence, and what to write instead (may be empty).
struct config_complaint {
    char problem[256];
    char hint[256];
};

// A scalar as it stands in the file.
struct config_scalar {
    const char *text; // NUL-terminated
    bool quoted;      // in quotes: it is text, never a number
    int line, column; // where it stands; 0: nowhere
};

// Read `scalar` as the key's kind into `config`. -EINVAL with a complaint.
int config_value_set(struct config *config, const struct config_key *key,
                     struct config_scalar scalar, struct config_complaint *complaint);

#endif
