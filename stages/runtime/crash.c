// crash.c: a signal handler on a stack of its own. It calls nothing that allocates or locks:
// backtrace() has loaded what it needs when it was tried once at the start. Should it hang all the
// same, an alarm ends the process a second later.
//
// Names are for the supervisor to find: here are only addresses, and which file is mapped where.
#include <execinfo.h>
#include <link.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

#include "core/base/check.h"
#include "stages/runtime/crash.h"

enum { STACK_BYTES = 64 << 10, HANDLER_FRAMES = 8, ALARM_SECONDS = 1 };

static const int fatal_signals[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGTRAP, SIGSYS};

static struct errlog_crash *record; // NULL: not installed
static char stack[STACK_BYTES] __attribute__((aligned(16)));

static uint64_t program_counter(const void *context)
{
#if defined(__x86_64__)
    const ucontext_t *at = context;
    return (uint64_t)at->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
    const ucontext_t *at = context;
    return at->uc_mcontext.pc;
#else
    (void)context;
    return 0;
#endif
}

// The frames from the one that was interrupted on; the handler's own are in front of it.
static void fill_frames(uint64_t counter)
{
    void *addresses[ERRLOG_FRAMES + HANDLER_FRAMES];
    int count = backtrace(addresses, (int)ARRAY_SIZE(addresses)), from = 0;
    while (from < count && (uint64_t)(uintptr_t)addresses[from] != counter)
        from++;
    uint32_t at = 1; // the first is the counter itself
    for (int i = from < count ? from + 1 : 0; i < count && at < ERRLOG_FRAMES; i++)
        record->frames[at++] = (uint64_t)(uintptr_t)addresses[i];
    record->frame_count = at;
}

static void fill(int signal_number, const siginfo_t *info, const void *context)
{
    bool is_sent = info->si_code <= 0; // by kill, tgkill, sigqueue
    pid_t self = getpid();
    record->signal = (uint32_t)signal_number;
    record->code = info->si_code;
    record->sender = is_sent && info->si_pid != self ? (uint32_t)info->si_pid : 0;
    record->address = is_sent ? 0 : (uint64_t)(uintptr_t)info->si_addr;
    record->frames[0] = program_counter(context);
    record->frame_count = 1;
    // Whole as it is, should the stack be so damaged that walking it is the end.
    errlog_crash_publish(record, (uint32_t)self);
    fill_frames(record->frames[0]);
    errlog_crash_publish(record, (uint32_t)self);
}

static void on_fatal(int signal_number, siginfo_t *info, void *context)
{
    alarm(ALARM_SECONDS);
    if (record)
        fill(signal_number, info, context);
    signal(signal_number, SIG_DFL);
    raise(signal_number); // comes when this handler returns
}

static void on_tell(int signal_number, siginfo_t *info, void *context)
{
    if (record)
        fill(signal_number, info, context);
}

static struct errlog_module modules[ERRLOG_MODULES];
static uint32_t module_count;

static int add_module(struct dl_phdr_info *info, size_t bytes, void *context)
{
    (void)bytes;
    (void)context;
    uint64_t begin = UINT64_MAX, end = 0;
    if (module_count == ERRLOG_MODULES)
        return 1;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        if (header->p_type != PT_LOAD)
            continue;
        uint64_t from = info->dlpi_addr + header->p_vaddr;
        begin = from < begin ? from : begin;
        end = from + header->p_memsz > end ? from + header->p_memsz : end;
    }
    struct errlog_module *module = &modules[module_count++];
    *module = (struct errlog_module){.begin = begin, .end = end, .bias = info->dlpi_addr};
    if (*info->dlpi_name) {
        snprintf(module->path, sizeof module->path, "%s", info->dlpi_name);
    } else {
        ssize_t len = readlink("/proc/self/exe", module->path, sizeof module->path - 1);
        module->path[len > 0 ? len : 0] = '\0';
    }
    return 0;
}

static void take(int signal_number, void (*handler)(int, siginfo_t *, void *))
{
    struct sigaction action = {.sa_flags = SA_SIGINFO | SA_ONSTACK, .sa_sigaction = handler};
    sigemptyset(&action.sa_mask);
    if (handler == on_tell)
        action.sa_flags |= SA_RESTART;
    CHECK(sigaction(signal_number, &action, NULL) == 0);
}

void crash_prepare(void)
{
    const stack_t own = {.ss_sp = stack, .ss_size = sizeof stack};
    void *first[1];
    (void)!backtrace(first, 1); // loads what it needs; not in the handler
    module_count = 0;
    dl_iterate_phdr(add_module, NULL);
    CHECK(sigaltstack(&own, NULL) == 0);
    for (size_t i = 0; i < ARRAY_SIZE(fatal_signals); i++)
        take(fatal_signals[i], on_fatal);
    take(CRASH_TELL, on_tell);
}

void crash_install(struct errlog_crash *slot)
{
    errlog_crash_publish(slot, 0);
    memcpy(slot->modules, modules, sizeof slot->modules);
    slot->module_count = module_count;
    record = slot;
}

void crash_uninstall(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(fatal_signals); i++)
        signal(fatal_signals[i], SIG_DFL);
    signal(CRASH_TELL, SIG_IGN);
    record = NULL;
}
