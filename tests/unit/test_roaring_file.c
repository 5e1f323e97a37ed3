// test_roaring_file.c: what `weir checkpoint export --bitmaps` writes is what CRoaring reads back.
#include "tests/unit/test_state_support.h"

#include <errno.h>
#include <roaring/roaring.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "core/state/bitmap.h"
#include "tools/checkpoint.h"
#include "tools/file.h"

struct set {
    struct arena *a;
    uint64_t head;
    char path[64];
    struct buf bytes; // of the file
};

static void set_make(struct set *s)
{
    *s = (struct set){.a = test_arena(64 << 20, 8 << 20)};
    assert_int_equal(arena_root(s->a, 1, sizeof(struct bitmap_head), &s->head), 0);
    arena_commit(s->a);
    snprintf(s->path, sizeof s->path, "/tmp/weir-roaring-XXXXXX");
    int fd = mkstemp(s->path);
    assert_true(fd >= 0);
    close(fd);
}

static void set_add(struct set *s, uint64_t number)
{
    assert_true(bitmap_add(s->a, s->head, number) >= 0);
    arena_commit(s->a);
}

static bool set_write(struct set *s)
{
    struct err err;
    bool is_64;
    if (roaring_file_write(s->a, s->head, s->path, &is_64, &err) < 0)
        fail_msg("%s", err.text);
    buf_clear(&s->bytes);
    assert_int_equal(file_read_all(s->path, 64 << 20, &s->bytes, &err), 0);
    return is_64;
}

static void set_free(struct set *s)
{
    unlink(s->path);
    buf_fini(&s->bytes);
    test_arena_free(s->a);
}

// Does the part hold the numbers of the set with these upper bits? Returns its cardinality.
static uint64_t check_part(const struct set *s, const roaring_bitmap_t *part, uint64_t upper)
{
    roaring_uint32_iterator_t it;
    uint64_t count = 0;
    for (roaring_init_iterator(part, &it); it.has_value; roaring_advance_uint32_iterator(&it)) {
        assert_true(bitmap_contains(s->a, s->head, upper << 32 | it.current_value));
        count++;
    }
    return count;
}

static void check_32(struct set *s)
{
    assert_false(set_write(s));
    roaring_bitmap_t *part = roaring_bitmap_portable_deserialize_safe(s->bytes.data, s->bytes.len);
    assert_non_null(part);
    assert_int_equal(roaring_bitmap_portable_size_in_bytes(part), s->bytes.len);
    assert_int_equal(check_part(s, part, 0), bitmap_cardinality(s->a, s->head));
    roaring_bitmap_free(part);
}

static void test_roaring_file_of_32_bits(void **state)
{
    (void)state;
    struct set s;
    uint64_t rng = test_seed(__func__);
    set_make(&s);
    check_32(&s); // empty
    set_add(&s, 0);
    set_add(&s, UINT32_MAX);
    check_32(&s);
    for (uint64_t i = 70000; i < 140000; i++) // whole containers
        set_add(&s, i);
    for (int i = 0; i < 20000; i++)
        set_add(&s, test_random(&rng, 4 << 20)); // arrays and bitsets
    check_32(&s);
    set_free(&s);
}

static void test_roaring_file_of_64_bits(void **state)
{
    (void)state;
    static const uint64_t uppers[] = {0, 1, 7, UINT32_MAX};
    struct set s;
    uint64_t parts, seen = 0;
    set_make(&s);
    for (size_t i = 0; i < ARRAY_SIZE(uppers); i++)
        for (uint64_t n = 0; n < 3000; n++)
            set_add(&s, uppers[i] << 32 | (UINT32_MAX - n * 7));
    assert_true(set_write(&s));
    const char *at = s.bytes.data, *end = at + s.bytes.len;
    memcpy(&parts, at, 8);
    at += 8;
    assert_int_equal(parts, ARRAY_SIZE(uppers));
    for (size_t i = 0; i < parts; i++) {
        uint32_t upper;
        memcpy(&upper, at, 4);
        at += 4;
        assert_int_equal(upper, uppers[i]);
        roaring_bitmap_t *part = roaring_bitmap_portable_deserialize_safe(at, (size_t)(end - at));
        assert_non_null(part);
        seen += check_part(&s, part, upper);
        at += roaring_bitmap_portable_size_in_bytes(part);
        roaring_bitmap_free(part);
    }
    assert_ptr_equal(at, end);
    assert_int_equal(seen, bitmap_cardinality(s.a, s.head));
    set_free(&s);
}

static void test_roaring_file_says_where_it_cannot_write(void **state)
{
    (void)state;
    struct set s;
    struct err err;
    bool is_64;
    set_make(&s);
    assert_int_equal(roaring_file_write(s.a, s.head, "/nowhere/x", &is_64, &err), -ENOENT);
    assert_non_null(strstr(err.text, "/nowhere/x"));
    set_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_roaring_file_of_32_bits),
        cmocka_unit_test(test_roaring_file_of_64_bits),
        cmocka_unit_test(test_roaring_file_says_where_it_cannot_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
