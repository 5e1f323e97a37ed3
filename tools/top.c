// top.c: `weir top`: a running job, or all jobs of the host, read from their memory again and again
// (watch.h). It asks nobody and changes nothing: a job whose supervisor or whose tasks are dead is
// shown as well.
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/base/check.h"
#include "core/base/env.h"
#include "core/plan/plan.h"
#include "tools/command.h"
#include "tools/config.h"
#include "tools/memory_dir.h"
#include "tools/screen.h"
#include "tools/top_view.h"

enum { INTERVAL_LEAST_MS = 100, JOBS_MAX = 256, FIRST_MS = 300 };

struct top_args {
    const char *path; // NULL: all jobs
    bool json, once;
    int64_t interval_ms;
};

// One job: its last two looks.
struct seen {
    struct watch watch;
    struct watch_sample *before, *now; // now NULL: it is not there
    bool found;                        // in the last list
};

struct top {
    const struct top_args *args;
    char job[JOBDIR_JOB_BYTES]; // "": all
    struct seen *seen;          // [JOBS_MAX]
    int count;
    struct top_look look;
    bool shows_help, is_paused;
};

// --- looking ---

static void seen_forget(struct seen *seen)
{
    watch_sample_free(seen->before);
    watch_sample_free(seen->now);
    watch_close(&seen->watch);
    *seen = (struct seen){.before = NULL};
}

static int seen_look(struct seen *seen, struct err *err)
{
    struct watch_sample *now;
    int rc = watch_look(&seen->watch, &now, err);
    watch_sample_free(seen->before);
    seen->before = seen->now;
    seen->now = now;
    return rc;
}

static int find_job(const struct jobdir_entry *entry, void *context)
{
    struct top *top = context;
    for (int i = 0; i < top->count; i++)
        if (strcmp(top->seen[i].watch.path, entry->path) == 0) {
            top->seen[i].found = true;
            return 0;
        }
    if (top->count == JOBS_MAX)
        return 0;
    struct seen *seen = &top->seen[top->count++];
    *seen = (struct seen){.found = true};
    watch_open(&seen->watch, entry->path);
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct seen *)a)->watch.path, ((const struct seen *)b)->watch.path);
}

// Every job of this user, where jobs have their memory when nobody says otherwise.
static void look_at_all(struct top *top)
{
    char mount[PATH_MAX];
    for (int i = 0; i < top->count; i++)
        top->seen[i].found = false;
    jobdir_list(MEMORY_DIR_DEFAULT, find_job, top, NULL);
    if (memory_dir_mount(mount))
        jobdir_list(mount, find_job, top, NULL);
    for (int i = 0; i < top->count; i++)
        if (!top->seen[i].found || (seen_look(&top->seen[i], NULL) < 0 && !top->seen[i].now)) {
            seen_forget(&top->seen[i]);
            top->seen[i--] = top->seen[--top->count];
        }
    qsort(top->seen, (size_t)top->count, sizeof *top->seen, by_name);
}

static int look(struct top *top, struct err *err)
{
    if (*top->job)
        return seen_look(&top->seen[0], err);
    look_at_all(top);
    return 0;
}

static bool anything_lives(const struct top *top)
{
    for (int i = 0; i < top->count; i++)
        if (top->seen[i].now && watch_living(top->seen[i].now))
            return true;
    return false;
}

// --- showing ---

static void render(const struct top *top, struct buf *out)
{
    if (*top->job) {
        top_view_job(top->seen[0].before, top->seen[0].now, &top->look, out);
        return;
    }
    struct top_pair *pairs = calloc((size_t)top->count + 1, sizeof *pairs);
    CHECK(pairs);
    for (int i = 0; i < top->count; i++)
        pairs[i] = (struct top_pair){top->seen[i].before, top->seen[i].now};
    top_view_jobs(pairs, top->count, &top->look, out);
    free(pairs);
}

static void render_json(const struct top *top, struct buf *out)
{
    if (!*top->job)
        buf_append_str(out, "{\"jobs\":[");
    for (int i = 0; i < top->count; i++) {
        buf_append_str(out, i ? "," : "");
        top_json_job(top->seen[i].before, top->seen[i].now, out);
    }
    buf_append_str(out, *top->job ? "\n" : "]}\n");
}

static int print(const struct top *top)
{
    struct buf out = {0};
    if (top->args->json)
        render_json(top, &out);
    else
        render(top, &out);
    fwrite(out.data, 1, out.len, stdout);
    buf_fini(&out);
    return fflush(stdout) || ferror(stdout) ? -EPIPE : 0;
}

// --- the terminal ---

