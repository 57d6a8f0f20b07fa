/*
 * tar_pax.h: the records of a pax extended header, as far as they change what a member is.
 *
 *     LENGTH BLANK KEYWORD = VALUE NEWLINE, LENGTH decimal and counting itself
 *
 * Read here: path, size, and the three forms of GNU sparse files.  Everything else (owners, times, comments,
 * attributes) is checked for its framing and dropped.
 */
#ifndef ARCHIVE_TAR_PAX_H
#define ARCHIVE_TAR_PAX_H

#include "assets/archive/tar_sparse.h"

#include "base/err.h"

struct tar_pax {
	char *path; /* NULL: none; no NUL inside */
	char *sparse_name; /* the member's real name when path is a stand-in */
	int64_t size; /* bytes that follow; -1: none */
	int64_t sparse_size; /* of the expanded file; -1: none */
	int64_t sparse_major, sparse_minor; /* -1: none */
	int64_t sparse_blocks; /* number of pairs announced; -1: none */
	int64_t sparse_offset; /* 0.0: offset whose numbytes has not come yet; -1: none */
	bool has_sparse;
	struct tar_sparse map; /* 0.0 and 0.1 */
};

void tar_pax_init(struct tar_pax *);
void tar_pax_release(struct tar_pax *); /* as after tar_pax_init */

/*
 * Read a whole extended header.  Fails with class BAD_DATA: "corrupt.tar", "path.control" (NUL in a name),
 * "path.empty", "limit.header" (sparse map).
 */
int tar_pax_parse(struct tar_pax *, const char *p, size_t n, struct err *err);
/* A global header: framing only; records that would rename or resize every member are refused. */
int tar_pax_check_global(const char *p, size_t n, struct err *err);

#endif
