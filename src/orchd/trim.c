#include "config.h"

#include "orchd/trim.h"

#include "base/util.h"

#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

struct mapping {
	uintptr_t from, to;
	bool is_file, is_writable;
};

/* "7f00-7f10 r-xp 00000000 fe:00 42   /usr/lib/..." */
static bool parse_mapping(const char *line, struct mapping *m)
{
	char perms[8] = "", path[256] = "";

	if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %7s %*s %*s %*s %255s", &m->from, &m->to, perms, path) < 3)
		return false;
	m->is_file = path[0] == '/';
	m->is_writable = perms[1] == 'w';
	return true;
}

void trim_memory(void)
{
	FILE *f = fopen("/proc/self/smaps", "re");
	struct mapping m = {0}, next;
	char line[512];
	long kib; /* of pages copied on write: relocations live there and nowhere else */

	malloc_trim(0);
	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		if (sscanf(line, "Anonymous: %ld kB", &kib) == 1) {
			if (m.is_file && !m.is_writable && kib == 0)
				madvise((void *)m.from, m.to - m.from, MADV_DONTNEED);
		} else if (parse_mapping(line, &next)) {
			m = next;
		}
	}
	if (f != NULL)
		fclose(f);
}
