// test_huge.c: counting in huge pages, and segments that have them: claims of whole pages, mappings
// at addresses where they can be mapped as such. That the kernel does so is
// tests/process/huge_pages.sh; here a segment on an ordinary tmpfs is told that it has them.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "shm/huge.h"
#include "shm/segment.h"

#define MIB  (UINT64_C(1) << 20)
#define HUGE (2 * MIB)

static char folder[64];
static struct err err;
static struct segment_spec spec = {-1, "a", "test", 0x1234, 0x5678};

static int set_up(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/dev/shm/weir-test-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    spec.dir_fd = open(folder, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
    return spec.dir_fd < 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlinkat(spec.dir_fd, "a", 0);
    close(spec.dir_fd);
    return rmdir(folder);
}

static void create(uint64_t bytes, struct segment *out)
{
    assert_int_equal(segment_create(&spec, bytes, out, &err), 0);
    out->huge_bytes = HUGE;
}

static uint64_t held(const struct segment *segment)
{
    struct stat st;
    assert_int_equal(fstat(segment->fd, &st), 0);
    return (uint64_t)st.st_blocks * 512;
}

static void test_huge_counts_whole_pages(void **state)
{
    (void)state;
    const struct huge within = {HUGE, HUGE}, always = {HUGE, 0}, none = {0};
    assert_int_equal(huge_file_bytes(NULL, 4097), 4097);
    assert_int_equal(huge_file_bytes(&none, 3 * MIB), 3 * MIB);
    assert_int_equal(huge_file_bytes(&within, MIB), MIB);
    assert_int_equal(huge_file_bytes(&within, 2 * MIB), 2 * MIB);
    assert_int_equal(huge_file_bytes(&within, 2 * MIB + 1), 4 * MIB);
    assert_int_equal(huge_file_bytes(&always, 1), 2 * MIB);
    assert_int_equal(huge_file_bytes(&always, 0), 0);
}

static void test_huge_page_of_a_file(void **state)
{
    (void)state;
    static const struct {
        long block;
        uint64_t page;
    } cases[] = {{4096, 0}, {65536, 0}, {2 << 20, 2 << 20}, {3 << 20, 0}, {32 << 20, 32 << 20}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct stat st = {.st_blksize = cases[i].block};
        assert_int_equal(huge_page_bytes(&st), cases[i].page);
    }
}

static void test_huge_look_where_nothing_can_be_asked(void **state)
{
    (void)state;
    assert_int_equal(huge_look("/nowhere").page_bytes, 0);
    assert_int_equal(huge_look("/proc").page_bytes, 0);
}

static void test_huge_segment_is_claimed_in_whole_pages(void **state)
{
    (void)state;
    struct segment segment;
    create(8 * MIB + 4096, &segment);
    assert_int_equal(segment_claim(&segment, 4096, 4096, &err), 0);
    assert_int_equal(held(&segment), 2 * MIB);
    assert_int_equal(segment_claim(&segment, 3 * MIB, 2 * MIB, &err), 0); // pages 1 and 2
    assert_int_equal(held(&segment), 6 * MIB);
    assert_int_equal(segment_claim(&segment, 5 * MIB, 0, &err), 0);
    assert_int_equal(held(&segment), 6 * MIB);
    assert_int_equal(segment_claim(&segment, 8 * MIB, 4096, &err), 0); // no farther than the file
    assert_int_equal(held(&segment), 6 * MIB + 4096);
    segment_close(&segment);
}

// Is there a mapping at this address?
static int is_mapped(const char *at)
{
    unsigned char in_core;
    return mincore((void *)(uintptr_t)at, 4096, &in_core) == 0;
}

static void test_huge_segment_is_mapped_where_pages_fit(void **state)
{
    (void)state;
    static const struct segment_range ranges[] = {
        {4096, 8 * MIB, true, false},
        {0, 8 * MIB, true, false},
        {2 * MIB + 12288, 4 * MIB, false, false},
        {4096, 2 * MIB, false, true},
    };
    struct segment segment;
    create(8 * MIB + 4096, &segment);
    assert_int_equal(segment_claim(&segment, 0, segment.bytes, &err), 0);
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        void *at;
        assert_int_equal(segment_map(&segment, &ranges[i], &at, &err), 0);
        char *bytes = at;
        assert_int_equal(((uintptr_t)at - ranges[i].offset) % HUGE, 0);
        assert_true(is_mapped(bytes) && is_mapped(bytes + ranges[i].bytes - 4096));
        if (ranges[i].writable) {
            char byte = 0;
            bytes[0] = 'x';
            assert_int_equal(pread(segment.fd, &byte, 1, (off_t)ranges[i].offset), 1);
            assert_int_equal(byte, 'x');
        }
        segment_unmap(at, ranges[i].bytes);
    }
    segment_close(&segment);
}

// Addresses that were only taken to find a good one are given back.
static void test_huge_mapping_leaves_no_addresses_taken(void **state)
{
    (void)state;
    const struct segment_range range = {4096, 4 * MIB, true, false};
    struct segment segment;
    char line[512];
    int before = 0, after = 0;
    create(4 * MIB + 4096, &segment);
    for (int i = 0; i < 100; i++) {
        void *at;
        FILE *maps = i == 0 || i == 99 ? fopen("/proc/self/maps", "r") : NULL;
        while (maps && fgets(line, sizeof line, maps))
            *(i == 0 ? &before : &after) += 1;
        if (maps)
            fclose(maps);
        assert_int_equal(segment_map(&segment, &range, &at, &err), 0);
        segment_unmap(at, range.bytes);
    }
    assert_true(after - before < 10);
    segment_close(&segment);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_huge_counts_whole_pages),
        cmocka_unit_test(test_huge_page_of_a_file),
        cmocka_unit_test(test_huge_look_where_nothing_can_be_asked),
        cmocka_unit_test_setup_teardown(test_huge_segment_is_claimed_in_whole_pages, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_huge_segment_is_mapped_where_pages_fit, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_huge_mapping_leaves_no_addresses_taken, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
