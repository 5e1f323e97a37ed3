// test_disk_crash.c: every state that a crash may leave on a disk in the middle of checkpoints is
// restored from: always the last one that was announced, or a newer complete one; never an error,
// never a mixture.
//
// All prefixes of the operations of a run are tried; of what was not synced by then: nothing is
// there, all of it is, all but one operation, only one, writes torn at 512 bytes, and random
// choices. WEIR_SEED, WEIR_VARIANTS (random choices a prefix) make longer runs.
#include "tests/fault/disk_replay.h"
#include "tests/fault/disk_scene.h"

enum { ROUNDS = 130, RANDOM_VARIANTS = 4 };

enum choice { NOTHING, EVERYTHING, TORN, ALL_BUT_ONE, ONLY_ONE, RANDOM };

struct variant {
    enum choice choice;
    int one; // of the operations that may or may not be there
    uint64_t rng;
};

struct tally {
    long states, with_checkpoint;
};

// The sectors of an operation that are there: ~0 all, 0 none.
static uint64_t sectors_of(struct variant *v, int index)
{
    const uint64_t all = ~UINT64_C(0);
    switch (v->choice) {
    case NOTHING:
        return 0;
    case EVERYTHING:
        return all;
    case TORN:
        return UINT64_C(0x5555555555555555);
    case ALL_BUT_ONE:
        return index == v->one ? 0 : all;
    case ONLY_ONE:
        return index == v->one ? all : 0;
    default:
        break;
    }
    uint64_t draw = test_random(&v->rng, 3);
    return draw == 0 ? 0 : draw == 1 ? all : hash_u64(v->rng);
}

static void try_state(const struct scene *s, int end, struct variant v, struct tally *tally)
{
    static struct replay replay;
    const struct disk_op *ops = s->disk->ops;
    char where[128], to[160];
    const uint64_t rng = v.rng;
    for (int i = 0; i < end; i++) {
        bool durable = replay_is_durable(ops, i, end);
        uint64_t sectors = durable ? ~UINT64_C(0) : sectors_of(&v, i);
        if (ops[i].kind == DISK_WRITE || sectors & 1)
            replay_apply(&replay, &ops[i], sectors);
    }
    snprintf(to, sizeof to, "%s/after", s->memory);
    replay_lay_out(&replay, s->folder, to);
    replay_fini(&replay);
    snprintf(where, sizeof where, "crash after %d operations, choice %d, one %d, rng %llu", end,
             (int)v.choice, v.one, (unsigned long long)rng);
    uint64_t restored = scene_restore(s, to, where);
    uint64_t announced = end < s->disk->op_count ? s->disk->ops[end].announced : s->disk->announced;
    if (restored < announced)
        fail_msg("%s: checkpoint %llu was announced, %llu is restored", where,
                 (unsigned long long)announced, (unsigned long long)restored);
    tally->states++;
    tally->with_checkpoint += restored > 0;
}

static void try_prefix(const struct scene *s, int end, uint64_t *rng, struct tally *tally)
{
    const char *text = getenv("WEIR_VARIANTS");
    long variants = text ? strtol(text, NULL, 10) : RANDOM_VARIANTS;
    for (int choice = NOTHING; choice <= TORN; choice++)
        try_state(s, end, (struct variant){.choice = (enum choice)choice}, tally);
    for (int i = 0; i < end; i++) {
        if (replay_is_durable(s->disk->ops, i, end))
            continue;
        try_state(s, end, (struct variant){ALL_BUT_ONE, i, 0}, tally);
        try_state(s, end, (struct variant){ONLY_ONE, i, 0}, tally);
    }
    for (long i = 0; i < variants; i++)
        try_state(s, end, (struct variant){RANDOM, -1, test_random(rng, UINT64_MAX)}, tally);
}

static void test_disk_crash_restores_what_was_announced(void **state)
{
    (void)state;
    struct scene s;
    struct err err;
    struct tally tally = {0, 0};
    uint64_t seed = test_seed(__func__), rng = seed;
    scene_open(&s, seed);
    assert_int_equal(scene_begin(&s, 2, &err), 0);
    for (int i = 0; i < ROUNDS; i++)
        scene_round(&s);
    assert_true(s.disk->announced >= 4);
    assert_int_equal(s.failures, 0);
    for (int end = 0; end <= s.disk->op_count; end++)
        try_prefix(&s, end, &rng, &tally);
    printf("%d operations, %llu checkpoints: %ld crash states, %ld of them with a checkpoint\n",
           s.disk->op_count, (unsigned long long)s.disk->announced, tally.states,
           tally.with_checkpoint);
    assert_true(tally.states > 1000 && tally.with_checkpoint > tally.states / 2);
    scene_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_disk_crash_restores_what_was_announced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
