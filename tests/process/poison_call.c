// poison_call.c: preloaded into every process of a job: a call that is given a certain text ends
// the process that makes it, as a bug in a library would. See poison.sh.
//
// POISON_TEXT: the text. POISON_CALL: the call that is made with it (md5, strtod, memcpy, pwrite).
// POISON_HOW: segv (default), abort, exit, hang. POISON_TASK: in the task of this index only.
#include <dlfcn.h>
#include <fcntl.h>
#include <locale.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static const char *text, *call;
static size_t text_len;
static enum { OFF, ARMED } state;

// Is this process `weir task FOLDER INDEX`, and the right one?
static int is_the_task(void)
{
    char line[4096];
    const char *wanted = getenv("POISON_TASK");
    int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, line, sizeof line - 1);
    if (fd >= 0)
        close(fd);
    if (len <= 0)
        return 0;
    line[len] = '\0';
    const char *command = line + strlen(line) + 1;
    if (command >= line + len || strcmp(command, "task") != 0)
        return 0;
    const char *folder = command + strlen(command) + 1;
    const char *index = folder + strlen(folder) + 1;
    return !wanted || strcmp(index, wanted) == 0;
}

__attribute__((constructor)) static void arm(void)
{
    text = getenv("POISON_TEXT");
    call = getenv("POISON_CALL");
    if (text && call && is_the_task()) {
        text_len = strlen(text);
        state = ARMED;
    }
}

static int is_called(const char *name)
{
    return state == ARMED && strcmp(call, name) == 0;
}

static void poisoned(void)
{
    const char *how = getenv("POISON_HOW");
    if (how && strcmp(how, "abort") == 0)
        abort();
    if (how && strcmp(how, "exit") == 0)
        _exit(5);
    while (how && strcmp(how, "hang") == 0)
        sched_yield();
    *(int *)(uintptr_t)8 = 1;
}

static void *real(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

void nettle_md5_update(void *context, size_t len, const uint8_t *data)
{
    static void (*update)(void *, size_t, const uint8_t *);
    if (!update)
        *(void **)&update = real("nettle_md5_update");
    if (is_called("md5") && memmem(data, len, text, text_len))
        poisoned();
    update(context, len, data);
}

double strtod_l(const char *from, char **end, locale_t locale)
{
    static double (*convert)(const char *, char **, locale_t);
    if (!convert)
        *(void **)&convert = real("strtod_l");
    if (is_called("strtod") && strncmp(from, text, text_len) == 0)
        poisoned();
    return convert(from, end, locale);
}

// Dead letters hold the text too, and must be written; they have a reason.
ssize_t pwrite(int fd, const void *bytes, size_t len, off_t offset)
{
    static ssize_t (*write_at)(int, const void *, size_t, off_t);
    if (!write_at)
        *(void **)&write_at = real("pwrite");
    if (is_called("pwrite") && memmem(bytes, len, text, text_len) &&
        !memmem(bytes, len, "\"reason\":", 9))
        poisoned();
    return write_at(fd, bytes, len, offset);
}

// Called before anything is resolved, so without the C library's: byte by byte, and not as the
// call of memcpy that the compiler would make of that.
__attribute__((optimize("no-tree-loop-distribute-patterns"))) void *
memcpy(void *restrict to, const void *restrict from, size_t len)
{
    unsigned char *out = to;
    const unsigned char *in = from;
    if (state == ARMED && len == text_len && is_called("memcpy") && memcmp(from, text, len) == 0)
        poisoned();
    for (size_t i = 0; i < len; i++)
        out[i] = in[i];
    return to;
}
