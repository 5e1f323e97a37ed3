// calendar_text.c: dates and times to text and back. The fixed shape "yyyy-MM-dd?HH:mm:ss" is read
// eight bytes at a time (little-endian loads), since a source does it for every row; anything else
// takes the careful way.
#include "core/base/calendar.h"

#include <assert.h>

#include "core/base/number.h"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the eight-byte scans read little-endian");

static uint64_t load8(const char *p)
{
    uint64_t word;
    memcpy(&word, p, 8);
    return word;
}

// Eight bytes as a literal: the first character is the lowest byte.
#define WORD(a, b, c, d, e, f, g, h)                                                               \
    ((uint64_t)(uint8_t)(a) | (uint64_t)(uint8_t)(b) << 8 | (uint64_t)(uint8_t)(c) << 16 |         \
     (uint64_t)(uint8_t)(d) << 24 | (uint64_t)(uint8_t)(e) << 32 | (uint64_t)(uint8_t)(f) << 40 |  \
     (uint64_t)(uint8_t)(g) << 48 | (uint64_t)(uint8_t)(h) << 56)

// Bits that are set when a byte of `digits` (text xor pattern) is above nine, or when a byte that
// `separators` selects is not zero.
static uint64_t malformed(uint64_t digits, uint64_t separators)
{
    return (((digits + 0x7676767676767676u) | digits) & 0x8080808080808080u) |
           (digits & separators);
}

// Value of the two digits at bytes `at` and at + 1.
static unsigned pair_at(uint64_t digits, int at)
{
    return (unsigned)((digits * 10 + (digits >> 8)) >> (8 * at)) & 0xff;
}

