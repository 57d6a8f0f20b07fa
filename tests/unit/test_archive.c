/* The archive layer against a corpus of ordinary, odd, damaged and hostile archives, and against libarchive. */
#include "config.h"

#include "assets/archive/member_name.h"
#include "assets/archive/members.h"
#include "assets/archive/tar_block.h"
#include "assets/archive/unpack.h"
#include "base/digest.h"
#include "base/json.h"
#include "formats/checkfile.h"

#include "tests/tap.h"

#include <archive.h>
#include <archive_entry.h>
#include <zlib.h>

#define DATA        "tests/data/archives/"
#define FILE_MAX    (16 << 20)
#define MEMBERS_MAX 512
#define ALL_AT_ONCE SIZE_MAX

/* ---- members as a sink that keeps everything */

struct kept {
	struct entry {
		char *path;
		struct strbuf content;
		int64_t announced;
	} v[MEMBERS_MAX];
	size_t n;
	bool inside, flatten;
	struct members *members;
};

static int keep_begin(void *arg, const char *path, int64_t size, struct err *err)
{
	struct kept *k = arg;

	if (k->inside || k->n == MEMBERS_MAX)
		return err_set(err, ERR_BUG, "begin inside a member, or too many");
	k->inside = true;
	k->v[k->n].path = xstrdup(path);
	k->v[k->n].announced = size;
	strbuf_init(&k->v[k->n].content, FILE_MAX);
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

static const struct unpack_sink keep_sink = {.begin = keep_begin, .data = keep_data, .end = keep_end};

static void kept_release(struct kept *k)
{
	for (size_t i = 0; i < k->n + k->inside; i++) {
		free(k->v[i].path);
		strbuf_release(&k->v[i].content);
	}
	members_free(k->members);
	*k = (struct kept){0};
}

/* ---- the corpus */

static struct unpack_limits limits;
static int64_t max_chunks;
static json_t *expected;

static json_t *load_json(const char *name)
{
	struct strbuf sb = STRBUF_INIT(FILE_MAX);
	struct err err = ERR_INIT;
	json_t *j;

	if (fs_read(test_src(name), &sb, &err) == -1 || (j = json_parse(sb.buf, sb.len, name, &err)) == NULL)
		tap_bail("%s", err.text);
	strbuf_release(&sb);
	return j;
}

static void load_file(const char *name, struct strbuf *sb)
{
	struct err err = ERR_INIT;
	char path[256];

	snprintf(path, sizeof(path), DATA "%s", name);
	strbuf_init(sb, FILE_MAX);
	if (fs_read(test_src(path), sb, &err) == -1)
		tap_bail("%s", err.text);
}

static void load_expected(void)
{
	expected = load_json(DATA "expected.json");
	json_t *l = json_object_get(expected, "limits");

	limits = (struct unpack_limits){
	    .max_total_bytes = json_int(l, "max_total_bytes", 0),
	    .max_member_bytes = json_int(l, "max_member_bytes", 0),
	    .max_members = json_int(l, "max_members", 0),
	    .max_ratio = json_int(l, "max_ratio", 0),
	    .ratio_counts_after_bytes = json_int(l, "ratio_counts_after_bytes", 0),
	    .max_path_bytes = json_int(l, "max_path_bytes", 0),
	    .max_header_bytes = json_int(l, "max_header_bytes", 0),
	};
	max_chunks = json_int(l, "max_chunks", 0);
}

/* Feed in steps; k holds what came out, also after a failure. */
static int unpack_steps(const void *p, size_t n, size_t step, bool flatten, struct kept *k, struct err *err)
{
	struct unpack *u = unpack_new(&limits, flatten, &keep_sink, k);
	int rc = 0;

	k->flatten = flatten;
	for (size_t at = 0; rc == 0 && at < n; at += MIN(step, n - at))
		rc = unpack_push(u, (const char *)p + at, MIN(step, n - at), err);
	if (rc == 0)
		rc = unpack_finish(u, err);
	unpack_free(u);
	return rc;
}

static bool is_member(const struct entry *m, const json_t *want)
{
	char sha[SHA256_HEX];

	sha256_hex(m->content.buf, m->content.len, sha);
	return strcmp(m->path, json_str(want, "path", "")) == 0 &&
	       (int64_t)m->content.len == json_int(want, "size", -1) &&
	       strcmp(sha, json_str(want, "sha256", "")) == 0;
}

/* Every member is one of `want`; with exact also the other way round, in order. */
static bool members_fit(const struct kept *k, const json_t *want, bool exact)
{
	if (exact && k->n != json_array_size(want))
		return false;
	for (size_t i = 0; i < k->n; i++) {
		bool found = false;

		for (size_t j = 0; j < json_array_size(want) && !found; j++)
			found = (!exact || i == j) && is_member(&k->v[i], json_array_get(want, j));
		if (!found)
			return false;
	}
	return true;
}

static bool class_fits(const struct err *err, const json_t *classes)
{
	for (size_t i = 0; i < json_array_size(classes); i++) {
		const char *c = json_string_value(json_array_get(classes, i));
		size_t n = strlen(c);

		if (strncmp(err->code, c, n) == 0 && (err->code[n] == '\0' || err->code[n] == '.'))
			return err->class == ERR_BAD_DATA;
	}
	return false;
}

static bool outcome_fits(const json_t *want, int rc, const struct kept *k, const struct err *err)
{
	if (strcmp(json_str(want, "outcome", ""), "accept") == 0)
		return rc == 0 && members_fit(k, json_object_get(want, "members"), true);
	return rc == -1 && class_fits(err, json_object_get(want, "class")) &&
	       (json_object_get(want, "may_exist") == NULL ||
	           members_fit(k, json_object_get(want, "may_exist"), false));
}

static bool any_outcome_fits(const json_t *c, int rc, const struct kept *k, const struct err *err)
{
	const json_t *other = json_object_get(c, "or");
	bool fits = outcome_fits(json_object_get(c, "expect"), rc, k, err);

	for (size_t i = 0; i < json_array_size(other) && !fits; i++)
		fits = outcome_fits(json_array_get(other, i), rc, k, err);
	return fits;
}

static void check_archive(const json_t *c)
{
	static const size_t steps[] = {ALL_AT_ONCE, 1, 2, 3, 511, 512, 513, 4096};
	struct strbuf sb;
	struct kept k = {0};

	load_file(json_str(c, "archive", ""), &sb);
	for (size_t i = 0; i < NITEMS(steps); i++) {
		struct err err = ERR_INIT;
		int rc = unpack_steps(sb.buf, sb.len, steps[i], false, &k, &err);

		if (i == 0 || !any_outcome_fits(c, rc, &k, &err))
			ok(any_outcome_fits(c, rc, &k, &err), "%s: %s%s%s", json_str(c, "id", ""),
			    rc == 0 ? "accepted" : err.code, err.text[0] ? ": " : "", err.text);
		kept_release(&k);
	}
	strbuf_release(&sb);
}

/* ---- sets of pieces with their check file */

/* The piece number behind the last dot-gz; -1 when there is none. */
static int64_t piece_index(const char *name)
{
	const char *p = strstr(name, ".tar.gz");

	return p != NULL && strspn(p + 7, "0123456789") == 6 ? strtoll(p + 7, NULL, 10) : -1;
}

static int unpack_set(const json_t *c, struct kept *k, bool *no_data, struct err *err)
{
	const char *dir = json_str(c, "chunk_dir", "");
	const json_t *listing = json_object_get(c, "listing");
	size_t n = json_array_size(listing);
	struct checkfile_piece *v = xcalloc(n + 1, sizeof(*v));
	struct strbuf *sb = xcalloc(n + 1, sizeof(*sb)), text, whole = STRBUF_INIT(FILE_MAX);
	struct checkfile cf;
	char path[256];
	int rc;

	snprintf(path, sizeof(path), "%s/%s", dir, json_str(c, "manifest", ""));
	load_file(path, &text);
	for (size_t i = 0; i < n; i++) {
		v[i].name = json_string_value(json_array_get(listing, i));
		v[i].index = piece_index(v[i].name);
		snprintf(path, sizeof(path), "%s/%s", dir, v[i].name);
		load_file(path, &sb[i]);
		v[i].size = (int64_t)sb[i].len;
		strbuf_release(&sb[i]);
	}
	rc = checkfile_parse(text.buf, text.len, max_chunks, &cf, err);
	*no_data = rc == 0 && checkfile_no_data(&cf);
	if (rc == 0 && !*no_data)
		rc = checkfile_compare(&cf, v, n, err);
	for (size_t i = 0; rc == 0 && i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, v[i].name);
		load_file(path, &sb[i]);
		strbuf_add(&whole, sb[i].buf, sb[i].len);
		strbuf_release(&sb[i]);
	}
	if (rc == 0 && !*no_data)
		rc = unpack_steps(whole.buf, whole.len, 4096, false, k, err);
	strbuf_release(&whole);
	strbuf_release(&text);
	free(sb);
	free(v);
	return rc;
}

