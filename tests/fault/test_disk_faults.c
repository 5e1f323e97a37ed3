// test_disk_faults.c: the k-th disk operation fails, for every k and every kind of failure: the job
// goes on, the failure is told, the next checkpoint is complete and restores to the right state.
#include "tests/fault/disk_scene.h"

enum { ROUNDS = 150, FAILURES_END = 90 };

static const struct {
    const char *name;
    int error;
} kinds[] = {{"EIO", -EIO},
             {"ENOSPC", -ENOSPC},
             {"a short write, then ENOSPC", DISK_SHORT},
             {"EROFS", -EROFS}};

// How many calls a run without failures makes until late in it.
static int count_calls(uint64_t seed)
{
    struct scene s;
    struct err err;
    scene_open(&s, seed);
    assert_int_equal(scene_begin(&s, 2, &err), 0);
    for (int i = 0; i < FAILURES_END; i++)
        scene_round(&s);
    int calls = s.disk->calls;
    scene_close(&s);
    return calls;
}

// What was given up takes no room for long: only the one under way may be incomplete.
static void check_leftovers(const struct scene *s, const char *where)
{
    struct store_entry *entries;
    struct err err;
    int count, incomplete = 0;
    assert_int_equal(store_list(&s->store, &entries, &count, &err), 0);
    for (int i = 0; i < count; i++)
        incomplete += !entries[i].is_complete;
    if (incomplete > 1)
        fail_msg("%s: %d incomplete checkpoints are left", where, incomplete);
    free(entries);
}

// Returns whether a checkpoint was given up.
static bool try_failure(uint64_t seed, int at, int error, const char *name)
{
    struct scene s;
    struct err err = {{0}};
    char where[128];
    snprintf(where, sizeof where, "operation %d: %s", at, name);
    scene_open(&s, seed);
    s.disk->fail_at = at;
    s.disk->error = error;
    if (scene_begin(&s, 2, &err) < 0) { // refused before the job begins, in words
        assert_true(s.disk->failed && strstr(err.text, s.folder));
        scene_close(&s);
        return true;
    }
    for (int i = 0; i < ROUNDS; i++)
        scene_round(&s);
    uint64_t announced = s.disk->announced;
    if (s.failures > 1 || (s.failures && strlen(s.last_failure) < 10))
        fail_msg("%s: %d failures: %s", where, s.failures, s.last_failure);
    if (announced < 3)
        fail_msg("%s: only %llu checkpoints became complete", where, (unsigned long long)announced);
    uint64_t restored = scene_restore(&s, s.folder, where);
    assert_true(restored >= announced);
    check_leftovers(&s, where);
    bool given_up = s.failures > 0;
    scene_close(&s);
    return given_up;
}

static void test_disk_faults_lose_one_checkpoint_at_most(void **state)
{
    (void)state;
    uint64_t seed = test_seed(__func__);
    int calls = count_calls(seed), given_up = 0, tried = 0;
    for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds; kind++)
        for (int at = 1; at <= calls; at++, tried++)
            given_up += try_failure(seed, at, kinds[kind].error, kinds[kind].name);
    printf("%d failures planted, %d gave a checkpoint up\n", tried, given_up);
    assert_true(given_up > tried / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_disk_faults_lose_one_checkpoint_at_most),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
