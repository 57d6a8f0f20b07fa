/*
 * tar_sparse.h: where the stored bytes of a sparse file belong; the rest of the file is zeros.
 */
#ifndef ARCHIVE_TAR_SPARSE_H
#define ARCHIVE_TAR_SPARSE_H

#include "base/err.h"

#define TAR_SPARSE_MAX 65536 /* pairs in one map: 1 MiB */

struct tar_sparse {
	struct tar_extent {
		int64_t off, len;
	} * v;
	size_t n, cap;
	/* Expansion: */
	int64_t size; /* of the file */
	int64_t pos; /* bytes of the file made so far */
	size_t current; /* extent that the next stored byte belongs to */
};

typedef int tar_data_fn(void *arg, const void *p, size_t n, struct err *err);

void tar_sparse_release(struct tar_sparse *); /* empty again */
/* Class BAD_DATA: "limit.header" beyond TAR_SPARSE_MAX, "corrupt.tar" when it overlaps or goes back. */
int tar_sparse_add(struct tar_sparse *, int64_t off, int64_t len, struct err *err);
/* The map is complete: it must lie within size and account for exactly `stored` bytes. */
int tar_sparse_start(struct tar_sparse *, int64_t size, int64_t stored, struct err *err);
/* Stored bytes in, file bytes out; never more than tar_sparse_start was told. */
int tar_sparse_push(struct tar_sparse *, const void *p, size_t n, tar_data_fn *out, void *arg, struct err *err);
/* The hole at the end. */
int tar_sparse_finish(struct tar_sparse *, tar_data_fn *out, void *arg, struct err *err);

/* Decimal digits at *p, moved past; -1 when there are none or the number is beyond int64_t. */
int tar_sparse_decimal(const char **p, const char *end, int64_t *out);

#endif
