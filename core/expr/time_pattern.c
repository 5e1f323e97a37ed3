// time_pattern.c: the patterns of DATE_FORMAT, TO_TIMESTAMP and their kin: Java's letters yyyy yy M
// d H h k K m s S a E D, text in quotes, and everything that is no letter as it is. DATE_FORMAT
// writes, TO_TIMESTAMP reads; a count of letters is the width.
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

#include "core/base/calendar.h"
#include "core/expr/internal.h"

struct item {
    char letter; // 0: the byte `literal`
    char literal;
    int width;
};

struct time_pattern {
    size_t count;
    struct item items[];
};

static const char *const months[] = {"January",   "February", "March",    "April",
                                     "May",       "June",     "July",     "August",
                                     "September", "October",  "November", "December"};
static const char *const weekdays[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                       "Thursday", "Friday", "Saturday"};

// A quoted run at p (which is the quote): its bytes become items. The byte after it, or NULL.
static const char *take_quoted(struct time_pattern *t, const char *p, const char *end)
{
    if (p + 1 < end && p[1] == '\'') { // '' is a quote
        t->items[t->count++] = (struct item){.literal = '\''};
        return p + 2;
    }
    for (p++; p < end; p++) {
        if (*p == '\'' && (p + 1 == end || p[1] != '\''))
            return p + 1;
        p += *p == '\'';
        t->items[t->count++] = (struct item){.literal = *p};
    }
    return NULL;
}

struct time_pattern *time_pattern_compile(struct slice pattern, struct err *err)
{
    const char *p = pattern.ptr, *end = pattern.ptr + pattern.len;
    struct time_pattern *t = malloc(sizeof(*t) + (pattern.len + 1) * sizeof(struct item));
    CHECK(t);
    t->count = 0;
    while (p && p < end) {
        const char *begin = p;
        if (*p == '\'') {
            p = take_quoted(t, p, end);
        } else if (!isalpha((unsigned char)*p)) {
            t->items[t->count++] = (struct item){.literal = *p++};
        } else {
            while (p < end && *p == *begin)
                p++;
            int width = (int)(p - begin);
            if (!strchr("yuMdHhkKmsSaED", *begin) || width > 9) {
                err_set(err, -EINVAL,
                        "'%c' means nothing here in a date pattern; quote text: '...'", *begin);
                goto err_after_alloc;
            }
            t->items[t->count++] = (struct item){.letter = *begin, .width = width};
        }
    }
    if (p || pattern.len == 0)
        return t;
    err_set(err, -EINVAL, "a quote in the date pattern is not closed");
err_after_alloc:
    free(t);
    return NULL;
}

void time_pattern_free(struct time_pattern *pattern)
{
    free(pattern);
}

size_t time_pattern_bytes(const struct time_pattern *pattern)
{
    return pattern->count * 24 + 1;
}

static char *put_number(char *out, int64_t value, int width)
{
    char digits[24];
    int len = 0;
    if (value < 0) {
        *out++ = '-';
        value = -value;
    }
    for (; value || len == 0; value /= 10)
        digits[len++] = (char)('0' + value % 10);
    for (int i = len; i < width; i++)
        *out++ = '0';
    while (len)
        *out++ = digits[--len];
    return out;
}

static char *put_word(char *out, const char *word, bool whole)
{
    return mempcpy(out, word, whole ? strlen(word) : 3);
}

// S: the fraction's first `width` digits.
static char *put_fraction(char *out, int millisecond, int width)
{
    char digits[] = "000000000";
    put_number(digits, millisecond, 3);
    return mempcpy(out, digits, (size_t)width);
}

// The number behind a numeric letter.
static int64_t number_of(char letter, const struct calendar_fields *f, int64_t days)
{
    switch (letter) {
    case 'y':
    case 'u':
        return f->year;
    case 'M':
        return f->month;
    case 'd':
        return f->day;
    case 'D':
        return calendar_day_of_year(days);
    case 'H':
        return f->hour;
    case 'h':
        return (f->hour + 11) % 12 + 1;
    case 'K':
        return f->hour % 12;
    case 'k':
        return f->hour ? f->hour : 24;
    case 'm':
        return f->minute;
    default:
        return f->second;
    }
}

static char *put_item(char *out, const struct item *item, const struct calendar_fields *f,
                      int64_t days)
{
    switch (item->letter) {
    case 'a':
        return mempcpy(out, f->hour < 12 ? "AM" : "PM", 2);
    case 'E':
        return put_word(out, weekdays[calendar_weekday(days)], item->width > 3);
    case 'S':
        return put_fraction(out, f->millisecond, item->width);
    case 'M':
        if (item->width > 2)
            return put_word(out, months[f->month - 1], item->width > 3);
        return put_number(out, f->month, item->width);
    default: {
        int64_t value = number_of(item->letter, f, days);
        bool short_year = (item->letter == 'y' || item->letter == 'u') && item->width == 2;
        return put_number(out, short_year ? calendar_floor_mod(value, 100) : value, item->width);
    }
    }
}

size_t time_pattern_format(const struct time_pattern *pattern, int64_t ms, char *out)
{
    struct calendar_fields fields = calendar_from_ms(ms);
    int64_t days = calendar_floor_div(ms, CALENDAR_DAY_MS);
    char *p = out;
    for (size_t i = 0; i < pattern->count; i++) {
        const struct item *item = &pattern->items[i];
        if (item->letter)
            p = put_item(p, item, &fields, days);
        else
            *p++ = item->literal;
    }
    return (size_t)(p - out);
}

// A number of `width` digits, or of one or two when the width is 1. -1: it is not there.
static int take_number(const char **p, const char *end, int width)
{
    int value = 0, count = 0, most = width == 1 ? 2 : width;
    while (count < most && *p < end && (unsigned char)(**p - '0') <= 9) {
        value = value * 10 + (*(*p)++ - '0');
        count++;
    }
    return count < width ? -1 : value;
}

static bool store(struct calendar_fields *f, const struct item *item, int value)
{
    static const int scale[] = {0, 100, 10, 1};
    switch (item->letter) {
    case 'y':
    case 'u':
        f->year = item->width == 2 ? 2000 + value : value;
        return true;
    case 'M':
        f->month = value;
        return item->width <= 2;
    case 'd':
        f->day = value;
        return true;
    case 'H':
        f->hour = value;
        return true;
    case 'm':
        f->minute = value;
        return true;
    case 's':
        f->second = value;
        return true;
    case 'S':
        while (item->width > 3 && value > 999)
            value /= 10;
        f->millisecond = item->width <= 3 ? value * scale[item->width] : value;
        return true;
    default:
        return false; // letters that are only written
    }
}

bool time_pattern_parse(const struct time_pattern *pattern, struct slice text, int64_t *ms)
{
    struct calendar_fields f = {.year = 1970, .month = 1, .day = 1};
    const char *p = text.ptr, *end = text.ptr + text.len;
    for (size_t i = 0; i < pattern->count; i++) {
        const struct item *item = &pattern->items[i];
        if (!item->letter) {
            if (p == end || *p++ != item->literal)
                return false;
            continue;
        }
        int value = take_number(&p, end, item->width);
        if (value < 0 || !store(&f, item, value))
            return false;
    }
    if (p != end || !calendar_date_valid(f.year, f.month, f.day) || f.year < 1 || f.year > 9999 ||
        f.hour > 23 || f.minute > 59 || f.second > 59)
        return false;
    *ms = calendar_to_ms(&f);
    return true;
}
