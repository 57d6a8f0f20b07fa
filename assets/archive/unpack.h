/*
 * unpack.h: a .tar.gz that arrives in pieces -> checked members, one after the other, within limits.
 *
 * The pieces of the archive layer put together (gunzip, tar, names); no I/O, bounded memory.  Every failure is
 * of class BAD_DATA with one of the codes named in gunzip.h, tar.h and member_name.h, or "limit.member",
 * "limit.total", "limit.count", "empty" (no file in it); errors of the sink pass through.
 */
#ifndef ARCHIVE_UNPACK_H
#define ARCHIVE_UNPACK_H

#include "base/err.h"

struct unpack_limits {
	int64_t max_total_bytes; /* of all members together, with what surrounds them */
	int64_t max_member_bytes; /* of one */
	int64_t max_members; /* files and folders */
	int64_t max_ratio; /* bytes made to bytes taken, once */
	int64_t ratio_counts_after_bytes; /* so many were made */
	int64_t max_path_bytes; /* of a member's name */
	int64_t max_header_bytes; /* of an extended header */
};

/*
 * Where members go: begin, data until exactly size bytes came, end.  path is normalised and lent.  Nothing of a
 * member may have an effect before its end was called: when the archive turns out to be bad, end never comes.
 */
struct unpack_sink {
	int (*begin)(void *arg, const char *path, int64_t size, struct err *err);
	int (*data)(void *arg, const void *p, size_t n, struct err *err);
	int (*end)(void *arg, struct err *err);
};

struct unpack;

/* flatten: members lose their folders.  limits are copied. */
struct unpack *unpack_new(
    const struct unpack_limits *limits, bool flatten, const struct unpack_sink *sink, void *arg);
void unpack_free(struct unpack *); /* NULL is fine */
/* After a failure only unpack_free may follow: what is left of the input need not be read. */
int unpack_push(struct unpack *, const void *p, size_t n, struct err *err);
int unpack_finish(struct unpack *, struct err *err);

#endif
