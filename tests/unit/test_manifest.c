// test_manifest.c: a manifest says what was written, and nothing else is believed: no changed byte,
// no path out of the folder, no number that cannot be.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/snapshot/format.h"
#include "core/snapshot/manifest.h"

static struct manifest_file first_files[] = {{3, 1, "chk-3/task-0-1.snap"},
                                             {5, 2, "chk-5/task-0-2.snap"}};
static struct manifest_file second_files[] = {{5, 1, "chk-5/task-1-1.snap"}};
static struct manifest_task tasks[] = {
    {.name = "source: person",
     .files = first_files,
     .file_count = 2,
     .file_bytes = 8192,
     .blocks = 2,
     .undo_bytes = 24,
     .align_ms = 0,
     .duration_ms = 12,
     .rows_in = 100,
     .rows_out = 99,
     .watermark_ms = -1,
     .positions = "{\"source\":{\"offset\":7}}"},
    {.name = "window \"x\"",
     .files = second_files,
     .file_count = 1,
     .watermark_ms = INT64_MIN,
     .positions = "{}"},
};
static const struct manifest sample = {
    .job = "uv",
    .fingerprint = 0xfedcba9876543210,
    .checkpoint = 5,
    .started_ms = 1700000000000,
    .duration_ms = 34,
    .state_bytes = 64 << 20,
    .cores = 2,
    .version = "0.1.0",
    .command = "weir run uv.yaml",
    .sql = "SELECT 'ä';\n-- \"quoted\"\n",
    .tasks = tasks,
    .task_count = 2,
};

static int read_text(struct slice text, struct pool *pool, struct manifest *out)
{
    struct err err = {.text = ""};
    int rc = manifest_read(text, pool, out, &err);
    if (rc < 0)
        assert_true(err.text[0] != '\0');
    return rc;
}

static int read_once(struct slice text)
{
    struct pool pool = {0};
    struct manifest out;
    int rc = read_text(text, &pool, &out);
    pool_fini(&pool);
    return rc;
}

static void check_task(const struct manifest_task *got, const struct manifest_task *want)
{
    assert_string_equal(got->name, want->name);
    assert_string_equal(got->positions, want->positions);
    assert_int_equal(got->file_count, want->file_count);
    for (int i = 0; i < want->file_count; i++) {
        assert_int_equal(got->files[i].checkpoint, want->files[i].checkpoint);
        assert_int_equal(got->files[i].attempt, want->files[i].attempt);
        assert_string_equal(got->files[i].path, want->files[i].path);
    }
    assert_int_equal(got->file_bytes, want->file_bytes);
    assert_int_equal(got->blocks, want->blocks);
    assert_int_equal(got->undo_bytes, want->undo_bytes);
    assert_int_equal(got->align_ms, want->align_ms);
    assert_int_equal(got->duration_ms, want->duration_ms);
    assert_int_equal(got->rows_in, want->rows_in);
    assert_int_equal(got->rows_out, want->rows_out);
    assert_int_equal(got->watermark_ms, want->watermark_ms);
}

static void test_manifest_says_what_was_written(void **state)
{
    (void)state;
    struct pool pool = {0};
    struct buf text = {0};
    struct manifest got;
    manifest_write(&sample, &text);
    assert_int_equal(read_text(buf_slice(&text), &pool, &got), 0);
    assert_string_equal(got.job, sample.job);
    assert_true(got.fingerprint == sample.fingerprint);
    assert_int_equal(got.checkpoint, sample.checkpoint);
    assert_int_equal(got.started_ms, sample.started_ms);
    assert_int_equal(got.duration_ms, sample.duration_ms);
    assert_int_equal(got.state_bytes, sample.state_bytes);
    assert_int_equal(got.cores, sample.cores);
    assert_string_equal(got.version, sample.version);
    assert_string_equal(got.command, sample.command);
    assert_string_equal(got.sql, sample.sql);
    assert_int_equal(got.task_count, sample.task_count);
    for (int t = 0; t < sample.task_count; t++)
        check_task(&got.tasks[t], &sample.tasks[t]);
    pool_fini(&pool);
    buf_fini(&text);
}

