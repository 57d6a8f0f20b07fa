/*
 * upload_fixture.h: uploads as an instrument makes them (tar, gzip, cut, check file) in the folder of a `dir` store,
 * and steps over them.
 */
#ifndef TESTS_UPLOAD_FIXTURE_H
#define TESTS_UPLOAD_FIXTURE_H

#include "tests/component/attempt.h"

#include "base/digest.h"
#include "base/json.h"
#include "base/strvec.h"

#include <ftw.h>
#include <sys/stat.h>
#include <zlib.h>

#define UPLOAD_MAX (256 << 20)

/* ---- archives */

static inline void upload_octal(char *p, size_t n, int64_t v)
{
	p[n - 1] = '\0';
	for (size_t i = n - 1; i-- > 0; v /= 8)
		p[i] = (char)('0' + v % 8);
}

static inline void upload_add_header(struct strbuf *tar, const char *name, size_t size, char type)
{
	char b[512] = {0};
	int64_t sum = 0;

	memcpy(b, name, MIN(strlen(name), (size_t)100));
	upload_octal(b + 124, 12, (int64_t)size);
	memset(b + 148, ' ', 8);
	b[156] = type;
	memcpy(b + 257, "ustar\00000", 8);
	for (size_t i = 0; i < sizeof(b); i++)
		sum += (unsigned char)b[i];
	upload_octal(b + 148, 8, sum);
	strbuf_add(tar, b, sizeof(b));
}

static inline void upload_add_content(struct strbuf *tar, const void *content, size_t n)
{
	static const char zero[512];

	strbuf_add(tar, content, n);
	strbuf_add(tar, zero, -n & 511);
}

static inline void upload_add_member(struct strbuf *tar, const char *name, const void *content, size_t n)
{
	upload_add_header(tar, name, n, '0');
	upload_add_content(tar, content, n);
}

/* The name stands in a GNU long name. */
static inline void upload_add_long_member(struct strbuf *tar, const char *name, const void *content, size_t n)
{
	upload_add_header(tar, "././@LongLink", strlen(name) + 1, 'L');
	upload_add_content(tar, name, strlen(name) + 1);
	upload_add_member(tar, name, content, n);
}

/* Ends the tar and packs it; level 0 costs nothing. */
static inline void upload_gzip(struct strbuf *tar, int level, struct strbuf *gz)
{
	static const char zero[1024];
	z_stream z = {0};

	strbuf_add(tar, zero, sizeof(zero));
	deflateInit2(&z, level, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY);
	size_t room = deflateBound(&z, tar->len);
	z.next_in = (unsigned char *)tar->buf;
	z.avail_in = (unsigned)tar->len;
	z.next_out = (unsigned char *)strbuf_room(gz, room);
	z.avail_out = (unsigned)room;
	if (deflate(&z, Z_FINISH) != Z_STREAM_END)
		tap_bail("deflate");
	strbuf_grew(gz, z.total_out);
	deflateEnd(&z);
}

/* Bytes that look like a noisy image: they shrink to about two thirds. */
static inline void upload_noise(unsigned char *p, size_t n, uint32_t seed)
{
	for (size_t i = 0; i < n; i++) {
		seed = seed * 1664525 + 1013904223;
		p[i] = (unsigned char)(i % 2 ? 3 : (seed >> 24) & 0x7f);
	}
}

/* ---- the store's folder */

static inline void upload_write(const char *root, const char *key, const void *p, size_t n)
{
	char *path = fs_join(root, key), *slash = strrchr(path, '/');
	struct err err = ERR_INIT;

	*slash = '\0';
	if (fs_mkdirs(path, 0755, &err) == -1)
		tap_bail("%s", err.text);
	*slash = '/';
	if (fs_write_atomic(path, p, n, 0644, &err) == -1)
		tap_bail("%s", err.text);
	free(path);
}

static inline bool upload_read(const char *root, const char *key, struct strbuf *out)
{
	char *path = fs_join(root, key);
	bool there;

	strbuf_init(out, UPLOAD_MAX);
	there = fs_read(path, out, NULL) == 0;
	free(path);
	return there;
}

static inline bool upload_exists(const char *root, const char *key)
{
	char *path = fs_join(root, key);
	bool there = fs_exists(path);

	free(path);
	return there;
}

static inline void upload_remove(const char *root, const char *key)
{
	char *path = fs_join(root, key);

	unlink(path);
	free(path);
}

