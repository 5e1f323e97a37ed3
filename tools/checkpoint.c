// checkpoint.c: `weir checkpoint VERB`: arguments, the folder, and what the verbs share.
#include "tools/checkpoint.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/check.h"
#include "core/snapshot/restore.h"
#include "tools/checkpoints.h"

static const struct checkpoint_verb *const verbs[] = {
    &checkpoint_list, &checkpoint_show, &checkpoint_verify, &checkpoint_diff, &checkpoint_export,
};

// --- arguments ---

static int complain_usage(const char *problem, const char *word)
{
    fprintf(stderr, "weir checkpoint: %s%s%s\nsee: weir checkpoint --help\n", problem,
            word ? " " : "", word ? word : "");
    return COMMAND_USAGE;
}

static const struct checkpoint_verb *find_verb(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
        if (strcmp(verbs[i]->name, name) == 0)
            return verbs[i];
    return NULL;
}

static int refuse_verb(const char *name)
{
    const char *names[ARRAY_SIZE(verbs)];
    for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
        names[i] = verbs[i]->name;
    const char *meant = err_suggest(name, names, ARRAY_SIZE(verbs));
    fprintf(stderr, "weir checkpoint: there is no verb '%s'\n", name);
    if (meant)
        fprintf(stderr, "did you mean '%s'?\n", meant);
    fputs("see: weir checkpoint --help\n", stderr);
    return COMMAND_USAGE;
}

// One word; NULL when it was taken, else what is wrong with it.
static const char *parse_word(const struct checkpoint_verb *verb, int argc, char **argv, int *at,
                              struct checkpoint_args *out)
{
    const char *word = argv[*at];
    if (verb->takes_json && strcmp(word, "--json") == 0) {
        out->json = true;
    } else if (verb->takes_bitmaps && strcmp(word, "--bitmaps") == 0) {
        if (++*at == argc)
            return "a folder must follow";
        out->bitmaps = argv[*at];
    } else if (word[0] == '-' && word[1]) {
        return "unknown option";
    } else if (!out->path) {
        out->path = word;
    } else if (out->number_count == verb->most_numbers) {
        return "one argument too many:";
    } else if (!checkpoint_number(word, &out->numbers[out->number_count++])) {
        return "this is not a number of a checkpoint (weir checkpoint list):";
    }
    return NULL;
}

// --- the folder ---

static int open_job(const char *path, struct store *out, struct err *err)
{
    struct job_load load = {.config = NULL};
    struct checkpoint_settings settings;
    int rc = job_load(path, &load, err);
    if (rc == 0)
        rc = checkpoint_settings_read(&load, &settings, err);
    int status = rc < 0 ? COMMAND_CONFIG : COMMAND_OK;
    if (rc == 0 && store_open(env_system(), settings.dir, load.config->job, out, err) < 0)
        status = COMMAND_UNAVAILABLE;
    job_load_fini(&load);
    return status;
}

static int open_place(const char *path, struct checkpoint_place *out, struct err *err)
{
    struct stat st;
    int status = COMMAND_OK;
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
        if (store_open(env_system(), path, NULL, &out->store, err) < 0)
            status = COMMAND_UNAVAILABLE;
    } else {
        status = open_job(path, &out->store, err);
    }
    if (!status && store_list(&out->store, &out->entries, &out->count, err) < 0)
        status = COMMAND_UNAVAILABLE;
    return status;
}

// --- what the verbs share ---

int checkpoint_read(const struct checkpoint_args *args, const struct checkpoint_place *place,
                    struct pool *pool, struct manifest *out, struct err *err)
{
    if (args->number_count)
        return store_read(&place->store, args->numbers[0], pool, out, err);
    for (int i = place->count - 1; i >= 0; i--)
        if (place->entries[i].is_complete)
            return store_read(&place->store, place->entries[i].checkpoint, pool, out, err);
    return err_set(err, -ENOENT, "%s has no complete checkpoint", place->store.dir);
}

struct snapshot_file *checkpoint_files(const struct store *store, const struct manifest *manifest,
                                       int task)
{
    const struct manifest_task *from = &manifest->tasks[task];
    size_t count = (size_t)from->file_count;
    struct snapshot_file *files = calloc(count, sizeof *files + STORE_PATH_BYTES);
    CHECK(files);
    char *path = (char *)(files + count);
    for (size_t i = 0; i < count; i++, path += STORE_PATH_BYTES) {
        store_path(store, from->files[i].path, path);
        files[i] = (struct snapshot_file){path,
                                          {manifest->fingerprint, from->files[i].checkpoint,
                                           (uint32_t)task, from->files[i].attempt}};
    }
    return files;
}

