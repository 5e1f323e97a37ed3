// test_segment.c: segments, blobs and process identities.
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "shm/blob.h"
#include "shm/process.h"
#include "shm/segment.h"
#include "shm/segment_layout.h"

static char folder[64];
static int dir_fd;
static struct err err;
static struct segment_spec spec = {-1, "a", "test", 0x1234, 0x5678};

static int set_up(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/dev/shm/weir-test-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    dir_fd = open(folder, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
    spec.dir_fd = dir_fd;
    return dir_fd < 0;
}

static int tear_down(void **state)
{
    (void)state;
    static const char *const names[] = {"a", "b"};
    for (size_t i = 0; i < 2; i++)
        unlinkat(dir_fd, names[i], 0);
    close(dir_fd);
    return rmdir(folder);
}

static void create_and_close(uint64_t bytes)
{
    struct segment segment;
    assert_int_equal(segment_create(&spec, bytes, &segment, &err), 0);
    segment_close(&segment);
}

static void test_segment_survives_its_creator(void **state)
{
    (void)state;
    struct segment segment;
    void *at;
    assert_int_equal(segment_create(&spec, 3 * 4096, &segment, &err), 0);
    assert_int_equal(segment_claim(&segment, 4096, 8192, &err), 0);
    assert_int_equal(
        segment_map(&segment, &(struct segment_range){4096, 8192, true, true}, &at, &err), 0);
    memcpy((char *)at + 5000, "kept", 5);
    segment_unmap(at, 8192);
    segment_close(&segment);
    assert_int_equal(segment_create(&spec, 4096, &segment, &err), -EEXIST);
    assert_int_equal(segment_open(&spec, false, &segment, &err), 0);
    assert_int_equal(segment.bytes, 3 * 4096);
    assert_int_equal(
        segment_map(&segment, &(struct segment_range){4096, 8192, false, false}, &at, &err), 0);
    assert_string_equal((char *)at + 5000, "kept");
    segment_unmap(at, 8192);
    segment_close(&segment);
    assert_int_equal(segment_unlink(dir_fd, "a", &err), 0);
    assert_int_equal(segment_open(&spec, false, &segment, &err), -ENOENT);
}

// Every byte of the header page, damaged in turn, is refused; put right again, it is accepted.
static void test_segment_refuses_each_damaged_header_byte(void **state)
{
    (void)state;
    create_and_close(8192);
    int fd = openat(dir_fd, "a", O_RDWR | O_CLOEXEC);
    for (off_t i = 0; i < SEGMENT_HEADER_BYTES; i++) {
        unsigned char good, bad;
        assert_int_equal(pread(fd, &good, 1, i), 1);
        bad = (unsigned char)(good ^ 0x41);
        assert_int_equal(pwrite(fd, &bad, 1, i), 1);
        struct segment segment;
        err.text[0] = 0;
        assert_int_equal(segment_open(&spec, false, &segment, &err), -EILSEQ);
        assert_true(strstr(err.text, "segment a") != NULL);
        assert_int_equal(pwrite(fd, &good, 1, i), 1);
    }
    close(fd);
    struct segment segment;
    assert_int_equal(segment_open(&spec, false, &segment, &err), 0);
    segment_close(&segment);
}

static void expect_refused(struct segment_spec wanted, const char *word)
{
    struct segment segment;
    assert_int_equal(segment_open(&wanted, false, &segment, &err), -EILSEQ);
    if (!strstr(err.text, word))
        fail_msg("'%s' does not say '%s'", err.text, word);
}

static void test_segment_says_what_does_not_match(void **state)
{
    (void)state;
    create_and_close(8192);
    expect_refused((struct segment_spec){dir_fd, "a", "ring", 0x1234, 0x5678},
                   "kind test, not ring");
    expect_refused((struct segment_spec){dir_fd, "a", "test", 0x1235, 0x5678},
                   "another version of weir");
    expect_refused((struct segment_spec){dir_fd, "a", "test", 0x1234, 0x5679},
                   "another version of the job");
    struct segment segment;
    struct segment_spec any = {dir_fd, "a", "test", 0x1234, 0};
    assert_int_equal(segment_open(&any, false, &segment, &err), 0);
    segment_close(&segment);
    int fd = openat(dir_fd, "a", O_RDWR | O_CLOEXEC);
    assert_int_equal(ftruncate(fd, 12288), 0);
    expect_refused(spec, "bytes long");
    close(fd);
}

static void test_segment_sees_unfinished_creation(void **state)
{
    (void)state;
    struct segment segment;
    int fd = openat(dir_fd, "a", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    static const off_t lengths[] = {0, 100, 8192};
    static const char *const words[] = {"is empty: it was cut", "is 100 bytes long, less than its",
                                        "was never finished"};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(ftruncate(fd, lengths[i]), 0);
        assert_int_equal(segment_open(&spec, false, &segment, &err), -ENODATA);
        assert_non_null(strstr(err.text, words[i]));
    }
    close(fd);
}

// What lies in the place of a segment is told apart, and none of it is used.
static void test_segment_refuses_what_is_no_file_of_ours(void **state)
{
    (void)state;
    static const struct {
        mode_t mode;
        const char *word;
    } open_to_others[] = {{0620, "0620"}, {0602, "0602"}, {0666, "0666"}};
    struct segment segment;
    create_and_close(8192);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(fchmodat(dir_fd, "a", open_to_others[i].mode, 0), 0);
        expect_refused(spec, open_to_others[i].word);
        expect_refused(spec, "others may have written to it");
    }
    assert_int_equal(fchmodat(dir_fd, "a", 0644, 0), 0); // to be read by others harms nothing
    assert_int_equal(segment_open(&spec, true, &segment, &err), 0);
    segment_close(&segment);
    if (geteuid() == 0) {
        assert_int_equal(fchownat(dir_fd, "a", 65534, 65534, 0), 0);
        expect_refused(spec, "belongs to user 65534, and the job is run by user 0");
    } else {
        assert_int_equal(fchmodat(dir_fd, "a", 0, 0), 0);
        expect_refused(spec, "its permissions forbid it");
    }
    assert_int_equal(unlinkat(dir_fd, "a", 0), 0);
    assert_int_equal(mkdirat(dir_fd, "a", 0700), 0);
    expect_refused(spec, "is a folder, not a file");
    assert_int_equal(segment_open(&spec, true, &segment, &err), -EILSEQ);
    assert_non_null(strstr(err.text, "it is a folder, not a file"));
    assert_int_equal(unlinkat(dir_fd, "a", AT_REMOVEDIR), 0);
    assert_int_equal(symlinkat("b", dir_fd, "a"), 0);
    expect_refused(spec, "it is a symbolic link");
    assert_int_equal(unlinkat(dir_fd, "a", 0), 0);
    assert_int_equal(mkfifoat(dir_fd, "a", 0600), 0);
    expect_refused(spec, "is something else, not a file");
}