static void check_set(const json_t *c)
{
	struct err err = ERR_INIT;
	struct kept k = {0};
	bool no_data, fits;
	int rc = unpack_set(c, &k, &no_data, &err);

	if (strcmp(json_str(json_object_get(c, "expect"), "outcome", ""), "no_data") == 0)
		fits = rc == 0 && no_data;
	else
		fits = !no_data && any_outcome_fits(c, rc, &k, &err);
	ok(fits, "%s: %s%s%s", json_str(c, "id", ""), rc == 0 ? "accepted" : err.code, err.text[0] ? ": " : "",
	    err.text);
	kept_release(&k);
}

static void test_corpus(void)
{
	json_t *c;
	size_t i;

	json_array_foreach(json_object_get(expected, "cases"), i, c)
	{
		if (json_object_get(c, "archive") != NULL)
			check_archive(c);
		else
			check_set(c);
	}
	is_int(i, 68, "the whole corpus was there");
}

/* ---- libarchive as an independent reader of what we accept */

static bool libarchive_agrees(const struct strbuf *gz, const struct kept *k)
{
	struct archive *a = archive_read_new();
	struct archive_entry *e;
	size_t i = 0;
	bool same = true;

	archive_read_support_filter_gzip(a);
	archive_read_support_format_tar(a);
	same = archive_read_open_memory(a, gz->buf, gz->len) == ARCHIVE_OK;
	for (int rc; same && (rc = archive_read_next_header(a, &e)) != ARCHIVE_EOF;) {
		struct strbuf content = STRBUF_INIT(FILE_MAX);
		const void *p;
		size_t n;
		la_int64_t off;

		if (rc != ARCHIVE_OK && rc != ARCHIVE_WARN) /* it warns of UTF-8 names in the C locale */
			return false;
		if (archive_entry_filetype(e) == AE_IFDIR)
			continue;
		while (archive_read_data_block(a, &p, &n, &off) == ARCHIVE_OK) {
			while ((la_int64_t)content.len < off)
				strbuf_addch(&content, '\0');
			strbuf_add(&content, p, n);
		}
		while ((la_int64_t)content.len < archive_entry_size(e))
			strbuf_addch(&content, '\0');
		const char *name = archive_entry_pathname(e);
		same = i < k->n && content.len == k->v[i].content.len &&
		       memcmp(content.buf, k->v[i].content.buf, content.len) == 0 &&
		       strcmp(strncmp(name, "./", 2) == 0 ? name + 2 : name, k->v[i].path) == 0;
		i++;
		strbuf_release(&content);
	}
	archive_read_free(a);
	return same && i == k->n;
}

