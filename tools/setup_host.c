// setup_host.c: `weir setup-host`: arguments, and what is refused before anything is done.
#include "tools/setup_host.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/check.h"
#include "tools/command.h"
#include "tools/config_keys.h"
#include "tools/memory_dir.h"
#include "tools/shmem_pages.h"

#define PATH_DEFAULT "/mnt/weir"

void setup_say(struct setup *setup, const char *format, ...)
{
    char text[2 * PATH_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (!setup->json) {
        printf("%s%s\n", setup->dry_run ? "would " : "", text);
        fflush(stdout); // what follows may take a moment, or fail
        return;
    }
    buf_append_str(&setup->steps, setup->steps.len ? "," : "");
    buf_append_json_string(&setup->steps, slice_of(text));
}

// --- arguments ---

static int complain(const char *problem, const char *word)
{
    fprintf(stderr, "weir setup-host: %s%s%s\nsee: weir setup-host --help\n", problem,
            word ? " " : "", word ? word : "");
    return COMMAND_USAGE;
}

// "50%", "16GiB", as memory.reserve has them.
static int read_size(const char *word, struct setup *out)
{
    enum { LEAST = 16 << 20 };
    struct config config = {.file_name = ""};
    struct config_complaint complaint = {.problem = ""};
    const struct config_key key = {.name = "--size",
                                   .kind = CONFIG_KIND_SHARE,
                                   .offset = offsetof(struct config, memory.reserve),
                                   .low = LEAST,
                                   .high = 1LL << 50};
    if (config_value_set(&config, &key, (struct config_scalar){.text = word}, &complaint) ||
        config.memory.reserve.amount == 0)
        return complain("--size takes a share of the host's memory or a size, as in 50% or 16GiB,"
                        " not",
                        word);
    snprintf(out->size, sizeof out->size, "%lld%s", (long long)config.memory.reserve.amount,
             config.memory.reserve.is_percent ? "%" : "");
    return COMMAND_OK;
}

// A path that /etc/fstab can say without escapes.
static int read_path(const char *word, struct setup *out)
{
    size_t len = strlen(word);
    while (len > 1 && word[len - 1] == '/')
        len--;
    if (word[0] != '/' || len < 2 || len >= sizeof out->path - 64 || strpbrk(word, " \t\n\\#,"))
        return complain("--path takes the absolute path of a folder, without blanks, not", word);
    snprintf(out->path, sizeof out->path, "%.*s", (int)len, word);
    out->is_given = true;
    return COMMAND_OK;
}

static int read_word(int argc, char **argv, int *at, struct setup *out)
{
    const char *word = argv[*at];
    bool is_size = strcmp(word, "--size") == 0;
    if (strcmp(word, "--json") == 0)
        out->json = true;
    else if (strcmp(word, "--dry-run") == 0)
        out->dry_run = true;
    else if (strcmp(word, "--remove") == 0)
        out->remove = true;
    else if (!is_size && strcmp(word, "--path") != 0)
        return complain("this is not understood:", word);
    else if (++*at == argc)
        return complain("a value must follow", word);
    else
        return is_size ? read_size(argv[*at], out) : read_path(argv[*at], out);
    return COMMAND_OK;
}

// --- what is refused ---

static int check_kernel(struct err *err)
{
    char chosen[32];
    shmem_pages_chosen(chosen);
    if (!*chosen)
        return err_set(err, -EOPNOTSUPP,
                       "this kernel has no huge pages for shared memory (there is no %s); jobs run "
                       "in /dev/shm, with small pages",
                       SHMEM_PAGES_FILE);
    if (strcmp(chosen, "deny") == 0)
        return err_set(err, -EOPNOTSUPP,
                       "huge pages for shared memory are forbidden on this host: %s says deny; if "
                       "that is no decision of somebody's, write `never` into it, which leaves "
                       "everything else without them",
                       SHMEM_PAGES_FILE);
    return 0;
}

static int check(const struct setup *setup, struct err *err)
{
    if (!setup->dry_run && geteuid() != 0)
        return err_set(err, -EPERM,
                       "setting the host up takes root: sudo weir setup-host ..., or --dry-run to "
                       "see what it would do");
    if (!setup->remove && check_kernel(err))
        return -EOPNOTSUPP;
    if (*setup->mount && setup->is_given && strcmp(setup->mount, setup->path) != 0)
        return err_set(err, -EEXIST,
                       "the host is set up already, at %s; remove that first: weir setup-host "
                       "--remove",
                       setup->mount);
    return 0;
}

static int set_up(struct setup *setup)
{
    struct err err = {.text = ""};
    if (memory_dir_mount(setup->mount) && !setup->is_given)
        snprintf(setup->path, sizeof setup->path, "%s", setup->mount);
    int status = check(setup, &err) ? COMMAND_UNAVAILABLE
                 : setup->remove    ? setup_remove(setup, &err)
                                    : setup_mount(setup, &err);
    if (setup->json) {
        struct buf path = {.data = NULL};
        buf_append_json_string(&path, slice_of(setup->path));
        printf("{\"path\":%s,\"done\":%s,\"steps\":[%s]}\n", buf_str(&path),
               status || setup->dry_run ? "false" : "true", buf_str(&setup->steps));
        buf_fini(&path);
    }
    if (status)
        command_complain(&err);
    buf_fini(&setup->steps);
    return status;
}

static int setup_host(const struct command *command, int argc, char **argv)
{
    struct setup setup = {.path = PATH_DEFAULT};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            fputs(command->usage, stdout);
            return COMMAND_OK;
        }
        int status = read_word(argc, argv, &i, &setup);
        if (status)
            return status;
    }
    if (setup.remove && *setup.size)
        return complain("--remove needs no --size", NULL);
    return set_up(&setup);
}

const struct command command_setup_host = {
    .name = "setup-host",
    .summary = "mount a tmpfs with huge pages for the memory of jobs (root, once)",
    .usage =
        "usage: weir setup-host [--size SIZE] [--path DIR] [--dry-run] [--json]\n"
        "       weir setup-host --remove [--dry-run] [--json]\n\n"
        "Mount a tmpfs with huge pages, now and at every boot (a line in /etc/fstab). A task with\n"
        "much state is replaced faster there, and so is a job. Jobs whose config has no "
        "memory.dir\n"
        "find it by themselves; those that run stay where they are until they are stopped and run\n"
        "again. Every user may use it, each in a folder that others cannot look into. Nothing "
        "else\n"
        "of the host is changed. Again it does what is still to be done, or another --size.\n\n"
        "  --size SIZE  at most so much memory: 16GiB, or a share of the host's (50%)\n"
        "  --path DIR   the mount point (/mnt/weir)\n"
        "  --remove     undo it; refused as long as a job has its memory there\n"
        "  --dry-run    say what would be done; takes no root\n"
        "  --json       one JSON object\n\n"
        "example:\n\n"
        "  weir setup-host --dry-run\n"
        "  sudo weir setup-host --size 16GiB\n"
        "  weir doctor\n",
    .run = setup_host,
};
