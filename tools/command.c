// command.c: arguments of subcommands, read the same way by all.
#include "tools/command.h"

#include <stdio.h>
#include <string.h>

#include "core/base/check.h"

static const char *const known_options[] = {"--json", "--quiet", "--help"};

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

bool arguments_parse(const struct command *command, int argc, char **argv, struct arguments *out,
                     int *exit_status)
{
    *out = (struct arguments){.path = NULL};
    bool only_paths = false;
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        bool is_option = !only_paths && word[0] == '-' && word[1] != '\0';
        if (is_option && strcmp(word, "--") == 0) {
            only_paths = true;
        } else if (is_option && is_one_of(word, "--help", "-h")) {
            fputs(command->usage, stdout);
            *exit_status = COMMAND_OK;
            return false;
        } else if (is_option && strcmp(word, "--json") == 0) {
            out->json = true;
        } else if (is_option && is_one_of(word, "--quiet", "-q")) {
            out->quiet = true;
        } else if (is_option) {
            *exit_status = complain_usage(command, "unknown option", word);
            return false;
        } else if (out->path) {
            *exit_status = complain_usage(command, "one config only, not also", word);
            return false;
        } else {
            out->path = word;
        }
    }
    if (!out->path)
        *exit_status = complain_usage(command, "which config?", NULL);
    return out->path != NULL;
}
