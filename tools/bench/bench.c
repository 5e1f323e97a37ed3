// bench.c: `weir bench`: a table of benchmarks; cores, probes and reports are the same for all.
#include "tools/bench/bench.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/base/check.h"
#include "tools/bench/probe.h"
#include "tools/bench/side.h"
#include "tools/command.h"

static const struct bench_kind *const kinds[] = {&bench_ring,  &bench_hop,        &bench_pipeline,
                                                 &bench_job,   &bench_checkpoint, &bench_recovery,
                                                 &bench_jitter};

int64_t bench_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * BENCH_SECOND_NS + now.tv_nsec;
}

void bench_say(const struct bench *bench, const char *format, ...)
{
    va_list arguments;
    if (bench->options.quiet || !isatty(STDERR_FILENO))
        return;
    va_start(arguments, format);
    fputs("\r\033[K", stderr);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
}

int bench_each_run(struct bench *bench, int (*run_once)(struct bench *bench, struct err *err),
                   struct err *err)
{
    int rc = 0;
    for (int i = 0; i < bench->options.runs && rc == 0; i++) {
        bench_say(bench, "run %d of %d", i + 1, bench->options.runs);
        rc = run_once(bench, err);
    }
    return rc;
}

const char *bench_waiting_name(int waiting)
{
    static const char *const names[] = {
        [WAITER_ADAPTIVE] = "adaptive", [WAITER_SPIN] = "spin", [WAITER_BLOCK] = "block"};
    return names[waiting];
}

// The cores that were named, or the first that this process may use. -EINVAL, -ENOTSUP with a text.
static int choose_cores(const struct bench_kind *kind, struct bench_options *options,
                        struct err *err)
{
    int allowed[BENCH_CORES_MAX], count = machine_cores(allowed);
    if (!options->has_cores) {
        memcpy(options->cores, allowed, sizeof allowed);
        options->core_count = count;
    }
    for (int i = 0; options->has_cores && i < options->core_count; i++) {
        bool is_allowed = false;
        for (int k = 0; k < count; k++)
            is_allowed |= allowed[k] == options->cores[i];
        if (!is_allowed && options->cores[i] >= sysconf(_SC_NPROCESSORS_CONF))
            return err_set(err, -EINVAL, "--cores: core %d does not exist here; there are %ld",
                           options->cores[i], sysconf(_SC_NPROCESSORS_CONF));
        if (!is_allowed)
            return err_set(err, -EINVAL,
                           "--cores: core %d may not be used by this process: it is offline, or "
                           "outside of its affinity mask or control group",
                           options->cores[i]);
    }
    if (options->core_count >= kind->least_cores)
        return 0;
    return err_set(err, options->has_cores ? -EINVAL : -ENOTSUP,
                   "`weir bench %s` needs %d cores, one for each process: on one core they would "
                   "take turns of milliseconds, and no figure would mean anything",
                   kind->name, kind->least_cores);
}

static int probe(struct bench *bench, struct probe_result *out, struct err *err)
{
    const struct bench_options *o = &bench->options;
    bench_say(bench, "ping-pong between cores %d and %d", o->cores[0], o->cores[1]);
    return probe_run(o->cores[0], o->cores[1], PROBE_TRIPS_MS, out, err);
}

static int measure(const struct bench_kind *kind, struct bench *bench, struct err *err)
{
    struct report *report = &bench->report;
    bool is_probed = kind->is_probed && bench->options.core_count >= 2;
    double steal = machine_steal_s();
    int rc = is_probed ? probe(bench, &report->before, err) : 0;
    if (rc == 0)
        rc = kind->run(bench, err);
    if (rc == 0 && is_probed) {
        rc = probe(bench, &report->after, err);
        report->is_probed = rc == 0;
        report->has_regime_changed = rc == 0 && probe_differs(&report->before, &report->after);
    }
    if (kind->is_probed && !is_probed)
        report_note(report, "one core only: there was no ping-pong probe, so a change of the "
                            "machine during the run would not have been noticed");
    if (steal >= 0 && machine_steal_s() - steal > 0.02)
        report_note(report, "the hypervisor gave %.2f s of these cores to others meanwhile",
                    machine_steal_s() - steal);
    bench_say(bench, "%s", "");
    return rc;
}

