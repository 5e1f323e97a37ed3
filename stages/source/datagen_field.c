// datagen_field.c: options of one datagen column, and its alias table for skewed numbers.
#include "stages/source/datagen_field.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/check.h"
#include "core/base/hash.h"
#include "stages/runtime/schema.h"

enum { ALIAS_MAX = 1 << 20 };

struct reader_of_options {
    const struct plan_table *table;
    const char *field;
    struct pool *pool;
    struct err *err;
};

static const char *field_option(const struct reader_of_options *o, const char *name)
{
    return table_option(o->table, pool_printf(o->pool, "fields.%s.%s", o->field, name), NULL);
}

static int bad_option(const struct reader_of_options *o, const char *name, const char *text,
                      const char *wanted)
{
    return err_set(o->err, -EINVAL, "table %s: option 'fields.%s.%s' = '%s' is not %s",
                   o->table->name, o->field, name, text, wanted);
}

static int option_int(const struct reader_of_options *o, const char *name, int64_t *value)
{
    const char *text = field_option(o, name);
    char *end;
    if (!text)
        return 0;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (errno || end == text || *end)
        return bad_option(o, name, text, "a whole number");
    *value = number;
    return 1;
}

static int option_double(const struct reader_of_options *o, const char *name, double *value)
{
    const char *text = field_option(o, name);
    char *end;
    if (!text)
        return 0;
    errno = 0;
    double number = strtod(text, &end);
    if (errno || end == text || *end || !isfinite(number))
        return bad_option(o, name, text, "a number");
    *value = number;
    return 1;
}

static int option_duration(const struct reader_of_options *o, const char *name, int64_t *value)
{
    const char *text = field_option(o, name);
    int rc = text ? plan_duration_ms(text, value, o->err) : 0;
    if (rc < 0)
        return err_prefix(o->err, rc, "table %s: option 'fields.%s.%s'", o->table->name, o->field,
                          name);
    return text ? 1 : 0;
}

// "2024-01-01 00:00:00" or "2024-01-01", UTC.
static int parse_start(const struct reader_of_options *o, int64_t *value)
{
    const char *text = field_option(o, "start");
    struct tm tm = {0};
    if (!text)
        return 0;
    const char *end = strptime(text, "%Y-%m-%d %H:%M:%S", &tm);
    if (!end) {
        tm = (struct tm){0};
        end = strptime(text, "%Y-%m-%d", &tm);
    }
    if (!end || *end)
        return bad_option(o, "start", text, "a time such as '2024-01-01 00:00:00'");
    *value = (int64_t)timegm(&tm) * 1000;
    return 1;
}

// 'd%07d': text around one %d or %0Nd.
static int parse_pattern(const struct reader_of_options *o, struct datagen_field *f)
{
    const char *text = field_option(o, "pattern");
    if (!text)
        return 0;
    const char *percent = strchr(text, '%');
    char *end = NULL;
    long width = percent ? strtol(percent + 1, &end, 10) : -1;
    if (!percent || !end || *end != 'd' || width < 0 || width > 18 || strchr(end, '%'))
        return bad_option(o, "pattern", text, "text with one %d or %0Nd in it, such as 'd%07d'");
    f->prefix = pool_strndup(o->pool, text, (size_t)(percent - text));
    f->suffix = pool_strdup(o->pool, end + 1);
    f->prefix_len = strlen(f->prefix);
    f->suffix_len = strlen(f->suffix);
    f->digits = width ? (int)width : 1;
    f->power = 1;
    for (int i = 0; i < f->digits; i++)
        f->power *= 10;
    return 1;
}

// Vose's alias method: entry i is kept with probability threshold[i] / 2^32, else other[i] is
// taken.
static void make_alias(struct datagen_field *f, double exponent, struct pool *pool)
{
    uint32_t n = f->alias_count;
    double *scaled = calloc(n, sizeof *scaled), sum = 0;
    uint32_t *work = calloc(n, sizeof *work), small = 0, large = n;
    CHECK(scaled && work);
    f->alias_threshold = pool_alloc(pool, n * sizeof(uint32_t));
    f->alias_other = pool_alloc(pool, n * sizeof(uint32_t));
    for (uint32_t i = 0; i < n; i++)
        sum += scaled[i] = pow(i + 1.0, -exponent);
    for (uint32_t i = 0; i < n; i++) {
        scaled[i] *= n / sum;
        f->alias_other[i] = i;
        f->alias_threshold[i] = UINT32_MAX;
        if (scaled[i] < 1)
            work[small++] = i;
        else
            work[--large] = i;
    }
    while (small > 0 && large < n) {
        uint32_t less = work[--small], more = work[large];
        f->alias_threshold[less] = (uint32_t)(scaled[less] * UINT32_MAX);
        f->alias_other[less] = more;
        scaled[more] -= 1 - scaled[less];
        if (scaled[more] < 1) {
            large++;
            work[small++] = more;
        }
    }
    free(scaled);
    free(work);
}

