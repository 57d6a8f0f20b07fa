/* source.h: where files of a night come from: a list of names and a call that fetches one whole file into memory. */
#ifndef FPI_SOURCE_H
#define FPI_SOURCE_H

#include "base/err.h"
#include "base/strbuf.h"

/* No file of a night is larger; buffers handed to read() are born with this limit. */
#define FPI_FILE_MAX ((size_t)64 << 20)

struct fpi_file {
	const char *name; /* the file's own name: tells kind and tag */
	const char *path; /* key or path, for sorting and messages */
	uint64_t size; /* bytes, as listed; 0: not known */
};

/* All lent for the run.  Each file is read at most once. */
struct fpi_source {
	const struct fpi_file *files;
	size_t n;
	void *arg;
	bool concurrent; /* read may run in several threads at once; otherwise calls come one at a time */
	/* Append file i to an empty buffer. */
	int (*read)(void *arg, size_t i, struct strbuf *out, struct err *err);
};

#endif
