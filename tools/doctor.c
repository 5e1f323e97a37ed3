// doctor.c: `weir doctor`: what of this host weir can use, and what to do about the rest.
#include "tools/doctor.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "stages/checkpoint/engine.h"
#include "tools/checkpoints.h"
#include "tools/doctor_host.h"
#include "tools/memory_dir.h"

void doctor_say(struct doctor *doctor, enum doctor_grade grade, const char *what,
                const char *finding, const char *advice)
{
    static const char *const grades[] = {"ok", "warn", "BROKEN"};
    if (grade > doctor->worst)
        doctor->worst = grade;
    if (doctor->json) {
        buf_printf(&doctor->lines,
                   "%s{\"grade\":\"%s\",\"what\":\"%s\",\"finding\":", doctor->lines.len ? "," : "",
                   grade == DOCTOR_BROKEN ? "broken" : grades[grade], what);
        buf_append_json_string(&doctor->lines, slice_of(finding));
        if (advice) {
            buf_append_str(&doctor->lines, ",\"advice\":");
            buf_append_json_string(&doctor->lines, slice_of(advice));
        }
        buf_append_char(&doctor->lines, '}');
        return;
    }
    printf("%-6s %-16s %s\n", grades[grade], what, finding);
    if (advice)
        printf("       %-16s -> %s\n", "", advice);
}

static void say_kernel(const struct host *host)
{
    enum { KERNEL_MAJOR = 5, KERNEL_MINOR = 10 };
    struct utsname name = {.machine = ""};
    char text[256], release[128];
    int major = 0, minor = 0;
    doctor_read(host, "/proc/sys/kernel/osrelease", release, sizeof release);
    if (!*host->root)
        uname(&name);
    snprintf(text, sizeof text, "Linux %s%s%.60s", *release ? release : "of unknown release",
             *name.machine ? " on " : "", name.machine);
    if (sscanf(release, "%d.%d", &major, &minor) == 2 &&
        (major < KERNEL_MAJOR || (major == KERNEL_MAJOR && minor < KERNEL_MINOR)))
        doctor_say(host->doctor, DOCTOR_WARN, "kernel", text,
                   "weir is tested on Linux 5.10 and later");
    else
        doctor_say(host->doctor, DOCTOR_OK, "kernel", text, NULL);
}

// `wanted`: what the job's config asks for.
static void say_engine(struct doctor *doctor, enum engine_kind wanted)
{
    struct err why;
    if (engine_probe_io_uring(&why) == 0) {
        doctor_say(doctor, DOCTOR_OK, "snapshot engine",
                   wanted == ENGINE_PWRITE
                       ? "pwrite, as checkpoint.engine says; io_uring works here too"
                       : "io_uring works (and pwrite, as everywhere)",
                   NULL);
        return;
    }
    if (wanted == ENGINE_IO_URING)
        doctor_say(doctor, DOCTOR_BROKEN, "snapshot engine", why.text,
                   "checkpoint.engine asks for io_uring: set it to auto or pwrite");
    else
        doctor_say(doctor, wanted == ENGINE_PWRITE ? DOCTOR_OK : DOCTOR_WARN, "snapshot engine",
                   "pwrite; io_uring does not work here",
                   wanted == ENGINE_PWRITE ? NULL : why.text);
}

static int finish(struct doctor *doctor)
{
    if (doctor->json)
        printf("{\"usable\":%s,\"findings\":[%s]}\n",
               doctor->worst == DOCTOR_BROKEN ? "false" : "true", buf_str(&doctor->lines));
    buf_fini(&doctor->lines);
    return doctor->worst == DOCTOR_BROKEN ? COMMAND_UNAVAILABLE : COMMAND_OK;
}

static void examine_host(const struct host *host)
{
    say_kernel(host);
    doctor_cores(host);
    doctor_time(host);
    doctor_limits(host);
}

static void examine(struct doctor *doctor, const char *memory_dir, const char *disk_dir,
                    enum engine_kind engine)
{
    struct host host = {.doctor = doctor, .root = ""};
    doctor_measure(&host, NULL);
    examine_host(&host);
    say_engine(doctor, engine);
    doctor_memory(doctor, memory_dir);
    if (disk_dir)
        doctor_disk(doctor, disk_dir);
}

