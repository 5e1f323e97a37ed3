// hdr_file.c: histograms as HdrHistogram's tools read them: .hgrm (a percentile distribution as
// text, for the plotter) and .hlog (a log of intervals, each with its whole histogram).
//
// The encoding is HdrHistogram's V2: a header of 40 bytes, big-endian, then the counters up to the
// last one that is not 0, as ZigZag LEB128 numbers of at most 9 bytes; a run of n > 1 zeros is the
// number -n. It is compressed by zlib's format, with a header of 8 bytes in front, and put into
// base64.
#include <errno.h>
#include <isa-l/igzip_lib.h>
#include <inttypes.h>
#include <math.h>
#include <nettle/base64.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "core/base/check.h"
#include "tools/bench/report.h"

#define V2_COOKIE            UINT32_C(0x1c849313)
#define V2_COMPRESSED_COOKIE UINT32_C(0x1c849314)

// --- .hlog ---

static void put_big_endian(struct buf *out, uint64_t value, int bytes)
{
    for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8)
        buf_append_char(out, (char)(value >> shift));
}

static void put_number(struct buf *out, int64_t number)
{
    uint64_t rest = ((uint64_t)number << 1) ^ (uint64_t)(number >> 63);
    for (int i = 0; i < 8 && rest >= 0x80; i++) {
        buf_append_char(out, (char)((rest & 0x7f) | 0x80));
        rest >>= 7;
    }
    buf_append_char(out, (char)rest); // the ninth byte has 8 bits
}

static void put_counters(struct buf *out, const struct histogram *histogram)
{
    uint32_t count = histogram->counter_count;
    while (count && !histogram->counters[count - 1])
        count--;
    for (uint32_t i = 0; i < count;) {
        uint32_t run = 0;
        while (!histogram->counters[i + run])
            run++;
        if (run)
            put_number(out, run > 1 ? -(int64_t)run : 0);
        else
            put_number(out, (int64_t)histogram->counters[i]);
        i += run ? run : 1;
    }
}

static void encode(const struct histogram *histogram, struct buf *out)
{
    struct buf payload = {0};
    const double ratio = 1; // of whole numbers to values
    uint64_t ratio_bits;
    memcpy(&ratio_bits, &ratio, sizeof ratio_bits);
    put_counters(&payload, histogram);
    put_big_endian(out, V2_COOKIE, 4);
    put_big_endian(out, payload.len, 4);
    put_big_endian(out, 0, 4); // no shift of the counters
    put_big_endian(out, histogram->digits, 4);
    put_big_endian(out, 1, 8); // lowest value that is told from others
    put_big_endian(out, (uint64_t)HISTOGRAM_HIGHEST, 8);
    put_big_endian(out, ratio_bits, 8);
    buf_append(out, payload.data, payload.len);
    buf_fini(&payload);
}

static void compress(const struct buf *plain, struct buf *out)
{
    struct isal_zstream stream;
    size_t room = plain->len + plain->len / 8 + 4096;
    isal_deflate_stateless_init(&stream);
    stream.gzip_flag = IGZIP_ZLIB;
    stream.end_of_stream = 1;
    stream.next_in = (uint8_t *)plain->data;
    stream.avail_in = (uint32_t)plain->len;
    stream.next_out = (uint8_t *)buf_reserve(out, room);
    stream.avail_out = (uint32_t)room;
    CHECK(isal_deflate_stateless(&stream) == COMP_OK);
    out->len += stream.total_out;
}

void hlog_encode(const struct histogram *histogram, struct buf *out)
{
    struct buf plain = {0}, packed = {0}, whole = {0};
    encode(histogram, &plain);
    compress(&plain, &packed);
    put_big_endian(&whole, V2_COMPRESSED_COOKIE, 4);
    put_big_endian(&whole, packed.len, 4);
    buf_append(&whole, packed.data, packed.len);
    size_t bytes = BASE64_ENCODE_RAW_LENGTH(whole.len);
    base64_encode_raw(buf_reserve(out, bytes), whole.len, (const uint8_t *)whole.data);
    out->len += bytes;
    buf_fini(&plain);
    buf_fini(&packed);
    buf_fini(&whole);
}

static int write_text(const char *path, const struct buf *text, struct err *err)
{
    FILE *file = fopen(path, "we");
    bool is_good = file && fwrite(text->data, 1, text->len, file) == text->len;
    int code = is_good ? 0 : -errno;
    if (file && fclose(file) != 0 && is_good)
        code = -errno;
    return code < 0 ? err_set(err, code, "%s cannot be written: %s", path, strerror(-code)) : 0;
}