static void test_forms(void)
{
	json_t *forms = load_json(DATA "forms/forms.json"), *c;
	size_t i;

	json_array_foreach(forms, i, c)
	{
		static const size_t steps[] = {ALL_AT_ONCE, 1, 7, 512};
		struct kept k = {0};
		struct strbuf sb;
		char path[128];

		snprintf(path, sizeof(path), "forms/%s.tar.gz", json_str(c, "id", ""));
		load_file(path, &sb);
		for (size_t s = 0; s < NITEMS(steps); s++) {
			struct err err = ERR_INIT;
			int rc = unpack_steps(sb.buf, sb.len, steps[s], false, &k, &err);
			bool fits = rc == 0 && members_fit(&k, json_object_get(c, "members"), true);

			if (s == 0 || !fits)
				ok(fits, "%s in steps of %zu %s", json_str(c, "id", ""), steps[s], err.text);
			if (s == 0)
				ok(libarchive_agrees(&sb, &k), "and libarchive reads the same");
			kept_release(&k);
		}
		strbuf_release(&sb);
	}
	ok(i > 30, "%zu forms", i);
	json_decref(forms);
}

/* ---- sweeps over a base file */

static const json_t *case_members(const char *id)
{
	json_t *c;
	size_t i;

	json_array_foreach(json_object_get(expected, "cases"), i,
	    c) if (strcmp(json_str(c, "id", ""), id) == 0) return json_object_get(json_object_get(c, "expect"),
	    "members");
	tap_bail("no case %s", id);
}

static void test_sweep_truncate(void)
{
	size_t wrong = 0, early;
	struct strbuf sb;

	load_file("files/ok-basic.tar.gz", &sb);
	for (size_t n = 0; n < sb.len; n++) {
		struct err err = ERR_INIT;
		struct kept k = {0};
		int rc = unpack_steps(sb.buf, n, ALL_AT_ONCE, false, &k, &err);

		early = n < 18 && (err_is(&err, "corrupt.gzip") || err_is(&err, "empty"));
		if (rc == 0 || !(err_is(&err, "truncated") || early) ||
		    !members_fit(&k, case_members("ok-basic"), false))
			wrong++, diag("%zu bytes: %s", n, err.text);
		kept_release(&k);
	}
	is_int(wrong, 0, "every shorter file is truncated");
	strbuf_release(&sb);
}

static void test_sweep_bitflip(void)
{
	size_t wrong = 0, accepted = 0;
	struct strbuf sb;

	load_file("files/ok-basic.tar.gz", &sb);
	for (size_t bit = 0; bit < 8 * sb.len; bit++) {
		struct err err = ERR_INIT;
		struct kept k = {0};

		sb.buf[bit / 8] ^= (char)(1 << bit % 8);
		int rc = unpack_steps(sb.buf, sb.len, ALL_AT_ONCE, false, &k, &err);
		sb.buf[bit / 8] ^= (char)(1 << bit % 8);
		accepted += rc == 0;
		if (rc == 0 ? !members_fit(&k, case_members("ok-basic"), true)
		            : err.class != ERR_BAD_DATA || err.code[0] == '\0')
			wrong++, diag("bit %zu: %s", bit, err.text);
		kept_release(&k);
	}
	is_int(wrong, 0, "a flipped bit is refused or changes nothing");
	ok(accepted < 80, "%zu of %zu bits mean nothing", accepted, 8 * sb.len);
	strbuf_release(&sb);
}

