// fuzz_manifest.c: no bytes may crash the reader of manifests; what it believes can be written
// again and says the same; a path that it believes stays in the folder. Unless the first byte says
// no, the checksum is made right, so that what is behind it is reached.
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/base/check.h"
#include "core/snapshot/format.h"
#include "core/snapshot/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_paths(const struct manifest *manifest)
{
    for (int t = 0; t < manifest->task_count; t++) {
        const struct manifest_task *task = &manifest->tasks[t];
        CHECK(task->file_count > 0);
        CHECK(task->files[task->file_count - 1].checkpoint == manifest->checkpoint);
        for (int f = 0; f < task->file_count; f++)
            CHECK(task->files[f].path[0] != '/' && !strstr(task->files[f].path, "/."));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf text = {0}, first = {0}, second = {0};
    struct pool pool = {0};
    struct manifest manifest, again;
    struct err err = {.text = ""};
    if (size == 0)
        return 0;
    buf_append(&text, data + 1, size - 1);
    if (data[0] != 'n')
        buf_printf(&text, ",\n  \"crc32c\": \"%08x\"\n}\n", snapshot_crc(0, text.data, text.len));
    if (manifest_read(buf_slice(&text), &pool, &manifest, &err) < 0) {
        CHECK(err.text[0]);
    } else {
        check_paths(&manifest);
        manifest_write(&manifest, &first);
        CHECK(manifest_read(buf_slice(&first), &pool, &again, &err) == 0);
        manifest_write(&again, &second);
        CHECK(slice_equal(buf_slice(&first), buf_slice(&second)));
    }
    buf_fini(&text);
    buf_fini(&first);
    buf_fini(&second);
    pool_fini(&pool);
    return 0;
}
