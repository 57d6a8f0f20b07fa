/*
 * tar.h: read a tar archive that arrives in pieces: v7, ustar, GNU (long names, sparse) and pax (also sparse
 * 0.0, 0.1, 1.0).
 *
 * A strict reader of our own instead of libarchive with a scan in front.  libarchive ends silently at a lone
 * zero block and when the end marker is missing, goes on after bad pax records under another name, reads "12x4"
 * as a size, changes the Unicode form of names outside the C locale, and pulls its input, which would need a
 * thread to be fed from a store. A scan that closes those holes has to parse all of the framing anyway; then
 * only the names and the sparse maps are left, and two parsers that must agree on them are more code than one.
 * The tests hold this one against libarchive.
 *
 * Everything else than plain files and folders is refused.  All failures are of class BAD_DATA: "corrupt.tar",
 * "type", "truncated", "trailing", "empty", "limit.header", "path.control", "path.empty".
 */
#ifndef ARCHIVE_TAR_H
#define ARCHIVE_TAR_H

#include "base/err.h"

struct tar;

/*
 * Where members go.  Names are the sender's bytes, not checked and not normalised; they hold no NUL.  begin
 * announces the exact number of bytes that data will deliver before end; after any failure there is no end.
 */
struct tar_sink {
	int (*dir)(void *arg, const char *name, struct err *err);
	int (*begin)(void *arg, const char *name, int64_t size, struct err *err);
	int (*data)(void *arg, const void *p, size_t n, struct err *err);
	int (*end)(void *arg, struct err *err);
};

/* max_header: largest extended header or long name read into memory. */
struct tar *tar_new(int64_t max_header, const struct tar_sink *sink, void *arg);
void tar_free(struct tar *); /* NULL is fine */
/* After a failure only tar_free may follow. */
int tar_push(struct tar *, const void *p, size_t n, struct err *err);
/* The input has ended: right after the two zero blocks and nothing but zeros, or it is an error. */
int tar_finish(struct tar *, struct err *err);
/* Bytes taken that became no member's content: headers, padding, zeros after the end. */
int64_t tar_overhead(const struct tar *);

#endif