static void inflate_all(const struct strbuf *gz, struct strbuf *out)
{
	z_stream z = {0};

	strbuf_init(out, FILE_MAX);
	inflateInit2(&z, 31);
	z.next_in = (unsigned char *)gz->buf;
	z.avail_in = (unsigned)gz->len;
	z.next_out = (unsigned char *)strbuf_room(out, 1 << 20);
	z.avail_out = 1 << 20;
	if (inflate(&z, Z_FINISH) != Z_STREAM_END)
		tap_bail("the base file is damaged");
	strbuf_grew(out, z.total_out);
	inflateEnd(&z);
}

/* A gzip around p that costs nothing to make. */
static void gzip_stored(const void *p, size_t n, struct strbuf *out)
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

/* Same members, but for one bit of one content. */
static bool differs_by_a_bit(const struct kept *k, const struct kept *base)
{
	unsigned bits = 0;

	if (k->n != base->n)
		return false;
	for (size_t i = 0; i < k->n; i++) {
		if (strcmp(k->v[i].path, base->v[i].path) != 0 || k->v[i].content.len != base->v[i].content.len)
			return false;
		for (size_t j = 0; j < k->v[i].content.len; j++)
			bits += (unsigned)__builtin_popcount(
			    (unsigned char)(k->v[i].content.buf[j] ^ base->v[i].content.buf[j]));
	}
	return bits <= 1;
}

static void test_sweep_tar_bitflip(void)
{
	struct strbuf gz, tar, again = STRBUF_INIT(FILE_MAX);
	struct kept base = {0};
	struct err err = ERR_INIT;
	size_t wrong = 0;

	load_file("files/ok-basic.tar.gz", &gz);
	inflate_all(&gz, &tar);
	unpack_steps(gz.buf, gz.len, ALL_AT_ONCE, false, &base, &err);
	is_int(base.n, 3, "the base has three members");
	for (size_t bit = 0; bit < 8 * tar.len; bit++) {
		struct kept k = {0};

		err = ERR_INIT;
		tar.buf[bit / 8] ^= (char)(1 << bit % 8);
		gzip_stored(tar.buf, tar.len, &again);
		tar.buf[bit / 8] ^= (char)(1 << bit % 8);
		int rc = unpack_steps(again.buf, again.len, ALL_AT_ONCE, false, &k, &err);
		if (rc == 0 ? !differs_by_a_bit(&k, &base) : err.class != ERR_BAD_DATA || err.code[0] == '\0')
			wrong++, diag("bit %zu: %s", bit, err.text);
		kept_release(&k);
	}
	is_int(wrong, 0, "a flipped bit under a right CRC is refused or changes that bit only");
	kept_release(&base);
	strbuf_release(&gz);
	strbuf_release(&tar);
	strbuf_release(&again);
}

static void test_sweep_split(void)
{
	struct strbuf sb;
	size_t wrong = 0;

	load_file("files/ok-gzip-two-members.tar.gz", &sb);
	for (size_t cut = 0; cut <= sb.len; cut++) {
		struct err err = ERR_INIT;
		struct kept k = {0};
		struct unpack *u = unpack_new(&limits, false, &keep_sink, &k);

		if (unpack_push(u, sb.buf, cut, &err) == -1 ||
		    unpack_push(u, sb.buf + cut, sb.len - cut, &err) == -1 || unpack_finish(u, &err) == -1 ||
		    !members_fit(&k, case_members("ok-gzip-two-members"), true))
			wrong++, diag("cut at %zu: %s", cut, err.text);
		unpack_free(u);
		kept_release(&k);
	}
	is_int(wrong, 0, "cut anywhere, the same members");
	strbuf_release(&sb);
}

/* ---- limits and names, case by case */

static void put_octal(char *p, size_t n, int64_t v)
{
	p[n - 1] = '\0';
	for (size_t i = n - 1; i-- > 0; v /= 8)
		p[i] = (char)('0' + v % 8);
}

static void add_header(struct strbuf *tar, const char *name, int64_t size, char type)
{
	char b[TAR_BLOCK] = {0};
	int64_t sum = 0;

	memcpy(b, name, MIN(strlen(name), (size_t)100));
	put_octal(b + 124, 12, size);
	memset(b + 148, ' ', 8);
	b[156] = type;
	memcpy(b + 257, "ustar\00000", 8);
	for (size_t i = 0; i < sizeof(b); i++)
		sum += (unsigned char)b[i];
	put_octal(b + 148, 8, sum);
	strbuf_add(tar, b, sizeof(b));
}

static void add_file(struct strbuf *tar, const char *name, const char *content)
{
	static const char zero[TAR_BLOCK];
	size_t n = strlen(content);

	add_header(tar, name, (int64_t)n, '0');
	strbuf_add(tar, content, n);
	strbuf_add(tar, zero, -n & (TAR_BLOCK - 1));
}

static int unpack_tar(struct strbuf *tar, bool flatten, struct kept *k, struct err *err)
{
	static const char zero[2 * TAR_BLOCK];
	struct strbuf gz = STRBUF_INIT(FILE_MAX);

	strbuf_add(tar, zero, sizeof(zero));
	gzip_stored(tar->buf, tar->len, &gz);
	int rc = unpack_steps(gz.buf, gz.len, ALL_AT_ONCE, flatten, k, err);
	strbuf_release(&gz);
	strbuf_reset(tar);
	return rc;
}

