// config_value.c: one scalar of the config becomes one value, or a complaint that says how to write
// it.
#include "tools/config_keys.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/check.h"

enum { CORES_MAX = 4096 };

struct unit {
    const char *name;
    int64_t factor;
};

static const struct unit size_units[] = {
    {"B", 1},           {"KiB", 1LL << 10}, {"MiB", 1LL << 20},
    {"GiB", 1LL << 30}, {"TiB", 1LL << 40}, {NULL, 0},
};

static const struct unit duration_units[] = {
    {"ms", 1}, {"s", 1000}, {"min", 60 * 1000}, {"h", 3600 * 1000}, {"d", 24 * 3600 * 1000},
    {NULL, 0},
};

// The same unit as other programs write it, and what it is called here.
static const char *const unit_aliases[][2] = {
    {"k", "KiB"},     {"kb", "KiB"},     {"m", "MiB or min"}, {"mb", "MiB"},   {"g", "GiB"},
    {"gb", "GiB"},    {"tb", "TiB"},     {"t", "TiB"},        {"sec", "s"},    {"second", "s"},
    {"seconds", "s"}, {"minute", "min"}, {"minutes", "min"},  {"mins", "min"}, {"hour", "h"},
    {"hours", "h"},   {"day", "d"},      {"days", "d"},       {"msec", "ms"},  {"millis", "ms"},
};

