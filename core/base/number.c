// number.c: numbers as text. Reading has a fast path for what files hold (up to 19 digits and a
// small exponent, W. D. Clinger's exact case); the rest goes to strtod_l in the C locale.
#include "core/base/number.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/check.h"

// Every power of ten that a double holds exactly.
static const double powers_of_ten[] = {
    1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
};

static bool is_digit(char c)
{
    return (unsigned char)(c - '0') <= 9;
}

int number_parse_int64(struct slice text, int64_t *out)
{
    const char *p = text.ptr, *end = text.ptr + text.len;
    bool negative = p < end && *p == '-';

    if (p < end && (*p == '-' || *p == '+'))
        p++;
    if (p == end)
        return -EINVAL;
    uint64_t value = 0;
    bool overflow = false;
    for (; p < end; p++) {
        unsigned digit = (unsigned char)(*p - '0');
        if (digit > 9)
            return -EINVAL;
        overflow |= __builtin_mul_overflow(value, (uint64_t)10, &value);
        overflow |= __builtin_add_overflow(value, (uint64_t)digit, &value);
    }
    if (overflow || value > (uint64_t)INT64_MAX + negative)
        return -ERANGE;
    *out = (int64_t)(negative ? 0 - value : value);
    return 0;
}

// What the grammar found in the text of a double.
struct decimal {
    uint64_t mantissa; // the first 19 significant digits
    int digits;        // how many it holds
    bool truncated;    // there were more
    int64_t exponent;  // power of ten of the mantissa; clamped far outside the range of double
};

// Take one digit of the mantissa.
static void decimal_digit(struct decimal *d, unsigned digit, bool fraction)
{
    if (d->digits == 0 && digit == 0) {
        d->exponent -= fraction;
        return;
    }
    if (d->digits == 19) {
        d->truncated |= digit != 0;
        d->exponent += !fraction;
        return;
    }
    d->mantissa = d->mantissa * 10 + digit;
    d->digits++;
    d->exponent -= fraction;
}

// [e[+-]digits] at p, up to end. False when it is malformed.
static bool scan_exponent(const char *p, const char *end, struct decimal *d)
{
    if (p == end)
        return true;
    if (*p != 'e' && *p != 'E')
        return false;
    p++;
    bool negative = p < end && *p == '-';
    if (p < end && (*p == '-' || *p == '+'))
        p++;
    if (p == end)
        return false;
    int64_t value = 0;
    for (; p < end; p++) {
        if (!is_digit(*p))
            return false;
        if (value < 1000000000000)
            value = value * 10 + (*p - '0');
    }
    d->exponent += negative ? -value : value;
    return true;
}

// digits[.digits][exponent] without a sign. False when it is malformed.
static bool scan_decimal(const char *p, const char *end, struct decimal *d)
{
    const char *begin = p;

    for (; p < end && is_digit(*p); p++)
        decimal_digit(d, (unsigned)(*p - '0'), false);
    size_t digits = (size_t)(p - begin);
    if (p < end && *p == '.') {
        const char *fraction = ++p;
        for (; p < end && is_digit(*p); p++)
            decimal_digit(d, (unsigned)(*p - '0'), true);
        digits += (size_t)(p - fraction);
    }
    return digits > 0 && scan_exponent(p, end, d);
}

static locale_t c_locale(void)
{
    static locale_t locale;
    if (!locale)
        locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    CHECK(locale);
    return locale;
}

// A well-formed decimal by strtod_l, which wants a NUL.
static double parse_slowly(const char *text, size_t len)
{
    char small[128];
    char *copy = len < sizeof(small) ? small : malloc(len + 1);
    CHECK(copy);
    memcpy(copy, text, len);
    copy[len] = '\0';
    double value = strtod_l(copy, NULL, c_locale());
    if (copy != small)
        free(copy);
    return value;
}

int number_parse_double(struct slice text, double *out)
{
    const char *p = text.ptr, *end = text.ptr + text.len;
    bool negative = p < end && *p == '-';

    if (p < end && (*p == '-' || *p == '+'))
        p++;
    struct decimal d = {0};
    double value;
    if (!scan_decimal(p, end, &d)) {
        struct slice word = slice_make(p, (size_t)(end - p));
        if (slice_equal(word, slice_of("Infinity")))
            value = INFINITY;
        else if (slice_equal(word, slice_of("NaN")))
            value = NAN;
        else
            return -EINVAL;
    } else if (d.mantissa == 0) {
        value = 0;
    } else if (!d.truncated && d.mantissa <= UINT64_C(1) << 53 && d.exponent >= -22 &&
               d.exponent <= 22) {
        // Both operands are exact, so the one rounding is the right one.
        double mantissa = (double)d.mantissa;
        value = d.exponent < 0 ? mantissa / powers_of_ten[-d.exponent]
                               : mantissa * powers_of_ten[d.exponent];
    } else {
        value = parse_slowly(p, (size_t)(end - p));
    }
    *out = negative ? -value : value;
    return 0;
}