static void test_names(void)
{
	static const struct {
		const char *name, *path, *flat, *code;
	} cases[] = {
	    {"a.img", "a.img", "a.img", ""},
	    {"./n//./b.img", "n/b.img", "b.img", ""},
	    {"n/...", "n/...", "...", ""},
	    {"n/..a", "n/..a", "..a", ""},
	    {"12:30:05.img", "12:30:05.img", "12:30:05.img", ""},
	    {"n/%2e%2e/x", "n/%2e%2e/x", "x", ""},
	    {"n/\xe2\x80\xae.img", "n/\xe2\x80\xae.img", "\xe2\x80\xae.img", ""},
	    {"..", NULL, NULL, "path.traversal"},
	    {"n/../x", NULL, NULL, "path.traversal"},
	    {"n/..\\x", NULL, NULL, "path.traversal"},
	    {"/x", NULL, NULL, "path.absolute"},
	    {"//x", NULL, NULL, "path.absolute"},
	    {"C:\\x", NULL, NULL, "path.absolute"},
	    {"c:x", NULL, NULL, "path.absolute"},
	    {"\\\\host\\x", NULL, NULL, "path.absolute"},
	    {"n\\x", NULL, NULL, "path.control"},
	    {"n/\x1b[31m", NULL, NULL, "path.control"},
	    {"n/\x7f", NULL, NULL, "path.control"},
	    {"n/\xc2\x85", NULL, NULL, "path.control"},
	    {"n/\xc0\xaf", NULL, NULL, "path.encoding"},
	    {"n/\xed\xa0\x80", NULL, NULL, "path.encoding"},
	    {"n/\xe9t\xe9", NULL, NULL, "path.encoding"},
	    {".", NULL, NULL, "path.empty"},
	    {"n/", NULL, NULL, "path.empty"},
	    {"n/.", NULL, NULL, "path.empty"},
	};
	struct strbuf tar = STRBUF_INIT(FILE_MAX);

	for (size_t i = 0; i < NITEMS(cases); i++)
		for (int flatten = 0; flatten <= 1; flatten++) {
			const char *want = flatten ? cases[i].flat : cases[i].path;
			struct err err = ERR_INIT;
			struct kept k = {0};

			add_file(&tar, cases[i].name, "x");
			int rc = unpack_tar(&tar, flatten, &k, &err);
			ok((rc == 0) == (want != NULL) && strcmp(err.code, cases[i].code) == 0 &&
			        (want == NULL || (k.n == 1 && strcmp(k.v[0].path, want) == 0)),
			    "name %zu%s: %s", i, flatten ? " flattened" : "", want != NULL ? want : err.text);
			kept_release(&k);
		}
	strbuf_release(&tar);
}

/* Lengths at the limits, and what counts towards them. */
static void test_name_lengths(void)
{
	static const struct {
		size_t n; /* of the last component */
		const char *before;
		const char *code;
	} cases[] = {
	    {900, "", ""},
	    {900, "././", ""},
	    {898, "n/", ""},
	    {899, "n/", "limit.path"},
	    {901, "", "limit.path"},
	    {1024, "", "limit.path"},
	    {1025, "", "path.toolong"},
	};

	for (size_t i = 0; i < NITEMS(cases); i++) {
		struct strbuf name = STRBUF_INIT(2048), path = STRBUF_INIT(4096);
		struct err err = ERR_INIT;

		strbuf_addstr(&name, cases[i].before);
		for (size_t j = 0; j < cases[i].n; j++)
			strbuf_addch(&name, 'k');
		int rc = member_name_path(name.buf, false, 900, &path, &err);
		ok((rc == 0) == (cases[i].code[0] == '\0') && err_is(&err, cases[i].code),
		    "%s and %zu bytes: %s", cases[i].before, cases[i].n, cases[i].code);
		strbuf_release(&name);
		strbuf_release(&path);
	}
}

static void test_duplicates(void)
{
	static const struct {
		const char *first, *second, *content;
		bool flatten, accepted;
	} cases[] = {
	    {"a.img", "a.img", "other", false, false},
	    {"a.img", "a.img", "same", false, false},
	    {"a.img", "./a.img", "other", false, false},
	    {"a.img", "A.img", "other", false, true},
	    {"n1/a.img", "n2/a.img", "other", false, true},
	    {"n1/a.img", "n2/a.img", "other", true, false},
	    {"n1/a.img", "n2/a.img", "same", true, true},
	};
	struct strbuf tar = STRBUF_INIT(FILE_MAX);

	for (size_t i = 0; i < NITEMS(cases); i++) {
		struct err err = ERR_INIT;
		struct kept k = {0};

		add_file(&tar, cases[i].first, "same");
		add_file(&tar, cases[i].second, cases[i].content);
		int rc = unpack_tar(&tar, cases[i].flatten, &k, &err);
		ok(cases[i].accepted ? rc == 0 : rc == -1 && err_is(&err, "duplicate"), "%s and %s%s %s",
		    cases[i].first, cases[i].second, cases[i].flatten ? " flattened" : "", err.text);
		is_int(k.n, cases[i].accepted && !cases[i].flatten ? 2 : 1, "what was kept");
		kept_release(&k);
	}
	strbuf_release(&tar);
}

