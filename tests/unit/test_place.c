// test_place.c: on which node memory is asked for and moved to, on machines that nobody has: the
// calls of NUMA are a table that this test fills in. The pages are real, their nodes are made up.
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/check.h"
#include "core/plan/plan.h"
#include "shm/place.h"
#include "shm/segment.h"
#include "stages/runtime/job_place.h"

enum { PAGE = 4096, PAGES_MAX = 4096, CALLS_MAX = 64, CORES_A_NODE = 4 };

// A machine of `nodes.count` nodes. It knows each page by what stands in it: a page's first bytes
// are its number, written by the test.
static struct machine {
    struct nodes nodes;
    int node_of[PAGES_MAX];
    bool is_stuck[PAGES_MAX]; // in use all the time
    int prefers[CALLS_MAX], prefer_count, refuses;
    uint64_t prefer_bytes;
    int asked, moved;
} machine;

static int fake_of_cpu(int cpu, void *context)
{
    const struct machine *m = context;
    int node = cpu / CORES_A_NODE;
    return node < m->nodes.count ? node : -EINVAL;
}

static int fake_prefer(void *at, uint64_t bytes, int node, void *context)
{
    struct machine *m = context;
    assert_non_null(at);
    if (m->refuses)
        return -m->refuses;
    assert_true(m->prefer_count < CALLS_MAX);
    m->prefers[m->prefer_count++] = node;
    m->prefer_bytes = bytes;
    return 0;
}

static int fake_pages(const struct nodes_pages *pages, void *context)
{
    struct machine *m = context;
    for (uint64_t i = 0; i < pages->count; i++) {
        // Only this process can be looked into; of others nothing is mapped.
        if (pages->pid != 0 && pages->pid != getpid()) {
            pages->found[i] = -ENOENT;
            continue;
        }
        uint32_t page = *(const uint32_t *)pages->addresses[i];
        assert_true(page < PAGES_MAX);
        m->asked++;
        if (pages->wanted && !m->is_stuck[page]) {
            m->moved += m->node_of[page] != pages->wanted[i];
            m->node_of[page] = pages->wanted[i];
        }
        pages->found[i] = m->node_of[page];
    }
    return 0;
}

static int fake_follow(pid_t pid, int from, int to, void *context)
{
    (void)pid;
    (void)from;
    (void)to;
    (void)context;
    return 0;
}

static const struct nodes *make_machine(int count, bool moves_shared)
{
    memset(&machine, 0, sizeof machine);
    machine.nodes = (struct nodes){.count = count,
                                   .moves_shared = moves_shared,
                                   .of_cpu = fake_of_cpu,
                                   .prefer = fake_prefer,
                                   .pages = fake_pages,
                                   .follow = fake_follow,
                                   .context = &machine};
    return &machine.nodes;
}

// A file of so many pages, each with its number in it.
static int make_file(uint32_t pages)
{
    int fd = memfd_create("test", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)pages * PAGE), 0);
    for (uint32_t i = 0; i < pages; i++)
        assert_int_equal(pwrite(fd, &i, sizeof i, (off_t)i * PAGE), sizeof i);
    return fd;
}

static void test_place_asks_nothing_where_there_is_one_node(void **state)
{
    (void)state;
    struct err err = {.text = ""};
    struct place_found found = {{0}};
    uint64_t moved = 0, left = 0;
    int fd = make_file(4);
    const struct place places[] = {{NULL, 0}, {make_machine(1, true), 0}};
    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        const struct place_piece piece = {fd, 0, 4 * PAGE, 0};
        assert_int_equal(place_prefer(&places[i], fd, 4 * PAGE, &err), 0);
        assert_int_equal(place_look(places[i].nodes, fd, &found), 0);
        assert_int_equal(place_move(&places[i], &piece, &moved, &left), 0);
        assert_int_equal(nodes_of_cpu(places[i].nodes, 3), NODES_NONE);
    }
    assert_int_equal(machine.prefer_count + machine.asked + (int)moved + (int)left, 0);
    close(fd);
}

static void test_place_knows_the_node_of_a_core(void **state)
{
    (void)state;
    const struct nodes *nodes = make_machine(4, true);
    assert_int_equal(nodes_of_cpu(nodes, 0), 0);
    assert_int_equal(nodes_of_cpu(nodes, 15), 3);
    assert_int_equal(nodes_of_cpu(nodes, -1), NODES_NONE); // of no core
    assert_int_equal(nodes_of_cpu(nodes, 16), NODES_NONE); // of one that is not there
    assert_int_equal(nodes_of_cpu(NULL, 0), NODES_NONE);
}