static void test_manifest_notices_every_changed_byte(void **state)
{
    (void)state;
    static const uint8_t changes[] = {0x01, 0x20, 0x80, 0xff};
    struct buf text = {0};
    manifest_write(&sample, &text);
    for (size_t i = 0; i < text.len; i++)
        for (size_t c = 0; c < sizeof changes; c++) {
            text.data[i] = (char)(text.data[i] ^ changes[c]);
            if (read_once(buf_slice(&text)) != -EBADMSG)
                fail_msg("byte %zu changed by %02x is believed", i, changes[c]);
            text.data[i] = (char)(text.data[i] ^ changes[c]);
        }
    assert_int_equal(read_once(buf_slice(&text)), 0);
    buf_fini(&text);
}

static void test_manifest_notices_every_cut(void **state)
{
    (void)state;
    struct buf text = {0};
    manifest_write(&sample, &text);
    size_t len = text.len;
    for (size_t cut = 0; cut < len; cut++)
        assert_int_equal(read_once(slice_make(text.data, cut)), -EBADMSG);
    buf_append_char(&text, '\n');
    assert_int_equal(read_once(buf_slice(&text)), -EBADMSG);
    buf_fini(&text);
}

// --- forgeries: a right checksum over something wrong ---

static const char *const tail_begin = ",\n  \"crc32c\": \"";

static void reseal(struct buf *text)
{
    char *tail = strstr(buf_str(text), tail_begin);
    assert_non_null(tail);
    text->len = (size_t)(tail - text->data);
    uint32_t crc = snapshot_crc(0, text->data, text->len);
    buf_printf(text, "%s%08x\"\n}\n", tail_begin, crc);
}

// The sample with the first `from` in it replaced.
static void forge(const char *from, const char *to, struct buf *out)
{
    struct buf text = {0};
    manifest_write(&sample, &text);
    const char *at = strstr(buf_str(&text), from);
    if (!at)
        fail_msg("no %s in the manifest", from);
    buf_append(out, text.data, (size_t)(at - text.data));
    buf_append_str(out, to);
    buf_append_str(out, at + strlen(from));
    reseal(out);
    buf_fini(&text);
}

static void check_forged(const char *from, const char *to, int want)
{
    struct buf text = {0};
    forge(from, to, &text);
    int rc = read_once(buf_slice(&text));
    if (rc != want)
        fail_msg("%s -> %s: %d instead of %d", from, to, rc, want);
    buf_fini(&text);
}

static void test_manifest_refuses_paths_out_of_the_folder(void **state)
{
    (void)state;
    static const char *const paths[] = {
        "",  "/etc/passwd", "..",   "../x",   "chk-3/../../x", "chk-3/..",  "chk-3/./x", "chk-3//x",
        ".", "./x",         "x\\n", "chk-3/", "chk-3",         "chk-3/a/b", "\\u0001",
    };
    char to[128];
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        snprintf(to, sizeof to, "\"path\": \"%s\"", paths[i]);
        check_forged("\"path\": \"chk-3/task-0-1.snap\"", to, -EBADMSG);
    }
    char longest[600] = "\"path\": \"chk-3/";
    memset(longest + strlen(longest), 'x', 500);
    check_forged("\"path\": \"chk-3/task-0-1.snap", longest, -EBADMSG);
    check_forged("\"path\": \"chk-3/task-0-1.snap\"", "\"path\": \"chk-3/other\"", 0);
}

