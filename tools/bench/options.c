// options.c: the words behind `weir bench KIND`.
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "core/base/number.h"
#include "tools/bench/bench.h"
#include "tools/command.h"

// What every benchmark takes; the others are named in `accepts`.
static const char *const common[] = {"--runs",  "--seconds", "--warmup",  "--cores", "--json",
                                     "--quiet", "--save",    "--against", "--html",  "--hgrm",
                                     "--hlog",  "--help",    NULL};

struct parsing {
    const struct bench_kind *kind;
    struct bench_options *out;
    char problem[256]; // "" : none
};

static bool is_in(const char *const *list, const char *word)
{
    for (int i = 0; list && list[i]; i++)
        if (strcmp(list[i], word) == 0)
            return true;
    return false;
}

static void complain(struct parsing *p, const char *option, const char *value, const char *wanted)
{
    snprintf(p->problem, sizeof p->problem, "%s '%s': expected %s", option, value, wanted);
}

// "7" or "3-5" at *at, which moves behind it and its comma. false: it is neither.
static bool take_range(const char **at, long *first, long *last)
{
    char *end;
    if (!isdigit((unsigned char)**at))
        return false;
    *first = *last = strtol(*at, &end, 10);
    if (*end == '-' && isdigit((unsigned char)end[1]))
        *last = strtol(end + 1, &end, 10);
    bool is_good = *last >= *first && *last <= 65535 && (!*end || (*end == ',' && end[1]));
    *at = *end ? end + 1 : end;
    return is_good;
}

// What is wrong with one more core; NULL: nothing.
static const char *add_core(struct bench_options *out, long core)
{
    for (int i = 0; i < out->core_count; i++)
        if (out->cores[i] == core)
            return "each core once";
    if (out->core_count == BENCH_CORES_MAX)
        return "64 cores at most";
    out->cores[out->core_count++] = (int)core;
    return NULL;
}

// "0,3-5": numbers of cores, in order, each once.
static void parse_cores(struct parsing *p, const char *text)
{
    const char *at = text, *wanted = *text ? NULL : "numbers of cores such as 0,1 or 2-5";
    p->out->core_count = 0;
    p->out->has_cores = true;
    while (*at && !wanted) {
        long first, last;
        if (!take_range(&at, &first, &last))
            wanted = "numbers of cores such as 0,1 or 2-5";
        for (long core = first; !wanted && core <= last; core++)
            wanted = add_core(p->out, core);
    }
    if (wanted)
        complain(p, "--cores", text, wanted);
}

static void parse_waiting(struct parsing *p, const char *text)
{
    for (int i = 0; i < BENCH_WAITINGS; i++)
        if (strcmp(text, bench_waiting_name(i)) == 0) {
            p->out->waiting = i;
            return;
        }
    complain(p, "--waiting", text, "spin, adaptive or block");
}

static void parse_double(struct parsing *p, const char *option, const char *text, double *out)
{
    double value;
    if (number_parse_double(slice_of(text), &value) < 0 || !isfinite(value) || value < 0 ||
        value > 86400 || (value == 0 && out == &p->out->seconds))
        complain(p, option, text, "seconds");
    else
        *out = value;
}

static void parse_what(struct parsing *p, const char *text)
{
    static const char *const known[] = {"task", "supervisor", "everything", NULL};
    if (is_in(known, text))
        p->out->what = text;
    else
        complain(p, "--what", text, "task, supervisor or everything");
}

// Options with a whole number. false: it is none of them.
static bool parse_number(struct parsing *p, const char *option, const char *text)
{
    int64_t runs = 0, value;
    const struct {
        const char *name;
        int64_t *out, low, high;
    } numbers[] = {
        {"--runs", &runs, 1, REPORT_RUNS_MAX},     {"--rate", &p->out->rate, 1, 1000000000},
        {"--keys", &p->out->keys, 1, 1000000},     {"--window", &p->out->window_ms, 1, 60000},
        {"--state", &p->out->state_mib, 1, 65536}, {"--kills", &p->out->kills, 1, 100000},
        {"--spares", &p->out->spares, 0, 4}};
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        if (strcmp(numbers[i].name, option) != 0)
            continue;
        char wanted[96];
        snprintf(wanted, sizeof wanted, "a whole number from %lld to %lld",
                 (long long)numbers[i].low, (long long)numbers[i].high);
        if (number_parse_int64(slice_of(text), &value) < 0 || value < numbers[i].low ||
            value > numbers[i].high)
            complain(p, option, text, wanted);
        else
            *numbers[i].out = value;
        p->out->runs = runs ? (int)runs : p->out->runs;
        return true;
    }
    return false;
}

