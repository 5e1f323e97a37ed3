// machine.c: see machine.h.
#include "stages/placement/machine.h"

#include <stdlib.h>

void machine_free(struct machine *machine)
{
    if (!machine)
        return;
    free(machine->pus);
    free(machine->nodes);
    free(machine->distances);
    free(machine->devices);
    free(machine);
}

int machine_find(const struct machine *machine, int os)
{
    for (int i = 0; i < machine->pu_count; i++)
        if (machine->pus[i].os == os)
            return i;
    return -1;
}

int machine_usable(const struct machine *machine, int *cores)
{
    int units = 0, last = -1;
    *cores = 0;
    for (int i = 0; i < machine->pu_count; i++) {
        if (!machine->pus[i].is_allowed)
            continue;
        units++;
        *cores += machine->pus[i].core != last;
        last = machine->pus[i].core;
    }
    return units;
}
