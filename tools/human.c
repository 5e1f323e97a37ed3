// human.c: see human.h.
#include "tools/human.h"

#include <math.h>
#include <stdio.h>

#include "core/base/check.h"

struct unit {
    double size;
    const char *name;
};

// In the largest unit of which there is one; three digits at most before the point.
static void put(double value, const struct unit *units, int count, char out[HUMAN_BYTES])
{
    int at = count - 1;
    while (at > 0 && value < units[at].size)
        at--;
    value /= units[at].size;
    const int digits = units[at].size == 1 || value >= 99.95 ? 0 : 1;
    snprintf(out, HUMAN_BYTES, "%.*f%s", digits, value, units[at].name);
}

const char *human_count(double count, char out[HUMAN_BYTES])
{
    static const struct unit units[] = {{1, ""}, {1e3, "k"}, {1e6, "M"}, {1e9, "G"}, {1e12, "T"}};
    if (isnan(count))
        snprintf(out, HUMAN_BYTES, "-");
    else
        put(count, units, ARRAY_SIZE(units), out);
    return out;
}

const char *human_ns(double ns, char out[HUMAN_BYTES])
{
    static const struct unit units[] = {{1, "ns"}, {1e3, "us"}, {1e6, "ms"}, {1e9, "s"}};
    if (isnan(ns) || ns < 0)
        snprintf(out, HUMAN_BYTES, "-");
    else if (ns == 0)
        snprintf(out, HUMAN_BYTES, "0");
    else if (ns >= 7200e9)
        snprintf(out, HUMAN_BYTES, "%.1fh", ns / 3600e9);
    else if (ns >= 600e9)
        snprintf(out, HUMAN_BYTES, "%.0fmin", ns / 60e9);
    else
        put(ns, units, ARRAY_SIZE(units), out);
    return out;
}

const char *human_percent(double share, char out[HUMAN_BYTES])
{
    if (isnan(share))
        snprintf(out, HUMAN_BYTES, "-");
    else
        snprintf(out, HUMAN_BYTES, "%.*f", share > 0 && share < 0.0995 ? 1 : 0, share * 100);
    return out;
}