static void test_limits(void)
{
	struct unpack_limits was = limits;
	struct strbuf tar = STRBUF_INIT(FILE_MAX);
	struct err err = ERR_INIT;
	struct kept k = {0};

	limits.max_members = 2;
	for (int i = 0; i < 3; i++)
		add_file(&tar, &"abc"[i], "x");
	ok(unpack_tar(&tar, false, &k, &err) == -1 && err_is(&err, "limit.count") && k.n == 2,
	    "too many members: %s", err.text);
	kept_release(&k);
	limits = was;
	limits.max_total_bytes = 5;
	add_file(&tar, "a", "123");
	add_file(&tar, "b", "456");
	ok(unpack_tar(&tar, false, &k, &err) == -1 && err_is(&err, "limit.total") && k.n == 1,
	    "too many bytes: %s", err.text);
	kept_release(&k);
	limits = was;
	limits.max_member_bytes = 3;
	add_file(&tar, "a", "123");
	add_file(&tar, "b", "1234");
	ok(unpack_tar(&tar, false, &k, &err) == -1 && err_is(&err, "limit.member") && k.n == 1, "too large: %s",
	    err.text);
	kept_release(&k);
	limits = was;
	limits.max_total_bytes = 100000;
	add_file(&tar, "a", "123");
	for (int i = 0; i < 300; i++)
		strbuf_add(&tar, (char[TAR_BLOCK]){0}, TAR_BLOCK);
	ok(unpack_tar(&tar, false, &k, &err) == -1 && err_is(&err, "limit.total"), "zeros without end: %s",
	    err.text);
	kept_release(&k);
	limits = was;
	add_header(&tar, "d/", 0, '5');
	ok(unpack_tar(&tar, false, &k, &err) == -1 && err_is(&err, "empty"), "folders alone: %s", err.text);
	kept_release(&k);
	strbuf_release(&tar);
}

static void test_types(void)
{
	struct strbuf tar = STRBUF_INIT(FILE_MAX);

	for (int type = 1; type < 256; type++) {
		struct err err = ERR_INIT;
		struct kept k = {0};

		if (strchr("05xgLKS", type) != NULL)
			continue;
		add_header(&tar, "link", 0, (char)type);
		if (unpack_tar(&tar, false, &k, &err) != -1 || !err_is(&err, "type") || k.n != 0)
			ok(false, "type %d is refused: %s", type, err.text);
		kept_release(&k);
	}
	ok(true, "every other type flag is refused");
	strbuf_release(&tar);
}

