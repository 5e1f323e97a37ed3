// fuzz_sql.c: no text may crash, hang or leak the way from SQL to a plan, and every refusal says
// something. A script whose first byte is a space is read behind a few tables, so that inputs need
// not invent their own; `cores` comes from the length, to reach every cut.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "core/base/check.h"
#include "core/plan/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char tables[] =
    "CREATE TABLE t (id STRING, k INT, n BIGINT, d DOUBLE, b BOOLEAN, day DATE, ts TIMESTAMP(3),"
    " WATERMARK FOR ts AS ts - INTERVAL '4' SECOND)"
    " WITH ('connector' = 'filesystem', 'path' = 'x', 'format' = 'json');"
    "CREATE TABLE z (id STRING, ts TIMESTAMP_LTZ(3), WATERMARK FOR ts AS ts)"
    " WITH ('connector' = 'datagen');"
    "CREATE TABLE s (w TIMESTAMP(3), n BIGINT) WITH ('connector' = 'print');"
    "CREATE VIEW v AS SELECT k, n, ts FROM t;";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct plan *plan = NULL;
    struct err err = {0};
    if (size == 0 || size > 4096)
        return 0;
    bool with_tables = data[0] == ' ';
    size_t before = with_tables ? sizeof(tables) - 1 : 0;
    char *sql = malloc(before + size + 1);
    CHECK(sql);
    memcpy(sql, tables, before);
    memcpy(sql + before, data, size);
    sql[before + size] = 0;
    struct plan_settings settings = {.file_name = "fuzz.sql",
                                     .sql = slice_make(sql, before + size),
                                     .cores = 1 + (int)(size % 4)};
    int rc = plan_make(&settings, &plan, &err);
    CHECK(rc == 0 ? plan != NULL : err.text[0] != 0);
    if (rc == 0)
        plan_free(plan);
    free(sql);
    return 0;
}
