/* The archive layer against a corpus of ordinary, odd, damaged and hostile archives, and against libarchive. */
#include "config.h"

#include "assets/archive/tar_block.h"
#include "formats/checkfile.h"

#include "tests/tap.h"
#include "tests/unit/archive_fixture.h"

#include <archive.h>
#include <archive_entry.h>
#include <zlib.h>

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

	archive_load_file(json_str(c, "archive", ""), &sb);
	for (size_t i = 0; i < NITEMS(steps); i++) {
		struct err err = ERR_INIT;
		int rc = archive_unpack(sb.buf, sb.len, steps[i], false, &k, &err);

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
	struct strbuf *sb = xcalloc(n + 1, sizeof(*sb)), text, whole = STRBUF_INIT(ARCHIVE_FILE_MAX);
	struct checkfile cf;
	char path[256];
	int rc;

	snprintf(path, sizeof(path), "%s/%s", dir, json_str(c, "manifest", ""));
	archive_load_file(path, &text);
	for (size_t i = 0; i < n; i++) {
		v[i].name = json_string_value(json_array_get(listing, i));
		v[i].index = piece_index(v[i].name);
		snprintf(path, sizeof(path), "%s/%s", dir, v[i].name);
		archive_load_file(path, &sb[i]);
		v[i].size = (int64_t)sb[i].len;
		strbuf_release(&sb[i]);
	}
	rc = checkfile_parse(text.buf, text.len, archive_max_chunks, &cf, err);
	*no_data = rc == 0 && checkfile_no_data(&cf);
	if (rc == 0 && !*no_data)
		rc = checkfile_compare(&cf, v, n, err);
	for (size_t i = 0; rc == 0 && i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, v[i].name);
		archive_load_file(path, &sb[i]);
		strbuf_add(&whole, sb[i].buf, sb[i].len);
		strbuf_release(&sb[i]);
	}
	if (rc == 0 && !*no_data)
		rc = archive_unpack(whole.buf, whole.len, 4096, false, k, err);
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

	json_array_foreach(json_object_get(archive_expected, "cases"), i, c)
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
		struct strbuf content = STRBUF_INIT(ARCHIVE_FILE_MAX);
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
	json_t *forms = archive_load_json(ARCHIVE_DATA "forms/forms.json"), *c;
	size_t i;

	json_array_foreach(forms, i, c)
	{
		static const size_t steps[] = {ALL_AT_ONCE, 1, 7, 512};
		struct kept k = {0};
		struct strbuf sb;
		char path[128];

		snprintf(path, sizeof(path), "forms/%s.tar.gz", json_str(c, "id", ""));
		archive_load_file(path, &sb);
		for (size_t s = 0; s < NITEMS(steps); s++) {
			struct err err = ERR_INIT;
			int rc = archive_unpack(sb.buf, sb.len, steps[s], false, &k, &err);
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

	json_array_foreach(json_object_get(archive_expected, "cases"), i,
	    c) if (strcmp(json_str(c, "id", ""), id) == 0) return json_object_get(json_object_get(c, "expect"),
	    "members");
	tap_bail("no case %s", id);
}

static void test_sweep_truncate(void)
{
	size_t wrong = 0, early;
	struct strbuf sb;

	archive_load_file("files/ok-basic.tar.gz", &sb);
	for (size_t n = 0; n < sb.len; n++) {
		struct err err = ERR_INIT;
		struct kept k = {0};
		int rc = archive_unpack(sb.buf, n, ALL_AT_ONCE, false, &k, &err);

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

	archive_load_file("files/ok-basic.tar.gz", &sb);
	for (size_t bit = 0; bit < 8 * sb.len; bit++) {
		struct err err = ERR_INIT;
		struct kept k = {0};

		sb.buf[bit / 8] ^= (char)(1 << bit % 8);
		int rc = archive_unpack(sb.buf, sb.len, ALL_AT_ONCE, false, &k, &err);
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

	strbuf_init(out, ARCHIVE_FILE_MAX);
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
	struct strbuf gz, tar, again = STRBUF_INIT(ARCHIVE_FILE_MAX);
	struct kept base = {0};
	struct err err = ERR_INIT;
	size_t wrong = 0;

	archive_load_file("files/ok-basic.tar.gz", &gz);
	inflate_all(&gz, &tar);
	archive_unpack(gz.buf, gz.len, ALL_AT_ONCE, false, &base, &err);
	is_int(base.n, 3, "the base has three members");
	for (size_t bit = 0; bit < 8 * tar.len; bit++) {
		struct kept k = {0};

		err = ERR_INIT;
		tar.buf[bit / 8] ^= (char)(1 << bit % 8);
		archive_gzip(tar.buf, tar.len, &again);
		tar.buf[bit / 8] ^= (char)(1 << bit % 8);
		int rc = archive_unpack(again.buf, again.len, ALL_AT_ONCE, false, &k, &err);
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

	archive_load_file("files/ok-gzip-two-members.tar.gz", &sb);
	for (size_t cut = 0; cut <= sb.len; cut++) {
		struct err err = ERR_INIT;
		struct kept k = {0};
		struct unpack *u = unpack_new(&archive_limits, false, &keep_sink, &k);

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

int main(void)
{
	archive_load_expected();
	tap_run(test_corpus);
	tap_run(test_forms);
	tap_run(test_sweep_truncate);
	tap_run(test_sweep_bitflip);
	tap_run(test_sweep_tar_bitflip);
	tap_run(test_sweep_split);
	json_decref(archive_expected);
	return tap_done();
}
