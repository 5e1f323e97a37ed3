// uv_data.c: the person events of the UV benchmark as text, from a seed.
//
// usage: uv_data json|csv ROWS DEVICES DIMENSIONS DISORDER_MS SEED > file
// The rows are those of uv_rows.h. The same arguments give the same bytes.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/uv_rows.h"

int main(int argc, char **argv)
{
    if (argc != 7 || (strcmp(argv[1], "json") != 0 && strcmp(argv[1], "csv") != 0)) {
        fprintf(stderr, "usage: uv_data json|csv ROWS DEVICES DIMENSIONS DISORDER_MS SEED\n");
        return 64;
    }
    const char *format = argv[1][0] == 'j'
                             ? "{\"id\":\"d%07" PRIu64 "\",\"dimension\":\"dim-%02" PRIu64
                               "\",\"eventTime\":\"2024-01-01 %02u:%02u:%02u.%03u\"}\n"
                             : "d%07" PRIu64 ",dim-%02" PRIu64 ",2024-01-01 %02u:%02u:%02u.%03u\n";
    struct uv_rows rows = {.rows = strtoull(argv[2], NULL, 10),
                           .devices = strtoull(argv[3], NULL, 10),
                           .dimensions = strtoull(argv[4], NULL, 10),
                           .disorder_ms = strtoull(argv[5], NULL, 10),
                           .seed = strtoull(argv[6], NULL, 10)};
    if (!rows.rows || !rows.devices || !rows.dimensions)
        return 64;
    for (uint64_t i = 0; i < rows.rows; i++) {
        struct uv_row row = uv_rows_next(&rows);
        uint32_t ms = row.ms;
        printf(format, row.device, row.dimension, ms / 3600000, ms / 60000 % 60, ms / 1000 % 60,
               ms % 1000);
    }
    return ferror(stdout) || fflush(stdout) ? 1 : 0;
}