// `weir doctor --arena`
static int examine_memory(const struct job_load *load, struct doctor *doctor, bool has_checkpoints,
                          struct err *err)
{
    const struct config *config = load->config;
    int rc = doctor_arena(doctor, config->memory.dir, config->job, has_checkpoints, err);
    int status = finish(doctor);
    if (rc < 0)
        return COMMAND_UNAVAILABLE;
    if (status)
        err_set(err, -EILSEQ, "the memory of %s is damaged", config->job);
    return status;
}

static int examine_job(const struct job_load *load, const struct arguments *arguments,
                       struct err *err)
{
    struct doctor doctor = {.json = arguments->json};
    struct checkpoint_settings settings;
    if (checkpoint_settings_read(load, &settings, err))
        return COMMAND_CONFIG;
    if (arguments->arena)
        return examine_memory(load, &doctor, settings.interval_ms > 0, err);
    examine(&doctor, load->config->memory.dir, settings.interval_ms ? settings.dir : NULL,
            (enum engine_kind)settings.engine);
    return finish(&doctor);
}

// `weir doctor --host DIR [--json]`: one that was recorded. What its folders are is not known.
static int examine_recorded(int argc, char **argv)
{
    struct doctor doctor = {.json = argc == 4};
    struct host host = {.doctor = &doctor, .root = argv[2]};
    struct err err;
    if (doctor_measure(&host, &err) < 0) {
        command_complain(&err);
        return COMMAND_UNAVAILABLE;
    }
    examine_host(&host);
    return finish(&doctor);
}

static bool is_recorded(int argc, char **argv)
{
    return (argc == 3 || (argc == 4 && strcmp(argv[3], "--json") == 0)) &&
           strcmp(argv[1], "--host") == 0;
}

// Without a job: the defaults, and the folder that one is in.
static bool has_path(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (argv[i][0] != '-' || strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

static int doctor_command(const struct command *command, int argc, char **argv)
{
    struct doctor doctor = {.json = argc > 1 && strcmp(argv[1], "--json") == 0};
    if (is_recorded(argc, argv))
        return examine_recorded(argc, argv);
    if (has_path(argc, argv) || argc > 2 || (argc == 2 && !doctor.json)) {
        int status = job_command(command, argc, argv, examine_job);
        return status == COMMAND_FAILED ? COMMAND_UNAVAILABLE : status;
    }
    char memory_dir[PATH_MAX];
    memory_dir_find("", memory_dir);
    examine(&doctor, memory_dir, ".", ENGINE_AUTO);
    return finish(&doctor);
}

const struct command command_doctor = {
    .name = "doctor",
    .summary = "say what of this host weir can use, and what to do about the rest",
    .usage =
        "usage: weir doctor [--json] [JOB.yaml]\n"
        "       weir doctor --arena [--json] JOB.yaml\n"
        "       weir doctor --host DIR [--json]\n\n"
        "Look at the host, at what costs latency or safety: cores and their sleep, clocks, timers\n"
        "and wake-ups (measured, half a second), limits, control groups, swap, the engine that\n"
        "writes snapshots, the folders of memory and checkpoints (of the job; without one: the\n"
        "defaults). A line each, ok or warn, and what to do. A few files of some KiB are written\n"
        "to the folder of the checkpoints and removed. Exit status 0 unless something makes weir\n"
        "unusable.\n\n"
        "  --json   one JSON object\n"
        "  --arena  look at the job's memory instead: the check that a task makes after a crash "
        "by\n"
        "           signal, a line a task. It takes no lock and changes nothing. Of a task that "
        "runs\n"
        "           only the header can be judged, unless it is stopped (kill -STOP)\n"
        "  --host   look at a host that was recorded in a folder: its files of /proc, /sys and "
        "/etc\n"
        "           below it, and what was measured there in the file `measured`\n\n"
        "example:\n\n"
        "  weir doctor\n"
        "  weir doctor uv.yaml && weir run uv.yaml\n"
        "  weir doctor --arena uv.yaml\n",
    .looks_at_memory = true,
    .run = doctor_command,
};
