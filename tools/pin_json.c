// pin_json.c: a proposal as one JSON object.
#include <jansson.h>
#include <stdlib.h>

#include "core/base/check.h"
#include "stages/runtime/job.h"
#include "tools/pin.h"

static json_t *text_of(struct buf *text)
{
    json_t *string = json_string(buf_str(text));
    buf_fini(text);
    return string;
}

static json_t *machine_json(const struct pin *pin)
{
    const struct machine *m = pin->machine;
    int cores, units = machine_usable(m, &cores);
    return json_pack("{ss sb si si si si si si si}", "name", m->name, "is_this_host",
                     m->is_this_host, "packages", m->package_count, "nodes", m->node_count,
                     "l3_groups", m->l3_count, "cores", m->core_count, "threads", m->pu_count,
                     "usable_cores", cores, "usable_threads", units);
}

// What the tasks could have been placed on: an independent program can check the choice.
static json_t *units_json(const struct pin *pin)
{
    json_t *all = json_array();
    for (int i = 0; i < pin->machine->pu_count; i++) {
        const struct machine_pu *pu = &pin->machine->pus[i];
        json_array_append_new(all,
                              json_pack("{si si si si si si sb sb sb sb sI}", "core", pu->os,
                                        "physical", pu->core, "l2", pu->l2, "l3", pu->l3, "node",
                                        pin->machine->nodes[pu->node].os, "package", pu->package,
                                        "allowed", pu->is_allowed, "efficient", pu->is_efficient,
                                        "isolated", pu->is_isolated, "nohz_full", pu->is_nohz_full,
                                        "irqs_per_s", (json_int_t)pu->irqs_per_s));
    }
    return all;
}

static json_t *tasks_json(const struct pin *pin)
{
    json_t *all = json_array();
    for (int t = 0; t < pin->plan->task_count; t++) {
        const struct traffic_task *task = &pin->traffic.tasks[t];
        char name[JOB_NAME_BYTES];
        struct buf why = {.data = NULL};
        job_task_name(pin->plan, t, name);
        pin_why(pin, t, &why);
        json_t *one =
            json_pack("{si ss si si si sf sb so}", "task", t, "name", name, "stage", task->stage,
                      "core", pin_core(pin, t), "memory_node", pin_memory_node(pin, t), "share",
                      (double)task->share / 1e6, "is_light", task->is_light, "why", text_of(&why));
        if (pin->device_node[t] >= 0) {
            json_object_set_new(one, "device", json_string(pin->device[t]));
            json_object_set_new(one, "device_node",
                                json_integer(pin->machine->nodes[pin->device_node[t]].os));
        }
        json_array_append_new(all, one);
    }
    return all;
}

static json_t *channels_json(const struct pin *pin)
{
    json_t *all = json_array();
    for (int c = 0; c < pin->traffic.channel_count; c++) {
        const struct traffic_channel *channel = &pin->traffic.channels[c];
        json_array_append_new(all, json_pack("{si si si sI sI ss sf ss sf}", "from", channel->from,
                                             "to", channel->to, "exchange", channel->exchange,
                                             "bytes_s", (json_int_t)channel->bytes_s, "frames_s",
                                             (json_int_t)channel->frames_s, "now",
                                             pin_before_class(pin, c), "now_ns_s",
                                             (double)pin_before_ps(pin, c) / 1000, "proposed",
                                             pin_after_class(pin, c), "proposed_ns_s",
                                             (double)pin_after_ps(pin, c) / 1000));
    }
    return all;
}

static json_t *housekeeping_json(const struct pin *pin)
{
    json_t *cores = json_array();
    struct buf why = {.data = NULL};
    for (int i = 0; i < pin->housekeeping_count; i++)
        json_array_append_new(cores, json_integer(pin->machine->pus[pin->housekeeping[i]].os));
    pin_why_housekeeping(pin, &why);
    return json_pack("{so so}", "cores", cores, "why", text_of(&why));
}

static json_t *placement_json(const struct pin *pin)
{
    struct buf tasks = {.data = NULL}, house = {.data = NULL};
    pin_tasks_value(pin, &tasks);
    pin_housekeeping_value(pin, &house);
    return json_pack("{si so so}", "cores", pin->cores, "tasks", text_of(&tasks), "housekeeping",
                     text_of(&house));
}

// Latencies are null where there were no markers.
static json_t *traffic_json(const struct traffic *traffic)
{
    return json_pack("{sb sf sI so so}", "is_observed", traffic->is_observed, "seconds",
                     traffic->seconds, "rows_in_s", (json_int_t)traffic->rows_in_s, "p50_ns",
                     traffic->markers ? json_integer(traffic->p50_ns) : json_null(), "p9999_ns",
                     traffic->markers ? json_integer(traffic->p9999_ns) : json_null());
}

static json_t *applied_json(const struct pin *pin)
{
    json_t *tasks = json_array();
    for (int t = 0; t < pin->plan->task_count; t++) {
        const struct pin_applied *a = &pin->applied[t];
        json_array_append_new(tasks,
                              json_pack("{si si si si sI sI ss}", "core_before", a->cpu_before,
                                        "core", a->cpu, "node_before", a->node_before, "node",
                                        a->node, "bytes_moved", (json_int_t)a->bytes_moved,
                                        "bytes_left", (json_int_t)a->bytes_left, "why", a->why));
    }
    return json_pack("{so so so}", "tasks", tasks, "before", traffic_json(&pin->traffic), "after",
                     pin->after.task_count ? traffic_json(&pin->after) : json_null());
}

void pin_print_json(const struct pin *pin, struct buf *out)
{
    static const char *const befores[] = {[PIN_BEFORE_KERNEL] = "kernel",
                                          [PIN_BEFORE_CONFIG] = "config",
                                          [PIN_BEFORE_OBSERVED] = "observed"};
    json_t *all = json_pack(
        "{ss so so so so so so so ss sb sI sI}", "job", pin->load.config->job, "machine",
        machine_json(pin), "traffic", traffic_json(&pin->traffic), "tasks", tasks_json(pin),
        "channels", channels_json(pin), "housekeeping", housekeeping_json(pin), "placement",
        placement_json(pin), "units", units_json(pin), "before", befores[pin->before], "is_proved",
        pin->result.is_exact, "rules_broken", (json_int_t)pin->result.score.rules, "cost_ns_s",
        (json_int_t)(pin->result.score.cost_ps / 1000));
    if (all && pin->applied)
        json_object_set_new(all, "applied", applied_json(pin));
    char *text = all ? json_dumps(all, JSON_COMPACT) : NULL;
    CHECK(text);
    buf_printf(out, "%s\n", text);
    free(text);
    json_decref(all);
}
