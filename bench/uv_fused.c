// uv_fused.c: the UV job as one hand-fused loop: what weir is measured against.
//
// usage: uv_fused json|csv FILE [POINTS_FILE]
// CUMULATE(1 minute, 1 day) with COUNT(DISTINCT id) by dimension, watermark = eventTime - 4 s
// emitted when it advanced by more than 200 ms: the answer is Flink's, point for point. Rows ahead
// of the current minute wait in a list, so that no device is counted early. It knows this job only:
// three string fields, one process, no recovery, no bad rows (a row it cannot read ends it).
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/check.h"
#include "core/base/hash.h"

enum {
    ROWS = 1024,
    READ_BYTES = 1 << 22,
    MAX_DIMENSIONS = 4096,
    STEP_MS = 60000,
    STEPS = 1440,
    BOUND_MS = 4000,
    EMIT_MS = 200,
    CONTAINER_WORDS = 1024,
};

struct row {
    struct slice id, dimension;
    int64_t time_ms;
};

struct pending {
    uint32_t device, dimension;
};

struct pending_list {
    struct pending *items;
    size_t count, capacity;
};

struct dimension {
    struct slice name;
    uint64_t uv;
    uint64_t **containers; // of 65,536 device numbers each; NULL: empty
    uint32_t container_count;
};

// Device dictionary: slots of tag (24 bits) and key position + 1 (40 bits); a key is a u32 number,
// a u8 length, the bytes.
struct dictionary {
    uint64_t *slots;
    uint64_t mask;
    uint32_t count;
    char *keys;
    uint64_t keys_used, keys_capacity;
};

struct uv {
    struct dictionary devices;
    struct dimension dimensions[MAX_DIMENSIONS];
    uint32_t dimension_count;
    uint32_t dimension_slots[MAX_DIMENSIONS * 2]; // number + 1
    struct pending_list ahead[STEPS];
    int64_t day_ms;  // start of the open window; -1: none yet
    int64_t current; // first minute that has not fired
    int64_t max_watermark, last_watermark;
    uint64_t rows, late, points, checksum;
    FILE *out;
};

static void *grow(void *old, size_t bytes)
{
    void *p = realloc(old, bytes);
    CHECK(p);
    return p;
}

static void dictionary_resize(struct dictionary *d, uint64_t slots)
{
    uint64_t *fresh = calloc(slots, sizeof(*fresh));
    CHECK(fresh);
    for (uint64_t i = 0; d->slots && i <= d->mask; i++) {
        if (!d->slots[i])
            continue;
        const char *key = d->keys + (d->slots[i] & 0xffffffffffu) - 1;
        uint64_t at = hash_bytes(key + 5, (uint8_t)key[4]) & (slots - 1);
        while (fresh[at])
            at = (at + 1) & (slots - 1);
        fresh[at] = d->slots[i];
    }
    free(d->slots);
    d->slots = fresh;
    d->mask = slots - 1;
}

static uint32_t dictionary_insert(struct dictionary *d, uint64_t at, uint64_t hash, struct slice id)
{
    if (d->keys_capacity - d->keys_used < id.len + 5) {
        d->keys_capacity = d->keys_capacity ? d->keys_capacity * 2 : 1 << 20;
        d->keys = grow(d->keys, d->keys_capacity);
    }
    char *key = d->keys + d->keys_used;
    uint32_t number = d->count++;
    memcpy(key, &number, 4);
    key[4] = (char)id.len;
    memcpy(key + 5, id.ptr, id.len);
    d->slots[at] = (hash >> 40) << 40 | (d->keys_used + 1);
    d->keys_used += id.len + 5;
    return number;
}

// A call of memcmp costs more than a key of 8 bytes.
static bool same_key(const char *key, struct slice id)
{
    uint64_t a, b;
    if ((uint8_t)key[4] != id.len || id.len != 8)
        return (uint8_t)key[4] == id.len && memcmp(key + 5, id.ptr, id.len) == 0;
    memcpy(&a, key + 5, 8);
    memcpy(&b, id.ptr, 8);
    return a == b;
}