static void append_keys(const struct top *top, struct buf *out)
{
    if (!top->shows_help) {
        buf_printf(out, "q quit, h keys; sorted by %s%s%s", top_sort_name(top->look.sort),
                   top->look.reverse ? ", reversed" : "", top->is_paused ? "; paused" : "");
        return;
    }
    buf_append_str(out, "sort:");
    for (int i = 0; i < TOP_SORT_COUNT; i++)
        buf_printf(out, " %c %s", top_sort_key((enum top_sort)i), top_sort_name((enum top_sort)i));
    buf_append_str(out, "; r reverse, arrows scroll, p pause, space now");
}

static void draw(struct top *top, struct screen *screen)
{
    struct buf picture = {0}, keys = {0};
    top->look.columns = screen->columns;
    top->look.lines = screen->lines;
    top->look.colour = screen->colour;
    render(top, &picture);
    append_keys(top, &keys);
    if (keys.len > (size_t)screen->columns)
        keys.len = (size_t)screen->columns;
    buf_append_char(&keys, '\n');
    int lines = 0;
    for (size_t i = 0; i < picture.len; i++)
        lines += picture.data[i] == '\n';
    if (lines < screen->lines)
        buf_append(&picture, keys.data, keys.len);
    screen_draw(screen, &picture);
    buf_fini(&keys);
    buf_fini(&picture);
}

static int task_count(const struct top *top)
{
    return *top->job && top->seen[0].now ? top->seen[0].now->task_count : 0;
}

static void scroll(struct top *top, int by)
{
    const int last = task_count(top) - 1;
    int first = top->look.first + by;
    first = first > last ? last : first;
    top->look.first = first < 0 ? 0 : first;
}

static void take_sort(struct top *top, int key)
{
    for (int i = 0; i < TOP_SORT_COUNT; i++)
        if (key == top_sort_key((enum top_sort)i)) {
            top->look.sort = (enum top_sort)i;
            top->look.first = 0;
        }
}

// false: quit.
static bool take_key(struct top *top, int key)
{
    enum { PAGE = 20 };
    take_sort(top, key);
    switch (key) {
    case 'q':
    case SCREEN_ENDED:
        return false;
    case 'h':
    case '?':
        top->shows_help = !top->shows_help;
        break;
    case 'r':
        top->look.reverse = !top->look.reverse;
        break;
    case 'p':
        top->is_paused = !top->is_paused;
        break;
    case SCREEN_DOWN:
    case 'j':
        scroll(top, 1);
        break;
    case SCREEN_UP:
    case 'k':
        scroll(top, -1);
        break;
    case SCREEN_PAGE_DOWN:
        scroll(top, PAGE);
        break;
    case SCREEN_PAGE_UP:
        scroll(top, -PAGE);
        break;
    case SCREEN_HOME:
        scroll(top, INT_MIN / 2);
        break;
    default:
        break;
    }
    return true;
}

static int64_t now_ms(void)
{
    return env_system()->monotonic_ns(env_system()) / 1000000;
}

// 0: it was quit; -ENOENT: the job has ended.
static int run_screen(struct top *top, struct err *err)
{
    struct screen screen;
    int rc = screen_open(&screen, err);
    if (rc < 0)
        return rc;
    // The first rates soon, then at the pace that was asked for.
    int64_t next_ms = now_ms() + FIRST_MS;
    for (;;) {
        draw(top, &screen);
        const int64_t left = next_ms - now_ms();
        int key = screen_wait(&screen, left > 0 ? (int)left : 0);
        if (!take_key(top, key))
            break;
        if ((now_ms() < next_ms && key != ' ') || (top->is_paused && key != ' ')) {
            next_ms = top->is_paused ? now_ms() + top->args->interval_ms : next_ms;
            continue;
        }
        next_ms = now_ms() + top->args->interval_ms;
        rc = look(top, err);
        if (rc < 0)
            break;
    }
    screen_close(&screen);
    return rc;
}

// --- lines ---

static void pause_ms(int64_t ms)
{
    const struct timespec pause = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&pause, NULL);
}

// Rates need a second look; what is dead has none.
static int run_lines(struct top *top, struct err *err)
{
    const bool once = top->args->once || !top->args->json;
    int rc = 0;
    if (anything_lives(top)) {
        pause_ms(top->args->interval_ms);
        rc = look(top, err);
    }
    while (rc == 0) {
        rc = print(top);
        if (rc < 0 || once)
            break;
        pause_ms(top->args->interval_ms);
        rc = look(top, err);
    }
    return rc;
}

// --- the command ---

static int complain(const char *what, const char *word)
{
    fprintf(stderr, "weir top: %s%s%s\nsee: weir top --help\n", what, word ? " " : "",
            word ? word : "");
    return COMMAND_USAGE;
}

static int parse_interval(int argc, char **argv, int *at, struct top_args *out)
{
    struct err err;
    if (++*at == argc)
        return complain("a duration must follow", argv[*at - 1]);
    if (plan_duration_ms(argv[*at], &out->interval_ms, &err) < 0)
        return complain(err.text, NULL);
    if (out->interval_ms < INTERVAL_LEAST_MS || out->interval_ms > INT_MAX / 2)
        return complain("the interval is 100ms or more, not", argv[*at]);
    return COMMAND_OK;
}

