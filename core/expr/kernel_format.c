// kernel_format.c: times as text by a pattern: DATE_FORMAT, TO_TIMESTAMP, TO_DATE, FROM_UNIXTIME
// and UNIX_TIMESTAMP. The pattern is a literal, compiled once.
#include <errno.h>
#include <stdlib.h>

#include "core/base/calendar.h"
#include "core/expr/internal.h"
#include "core/expr/zone.h"

static void *prepare_pattern(const struct expr *call)
{
    return call->args[1]->is_null ? NULL : time_pattern_compile(call->args[1]->str, NULL);
}

static void release_pattern(void *prepared)
{
    time_pattern_free(prepared);
}

static int check_pattern(const struct expr *call, struct err *err)
{
    const struct expr *e = call->args[1];
    if (e->kind != EXPR_LITERAL)
        return err_set(err, -EINVAL, "the pattern of %s is a literal", call->function->name);
    struct time_pattern *p = e->is_null ? NULL : time_pattern_compile(e->str, err);
    time_pattern_free(p);
    return p || e->is_null ? 0 : -EINVAL;
}

static void format_one(struct kernel *k, uint32_t i, int64_t ms)
{
    char *out = scratch_bytes(k, time_pattern_bytes(k->prepared));
    k->out->str[i] = slice_make(out, time_pattern_format(k->prepared, ms, out));
}

// A TIMESTAMP as it is, a TIMESTAMP_LTZ in the session's zone, text as what it reads as.
static void date_format(struct kernel *k)
{
    const struct column *in = k->args[0];
    for (uint32_t i = 0; i < k->count; i++) {
        int64_t ms;
        k->out->str[i] = slice_make("", 0);
        if (k->out->state[i] != VALUE_PRESENT)
            continue;
        if (in->kind != TYPE_STRING)
            ms = in->kind == TYPE_TIMESTAMP ? in->i64[i] : zone_to_local(k->zone, in->i64[i]);
        else if (!calendar_cast_timestamp(in->str[i], &ms)) {
            k->out->state[i] = VALUE_NULL;
            continue;
        }
        format_one(k, i, ms);
    }
}

static void from_unixtime(struct kernel *k)
{
    for (uint32_t i = 0; i < k->count; i++) {
        int64_t seconds = k->args[0]->i64[i];
        k->out->str[i] = slice_make("", 0);
        if (k->out->state[i] != VALUE_PRESENT)
            continue;
        if (seconds > 253402300799 || seconds < -62135596800)
            k->out->state[i] = error_state(EXPR_ERROR_ARGUMENT);
        else
            format_one(k, i, zone_to_local(k->zone, seconds * 1000));
    }
}

// By the pattern, or, as Flink falls back, as CAST reads it.
static bool read_time(struct kernel *k, uint32_t i, int64_t *ms)
{
    struct slice text = k->args[0]->str[i];
    return time_pattern_parse(k->prepared, text, ms) || calendar_cast_timestamp(text, ms);
}

static void to_timestamp(struct kernel *k)
{
    for (uint32_t i = 0; i < k->count; i++) {
        k->out->i64[i] = 0;
        if (k->out->state[i] == VALUE_PRESENT && !read_time(k, i, &k->out->i64[i]))
            k->out->state[i] = VALUE_NULL;
    }
}

static void to_date(struct kernel *k)
{
    to_timestamp(k);
    for (uint32_t i = 0; i < k->count; i++)
        k->out->i64[i] = calendar_floor_div(k->out->i64[i], CALENDAR_DAY_MS);
}

static void unix_timestamp(struct kernel *k)
{
    for (uint32_t i = 0; i < k->count; i++) {
        int64_t ms;
        k->out->i64[i] = INT64_MIN; // what Flink answers for text that is no time
        if (k->out->state[i] == VALUE_PRESENT && read_time(k, i, &ms))
            k->out->i64[i] = calendar_floor_div(zone_from_local(k->zone, ms), 1000);
    }
}

// --- CONVERT_TZ(text, from, to) ---

struct zone_pair {
    struct zone *from, *to;
};

static int open_zone(const struct expr *name, struct zone **out, struct err *err)
{
    char text[64];
    if (name->kind != EXPR_LITERAL || name->type.kind != TYPE_STRING || name->is_null)
        return err_set(err, -EINVAL, "the time zones of CONVERT_TZ are literals");
    if (name->str.len >= sizeof(text))
        return err_set(err, -EINVAL, "there is no time zone of so long a name");
    memcpy(text, name->str.ptr, name->str.len);
    text[name->str.len] = 0;
    return zone_open(text, out, err);
}

static void release_zones(void *prepared)
{
    struct zone_pair *zones = prepared;
    if (!zones)
        return;
    zone_close(zones->from);
    zone_close(zones->to);
    free(zones);
}

static void *prepare_zones(const struct expr *call)
{
    struct zone_pair *zones = calloc(1, sizeof(*zones));
    CHECK(zones);
    int rc = open_zone(call->args[1], &zones->from, NULL);
    if (rc == 0)
        rc = open_zone(call->args[2], &zones->to, NULL);
    CHECK(rc == 0); // check_zones has opened them before
    return zones;
}

static int check_zones(const struct expr *call, struct err *err)
{
    for (int i = 1; i < 3; i++) {
        struct zone *zone = NULL;
        int rc = open_zone(call->args[i], &zone, err);
        if (rc)
            return rc;
        zone_close(zone);
    }
    return 0;
}

static void convert_tz(struct kernel *k)
{
    const struct zone_pair *zones = k->prepared;
    for (uint32_t i = 0; i < k->count; i++) {
        int64_t ms;
        k->out->str[i] = slice_make("", 0);
        if (k->out->state[i] != VALUE_PRESENT)
            continue;
        if (!calendar_cast_timestamp(k->args[0]->str[i], &ms)) {
            k->out->state[i] = VALUE_NULL;
            continue;
        }
        char *out = scratch_bytes(k, CALENDAR_TEXT_BYTES);
        ms = zone_to_local(zones->to, zone_from_local(zones->from, ms));
        k->out->str[i] = slice_make(out, calendar_format_timestamp_fixed(ms, 0, out));
    }
}

#define PATTERN(name, args, result, flags, kernel)                                                 \
    {                                                                                              \
        name, args, result, flags, kernel, NULL, check_pattern, prepare_pattern, release_pattern   \
    }
#define MAYBE_NULL (FUNCTION_PARTIAL | FUNCTION_NULLABLE)

const struct expr_function expr_format_functions[] = {
    PATTERN("DATE_FORMAT", "ts", 's', MAYBE_NULL, date_format),
    PATTERN("DATE_FORMAT", "zs", 's', MAYBE_NULL | FUNCTION_ZONE, date_format),
    PATTERN("DATE_FORMAT", "ss", 's', MAYBE_NULL, date_format),
    PATTERN("FROM_UNIXTIME", "ls", 's', FUNCTION_PARTIAL | FUNCTION_ZONE, from_unixtime),
    PATTERN("TO_TIMESTAMP", "ss", 't', MAYBE_NULL, to_timestamp),
    PATTERN("TO_DATE", "ss", 'D', MAYBE_NULL, to_date),
    {"CONVERT_TZ", "sss", 's', MAYBE_NULL, convert_tz, NULL, check_zones, prepare_zones,
     release_zones},
    PATTERN("UNIX_TIMESTAMP", "ss", 'l', FUNCTION_ZONE, unix_timestamp),
    {0},
};
