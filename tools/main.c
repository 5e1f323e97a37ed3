// main.c: the weir command: a table of subcommands.
#include <signal.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/check.h"
#include "tools/command.h"

static const struct command *const commands[] = {
    &command_run,        &command_check, &command_explain,    &command_stop,
    &command_replace,    &command_top,   &command_checkpoint, &command_savepoint,
    &command_events,     &command_pin,   &command_bench,      &command_doctor,
    &command_setup_host, &command_clean, &command_task,       &command_metrics_server,
};

static void print_help(FILE *out)
{
    fputs("weir: stream processing for one host\n\nusage: weir COMMAND [OPTIONS] JOB.yaml\n\n",
          out);
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        if (commands[i]->summary)
            fprintf(out, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
    }
    fputs(
        "\n  --help     this text; `weir COMMAND --help` has examples\n"
        "  --version  the version\n\n"
        "example: a job is two lines of YAML and a script of SQL\n\n"
        "  printf 'job: uv\\nsql: uv.sql\\n' >uv.yaml\n"
        "  weir run uv.yaml\n\n"
        "exit status: 0 ok, 1 failure, 64 usage, 69 the host cannot do it now, 78 config or SQL\n",
        out);
}

static const struct command *find(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    }
    return NULL;
}

static int refuse(const char *name)
{
    const char *names[ARRAY_SIZE(commands)];
    int count = 0;
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        if (commands[i]->summary)
            names[count++] = commands[i]->name;
    }
    const char *meant = err_suggest(name, names, count);
    fprintf(stderr, "weir: there is no command '%s'\n", name);
    if (meant)
        fprintf(stderr, "did you mean '%s'?\n", meant);
    fputs("see: weir --help\n", stderr);
    return COMMAND_USAGE;
}

// Output that was lost is a failure, whatever the command thought (a full disk, a closed pipe).
static int finish(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    fputs("weir: stdout could not be written\n", stderr);
    return status ? status : COMMAND_FAILED;
}

// A standard stream that was closed would give its number to the next file that is opened, and
// results would go into that. Read-only: what is written to it fails, and says so.
static void open_missing_streams(void)
{
    for (int fd = 0; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDONLY) < 0)
            exit(COMMAND_FAILED);
}

int main(int argc, char **argv)
{
    open_missing_streams();
    if (argc < 2) {
        print_help(stderr);
        return COMMAND_USAGE;
    }
    const char *name = argv[1];
    if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0) {
        puts("weir " WEIR_VERSION);
        return finish(COMMAND_OK);
    }
    bool is_help =
        strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0;
    if (is_help && argc == 2) {
        print_help(stdout);
        return finish(COMMAND_OK);
    }
    const struct command *command = find(is_help ? argv[2] : name);
    if (!command)
        return refuse(is_help ? argv[2] : name);
    if (is_help) {
        fputs(command->usage, stdout);
        return finish(COMMAND_OK);
    }
    return finish(command->run(command, argc - 1, argv + 1));
}