static void test_numbers(void)
{
	static const struct {
		const char *text;
		int64_t want; /* -1: refused */
	} cases[] = {
	    {"00000001274\0", 700},
	    {"       1274 ", 700},
	    {"1274\0\0\0\0\0\0\0\0", 700},
	    {"000000001274", 700},
	    {"777777777777", 0777777777777},
	    {"\x80\0\0\0\0\0\0\0\0\0\x02\xbc", 700},
	    {"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", INT64_MAX},
	    {"\x80\0\0\0\x80\0\0\0\0\0\0\0", -1},
	    {"\x80\x01\0\0\0\0\0\0\0\0\0\0", -1},
	    {"\x81\0\0\0\0\0\0\0\0\0\0\0", -1},
	    {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", -1},
	    {"12x40000000\0", -1},
	    {"00000000008\0", -1},
	    {"-0000000001\0", -1},
	    {"+0000000001\0", -1},
	    {"12 34567000\0", -1},
	    {"\0\0\0\0\0\0\0\0\0\0\0\0", -1},
	    {"            ", -1},
	    {"0x000000010\0", -1},
	};

	for (size_t i = 0; i < NITEMS(cases); i++) {
		int64_t v = -1;
		int rc = tar_number((const unsigned char *)cases[i].text, 12, &v);

		ok((rc == 0) == (cases[i].want != -1) && v == cases[i].want, "number %zu", i);
	}
}

/* ---- extended headers and sparse maps that do not add up */

static void add_padded(struct strbuf *tar, char type, const void *p, size_t n)
{
	static const char zero[TAR_BLOCK];

	add_header(tar, "extension", (int64_t)n, type);
	strbuf_add(tar, p, n);
	strbuf_add(tar, zero, -n & (TAR_BLOCK - 1));
}

/* Records "key=value|key=value" with right lengths, as one pax header. */
static void add_pax(struct strbuf *tar, char type, const char *records)
{
	struct strbuf body = STRBUF_INIT(FILE_MAX);

	for (size_t n; *records != '\0'; records += n + (records[n] != '\0')) {
		n = strcspn(records, "|");
		size_t len = n + 3, digits = len + 1 < 10 ? 1 : len + 2 < 100 ? 2 : 3;

		strbuf_addf(&body, "%zu %.*s\n", n + 2 + digits, (int)n, records);
	}
	add_padded(tar, type, body.buf, body.len);
	strbuf_release(&body);
}

static void test_pax(void)
{
	static const struct {
		const char *records, *content, *code;
	} cases[] = {
	    {"path=b", "1234", ""},
	    {"comment=x|size=4", "1234", ""},
	    {"size=", "1234", "corrupt.tar"},
	    {"size=1e3", "1234", "corrupt.tar"},
	    {"size=12 34", "1234", "corrupt.tar"},
	    {"size=-4", "1234", "corrupt.tar"},
	    {"size=+4", "1234", "corrupt.tar"},
	    {"size=0x4", "1234", "corrupt.tar"},
	    {"size=18446744073709551620", "1234", "corrupt.tar"},
	    {"size=9223372036854775807", "1234", "limit.member"},
	    {"size=3", "1234", "corrupt.tar"},
	    {"path=", "1234", "path.empty"},
	    {"path=../b", "1234", "path.traversal"},
	    {"GNU.sparse.size=6|GNU.sparse.numblocks=1|GNU.sparse.map=2,4", "1234", ""},
	    {"GNU.sparse.size=6|GNU.sparse.numblocks=2|GNU.sparse.map=0,2,4,2", "1234", ""},
	    {"GNU.sparse.size=6|GNU.sparse.offset=0|GNU.sparse.numbytes=2|GNU.sparse.offset=4|GNU.sparse."
	     "numbytes=2",
	        "1234", ""},
	    {"GNU.sparse.map=2,4", "1234", "corrupt.tar"},
	    {"GNU.sparse.size=6|GNU.sparse.numblocks=2|GNU.sparse.map=2,4", "1234", "corrupt.tar"},
	    {"GNU.sparse.size=6|GNU.sparse.map=2,4,", "1234", "corrupt.tar"},
	    {"GNU.sparse.size=6|GNU.sparse.map=2", "1234", "corrupt.tar"},
	    {"GNU.sparse.size=6|GNU.sparse.map=2;4", "1234", "corrupt.tar"},
	    {"GNU.sparse.size=6|GNU.sparse.map=,", "1234", "corrupt.tar"},
	    {"GNU.sparse.size=6|GNU.sparse.map=2,2,3,2", "1234", "corrupt.tar"},
	    {"GNU.sparse.size=6|GNU.sparse.map=4,2,0,2", "1234", "corrupt.tar"},
	    {"GNU.sparse.size=6|GNU.sparse.map=9223372036854775807,4", "1234", "corrupt.tar"},
	    {"GNU.sparse.size=5|GNU.sparse.map=2,4", "1234", "corrupt.tar"},
	    {"GNU.sparse.size=6|GNU.sparse.map=2,3", "1234", "corrupt.tar"},
	    {"GNU.sparse.size=6|GNU.sparse.offset=0", "1234", "corrupt.tar"},
	    {"GNU.sparse.size=6|GNU.sparse.numbytes=4", "1234", "corrupt.tar"},
	    {"GNU.sparse.size=6|GNU.sparse.offset=0|GNU.sparse.offset=1|GNU.sparse.numbytes=4", "1234",
	        "corrupt.tar"},
	    {"GNU.sparse.size=99999999999|GNU.sparse.map=2,4", "1234", "limit.member"},
	    {"GNU.sparse.major=2|GNU.sparse.minor=0|GNU.sparse.realsize=6", "1234", "corrupt.tar"},
	    {"GNU.sparse.major=1|GNU.sparse.minor=1|GNU.sparse.realsize=6", "1234", "corrupt.tar"},
	    {"GNU.sparse.major=1|GNU.sparse.minor=0|GNU.sparse.realsize=6|GNU.sparse.map=2,4", "1234",
	        "corrupt.tar"},
	    {"GNU.sparse.major=1|GNU.sparse.minor=0|GNU.sparse.realsize=0", "0\n", "corrupt.tar"},
	    {"GNU.sparse.major=1|GNU.sparse.minor=0|GNU.sparse.realsize=0", "x\n", "corrupt.tar"},
	    {"GNU.sparse.major=1|GNU.sparse.minor=0|GNU.sparse.realsize=0", "65537\n", "limit.header"},
	    {"GNU.sparse.major=1|GNU.sparse.minor=0|GNU.sparse.realsize=0", "1\n0\n", "corrupt.tar"},
	    {"GNU.sparse.major=1|GNU.sparse.minor=0|GNU.sparse.realsize=0", "1111111111111111111111\n",
	        "corrupt.tar"},
	};
	struct strbuf tar = STRBUF_INIT(FILE_MAX);

	for (size_t i = 0; i < NITEMS(cases); i++) {
		struct err err = ERR_INIT;
		struct kept k = {0};

		add_pax(&tar, 'x', cases[i].records);
		add_file(&tar, "a", cases[i].content);
		int rc = unpack_tar(&tar, false, &k, &err);
		ok((rc == 0) == (cases[i].code[0] == '\0') && strcmp(err.code, cases[i].code) == 0, "%s: %s",
		    cases[i].records, err.text);
		kept_release(&k);
	}
	strbuf_release(&tar);
}

/* Records whose framing is wrong. */
static void test_pax_framing(void)
{
	static const char *const bodies[] = {"8 path=b\n", "11 path=b\n", "09 path=b\n", "9 path=bb",
	    "9path=bb\n", "7 pathb\n", "5 =b\n", "9 path=b\n9", "9", "x", "-9 path=b\n",
	    "99999999999999999999 path=b\n", "4 p\n"};
	struct strbuf tar = STRBUF_INIT(FILE_MAX);

	for (size_t i = 0; i < NITEMS(bodies); i++)
		for (int global = 0; global <= 1; global++) {
			struct err err = ERR_INIT;
			struct kept k = {0};

			add_padded(&tar, global ? 'g' : 'x', bodies[i], strlen(bodies[i]));
			add_file(&tar, "a", "1234");
			ok(unpack_tar(&tar, false, &k, &err) == -1 && err_is(&err, "corrupt.tar") && k.n == 0,
			    "%s header %zu: %s", global ? "global" : "pax", i, err.text);
			kept_release(&k);
		}
	strbuf_release(&tar);
}

static void add_two_pax(struct strbuf *tar)
{
	add_pax(tar, 'x', "path=b");
	add_pax(tar, 'x', "path=c");
}

static void add_two_long(struct strbuf *tar)
{
	add_padded(tar, 'L', "b", 2);
	add_padded(tar, 'L', "c", 2);
}

static void add_two_links(struct strbuf *tar)
{
	add_padded(tar, 'K', "b", 2);
	add_padded(tar, 'K', "c", 2);
}

static void add_both_names(struct strbuf *tar)
{
	add_padded(tar, 'L', "b", 2);
	add_pax(tar, 'x', "path=c");
}

static void add_same_names(struct strbuf *tar)
{
	add_padded(tar, 'L', "b", 2);
	add_pax(tar, 'x', "path=b");
}

static void add_long_with_nul(struct strbuf *tar)
{
	add_padded(tar, 'L', "b\0c", 4);
}

static void add_empty_long(struct strbuf *tar)
{
	add_padded(tar, 'L', "", 1);
}

static void add_long_link(struct strbuf *tar)
{
	add_padded(tar, 'K', "/etc/shadow", 12);
}

static void add_global_path(struct strbuf *tar)
{
	add_pax(tar, 'g', "path=b");
}

static void add_folder_with_content(struct strbuf *tar)
{
	add_header(tar, "d/", 4, '5');
}

static void add_sparse_twice(struct strbuf *tar)
{
	add_pax(tar, 'x', "GNU.sparse.size=6|GNU.sparse.map=2,4");
	add_header(tar, "s", 4, 'S');
}

static void add_sparse_without_size(struct strbuf *tar)
{
	add_header(tar, "s", 4, 'S');
}

static void test_structure(void)
{
	static const struct {
		const char *what;
		void (*add)(struct strbuf *);
		const char *code;
	} cases[] = {
	    {"two pax headers", add_two_pax, "corrupt.tar"},
	    {"two long names", add_two_long, "corrupt.tar"},
	    {"two long links", add_two_links, "corrupt.tar"},
	    {"pax and long name differ", add_both_names, "corrupt.tar"},
	    {"pax and long name agree", add_same_names, ""},
	    {"NUL in a long name", add_long_with_nul, "path.control"},
	    {"empty long name", add_empty_long, "path.empty"},
	    {"long link before a file", add_long_link, ""},
	    {"global path", add_global_path, "corrupt.tar"},
	    {"folder with content", add_folder_with_content, "corrupt.tar"},
	    {"two sparse maps", add_sparse_twice, "corrupt.tar"},
	    {"sparse without size", add_sparse_without_size, "corrupt.tar"},
	};
	struct strbuf tar = STRBUF_INIT(FILE_MAX);
	struct err err = ERR_INIT;
	struct kept k = {0};

	for (size_t i = 0; i < NITEMS(cases); i++) {
		err = ERR_INIT;
		cases[i].add(&tar);
		add_file(&tar, "a", "1234");
		int rc = unpack_tar(&tar, false, &k, &err);
		ok((rc == 0) == (cases[i].code[0] == '\0') && strcmp(err.code, cases[i].code) == 0, "%s: %s",
		    cases[i].what, err.text);
		kept_release(&k);
	}
	err = ERR_INIT;
	add_file(&tar, "a", "1234");
	add_pax(&tar, 'x', "path=b");
	ok(unpack_tar(&tar, false, &k, &err) == -1 && err_is(&err, "corrupt.tar"),
	    "a pax header without its member: %s", err.text);
	kept_release(&k);
	strbuf_release(&tar);
}

int main(void)
{
	load_expected();
	tap_run(test_corpus);
	tap_run(test_forms);
	tap_run(test_sweep_truncate);
	tap_run(test_sweep_bitflip);
	tap_run(test_sweep_tar_bitflip);
	tap_run(test_sweep_split);
	tap_run(test_names);
	tap_run(test_name_lengths);
	tap_run(test_duplicates);
	tap_run(test_limits);
	tap_run(test_types);
	tap_run(test_numbers);
	tap_run(test_pax);
	tap_run(test_pax_framing);
	tap_run(test_structure);
	json_decref(expected);
	return tap_done();
}
