// zone.c: reads a TZif file (RFC 8536) once into a sorted table of transitions; an instant is
// looked up by binary search. Debian's files reach to 2037; later instants take the last rule of
// the table.
#include "core/expr/zone.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "core/base/env.h"

struct zone {
    char name[64];
    int count;   // transitions
    int64_t *at; // UTC milliseconds, ascending
    int64_t
        *offset; // count + 1 of them: offset[i] holds before at[i], offset[count] after the last
};

enum { FILE_LIMIT = 1 << 20, HEADER_BYTES = 44 };

static int64_t big_endian(const uint8_t *p, int bytes)
{
    uint64_t value = p[0] & 0x80 ? UINT64_MAX : 0;
    for (int i = 0; i < bytes; i++)
        value = value << 8 | p[i];
    return (int64_t)value;
}

struct tzif_counts {
    int64_t utc_flags, standard_flags, leaps, times, types, chars;
};

static bool read_header(const uint8_t *p, size_t len, struct tzif_counts *c)
{
    if (len < HEADER_BYTES || memcmp(p, "TZif", 4) != 0)
        return false;
    int64_t n[6];
    for (int i = 0; i < 6; i++) {
        n[i] = big_endian(p + 20 + 4 * i, 4);
        if (n[i] < 0 || n[i] > 65536)
            return false;
    }
    *c = (struct tzif_counts){n[0], n[1], n[2], n[3], n[4], n[5]};
    return c->types > 0;
}

static size_t body_bytes(const struct tzif_counts *c, int time_bytes)
{
    return (size_t)(c->times * (time_bytes + 1) + c->types * 6 + c->chars +
                    c->leaps * (time_bytes + 4) + c->standard_flags + c->utc_flags);
}

// The second part of the file, with eight-byte times.
static int read_body(struct zone *zone, const uint8_t *p, size_t len)
{
    struct tzif_counts c;
    if (!read_header(p, len, &c) || p[4] < '2')
        return -EINVAL;
    size_t first = HEADER_BYTES + body_bytes(&c, 4);
    if (first > len || !read_header(p + first, len - first, &c) ||
        HEADER_BYTES + body_bytes(&c, 8) > len - first)
        return -EINVAL;
    const uint8_t *times = p + first + HEADER_BYTES, *indexes = times + c.times * 8;
    const uint8_t *types = indexes + c.times;
    zone->count = (int)c.times;
    zone->at = calloc((size_t)c.times + 1, sizeof(int64_t));
    zone->offset = calloc((size_t)c.times + 1, sizeof(int64_t));
    CHECK(zone->at && zone->offset);
    zone->offset[0] = big_endian(types, 4) * 1000;
    for (int i = 0; i < zone->count; i++) {
        if (indexes[i] >= c.types)
            return -EINVAL;
        zone->at[i] = big_endian(times + 8 * i, 8);
        zone->at[i] = zone->at[i] < INT64_MIN / 1000 ? INT64_MIN : zone->at[i] * 1000;
        zone->offset[i + 1] = big_endian(types + 6 * indexes[i], 4) * 1000;
    }
    return 0;
}