static int parse_zipf(const struct reader_of_options *o, struct datagen_field *f)
{
    double exponent = 0;
    int rc = option_double(o, "zipf", &exponent);
    if (rc <= 0 || exponent == 0)
        return rc;
    if (exponent < 0 || exponent > 10)
        return bad_option(o, "zipf", field_option(o, "zipf"), "an exponent between 0 and 10");
    if (f->max - f->min >= ALIAS_MAX)
        return err_set(o->err, -EINVAL,
                       "table %s: 'fields.%s.zipf' needs at most %d different values; set "
                       "'fields.%s.max'",
                       o->table->name, o->field, ALIAS_MAX, o->field);
    f->alias_count = (uint32_t)(f->max - f->min + 1);
    make_alias(f, exponent, o->pool);
    return 1;
}

static int parse_kind(const struct reader_of_options *o, struct datagen_field *f)
{
    const char *kind = field_option(o, "kind");
    if (!kind || strcmp(kind, "random") == 0)
        f->kind = DATAGEN_RANDOM;
    else if (strcmp(kind, "sequence") == 0)
        f->kind = DATAGEN_SEQUENCE;
    else if (strcmp(kind, "due") != 0)
        return bad_option(o, "kind", kind, "'random', 'sequence' or 'due'");
    else if (f->type != TYPE_BIGINT && !type_is_timestamp(f->type))
        return bad_option(o, "kind", kind, "of a BIGINT or TIMESTAMP column");
    else
        f->kind = DATAGEN_DUE;
    return 0;
}

static int parse_time(const struct reader_of_options *o, struct datagen_field *f)
{
    double per_second = 0;
    int rc = parse_start(o, &f->start_ms);
    f->event_time = rc > 0;
    if (rc >= 0)
        rc = option_duration(o, "max-past", &f->max_past_ms);
    if (rc >= 0)
        rc = option_duration(o, "jitter", &f->jitter_ms);
    if (rc >= 0)
        rc = option_double(o, "rows-per-second", &per_second);
    if (rc < 0)
        return rc;
    if (rc > 0 && per_second <= 0)
        return bad_option(o, "rows-per-second", field_option(o, "rows-per-second"),
                          "a positive number of rows in a second of event time");
    f->ms_per_row = per_second > 0 ? 1000.0 / per_second : 1.0;
    return 0;
}

static int parse_doubles(const struct reader_of_options *o, struct datagen_field *f)
{
    f->min_double = -1e308;
    f->max_double = 1e308;
    int rc = option_double(o, "min", &f->min_double);
    if (rc >= 0)
        rc = option_double(o, "max", &f->max_double);
    if (rc >= 0 && f->min_double > f->max_double)
        return bad_option(o, "min", field_option(o, "min"), "at most 'max'");
    return rc < 0 ? rc : 0;
}

// The names of a range's ends, which differ between sequences and random numbers.
static const char *range_end(const struct datagen_field *f, bool last)
{
    if (f->kind == DATAGEN_SEQUENCE)
        return last ? "end" : "start";
    return last ? "max" : "min";
}

static int parse_numbers(const struct reader_of_options *o, struct datagen_field *f)
{
    const char *first = range_end(f, false), *last = range_end(f, true);
    bool is_int = f->type == TYPE_INT;
    f->min = is_int ? INT32_MIN : f->type == TYPE_STRING ? 0 : INT64_MIN / 2;
    f->max = is_int ? INT32_MAX : INT64_MAX / 2;
    int from = option_int(o, first, &f->min);
    int to = from < 0 ? from : option_int(o, last, &f->max);
    if (to < 0)
        return to;
    if (f->kind == DATAGEN_SEQUENCE && (!from || !to))
        return err_set(o->err, -EINVAL,
                       "table %s: a sequence needs 'fields.%s.start' and 'fields.%s.end'",
                       o->table->name, o->field, o->field);
    if (f->min > f->max)
        return err_set(o->err, -EINVAL, "table %s: column %s: %s %lld is greater than %s %lld",
                       o->table->name, o->field, first, (long long)f->min, last, (long long)f->max);
    return 0;
}