// Options with a text. NULL: it is none of them.
static const char **text_option(struct bench_options *out, const char *option)
{
    const struct {
        const char *name;
        const char **out;
    } texts[] = {{"--save", &out->save},
                 {"--against", &out->against},
                 {"--html", &out->html},
                 {"--hgrm", &out->hgrm},
                 {"--hlog", &out->hlog},
                 {"--folder", &out->folder},
                 {"--memory-dir", &out->memory_dir}};
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        if (strcmp(texts[i].name, option) == 0)
            return texts[i].out;
    return NULL;
}

static void parse_value(struct parsing *p, const char *option, const char *value)
{
    const char **text = text_option(p->out, option);
    if (text)
        *text = value;
    else if (strcmp(option, "--cores") == 0)
        parse_cores(p, value);
    else if (strcmp(option, "--waiting") == 0)
        parse_waiting(p, value);
    else if (strcmp(option, "--what") == 0)
        parse_what(p, value);
    else if (strcmp(option, "--seconds") == 0)
        parse_double(p, option, value, &p->out->seconds);
    else if (strcmp(option, "--warmup") == 0)
        parse_double(p, option, value, &p->out->warmup);
    else
        CHECK(parse_number(p, option, value));
}

static void parse_option(struct parsing *p, int argc, char **argv, int *at)
{
    const char *option = argv[*at];
    if (strcmp(option, "-q") == 0 || strcmp(option, "--quiet") == 0)
        p->out->quiet = true;
    else if (strcmp(option, "--json") == 0)
        p->out->json = true;
    else if (!is_in(common, option) && !is_in(p->kind->accepts, option))
        snprintf(p->problem, sizeof p->problem, "no option '%s' of this benchmark", option);
    else if (++*at == argc)
        snprintf(p->problem, sizeof p->problem, "what follows %s?", option);
    else
        parse_value(p, option, argv[*at]);
}

static const char *suggest(const struct bench_kind *kind, const char *word)
{
    const char *known[64];
    int count = 0;
    for (int i = 0; common[i]; i++)
        known[count++] = common[i];
    for (int i = 0; kind->accepts && kind->accepts[i]; i++)
        known[count++] = kind->accepts[i];
    return err_suggest(word, known, count);
}

static int complain_usage(const struct parsing *p, const char *word)
{
    const char *meant = word ? suggest(p->kind, word) : NULL;
    fprintf(stderr, "weir bench %s: %s\n", p->kind->name, p->problem);
    if (meant && strcmp(meant, word) != 0)
        fprintf(stderr, "did you mean %s?\n", meant);
    fprintf(stderr, "see: weir bench %s --help\n", p->kind->name);
    return COMMAND_USAGE;
}

bool bench_parse(const struct bench_kind *kind, int argc, char **argv, struct bench_options *out,
                 int *exit_status)
{
    struct parsing p = {.kind = kind, .out = out};
    *out = (struct bench_options){.warmup = -1, .waiting = -1, .spares = -1};
    for (int i = 1; i < argc && !*p.problem; i++) {
        const char *word = argv[i];
        if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
            printf("usage: weir bench %s [OPTIONS]%s\n\n%s", kind->name,
                   kind->takes_job ? " JOB.yaml" : "", kind->about);
            *exit_status = COMMAND_OK;
            return false;
        }
        if (word[0] == '-' && word[1])
            parse_option(&p, argc, argv, &i);
        else if (kind->takes_job && !out->job)
            out->job = word;
        else
            snprintf(p.problem, sizeof p.problem, "what is '%s'?", word);
        if (*p.problem) {
            *exit_status = complain_usage(&p, word);
            return false;
        }
    }
    if (kind->takes_job && !out->job) {
        snprintf(p.problem, sizeof p.problem, "which config?");
        *exit_status = complain_usage(&p, NULL);
        return false;
    }
    return true;
}
