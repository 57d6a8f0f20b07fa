/*
 * dir_walk.h: the files below a folder in bytewise key order, a bounded amount of work per call.  Private to the dir
 * store.
 *
 * Key order is not the order of a recursive directory walk: "a.b" < "a/b" < "a0".  Giving folders a trailing slash and
 * sorting each folder by bytes makes the two agree.  Memory is bounded: of a huge folder the DIR_WALK_BATCH smallest
 * names are kept and the folder is read again for the next ones.  One descriptor is open at a time.
 */
#ifndef STORE_DIR_WALK_H
#define STORE_DIR_WALK_H

#include "store/dir_path.h"

#define DIR_WALK_BATCH 65536

struct dir_walk;

struct dir_entry {
	const char *key; /* lent until the next call */
	struct stat st;
};

enum dir_walk_result { DIR_WALK_ERROR = -1, DIR_WALK_END, DIR_WALK_ENTRY, DIR_WALK_AGAIN };

/* start_after may be NULL; batch 0 means DIR_WALK_BATCH.  root stays the caller's. */
struct dir_walk *dir_walk_new(int root, const char *prefix, const char *start_after, size_t batch);
void dir_walk_free(struct dir_walk *);
/* budget counts names looked at; when it is used up the answer is DIR_WALK_AGAIN and nothing is lost. */
enum dir_walk_result dir_walk_next(struct dir_walk *, struct dir_entry *out, size_t *budget, struct err *err);
/* A name that cannot be a key was passed over: its path for people, or NULL. */
const char *dir_walk_skipped(const struct dir_walk *);

#endif
