// pin.h: what the parts of `weir pin` share: one proposal, and the ways to show it.
#ifndef WEIR_TOOLS_PIN_H
#define WEIR_TOOLS_PIN_H

#include "core/base/buf.h"
#include "stages/placement/place.h"
#include "tools/job_load.h"
#include "tools/pin_apply.h"

struct pin_options {
    const char *path;     // of the config
    const char *topology; // NULL: this host
    const char *svg, *record;
    const char *device; // that all sources read from; NULL: found by their paths
    bool json, write, apply;
    int64_t observe_ms; // 0: no
};

enum { PIN_DEVICE_BYTES = 32 };

// How the tasks are placed now, as far as the config or the running job says.
enum pin_before { PIN_BEFORE_KERNEL, PIN_BEFORE_CONFIG, PIN_BEFORE_OBSERVED };

// What a task sends and is sent, by how far it goes.
struct pin_near {
    int64_t bytes_s;
    int tasks[PLACE_CLASS_COUNT], task_count;
};

struct pin {
    const struct pin_options *options;
    struct job_load load;
    struct plan *plan; // that is placed; load.plan, or made for another number of cores
    int cores;         // that it was made for
    struct machine *machine;
    struct traffic traffic;
    bool *usable; // one a unit of the machine
    int *device_node;
    char (*device)[PIN_DEVICE_BYTES]; // one a task
    int *housekeeping;                // units for supervisor, copiers and spares, in order
    int housekeeping_count;           // 0: none is left for them
    bool housekeeping_is_given;       // by the config
    bool housekeeping_on_sibling;     // the idle sibling of a task's core
    struct place_problem problem;
    struct place_result result;
    struct pin_near *near; // one a task
    enum pin_before before;
    int *before_units;               // one a task; NULL: the kernel decides
    struct place_price before_price; // then: of a channel, on average
    struct pin_applied *applied;     // --apply: one a task; NULL: not done
    struct traffic after;            // then: as observed there; no tasks: not known
};

// From a loaded config to a placement. COMMAND_OK or another exit status with a text.
int pin_propose(struct pin *pin, struct err *err);
void pin_fini(struct pin *pin);

// The plan of the job's script for so many cores. An exit status.
int pin_plan_for(const struct pin *pin, int cores, struct plan **out, struct err *err);

// --observe: plan and traffic are those of the running job. An exit status, with a text.
int pin_observe(struct pin *pin, struct err *err);

// --apply: give the tasks of the running job their cores, and look at it once more. An exit status,
// with a text.
int pin_move(struct pin *pin, struct err *err);
void pin_print_moved(const struct pin *pin, struct buf *out);

// What a channel costs in picoseconds a second, now and as proposed.
int64_t pin_before_ps(const struct pin *pin, int channel);
int64_t pin_after_ps(const struct pin *pin, int channel);
// "same L3", or what is said of it when the kernel decides.
const char *pin_before_class(const struct pin *pin, int channel);
const char *pin_after_class(const struct pin *pin, int channel);

// The core of a task, as the kernel counts.
static inline int pin_core(const struct pin *pin, int task)
{
    return pin->machine->pus[pin->result.units[task]].os;
}

// The node that gives a task its memory, as the kernel counts.
int pin_memory_node(const struct pin *pin, int task);

// The values of placement.* that say this: cores, tasks, housekeeping.
void pin_tasks_value(const struct pin *pin, struct buf *out);
void pin_housekeeping_value(const struct pin *pin, struct buf *out);

// Fill in pin->near; pin_fini frees it.
void pin_find_near(struct pin *pin);

// Why the task is where it is: a sentence without an end. Tasks of a stage that are placed alike
// get the same one.
void pin_why(const struct pin *pin, int task, struct buf *out);
// The same of the housekeeping.
void pin_why_housekeeping(const struct pin *pin, struct buf *out);
// "1.2 GB/s", decimal as devices are sold.
const char *pin_rate(int64_t bytes_s, char out[32]);

void pin_print(const struct pin *pin, struct buf *out);
void pin_print_json(const struct pin *pin, struct buf *out);
void pin_draw(const struct pin *pin, struct buf *out);
int pin_write_svg(const struct pin *pin, const char *path, struct err *err);

// One key of the section placement, and the value as it is to stand in the file.
struct pin_setting {
    const char *key, *value;
};

struct pin_settings {
    struct pin_setting at[4];
    int count;
};

// The text of a config with these settings in it; all else stays as it was, comments and order too.
// -EINVAL with a text where that cannot be done safely. Appends to `out`.
int pin_yaml_edit(const char *name, struct slice text, const struct pin_settings *settings,
                  struct buf *out, struct err *err);

// What lines `after` changes, as a unified diff.
void pin_diff(const char *name, struct slice before, struct slice after, struct buf *out);

// Replace the file by `after` in one step, if it still holds `before`: -ESTALE when it does not,
// and then nothing has changed. A link is followed.
int pin_replace_file(const char *path, struct slice before, struct slice after, struct err *err);

// --write: edit, show the diff, replace. An exit status, and a text when it is not COMMAND_OK.
int pin_write(const struct pin *pin, struct err *err);

#endif
