#include "config.h"

#include "assets/archive/gunzip.h"

#include "base/mem.h"

#include <inttypes.h>
#include <stdlib.h>
#include <zlib.h>

#define OUT_BYTES (128 * 1024)
/* Largest window, gzip wrapper only: zlib then checks header CRC, CRC-32 and length itself. */
#define WINDOW_BITS (15 + 16)
#define GZIP_ID1    0x1f

struct gunzip {
	z_stream z;
	int64_t max_ratio, ratio_after;
	gunzip_out_fn *out;
	void *arg;
	uint64_t in, produced;
	uint64_t members;
	bool inside; /* of a member */
	unsigned char buf[OUT_BYTES];
};

struct gunzip *gunzip_new(int64_t max_ratio, int64_t ratio_after, gunzip_out_fn *out, void *arg)
{
	struct gunzip *g = xcalloc(1, sizeof(*g));

	g->max_ratio = max_ratio;
	g->ratio_after = ratio_after;
	g->out = out;
	g->arg = arg;
	if (inflateInit2(&g->z, WINDOW_BITS) != Z_OK)
		abort(); /* out of memory, as every small allocation */
	return g;
}

void gunzip_free(struct gunzip *g)
{
	if (g == NULL)
		return;
	inflateEnd(&g->z);
	free(g);
}

/* A member starts with the next byte. */
static int start_member(struct gunzip *g, struct err *err)
{
	if (*g->z.next_in != GZIP_ID1 && g->members > 0)
		return err_code(err, ERR_BAD_DATA, "trailing", "gzip: something follows the end of the stream");
	if (*g->z.next_in != GZIP_ID1)
		return err_code(err, ERR_BAD_DATA, "corrupt.gzip", "gzip: this is not a gzip stream");
	inflateReset(&g->z);
	g->inside = true;
	return 0;
}

static int check_ratio(const struct gunzip *g, struct err *err)
{
	uint64_t taken = g->in - g->z.avail_in;

	if (g->max_ratio == 0 || g->produced <= (uint64_t)g->ratio_after ||
	    g->produced / (uint64_t)g->max_ratio <= taken)
		return 0;
	return err_code(err, ERR_BAD_DATA, "limit.ratio",
	    "gzip: %" PRIu64 " bytes out of %" PRIu64 ", more than %" PRId64 " times as many", g->produced,
	    taken, g->max_ratio);
}

/* One call of inflate; *full: there may be more output without further input. */
static int inflate_some(struct gunzip *g, bool *full, struct err *err)
{
	int rc;

	g->z.next_out = g->buf;
	g->z.avail_out = OUT_BYTES;
	rc = inflate(&g->z, Z_NO_FLUSH);
	if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)
		return err_code(err, ERR_BAD_DATA, "corrupt.gzip", "gzip: %s near byte %" PRIu64,
		    g->z.msg != NULL ? g->z.msg : "damaged data", g->in - g->z.avail_in);
	size_t n = OUT_BYTES - g->z.avail_out;
	*full = g->z.avail_out == 0;
	if (rc == Z_STREAM_END) {
		g->members++;
		g->inside = false;
		*full = false;
	}
	g->produced += n;
	if (check_ratio(g, err) == -1)
		return -1;
	return n > 0 ? g->out(g->arg, g->buf, n, err) : 0;
}

int gunzip_push(struct gunzip *g, const void *p, size_t n, struct err *err)
{
	const unsigned char *s = p;

	while (n > 0) {
		/* zlib counts input in an unsigned int. */
		unsigned step = (unsigned)MIN(n, (size_t)1 << 30);
		bool full = false;

		g->z.next_in = (unsigned char *)s;
		g->z.avail_in = step;
		g->in += step;
		while (g->z.avail_in > 0 || full)
			if ((!g->inside && start_member(g, err) == -1) || inflate_some(g, &full, err) == -1)
				return -1;
		s += step;
		n -= step;
	}
	return 0;
}

int gunzip_finish(struct gunzip *g, struct err *err)
{
	if (g->in == 0)
		return err_code(err, ERR_BAD_DATA, "empty", "gzip: there is not a single byte");
	if (g->inside)
		return err_code(err, ERR_BAD_DATA, "truncated",
		    "gzip: the stream ends inside a member, after %" PRIu64 " bytes", g->in);
	return 0;
}