static void test_manifest_refuses_numbers_out_of_range(void **state)
{
    (void)state;
    static const char *const forged[][2] = {
        {"\"attempt\": 1", "\"attempt\": 4294967296"},
        {"\"attempt\": 1", "\"attempt\": -1"},
        {"\"attempt\": 1", "\"attempt\": 1.0"},
        {"\"checkpoint\": 3", "\"checkpoint\": 0"},
        {"\"checkpoint\": 3", "\"checkpoint\": -3"},
        {"\"checkpoint\": 3", "\"checkpoint\": 5"},
        {"\"checkpoint\": 3", "\"checkpoint\": 6"},
        {"\"checkpoint\": 3", "\"checkpoint\": 99999999999999999999"},
        {"\"checkpoint\": 5,\n  \"started_ms\"", "\"checkpoint\": 6,\n  \"started_ms\""},
        {"\"checkpoint\": 5,\n  \"started_ms\"", "\"checkpoint\": 0,\n  \"started_ms\""},
        {"\"cores\": 2", "\"cores\": 4294967298"},
        {"\"cores\": 2", "\"cores\": -2"},
        {"\"state_bytes\": 67108864", "\"state_bytes\": -1"},
        {"\"blocks\": 2", "\"blocks\": -2"},
        {"\"rows_in\": 100", "\"rows_in\": true"},
        {"\"watermark_ms\": -1", "\"watermark_ms\": \"-1\""},
        {"\"watermark_ms\": -1", "\"watermark\": -1"},
        {"fedcba9876543210", "fedcba987654321"},
        {"fedcba9876543210", "0xfcba9876543210"},
        {"fedcba9876543210", "-edcba9876543210"},
        {"fedcba9876543210", " edcba9876543210"},
        {"fedcba9876543210", "fedcba987654321g"},
    };
    for (size_t i = 0; i < sizeof forged / sizeof *forged; i++)
        check_forged(forged[i][0], forged[i][1], -EBADMSG);
}

static void test_manifest_refuses_what_is_missing(void **state)
{
    (void)state;
    static const char *const members[] = {
        "weir_checkpoint",
        "job",
        "fingerprint",
        "checkpoint",
        "started_ms",
        "duration_ms",
        "state_bytes",
        "cores",
        "version",
        "command",
        "sql",
        "tasks",
        "name",
        "files",
        "file_bytes",
        "blocks",
        "undo_bytes",
        "align_ms",
        "rows_in",
        "rows_out",
        "positions",
        "attempt",
        "path",
    };
    char from[64], to[64];
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        snprintf(from, sizeof from, "\"%s\":", members[i]);
        snprintf(to, sizeof to, "\"x%s\":", members[i]);
        check_forged(from, to, -EBADMSG);
        snprintf(to, sizeof to, "\"%s\": {}, \"%s\":", members[i], members[i]);
        check_forged(from, to, -EBADMSG); // twice
    }
    check_forged("\"weir_checkpoint\": 1", "\"weir_checkpoint\": 2", -EPROTO);
    check_forged("\"files\": [", "\"files\": [1,", -EBADMSG);
    check_forged("\"tasks\": [", "\"tasks\": [null,", -EBADMSG);
    check_forged("{\n  \"weir", "[\n  \"weir", -EBADMSG);
}

// A name that was cut in the middle of a character, a script in another encoding: written so that
// it can be read, never a reason to stop.
static void test_manifest_takes_text_of_any_bytes(void **state)
{
    (void)state;
    struct pool pool = {0};
    struct buf text = {0};
    struct manifest odd = sample, got;
    struct manifest_task task = tasks[1];
    task.name = "source: caf\xc3";
    task.positions = "not JSON";
    odd.tasks = &task;
    odd.task_count = 1;
    odd.sql = "-- \xff\xfe caf\xe9\nSELECT 1;";
    odd.command = "weir run \x80.yaml";
    manifest_write(&odd, &text);
    assert_int_equal(read_text(buf_slice(&text), &pool, &got), 0);
    assert_string_equal(got.tasks[0].name, "source: caf?");
    assert_string_equal(got.tasks[0].positions, "{}");
    assert_string_equal(got.sql, "-- ?? caf?\nSELECT 1;");
    assert_string_equal(got.command, "weir run ?.yaml");
    pool_fini(&pool);
    buf_fini(&text);
}

int main(void)
{
    const struct CMUnitTest all[] = {
        cmocka_unit_test(test_manifest_says_what_was_written),
        cmocka_unit_test(test_manifest_notices_every_changed_byte),
        cmocka_unit_test(test_manifest_notices_every_cut),
        cmocka_unit_test(test_manifest_refuses_paths_out_of_the_folder),
        cmocka_unit_test(test_manifest_refuses_numbers_out_of_range),
        cmocka_unit_test(test_manifest_refuses_what_is_missing),
        cmocka_unit_test(test_manifest_takes_text_of_any_bytes),
    };
    return cmocka_run_group_tests(all, NULL, NULL);
}
