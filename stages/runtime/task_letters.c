// task_letters.c: where a task's bad rows go: a file of the folder of dead letters, or the table
// that the script names (SET 'dead-letter.table'), which is an operator that gets no rows.
//
// Both belong to the transaction that found the row. The operator is opened with the first letter:
// a job without bad rows needs no connection for them. Whether there has been one is in the arena;
// when the transaction that opened it is undone, it is closed again, for its state is gone too.
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "stages/runtime/folder.h"
#include "stages/runtime/task_internal.h"

// --- a file ---

static int open_file(struct task *task)
{
    struct task_letters *l = &task->letters;
    const char *folder = task->job.options.dead_letter_dir;
    if (l->is_open)
        return 0;
    int rc = folder_make(folder, &task->err);
    if (rc < 0)
        return err_prefix(&task->err, rc, "dead letters");
    const struct txfile_place place = {task->env, task->arena, l->at, l->path};
    rc = txfile_open(&l->file, &place, &task->err);
    l->is_open = rc == 0;
    if (rc == 0 &&
        *task->job.options.checkpoint_dir) // once a process; a snapshot may count on the file
        rc = task->env->sync_dir(task->env, folder);
    return rc < 0 && l->is_open
               ? err_set(&task->err, rc, "cannot make %s durable: %s", folder, strerror(-rc))
               : rc;
}

static int find_file(struct task *task, bool is_first)
{
    struct task_letters *l = &task->letters;
    struct stat st;
    snprintf(l->path, sizeof l->path, "%s/dead-%d.jsonl", task->job.options.dead_letter_dir,
             task->index);
    if (stat(l->path, &st) < 0)
        return errno == ENOENT
                   ? 0
                   : err_set(&task->err, -errno, "cannot read %s: %s", l->path, strerror(errno));
    if (!is_first)
        return open_file(task); // cuts off what a dead process had not committed
    arena_store8(task->arena, l->at, (uint64_t)st.st_size);
    return 0;
}

static void append(struct buf *out, const struct dead_letter *letter)
{
    buf_append_str(out, "{\"reason\":");
    buf_append_json_string(out, slice_of(letter->reason));
    buf_append_str(out, ",\"source\":");
    buf_append_json_string(out, slice_of(letter->source));
    if (letter->position == BAD_ROW_NOWHERE)
        buf_append_str(out, ",\"offset\":null,\"row\":");
    else
        buf_printf(out, ",\"offset\":%llu,\"row\":", (unsigned long long)letter->position);
    buf_append_json_string(out, letter->text);
    buf_append_str(out, "}\n");
}

static int put_into_file(struct task *task, const struct dead_letter *letter)
{
    struct task_letters *l = &task->letters;
    int rc = open_file(task);
    if (rc < 0)
        return rc;
    append(txfile_buffer(&l->file), letter);
    rc = txfile_appended(&l->file);
    return rc < 0 ? err_set(&task->err, rc, "cannot write %s: %s", l->path, strerror(-rc)) : 0;
}

// --- a table ---

static int open_table(struct task *task)
{
    struct task_letters *l = &task->letters;
    struct op_context context = task_op_context(task);
    if (l->op)
        return 0;
    l->table_op = (struct op){.kind = OP_SINK,
                              .output = task->job.plan->letters->physical,
                              .table = (struct plan_table *)(uintptr_t)task->job.plan->letters};
    context.op = &l->table_op;
    int rc = chain_letters_class(task->job.plan->letters)->open(&context, &l->op, &task->err);
    if (rc < 0)
        return err_prefix(&task->err, rc, "dead letters");
    chain_add(&task->chain, l->op);
    l->is_new = !*(const uint64_t *)arena_at(task->arena, l->at);
    if (l->is_new)
        arena_store8(task->arena, l->at, 1);
    return 0;
}

static int put_into_table(struct task *task, const struct dead_letter *letter)
{
    int rc = open_table(task);
    if (rc == 0)
        rc = task->letters.op->class->put_letter(task->letters.op, letter);
    return rc < 0 && !task->err.text[0]
               ? err_set(&task->err, rc, "cannot keep a dead letter: %s", strerror(-rc))
               : rc;
}

// --- both ---

int task_find_letters(struct task *task, bool is_first)
{
    const bool has_table = task->job.plan->letters != NULL;
    const uint32_t root = has_table ? LETTERS_TABLE_ROOT : DEAD_LETTER_ROOT;
    int rc = arena_root(task->arena, root, 8, &task->letters.at);
    if (rc < 0)
        return err_set(&task->err, rc, "no room in the task's memory; set memory.state higher");
    return has_table ? 0 : find_file(task, is_first);
}

int task_begin_letters(struct task *task)
{
    bool has_some =
        task->job.plan->letters && *(const uint64_t *)arena_at(task->arena, task->letters.at);
    return has_some ? open_table(task) : 0;
}

int task_put_letter(struct task *task, const struct dead_letter *letter)
{
    return task->job.plan->letters ? put_into_table(task, letter) : put_into_file(task, letter);
}

// A full disk is not a full arena: the two must not be told alike.
int task_letters_before_commit(struct task *task)
{
    struct task_letters *l = &task->letters;
    int rc = l->is_open ? txfile_before_commit(&l->file) : 0;
    if (rc < 0) {
        err_set(&task->err, rc, "cannot write dead letters to %s: %s", l->path, strerror(-rc));
        task->must_fail = true;
    }
    return rc;
}

void task_letters_committed(struct task *task)
{
    task->letters.is_new = false;
}

void task_letters_reset(struct task *task)
{
    struct task_letters *l = &task->letters;
    if (l->is_open)
        txfile_reset(&l->file);
    if (!l->op || !l->is_new)
        return;
    chain_remove_last(&task->chain);
    l->op = NULL;
    l->is_new = false;
}

void task_letters_close(struct task *task)
{
    if (task->letters.is_open)
        txfile_close(&task->letters.file);
}
