// shmem_pages.c: see shmem_pages.h.
#include "tools/shmem_pages.h"

#include <stdio.h>
#include <string.h>

void shmem_pages_chosen(char out[32])
{
    char line[256];
    out[0] = '\0';
    FILE *file = fopen(SHMEM_PAGES_FILE, "re");
    if (!file)
        return;
    if (fgets(line, sizeof line, file)) {
        const char *from = strchr(line, '['), *to = from ? strchr(from, ']') : NULL;
        if (to)
            snprintf(out, 32, "%.*s", (int)(to - from - 1), from + 1);
    }
    fclose(file);
}
