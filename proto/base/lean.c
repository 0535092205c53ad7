#include "lean.h"

#include <link.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

/* The loader wrote to its code. */
static bool text_relocated(const struct dl_phdr_info *m)
{
	for (unsigned i = 0; i < m->dlpi_phnum; i++) {
		if (m->dlpi_phdr[i].p_type != PT_DYNAMIC)
			continue;
		for (const ElfW(Dyn) *d = (const void *)(m->dlpi_addr + m->dlpi_phdr[i].p_vaddr); d->d_tag != DT_NULL; d++)
			if (d->d_tag == DT_TEXTREL || (d->d_tag == DT_FLAGS && d->d_un.d_val & DF_TEXTREL))
				return true;
	}
	return false;
}

/* The kernel's own module is no file. */
static bool is_file(const struct dl_phdr_info *m)
{
	uintptr_t vdso = getauxval(AT_SYSINFO_EHDR);

	return !vdso || m->dlpi_addr != vdso;
}

static int drop(struct dl_phdr_info *m, size_t n, void *ctx)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

	(void)n, (void)ctx;
	if (!is_file(m) || text_relocated(m))
		return 0;
	for (unsigned i = 0; i < m->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &m->dlpi_phdr[i];
		uintptr_t from = (m->dlpi_addr + p->p_vaddr) / page * page, end = m->dlpi_addr + p->p_vaddr + p->p_memsz;

		if (p->p_type == PT_LOAD && !(p->p_flags & PF_W))
			(void)madvise((void *)from, (end - from + page - 1) / page * page, MADV_DONTNEED);
	}
	return 0;
}

void lean_down(void)
{
	(void)malloc_trim(0);
	(void)dl_iterate_phdr(drop, NULL);
}
