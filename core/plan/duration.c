// duration.c: Flink's spelling of durations ("60s", "1 min", "500 ms"), as TimeUtils.parseDuration
// reads it: a whole number, optional spaces, a unit in any case; no unit means milliseconds. Sizes
// ("128MB") as MemorySize.parse reads them: all units are powers of 1024.
#include <errno.h>
#include <limits.h>
#include <strings.h>

#include "core/base/check.h"
#include "core/plan/plan.h"

struct duration_unit {
    const char *label;
    int64_t nanos;
};

static const struct duration_unit duration_units[] = {
    {"d", 86400000000000},
    {"day", 86400000000000},
    {"days", 86400000000000},
    {"h", 3600000000000},
    {"hour", 3600000000000},
    {"hours", 3600000000000},
    {"m", 60000000000},
    {"min", 60000000000},
    {"minute", 60000000000},
    {"minutes", 60000000000},
    {"s", 1000000000},
    {"sec", 1000000000},
    {"secs", 1000000000},
    {"second", 1000000000},
    {"seconds", 1000000000},
    {"ms", 1000000},
    {"milli", 1000000},
    {"millis", 1000000},
    {"millisecond", 1000000},
    {"milliseconds", 1000000},
    {"µs", 1000},
    {"micro", 1000},
    {"micros", 1000},
    {"microsecond", 1000},
    {"microseconds", 1000},
    {"ns", 1},
    {"nano", 1},
    {"nanos", 1},
    {"nanosecond", 1},
    {"nanoseconds", 1},
};

static const char *skip_spaces(const char *p)
{
    while (*p == ' ' || *p == '\t')
        p++;
    return p;
}

static size_t trimmed_bytes(const char *p)
{
    size_t len = strlen(p);
    while (len && (p[len - 1] == ' ' || p[len - 1] == '\t'))
        len--;
    return len;
}

static const struct duration_unit *find_unit(const char *label, size_t len)
{
    static const struct duration_unit milliseconds = {"ms", 1000000};
    if (len == 0)
        return &milliseconds;
    for (size_t i = 0; i < ARRAY_SIZE(duration_units); i++) {
        const struct duration_unit *unit = &duration_units[i];
        if (strlen(unit->label) == len && strncasecmp(unit->label, label, len) == 0)
            return unit;
    }
    return NULL;
}

int plan_duration_ms(const char *text, int64_t *out, struct err *err)
{
    const char *p = skip_spaces(text);
    const char *digits = p;
    __int128 number = 0;
    for (; *p >= '0' && *p <= '9' && number <= INT64_MAX; p++)
        number = number * 10 + (*p - '0');
    if (p == digits)
        return err_set(err, -EINVAL,
                       "'%s' is not a duration: write a whole number and a unit, for example "
                       "'60 s', '1 min' or '500 ms'",
                       text);
    p = skip_spaces(p);
    const struct duration_unit *unit = find_unit(p, trimmed_bytes(p));
    if (!unit)
        return err_set(err, -EINVAL,
                       "'%s' is not a duration: units are d, h, min, s, ms, µs and ns", text);
    __int128 ms = number * unit->nanos / 1000000;
    if (number > INT64_MAX || ms > INT64_MAX / 4)
        return err_set(err, -EINVAL, "'%s' is too long a duration", text);
    *out = (int64_t)ms;
    return 0;
}

int plan_size_bytes(const char *text, int64_t *out)
{
    static const struct {
        const char *label;
        int shift;
    } units[] = {{"", 0},     {"b", 0},    {"bytes", 0}, {"k", 10},   {"kb", 10},
                 {"kib", 10}, {"m", 20},   {"mb", 20},   {"mib", 20}, {"g", 30},
                 {"gb", 30},  {"gib", 30}, {"t", 40},    {"tb", 40},  {"tib", 40}};
    const char *p = skip_spaces(text);
    const char *digits = p;
    int64_t number = 0;
    for (; *p >= '0' && *p <= '9'; p++)
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, *p - '0', &number))
            return -EINVAL;
    if (p == digits || number == 0)
        return -EINVAL;
    p = skip_spaces(p);
    size_t len = trimmed_bytes(p);
    for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
        if (strlen(units[i].label) != len || strncasecmp(units[i].label, p, len) != 0)
            continue;
        return __builtin_mul_overflow(number, INT64_C(1) << units[i].shift, out) ? -EINVAL : 0;
    }
    return -EINVAL;
}
