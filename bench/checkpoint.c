// checkpoint.c: what a snapshot under way costs the batches beside it, and how near it is to the
// disk; all of it is in tools/bench/checkpoint_measure.h, which `weir bench checkpoint` uses too.
//
// usage: checkpoint FOLDER [delay] [throughput] [write] [increment] [restore]
//   CKPT_STATE_MIB   state in memory (256)
//   CKPT_SECONDS     of one turn (2)
//   CKPT_ROUNDS      turns of each side (5)
#include <stdio.h>
#include <stdlib.h>

#include "tools/bench/checkpoint_measure.h"

static double number_of(const char *name, double otherwise)
{
    const char *text = getenv(name);
    return text && *text ? strtod(text, NULL) : otherwise;
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc < 2) {
        fprintf(stderr, "usage: checkpoint FOLDER [PART..]\n");
        return 64;
    }
    const struct checkpoint_settings settings = {
        .folder = argv[1],
        .state_bytes = (uint64_t)number_of("CKPT_STATE_MIB", 256) << 20,
        .seconds = number_of("CKPT_SECONDS", 2),
        .rounds = (int)number_of("CKPT_ROUNDS", 5)};
    if (settings.seconds <= 0 || settings.rounds < 1 || settings.rounds > CHECKPOINT_ROUNDS_MAX ||
        !settings.state_bytes)
        return 64;
    checkpoint_print(&settings, argc - 2, argv + 2);
    return 0;
}
