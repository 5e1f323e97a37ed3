// shmem_pages.h: what the kernel says about huge pages of shared memory.
#ifndef WEIR_TOOLS_SHMEM_PAGES_H
#define WEIR_TOOLS_SHMEM_PAGES_H

#define SHMEM_PAGES_FILE "/sys/kernel/mm/transparent_hugepage/shmem_enabled"

// The one in brackets of "always within_size advise [never] deny force"; empty: the file is not
// there. It is about what has no mount option of its own, but for `deny` and `force`, which win.
void shmem_pages_chosen(char out[32]);

#endif
