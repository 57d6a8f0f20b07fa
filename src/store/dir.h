/*
 * dir.h: the `dir` store: a folder whose files are the objects, key = path below it.
 *
 * Folders appear with their first object and go with their last.  Symbolic links, devices and names that are not UTF-8
 * are no objects and are never followed or listed.  `.orch/` at the root is the store's own: half-written objects
 * (removed at the next open once their writer is gone) and the lock of conditional calls.
 *
 * ETag: inode, size, modification and change time, so a listing never opens a file.  It changes whenever the content
 * does, with one exception it cannot see: a foreign program that overwrites a file in place, keeping its size, twice
 * within one tick of the kernel's clock (4 ms or less).  Objects written by this store always have a new inode and a
 * modification time of their own.  It may also change without the content: chmod, a hard link, a restored backup.
 *
 * Conditions hold against every writer that goes through this store, in any process.  A foreign program that
 * replaces a file in the microseconds between look and rename is not seen.
 *
 * The SHA-256 that a put was given stays with the file as the extended attribute user.orch.sha256
 * ("<hex> <size> <mtime ns>") where the file system has them; it counts only while size and time still agree.
 */
#ifndef STORE_DIR_H
#define STORE_DIR_H

#include "store/store.h"

struct store_dir_conf {
	char *path;
	bool create;
};

extern const struct store_type store_dir;

#endif
