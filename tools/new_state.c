// new_state.c: see new_state.h.
#include "tools/new_state.h"

#include <errno.h>
#include <inttypes.h>

#include "tools/checkpoint.h"

int new_state_make(const struct store *store, const struct manifest *manifest, char *dir,
                   struct err *err)
{
    struct plan *plan = NULL;
    store_new_state_path(store, dir);
    int rc = store_remove_new_state(store, err); // of a run that was killed before it used it
    if (rc == 0)
        rc = checkpoint_plan(manifest, &plan, err);
    const struct savepoint_origin origin = {store, manifest, plan};
    if (rc == 0)
        rc = savepoint_write(&origin, dir, err);
    if (plan)
        plan_free(plan);
    return rc == -EBUSY ? err_append(err, rc,
                                     "; checkpoint %" PRIu64 " cannot be taken, try --from "
                                     "an older one (weir checkpoint list)",
                                     manifest->checkpoint)
                        : rc;
}

int new_state_match(const struct manifest *savepoint, const struct plan *plan,
                    struct new_state *out, struct err *err)
{
    const struct plan_settings settings = {
        .file_name = "the savepoint's script",
        .sql = slice_of(savepoint->sql),
        .cores = savepoint->cores > 0 ? savepoint->cores : 1,
    };
    *out = (struct new_state){.old = NULL};
    int rc = plan_make(&settings, &out->old, err);
    if (rc < 0)
        return rc;
    if (plan_logical_fingerprint(out->old) != savepoint->fingerprint)
        return err_set(err, -ESTALE,
                       "it was made by weir %s, whose plan of the script was another one than this "
                       "program's: use that version",
                       savepoint->version);
    savepoint_match_make(out->old, plan, &out->match, &out->text);
    return 0;
}

void new_state_free(struct new_state *state)
{
    savepoint_match_free(&state->match);
    buf_fini(&state->text);
    if (state->old)
        plan_free(state->old);
    state->old = NULL;
}
