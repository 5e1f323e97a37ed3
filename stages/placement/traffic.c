// traffic.c: the model of a plan's traffic; see traffic.h.
#include "stages/placement/traffic.h"

#include <stdlib.h>

#include "core/base/check.h"
#include "stages/runtime/job.h"

enum {
    PART_NS = 400,        // work of a source on one row
    RESULT_ROWS = 100,    // of so many rows one result
    FRAME_ROWS = 1024,    // a full batch
    FRAMES_S_MIN = 10,    // a quiet channel has its watermarks
    TEXT_BYTES = 16,      // of a VARCHAR on the way, on average
    FILE_BYTES_FACTOR = 3 // text in a file to columns in a ring
};

int traffic_next_stage(const struct plan *plan, int stage)
{
    int exchange = plan->stages[stage].output_exchange;
    return exchange < 0 ? -1 : plan->exchanges[exchange].to_stage;
}

// --- which tasks, which channels ---

static const struct op *window_of(const struct stage *stage)
{
    for (int i = 0; i < stage->op_count; i++)
        if (stage->ops[i]->kind == OP_WINDOW)
            return stage->ops[i];
    return NULL;
}

// Does the stage handle results and partial results only, never rows of a source?
static bool is_light(const struct plan *plan, int stage)
{
    for (int hops = 0; hops < plan->stage_count; hops++) {
        const struct stage *s = &plan->stages[stage];
        if (s->input_exchange < 0)
            return false;
        stage = plan->exchanges[s->input_exchange].from_stage;
        if (window_of(&plan->stages[stage]))
            return true;
    }
    return false;
}

static void fill_channels(const struct plan *plan, struct traffic *out)
{
    for (int e = 0; e < plan->exchange_count; e++) {
        const struct exchange *exchange = &plan->exchanges[e];
        const struct stage *from = &plan->stages[exchange->from_stage];
        const struct stage *to = &plan->stages[exchange->to_stage];
        for (int i = 0; i < from->parallelism * to->parallelism; i++) {
            int a = i / to->parallelism, b = i % to->parallelism;
            if (!job_has_channel(plan, e, a, b))
                continue;
            if (out->channels)
                out->channels[out->channel_count] = (struct traffic_channel){
                    .from = from->first_task + a, .to = to->first_task + b, .exchange = e};
            out->channel_count++;
        }
    }
}

void traffic_init(const struct plan *plan, struct traffic *out)
{
    *out = (struct traffic){.task_count = plan->task_count};
    fill_channels(plan, out); // counts them
    out->tasks = calloc((size_t)plan->task_count + 1, sizeof *out->tasks);
    out->channels = calloc((size_t)out->channel_count + 1, sizeof *out->channels);
    CHECK(out->tasks && out->channels);
    out->channel_count = 0;
    fill_channels(plan, out);
    for (int s = 0; s < plan->stage_count; s++)
        for (int i = 0; i < plan->stages[s].parallelism; i++)
            out->tasks[plan->stages[s].first_task + i] =
                (struct traffic_task){.is_light = is_light(plan, s), .stage = s, .cpu = -1};
}

void traffic_fini(struct traffic *traffic)
{
    free(traffic->tasks);
    free(traffic->channels);
    *traffic = (struct traffic){.tasks = NULL};
}

// --- how much ---

static int64_t row_bytes(const struct schema *schema)
{
    int64_t bytes = 1;
    for (int i = 0; i < schema->field_count; i++) {
        enum type_kind kind = schema->fields[i].type.kind;
        bytes += kind == TYPE_STRING ? TEXT_BYTES : kind == TYPE_BOOLEAN ? 1 : 8;
    }
    return bytes;
}

// Of each stage: the rows that come in for each thousand rows of the job's sources, and the work
// that one task has with them, in half parts a thousand rows.
struct flow {
    int64_t rows_in, rows_out;
    int64_t work;
};

static void flow_through(const struct plan *plan, int stage, struct flow *flows)
{
    const struct stage *s = &plan->stages[stage];
    struct flow *flow = &flows[stage];
    bool is_source = s->input_exchange < 0;
    flow->rows_in = is_source ? 1000 : 0;
    for (int e = 0; e < plan->exchange_count; e++)
        if (plan->exchanges[e].to_stage == stage)
            flow->rows_in += flows[plan->exchanges[e].from_stage].rows_out;
    const struct op *window = window_of(s);
    int64_t halves = is_source ? 2 : 0;
    halves += window ? (is_source ? 2 : 4) : is_source ? 0 : 1;
    flow->work = flow->rows_in * halves / s->parallelism;
    flow->rows_out = flow->rows_in;
    if (window && window->window.phase != WINDOW_FINAL)
        flow->rows_out = (flow->rows_in + RESULT_ROWS - 1) / RESULT_ROWS;
}

static struct flow *flows_of(const struct plan *plan)
{
    struct flow *flows = calloc((size_t)plan->stage_count, sizeof *flows);
    CHECK(flows);
    for (int pass = 0; pass < plan->stage_count; pass++) // no way is longer than that
        for (int s = 0; s < plan->stage_count; s++)
            flow_through(plan, s, flows);
    return flows;
}

static void set_tasks(const struct plan *plan, const struct flow *flows, int64_t thousands_s,
                      struct traffic *out)
{
    int64_t most = 1;
    for (int s = 0; s < plan->stage_count; s++)
        most = flows[s].work > most ? flows[s].work : most;
    for (int t = 0; t < out->task_count; t++) {
        struct traffic_task *task = &out->tasks[t];
        const struct stage *stage = &plan->stages[task->stage];
        task->share = flows[task->stage].work * TRAFFIC_WHOLE_CORE / most;
        if (stage->input_exchange < 0)
            task->source_bytes_s = thousands_s * 1000 * FILE_BYTES_FACTOR *
                                   row_bytes(&stage->ops[0]->output) / stage->parallelism;
    }
}

static void set_channels(const struct plan *plan, const struct flow *flows, int64_t thousands_s,
                         struct traffic *out)
{
    for (int c = 0; c < out->channel_count; c++) {
        struct traffic_channel *channel = &out->channels[c];
        const struct exchange *exchange = &plan->exchanges[channel->exchange];
        const struct stage *from = &plan->stages[exchange->from_stage];
        int64_t ways =
            exchange->kind == EXCHANGE_FORWARD
                ? from->parallelism
                : (int64_t)from->parallelism * plan->stages[exchange->to_stage].parallelism;
        int64_t rows_s = flows[exchange->from_stage].rows_out * thousands_s / ways;
        channel->bytes_s = rows_s * row_bytes(&from->ops[from->op_count - 1]->output);
        channel->frames_s = rows_s / FRAME_ROWS + FRAMES_S_MIN;
    }
}

void traffic_model(const struct plan *plan, struct traffic *out)
{
    traffic_init(plan, out);
    struct flow *flows = flows_of(plan);
    int64_t most = 1;
    for (int s = 0; s < plan->stage_count; s++)
        most = flows[s].work > most ? flows[s].work : most;
    // Half parts a second that one core has, by those that a thousand rows cost the busiest task.
    int64_t thousands_s = INT64_C(1000000000) / (PART_NS / 2) / most;
    thousands_s = thousands_s ? thousands_s : 1;
    set_tasks(plan, flows, thousands_s, out);
    set_channels(plan, flows, thousands_s, out);
    out->rows_in_s = thousands_s * 1000;
    free(flows);
}