static int complain(struct config_complaint *complaint, const char *hint, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int complain(struct config_complaint *complaint, const char *hint, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(complaint->problem, sizeof(complaint->problem), format, args);
    va_end(args);
    snprintf(complaint->hint, sizeof(complaint->hint), "%s", hint);
    return -EINVAL;
}

// Decimal digits only, no sign; *rest is what follows them. -EINVAL without a digit, -ERANGE when
// it is more than 64 bits hold.
static int parse_digits(const char *text, int64_t *value, const char **rest)
{
    int64_t sum = 0;
    bool overflow = false;
    const char *p = text;
    for (; *p >= '0' && *p <= '9'; p++) {
        overflow |= __builtin_mul_overflow(sum, 10, &sum);
        overflow |= __builtin_add_overflow(sum, *p - '0', &sum);
    }
    *value = sum;
    *rest = p;
    return p == text ? -EINVAL : overflow ? -ERANGE : 0;
}

static const struct unit *find_unit(const struct unit *units, const char *name)
{
    for (; units->name; units++) {
        if (strcmp(units->name, name) == 0)
            return units;
    }
    return NULL;
}

static int complain_unit(const struct unit *units, const char *name, const char *text,
                         struct config_complaint *complaint)
{
    char hint[128];
    const char *example = units == size_units ? "64MiB" : "10s";
    snprintf(hint, sizeof(hint), "units are %s, as in %s",
             units == size_units ? "B, KiB, MiB, GiB, TiB" : "ms, s, min, h, d", example);
    for (size_t i = 0; i < ARRAY_SIZE(unit_aliases); i++) {
        if (strcasecmp(unit_aliases[i][0], name) == 0)
            snprintf(hint, sizeof(hint), "did you mean %s?", unit_aliases[i][1]);
    }
    for (const struct unit *unit = units; unit->name; unit++) {
        if (strcasecmp(unit->name, name) == 0)
            snprintf(hint, sizeof(hint), "did you mean %s?", unit->name);
    }
    if (*name == '\0')
        return complain(complaint, hint, "%s has no unit", text);
    return complain(complaint, hint, "%s is not a unit of a %s", name,
                    units == size_units ? "size" : "duration");
}

// "64MiB", "1 GiB": digits, perhaps a space, a unit.
static int parse_measure(const char *text, const struct unit *units, int64_t *value,
                         struct config_complaint *complaint)
{
    const char *what = units == size_units ? "size" : "duration";
    const char *example = units == size_units ? "write a whole number and a unit, as in 64MiB"
                                              : "write a whole number and a unit, as in 10s";
    const char *rest;
    int code = parse_digits(text, value, &rest);
    if (code == -EINVAL || *rest == '.')
        return complain(complaint, example, "'%s' is not a %s", text, what);
    if (code)
        return complain(complaint, "", "%s is too large", text);
    while (*rest == ' ')
        rest++;
    const struct unit *unit = find_unit(units, rest);
    if (!unit)
        return complain_unit(units, rest, text, complaint);
    if (__builtin_mul_overflow(*value, unit->factor, value))
        return complain(complaint, "", "%s is too large", text);
    return 0;
}

// A number in the words of the given units, for messages about bounds.
static void format_measure(int64_t value, const struct unit *units, char *text, size_t text_bytes)
{
    const struct unit *best = units;
    for (const struct unit *unit = units; unit->name; unit++) {
        if (value >= unit->factor && value % unit->factor == 0)
            best = unit;
    }
    snprintf(text, text_bytes, "%lld%s", (long long)(value / best->factor), best->name);
}

static int check_bounds(const struct config_key *key, int64_t value, const struct unit *units,
                        struct config_complaint *complaint)
{
    static const struct unit plain[] = {{"", 1}, {NULL, 0}};
    if (value >= key->low && value <= key->high)
        return 0;
    char low[32], high[32];
    format_measure(key->low, units ? units : plain, low, sizeof(low));
    format_measure(key->high, units ? units : plain, high, sizeof(high));
    return complain(complaint, "", "%s must be from %s to %s", key->name, low, high);
}

static bool is_word(struct config_scalar scalar, const char *word)
{
    return strcmp(scalar.text, word) == 0;
}

static int set_size(int64_t *slot, const struct config_key *key, struct config_scalar scalar,
                    struct config_complaint *complaint)
{
    if (key->kind == CONFIG_KIND_SIZE_AUTO && is_word(scalar, "auto")) {
        *slot = CONFIG_AUTO;
        return 0;
    }
    int code = parse_measure(scalar.text, size_units, slot, complaint);
    if (!code)
        code = check_bounds(key, *slot, size_units, complaint);
    if (!code && key->power_of_two && (*slot & (*slot - 1)))
        code = complain(complaint, "as in 512KiB, 1MiB or 2MiB", "%s must be a power of two",
                        key->name);
    return code;
}

static int set_share(struct config_share *slot, const struct config_key *key,
                     struct config_scalar scalar, struct config_complaint *complaint)
{
    const char *rest;
    slot->is_percent = parse_digits(scalar.text, &slot->amount, &rest) == 0 && *rest == '%';
    if (!slot->is_percent) {
        int code = parse_measure(scalar.text, size_units, &slot->amount, complaint);
        if (code && !complaint->hint[0])
            return code;
        if (code)
            return complain(complaint, "write a percentage or a size, as in 10% or 4GiB",
                            "'%s' is neither a percentage nor a size", scalar.text);
        return check_bounds(key, slot->amount, size_units, complaint);
    }
    if (rest[1] != '\0' || slot->amount > 90)
        return complain(complaint, "", "%s must be from 0%% to 90%%", key->name);
    return 0;
}

static int set_duration(int64_t *slot, const struct config_key *key, struct config_scalar scalar,
                        struct config_complaint *complaint)
{
    if (key->kind == CONFIG_KIND_DURATION_NONE && is_word(scalar, "none")) {
        *slot = 0;
        return 0;
    }
    int code = parse_measure(scalar.text, duration_units, slot, complaint);
    return code ? code : check_bounds(key, *slot, duration_units, complaint);
}

static int set_count(int *slot, const struct config_key *key, struct config_scalar scalar,
                     struct config_complaint *complaint)
{
    if (key->kind == CONFIG_KIND_COUNT_AUTO && is_word(scalar, "auto")) {
        *slot = CONFIG_AUTO;
        return 0;
    }
    int64_t value;
    const char *rest;
    int code = parse_digits(scalar.text, &value, &rest);
    if (scalar.quoted && code == 0)
        return complain(complaint, "leave the quotes out", "'%s' is text, not a number",
                        scalar.text);
    if (code == -EINVAL || *rest != '\0')
        return complain(complaint, key->kind == CONFIG_KIND_COUNT ? "" : "or write auto",
                        "'%s' is not a whole number", scalar.text);
    code = code ? -EINVAL : check_bounds(key, value, NULL, complaint);
    if (code)
        return complain(complaint, "", "%s must be from %lld to %lld", key->name,
                        (long long)key->low, (long long)key->high);
    *slot = (int)value;
    return 0;
}

static int set_decimal(double *slot, const struct config_key *key, struct config_scalar scalar,
                       struct config_complaint *complaint)
{
    const char *rest = scalar.text;
    int64_t whole;
    int code = parse_digits(rest, &whole, &rest);
    if (code == 0 && *rest == '.')
        code = parse_digits(rest + 1, &whole, &rest);
    if (code || *rest != '\0' || scalar.quoted)
        return complain(complaint, "as in 1.5", "'%s' is not a number", scalar.text);
    *slot = strtod(scalar.text, NULL);
    if (*slot < (double)key->low || *slot > (double)key->high)
        return complain(complaint, "", "%s must be from %lld to %lld", key->name,
                        (long long)key->low, (long long)key->high);
    return 0;
}

static int set_choice(int *slot, const struct config_key *key, struct config_scalar scalar,
                      struct config_complaint *complaint)
{
    char all[128] = "";
    int count = 0;
    size_t used = 0;
    for (; count < CONFIG_CHOICES_MAX && key->choices[count]; count++) {
        if (strcmp(key->choices[count], scalar.text) == 0) {
            *slot = count;
            return 0;
        }
        used += (size_t)snprintf(all + used, sizeof(all) - used, "%s%s", count ? ", " : "",
                                 key->choices[count]);
        CHECK(used < sizeof(all));
    }
    char hint[256];
    const char *meant = err_suggest(scalar.text, key->choices, count);
    if (meant)
        snprintf(hint, sizeof(hint), "did you mean %s?", meant);
    else
        snprintf(hint, sizeof(hint), "it is one of: %s", all);
    return complain(complaint, hint, "%s cannot be '%s'", key->name, scalar.text);
}

// "0-3,8": numbers and ranges, as taskset writes them. Counts the cores. `ascending`: each is
// greater than the ones before it.
static int parse_core_list(const char *text, bool ascending, int *count)
{
    int64_t last = -1;
    *count = 0;
    for (const char *p = text;; p++) {
        int64_t first, end;
        if (parse_digits(p, &first, &p) || (ascending && first <= last) || first > 4095)
            return -EINVAL;
        end = first;
        if (*p == '-' && (parse_digits(p + 1, &end, &p) || end < first || end > 4095))
            return -EINVAL;
        *count += (int)(end - first + 1);
        if (*count > CORES_MAX)
            return -ERANGE;
        last = end;
        if (*p == '\0')
            return 0;
        if (*p != ',')
            return -EINVAL;
    }
}

static int set_tasks(struct config *config, struct config_tasks *slot, struct config_scalar scalar,
                     struct config_complaint *complaint)
{
    *slot = (struct config_tasks){.list = NULL};
    if (is_word(scalar, "auto"))
        return 0;
    if (parse_core_list(scalar.text, false, &slot->count))
        return complain(complaint,
                        "write auto, or one core for each task of the plan, as in \"3,1,2,2\"",
                        "'%.100s' does not name cores of tasks", scalar.text);
    slot->list = pool_strdup(&config->pool, scalar.text);
    slot->line = scalar.line;
    slot->column = scalar.column;
    return 0;
}

static int set_cores(struct config *config, void *value, const struct config_key *key,
                     struct config_scalar scalar, struct config_complaint *complaint)
{
    struct config_cores *slot = value;
    const char *rest;
    int64_t number;
    if (key->one_a_task)
        return set_tasks(config, value, scalar, complaint);
    *slot = (struct config_cores){.count = CONFIG_AUTO};
    if (is_word(scalar, "auto"))
        return 0;
    if (!scalar.quoted && parse_digits(scalar.text, &number, &rest) == 0 && *rest == '\0') {
        int code = check_bounds(key, number, NULL, complaint);
        slot->count = code ? CONFIG_AUTO : (int)number;
        return code;
    }
    if (parse_core_list(scalar.text, true, &slot->count))
        return complain(complaint, "write auto, a number of cores, or a list as in \"0-3,8\"",
                        "'%s' does not name cores", scalar.text);
    slot->list = pool_strdup(&config->pool, scalar.text);
    return 0;
}

static int set_name(struct config *config, const char **slot, const struct config_key *key,
                    struct config_scalar scalar, struct config_complaint *complaint)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    size_t bytes = strlen(scalar.text);
    if (bytes == 0 || bytes > 64 || strspn(scalar.text, allowed) != bytes || scalar.text[0] == '-')
        return complain(complaint, "letters, digits, - and _ only, at most 64",
                        "%s cannot be '%s': it names files", key->name, scalar.text);
    *slot = pool_strdup(&config->pool, scalar.text);
    return 0;
}

