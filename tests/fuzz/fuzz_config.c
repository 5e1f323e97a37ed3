// fuzz_config.c: no text may crash the config reader, and each refusal has words and names the
// file.
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/base/check.h"
#include "tools/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config *config = NULL;
    struct err err = {.text = ""};
    if (config_parse("x.yaml", slice_make(data, size), &config, &err)) {
        CHECK(strncmp(err.text, "x.yaml", 6) == 0);
        return 0;
    }
    CHECK(config->job[0] && config->sql[0] && config->memory.ring_bytes > 0);
    config_free(config);
    return 0;
}
