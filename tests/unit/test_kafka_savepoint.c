// test_kafka_savepoint.c: positions of partitions from one number of tasks to another.
#include "core/snapshot/savepoint.h"
#include "stages/kafka/topics.h"
#include "stages/source/kafka_positions.h"
#include "tests/unit/test_task_support.h"

enum { PARTITIONS = 12, OLD = 2, NEW = 5, OP = 3, ID = 9 };

static struct field fields[] = {{.name = "id", .type = {.kind = TYPE_BIGINT}}};

static void init_task(struct bench *b, int subtask, int subtasks)
{
    bench_init(b, OP_SOURCE, fields, 1);
    b->op.id = OP;
    b->stage.parallelism = subtasks;
    b->context.subtask = subtask;
}

static struct kafka_start start_of(const char *topic, int partition)
{
    return (struct kafka_start){.topic = topic,
                                .partition = partition,
                                .end = partition % 3 ? KAFKA_NO_END : 5000 + partition,
                                .id = {UINT64_C(0xfedcba9876543210) + (uint64_t)partition, 77},
                                .place = {1000 + partition, partition % 2,
                                          partition % 4 ? 60000 : INT64_MIN, partition % 5 == 0}};
}

static void write_savepoint(const char *path)
{
    static const char *const topics[] = {"orders", "a.longer-name_of.a-topic"};
    struct savepoint_writer w;
    struct err err;
    assert_int_equal(savepoint_create(env_system(), path, ID, &w, &err), 0);
    for (int s = 0; s < OLD; s++) {
        struct bench b;
        struct kafka_positions positions;
        init_task(&b, s, OLD);
        assert_int_equal(kafka_positions_open(&positions, b.arena, OP), 0);
        for (int i = 0; i < 2 * PARTITIONS; i++) {
            const struct kafka_start start = start_of(topics[i % 2], i / 2);
            if (kafka_subtask_of(start.topic, start.partition, OLD) != s)
                continue;
            assert_int_equal(kafka_positions_add(&positions, &start), 0);
            if (i == 7)
                kafka_positions_lose(&positions, positions.count - 1, 41);
        }
        kafka_positions_mark_started(&positions);
        arena_commit(b.arena);
        kafka_positions_close(&positions);
        const struct savepoint_class *class = kafka_source_class.savepoint;
        assert_int_equal(class->put(&b.context, &w, OP, true, &err), 0);
        assert_int_equal(class->put(&b.context, &w, OP, false, &err), 0);
        bench_fini(&b);
    }
    assert_int_equal(savepoint_finish(&w, &err), 0);
}

static void restore(const char *path, struct bench *tasks)
{
    const struct savepoint_class *class = kafka_source_class.savepoint;
    struct op_context contexts[NEW];
    struct savepoint_reader r;
    struct savepoint_record record;
    struct err err;
    void *restoring;
    int rc, count = 0;
    for (int s = 0; s < NEW; s++) {
        init_task(&tasks[s], s, NEW);
        contexts[s] = tasks[s].context;
    }
    assert_int_equal(class->begin(contexts, NEW, &restoring, &err), 0);
    assert_int_equal(savepoint_open(env_system(), path, ID, &r, &err), 0);
    while ((rc = savepoint_next(&r, &record, &err)) == 1) {
        assert_int_equal(class->take(restoring, &record, &err), 0);
        count++;
    }
    assert_int_equal(rc, 0);
    assert_int_equal(count, 2 * PARTITIONS);
    assert_int_equal(class->end(restoring, &err), 0);
    class->free(restoring);
    savepoint_close(&r);
}

static void test_savepoint_deals_partitions(void **state)
{
    char folder[] = "/tmp/weir-test-XXXXXX", path[64], command[96];
    struct bench tasks[NEW];
    int count = 0, lost = 0;
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/savepoint", folder);
    write_savepoint(path);
    restore(path, tasks);
    for (int s = 0; s < NEW; s++) {
        struct kafka_positions positions;
        assert_int_equal(kafka_positions_open(&positions, tasks[s].arena, OP), 0);
        assert_true(positions.has_started); // what is not among them is read from its begin
        for (int i = 0; i < positions.count; i++, count++) {
            const struct kafka_entry *entry = &positions.entries[i];
            const struct kafka_start want = start_of(entry->topic, entry->partition);
            assert_int_equal(kafka_subtask_of(entry->topic, entry->partition, NEW), s);
            assert_memory_equal(&entry->place, &want.place, sizeof want.place);
            assert_memory_equal(&entry->id, &want.id, sizeof want.id);
            assert_int_equal(entry->end, want.end);
            lost += (int)kafka_positions_lost(&positions, i);
        }
        kafka_positions_close(&positions);
        bench_fini(&tasks[s]);
    }
    assert_int_equal(count, 2 * PARTITIONS);
    assert_int_equal(lost, 41);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    assert_int_equal(system(command), 0);
}

// An abort takes back what was added and moved.
static void test_positions_abort(void **state)
{
    struct bench b;
    struct kafka_positions positions;
    struct kafka_start start = start_of("orders", 1);
    (void)state;
    init_task(&b, 0, 1);
    assert_int_equal(kafka_positions_open(&positions, b.arena, OP), 0);
    assert_int_equal(kafka_positions_add(&positions, &start), 0);
    arena_commit(b.arena);
    const struct kafka_place before = positions.entries[0].place, moved = {2000, 0, 70000, 0};
    kafka_positions_set(&positions, 0, &moved);
    start.partition = 2;
    assert_int_equal(kafka_positions_add(&positions, &start), 0);
    kafka_positions_mark_started(&positions);
    arena_abort(b.arena);
    kafka_positions_reload(&positions);
    assert_int_equal(positions.count, 1);
    assert_false(positions.has_started);
    assert_memory_equal(&positions.entries[0].place, &before, sizeof before);
    assert_int_equal(kafka_positions_find(&positions, "orders", 2), -1);
    kafka_positions_close(&positions);
    bench_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_savepoint_deals_partitions),
        cmocka_unit_test(test_positions_abort),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
