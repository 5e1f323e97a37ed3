// doctor_host.h: what `weir doctor` looks at of the host besides folders: files below /proc, /sys
// and /etc, and what it measures.
//
// All files are read below a root, so that a recorded host can be looked at as well as this one: a
// folder with the same files below it, and beside them one, `measured`, with a line "name value"
// for each figure that this program would have measured (struct measured).
#ifndef WEIR_TOOLS_DOCTOR_HOST_H
#define WEIR_TOOLS_DOCTOR_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/err.h"
#include "tools/doctor.h"

// Figures, in ns where nothing else is said; < 0: not known.
struct measured {
    double clock_ns;        // a look at the clock, median
    double oversleep_ns;    // a sleep of 50 us: so much longer, median ...
    double oversleep_max;   // ... and the worst
    double wake_ns;         // from a wake call to running, median ...
    double wake_max;        // ... and the worst
    double steal_percent;   // of the processors' time while it was measured
    double irq_rate;        // interrupts of devices, a second, of the core that has most
    double irq_core;        // which that is
    double is_synchronised; // the wall clock, by the kernel's account: 1, 0
    double has_io_uring;    // 1, 0
};

struct host {
    struct doctor *doctor;
    const char *root; // "": this host
    struct measured measured;
};

// Measure, or read what was: takes about half a second. -errno with a text: a recorded host that
// cannot be read.
int doctor_measure(struct host *host, struct err *err);

// A line each. doctor_cores.c: speed, sleep and use of cores. doctor_time.c: clocks, timers,
// waking. doctor_limits.c: limits, control groups, memory, what remains after a logout.
void doctor_cores(const struct host *host);
void doctor_time(const struct host *host);
void doctor_limits(const struct host *host);

// --- reading ---

enum { DOCTOR_TEXT_BYTES = 8192 };

// A file, NUL-terminated and without its last newline; what does not fit is left out. false: it is
// not there, or not for us; then *out is "".
bool doctor_read(const struct host *host, const char *path, char *out, size_t bytes);

// A file with one number. false: none.
bool doctor_read_number(const struct host *host, const char *path, int64_t *out);

// "[a] b c" -> "a"; a text without brackets as it is. At most bytes - 1 of it.
void doctor_chosen(const char *text, char *out, size_t bytes);

// Call visit with the text of each file that a pattern (glob(7)) names; how many there were.
int doctor_visit(const struct host *host, const char *pattern,
                 void (*visit)(const char *path, const char *text, void *context), void *context);

// 0.2 us, 35 us, 1.3 ms
const char *doctor_format_ns(double ns, char out[32]);

#endif