static const char digit_pairs[] = "00010203040506070809101112131415161718192021222324"
                                  "25262728293031323334353637383940414243444546474849"
                                  "50515253545556575859606162636465666768697071727374"
                                  "75767778798081828384858687888990919293949596979899";

// The digits of value at out; how many.
static size_t format_digits(uint64_t value, char *out)
{
    char digits[20];
    char *p = digits + sizeof(digits);

    while (value >= 100) {
        p -= 2;
        memcpy(p, digit_pairs + value % 100 * 2, 2);
        value /= 100;
    }
    if (value >= 10) {
        p -= 2;
        memcpy(p, digit_pairs + value * 2, 2);
    } else {
        *--p = (char)('0' + value);
    }
    size_t len = (size_t)(digits + sizeof(digits) - p);
    memcpy(out, p, len);
    return len;
}

size_t number_format_int64(int64_t value, char *out)
{
    if (value >= 0)
        return format_digits((uint64_t)value, out);
    *out = '-';
    return 1 + format_digits(0 - (uint64_t)value, out + 1);
}

// The shortest digits of a finite value > 0: value = 0.d1d2d3... x 10^point, with the last digit
// not zero. `digits` has room for 20.
static int shortest_digits(double value, char *digits, int *point)
{
    // A value with few decimals is digits / 10^k exactly rounded; at most 15 digits are
    // unambiguous.
    if (value >= 1e-3 && value < 1e7) {
        for (int k = 0; k <= 6; k++) {
            double scaled = rint(value * powers_of_ten[k]);
            if (scaled / powers_of_ten[k] != value)
                continue;
            int len = (int)format_digits((uint64_t)scaled, digits);
            *point = len - k;
            while (len > 1 && digits[len - 1] == '0')
                len--;
            return len;
        }
    }
    char text[40];
    // Denormals carry fewer than 15 digits; Java writes two at least.
    for (int precision = value < 2.3e-308 ? 2 : 15; precision <= 17; precision++) {
        int len = snprintf(text, sizeof(text), "%.*e", precision - 1, value);
        if (precision == 17 || parse_slowly(text, (size_t)len) == value)
            break;
    }
    int len = 0;
    const char *p = text;
    for (; *p != 'e'; p++)
        if (is_digit(*p)) // skips the decimal point, whatever the locale calls it
            digits[len++] = *p;
    *point = (int)strtol(p + 1, NULL, 10) + 1;
    while (len > 1 && digits[len - 1] == '0')
        len--;
    return len;
}

// 1234.5, 0.001, 7.0
static size_t format_plain(const char *digits, int len, int point, char *out)
{
    char *p = out;

    for (int i = 0; i < point || i == 0; i++)
        *p++ = point <= 0 || i >= len ? '0' : digits[i];
    *p++ = '.';
    for (int i = point; i < 0; i++)
        *p++ = '0';
    for (int i = point > 0 ? point : 0; i < len; i++)
        *p++ = digits[i];
    if (p[-1] == '.')
        *p++ = '0';
    return (size_t)(p - out);
}

// 1.2345E10
static size_t format_scientific(const char *digits, int len, int point, char *out)
{
    char *p = out;

    *p++ = digits[0];
    *p++ = '.';
    if (len == 1)
        *p++ = '0';
    for (int i = 1; i < len; i++)
        *p++ = digits[i];
    *p++ = 'E';
    p += number_format_int64(point - 1, p);
    return (size_t)(p - out);
}

size_t number_format_double(double value, char *out)
{
    char *p = out;

    if (isnan(value)) {
        memcpy(out, "NaN", 3);
        return 3;
    }
    if (signbit(value)) {
        *p++ = '-';
        value = -value;
    }
    if (isinf(value)) {
        memcpy(p, "Infinity", 8);
        p += 8;
    } else if (value == 0) {
        memcpy(p, "0.0", 3);
        p += 3;
    } else {
        char digits[24] = "0"; // the compiler cannot see that a finite value has digits
        int point;
        int len = shortest_digits(value, digits, &point);
        if (value >= 1e-3 && value < 1e7)
            p += format_plain(digits, len, point, p);
        else
            p += format_scientific(digits, len, point, p);
    }
    return (size_t)(p - out);
}