static uint32_t dictionary_number(struct dictionary *d, uint64_t hash, struct slice id)
{
    uint64_t at = hash & d->mask;
    for (; d->slots[at]; at = (at + 1) & d->mask) {
        if ((d->slots[at] ^ hash) >> 40)
            continue;
        const char *key = d->keys + (d->slots[at] & 0xffffffffffu) - 1;
        if (same_key(key, id)) {
            uint32_t number;
            memcpy(&number, key, 4);
            return number;
        }
    }
    return dictionary_insert(d, at, hash, id);
}

static void resolve_devices(struct uv *uv, const struct row *rows, uint32_t count,
                            uint32_t *numbers)
{
    static uint64_t hashes[ROWS];
    struct dictionary *d = &uv->devices;
    if ((uint64_t)(d->count + ROWS) * 10 > (d->mask + 1) * 7)
        dictionary_resize(d, (d->mask + 1) * 2);
    for (uint32_t i = 0; i < count; i++) {
        hashes[i] = hash_slice(rows[i].id);
        __builtin_prefetch(&d->slots[hashes[i] & d->mask]);
    }
    for (uint32_t i = 0; i < count; i++) {
        uint64_t slot = d->slots[hashes[i] & d->mask];
        if (slot)
            __builtin_prefetch(d->keys + (slot & 0xffffffffffu) - 1);
    }
    for (uint32_t i = 0; i < count; i++)
        numbers[i] = dictionary_number(d, hashes[i], rows[i].id);
}

static uint32_t dimension_number(struct uv *uv, struct slice name)
{
    uint64_t at = hash_slice(name) & (ARRAY_SIZE(uv->dimension_slots) - 1);
    for (; uv->dimension_slots[at]; at = (at + 1) & (ARRAY_SIZE(uv->dimension_slots) - 1))
        if (slice_equal(uv->dimensions[uv->dimension_slots[at] - 1].name, name))
            return uv->dimension_slots[at] - 1;
    CHECK(uv->dimension_count < MAX_DIMENSIONS);
    struct dimension *dimension = &uv->dimensions[uv->dimension_count++];
    char *copy = memcpy(grow(NULL, name.len + 1), name.ptr, name.len);
    dimension->name = slice_make(copy, name.len);
    uv->dimension_slots[at] = uv->dimension_count;
    return uv->dimension_count - 1;
}

static void count_device(struct uv *uv, uint32_t number, uint32_t device)
{
    struct dimension *dimension = &uv->dimensions[number];
    uint32_t container = device >> 16;
    if (container >= dimension->container_count) {
        uint32_t count = container + 8;
        dimension->containers = grow(dimension->containers, count * sizeof(uint64_t *));
        for (uint32_t i = dimension->container_count; i < count; i++)
            dimension->containers[i] = NULL;
        dimension->container_count = count;
    }
    uint64_t *words = dimension->containers[container];
    if (!words) {
        words = calloc(CONTAINER_WORDS, 8);
        CHECK(words);
        dimension->containers[container] = words;
    }
    uint64_t bit = (uint64_t)1 << (device & 63);
    uint64_t *word = &words[(device & 0xffff) >> 6];
    dimension->uv += !(*word & bit);
    *word |= bit;
}

// The current minute is complete: one point for every dimension seen today, then the next minute's
// waiting rows are counted.
static void fire(struct uv *uv)
{
    int64_t end_ms = uv->day_ms + (uv->current + 1) * STEP_MS;
    for (uint32_t i = 0; i < uv->dimension_count; i++) {
        const struct dimension *dimension = &uv->dimensions[i];
        if (!dimension->uv)
            continue;
        uv->points++;
        uv->checksum += hash_u64((uint64_t)end_ms ^ hash_slice(dimension->name)) * dimension->uv;
        if (uv->out)
            fprintf(uv->out, "%" PRId64 ",%.*s,%" PRIu64 "\n", end_ms, (int)dimension->name.len,
                    dimension->name.ptr, dimension->uv);
    }
    if (++uv->current >= STEPS)
        return;
    struct pending_list *list = &uv->ahead[uv->current];
    for (size_t i = 0; i < list->count; i++)
        count_device(uv, list->items[i].dimension, list->items[i].device);
    list->count = 0;
}

