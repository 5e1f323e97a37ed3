// checkpoint_export.c: `weir checkpoint export`: keyed state as JSON lines, bitmaps as Roaring
// files.
//
// A line is {"task":..,"operator":..,"window_start":..,"key":{..},"accumulators":{..}}; with
// --bitmaps also "bitmaps":{"uv":"task-0-1-uv.roaring"}, a file a group and distinct count. The
// numbers in a bitmap are those of the task's dictionary for that window: two groups of one task
// and window may be intersected, and a union over tasks means nothing.
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tools/checkpoint.h"

struct export
{
    const char *folder; // NULL: no bitmaps
    uint64_t groups;
    struct err *err;
};

// A name of a column as a part of a file's name.
static void plain_name(const char *name, char out[64])
{
    size_t n = 0;
    for (; *name && n < 63; name++)
        out[n++] = (char)(isalnum((unsigned char)*name) || *name == '_' ? *name : '-');
    out[n] = '\0';
}

static int write_bitmaps(struct export *e, int task, const struct arena *arena,
                         const struct state_group *group, struct buf *line)
{
    char name[160], plain[64], path[STORE_PATH_BYTES];
    int rc = 0;
    buf_append_str(line, ",\"bitmaps\":{");
    for (int i = 0; i < group->bitmap_count && rc == 0; i++) {
        bool is_64;
        plain_name(group->bitmaps[i].name, plain);
        snprintf(name, sizeof name, "task-%d-%" PRIu64 "-%s.roaring", task, e->groups, plain);
        if (snprintf(path, sizeof path, "%s/%s", e->folder, name) >= (int)sizeof path)
            return err_set(e->err, -ENAMETOOLONG, "the path of --bitmaps is too long");
        rc = roaring_file_write(arena, group->bitmaps[i].head, path, &is_64, e->err);
        buf_append_str(line, i ? "," : "");
        buf_append_json_string(line, slice_of(group->bitmaps[i].name));
        buf_printf(line, ":{\"file\":\"%s\",\"bits\":%d}", name, is_64 ? 64 : 32);
    }
    buf_append_char(line, '}');
    return rc;
}

static int export_group(void *context, int task, const struct arena *arena,
                        const struct state_group *group)
{
    struct export *e = context;
    struct buf line = {0};
    int rc = 0;
    e->groups++;
    buf_printf(&line, "{\"task\":%d,", task);
    buf_append(&line, group->json.ptr + 1, group->json.len - 2); // without its braces
    if (e->folder && group->bitmap_count)
        rc = write_bitmaps(e, task, arena, group, &line);
    buf_append_str(&line, "}\n");
    if (rc == 0 && fwrite(line.data, 1, line.len, stdout) != line.len)
        rc = err_set(e->err, -EIO, "stdout could not be written");
    buf_fini(&line);
    return rc;
}

static int make_folder(const char *folder, struct err *err)
{
    struct env *env = env_system();
    int rc = env->mkdir(env, folder, 0777);
    return rc < 0 && rc != -EEXIST
               ? err_set(err, rc, "cannot make the folder %s: %s", folder, strerror(-rc))
               : 0;
}

static int export_state(const struct checkpoint_args *args, const struct checkpoint_place *place,
                        struct err *err)
{
    struct pool pool = {0};
    struct manifest manifest;
    struct plan *plan = NULL;
    struct export e = {.folder = args->bitmaps, .err = err};
    const struct checkpoint_visitor visitor = {&e, export_group};
    int rc = checkpoint_read(args, place, &pool, &manifest, err);
    if (rc == 0)
        rc = checkpoint_plan(&manifest, &plan, err);
    if (rc == 0 && args->bitmaps)
        rc = make_folder(args->bitmaps, err);
    const struct checkpoint_view view = {&place->store, &manifest, plan};
    for (int t = 0; rc == 0 && t < manifest.task_count; t++)
        rc = checkpoint_visit(&view, t, &visitor, err);
    if (rc == 0)
        fprintf(stderr, "weir: %" PRIu64 " group%s of checkpoint %" PRIu64 "\n", e.groups,
                e.groups == 1 ? "" : "s", manifest.checkpoint);
    if (plan)
        plan_free(plan);
    pool_fini(&pool);
    return rc == 0 ? COMMAND_OK : rc == -EBADMSG ? COMMAND_FAILED : COMMAND_UNAVAILABLE;
}

const struct checkpoint_verb checkpoint_export = {
    .name = "export", .most_numbers = 1, .takes_bitmaps = true, .run = export_state};
