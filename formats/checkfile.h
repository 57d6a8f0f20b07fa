/*
 * checkfile.h: the small text an instrument sends beside the pieces of a cut archive.  Public: sensors and
 * assets.
 *
 *     fpi05_uao_20260407.tar.gz000000     name of the first piece
 *     17                                  number of pieces
 *     87647090                            bytes of all pieces together
 *
 * and whatever else follows; 0 pieces and 0 bytes say that there was nothing to send.  Lenient in form (CRLF,
 * blanks around a line, a byte order mark, three lines suffice), strict in content.  No allocation, no I/O.
 */
#ifndef CHECKFILE_H
#define CHECKFILE_H

#include "base/err.h"

#define CHECKFILE_NAME_MAX 255

struct checkfile {
	char first[CHECKFILE_NAME_MAX + 1]; /* a plain name: no folders, no control characters */
	int64_t pieces, bytes;
};

/* One piece of the set as the store lists it. */
struct checkfile_piece {
	const char *name; /* last component of its key; lent */
	int64_t index; /* from its name */
	int64_t size;
};

/* More than max_pieces is refused before anyone allocates by it.  Fails with class BAD_DATA code "manifest". */
int checkfile_parse(const char *text, size_t n, int64_t max_pieces, struct checkfile *out, struct err *err);
/* The instrument says that there is nothing. */
bool checkfile_no_data(const struct checkfile *);

/*
 * Sort the pieces by index and compare the set with what the check file promises: indices exactly 0..pieces-1,
 * sizes adding up to bytes, the first piece's name.  Fails with class BAD_DATA and one of the codes
 * chunks.duplicate, chunks.missing, chunks.extra, chunks.size, manifest; the text says which pieces ("3 of 4
 * pieces, 000002 missing").
 */
int checkfile_compare(const struct checkfile *, struct checkfile_piece *v, size_t n, struct err *err);

#endif
