// test_savepoint.c: the file of a savepoint: what is written comes back, every damaged byte shows.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/snapshot/savepoint.h"

enum { RECORDS = 3000, ID = 77 };

static char path[64];

static void make_path(void)
{
    snprintf(path, sizeof path, "/tmp/weir-savepoint-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    unlink(path);
}

static void write_all(int records)
{
    struct savepoint_writer w;
    struct err err;
    char text[16];
    make_path();
    assert_int_equal(savepoint_create(env_system(), path, ID, &w, &err), 0);
    for (int i = 0; i < records; i++) {
        savepoint_begin(&w, i % 7, SAVEPOINT_GROUP);
        savepoint_put_int(&w, -i);
        savepoint_put_null(&w);
        savepoint_put_double(&w, i / 4.0);
        snprintf(text, sizeof text, "row %d", i);
        savepoint_put_text(&w, slice_of(i % 10 ? text : ""));
        savepoint_end(&w);
    }
    assert_int_equal(savepoint_finish(&w, &err), 0);
}

// How many records come, all of them checked; or -errno.
static int read_all(uint64_t id)
{
    struct savepoint_reader r;
    struct savepoint_record record;
    struct err err = {.text = ""};
    char text[16];
    int count = 0, rc = savepoint_open(env_system(), path, id, &r, &err);
    assert_int_equal(rc, 0);
    while ((rc = savepoint_next(&r, &record, &err)) == 1) {
        assert_int_equal(record.op, count % 7);
        assert_int_equal(record.kind, SAVEPOINT_GROUP);
        assert_int_equal(record.left, 4);
        assert_int_equal(savepoint_take_int(&record), -count);
        assert_int_equal(savepoint_take(&record).tag, SAVEPOINT_NULL);
        struct savepoint_value real = savepoint_take(&record);
        assert_true(real.tag == SAVEPOINT_DOUBLE && real.real == count / 4.0);
        snprintf(text, sizeof text, "row %d", count);
        assert_true(slice_equal(savepoint_take_text(&record), slice_of(count % 10 ? text : "")));
        assert_false(record.is_bad);
        count++;
    }
    savepoint_close(&r);
    if (rc < 0)
        assert_true(err.text[0]);
    return rc < 0 ? rc : count;
}

static void test_savepoint_round_trip(void **state)
{
    (void)state;
    for (int records = 0; records <= RECORDS; records += RECORDS / 2) {
        write_all(records);
        assert_int_equal(read_all(ID), records);
        assert_int_equal(read_all(ID + 1), -EBADMSG);
        unlink(path);
    }
}

static void test_savepoint_every_byte_counts(void **state)
{
    (void)state;
    static char bytes[4096];
    write_all(20);
    FILE *file = fopen(path, "r+");
    assert_non_null(file);
    size_t len = fread(bytes, 1, sizeof bytes, file);
    assert_true(len > 500 && len < sizeof bytes);
    for (size_t i = 0; i < len; i++) {
        fseek(file, (long)i, SEEK_SET);
        fputc(bytes[i] ^ 0x10, file);
        fflush(file);
        int rc = read_all(ID);
        if (rc != -EBADMSG && rc != -EPROTO)
            fail_msg("byte %zu changed: %d", i, rc);
        fseek(file, (long)i, SEEK_SET);
        fputc(bytes[i], file);
        fflush(file);
    }
    for (size_t cut = 0; cut < len; cut++) {
        assert_int_equal(truncate(path, (off_t)(len - 1 - cut)), 0);
        assert_int_equal(read_all(ID), -EBADMSG);
    }
    fclose(file);
    unlink(path);
}

static void test_savepoint_record_of_another_shape(void **state)
{
    (void)state;
    struct savepoint_reader r;
    struct savepoint_record record, copy;
    struct err err;
    write_all(1);
    assert_int_equal(savepoint_open(env_system(), path, ID, &r, &err), 0);
    assert_int_equal(savepoint_next(&r, &record, &err), 1);
    copy = record;
    savepoint_take_text(&copy); // a number stands there
    assert_true(copy.is_bad);
    copy = record;
    for (int i = 0; i < 4; i++)
        savepoint_take(&copy);
    assert_false(copy.is_bad);
    assert_int_equal(savepoint_take(&copy).tag, SAVEPOINT_NULL); // there is none left
    assert_true(copy.is_bad);
    savepoint_close(&r);
    unlink(path);
}

static void test_savepoint_never_over_another(void **state)
{
    (void)state;
    struct savepoint_writer w;
    struct err err;
    write_all(1);
    assert_int_equal(savepoint_create(env_system(), path, ID, &w, &err), -EEXIST);
    assert_non_null(strstr(err.text, path));
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_savepoint_round_trip),
        cmocka_unit_test(test_savepoint_every_byte_counts),
        cmocka_unit_test(test_savepoint_record_of_another_shape),
        cmocka_unit_test(test_savepoint_never_over_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
