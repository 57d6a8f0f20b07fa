/* zipfile.h: write a ZIP archive into a buffer: deflated members in the order given, no times, equal bytes for equal input. */
#ifndef FPI_ZIPFILE_H
#define FPI_ZIPFILE_H

#include "base/err.h"
#include "base/strbuf.h"

struct zipfile {
	struct strbuf *out; /* lent; archive starts where it was */
	struct strbuf index; /* the central directory as it grows */
	size_t start, members;
};

void zipfile_init(struct zipfile *, struct strbuf *out);
int zipfile_add(struct zipfile *, const char *name, const void *p, size_t n, struct err *err);
/* Writes the directory; releases the zipfile also on failure. */
int zipfile_finish(struct zipfile *, struct err *err);
void zipfile_release(struct zipfile *);

#endif
