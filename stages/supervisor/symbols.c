// symbols.c: reads an ELF file's tables of symbols, which is all that names need. The file is
// input: every offset in it is checked. Lines of source are addr2line's business.
#include "stages/supervisor/symbols.h"

#include <elf.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct image {
    const char *data;
    uint64_t bytes;
};

// `bytes` bytes at `at`, or NULL when they are not all in the file.
static const void *piece(const struct image *image, uint64_t at, uint64_t bytes)
{
    if (at > image->bytes || bytes > image->bytes - at)
        return NULL;
    return image->data + at;
}

static bool map_file(const char *path, struct image *out)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    *out = (struct image){0};
    if (fd < 0)
        return false;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0) {
        void *data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (data != MAP_FAILED)
            *out = (struct image){data, (uint64_t)st.st_size};
    }
    close(fd);
    return out->data != NULL;
}

static bool is_text(const char *name)
{
    for (const char *c = name; *c; c++)
        if (*c <= ' ' || *c > '~')
            return false;
    return *name != '\0';
}

// Look into one table of symbols.
static bool search(const struct image *image, const Elf64_Shdr *table, const Elf64_Shdr *strings,
                   uint64_t at, struct buf *out)
{
    const char *names = piece(image, strings->sh_offset, strings->sh_size);
    if (!piece(image, table->sh_offset, table->sh_size) || !names || strings->sh_size == 0 ||
        names[strings->sh_size - 1] != '\0')
        return false;
    for (uint64_t i = 0; i < table->sh_size / sizeof(Elf64_Sym); i++) {
        Elf64_Sym symbol;
        memcpy(&symbol, image->data + table->sh_offset + i * sizeof symbol, sizeof symbol);
        if (ELF64_ST_TYPE(symbol.st_info) != STT_FUNC || symbol.st_shndx == SHN_UNDEF ||
            at < symbol.st_value || at - symbol.st_value >= symbol.st_size ||
            symbol.st_name >= strings->sh_size || !is_text(names + symbol.st_name))
            continue;
        buf_printf(out, "%.200s+0x%" PRIx64, names + symbol.st_name, at - symbol.st_value);
        return true;
    }
    return false;
}

static bool find_in(const struct image *image, uint64_t at, struct buf *out)
{
    Elf64_Ehdr header;
    if (image->bytes < sizeof header)
        return false;
    memcpy(&header, image->data, sizeof header);
    if (memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 ||
        header.e_shentsize != sizeof(Elf64_Shdr) ||
        !piece(image, header.e_shoff, (uint64_t)header.e_shnum * sizeof(Elf64_Shdr)))
        return false;
    const char *sections = image->data + header.e_shoff;
    for (int pass = 0; pass < 2; pass++) // the full table first, then the dynamic one
        for (unsigned i = 0; i < header.e_shnum; i++) {
            Elf64_Shdr table, strings;
            memcpy(&table, sections + i * sizeof table, sizeof table);
            if (table.sh_type != (pass ? SHT_DYNSYM : SHT_SYMTAB) ||
                table.sh_link >= header.e_shnum)
                continue;
            memcpy(&strings, sections + table.sh_link * sizeof strings, sizeof strings);
            if (search(image, &table, &strings, at, out))
                return true;
        }
    return false;
}

bool symbols_find(const char *path, uint64_t at, struct buf *out)
{
    struct image image;
    if (!map_file(path, &image))
        return false;
    bool found = find_in(&image, at, out);
    munmap((void *)image.data, (size_t)image.bytes);
    return found;
}

void symbols_append(const struct errlog_crash *crash, uint64_t address, struct buf *out)
{
    for (uint32_t i = 0; i < crash->module_count; i++) {
        const struct errlog_module *module = &crash->modules[i];
        if (address < module->begin || address >= module->end)
            continue;
        const char *slash = strrchr(module->path, '/');
        const char *name = slash ? slash + 1 : module->path;
        bool named =
            *module->path == '/' && symbols_find(module->path, address - module->bias, out);
        buf_printf(out, named ? " (%s+0x%" PRIx64 ")" : "%s+0x%" PRIx64, name,
                   address - module->bias);
        return;
    }
    buf_printf(out, "0x%" PRIx64, address);
}
