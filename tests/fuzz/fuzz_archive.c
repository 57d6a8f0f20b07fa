/*
 * Fuzz target: a .tar.gz -> members.  An input that begins like gzip is taken as it is; anything else is taken for a tar
 * and gets a gzip around it, so that the fuzzer need not find checksums of deflate.  Each input goes through twice, whole
 * and in small pieces, and both must end alike.
 */
#include "config.h"

#include "assets/archive/members.h"
#include "assets/archive/unpack.h"
#include "base/codec.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "tests/fuzz/fuzz.h"

#include <zlib.h>

#define INPUT_MAX (8 << 20)

const char *const fuzz_corpus[] = {"tests/data/archives/files", "tests/data/archives/forms", NULL};

struct sink {
	struct members *members;
	struct digest *digest;
	char path[1025];
	int64_t announced, got;
	bool inside;
};

static void check_path(const char *path)
{
	size_t n = strlen(path);

	FUZZ_PROMISE(n > 0 && n <= 1024 && utf8_valid(path, n) && path[0] != '/' && path[n - 1] != '/');
	FUZZ_PROMISE(strchr(path, '\\') == NULL && strstr(path, "//") == NULL);
	for (const char *s = path; *s != '\0'; s++)
		FUZZ_PROMISE((unsigned char)*s >= 0x20 && *s != 0x7f);
	for (const char *s = path; *s != '\0';) {
		size_t part = strcspn(s, "/");

		FUZZ_PROMISE(!(part == 1 && s[0] == '.') && !(part == 2 && s[0] == '.' && s[1] == '.'));
		s += part + (s[part] == '/');
	}
}

static int on_begin(void *arg, const char *path, int64_t size, struct err *err)
{
	struct sink *k = arg;

	FUZZ_PROMISE(!k->inside && size >= 0);
	check_path(path);
	snprintf(k->path, sizeof(k->path), "%s", path);
	k->digest = digest_new(DIGEST_SHA256);
	k->announced = size;
	k->got = 0;
	k->inside = true;
	return 0;
}

static int on_data(void *arg, const void *p, size_t n, struct err *err)
{
	struct sink *k = arg;

	k->got += (int64_t)n;
	FUZZ_PROMISE(k->inside && k->got <= k->announced);
	digest_update(k->digest, p, n);
	return 0;
}

static int on_end(void *arg, struct err *err)
{
	struct sink *k = arg;
	char sum[SHA256_HEX];

	FUZZ_PROMISE(k->inside && k->got == k->announced);
	k->inside = false;
	digest_final(k->digest, sum);
	k->digest = NULL;
	return members_add(k->members, k->path, k->got, sum, err) == -1 ? -1 : 0;
}

static const struct unpack_sink sink = {.begin = on_begin, .data = on_data, .end = on_end};
static const struct unpack_limits limits = {
    .max_total_bytes = 16 << 20,
    .max_member_bytes = 8 << 20,
    .max_members = 1000,
    .max_ratio = 200,
    .ratio_counts_after_bytes = 1 << 20,
    .max_path_bytes = 900,
    .max_header_bytes = 1 << 16,
};

static int unpack(const uint8_t *p, size_t n, size_t step, bool flatten, struct sink *k, struct err *err)
{
	struct unpack *u = unpack_new(&limits, flatten, &sink, k);
	int rc = 0;

	k->members = members_new(flatten);
	for (size_t at = 0; rc == 0 && at < n; at += MIN(step, n - at))
		rc = unpack_push(u, p + at, MIN(step, n - at), err);
	if (rc == 0)
		rc = unpack_finish(u, err);
	unpack_free(u);
	FUZZ_PROMISE(rc == 0 || (err->class == ERR_BAD_DATA && err->code[0] != '\0' && err->text[0] != '\0'));
	FUZZ_PROMISE(rc == -1 || (!k->inside && members_count(k->members) > 0));
	return rc;
}

static void release(struct sink *k)
{
	digest_free(k->digest);
	members_free(k->members);
}

static void compare(const struct members *a, const struct members *b)
{
	FUZZ_PROMISE(members_count(a) == members_count(b));
	for (size_t i = 0; i < members_count(a); i++) {
		const struct member *x = members_at(a, i), *y = members_at(b, i);

		FUZZ_PROMISE(
		    strcmp(x->path, y->path) == 0 && x->size == y->size && strcmp(x->sha256, y->sha256) == 0);
	}
}

static void both_ways(const uint8_t *p, size_t n, bool flatten)
{
	struct sink whole = {0}, cut = {0};
	struct err e1 = ERR_INIT, e2 = ERR_INIT;
	int rc1 = unpack(p, n, SIZE_MAX, flatten, &whole, &e1);
	int rc2 = unpack(p, n, n < 100000 ? 7 : 4099, flatten, &cut, &e2);

	/* zlib tells a damaged block a little earlier or later depending on how it is fed. */
	FUZZ_PROMISE(rc1 == rc2);
	if (rc1 == 0)
		compare(whole.members, cut.members);
	release(&whole);
	release(&cut);
}

static void gzip_around(const uint8_t *p, size_t n, struct strbuf *out)
{
	z_stream z = {0};

	deflateInit2(&z, Z_NO_COMPRESSION, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY);
	size_t room = deflateBound(&z, n);
	z.next_in = (unsigned char *)p;
	z.avail_in = (unsigned)n;
	z.next_out = (unsigned char *)strbuf_room(out, room);
	z.avail_out = (unsigned)room;
	FUZZ_PROMISE(deflate(&z, Z_FINISH) == Z_STREAM_END);
	strbuf_grew(out, z.total_out);
	deflateEnd(&z);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct strbuf gz = STRBUF_INIT(2 * INPUT_MAX);

	if (n > INPUT_MAX)
		return 0;
	if (n >= 2 && p[0] == 0x1f && p[1] == 0x8b) {
		both_ways(p, n, n % 2);
	} else {
		gzip_around(p, n, &gz);
		both_ways((const uint8_t *)gz.buf, gz.len, n % 2);
	}
	strbuf_release(&gz);
	return 0;
}