static int parse_text(const struct reader_of_options *o, struct datagen_field *f,
                      const struct type *type)
{
    int64_t length = type->length ? type->length : 100;
    const char *var_len = field_option(o, "var-len");
    int rc = option_int(o, "length", &length);
    if (rc < 0)
        return rc;
    if (length < 1 || length > 1 << 20)
        return bad_option(o, "length", field_option(o, "length"), "between 1 and 1048576");
    f->length = (uint32_t)length;
    f->var_len = var_len && strcmp(var_len, "true") == 0;
    return parse_pattern(o, f);
}

// What values lie between.
static int parse_range(const struct reader_of_options *o, struct datagen_field *f)
{
    if (f->kind == DATAGEN_DUE)
        return 0;
    if (f->kind == DATAGEN_RANDOM && type_is_timestamp(f->type))
        return parse_time(o, f);
    if (f->kind == DATAGEN_RANDOM && f->type == TYPE_DOUBLE)
        return parse_doubles(o, f);
    return parse_numbers(o, f);
}

void datagen_field_seed(struct datagen_field *field, int column, uint64_t seed)
{
    field->salt = hash_u64(seed * 0x9e3779b97f4a7c15u + (uint64_t)column);
}

int datagen_field_parse(const struct plan_table *table, int column, struct pool *pool,
                        struct datagen_field *out, struct err *err)
{
    const struct field *field = &table->physical.fields[column];
    struct reader_of_options o = {table, field->name, pool, err};
    *out = (struct datagen_field){.name = field->name, .type = field->type.kind};
    int rc = parse_kind(&o, out);
    if (rc == 0)
        rc = parse_range(&o, out);
    if (rc >= 0 && type_is_string(out->type))
        rc = parse_text(&o, out, &field->type);
    if (rc >= 0)
        rc = parse_zipf(&o, out);
    if (rc >= 0)
        rc = option_double(&o, "null-rate", &out->null_rate);
    if (rc >= 0 && (out->null_rate < 0 || out->null_rate > 1))
        return bad_option(&o, "null-rate", field_option(&o, "null-rate"), "between 0 and 1");
    return rc < 0 ? rc : 0;
}

int64_t datagen_field_rows(const struct datagen_field *f)
{
    return f->kind == DATAGEN_SEQUENCE ? f->max - f->min + 1 : INT64_MAX;
}

static inline uint64_t random_of(const struct datagen_field *f, uint64_t row)
{
    return hash_u64(f->salt + row * 0x9e3779b97f4a7c15u);
}

static inline int64_t number_of(const struct datagen_field *f, uint64_t row)
{
    if (f->kind == DATAGEN_SEQUENCE)
        return f->min + (int64_t)row;
    uint64_t r = random_of(f, row);
    if (f->alias_count) {
        uint32_t at = (uint32_t)((r >> 32) * f->alias_count >> 32);
        uint32_t pick = (uint32_t)r < f->alias_threshold[at] ? at : f->alias_other[at];
        return f->min + pick;
    }
    uint64_t range = (uint64_t)f->max - (uint64_t)f->min + 1;
    return f->min + (int64_t)(uint64_t)((unsigned __int128)r * range >> 64);
}

static int64_t time_of(const struct datagen_field *f, uint64_t row, int64_t now_ms)
{
    uint64_t r = random_of(f, row);
    if (!f->event_time)
        return now_ms - (int64_t)((unsigned __int128)r * ((uint64_t)f->max_past_ms + 1) >> 64);
    int64_t at = f->start_ms + (int64_t)((double)row * f->ms_per_row);
    return at - (int64_t)((unsigned __int128)r * ((uint64_t)f->jitter_ms + 1) >> 64);
}

static double double_of(const struct datagen_field *f, uint64_t row)
{
    if (f->kind == DATAGEN_SEQUENCE)
        return (double)(f->min + (int64_t)row);
    double unit = (double)(random_of(f, row) >> 11) * 0x1p-53;
    return f->min_double * (1 - unit) + f->max_double * unit;
}

static uint64_t magnitude(int64_t number)
{
    return number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
}