static int64_t day_of(unsigned year, unsigned month, unsigned day)
{
    static const uint16_t before[] = {0, 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    unsigned y = year - 1;
    int64_t days = (int64_t)(y * 365 + y / 4 - y / 100 + y / 400 + before[month] + day - 1);
    return days + (month > 2 && calendar_is_leap(year)) + CALENDAR_FIRST_DAY;
}

static bool valid_parts(unsigned year, unsigned month, unsigned day)
{
    if (year < 1 || month < 1 || month > 12 || day < 1)
        return false;
    return day <= 28 || day <= (unsigned)calendar_days_in_month(year, (int)month);
}

// "yyyy-MM-" and "dd" as words of text.
static bool parse_date_words(uint64_t head, uint64_t tail, int64_t *days)
{
    uint64_t year_month = head ^ WORD('0', '0', '0', '0', '-', '0', '0', '-');
    uint64_t day = tail ^ WORD('0', '0', 0, 0, 0, 0, 0, 0);
    if (malformed(year_month, WORD(0, 0, 0, 0, 255, 0, 0, 255)) | malformed(day, 0))
        return false;
    unsigned y = pair_at(year_month, 0) * 100 + pair_at(year_month, 2);
    unsigned m = pair_at(year_month, 5), d = pair_at(day, 0);
    if (!valid_parts(y, m, d))
        return false;
    *days = day_of(y, m, d);
    return true;
}

// "HH:mm:ss".
static bool parse_time_word(uint64_t text, int64_t *ms)
{
    uint64_t time = text ^ WORD('0', '0', ':', '0', '0', ':', '0', '0');
    if (malformed(time, WORD(0, 0, 255, 0, 0, 255, 0, 0)))
        return false;
    unsigned h = pair_at(time, 0), m = pair_at(time, 3), s = pair_at(time, 6);
    if (h > 23 || m > 59 || s > 59)
        return false;
    *ms = (int64_t)(h * 3600 + m * 60 + s) * 1000;
    return true;
}

bool calendar_parse_date(struct slice text, int64_t *days)
{
    if (text.len != 10)
        return false;
    uint16_t day;
    memcpy(&day, text.ptr + 8, 2);
    return parse_date_words(load8(text.ptr), day, days);
}

// Up to nine digits after a point, cut to milliseconds; empty text is no fraction.
static bool parse_fraction(struct slice text, int64_t *ms)
{
    *ms = 0;
    if (text.len == 0)
        return true;
    if (text.ptr[0] != '.' || text.len > 10)
        return false;
    int64_t scale = 100;
    for (uint64_t i = 1; i < text.len; i++) {
        unsigned digit = (unsigned char)(text.ptr[i] - '0');
        if (digit > 9)
            return false;
        *ms += digit * scale;
        scale /= 10;
    }
    return true;
}

bool calendar_parse_time(struct slice text, int64_t *ms)
{
    int64_t whole, fraction;
    if (text.len < 8 || !parse_time_word(load8(text.ptr), &whole) ||
        !parse_fraction(slice_make(text.ptr + 8, text.len - 8), &fraction))
        return false;
    *ms = whole + fraction;
    return true;
}

// The ISO form without seconds: "yyyy-MM-ddTHH:mm".
static bool parse_without_seconds(struct slice text, int64_t *ms)
{
    char full[19];
    if (text.len != 16)
        return false;
    memcpy(full, text.ptr, 16);
    memcpy(full + 16, ":00", 3);
    return calendar_parse_timestamp(slice_make(full, sizeof(full)), CALENDAR_ISO, false, ms);
}

bool calendar_parse_timestamp(struct slice text, enum calendar_style style, bool zulu, int64_t *ms)
{
    char separator = style == CALENDAR_SQL ? ' ' : 'T';
    if (zulu) {
        if (text.len == 0 || text.ptr[text.len - 1] != 'Z')
            return false;
        text.len--;
    }
    if (text.len < 19)
        return style != CALENDAR_SQL && parse_without_seconds(text, ms);
    int64_t days, time, fraction = 0;
    uint16_t day;
    memcpy(&day, text.ptr + 8, 2);
    if (!parse_date_words(load8(text.ptr), day, &days) || text.ptr[10] != separator ||
        !parse_time_word(load8(text.ptr + 11), &time))
        return false;
    if (text.len > 19 && !parse_fraction(slice_make(text.ptr + 19, text.len - 19), &fraction))
        return false;
    *ms = days * CALENDAR_DAY_MS + time + fraction;
    return true;
}

static void put_digits(char *out, int count, int value)
{
    for (int i = count - 1; i >= 0; i--) {
        out[i] = (char)('0' + value % 10);
        value /= 10;
    }
}

static size_t format_date_fields(const struct calendar_fields *fields, char *out)
{
    size_t len = 4;
    if (fields->year >= 0 && fields->year <= 9999)
        put_digits(out, 4, (int)fields->year);
    else
        len = number_format_int64(fields->year, out);
    out[len] = '-';
    put_digits(out + len + 1, 2, fields->month);
    out[len + 3] = '-';
    put_digits(out + len + 4, 2, fields->day);
    return len + 6;
}

static void format_clock(const struct calendar_fields *fields, char *out)
{
    put_digits(out, 2, fields->hour);
    out[2] = ':';
    put_digits(out + 3, 2, fields->minute);
    out[5] = ':';
    put_digits(out + 6, 2, fields->second);
}

// "." and `digits` digits of the milliseconds; nothing when digits is 0.
static size_t format_fraction(int millisecond, int digits, char *out)
{
    char all[3];
    if (digits == 0)
        return 0;
    put_digits(all, 3, millisecond);
    out[0] = '.';
    memcpy(out + 1, all, (size_t)digits);
    return (size_t)digits + 1;
}

size_t calendar_format_date(int64_t days, char *out)
{
    struct calendar_fields fields = calendar_from_days(days);
    return format_date_fields(&fields, out);
}

size_t calendar_format_time(int64_t ms, int precision, char *out)
{
    struct calendar_fields fields = calendar_from_ms(ms);
    format_clock(&fields, out);
    return 8 + format_fraction(fields.millisecond, precision, out + 8);
}

static int fraction_digits(int millisecond)
{
    if (millisecond == 0)
        return 0;
    return millisecond % 10 ? 3 : millisecond % 100 ? 2 : 1;
}

size_t calendar_format_timestamp(int64_t ms, enum calendar_style style, bool zulu, char *out)
{
    struct calendar_fields fields = calendar_from_ms(ms);
    char *p = out;
    if (style == CALENDAR_JAVA && fields.year > 9999)
        *p++ = '+'; // as ISO 8601 has it, and Java
    p += format_date_fields(&fields, p);
    int digits = fraction_digits(fields.millisecond);

    if (style == CALENDAR_JAVA && digits)
        digits = 3;
    *p++ = style == CALENDAR_SQL ? ' ' : 'T';
    format_clock(&fields, p);
    // LocalDateTime.toString leaves zero seconds out; Instant.toString, the form with Z, does not.
    bool short_clock = style == CALENDAR_JAVA && !zulu && !digits && fields.second == 0;
    p += short_clock ? 5 : 8;
    p += format_fraction(fields.millisecond, digits, p);
    if (zulu)
        *p++ = 'Z';
    return (size_t)(p - out);
}

size_t calendar_format_timestamp_fixed(int64_t ms, int precision, char *out)
{
    struct calendar_fields fields = calendar_from_ms(ms);
    char *p = out + format_date_fields(&fields, out);
    *p++ = ' ';
    format_clock(&fields, p);
    p += 8;
    p += format_fraction(fields.millisecond, precision, p);
    return (size_t)(p - out);
}

// --- the lenient forms ---

struct cursor {
    const char *p, *end;
};

// Between `least` and `most` digits. -1 when they are not there.
static int take_number(struct cursor *c, int least, int most)
{
    int value = 0, count = 0;
    while (count < most && c->p < c->end && (unsigned char)(*c->p - '0') <= 9) {
        value = value * 10 + (*c->p++ - '0');
        count++;
    }
    return count < least ? -1 : value;
}

static bool take_char(struct cursor *c, char wanted)
{
    if (c->p == c->end || *c->p != wanted)
        return false;
    c->p++;
    return true;
}

static void skip_blanks(struct cursor *c)
{
    while (c->p < c->end && *c->p == ' ')
        c->p++;
}

bool calendar_cast_date(struct slice text, int64_t *days)
{
    struct cursor c = {text.ptr, text.ptr + text.len};
    int month = 1, day = 1;
    skip_blanks(&c);
    int year = take_number(&c, 1, 4);
    if (take_char(&c, '-')) {
        month = take_number(&c, 1, 2);
        if (take_char(&c, '-'))
            day = take_number(&c, 1, 2);
    }
    if (c.p < c.end && *c.p != ' ')
        return false;
    if (year < 1 || month < 0 || day < 0 ||
        !valid_parts((unsigned)year, (unsigned)month, (unsigned)day))
        return false;
    *days = calendar_days(year, month, day);
    return true;
}

// " H:m:s[.fraction]" to the end.
static bool cast_clock(struct cursor *c, int64_t *ms)
{
    int64_t fraction;
    if (!take_char(c, ' '))
        return false;
    int hour = take_number(c, 1, 2);
    if (!take_char(c, ':'))
        return false;
    int minute = take_number(c, 1, 2);
    if (!take_char(c, ':'))
        return false;
    int second = take_number(c, 1, 2);
    if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59)
        return false;
    if (!parse_fraction(slice_make(c->p, (size_t)(c->end - c->p)), &fraction))
        return false;
    *ms = hour * CALENDAR_HOUR_MS + minute * CALENDAR_MINUTE_MS + second * CALENDAR_SECOND_MS +
          fraction;
    return true;
}

bool calendar_cast_timestamp(struct slice text, int64_t *ms)
{
    if (calendar_parse_timestamp(text, CALENDAR_SQL, false, ms))
        return true;
    struct cursor c = {text.ptr, text.ptr + text.len};
    int year = take_number(&c, 4, 4);
    if (!take_char(&c, '-'))
        return false;
    int month = take_number(&c, 1, 2);
    if (!take_char(&c, '-'))
        return false;
    int day = take_number(&c, 1, 2);
    if (year < 1 || month < 1 || day < 1 ||
        !valid_parts((unsigned)year, (unsigned)month, (unsigned)day))
        return false;
    int64_t time = 0;
    if (c.p < c.end && !cast_clock(&c, &time))
        return false;
    *ms = calendar_days(year, month, day) * CALENDAR_DAY_MS + time;
    return true;
}
