#include "config.h"

#include "tests/unit/archive_fixture.h"

#include "base/digest.h"

#include "tests/tap.h"

#include <zlib.h>

/* ---- members as a sink that keeps everything */

static int keep_begin(void *arg, const char *path, int64_t size, struct err *err)
{
	struct kept *k = arg;

	if (k->inside || k->n == ARCHIVE_MEMBERS_MAX)
		return err_set(err, ERR_BUG, "begin inside a member, or too many");
	k->inside = true;
	k->v[k->n].path = xstrdup(path);
	k->v[k->n].announced = size;
	strbuf_init(&k->v[k->n].content, ARCHIVE_FILE_MAX);
	return 0;
}

static int keep_data(void *arg, const void *p, size_t n, struct err *err)
{
	struct kept *k = arg;

	if (!k->inside || strbuf_add(&k->v[k->n].content, p, n) == -1)
		return err_set(err, ERR_BUG, "data outside a member, or too much");
	return 0;
}

static int keep_end(void *arg, struct err *err)
{
	struct kept *k = arg;
	char sha[SHA256_HEX];
	int rc;

	if (!k->inside || (int64_t)k->v[k->n].content.len != k->v[k->n].announced)
		return err_set(err, ERR_BUG, "end outside a member, or not the announced size");
	sha256_hex(k->v[k->n].content.buf, k->v[k->n].content.len, sha);
	if (k->members == NULL)
		k->members = members_new(k->flatten);
	rc = members_add(k->members, k->v[k->n].path, k->v[k->n].announced, sha, err);
	if (rc == 1) {
		k->inside = false;
		k->n++;
	} else if (rc == 0) {
		k->inside = false;
		free(k->v[k->n].path);
		strbuf_release(&k->v[k->n].content);
	}
	return rc == -1 ? -1 : 0;
}

const struct unpack_sink keep_sink = {.begin = keep_begin, .data = keep_data, .end = keep_end};

void kept_release(struct kept *k)
{
	for (size_t i = 0; i < k->n + k->inside; i++) {
		free(k->v[i].path);
		strbuf_release(&k->v[i].content);
	}
	members_free(k->members);
	*k = (struct kept){0};
}

/* ---- the corpus */

struct unpack_limits archive_limits;
int64_t archive_max_chunks;
json_t *archive_expected;

json_t *archive_load_json(const char *name)
{
	struct strbuf sb = STRBUF_INIT(ARCHIVE_FILE_MAX);
	struct err err = ERR_INIT;
	json_t *j;

	if (fs_read(test_src(name), &sb, &err) == -1 || (j = json_parse(sb.buf, sb.len, name, &err)) == NULL)
		tap_bail("%s", err.text);
	strbuf_release(&sb);
	return j;
}

void archive_load_file(const char *name, struct strbuf *sb)
{
	struct err err = ERR_INIT;
	char path[256];

	snprintf(path, sizeof(path), ARCHIVE_DATA "%s", name);
	strbuf_init(sb, ARCHIVE_FILE_MAX);
	if (fs_read(test_src(path), sb, &err) == -1)
		tap_bail("%s", err.text);
}

void archive_load_expected(void)
{
	archive_expected = archive_load_json(ARCHIVE_DATA "expected.json");
	json_t *l = json_object_get(archive_expected, "limits");

	archive_limits = (struct unpack_limits){
	    .max_total_bytes = json_int(l, "max_total_bytes", 0),
	    .max_member_bytes = json_int(l, "max_member_bytes", 0),
	    .max_members = json_int(l, "max_members", 0),
	    .max_ratio = json_int(l, "max_ratio", 0),
	    .ratio_counts_after_bytes = json_int(l, "ratio_counts_after_bytes", 0),
	    .max_path_bytes = json_int(l, "max_path_bytes", 0),
	    .max_header_bytes = json_int(l, "max_header_bytes", 0),
	};
	archive_max_chunks = json_int(l, "max_chunks", 0);
}

int archive_unpack(const void *p, size_t n, size_t step, bool flatten, struct kept *k, struct err *err)
{
	struct unpack *u = unpack_new(&archive_limits, flatten, &keep_sink, k);
	int rc = 0;

	k->flatten = flatten;
	for (size_t at = 0; rc == 0 && at < n; at += MIN(step, n - at))
		rc = unpack_push(u, (const char *)p + at, MIN(step, n - at), err);
	if (rc == 0)
		rc = unpack_finish(u, err);
	unpack_free(u);
	return rc;
}

void archive_gzip(const void *p, size_t n, struct strbuf *out)
{
	z_stream z = {0};
	size_t room = n + n / 1000 + 1024;

	strbuf_reset(out);
	deflateInit2(&z, Z_NO_COMPRESSION, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY);
	z.next_in = (unsigned char *)p;
	z.avail_in = (unsigned)n;
	z.next_out = (unsigned char *)strbuf_room(out, room);
	z.avail_out = (unsigned)room;
	if (deflate(&z, Z_FINISH) != Z_STREAM_END)
		tap_bail("deflate");
	strbuf_grew(out, z.total_out);
	deflateEnd(&z);
}