static void advance_watermark(struct uv *uv, int64_t watermark)
{
    uv->last_watermark = watermark;
    while (uv->current < STEPS && uv->day_ms + (uv->current + 1) * STEP_MS - 1 <= watermark)
        fire(uv);
}

static void add_row(struct uv *uv, int64_t time_ms, uint32_t dimension, uint32_t device)
{
    if (uv->day_ms < 0)
        uv->day_ms = time_ms / 86400000 * 86400000;
    int64_t minute = (time_ms - uv->day_ms) / STEP_MS;
    CHECK(minute >= 0 && minute < STEPS); // one day is what the data has
    if (uv->current >= STEPS) {
        uv->late++;
    } else if (minute <= uv->current) {
        count_device(uv, dimension, device);
    } else {
        struct pending_list *list = &uv->ahead[minute];
        if (list->count == list->capacity) {
            list->capacity = list->capacity ? list->capacity * 2 : 64;
            list->items = grow(list->items, list->capacity * sizeof(*list->items));
        }
        list->items[list->count++] = (struct pending){device, dimension};
    }
    if (time_ms - BOUND_MS > uv->max_watermark)
        uv->max_watermark = time_ms - BOUND_MS;
    if (uv->max_watermark - uv->last_watermark > EMIT_MS)
        advance_watermark(uv, uv->max_watermark);
}

static int64_t two(const char *p)
{
    return (p[0] - '0') * 10 + (p[1] - '0');
}

// "yyyy-MM-dd HH:mm:ss.SSS"; the date part is remembered, since it changes once a day.
static int64_t parse_time(const char *p)
{
    static char date[10];
    static int64_t date_ms;
    if (memcmp(date, p, 10) != 0) {
        struct tm tm = {.tm_year = (int)(two(p) * 100 + two(p + 2)) - 1900,
                        .tm_mon = (int)two(p + 5) - 1,
                        .tm_mday = (int)two(p + 8)};
        date_ms = (int64_t)timegm(&tm) * 1000;
        memcpy(date, p, 10);
    }
    return date_ms + two(p + 11) * 3600000 + two(p + 14) * 60000 + two(p + 17) * 1000 +
           (p[20] - '0') * 100 + two(p + 21);
}

static const char *take(const char *p, const char *end, char stop, struct slice *out)
{
    const char *q = memchr(p, stop, (size_t)(end - p));
    if (!q)
        return NULL;
    *out = slice_make(p, (size_t)(q - p));
    return q;
}

static bool expect(const char **p, const char *end, const char *text, size_t len)
{
    if ((size_t)(end - *p) < len || memcmp(*p, text, len) != 0)
        return false;
    *p += len;
    return true;
}
#define EXPECT(p, end, text) expect(p, end, text, sizeof(text) - 1)

// Any field order, other scalar fields skipped; strings without escapes.
static bool parse_json_any(const char *p, const char *end, struct row *row)
{
    struct slice name, value, time = {0};
    if (!EXPECT(&p, end, "{"))
        return false;
    while (EXPECT(&p, end, "\"")) {
        if (!(p = take(p, end, '"', &name)) || !EXPECT(&p, end, "\":"))
            return false;
        if (EXPECT(&p, end, "\"")) {
            if (!(p = take(p, end, '"', &value)) || memchr(value.ptr, '\\', value.len))
                return false;
            p++;
        } else {
            value = slice_make(p, strcspn(p, ",}"));
            p += value.len;
        }
        if (slice_equal(name, slice_of("id")))
            row->id = value;
        else if (slice_equal(name, slice_of("dimension")))
            row->dimension = value;
        else if (slice_equal(name, slice_of("eventTime")))
            time = value;
        if (!EXPECT(&p, end, ","))
            break;
    }
    if (time.len != 23)
        return false;
    row->time_ms = parse_time(time.ptr);
    return true;
}

// The order of fields that the file has so far; falls back on the first difference.
static bool parse_json(const char *p, const char *end, struct row *row)
{
    const char *line = p;
    if (!EXPECT(&p, end, "{\"id\":\"") || !(p = take(p, end, '"', &row->id)) ||
        !EXPECT(&p, end, "\",\"dimension\":\"") || !(p = take(p, end, '"', &row->dimension)) ||
        !EXPECT(&p, end, "\",\"eventTime\":\"") || end - p != 25 || p[23] != '"')
        return parse_json_any(line, end, row);
    row->time_ms = parse_time(p);
    return true;
}

