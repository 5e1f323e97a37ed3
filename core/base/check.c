// check.c: what a failed assertion does.
#include "core/base/check.h"

#include <stdio.h>
#include <stdlib.h>

void check_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "weir: internal error: %s:%d: check failed: %s\n", file, line, condition);
    abort();
}