uint64_t checkpoint_chain_bytes(const struct store *store, const struct manifest *manifest)
{
    uint64_t bytes = 0;
    for (int t = 0; t < manifest->task_count; t++) {
        struct snapshot_file *files = checkpoint_files(store, manifest, t);
        for (int f = 0; f < manifest->tasks[t].file_count; f++) {
            struct stat st;
            bytes += stat(files[f].path, &st) == 0 ? (uint64_t)st.st_size : 0;
        }
        free(files);
    }
    return bytes;
}

uint64_t checkpoint_own_bytes(const struct manifest *manifest)
{
    uint64_t bytes = 0;
    for (int t = 0; t < manifest->task_count; t++)
        bytes += manifest->tasks[t].file_bytes;
    return bytes;
}

bool checkpoint_is_full(const struct manifest *manifest)
{
    for (int t = 0; t < manifest->task_count; t++)
        if (manifest->tasks[t].file_count > 1)
            return false;
    return true;
}

bool checkpoint_is_source(const struct manifest_task *task)
{
    return strncmp(task->name, "source", strlen("source")) == 0;
}

uint64_t checkpoint_rows(const struct manifest *manifest)
{
    uint64_t rows = 0;
    for (int t = 0; t < manifest->task_count; t++)
        rows += checkpoint_is_source(&manifest->tasks[t]) ? manifest->tasks[t].rows_in : 0;
    return rows;
}

// --- the command ---

static int run_verb(const struct checkpoint_verb *verb, const struct checkpoint_args *args)
{
    struct checkpoint_place place = {.entries = NULL};
    struct err err = {.text = ""};
    int status = open_place(args->path, &place, &err);
    if (!status)
        status = verb->run(args, &place, &err);
    if (status && err.text[0])
        command_complain(&err);
    free(place.entries);
    return status;
}

static int checkpoint(const struct command *command, int argc, char **argv)
{
    struct checkpoint_args args = {.path = NULL};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            fputs(command->usage, stdout);
            return COMMAND_OK;
        }
    }
    if (argc < 2)
        return complain_usage("which verb? list, show, verify, diff or export", NULL);
    const struct checkpoint_verb *verb = find_verb(argv[1]);
    if (!verb)
        return refuse_verb(argv[1]);
    for (int i = 2; i < argc; i++) {
        const char *word = argv[i], *problem = parse_word(verb, argc, argv, &i, &args);
        if (problem)
            return complain_usage(problem, word);
    }
    if (!args.path)
        return complain_usage("which job? JOB.yaml, or the folder of its checkpoints", NULL);
    if (args.number_count < verb->least_numbers)
        return complain_usage("the numbers of two checkpoints must follow (weir checkpoint list)",
                              NULL);
    return run_verb(verb, &args);
}

const struct command command_checkpoint = {
    .name = "checkpoint",
    .summary = "look at the checkpoints of a job: list, show, verify, diff, export",
    .usage =
        "usage: weir checkpoint list   [--json] JOB.yaml|DIR\n"
        "       weir checkpoint show   [--json] JOB.yaml|DIR [N]\n"
        "       weir checkpoint verify JOB.yaml|DIR [N]\n"
        "       weir checkpoint diff   JOB.yaml|DIR N M\n"
        "       weir checkpoint export [--bitmaps FOLDER] JOB.yaml|DIR [N]\n\n"
        "Look at the checkpoints of a job, which may be running: nothing is changed. DIR is the\n"
        "folder of the checkpoints; N is a number that list shows, without it the newest complete\n"
        "one is taken (verify: all of them).\n\n"
        "  list    number, state, age, duration, bytes, full or increment, rows read\n"
        "  show    where sources, state and sinks stood at the barrier\n"
        "  verify  read every byte of every file that a restore would read; 1: one is damaged\n"
        "  diff    what has changed from N to M\n"
        "  export  keyed state, one JSON object a group on stdout\n\n"
        "  --json            one JSON object\n"
        "  --bitmaps FOLDER  each distinct count's set as a portable Roaring file too\n\n"
        "example:\n\n"
        "  weir checkpoint list uv.yaml\n"
        "  weir checkpoint show uv.yaml\n"
        "  weir checkpoint verify uv.checkpoints && echo sound\n"
        "  weir checkpoint export --bitmaps /tmp/uv uv.yaml 12 | jq .key\n",
    .run = checkpoint,
};
