/* The tar reader, case by case: names, limits, types, numbers, extended headers, and what does not add up. */
#include "config.h"

#include "assets/archive/member_name.h"
#include "assets/archive/tar_block.h"

#include "tests/tap.h"
#include "tests/unit/archive_fixture.h"

/* ---- archive_limits and names, case by case */

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
	struct strbuf gz = STRBUF_INIT(ARCHIVE_FILE_MAX);

	strbuf_add(tar, zero, sizeof(zero));
	archive_gzip(tar->buf, tar->len, &gz);
	int rc = archive_unpack(gz.buf, gz.len, ALL_AT_ONCE, flatten, k, err);
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
	struct strbuf tar = STRBUF_INIT(ARCHIVE_FILE_MAX);

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

/* Lengths at the archive_limits, and what counts towards them. */
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
	struct strbuf tar = STRBUF_INIT(ARCHIVE_FILE_MAX);

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
	struct unpack_limits was = archive_limits;
	struct strbuf tar = STRBUF_INIT(ARCHIVE_FILE_MAX);
	struct err err = ERR_INIT;
	struct kept k = {0};

	archive_limits.max_members = 2;
	for (int i = 0; i < 3; i++)
		add_file(&tar, &"abc"[i], "x");
	ok(unpack_tar(&tar, false, &k, &err) == -1 && err_is(&err, "limit.count") && k.n == 2,
	    "too many members: %s", err.text);
	kept_release(&k);
	archive_limits = was;
	archive_limits.max_total_bytes = 5;
	add_file(&tar, "a", "123");
	add_file(&tar, "b", "456");
	ok(unpack_tar(&tar, false, &k, &err) == -1 && err_is(&err, "limit.total") && k.n == 1,
	    "too many bytes: %s", err.text);
	kept_release(&k);
	archive_limits = was;
	archive_limits.max_member_bytes = 3;
	add_file(&tar, "a", "123");
	add_file(&tar, "b", "1234");
	ok(unpack_tar(&tar, false, &k, &err) == -1 && err_is(&err, "limit.member") && k.n == 1, "too large: %s",
	    err.text);
	kept_release(&k);
	archive_limits = was;
	archive_limits.max_total_bytes = 100000;
	add_file(&tar, "a", "123");
	for (int i = 0; i < 300; i++)
		strbuf_add(&tar, (char[TAR_BLOCK]){0}, TAR_BLOCK);
	ok(unpack_tar(&tar, false, &k, &err) == -1 && err_is(&err, "limit.total"), "zeros without end: %s",
	    err.text);
	kept_release(&k);
	archive_limits = was;
	add_header(&tar, "d/", 0, '5');
	ok(unpack_tar(&tar, false, &k, &err) == -1 && err_is(&err, "empty"), "folders alone: %s", err.text);
	kept_release(&k);
	strbuf_release(&tar);
}

static void test_types(void)
{
	struct strbuf tar = STRBUF_INIT(ARCHIVE_FILE_MAX);

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
	struct strbuf body = STRBUF_INIT(ARCHIVE_FILE_MAX);

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
	struct strbuf tar = STRBUF_INIT(ARCHIVE_FILE_MAX);

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
	struct strbuf tar = STRBUF_INIT(ARCHIVE_FILE_MAX);

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
	struct strbuf tar = STRBUF_INIT(ARCHIVE_FILE_MAX);
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
	archive_load_expected();
	tap_run(test_names);
	tap_run(test_name_lengths);
	tap_run(test_duplicates);
	tap_run(test_limits);
	tap_run(test_types);
	tap_run(test_numbers);
	tap_run(test_pax);
	tap_run(test_pax_framing);
	tap_run(test_structure);
	json_decref(archive_expected);
	return tap_done();
}
