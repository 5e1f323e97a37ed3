// producer_strays.c: what subtasks of an earlier, larger parallelism have left open.
//
// Whoever used an id that nobody uses any more may have been killed amid a transaction: readers
// wait for its end until its timeout. Each of them has left its mark, so the consumer groups of the
// cluster say which ids there were: those of our prefix whose number is beyond our subtasks. Each
// is fenced as the id's next user would do it, which ends what is open.
//
// It is done by the thread when nothing else is asked, one id at a time, so that rows of this job
// wait for one at most.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "stages/kafka/producer_internal.h"

enum {
    LIST_TIMEOUT_MS = 5000,
    LIST_SLICE_MS = 200,
    FENCE_TIMEOUT_MS = 5000, // of one id
    FENCE_SLICE_MS = 200,
    STRAYS_MAX = 1024,
    DIGITS_MAX = 6,
};

static void give_up(struct producer_strays *s, const char *what, const char *why)
{
    snprintf(
        s->text, sizeof s->text,
        "what tasks of an earlier run, of a larger parallelism, may have left open is ended by "
        "its timeout only: %.200s: %.500s",
        what, why);
    s->count = s->next; // nothing more
}

// Is it an id of our prefix that no subtask has now?
static bool is_stray(const struct producer *p, const char *group)
{
    const char *prefix = p->spec.table->transactional_id_prefix;
    size_t prefix_bytes = strlen(prefix);
    if (strncmp(group, prefix, prefix_bytes) != 0 || group[prefix_bytes] != '-')
        return false;
    const char *digits = group + prefix_bytes + 1;
    size_t count = strspn(digits, "0123456789");
    if (count == 0 || count > DIGITS_MAX || digits[count] || (digits[0] == '0' && count > 1))
        return false;
    return strtol(digits, NULL, 10) >= p->spec.subtasks;
}

static void take_groups(struct producer *p, const rd_kafka_ListConsumerGroups_result_t *listed)
{
    struct producer_strays *s = &p->strays;
    size_t count = 0, errors = 0;
    const rd_kafka_ConsumerGroupListing_t **groups =
        rd_kafka_ListConsumerGroups_result_valid(listed, &count);
    const rd_kafka_error_t **failed = rd_kafka_ListConsumerGroups_result_errors(listed, &errors);
    s->ids = calloc(STRAYS_MAX, sizeof *s->ids);
    CHECK(s->ids);
    for (size_t i = 0; i < count && s->count < STRAYS_MAX; i++) {
        const char *group = rd_kafka_ConsumerGroupListing_group_id(groups[i]);
        if (!is_stray(p, group))
            continue;
        s->ids[s->count] = strdup(group);
        CHECK(s->ids[s->count]);
        s->count++;
    }
    if (errors) // of one broker of several: the others' are ended
        snprintf(s->text, sizeof s->text,
                 "not every broker has told its consumer groups, so transactions of a larger "
                 "parallelism may stay open until their timeout: %.500s",
                 rd_kafka_error_string(failed[0]));
}

static rd_kafka_event_t *await_groups(struct producer *p, rd_kafka_queue_t *queue)
{
    rd_kafka_event_t *event = NULL;
    for (int waited_ms = 0; !event && waited_ms < LIST_TIMEOUT_MS + 1000 && !producer_must_end(p);
         waited_ms += LIST_SLICE_MS)
        event = rd_kafka_queue_poll(queue, LIST_SLICE_MS);
    return event;
}

static void list_strays(struct producer *p)
{
    char text[256];
    rd_kafka_t *rk = p->now.rk;
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    rd_kafka_AdminOptions_t *options =
        rd_kafka_AdminOptions_new(rk, RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPS);
    CHECK(queue && options);
    rd_kafka_AdminOptions_set_request_timeout(options, LIST_TIMEOUT_MS, text, sizeof text);
    rd_kafka_ListConsumerGroups(rk, options, queue);
    rd_kafka_event_t *event = await_groups(p, queue);
    p->strays.is_listed = true;
    if (!event)
        give_up(&p->strays, "consumer groups of the cluster", "no answer");
    else if (rd_kafka_event_error(event))
        give_up(&p->strays, "consumer groups of the cluster", rd_kafka_event_error_string(event));
    else
        take_groups(p, rd_kafka_event_ListConsumerGroups_result(event));
    if (event)
        rd_kafka_event_destroy(event);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_queue_destroy(queue);
}

// As the id's next user would do it. NULL: done; else why not, owned by the caller.
static rd_kafka_error_t *init_as(struct producer *p, rd_kafka_t *rk)
{
    rd_kafka_error_t *error = NULL;
    for (int waited_ms = 0; waited_ms < FENCE_TIMEOUT_MS; waited_ms += FENCE_SLICE_MS) {
        rd_kafka_error_destroy(error);
        error = rd_kafka_init_transactions(rk, FENCE_SLICE_MS);
        if (!error || !rd_kafka_error_is_retriable(error) || producer_must_end(p))
            break;
    }
    return error;
}

static void fence(struct producer *p, const char *id)
{
    struct kafka_client *client;
    struct err err;
    char timeout[32];
    snprintf(timeout, sizeof timeout, "%" PRId64, p->spec.transaction_timeout_ms);
    const struct kafka_setting own[] = {{"enable.idempotence", "true"},
                                        {"transactional.id", id},
                                        {"transaction.timeout.ms", timeout},
                                        {"socket.timeout.ms", "5000"}};
    const struct kafka_client_spec spec = {.table = p->spec.table,
                                           .role = KAFKA_PRODUCER,
                                           .job_name = p->spec.job_name,
                                           .subtask = p->spec.subtask,
                                           .own = own,
                                           .own_count = (int)ARRAY_SIZE(own)};
    if (kafka_client_create(&spec, &client, &err) < 0) {
        give_up(&p->strays, id, err.text);
        return;
    }
    rd_kafka_error_t *error = init_as(p, kafka_client_handle(client));
    if (error)
        give_up(&p->strays, id, rd_kafka_error_string(error));
    rd_kafka_error_destroy(error);
    kafka_client_destroy(client);
}

bool strays_step(struct producer *p)
{
    struct producer_strays *s = &p->strays;
    if (!s->is_listed)
        list_strays(p);
    else if (s->next < s->count)
        fence(p, s->ids[s->next++]);
    return s->next == s->count;
}

void strays_free(struct producer *p)
{
    for (int i = 0; p->strays.ids && i < STRAYS_MAX; i++)
        free(p->strays.ids[i]);
    free(p->strays.ids);
    p->strays.ids = NULL;
}