static void test_place_prefers_the_whole_file(void **state)
{
    (void)state;
    struct err err = {.text = ""};
    int fd = make_file(1);
    const struct place place = {make_machine(4, true), 3};
    assert_int_equal(place_prefer(&place, fd, 1 << 20, &err), 0);
    assert_int_equal(machine.prefer_count, 1);
    assert_int_equal(machine.prefers[0], 3);
    assert_int_equal(machine.prefer_bytes, 1 << 20);
    machine.refuses = EPERM;
    assert_int_equal(place_prefer(&place, fd, 1 << 20, &err), -EPERM);
    assert_non_null(strstr(err.text, "node 3"));
    assert_non_null(strstr(err.text, "CAP_SYS_NICE"));
    close(fd);
}

static void test_place_adds_up_what_is_claimed(void **state)
{
    (void)state;
    struct place_found found = {{0}};
    const uint32_t pages = 3 * PLACE_PIECE_BYTES / PAGE + 5; // not whole pieces
    int fd = make_file(pages);
    const struct nodes *nodes = make_machine(4, true);
    for (uint32_t i = 0; i < pages; i++)
        machine.node_of[i] = (int)(i % 3);
    assert_int_equal(ftruncate(fd, 64 << 20), 0); // nothing is claimed of the rest
    assert_int_equal(place_claimed_bytes(fd), (uint64_t)pages * PAGE);
    assert_int_equal(place_look(nodes, fd, &found), 0);
    assert_int_equal(found.bytes[0], (uint64_t)(pages + 2) / 3 * PAGE);
    assert_int_equal(found.bytes[0] + found.bytes[1] + found.bytes[2], (uint64_t)pages * PAGE);
    assert_int_equal(found.bytes[3], 0);
    assert_int_equal(place_claimed_bytes(fd),
                     (uint64_t)pages * PAGE); // and nothing was, by looking
    close(fd);
}

static void test_place_moves_what_is_elsewhere(void **state)
{
    (void)state;
    enum { PAGES = PLACE_PIECE_BYTES / PAGE };
    uint64_t moved = 0, left = 0;
    int fd = make_file(PAGES);
    const struct place place = {make_machine(4, true), 2};
    const struct place_piece piece = {fd, 0, PAGES * PAGE, 0};
    for (int i = 0; i < PAGES; i++)
        machine.node_of[i] = i % 4;
    machine.is_stuck[0] = machine.is_stuck[2] = true; // page 2 is where it should be
    assert_int_equal(place_move(&place, &piece, &moved, &left), 0);
    assert_int_equal(left, PAGE);
    assert_int_equal(moved, (PAGES * 3 / 4 - 1) * PAGE);
    machine.is_stuck[0] = false;
    left = moved = 0;
    assert_int_equal(place_move(&place, &piece, &moved, &left), 0);
    assert_true(moved == PAGE && left == 0);
    machine.asked = machine.moved = 0;
    assert_int_equal(place_move(&place, &piece, &moved, &left), 0); // there is nothing to move
    assert_int_equal(machine.asked, PAGES);
    assert_int_equal(machine.moved, 0);
    close(fd);
}

// Without the capability the kernel moves a page only in the one process that maps it.
static void test_place_moves_in_the_owner_where_it_must(void **state)
{
    (void)state;
    enum { PAGES = 8 };
    uint64_t moved = 0, left = 0;
    int fd = make_file(PAGES);
    const struct place place = {make_machine(2, false), 1};
    char *mapped = mmap(NULL, PAGES * PAGE, PROT_READ, MAP_SHARED, fd, 0);
    assert_ptr_not_equal(mapped, MAP_FAILED);
    struct place_piece piece = {fd, 4 * PAGE, 4 * PAGE, getpid()};
    assert_int_equal(place_move(&place, &piece, &moved, &left), 0);
    assert_int_equal(moved, 4 * PAGE);
    // It was asked in the address space of its owner: so the looks, the owner's move, the own one.
    assert_int_equal(machine.asked, 4 * 4);
    piece.owner = 1; // which has it not mapped, and a process that is gone
    piece.offset = 0;
    assert_int_equal(place_move(&place, &piece, &moved, &left), 0);
    piece.owner = INT32_MAX;
    assert_int_equal(place_move(&place, &piece, &moved, &left), 0);
    assert_int_equal(moved, 8 * PAGE);
    munmap(mapped, PAGES * PAGE);
    close(fd);
}

// --- a job ---

static struct plan *make_plan(int cores)
{
    static const char sql[] =
        "CREATE TABLE t (id BIGINT, d STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH "
        "('connector' = 'datagen');"
        "CREATE TABLE o (w TIMESTAMP(3), d STRING, n BIGINT) WITH ('connector' = 'print');"
        "INSERT INTO o SELECT window_end, d, COUNT(DISTINCT id) FROM "
        "TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) "
        "GROUP BY window_start, window_end, d;";
    const struct plan_settings settings = {"t.sql", slice_of(sql), cores};
    struct plan *plan = NULL;
    struct err err = {.text = ""};
    if (plan_make(&settings, &plan, &err) < 0)
        fail_msg("%s", err.text);
    return plan;
}