static int put_out(const struct bench *bench, struct err *err)
{
    const struct bench_options *o = &bench->options;
    const struct report *report = &bench->report;
    int rc = 0;
    if (o->json)
        rc = report_write_json(report, stdout, err);
    else
        report_print(report, stdout);
    if (rc == 0 && o->save)
        rc = report_save_json(report, o->save, err);
    if (rc == 0 && o->html)
        rc = report_save_html(report, o->html, err);
    if (rc == 0 && o->hgrm)
        rc = report_save_hgrm(report, o->hgrm, err);
    if (rc == 0 && o->hlog)
        rc = report_save_hlog(report, o->hlog, err);
    return rc;
}

static int status_of(int rc)
{
    return rc == 0          ? COMMAND_OK
           : rc == -EINVAL  ? COMMAND_CONFIG
           : rc == -ENOTSUP ? COMMAND_UNAVAILABLE
                            : COMMAND_FAILED;
}

static void set_defaults(const struct bench_kind *kind, struct bench_options *options)
{
    options->runs = options->runs ? options->runs : kind->runs;
    options->seconds = options->seconds > 0 ? options->seconds : kind->seconds;
    options->warmup = options->warmup >= 0 ? options->warmup : kind->warmup;
}

static int run_kind(const struct bench_kind *kind, int argc, char **argv)
{
    struct bench bench = {0};
    struct err err = {.text = ""}, last = {.text = ""};
    int exit_status = COMMAND_OK;
    if (!bench_parse(kind, argc - 1, argv + 1, &bench.options, &exit_status))
        return exit_status;
    set_defaults(kind, &bench.options);
    report_init(&bench.report, kind->name, argc, argv);
    bench.report.runs = bench.options.runs;
    int rc = choose_cores(kind, &bench.options, &err);
    if (rc == 0) {
        machine_describe(&bench.report, &bench.options);
        rc =
            bench.options.against ? report_read_old(&bench.report, bench.options.against, &err) : 0;
    }
    if (rc == 0) {
        side_prepare();
        rc = measure(kind, &bench, &err);
        if (rc == -EINTR)
            report_note(&bench.report, "interrupted: these are the runs that were complete");
        if (rc == 0 || (rc == -EINTR && bench.report.figure_count)) {
            int put = put_out(&bench, &last);
            if (put < 0)
                command_complain(&last);
            rc = rc == 0 ? put : rc;
        }
    }
    if (rc < 0 && *err.text)
        command_complain(&err);
    report_fini(&bench.report);
    return rc == -EINTR ? 128 + 2 : status_of(rc);
}

static void print_usage(FILE *out, const struct command *command)
{
    fputs(command->usage, out);
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        fprintf(out, "  %-11s %s\n", kinds[i]->name, kinds[i]->summary);
    fputs(
        "\noptions of all (each has more: weir bench ring --help)\n\n"
        "  --runs N        how often; min, median and max of the runs are told\n"
        "  --seconds S     of one run\n"
        "  --warmup S      before each run, not counted\n"
        "  --cores A,B     which cores; without it the first that may be used\n"
        "  --save FILE     the report as JSON, for --against\n"
        "  --against FILE  compare with a saved report: ratios, and what lies outside the spread\n"
        "  --html FILE     one page with percentile curves\n"
        "  --hgrm FOLDER   a percentile distribution a series, as HdrHistogram writes it\n"
        "  --hlog FILE     all histograms, as HdrHistogram's log\n"
        "  --json          the report as JSON on stdout\n"
        "  --quiet         nothing on the terminal while it runs\n\n"
        "example:\n\n"
        "  weir bench ring --save before.json\n"
        "  weir bench ring --against before.json --html ring.html\n",
        out);
}

static int bench(const struct command *command, int argc, char **argv)
{
    const char *names[ARRAY_SIZE(kinds)], *word = argc > 1 ? argv[1] : NULL;
    if (word && (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)) {
        print_usage(stdout, command);
        return COMMAND_OK;
    }
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        names[i] = kinds[i]->name;
        if (word && strcmp(names[i], word) == 0)
            return run_kind(kinds[i], argc, argv);
    }
    if (!word) {
        print_usage(stderr, command);
        return COMMAND_USAGE;
    }
    const char *meant = err_suggest(word, names, (int)ARRAY_SIZE(names));
    fprintf(stderr, "weir bench: there is no benchmark '%s'\n", word);
    if (meant)
        fprintf(stderr, "did you mean '%s'?\n", meant);
    fputs("see: weir bench --help\n", stderr);
    return COMMAND_USAGE;
}

const struct command command_bench = {
    .name = "bench",
    .summary = "how fast is this host with weir? latencies and rates, measured",
    .usage = "usage: weir bench BENCHMARK [OPTIONS]\n\n"
             "Measures, and says on which machine, how often and how far apart the runs were.\n\n",
    .run = bench,
};
