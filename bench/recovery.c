// recovery.c: how long is nothing done when something of a job is killed? All of it, with its
// options, is in tools/bench/recovery_measure.h, which `weir bench recovery` uses too.
#include "tools/bench/recovery_measure.h"

int main(int argc, char **argv)
{
    return recovery_main(argc, argv);
}
