// command.c: arguments of subcommands, read the same way by all.
#include "tools/command.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/check.h"
#include "core/base/number.h"
#include "stages/runtime/savepoint.h"

static const char *const known_options[] = {
    "--json",    "--quiet",           "--help", "--fresh", "--from",
    "--verbose", "--allow-new-state", "--arena"};

void command_complain(const struct err *err)
{
    fprintf(stderr, "weir: %s\n", err->text);
}

// A mistake on the command line: what, a hint, where help is.
static int complain_usage(const struct command *command, const char *problem, const char *word)
{
    fprintf(stderr, "weir %s: %s%s%s\n", command->name, problem, word ? " " : "", word ? word : "");
    const char *meant =
        word ? err_suggest(word, known_options, (int)ARRAY_SIZE(known_options)) : NULL;
    if (meant)
        fprintf(stderr, "did you mean %s?\n", meant);
    fprintf(stderr, "see: weir %s --help\n", command->name);
    return COMMAND_USAGE;
}

static bool is_one_of(const char *word, const char *long_name, const char *short_name)
{
    return strcmp(word, long_name) == 0 || strcmp(word, short_name) == 0;
}

bool checkpoint_number(const char *word, uint64_t *out)
{
    char *end;
    const char *name = strrchr(word, '/') ? strrchr(word, '/') + 1 : word;
    if (strncmp(name, "chk-", strlen("chk-")) == 0)
        name += strlen("chk-");
    errno = 0;
    unsigned long long number = strtoull(name, &end, 10);
    *out = number;
    return errno == 0 && end != name && *end == '\0' && *name != '-' && number > 0;
}

// One that is none of the standard streams.
static bool descriptor(const char *word, int *out)
{
    int64_t number;
    bool is_one = number_parse_int64(slice_of(word), &number) == 0 && number > STDERR_FILENO &&
                  number <= INT_MAX;
    *out = is_one ? (int)number : 0;
    return is_one;
}

// --fresh, --verbose, --allow-new-state, --from N. false: none of them. *problem: what is wrong.
static bool parse_restoring(int argc, char **argv, int *at, struct arguments *out,
                            const char **problem)
{
    const char *word = argv[*at];
    if (strcmp(word, "--fresh") == 0)
        out->fresh = true;
    else if (strcmp(word, "--allow-new-state") == 0)
        out->allow_new_state = true;
    else if (is_one_of(word, "--verbose", "-v"))
        out->verbose = true;
    else if (strcmp(word, "--lock-fd") == 0) // not for people: see handover.h
        *problem = ++*at < argc && descriptor(argv[*at], &out->lock_fd)
                       ? NULL
                       : "a descriptor must follow";
    else if (strcmp(word, "--from") != 0)
        return false;
    else if (++*at < argc && savepoint_is_there(argv[*at]))
        out->savepoint = argv[*at];
    else if (*at == argc || !checkpoint_number(argv[*at], &out->from))
        *problem = "a number of a checkpoint (weir checkpoint list) or the folder of a savepoint "
                   "must follow";
    return true;
}

// One option at argv[*at], and its value. NULL: taken; else what is wrong with it.
static const char *parse_option(const struct command *command, int argc, char **argv, int *at,
                                struct arguments *out)
{
    const char *problem = NULL;
    if (strcmp(argv[*at], "--json") == 0)
        out->json = true;
    else if (is_one_of(argv[*at], "--quiet", "-q"))
        out->quiet = true;
    else if (command->looks_at_memory && strcmp(argv[*at], "--arena") == 0)
        out->arena = true;
    else if (!command->restores || !parse_restoring(argc, argv, at, out, &problem))
        return "unknown option";
    return problem;
}

bool arguments_parse(const struct command *command, int argc, char **argv, struct arguments *out,
                     int *exit_status)
{
    *out = (struct arguments){.path = NULL};
    bool only_paths = false;
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i], *problem = NULL;
        bool is_option = !only_paths && word[0] == '-' && word[1] != '\0';
        if (is_option && strcmp(word, "--") == 0) {
            only_paths = true;
        } else if (is_option && is_one_of(word, "--help", "-h")) {
            fputs(command->usage, stdout);
            *exit_status = COMMAND_OK;
            return false;
        } else if (is_option) {
            problem = parse_option(command, argc, argv, &i, out);
        } else if (out->path) {
            problem = "one config only, not also";
        } else {
            out->path = word;
        }
        if (problem) {
            *exit_status = complain_usage(command, problem, word);
            return false;
        }
    }
    if (!out->path)
        *exit_status = complain_usage(command, "which config?", NULL);
    return out->path != NULL;
}
