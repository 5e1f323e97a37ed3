// window.c: the little of window arithmetic that is not worth inlining.
#include "core/time/window.h"

int64_t window_gcd(int64_t a, int64_t b)
{
    CHECK(a >= 0 && b >= 0);
    while (b) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}
