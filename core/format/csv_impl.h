// csv_impl.h: what the parts of the CSV reader share. Private to core/format.
//
//   csv.c       rows by RFC 4180 and Flink's options; what a bad row is
//   csv_walk.c  rows of plain fields over an index of the bytes, with AVX2
#ifndef WEIR_CORE_FORMAT_CSV_IMPL_H
#define WEIR_CORE_FORMAT_CSV_IMPL_H

#include "core/format/index.h"
#include "core/format/reader_impl.h"

struct csv_reader {
    struct reader_slot **by_position; // field_count of them; NULL: not needed
    struct scan_set plain_stops;      // what ends or changes an unquoted field
    struct index_set marks;
    struct scan_index index; // of the bytes of the current call
    uint32_t walk_rows;      // to try together (csv_walk.c)
};

// Read rows at run->p while they are of plain fields and in the reach of an index. Needs AVX2.
void csv_walk(struct reader *reader, struct reader_run *run);

#endif