static int set_path(struct config *config, const char **slot, const struct config_key *key,
                    struct config_scalar scalar, struct config_complaint *complaint)
{
    const char *text = scalar.text;
    if (*text == '\0')
        return complain(complaint, "", "%s is empty", key->name);
    *slot = NULL;
    if (key->kind == CONFIG_KIND_PATH_AUTO && !scalar.quoted && strcmp(text, "auto") == 0)
        return 0;
    const char *slash = strrchr(config->file_name, '/');
    if (*text == '/' || !slash) {
        *slot = pool_strdup(&config->pool, text);
        return 0;
    }
    if (strncmp(text, "./", 2) == 0)
        text += 2;
    *slot = pool_printf(&config->pool, "%.*s/%s", (int)(slash - config->file_name),
                        config->file_name, text);
    return 0;
}

static int set_listen(struct config *config, const char **slot, struct config_scalar scalar,
                      struct config_complaint *complaint)
{
    *slot = NULL;
    if (is_word(scalar, "none"))
        return 0;
    const char *colon = strrchr(scalar.text, ':');
    const char *rest;
    int64_t port;
    if (!colon || colon == scalar.text || parse_digits(colon + 1, &port, &rest) || *rest != '\0' ||
        port < 1 || port > 65535)
        return complain(complaint, "write none, or host:port as in 127.0.0.1:9090",
                        "'%s' is not an address", scalar.text);
    *slot = pool_strdup(&config->pool, scalar.text);
    return 0;
}

