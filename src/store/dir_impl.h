/* dir_impl.h: what the files of the `dir` store share.  Private to the dir store. */
#ifndef STORE_DIR_IMPL_H
#define STORE_DIR_IMPL_H

#include "store/dir_path.h"
#include "store/op.h"

/* Bytes moved per turn of the loop: about 0.1 ms. */
#define DIR_SLICE (256 * 1024)

struct dir_store {
	struct store store;
	struct op_list ops;
	int root;
	int tmp, lock; /* .orch/tmp and .orch/lock; -1 until the first write */
	uint64_t nonce; /* of temporary names: no two are alike, whoever makes them */
	unsigned seq;
	bool undurable; /* lazy puts since the last barrier */
	bool warned; /* about a name that cannot be a key */
	char *path, *location;
	char *slice; /* DIR_SLICE bytes, used within one turn */
};

/* Owned parts of a struct store_object. */
struct dir_object {
	char etag[DIR_ETAG_MAX], sha256[SHA256_HEX];
	struct store_object obj;
};
/* fd may be -1: no sha256. */
void dir_object_fill(struct dir_object *, const char *key, int fd, const struct stat *st);

/*
 * The store's own folder: temporary files, each locked by its writer for as long as it lives, and byte locks by key
 * that make "look at the ETag, then rename" one step for everybody who uses the store.
 */
int dir_own_open(struct dir_store *, struct err *err);
void dir_own_sweep(struct dir_store *); /* remove temporary files whose writer is gone */
#define DIR_TMP_NAME 64
int dir_tmp_create(struct dir_store *, char name[DIR_TMP_NAME], struct err *err);
/* 0: held; 1: somebody else holds it, ask again soon; -1: no locks here (errno). */
int dir_key_lock(struct dir_store *, const char *key);
void dir_key_unlock(struct dir_store *, const char *key);

/* Open a key for reading and look at it; a missing one, or one that is no plain file, is "not_found". */
int dir_object_open(struct dir_store *, const char *verb, const char *key, const char *if_match,
    struct stat *st, struct err *err);
int dir_object_stat(struct dir_store *, const char *verb, const char *key, struct stat *st, struct err *err);
/* "precondition" unless the ETag is the wanted one; if_match NULL always agrees. */
int dir_match(const char *verb, const char *key, const char *if_match, const struct stat *st, struct err *err);

struct store_op *dir_put(struct store *, const char *key, const void *p, size_t n,
    const struct store_put_opts *, store_info_cb *, void *arg);
struct store_op *dir_put_file(struct store *, const char *key, int fd, int64_t size,
    const struct store_put_opts *, store_info_cb *, void *arg);
struct store_op *dir_copy(
    struct store *, const char *from, const char *if_match, const char *to, store_info_cb *, void *arg);

struct store_op *dir_list(
    struct store *, const char *prefix, const char *start_after, size_t max, store_list_cb *, void *arg);

#endif
