// pin.c: `weir pin`: propose a placement, explain it, price it, draw it, write it.
#include "tools/pin.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "stages/placement/topology.h"
#include "tools/command.h"

enum { OBSERVE_DEFAULT_MS = 5000, OBSERVE_SECONDS_MAX = 3600 };

static int complain(const char *problem, const char *word)
{
    static const char *const known[] = {"--topology", "--svg",     "--record", "--device", "--json",
                                        "--write",    "--observe", "--apply",  "--help"};
    const char *meant = word ? err_suggest(word, known, (int)ARRAY_SIZE(known)) : NULL;
    fprintf(stderr, "weir pin: %s%s%s\n", problem, word ? " " : "", word ? word : "");
    if (meant)
        fprintf(stderr, "did you mean %s?\n", meant);
    fputs("see: weir pin --help\n", stderr);
    return COMMAND_USAGE;
}

// "--observe", "--observe=2", "--observe=0.5".
static int read_seconds(const char *text, int64_t *ms)
{
    char *end;
    if (!text) {
        *ms = OBSERVE_DEFAULT_MS;
        return COMMAND_OK;
    }
    double seconds = strtod(text, &end);
    if (end == text || *end != '\0' || !(seconds >= 0.05 && seconds <= OBSERVE_SECONDS_MAX))
        return complain("--observe=SECONDS takes 0.05 to 3600, not", text);
    *ms = (int64_t)(seconds * 1000);
    return COMMAND_OK;
}

// An option with a value, as "--name value" or "--name=value". NULL: it is another one.
static const char **valued(struct pin_options *o, const char *word, size_t bytes)
{
    const struct {
        const char *name;
        const char **slot;
    } all[] = {{"--topology", &o->topology},
               {"--svg", &o->svg},
               {"--record", &o->record},
               {"--device", &o->device}};
    for (size_t i = 0; i < ARRAY_SIZE(all); i++)
        if (strlen(all[i].name) == bytes && strncmp(all[i].name, word, bytes) == 0)
            return all[i].slot;
    return NULL;
}

static int read_option(struct pin_options *o, int argc, char **argv, int *at)
{
    const char *word = argv[*at], *equals = strchr(word, '=');
    size_t bytes = equals ? (size_t)(equals - word) : strlen(word);
    const char **slot = valued(o, word, bytes);
    if (slot) {
        *slot = equals ? equals + 1 : *at + 1 < argc ? argv[++*at] : NULL;
        return *slot && **slot ? COMMAND_OK : complain("a value must follow", word);
    }
    if (bytes == strlen("--observe") && strncmp(word, "--observe", bytes) == 0)
        return read_seconds(equals ? equals + 1 : NULL, &o->observe_ms);
    if (strcmp(word, "--json") == 0)
        o->json = true;
    else if (strcmp(word, "--write") == 0)
        o->write = true;
    else if (strcmp(word, "--apply") == 0)
        o->apply = true;
    else
        return complain("unknown option", word);
    return COMMAND_OK;
}

static int read_arguments(int argc, char **argv, struct pin_options *o)
{
    for (int i = 1; i < argc; i++) {
        bool is_option = argv[i][0] == '-' && argv[i][1] != '\0';
        int status = COMMAND_OK;
        if (is_option)
            status = read_option(o, argc, argv, &i);
        else if (o->path)
            status = complain("one config only, not also", argv[i]);
        else
            o->path = argv[i];
        if (status)
            return status;
    }
    if (!o->path && !o->record)
        return complain("which config?", NULL);
    if (o->apply && !o->observe_ms)
        o->observe_ms = OBSERVE_DEFAULT_MS;
    if (o->topology && o->observe_ms)
        return complain("--observe and --apply are about this host, so they go without --topology",
                        NULL);
    if (o->topology && o->record)
        return complain("--record writes this host, so it goes without --topology", NULL);
    return COMMAND_OK;
}

static void print(const struct pin *pin, void (*put)(const struct pin *pin, struct buf *out))
{
    struct buf text = {.data = NULL};
    put(pin, &text);
    fputs(buf_str(&text), stdout);
    fflush(stdout);
    buf_fini(&text);
}

// People see the proposal first and what came of it then; programs get one object.
static int show(struct pin *pin, struct err *err)
{
    const bool json = pin->options->json;
    if (!json)
        print(pin, pin_print);
    int status = pin->options->apply ? pin_move(pin, err) : COMMAND_OK;
    if (json)
        print(pin, pin_print_json);
    else if (pin->applied)
        print(pin, pin_print_moved);
    if (!status && pin->options->svg && pin_write_svg(pin, pin->options->svg, err))
        status = COMMAND_FAILED;
    if (!status && pin->options->write) {
        if (!pin->options->json)
            fputc('\n', stdout);
        status = pin_write(pin, err);
    }
    return status;
}

static int pin_job(const struct pin_options *options, struct err *err)
{
    struct pin pin = {.options = options};
    int status = job_load(options->path, &pin.load, err) ? COMMAND_CONFIG : pin_propose(&pin, err);
    if (!status)
        status = show(&pin, err);
    pin_fini(&pin);
    return status;
}

static int pin_command(const struct command *command, int argc, char **argv)
{
    struct pin_options options = {.path = NULL};
    struct err err = {.text = ""};
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            fputs(command->usage, stdout);
            return COMMAND_OK;
        }
    int status = read_arguments(argc, argv, &options);
    if (status)
        return status;
    if (options.record && topology_record(options.record, &err))
        status = COMMAND_FAILED;
    if (!status && options.path)
        status = pin_job(&options, &err);
    if (status && err.text[0])
        command_complain(&err);
    return status;
}

const struct command command_pin = {
    .name = "pin",
    .summary = "propose which task runs on which core, and why",
    .usage =
        "usage: weir pin [--observe[=SECONDS]] [--topology FILE|DESCRIPTION] [--device NAME]\n"
        "                [--svg FILE] [--json] [--write] [--apply] JOB.yaml\n"
        "       weir pin --record FILE\n\n"
        "Propose a core for each task of the job: tasks with busy channels between them share an "
        "L3,\n"
        "sources are near their device, housekeeping is elsewhere, SMT siblings stay idle as long "
        "as\n"
        "there are cores. Shows the choice as a picture, the reason of each, and what the "
        "channels\n"
        "cost before and after. Nothing is changed without --write or --apply.\n\n"
        "  --observe[=SECONDS]  measure the traffic of the running job (5 s); else it is a model "
        "of the plan\n"
        "  --topology X  another machine: a file of --record or lstopo, or a description\n"
        "  --device NAME  what the sources read from (nvme0n1, eth0), where it is not their file's "
        "disk\n"
        "  --svg FILE    the picture as a file for a browser\n"
        "  --json        one JSON object\n"
        "  --write       put it into the config (placement.cores, .tasks and .housekeeping), and "
        "show the diff\n"
        "  --apply       move the tasks of the running job there, and their memory, without a "
        "stop;\n"
        "                says how many rows/s it read before and after\n"
        "  --record FILE  write the topology of this host, for --topology elsewhere\n\n"
        "example:\n\n"
        "  weir pin uv.yaml\n"
        "  weir pin --observe=10 --write uv.yaml\n"
        "  weir pin --apply uv.yaml\n"
        "  weir pin --topology \"pack:2 numa:1 l3:4 core:8 pu:2\" --svg uv.svg uv.yaml\n",
    .run = pin_command,
};
