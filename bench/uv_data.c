// uv_data.c: the person events of the UV benchmark, from a seed.
//
// usage: uv_data json|csv ROWS DEVICES DIMENSIONS DISORDER_MS SEED > file
// Event time runs evenly through one day; each row is set back by up to DISORDER_MS. Dimensions are
// skewed (the cube of a uniform draw), devices uniform. The same arguments give the same bytes.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DAY_MS = 86400000 };

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u; // splitmix64
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static uint64_t skewed(uint64_t draw, uint64_t limit)
{
    double u = (double)(draw >> 11) / 9007199254740992.0;
    return (uint64_t)(u * u * u * (double)limit);
}

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
    uint64_t rows = strtoull(argv[2], NULL, 10);
    uint64_t devices = strtoull(argv[3], NULL, 10);
    uint64_t dimensions = strtoull(argv[4], NULL, 10);
    uint64_t disorder = strtoull(argv[5], NULL, 10);
    uint64_t seed = strtoull(argv[6], NULL, 10);
    if (!rows || !devices || !dimensions)
        return 64;
    for (uint64_t i = 0; i < rows; i++) {
        uint64_t at = i * DAY_MS / rows;
        uint64_t back = disorder ? next_random(&seed) % (disorder + 1) : 0;
        uint32_t ms = (uint32_t)(at > back ? at - back : 0);
        uint64_t device = next_random(&seed) % devices;
        uint64_t dimension = skewed(next_random(&seed), dimensions);
        printf(format, device, dimension, ms / 3600000, ms / 60000 % 60, ms / 1000 % 60, ms % 1000);
    }
    return ferror(stdout) || fflush(stdout) ? 1 : 0;
}