int report_save_hlog(const struct report *report, const char *path, struct err *err)
{
    struct buf text = {0};
    char date[64];
    time_t started = (time_t)(report->started_ms / 1000);
    struct tm tm;
    strftime(date, sizeof date, "%a %b %d %H:%M:%S UTC %Y", gmtime_r(&started, &tm));
    buf_printf(&text,
               "#[Logged by weir bench: %s]\n#[Histogram log format version 1.3]\n"
               "#[StartTime: %.3f (seconds since epoch), %s]\n"
               "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\","
               "\"Interval_Compressed_Histogram\"\n",
               report->command, (double)report->started_ms / 1e3, date);
    for (int s = 0; s < report->series_count; s++) {
        char tag[REPORT_NAME_BYTES];
        snprintf(tag, sizeof tag, "%s", report->series[s].name);
        for (char *c = tag; *c; c++) // a tag ends at a comma or a blank
            *c = *c == ' ' || *c == ',' ? '-' : *c;
        for (int i = 0; i < report->series[s].stretch_count; i++) {
            const struct stretch *stretch = &report->series[s].stretches[i];
            buf_printf(&text, "Tag=%s,%.3f,%.3f,%.3f,", tag, stretch->start_s, stretch->seconds,
                       (double)histogram_max(stretch->histogram) / 1e6);
            hlog_encode(stretch->histogram, &text);
            buf_append_char(&text, '\n');
        }
    }
    int rc = write_text(path, &text, err);
    buf_fini(&text);
    return rc;
}

// --- .hgrm ---

// HdrHistogram's steps: 5 to each halving of what is left to 100 %.
static double next_level(double level)
{
    double halvings = pow(2, floor(log2(100 / (100 - level))) + 1);
    return level + 100 / (5 * halvings);
}

void hgrm_append(const struct histogram *histogram, struct buf *out)
{
    uint64_t total = histogram_total(histogram), seen = 0;
    double level = 0;
    buf_append_str(out, "       Value     Percentile TotalCount 1/(1-Percentile)\n\n");
    for (uint32_t i = 0; i < histogram->counter_count && seen < total; i++) {
        if (!histogram->counters[i])
            continue;
        seen += histogram->counters[i];
        uint64_t end = histogram_value(histogram->half_bits, i + 1) - 1;
        double value = (double)(end < histogram->largest ? end : histogram->largest) / 1e3;
        while (seen < total && 100.0 * (double)seen / (double)total >= level) {
            buf_printf(out, "%12.3f %2.12f %10" PRIu64 " %14.2f\n", value, level / 100, seen,
                       1 / (1 - level / 100));
            level = next_level(level);
        }
        if (seen == total)
            buf_printf(out, "%12.3f %2.12f %10" PRIu64 "\n", value, 1.0, seen);
    }
    buf_printf(out, "#[Mean    = %12.3f, StdDeviation   = %12.3f]\n",
               histogram_mean(histogram) / 1e3, histogram_deviation(histogram) / 1e3);
    buf_printf(out, "#[Max     = %12.3f, Total count    = %12" PRIu64 "]\n",
               (double)histogram_max(histogram) / 1e3, total);
    buf_printf(out, "#[Buckets = %12u, SubBuckets     = %12u]\n",
               (histogram->counter_count >> histogram->half_bits) - 1, 2u << histogram->half_bits);
}

int report_save_hgrm(const struct report *report, const char *folder, struct err *err)
{
    int rc = 0;
    if (mkdir(folder, 0777) < 0 && errno != EEXIST)
        return err_set(err, -errno, "the folder %s cannot be made: %s", folder, strerror(errno));
    for (int s = 0; s < report->series_count && rc == 0; s++) {
        struct buf text = {0}, path = {0};
        buf_printf(&path, "%s/%s-%s.hgrm", folder, report->bench, report->series[s].name);
        for (char *c = path.data + strlen(folder) + 1; c < path.data + path.len; c++)
            *c = *c == ' ' || *c == '/' ? '-' : *c;
        hgrm_append(report->series[s].all, &text);
        rc = write_text(buf_str(&path), &text, err);
        buf_fini(&text);
        buf_fini(&path);
    }
    return rc;
}