static bool parse_csv(const char *p, const char *end, struct row *row)
{
    if (!(p = take(p, end, ',', &row->id)) || !(p = take(p + 1, end, ',', &row->dimension)) ||
        end - p != 24)
        return false;
    row->time_ms = parse_time(p + 1);
    return true;
}

// Fetch the word that count_device will change, where there is one.
static void prefetch_device(const struct uv *uv, uint32_t number, uint32_t device)
{
    const struct dimension *dimension = &uv->dimensions[number];
    if (device >> 16 < dimension->container_count && dimension->containers[device >> 16])
        __builtin_prefetch(&dimension->containers[device >> 16][(device & 0xffff) >> 6]);
}

static void process(struct uv *uv, const struct row *rows, uint32_t count)
{
    uint32_t devices[ROWS], dimensions[ROWS];
    resolve_devices(uv, rows, count, devices);
    for (uint32_t i = 0; i < count; i++) {
        dimensions[i] = dimension_number(uv, rows[i].dimension);
        prefetch_device(uv, dimensions[i], devices[i]);
    }
    for (uint32_t i = 0; i < count; i++)
        add_row(uv, rows[i].time_ms, dimensions[i], devices[i]);
    uv->rows += count;
}

// All complete lines of the buffer; returns the bytes they took.
static size_t process_lines(struct uv *uv, bool json, const char *bytes, size_t len)
{
    static struct row rows[ROWS];
    uint32_t count = 0;
    const char *p = bytes, *end = bytes + len;
    for (;;) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        if (!newline)
            break;
        if (!(json ? parse_json(p, newline, &rows[count]) : parse_csv(p, newline, &rows[count]))) {
            fprintf(stderr, "uv_fused: cannot read: %.*s\n", (int)(newline - p), p);
            exit(1);
        }
        p = newline + 1;
        if (++count == ROWS) {
            process(uv, rows, count);
            count = 0;
        }
    }
    process(uv, rows, count);
    return (size_t)(p - bytes);
}

static double now_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int run(struct uv *uv, bool json, FILE *in)
{
    char *buffer = grow(NULL, READ_BYTES + 1);
    size_t held = 0;
    double start = now_seconds();
    for (;;) {
        size_t got = fread(buffer + held, 1, READ_BYTES - held, in);
        held += got;
        buffer[held] = 0;
        if (!got)
            break;
        size_t used = process_lines(uv, json, buffer, held);
        held -= used;
        memmove(buffer, buffer + used, held);
    }
    if (uv->day_ms >= 0)
        advance_watermark(uv, INT64_MAX);
    double seconds = now_seconds() - start;
    printf("fused %s: rows %" PRIu64 " devices %u dimensions %u points %" PRIu64 " late %" PRIu64
           " checksum %016" PRIx64 " seconds %.3f rows/s %.0f\n",
           json ? "json" : "csv", uv->rows, uv->devices.count, uv->dimension_count, uv->points,
           uv->late, uv->checksum, seconds, (double)uv->rows / seconds);
    free(buffer);
    return held ? 1 : 0; // a last line without its end
}

int main(int argc, char **argv)
{
    static struct uv uv = {
        .day_ms = -1, .max_watermark = INT64_MIN / 2, .last_watermark = INT64_MIN / 2};
    if (argc < 3 || (strcmp(argv[1], "json") != 0 && strcmp(argv[1], "csv") != 0)) {
        fprintf(stderr, "usage: uv_fused json|csv FILE [POINTS_FILE]\n");
        return 64;
    }
    FILE *in = fopen(argv[2], "rb");
    if (!in || (argc > 3 && !(uv.out = fopen(argv[3], "wb")))) {
        perror("uv_fused");
        return 1;
    }
    setvbuf(in, NULL, _IONBF, 0);
    dictionary_resize(&uv.devices, 1 << 16);
    int status = run(&uv, argv[1][0] == 'j', in);
    fclose(in);
    return uv.out && fclose(uv.out) ? 1 : status;
}
