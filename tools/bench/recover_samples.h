// recover_samples.h: clocks, naps and samples of bench/recovery.
#ifndef WEIR_TOOLS_BENCH_RECOVER_SAMPLES_H
#define WEIR_TOOLS_BENCH_RECOVER_SAMPLES_H

#include <stdint.h>
#include <sys/types.h>

#define MS_NS INT64_C(1000000)

// Monotonic, as the times in the control block.
int64_t recover_now_ns(void);
void recover_nap(int64_t ns);

// Say why and exit with 1.
_Noreturn void recover_fail(const char *why);

// How long the process has wanted to run and waited for a core, since its start; -1: not known.
int64_t recover_waited_ns(pid_t pid);

// Figures of one kind, in milliseconds. All zero is empty.
struct samples {
    double *values;
    long count, room;
};

void samples_add(struct samples *s, double ms);
// The value that the share of them does not exceed; 0 when there is none. Sorts.
double samples_at(struct samples *s, double share);

// The longest time without a sign of something that gives them all the time. All zero is new.
struct silence {
    int64_t last_ns;    // the newest sign
    int64_t longest_ns; // since the lap began
    struct samples laps;
};

void silence_sign(struct silence *s, int64_t sign_ns);
// Note the lap's longest silence, the one that is under way included; a new lap begins.
void silence_lap(struct silence *s);
// Forget all laps, and what the one under way has seen.
void silence_restart(struct silence *s);

#endif