// Prefix, number, suffix at `at`, which has room. Returns the length.
static size_t write_pattern(const struct datagen_field *f, int64_t number, char *at)
{
    uint64_t rest = magnitude(number);
    size_t digits = (size_t)f->digits;
    if (rest >= f->power) // wider than asked for
        for (uint64_t above = rest / f->power; above; above /= 10)
            digits++;
    char *first = at + f->prefix_len;
    memcpy(at, f->prefix, f->prefix_len);
    if (number < 0)
        *first++ = '-';
    for (char *p = first + digits; p > first; rest /= 10)
        *--p = (char)('0' + rest % 10);
    memcpy(first + digits, f->suffix, f->suffix_len);
    return (size_t)(first + digits - at) + f->suffix_len;
}

static void fill_pattern(const struct datagen_field *f, const struct datagen_rows *rows,
                         struct pool *scratch, struct slice *out)
{
    enum { NUMBER_BYTES = 21 };
    size_t bytes = f->prefix_len + NUMBER_BYTES + f->suffix_len;
    char *at = pool_alloc(scratch, bytes * rows->count);
    uint64_t row = rows->first;
    for (uint32_t i = 0; i < rows->count; i++, row += rows->step) {
        size_t len = write_pattern(f, number_of(f, row), at);
        out[i] = slice_make(at, len);
        at += len;
    }
}

static struct slice text_of(const struct datagen_field *f, uint64_t row, struct pool *scratch)
{
    uint64_t r = random_of(f, row);
    uint32_t len = f->var_len ? 1 + (uint32_t)((r >> 32) * f->length >> 32) : f->length;
    char *text = pool_alloc(scratch, len);
    for (uint32_t i = 0; i < len; i++) {
        if (i % 16 == 0)
            r = hash_u64(r + i + 1);
        text[i] = "0123456789abcdef"[r >> (i % 16 * 4) & 15];
    }
    return slice_make(text, len);
}

static int64_t slot_of(const struct datagen_field *f, uint64_t row, int64_t now_ms)
{
    enum { DAY_MS = 86400000 };
    switch (f->type) {
    case TYPE_BOOLEAN:
        return (int64_t)(random_of(f, row) & 1);
    case TYPE_DATE:
        return now_ms / DAY_MS;
    case TYPE_TIME:
        return now_ms % DAY_MS;
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_LTZ:
        return f->kind == DATAGEN_SEQUENCE ? number_of(f, row) : time_of(f, row, now_ms);
    default:
        return number_of(f, row);
    }
}

static void fill_nulls(const struct datagen_field *f, const struct datagen_rows *rows,
                       struct column *column)
{
    uint64_t row = rows->first;
    for (uint32_t i = 0; i < rows->count; i++, row += rows->step) {
        double unit = (double)(hash_u64(~f->salt + row) >> 11) * 0x1p-53;
        if (unit < f->null_rate) {
            column->state[i] = VALUE_NULL;
            column->all_present = false;
        }
    }
}

int64_t datagen_due_ns(const struct datagen_rows *rows, uint64_t row)
{
    return rows->due_start_ns + (int64_t)((double)row * rows->due_each_ns);
}

static void fill_due(const struct datagen_field *f, const struct datagen_rows *rows, int64_t *out)
{
    const int64_t unit = type_is_timestamp(f->type) ? 1000000 : 1;
    uint64_t row = rows->first;
    for (uint32_t i = 0; i < rows->count; i++, row += rows->step)
        out[i] = datagen_due_ns(rows, row) / unit;
}

void datagen_field_fill(const struct datagen_field *f, const struct datagen_rows *rows,
                        struct pool *scratch, struct column *column)
{
    uint32_t count = rows->count;
    uint64_t row = rows->first, step = rows->step;
    CHECK(count <= BATCH_ROWS && column->kind == f->type);
    if (f->kind == DATAGEN_DUE)
        fill_due(f, rows, column->i64);
    else if (f->type == TYPE_STRING && f->prefix)
        fill_pattern(f, rows, scratch, column->str);
    else if (f->type == TYPE_STRING)
        for (uint32_t i = 0; i < count; i++, row += step)
            column->str[i] = text_of(f, row, scratch);
    else if (f->type == TYPE_DOUBLE)
        for (uint32_t i = 0; i < count; i++, row += step)
            column->f64[i] = double_of(f, row);
    else
        for (uint32_t i = 0; i < count; i++, row += step)
            column->i64[i] = slot_of(f, row, rows->now_ms);
    memset(column->state, VALUE_PRESENT, count);
    column->all_present = true;
    if (f->null_rate > 0)
        fill_nulls(f, rows, column);
}
