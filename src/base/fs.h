/*
 * fs.h: files that appear whole or not at all, and the durability calls they need.
 *
 * "Durable" means: survives a power cut after the call returned 0.
 */
#ifndef FS_H
#define FS_H

#include "base/err.h"
#include "base/strbuf.h"

#include <sys/types.h>

/* Create a directory and its missing parents, mode as given (subject to umask); existing is fine. */
int fs_mkdirs(const char *path, mode_t mode, struct err *err);
/* fsync a directory, so that names made or removed in it last. */
int fs_sync_dir(const char *path, struct err *err);
/* fsync the directory that holds path. */
int fs_sync_parent(const char *path, struct err *err);
/* Names of files that are being written. */
#define FS_TMP_PREFIX ".tmp-"
/* Write beside (under such a name), fsync, rename over path, fsync the directory. */
int fs_write_durable(const char *path, const void *p, size_t n, mode_t mode, struct err *err);
/* The same without fsync: whole or absent after a crash of the program, not of the machine. */
int fs_write_atomic(const char *path, const void *p, size_t n, mode_t mode, struct err *err);
/* Append a regular file's bytes; refuses other kinds of files and anything beyond sb's limit. */
int fs_read(const char *path, struct strbuf *sb, struct err *err);
/* Remove a tree without following links; a missing one is fine. */
int fs_remove_tree(const char *path, struct err *err);
bool fs_exists(const char *path);
/* All of p to fd, through short writes and EINTR. */
int fs_write_all(int fd, const void *p, size_t n, struct err *err);
/*
 * Take the exclusive lock on a file (created if missing) or fail at once with code "locked".  The lock is an open
 * file description lock: it goes with the last copy of the descriptor, so a crash never leaves a stale one.
 * Returns the descriptor (close-on-exec).
 */
int fs_lock(const char *path, struct err *err);
/* The folder that holds path: "/a" of "/a/b", "/" of "/a", "." of "a"; free() it. */
char *fs_dirname(const char *path);
/* dir + "/" + name, or name alone when it is absolute; free() it. */
char *fs_join(const char *dir, const char *name);

#endif
