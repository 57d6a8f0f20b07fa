#include "config.h"

#include "assets/archive/unpack.h"

#include "assets/archive/gunzip.h"
#include "assets/archive/member_name.h"
#include "assets/archive/tar.h"
#include "base/mem.h"
#include "base/strbuf.h"

#include <inttypes.h>
#include <stdlib.h>

struct unpack {
	struct unpack_limits limits;
	bool flatten;
	const struct unpack_sink *sink;
	void *arg;
	struct gunzip *gunzip;
	struct tar *tar;
	int64_t members, files, bytes;
	struct strbuf path;
};

static int count_member(struct unpack *u, struct err *err)
{
	if (++u->members > u->limits.max_members)
		return err_code(
		    err, ERR_BAD_DATA, "limit.count", "more than %" PRId64 " members", u->limits.max_members);
	return 0;
}

static int check_total(const struct unpack *u, int64_t more, struct err *err)
{
	int64_t sum;

	if (!__builtin_add_overflow(u->bytes, more, &sum) && sum <= u->limits.max_total_bytes)
		return 0;
	return err_code(err, ERR_BAD_DATA, "limit.total", "the archive unpacks to more than %" PRId64 " bytes",
	    u->limits.max_total_bytes);
}

static int on_dir(void *arg, const char *name, struct err *err)
{
	struct unpack *u = arg;

	if (count_member(u, err) == -1)
		return -1;
	return member_name_check_folder(name, u->limits.max_path_bytes, err);
}

static int on_begin(void *arg, const char *name, int64_t size, struct err *err)
{
	struct unpack *u = arg;
	char shown[MEMBER_NAME_SHOWN];

	if (count_member(u, err) == -1)
		return -1;
	strbuf_reset(&u->path);
	if (member_name_path(name, u->flatten, u->limits.max_path_bytes, &u->path, err) == -1)
		return -1;
	if (size > u->limits.max_member_bytes)
		return err_code(err, ERR_BAD_DATA, "limit.member",
		    "member '%s': %" PRId64 " bytes, at most %" PRId64 " are allowed",
		    member_name_show(name, shown), size, u->limits.max_member_bytes);
	if (check_total(u, size, err) == -1)
		return -1;
	u->files++;
	u->bytes += size;
	return u->sink->begin(u->arg, u->path.buf, size, err);
}

static int on_data(void *arg, const void *p, size_t n, struct err *err)
{
	struct unpack *u = arg;

	return u->sink->data(u->arg, p, n, err);
}

static int on_end(void *arg, struct err *err)
{
	struct unpack *u = arg;

	return u->sink->end(u->arg, err);
}

static const struct tar_sink tar_sink = {.dir = on_dir, .begin = on_begin, .data = on_data, .end = on_end};

/*
 * Headers and padding come with members and are bounded by their number; what could grow without end is
 * extended headers and zeros after the end marker, so the surroundings have a total of their own.
 */
static int on_inflated(void *arg, const void *p, size_t n, struct err *err)
{
	struct unpack *u = arg;

	if (tar_push(u->tar, p, n, err) == -1)
		return -1;
	if (tar_overhead(u->tar) > u->limits.max_total_bytes)
		return err_code(err, ERR_BAD_DATA, "limit.total",
		    "more than %" PRId64 " bytes around the members", u->limits.max_total_bytes);
	return 0;
}

struct unpack *unpack_new(
    const struct unpack_limits *limits, bool flatten, const struct unpack_sink *sink, void *arg)
{
	struct unpack *u = xcalloc(1, sizeof(*u));

	u->limits = *limits;
	u->flatten = flatten;
	u->sink = sink;
	u->arg = arg;
	u->gunzip = gunzip_new(limits->max_ratio, limits->ratio_counts_after_bytes, on_inflated, u);
	u->tar = tar_new(limits->max_header_bytes, &tar_sink, u);
	strbuf_init(&u->path, 4096);
	return u;
}

void unpack_free(struct unpack *u)
{
	if (u == NULL)
		return;
	gunzip_free(u->gunzip);
	tar_free(u->tar);
	strbuf_release(&u->path);
	free(u);
}

int unpack_push(struct unpack *u, const void *p, size_t n, struct err *err)
{
	return gunzip_push(u->gunzip, p, n, err);
}

int unpack_finish(struct unpack *u, struct err *err)
{
	if (gunzip_finish(u->gunzip, err) == -1 || tar_finish(u->tar, err) == -1)
		return -1;
	if (u->files == 0)
		return err_code(err, ERR_BAD_DATA, "empty", "the archive holds no file");
	return 0;
}