int config_value_set(struct config *config, const struct config_key *key,
                     struct config_scalar scalar, struct config_complaint *complaint)
{
    CHECK(key->offset < sizeof(*config));
    void *slot = (char *)config + key->offset;
    switch (key->kind) {
    case CONFIG_KIND_NAME:
        return set_name(config, slot, key, scalar, complaint);
    case CONFIG_KIND_PATH_AUTO:
    case CONFIG_KIND_PATH:
        return set_path(config, slot, key, scalar, complaint);
    case CONFIG_KIND_SIZE:
    case CONFIG_KIND_SIZE_AUTO:
        return set_size(slot, key, scalar, complaint);
    case CONFIG_KIND_SHARE:
        return set_share(slot, key, scalar, complaint);
    case CONFIG_KIND_DURATION:
    case CONFIG_KIND_DURATION_NONE:
        return set_duration(slot, key, scalar, complaint);
    case CONFIG_KIND_COUNT:
    case CONFIG_KIND_COUNT_AUTO:
        return set_count(slot, key, scalar, complaint);
    case CONFIG_KIND_DECIMAL:
        return set_decimal(slot, key, scalar, complaint);
    case CONFIG_KIND_CHOICE:
        return set_choice(slot, key, scalar, complaint);
    case CONFIG_KIND_CORES:
        return set_cores(config, slot, key, scalar, complaint);
    case CONFIG_KIND_LISTEN:
        return set_listen(config, slot, scalar, complaint);
    }
    CHECK(!"a kind without a reader");
    return -EINVAL;
}
