// cost.h: what a byte and a frame cost, by how far apart producer and consumer are.
//
// A frame costs the hand-over of its words (tail, head) and its first line, one after the other:
// three transfers of a cache line. A byte costs its share of a line that the consumer fetches,
// four lines at a time in flight (the prefetcher's work). Between tasks of one unit a frame costs
// two switches of context instead. With L the latency of one line from core to core:
//
//   class                        L        frame     byte     source of L
//   same unit                    -        3000 ns   0.02 ns  two switches of 1.5 us, assumed
//   SMT siblings                 8 ns     24 ns     0.03 ns  Molka 2015: L1 hit and probe
//   same L2 (E-core cluster)     15 ns    45 ns     0.06 ns  Gracemont's L2: 15-20 ns
//   same L3                      25 ns    75 ns     0.10 ns  Zen 3: 18-30 ns
//   same node, other L3          100 ns   300 ns    0.39 ns  Zen 2/3: 80-110 ns
//   same package, other node     120 ns   360 ns    0.47 ns  NPS4, SNC: 110-130 ns
//   other package                200 ns   600 ns    0.78 ns  SLIT 21 to 32: 140-250 ns
//
// A byte costs L / 4 / 64. None of it is measured here: `weir bench ring` on the two cores of an
// EPYC VM bounces a line in 103 ns there and back (52 a way) while the host keeps both in one L3,
// and in 330 ns while it does not.
//
// Sources: D. Molka et al., "Cache Coherence Protocol and Memory Performance of the Intel
// Haswell-EP Architecture" (ICPP 2015); the core-to-core tables that AnandTech and Chips and
// Cheese measured on Zen 2/3, Ice Lake-SP and Alder Lake.
// Only ratios matter to the solver. Where the machine gives a matrix of distances, the last two
// classes are scaled by it: 12 and 21 are what the table stands for, at most three times.
#ifndef WEIR_STAGES_PLACEMENT_COST_H
#define WEIR_STAGES_PLACEMENT_COST_H

#include "stages/placement/machine.h"

enum place_class {
    PLACE_SAME_UNIT,
    PLACE_SMT,
    PLACE_L2,
    PLACE_L3,
    PLACE_NODE,    // another L3 of the same node
    PLACE_PACKAGE, // another node of the same package
    PLACE_REMOTE,  // another package
    PLACE_CLASS_COUNT,
};

struct place_price {
    int64_t byte_ps, frame_ps; // picoseconds
};

// Costs of a unit itself, in picoseconds a second of the whole machine's time.
enum {
    PLACE_IRQ_PS = 2000000,       // an interrupt: its handler, and the lines that it throws out
    PLACE_SMT_PERCENT = 40,       // of the smaller share: what two siblings take from each other
    PLACE_EFFICIENT_PERCENT = 67, // more time on an E-core (about 0.6 of the speed)
    PLACE_MEMORY_PERCENT = 30,    // of a task's time is spent on memory, where that is local
    PLACE_DEVICE_BYTE_PS = 50,    // a byte of a device of another node, at SLIT 21
};

enum place_class cost_class(const struct machine *machine, int a, int b); // indices of units
const char *cost_class_name(enum place_class class);                      // "same L3"

struct place_price cost_price(const struct machine *machine, int a, int b);

// What a class costs where the machine gives no distances.
struct place_price cost_base(enum place_class class);

// More time for memory on the unit, in percent of a task's time: its node has none of its own.
int64_t cost_memory_percent(const struct machine *machine, int unit);

#endif
