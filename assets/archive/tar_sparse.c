#include "config.h"

#include "assets/archive/tar_sparse.h"

#include "base/mem.h"

#include <inttypes.h>
#include <stdlib.h>

void tar_sparse_release(struct tar_sparse *sp)
{
	free(sp->v);
	*sp = (struct tar_sparse){0};
}

int tar_sparse_decimal(const char **p, const char *end, int64_t *out)
{
	int64_t v = 0;
	size_t digits = 0;

	for (; *p < end && **p >= '0' && **p <= '9'; (*p)++) {
		digits++;
		if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, **p - '0', &v))
			return -1;
	}
	if (digits == 0)
		return -1;
	*out = v;
	return 0;
}

int tar_sparse_add(struct tar_sparse *sp, int64_t off, int64_t len, struct err *err)
{
	const struct tar_extent *last = sp->n > 0 ? &sp->v[sp->n - 1] : NULL;
	int64_t end;

	if (off < 0 || len < 0 || __builtin_add_overflow(off, len, &end) ||
	    (last != NULL && off < last->off + last->len))
		return err_code(err, ERR_BAD_DATA, "corrupt.tar",
		    "sparse map: %" PRId64 " bytes at %" PRId64 " are out of order", len, off);
	if (sp->n == TAR_SPARSE_MAX)
		return err_code(
		    err, ERR_BAD_DATA, "limit.header", "sparse map: more than %d pieces", TAR_SPARSE_MAX);
	if (sp->n == sp->cap) {
		sp->cap = sp->cap > 0 ? 2 * sp->cap : 16;
		sp->v = xreallocarray(sp->v, sp->cap, sizeof(*sp->v));
	}
	sp->v[sp->n++] = (struct tar_extent){off, len};
	return 0;
}

int tar_sparse_start(struct tar_sparse *sp, int64_t size, int64_t stored, struct err *err)
{
	int64_t sum = 0, end = 0;

	/* Extents are in order and apart, so neither sum can pass the last end. */
	for (size_t i = 0; i < sp->n; i++) {
		sum += sp->v[i].len;
		end = sp->v[i].off + sp->v[i].len;
	}
	if (end > size)
		return err_code(err, ERR_BAD_DATA, "corrupt.tar",
		    "sparse map: data up to %" PRId64 " in a file of %" PRId64, end, size);
	if (sum != stored)
		return err_code(err, ERR_BAD_DATA, "corrupt.tar",
		    "sparse map: %" PRId64 " bytes of data, %" PRId64 " are stored", sum, stored);
	sp->size = size;
	sp->pos = 0;
	sp->current = 0;
	return 0;
}

static int zeros_until(struct tar_sparse *sp, int64_t end, tar_data_fn *out, void *arg, struct err *err)
{
	static const char zero[65536];

	while (sp->pos < end) {
		size_t n = (size_t)MIN(end - sp->pos, (int64_t)sizeof(zero));

		if (out(arg, zero, n, err) == -1)
			return -1;
		sp->pos += (int64_t)n;
	}
	return 0;
}

int tar_sparse_push(
    struct tar_sparse *sp, const void *p, size_t n, tar_data_fn *out, void *arg, struct err *err)
{
	const char *s = p;

	while (n > 0) {
		assert(sp->current < sp->n);
		const struct tar_extent *e = &sp->v[sp->current];
		int64_t end = e->off + e->len;

		if (sp->pos >= end) { /* done, or empty */
			sp->current++;
			continue;
		}
		if (zeros_until(sp, e->off, out, arg, err) == -1)
			return -1;
		size_t take = (size_t)MIN((int64_t)n, end - sp->pos);
		if (out(arg, s, take, err) == -1)
			return -1;
		sp->pos += (int64_t)take;
		s += take;
		n -= take;
	}
	return 0;
}

int tar_sparse_finish(struct tar_sparse *sp, tar_data_fn *out, void *arg, struct err *err)
{
	return zeros_until(sp, sp->size, out, arg, err);
}
