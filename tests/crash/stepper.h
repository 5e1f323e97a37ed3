// stepper.h: a child that works on shared memory, stopped after each of its instructions (ptrace).
//
// Killed after instruction k, a process leaves in shared memory the stores of its first k
// instructions; so wherever the memory has changed, a copy of it is given to `judge`, which opens
// it as a replacement would.
#ifndef WEIR_TESTS_CRASH_STEPPER_H
#define WEIR_TESTS_CRASH_STEPPER_H

#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/test_state_support.h"

enum { STEPPER_SKIP = 77 };

struct stepper {
    uint8_t *shared;  // the arena that the child works on
    uint8_t *scratch; // where points are judged
    uint8_t *last;    // the point judged last
    uint64_t bytes;   // of each of the three
    void *context;
    void (*act)(void *context); // what the child does; may raise SIGSTOP to be stepped from there
    void (*judge)(void *context, uint8_t *memory, uint64_t k);
    int stops; // that it raises before the first step
};

static inline uint8_t *stepper_shared(uint64_t bytes)
{
    uint8_t *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(memory != MAP_FAILED);
    memset(memory, 0xa5, bytes);
    return memory;
}

static inline void stepper_init(struct stepper *s, uint64_t bytes, void *context)
{
    *s = (struct stepper){.shared = stepper_shared(bytes),
                          .scratch = test_memory(bytes),
                          .last = test_memory(bytes),
                          .bytes = bytes,
                          .context = context};
}

static inline void stepper_fini(struct stepper *s)
{
    munmap(s->shared, s->bytes);
    free(s->scratch);
    free(s->last);
}

// A child that stands before its first step.
static inline pid_t stepper_start(struct stepper *s)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
            _exit(STEPPER_SKIP);
        raise(SIGSTOP);
        s->act(s->context);
        _exit(0);
    }
    int status;
    for (int i = 0; i <= s->stops; i++) {
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (i == 0 && WIFEXITED(status)) {
            printf("ptrace is not allowed here\n");
            exit(STEPPER_SKIP);
        }
        assert_true(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
        // A test that fails leaves nobody behind.
        if (i == 0)
            assert_int_equal(ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_EXITKILL), 0);
        if (i < s->stops)
            assert_int_equal(ptrace(PTRACE_CONT, pid, NULL, NULL), 0);
    }
    return pid;
}

// One instruction. false: the child is gone.
static inline bool stepper_step(pid_t pid)
{
    int status;
    assert_int_equal(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!WIFSTOPPED(status)) {
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        return false;
    }
    assert_int_equal(WSTOPSIG(status), SIGTRAP);
    return true;
}

// Judge each point of the child's way. Returns the number of instructions.
static inline uint64_t stepper_run(struct stepper *s)
{
    uint64_t k = 0, points = 0;
    memset(s->last, 0, s->bytes);
    pid_t pid = stepper_start(s);
    while (stepper_step(pid)) {
        k++;
        if (memcmp(s->last, s->shared, s->bytes) == 0)
            continue;
        memcpy(s->last, s->shared, s->bytes);
        memcpy(s->scratch, s->shared, s->bytes);
        s->judge(s->context, s->scratch, k);
        points++;
    }
    printf("%llu instructions, %llu different states of memory\n", (unsigned long long)k,
           (unsigned long long)points);
    return k;
}

#endif