static int read_file(struct zone *zone, const char *name)
{
    char path[160];
    struct env *env = env_system();
    if (name[0] == '/' || strstr(name, ".."))
        return -EINVAL;
    if (snprintf(path, sizeof(path), "/usr/share/zoneinfo/%s", name) >= (int)sizeof(path))
        return -EINVAL;
    int fd = env->open(env, path, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return fd;
    uint8_t *bytes = malloc(FILE_LIMIT);
    CHECK(bytes);
    ssize_t len = env->pread(env, fd, bytes, FILE_LIMIT, 0);
    int code = len < 0 ? (int)len : read_body(zone, bytes, (size_t)len);
    free(bytes);
    env->close(env, fd);
    return code;
}

// [UTC|GMT][+-]h[h][[:]mm]; the offset in milliseconds.
static bool parse_fixed(const char *name, int64_t *offset)
{
    if (strncmp(name, "UTC", 3) == 0 || strncmp(name, "GMT", 3) == 0)
        name += 3;
    if (*name == '\0' || strcmp(name, "Z") == 0) {
        *offset = 0;
        return true;
    }
    if (*name != '+' && *name != '-')
        return false;
    unsigned hours = 0, minutes = 0;
    int used = 0;
    if (sscanf(name + 1, "%2u:%2u%n", &hours, &minutes, &used) != 2 &&
        sscanf(name + 1, "%2u%n", &hours, &used) != 1)
        return false;
    if (name[1 + used] != '\0' || hours > 18 || minutes > 59)
        return false;
    *offset = (int64_t)(hours * 60 + minutes) * 60000 * (*name == '-' ? -1 : 1);
    return true;
}

// The names in tzdata.zi: "Z name ..." for a zone, "L target name" for another name of one. Cuts
// `text` into strings; returns how many there are.
static int list_names(char *text, const char **names, int capacity)
{
    int count = 0;
    for (char *line = text; line && *line && count < capacity;) {
        char *end = strchr(line, '\n');
        if (end)
            *end++ = '\0';
        char *name = line[0] == 'Z' && line[1] == ' ' ? line + 2 : NULL;
        if (line[0] == 'L' && line[1] == ' ') {
            name = strchr(line + 2, ' ');
            name = name ? name + 1 : NULL;
        }
        if (name) {
            name[strcspn(name, " ")] = '\0';
            names[count++] = name;
        }
        line = end;
    }
    return count;
}

static int refuse_name(const char *name, struct err *err)
{
    enum { NAMES_MAX = 1024 };
    err_set(err, -EINVAL,
            "there is no time zone '%s'; write an IANA name such as 'Europe/Berlin' (the "
            "package tzdata has them), 'UTC', or an offset such as '+08:00'",
            name);
    struct env *env = env_system();
    int fd = env->open(env, "/usr/share/zoneinfo/tzdata.zi", O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return -EINVAL;
    char *text = malloc(FILE_LIMIT + 1);
    const char **names = malloc(NAMES_MAX * sizeof(char *));
    CHECK(text && names);
    ssize_t len = env->pread(env, fd, text, FILE_LIMIT, 0);
    text[len > 0 ? len : 0] = '\0';
    const char *meant = err_suggest(name, names, list_names(text, names, NAMES_MAX));
    if (meant)
        err_append(err, -EINVAL, "did you mean '%s'?", meant);
    free(names);
    free(text);
    env->close(env, fd);
    return -EINVAL;
}

int zone_open(const char *name, struct zone **out, struct err *err)
{
    struct zone *zone = calloc(1, sizeof(*zone));
    CHECK(zone);
    name = name ? name : "UTC";
    int64_t fixed;
    int code = 0;
    if (strlen(name) >= sizeof(zone->name)) {
        code = -EINVAL;
    } else if (parse_fixed(name, &fixed)) {
        zone->offset = calloc(1, sizeof(int64_t));
        CHECK(zone->offset);
        zone->offset[0] = fixed;
    } else {
        code = read_file(zone, name);
    }
    if (code) {
        zone_close(zone);
        return refuse_name(name, err);
    }
    memcpy(zone->name, name, strlen(name));
    *out = zone;
    return 0;
}

void zone_close(struct zone *zone)
{
    if (!zone)
        return;
    free(zone->at);
    free(zone->offset);
    free(zone);
}

void zone_reopen(struct zone **zone, const char *name)
{
    if (*zone && strcmp((*zone)->name, name ? name : "UTC") == 0)
        return;
    zone_close(*zone);
    *zone = NULL;
    CHECK(zone_open(name, zone, NULL) == 0);
}

// How many transitions are at or before the instant.
static int passed(const struct zone *zone, int64_t utc_ms)
{
    int low = 0, high = zone->count;
    while (low < high) {
        int middle = (low + high) / 2;
        if (zone->at[middle] <= utc_ms)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

int64_t zone_offset_ms(const struct zone *zone, int64_t utc_ms)
{
    return zone->offset[zone->count ? passed(zone, utc_ms) : 0];
}

int64_t zone_from_local(const struct zone *zone, int64_t local_ms)
{
    if (zone->count == 0)
        return local_ms - zone->offset[0];
    // With the offset from a day before, the instant is right, or too early or late by a
    // transition.
    int64_t before = zone_offset_ms(zone, local_ms - 86400000);
    int64_t after = zone_offset_ms(zone, local_ms + 86400000);
    if (zone_offset_ms(zone, local_ms - before) == before)
        return local_ms - before;
    if (zone_offset_ms(zone, local_ms - after) == after)
        return local_ms - after;
    return local_ms - before; // in a gap
}

int64_t zone_timer(const struct zone *zone, int64_t local_ms)
{
    const int64_t hour = 3600000;
    int64_t at = zone_from_local(zone, local_ms);
    int64_t next = zone_from_local(zone, local_ms + hour);
    if (next == at) // in a gap
        return at - at % hour;
    return next - at > hour ? at + hour : at;
}

bool zone_is_utc(const struct zone *zone)
{
    return zone->count == 0 && zone->offset[0] == 0;
}
