#include "config.h"

#include "base/secmem.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Before what is handed out, and as large as any alignment wants. */
union head {
	size_t size; /* of the whole mapping */
	max_align_t align;
};

void *secmem_alloc(size_t n)
{
	size_t size = n + sizeof(union head);
	union head *h = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (h == MAP_FAILED)
		abort();
	madvise(h, size, MADV_DONTDUMP);
	mlock(h, size); /* keeps it out of the swap, as far as the limit allows */
	h->size = size;
	return h + 1;
}

char *secmem_dup(const char *s)
{
	size_t n = strlen(s) + 1;

	return memcpy(secmem_alloc(n), s, n);
}

void secmem_free(void *p)
{
	union head *h = p;
	size_t size;

	if (p == NULL)
		return;
	size = (--h)->size;
	explicit_bzero(h, size);
	munmap(h, size);
}
