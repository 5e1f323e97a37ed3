// metrics_server.c: `weir metrics-server`: the process that serves a job's metrics (metrics.h). Not
// for people.
//
// HTTP is libmicrohttpd's. It is loaded here, when it is needed: linked to weir it would bring ten
// more libraries (TLS among them) into every task, whose start is to be short.
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "core/base/check.h"
#include "core/base/number.h"
#include "tools/command.h"
#include "tools/metrics_text.h"

enum { CONNECTIONS_MAX = 32, CONNECTION_S = 10, NICENESS = 10 };

// What is used of the library.
static struct {
    typeof(&MHD_start_daemon) start_daemon;
    typeof(&MHD_create_response_from_buffer) create_response;
    typeof(&MHD_add_response_header) add_header;
    typeof(&MHD_queue_response) queue_response;
    typeof(&MHD_destroy_response) destroy_response;
} mhd;

struct server {
    struct watch watch;
    const char *job;
};

static int load(struct err *err)
{
    static const struct {
        const char *name;
        void **at;
    } functions[] = {
        {"MHD_start_daemon", (void **)&mhd.start_daemon},
        {"MHD_create_response_from_buffer", (void **)&mhd.create_response},
        {"MHD_add_response_header", (void **)&mhd.add_header},
        {"MHD_queue_response", (void **)&mhd.queue_response},
        {"MHD_destroy_response", (void **)&mhd.destroy_response},
    };
    void *library = dlopen("libmicrohttpd.so.12", RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return err_set(err, -ENOENT,
                       "libmicrohttpd cannot be loaded (%s); install it: apt-get install "
                       "libmicrohttpd12",
                       dlerror());
    for (size_t i = 0; i < ARRAY_SIZE(functions); i++) {
        *functions[i].at = dlsym(library, functions[i].name);
        if (!*functions[i].at)
            return err_set(err, -ENOENT, "libmicrohttpd has no %s", functions[i].name);
    }
    return 0;
}

// The text becomes the response's.
static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status, const char *type,
                              struct buf *text)
{
    struct MHD_Response *response =
        mhd.create_response(text->len, text->data, MHD_RESPMEM_MUST_FREE);
    if (!response) {
        buf_fini(text);
        return MHD_NO;
    }
    mhd.add_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    mhd.add_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
        mhd.add_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    enum MHD_Result rc = mhd.queue_response(connection, status, response);
    mhd.destroy_response(response);
    return rc;
}

static void append_metrics(struct server *server, struct buf *out)
{
    struct watch_sample *sample;
    watch_look(&server->watch, &sample, NULL);
    metrics_append(server->job, sample, out);
    watch_sample_free(sample);
}

// One thread calls this, a request after the other.
static enum MHD_Result handle(void *context, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *body,
                              size_t *body_bytes, void **request)
{
    static int seen;
    struct buf text = {0};
    (void)version;
    (void)body;
    if (!*request) { // the headers alone; it comes again when the request is whole
        *request = &seen;
        return MHD_YES;
    }
    if (*body_bytes) { // whatever it is, nobody reads it
        *body_bytes = 0;
        return MHD_YES;
    }
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0) {
        buf_append_str(&text, "GET or HEAD\n");
        return answer(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "text/plain", &text);
    }
    if (strcmp(url, "/metrics") == 0) {
        append_metrics(context, &text);
        return answer(connection, MHD_HTTP_OK, METRICS_CONTENT_TYPE, &text);
    }
    const bool is_root = strcmp(url, "/") == 0;
    buf_append_str(&text, is_root ? "weir: metrics are at /metrics\n" : "there is /metrics only\n");
    return answer(connection, is_root ? MHD_HTTP_OK : MHD_HTTP_NOT_FOUND, "text/plain", &text);
}

// Before anything else of the host suffers, this process does.
static void step_back(void)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd >= 0 && write(fd, "1000", 4) < 0)
        errno = 0; // then it is like any other
    if (fd >= 0)
        close(fd);
    if (nice(NICENESS) < 0)
        errno = 0;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null >= 0) { // results of the job go through the supervisor's stdout
        dup2(null, STDIN_FILENO);
        dup2(null, STDOUT_FILENO);
        close(null);
    }
}

static int serve(int listen_fd, struct server *server, struct err *err)
{
    int rc = load(err);
    if (rc < 0)
        return rc;
    struct MHD_Daemon *daemon = mhd.start_daemon(
        MHD_USE_AUTO | MHD_USE_INTERNAL_POLLING_THREAD, 0, NULL, NULL, handle, server,
        MHD_OPTION_LISTEN_SOCKET, listen_fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)CONNECTION_S, MHD_OPTION_END);
    return daemon ? 0 : err_set(err, -EIO, "the HTTP server does not start: %s", strerror(errno));
}

static bool read_number(const char *word, int64_t *out)
{
    return number_parse_int64(slice_of(word), out) == 0 && *out > 0 && *out < INT32_MAX;
}

// LISTEN_FD READY_FD PARENT FOLDER JOB
static int metrics_server(const struct command *command, int argc, char **argv)
{
    int64_t listen_fd, ready_fd, parent;
    struct err err = {.text = ""};
    if (argc != 6 || !read_number(argv[1], &listen_fd) || !read_number(argv[2], &ready_fd) ||
        !read_number(argv[3], &parent)) {
        fputs(command->usage, argc == 2 && strcmp(argv[1], "--help") == 0 ? stdout : stderr);
        return argc == 2 && strcmp(argv[1], "--help") == 0 ? COMMAND_OK : COMMAND_USAGE;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != (pid_t)parent) // it has died already
        return COMMAND_UNAVAILABLE;
    signal(SIGPIPE, SIG_IGN); // of a client
    signal(SIGINT, SIG_IGN);  // a terminal's Ctrl-C is the supervisor's to handle
    signal(SIGHUP, SIG_IGN);
    struct server server = {.job = argv[5]};
    watch_open(&server.watch, argv[4]);
    step_back();
    int rc = serve((int)listen_fd, &server, &err);
    const char *word = rc < 0 ? err.text : "+";
    if (write((int)ready_fd, word, strlen(word)) < 0)
        errno = 0; // whoever started us again does not wait for it
    close((int)ready_fd);
    if (rc == 0)
        for (;;)
            pause(); // until the supervisor ends
    return COMMAND_UNAVAILABLE;
}

const struct command command_metrics_server = {
    .name = "metrics-server",
    .usage =
        "usage: weir metrics-server LISTEN_FD READY_FD PARENT FOLDER JOB\n\n"
        "Serves the metrics of a job over HTTP. weir run starts it when metrics.listen is set;\n"
        "it is not for people.\n\n"
        "example: in a job's config\n\n"
        "  metrics: {listen: 127.0.0.1:9090}\n",
    .run = metrics_server,
};