static void test_place_of_arenas_and_rings(void **state)
{
    (void)state;
    struct plan *plan = make_plan(4);
    int cpus[64], count, arenas = 0, rings = 0;
    assert_true(plan->task_count > 2 && plan->task_count <= 64);
    for (int i = 0; i < plan->task_count; i++)
        cpus[i] = i % 4 * CORES_A_NODE; // one on each node, in turn
    cpus[plan->task_count - 1] = -1;
    const struct job_options options = {.nodes = make_machine(4, true), .cpus = cpus};
    struct place_segment *segments = job_segments(plan, &count);
    for (int i = 0; i < count; i++) {
        int exchange, from, to, task = segments[i].task;
        const struct place place = job_place_of(&options, task);
        assert_int_equal(place.node, task == plan->task_count - 1 ? NODES_NONE : task % 4);
        if (sscanf(segments[i].name, "ring-%d-%d-%d", &exchange, &from, &to) == 3) {
            rings++;
            assert_true(job_has_channel(plan, exchange, from, to));
            assert_int_equal(task,
                             plan->stages[plan->exchanges[exchange].to_stage].first_task + to);
        } else {
            assert_int_equal(sscanf(segments[i].name, "arena-%d", &exchange), 1);
            assert_int_equal(exchange, task);
            arenas++;
        }
    }
    assert_int_equal(arenas, plan->task_count);
    assert_true(rings > 0);
    free(segments);
    const struct job_options nowhere = {.nodes = &machine.nodes};
    assert_int_equal(job_place_of(&nowhere, 0).node, NODES_NONE);
    plan_free(plan);
}

// Every segment is asked for before the first byte of it is had, spares and successors included:
// what is preferred belongs to the file.
static void test_place_of_a_job_that_is_made(void **state)
{
    (void)state;
    char path[] = "/dev/shm/weir-test-XXXXXX";
    struct err err = {.text = ""};
    struct jobdir dir;
    struct plan *plan = make_plan(2);
    int cpus[64], count, expected[4] = {0}, seen[4] = {0};
    for (int i = 0; i < plan->task_count; i++)
        cpus[i] = i % 4 * CORES_A_NODE;
    assert_non_null(mkdtemp(path));
    assert_int_equal(jobdir_open(path, "placed", &dir, &err), 0);
    const struct job_options options = {.job_name = "placed",
                                        .sql_file = "t.sql",
                                        .sql = slice_of("SELECT 1"),
                                        .cores = 2,
                                        .state_bytes = 4 << 20,
                                        .nodes = make_machine(4, true),
                                        .cpus = cpus};
    if (job_create_tasks(&dir, plan, &options, NULL, &err) < 0)
        fail_msg("%s", err.text);
    struct place_segment *segments = job_segments(plan, &count);
    assert_int_equal(machine.prefer_count, count);
    for (int i = 0; i < count; i++) {
        expected[segments[i].task % 4]++;
        seen[machine.prefers[i]]++;
    }
    assert_memory_equal(seen, expected, sizeof seen);
    free(segments);
    // A host that forbids it has the job all the same.
    assert_int_equal(job_remove_tasks(&dir, plan, NULL, &err), 0);
    machine.refuses = EPERM;
    assert_int_equal(job_create_tasks(&dir, plan, &options, NULL, &err), 0);
    assert_int_equal(jobdir_remove(&dir, &err), 0);
    char user[128];
    snprintf(user, sizeof user, "%s/weir-%u", path, (unsigned)getuid());
    rmdir(user);
    assert_int_equal(rmdir(path), 0);
    plan_free(plan);
}

// What this host says, whatever it is: it must fit together.
static void test_place_of_this_host(void **state)
{
    (void)state;
    const struct nodes *nodes = nodes_system();
    struct place_found found = {{0}};
    struct err err = {.text = ""};
    assert_true(nodes->count >= 1);
    if (nodes->count == 1)
        skip();
    int fd = make_file(16), node = nodes_of_cpu(nodes, sched_getcpu());
    const struct place place = {nodes, node};
    assert_int_equal(place_prefer(&place, fd, 16 * PAGE, &err), 0);
    assert_int_equal(place_look(nodes, fd, &found), 0);
    uint64_t all = 0;
    for (int i = 0; i < NODES_MAX; i++)
        all += found.bytes[i];
    assert_int_equal(all, 16 * PAGE);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_place_asks_nothing_where_there_is_one_node),
        cmocka_unit_test(test_place_knows_the_node_of_a_core),
        cmocka_unit_test(test_place_prefers_the_whole_file),
        cmocka_unit_test(test_place_adds_up_what_is_claimed),
        cmocka_unit_test(test_place_moves_what_is_elsewhere),
        cmocka_unit_test(test_place_moves_in_the_owner_where_it_must),
        cmocka_unit_test(test_place_of_arenas_and_rings),
        cmocka_unit_test(test_place_of_a_job_that_is_made),
        cmocka_unit_test(test_place_of_this_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
