/*
 * members.h: the members an archive turned out to have, by path.
 *
 * One path once.  Two members that lost their folders may be one file sent twice: with equal content that is
 * worth a warning; with different content one would silently replace the other, and the archive is refused.
 */
#ifndef ARCHIVE_MEMBERS_H
#define ARCHIVE_MEMBERS_H

#include "base/digest.h"
#include "base/err.h"

struct member {
	char *path;
	int64_t size;
	char sha256[SHA256_HEX];
};

struct members;

struct members *members_new(bool allow_same);
void members_free(struct members *); /* NULL is fine */
/*
 * Record a complete member.  1: it is new; 0: it was there already with the same content; -1: class BAD_DATA
 * code "duplicate".
 */
int members_add(struct members *, const char *path, int64_t size, const char *sha256, struct err *err);
size_t members_count(const struct members *);
int64_t members_bytes(const struct members *);
/* In order of arrival; lent. */
const struct member *members_at(const struct members *, size_t i);
const struct member *members_find(const struct members *, const char *path);

#endif
