// format_parse.c: nanoseconds a row for reading JSON lines and CSV, one core.
//
// usage: format_parse [rows]     reads generated person events (84-byte lines) from memory, by the
// fast way, with rows of another key order in between, and by the full way.
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/base/buf.h"
#include "core/base/check.h"
#include "core/format/reader.h"

static uint64_t random_state = 42;

static uint32_t next_random(void)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 33);
}

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

// One event every 8.64 ms; every `mixed`-th row of JSON has its keys in another order (0: none).
static void generate(struct buf *out, int rows, bool csv, int mixed)
{
    static const char *const forms[] = {
        "{\"id\":\"d%07u\",\"dimension\":\"d%u\",\"eventTime\":\"%s\",\"v\":%u}\n",
        "d%07u,d%u,%s,%u\n",
    };
    for (int i = 0; i < rows; i++) {
        char time[32];
        int64_t ms = i % 10000000 * INT64_C(864) / 100;
        snprintf(time, sizeof(time), "2024-01-01 %02d:%02d:%02d.%03d", (int)(ms / 3600000 % 24),
                 (int)(ms / 60000 % 60), (int)(ms / 1000 % 60), (int)(ms % 1000));
        unsigned id = next_random() % 2000000, dimension = next_random() % 100;
        unsigned v = next_random() % 1000;
        if (!csv && mixed && i % mixed == 0)
            buf_printf(out,
                       "{\"v\":%u,\"id\":\"d%07u\",\"dimension\":\"d%u\",\"eventTime\":\"%s\"}\n",
                       v, id, dimension, time);
        else
            buf_printf(out, forms[csv], id, dimension, time, v); // NOLINT: both forms fit
    }
}

static void measure(const char *name, const struct format_options *options, const bool *needed,
                    const struct buf *data)
{
    struct field fields[] = {
        {"id", type_of(TYPE_STRING)},
        {"dimension", type_of(TYPE_STRING)},
        {"eventTime", type_of(TYPE_TIMESTAMP)},
        {"v", type_of(TYPE_BIGINT)},
    };
    struct schema schema = {.fields = fields, .field_count = 4}, taken = {.fields = fields};
    struct field taken_fields[4];
    taken.fields = taken_fields;
    for (int i = 0; i < 4; i++)
        if (needed[i])
            taken_fields[taken.field_count++] = fields[i];
    struct reader *reader;
    CHECK(reader_create(options, &schema, needed, &reader, NULL) == 0);
    struct batch batch;
    batch_init(&batch, &taken);
    struct reader_result result;
    int64_t best = INT64_MAX;
    uint64_t rows = 0;
    for (int round = 0; round < 5; round++) {
        int64_t start = now_ns();
        uint64_t at = 0;
        rows = 0;
        while (at < data->len) {
            // A source reads about as much at a time.
            uint64_t piece = data->len - at < 256 * 1024 ? data->len - at : 256 * 1024;
            struct slice bytes = slice_make(data->data + at, piece);
            reader_parse(reader, bytes, at + piece == data->len, &result, &batch);
            CHECK(result.bad_row_count == 0 && result.consumed > 0);
            rows += batch.count;
            at += result.consumed;
        }
        int64_t took = now_ns() - start;
        best = took < best ? took : best;
    }
    printf("%-44s %7.1f ns/row %7.1f M rows/s\n", name, (double)best / (double)rows,
           (double)rows * 1e3 / (double)best);
    batch_fini(&batch);
    reader_free(reader);
}

int main(int argc, char **argv)
{
    int rows = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 300000;
    const bool all[] = {true, true, true, true}, some[] = {true, true, true, false};
    struct format_options json, scalar, full, csv;
    struct buf plain = {0}, mixed = {0}, table = {0};
    format_options_default(FORMAT_JSON, &json);
    format_options_default(FORMAT_CSV, &csv);
    scalar = full = json;
    scalar.no_simd = true;
    full.no_fast_path = true;
    generate(&plain, rows, false, 0);
    generate(&mixed, rows, false, 10);
    generate(&table, rows, true, 0);
    measure("json, 4 of 4 columns", &json, all, &plain);
    measure("json, 3 of 4 columns", &json, some, &plain);
    measure("json, every 10th row in another order", &json, all, &mixed);
    measure("json, full scanner only", &full, all, &plain);
    measure("json, speculating, scalar", &scalar, all, &plain);
    measure("csv, 4 of 4 columns", &csv, all, &table);
    measure("csv, 3 of 4 columns", &csv, some, &table);
    buf_fini(&plain);
    buf_fini(&mixed);
    buf_fini(&table);
    return 0;
}
