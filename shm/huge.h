// huge.h: does a folder's file system give its files huge pages (2 MiB on x86-64)? A tmpfs does
// that is mounted with huge=within_size or huge=always, whatever shmem_enabled says but for `deny`.
//
// A huge page that is used in part is had whole, so memory must be counted in whole ones.
#ifndef WEIR_SHM_HUGE_H
#define WEIR_SHM_HUGE_H

#include <stdint.h>
#include <sys/stat.h>

struct huge {
    uint64_t page_bytes; // 0: small pages only
    uint64_t from_bytes; // files that are shorter have small pages; 0: none is too short
};

// Ask the kernel, with a file without a name. All zero also where the folder cannot be written to.
struct huge huge_look(const char *dir);

// Huge pages of this very file, as its length is now: their size; 0: small pages.
uint64_t huge_page_bytes(const struct stat *st);

// Memory that a file of so many bytes may take. NULL: small pages.
uint64_t huge_file_bytes(const struct huge *huge, uint64_t file_bytes);

#endif
