/*
 * dir_path.h: keys as paths below the root of a `dir` store, with no way out of it.  Private to the dir store.
 *
 * Every path is resolved by the kernel beneath the root's descriptor without following any symbolic link.
 */
#ifndef STORE_DIR_PATH_H
#define STORE_DIR_PATH_H

#include "store/store.h"

#include <sys/stat.h>

#define DIR_RESERVED ".orch"
#define DIR_ETAG_MAX 72 /* four hex numbers of 64 bits, three dashes, NUL */
/* Folders vanish under who makes them when others delete the last object in them: so often at once, then a pause helps. */
#define DIR_FOLDER_TRIES 100

/* What a key must be beyond store_key_check to be a file here. */
int dir_key_check(const char *key, struct err *err);

/* openat beneath root; "" is the root itself.  -1 with errno: ENOENT, ENOTDIR, ELOOP (a link in the way)... */
int dir_open(int root, const char *path, int flags);
/* The same without openat2, for kernels and sandboxes that lack it. */
int dir_open_stepwise(int root, const char *path, int flags);

/* The folder that holds key; leaf is its last component.  make: create missing folders. -1 with errno. */
int dir_open_parent(int root, const char *key, bool make, const char **leaf);
/* Remove the folders above key that are empty now, upwards until one is not; the root stays. */
void dir_prune(int root, const char *key);
/* fsync the folder that holds key; up: all folders above it too, because they may be new.  -1 with errno. */
int dir_sync_parents(int root, const char *key, bool up);

const char *dir_etag(const struct stat *st, char out[DIR_ETAG_MAX]);
tm_ms dir_mtime(const struct stat *st);
/* The recorded sum while it still describes this content; false otherwise. */
bool dir_sha256_get(int fd, const struct stat *st, char out[SHA256_HEX]);
void dir_sha256_set(
    int fd, const char *sha256); /* best effort; after the last write and the setting of times */

/* errno as an error of the store interface: verb and key for people. Returns -1. */
int dir_errno(struct err *err, const char *verb, const char *key);

#endif