// COMMAND_OK: go on; else the command ends with *status.
static bool parse(const struct command *command, int argc, char **argv, struct top_args *out,
                  int *status)
{
    *out = (struct top_args){.interval_ms = 1000};
    *status = COMMAND_OK;
    for (int i = 1; i < argc && *status == COMMAND_OK; i++) {
        const char *word = argv[i];
        if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
            fputs(command->usage, stdout);
            return false;
        }
        if (strcmp(word, "--json") == 0)
            out->json = true;
        else if (strcmp(word, "--once") == 0)
            out->once = true;
        else if (strcmp(word, "--interval") == 0)
            *status = parse_interval(argc, argv, &i, out);
        else if (word[0] == '-' && word[1])
            *status = complain("unknown option", word);
        else if (out->path)
            *status = complain("one job only, not also", word);
        else
            out->path = word;
    }
    return *status == COMMAND_OK;
}

static void open_job(struct top *top, const char *memory_dir, const char *job)
{
    char path[PATH_MAX + JOBDIR_JOB_BYTES + 32];
    snprintf(path, sizeof path, "%s/weir-%u/%s", memory_dir, (unsigned)getuid(), job);
    snprintf(top->job, sizeof top->job, "%s", job);
    watch_open(&top->seen[0].watch, path);
    top->count = 1;
}

// The config of a job, or a name that `weir top` lists. COMMAND_OK or another status.
static int find(struct top *top, struct err *err)
{
    const char *word = top->args->path;
    struct config *config;
    char memory_dir[PATH_MAX];
    if (!word)
        return COMMAND_OK;
    if (access(word, F_OK) < 0 && jobdir_name_valid(word)) {
        memory_dir_find(word, memory_dir);
        open_job(top, memory_dir, word);
        return COMMAND_OK;
    }
    if (config_load(word, &config, err))
        return COMMAND_CONFIG;
    open_job(top, config->memory.dir, config->job);
    config_free(config);
    return COMMAND_OK;
}

// The job's end while somebody looks is no failure.
static int conclude(const struct top *top, int rc, bool was_there, struct err *err)
{
    if (rc == -ENOENT && was_there) {
        if (!top->args->json)
            printf("%s has ended\n", top->job);
        return COMMAND_OK;
    }
    if (rc == -ENOENT)
        err_set(err, rc, "%s does not run, and has left no memory%s", top->job,
                access(top->args->path, F_OK) < 0 ? "; there is no file of that name either" : "");
    if (rc < 0 && rc != -EPIPE)
        command_complain(err);
    return rc < 0 ? COMMAND_UNAVAILABLE : COMMAND_OK;
}

static int show(struct top *top)
{
    struct err err = {.text = ""};
    int status = find(top, &err);
    if (status) {
        command_complain(&err);
        return status;
    }
    int rc = look(top, &err);
    const bool was_there = rc == 0;
    if (rc == 0 && !top->args->json && !top->args->once && screen_is_there())
        rc = run_screen(top, &err);
    else if (rc == 0)
        rc = run_lines(top, &err);
    status = conclude(top, rc, was_there, &err);
    for (int i = 0; i < top->count; i++)
        seen_forget(&top->seen[i]);
    return status;
}

static int top_command(const struct command *command, int argc, char **argv)
{
    struct top_args args;
    int status;
    if (!parse(command, argc, argv, &args, &status))
        return status;
    struct top top = {.args = &args, .seen = calloc(JOBS_MAX, sizeof *top.seen)};
    CHECK(top.seen);
    status = show(&top);
    free(top.seen);
    return status;
}

const struct command command_top = {
    .name = "top",
    .summary = "a running job, live: rates, back-pressure, latency, checkpoints",
    .usage =
        "usage: weir top [--once] [--json] [--interval DURATION] [JOB.yaml | JOB]\n\n"
        "Show a job from its memory, whether its processes live or not: of each task its state,\n"
        "process, core, CPU, rows and bytes a second, how full its input is, back-pressure, how\n"
        "far its watermark is behind, the latency from the source. Without a job: all jobs of the\n"
        "host, a line each. On a terminal it is drawn again each interval (q quits, h shows the\n"
        "keys); else it is printed once.\n\n"
        "  --once      print once, after one interval (rates need two looks)\n"
        "  --json      a JSON object each interval; with --once one\n"
        "  --interval  time between two looks: 1s\n\n"
        "BLOCK% is the share of the time that a task waited for room in its output; RING% how "
        "full\n"
        "its fullest input is. See docs/metrics.md for what the latency is.\n\n"
        "example:\n\n"
        "  weir top uv.yaml\n"
        "  weir top --json --once uv.yaml | jq '.tasks[].latency_from_source.recent.p99_ns'\n",
    .run = top_command,
};