// A file size limit stands in for a full tmpfs: filling a real one would starve the host.
static void test_segment_claim_says_when_memory_is_short(void **state)
{
    (void)state;
    struct segment segment;
    struct rlimit old, limit;
    assert_int_equal(segment_create(&spec, 1 << 20, &segment, &err), 0);
    assert_int_equal(segment_claim(&segment, 4096, 65536, &err), 0);
    assert_int_equal(segment_claim(&segment, 4096, 65536, &err), 0);
    assert_int_equal(ftruncate(segment.fd, 128 << 10), 0); // the claim must make it longer
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    limit = old;
    limit.rlim_cur = 256 << 10;
    setrlimit(RLIMIT_FSIZE, &limit);
    assert_int_equal(segment_claim(&segment, 4096, (1 << 20) - 4096, &err), -EFBIG);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_true(strstr(err.text, "cannot claim 1044480 bytes for segment a") != NULL);
    assert_true(strstr(err.text, "memory.dir") != NULL);
    segment_close(&segment);
}

static void test_blob_keeps_bytes_and_sees_damage(void **state)
{
    (void)state;
    struct buf text = {0}, back = {0};
    for (int i = 0; i < 3000; i++)
        buf_printf(&text, "SELECT %d;\n", i);
    assert_int_equal(blob_create(dir_fd, "b", 7, buf_slice(&text), &err), 0);
    assert_int_equal(blob_read(dir_fd, "b", 7, &back, &err), 0);
    assert_true(slice_equal(buf_slice(&text), buf_slice(&back)));
    assert_int_equal(blob_read(dir_fd, "b", 8, &back, &err), -EILSEQ);
    int fd = openat(dir_fd, "b", O_RDWR | O_CLOEXEC);
    for (off_t i = 4096; i < 4096 + 40; i++) { // length, checksum, bytes
        unsigned char good, bad;
        assert_int_equal(pread(fd, &good, 1, i), 1);
        bad = (unsigned char)~good;
        assert_int_equal(pwrite(fd, &bad, 1, i), 1);
        assert_int_equal(blob_read(dir_fd, "b", 7, &back, &err), -EILSEQ);
        assert_int_equal(pwrite(fd, &good, 1, i), 1);
    }
    close(fd);
    buf_fini(&text);
    buf_fini(&back);
}

static void test_process_is_not_mistaken_for_another(void **state)
{
    (void)state;
    struct process_id self = process_self();
    assert_true(self.start_time > 0);
    assert_true(process_alive(self));
    struct process_id other = {self.pid, self.start_time + 1};
    assert_false(process_alive(other));
    assert_int_equal(process_open(other), -ESRCH);
    assert_int_equal(process_kill(other, 100), -ESRCH);
    assert_false(process_alive((struct process_id){0}));
}

static void test_process_kill_ends_it(void **state)
{
    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        pause();
        _exit(0);
    }
    struct process_id child = {pid, process_start_time(pid)};
    assert_true(process_alive(child));
    assert_int_equal(process_kill(child, 5000), 0);
    assert_false(process_alive(child)); // a zombie by now
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_int_equal(process_kill(child, 100), -ESRCH);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_segment_survives_its_creator),
        TEST(test_segment_refuses_each_damaged_header_byte),
        TEST(test_segment_says_what_does_not_match),
        TEST(test_segment_sees_unfinished_creation),
        TEST(test_segment_refuses_what_is_no_file_of_ours),
        TEST(test_segment_claim_says_when_memory_is_short),
        TEST(test_blob_keeps_bytes_and_sees_damage),
        TEST(test_process_is_not_mistaken_for_another),
        TEST(test_process_kill_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