/* Pieces NAME.tar.gzNNNNNN of piece_bytes and the check file; returns the number of pieces. */
static inline size_t upload_put(const char *root, const char *name, const struct strbuf *gz, size_t piece_bytes)
{
	size_t n = 0;
	char key[256], text[512];

	for (size_t at = 0; at < gz->len; at += piece_bytes, n++) {
		snprintf(key, sizeof(key), "raw/%s.tar.gz%06zu", name, n);
		upload_write(root, key, gz->buf + at, MIN(piece_bytes, gz->len - at));
	}
	snprintf(key, sizeof(key), "raw/%s.txt", name);
	snprintf(text, sizeof(text),
	    "%s.tar.gz000000\n%zu\n%zu\n2025-04-30 13:35:02.1\n412.07\n1: 1st file name\n", name, n, gz->len);
	upload_write(root, key, text, strlen(text));
	return n;
}

static size_t upload_root_skip;
static struct strvec *upload_found;

static inline int upload_visit(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	if (type == FTW_F && strncmp(path + upload_root_skip, ".orch/", 6) != 0)
		strvec_push(upload_found, path + upload_root_skip);
	return 0;
}

/* Every key under a prefix, sorted. */
static inline void upload_keys(const char *root, const char *prefix, struct strvec *out)
{
	struct strvec all = STRVEC_INIT;

	upload_root_skip = strlen(root) + 1;
	upload_found = &all;
	nftw(root, upload_visit, 16, FTW_PHYS);
	for (size_t i = 0; i < all.n; i++)
		if (strncmp(all.v[i], prefix, strlen(prefix)) == 0)
			strvec_push(out, all.v[i]);
	strvec_release(&all);
	strvec_sort(out);
}

static inline size_t upload_count(const char *root, const char *prefix)
{
	struct strvec keys = STRVEC_INIT;

	upload_keys(root, prefix, &keys);
	size_t n = keys.n;
	strvec_release(&keys);
	return n;
}

static inline bool upload_sha_is(const char *root, const char *key, const char *sha256)
{
	struct strbuf sb;
	char sum[SHA256_HEX] = "";

	if (upload_read(root, key, &sb))
		sha256_hex(sb.buf, sb.len, sum);
	strbuf_release(&sb);
	return strcmp(sum, sha256) == 0;
}

/* ---- steps */

#define UPLOAD_NAME     "fpi05_uao_20250429"
#define UPLOAD_DEST     "fpi/minime05/uao/2025/20250429/"
#define UPLOAD_MANIFEST "manifests/minime05/uao/20250429.json"

/* The context of a step of the night fpi05 uao 20250429 over the store in root; options is stolen. */
static inline json_t *upload_context(const char *root, const char *ledger, json_t *options)
{
	json_object_set_new(options, "store", json_string("data"));
	json_object_set_new(options, "names", json_pack("{s:s}", "stub", "fpi{instrument_name:-2}"));
	return json_pack("{s:o, s:{s:s, s:s, s:s}, s:{s:{s:s, s:{s:s}}}, s:s}", "options", options, "config",
	    "site", "uao", "observation_date", "20250429", "instrument_name", "minime05", "stores", "data",
	    "type", "dir", "options", "path", root, "ledger", ledger);
}

/* Another instrument and night. */
static inline void upload_set_night(json_t *context, const char *instrument, const char *date)
{
	json_t *config = json_object_get(context, "config");

	json_object_set_new(config, "instrument_name", json_string(instrument));
	json_object_set_new(config, "observation_date", json_string(date));
}

static inline json_t *upload_unzip_options(void)
{
	return json_pack("{s:s, s:s, s:s, s:s}", "pieces", "{stub}_{site}_{observation_date}.tar.gz",
	    "check_file", "{stub}_{site}_{observation_date}.txt", "destination",
	    "fpi/{instrument_name}/{site}/{observation_date:4}/{observation_date}/", "manifest",
	    "manifests/{instrument_name}/{site}/{observation_date}.json");
}

static inline char *upload_ledger(const char *name)
{
	char *dir = xasprintf("%s/ledger-%s", test_dir(), name);

	if (fs_mkdirs(dir, 0700, NULL) == -1)
		tap_bail("mkdir %s", dir);
	return dir;
}

/* A whole attempt of a built-in type; the caller releases it. */
static inline void upload_step(struct attempt *a, const char *name, const char *type, json_t *context)
{
	attempt_make(a, name, type, context);
	attempt_start(a, "orch-step");
	attempt_wait(a);
	if (!a->has_record || a->exit_status != 0)
		ok(false, "%s: %s record, status %x", name, a->has_record ? "with a" : "no",
		    (unsigned)a->exit_status);
}

static inline bool upload_failed(const struct attempt *a, const char *code)
{
	return a->has_record && a->rec.err.class != ERR_NONE && strcmp(a->rec.err.code, code) == 0;
}

static inline bool upload_succeeded(const struct attempt *a)
{
	return a->has_record && a->rec.err.class == ERR_NONE;
}

static inline int64_t upload_meta(const struct attempt *a, const char *key)
{
	return json_int(a->rec.metadata, key, -1);
}

#endif
