/* What names say and what groups of pieces add up to: the judging half of the chunked_upload sensor, without a store. */
#include "config.h"

#include "sensors/upload_names.h"
#include "sensors/upload_table.h"

#include "tests/tap.h"

#define PART  "^(?<stub>fpi(?<num>\\d{2}))_(?<site>[a-z0-9]{2,3})_(?<date>\\d{8})\\.tar\\.gz(?<part>\\d{6})$"
#define CHECK "{stub}_{site}_{date}.txt"
#define ALL   (COMPLETE_COUNT | COMPLETE_INDICES | COMPLETE_BYTES)

static void test_names(void)
{
	static const struct {
		const char *name;
		enum upload_role role;
		const char *says; /* the upload, or part of the reason */
		uint32_t index;
	} cases[] = {
	    {"fpi05_uao_20260407.tar.gz000000", UPLOAD_PIECE, "fpi05_uao_20260407.txt", 0},
	    {"fpi05_uao_20260407.tar.gz000017", UPLOAD_PIECE, "fpi05_uao_20260407.txt", 17},
	    {"fpi13_ua_20240229.tar.gz999999", UPLOAD_PIECE, "fpi13_ua_20240229.txt", 999999},
	    {"fpi05_uao_20260407.txt", UPLOAD_CHECK, "fpi05_uao_20260407.txt", 0},
	    {"fpi05_uao_20260407.tar.gz", UPLOAD_NONE, "neither a piece nor a check file", 0},
	    {"fpi05_uao_20260407.tar.gz00000", UPLOAD_NONE, "neither", 0},
	    {"fpi05_uao_20260407.tar.gz0000001", UPLOAD_NONE, "neither", 0},
	    {"fpi05_uao_20260407.tar.gz000001000001", UPLOAD_NONE, "neither", 0},
	    {"fpi05_uao_20260407.tar.gz000001\n", UPLOAD_NONE, "neither", 0},
	    {"fpi05_uao_20260407.txt\n", UPLOAD_NONE, "neither", 0},
	    {"fpi123_uao_20260407.tar.gz000000", UPLOAD_NONE, "neither", 0},
	    {"fpi123_uao_20260407.txt", UPLOAD_NONE, "neither", 0},
	    {"fpi5_uao_20260407.txt", UPLOAD_NONE, "neither", 0},
	    {"fpi05_UAO_20260407.tar.gz000000", UPLOAD_NONE, "neither", 0},
	    {"fpi05_uao_20260230.tar.gz000000", UPLOAD_NONE, "'20260230' in its name is not a date", 0},
	    {"fpi05_uao_20261345.txt", UPLOAD_NONE, "'20261345' in its name is not a date", 0},
	    {"fpi05_uao_20250229.txt", UPLOAD_NONE, "not a date", 0},
	    {"fpi05_uao_20260407xtxt", UPLOAD_NONE, "neither", 0},
	    {"Cloud_uao_20260407.txt", UPLOAD_NONE, "neither", 0},
	    {"bwc00_uao_20260407.txt", UPLOAD_NONE, "neither", 0},
	    {"TempL00_uao_20260407.txt", UPLOAD_NONE, "neither", 0},
	    {"my_test_file.txt", UPLOAD_NONE, "neither", 0},
	    {"a_b_c", UPLOAD_NONE, "neither", 0},
	};
	struct err err = ERR_INIT;
	struct upload_names *un = upload_names_new(PART, CHECK, "part", "date", &err);
	struct upload_name n;

	ok(un != NULL, "the airglow pattern compiles %s", err.text);
	for (size_t i = 0; i < NITEMS(cases); i++) {
		upload_names_read(un, cases[i].name, &n);
		ok(n.role == cases[i].role && n.index == cases[i].index &&
		        (n.role == UPLOAD_NONE ? strstr(n.why, cases[i].says) != NULL
		                               : strcmp(n.upload, cases[i].says) == 0),
		    "%.*s: %s", (int)strcspn(cases[i].name, "\n"), cases[i].name,
		    n.role == UPLOAD_NONE ? n.why : n.upload);
	}
	upload_names_free(un);
}

static bool same_name(const struct upload_name *a, const struct upload_name *b)
{
	if (a->role != b->role || a->index != b->index || a->width != b->width)
		return false;
	if (a->role == UPLOAD_NONE)
		return strcmp(a->why, b->why) == 0;
	return a->len == b->len && strcmp(a->upload, b->upload) == 0 && strcmp(a->date, b->date) == 0;
}

/* What a reader makes of a name must not hang on the names before it, only `again` does. */
static void test_again(void)
{
	static const struct {
		const char *part, *check;
	} forms[] = {
	    {PART, CHECK},
	    {"^(?<stub>[a-z]+)(?<tail>-(?<part>\\d+))$",
	        "{stub}{tail}.txt"}, /* the index is part of the upload */
	    {"^(?<stub>[a-z]+)_(?<part>[0-4]\\d*)$", "{stub}"}, /* digits differ to it */
	    {"^(?<part>\\d{2})(?<date>\\d{8})?(?<stub>.*)$", "{date}{stub}.txt"},
	};
	static const char *const names[] = {"fpi05_uao_20260407.tar.gz000000",
	    "fpi05_uao_20260407.tar.gz000001", "fpi05_uao_20260407.tar.gz00000x", "fpi05_uao_20260407.txt",
	    "fpi06_uao_20260407.tar.gz000001", "fpi06_uao_20261407.tar.gz000001",
	    "fpi06_uao_20260407.tar.gz000002", "a-1", "a-2", "b-2", "a_1", "a_2", "a_5", "a_12", "0120260407x",
	    "0220260407x", "0220260408x", "02x", "03x", "0x", ""};
	size_t wrong = 0, again = 0;

	srand(11);
	for (size_t f = 0; f < NITEMS(forms); f++) {
		struct err err = ERR_INIT;
		struct upload_names *un = upload_names_new(forms[f].part, forms[f].check, "part", "date", &err);
		char before[64] = "";

		for (int i = 0; i < 3000; i++) {
			const char *name = names[(size_t)rand() % NITEMS(names)];
			struct upload_names *fresh =
			    upload_names_new(forms[f].part, forms[f].check, "part", "date", &err);
			struct upload_name a, b;

			upload_names_read(un, name, &a);
			upload_names_read(fresh, name, &b);
			wrong += !same_name(&a, &b) || (a.again && strcmp(a.upload, before) != 0);
			again += a.again;
			snprintf(before, sizeof(before), "%s", a.role == UPLOAD_NONE ? "" : a.upload);
			upload_names_free(fresh);
		}
		upload_names_free(un);
	}
	ok(wrong == 0, "every name reads as if it were the first");
	ok(again > 50, "%zu were known from the one before", again);
}

static void test_values(void)
{
	static const char *const want[][2] = {
	    {"stub", "fpi05"}, {"num", "05"}, {"site", "uao"}, {"date", "20260407"}};
	struct upload_names *un = upload_names_new(PART, CHECK, "part", "date", NULL);
	struct upload_values v;

	upload_names_values(un, "fpi05_uao_20260407.txt", &v);
	is_int(v.n, NITEMS(want), "every group but the index has a value");
	for (size_t i = 0; i < v.n && i < NITEMS(want); i++) {
		is_str(v.v[i].name, want[i][0], "its name");
		is_str(v.v[i].value, want[i][1], "its value");
		is_str(upload_names_group(un, i), want[i][0], "as announced");
	}
	ok(upload_names_group(un, v.n) == NULL, "and no more");
	upload_values_release(&v);
	upload_names_free(un);
}

/* Patterns whose text is awkward to cut, other orders, other groups. */
static void test_other_patterns(void)
{
	static const struct {
		const char *part, *check, *piece, *upload;
	} cases[] = {
	    {"^(?<n>\\d+)of-(?P<who>[\\])(]+|\\(x\\))$", "{who}.ok", "7of-])(", "])(.ok"},
	    {"^(?<who>[^]()]+)[.](?<n>\\d)$", "check.{who}", "abc.1", "check.abc"},
	    {"^(?'who'(?:a|b(?<inner>c))+)-(?<n>\\d)$", "{who}+{inner}", "abc-1", "abc+c"},
	    {"^(?<who>\\Q(\\E\\d)\\.(?<n>\\d)$", "{who}{{}}", "(5.1", "(5{}"},
	    {"^(?<who>[[:alpha:]()]+)(?<n>\\d)$", "{who}{who}", "a(1", "a(a("},
	};

	for (size_t i = 0; i < NITEMS(cases); i++) {
		struct err err = ERR_INIT;
		struct upload_names *un = upload_names_new(cases[i].part, cases[i].check, "n", "date", &err);
		struct upload_name n;

		if (!ok(un != NULL, "%s %s", cases[i].part, err.text))
			continue;
		upload_names_read(un, cases[i].piece, &n);
		is_str(n.upload, cases[i].upload, "the upload of a piece");
		upload_names_read(un, cases[i].upload, &n);
		ok(n.role == UPLOAD_CHECK, "and back from the check file");
		upload_names_free(un);
	}
}

static void test_bad_patterns(void)
{
	static const struct {
		const char *part, *check, *says;
	} cases[] = {
	    {"^(?<stub>x", CHECK, "not a regular expression"},
	    {"^(?<stub>x)$", "{stub}", "no group 'part'"},
	    {"^(?<stub>x)(?<part>\\d)$", "{stub}_{site}", "{site}, which is no group"},
	    {"^(?<stub>x)(?<part>\\d)$", "{stub}{part}", "share one check file"},
	    {"^(?<stub>x)_(?<site>y)(?<part>\\d)$", "{stub}.txt", "does not name {site}"},
	    {"^(?<stub>x)(?<part>\\d)$", "raw/{stub}.txt", "plain name"},
	    {"^(?<stub>xy)(?<part>\\d)$", "{stub:1}.txt", "cannot cut {stub}"},
	    {"^(?<stub>xy)(?<part>\\d)$", "{stub.txt", "check_file"},
	};

	for (size_t i = 0; i < NITEMS(cases); i++) {
		struct err err = ERR_INIT;
		struct upload_names *un = upload_names_new(cases[i].part, cases[i].check, "part", "date", &err);

		ok(un == NULL && err.class == ERR_CONFIG && strstr(err.text, cases[i].says) != NULL, "%s: %s",
		    cases[i].part, err.text);
		upload_names_free(un);
	}
}

/* ---- groups ---- */

struct row {
	int64_t index, size;
};

struct judge_case {
	const char *what;
	struct row piece[8]; /* size 0 ends */
	enum { NO_CHECK, GOOD_CHECK, BAD_CHECK, UNREAD_CHECK } check;
	int64_t count, bytes;
	unsigned when;
	enum key_verdict verdict;
	const char *reason;
};

static void add(struct upload_group *g, int64_t index, int64_t size, const char *etag)
{
	struct store_object obj = {.key = "raw/x", .size = size, .etag = etag, .modified = 1000 + index};

	upload_group_add_piece(g, (uint32_t)index, 6, &obj);
}

static void set_check(struct upload_group *g, const char *etag)
{
	struct store_object obj = {.key = "raw/x.txt", .size = 100, .etag = etag, .modified = 5000};

	upload_group_set_check(g, &obj);
}

static struct upload_group *build(struct upload_table *t, const struct judge_case *c)
{
	struct upload_group *g = upload_table_get(t, "fpi05_uao_20260407.txt", 22);

	for (size_t i = 0; c->piece[i].size > 0; i++)
		add(g, c->piece[i].index, c->piece[i].size, "e");
	if (c->check != NO_CHECK)
		set_check(g, "c");
	if (c->check == GOOD_CHECK)
		upload_check_good(&g->check, c->count, c->bytes);
	else if (c->check == BAD_CHECK)
		upload_check_fail(&g->check, CHECK_BAD, "check file: empty");
	else if (c->check == UNREAD_CHECK)
		upload_check_fail(&g->check, CHECK_UNREAD, "timeout");
	return g;
}

/* How the names of an upload's pieces begin, as far as a pattern says it. */
static void test_begin(void)
{
	static const struct {
		const char *part, *check, *upload, *begin; /* begin NULL: it does not say */
	} cases[] = {
	    {PART, CHECK, "fpi05_uao_20260407.txt", "fpi05_uao_20260407.tar.gz"},
	    {PART, CHECK, "fpi05_uao_2026040.txt", NULL},
	    {PART, CHECK, "", NULL},
	    {"^(?<a>\\w+)-(?<part>\\d+)$", "{a}.ok", "x.ok", "x-"},
	    {"^x(?<a>\\w+)\\.(?<b>\\d)\\+\\w(?<part>\\d+)$", "{a}{b}.ok", "abc1.ok", "xabc.1+"},
	    {"^(?<a>\\w+)-?(?<part>\\d+)$", "{a}.ok", "x.ok", "x"},
	    {"^(?<a>\\w+)--{2}(?<part>\\d+)$", "{a}.ok", "x.ok", "x-"},
	    {"^\\{(?<a>\\w+)}(?<part>\\d+)$", "{a}.ok", "x.ok", "{x}"},
	    {"^(?<a>[)\\]|]+)-(?<part>\\d+)$", "{a}.ok", ")|.ok", ")|-"},
	    {"^(?<a>(x|y(z)))-(?<part>\\d+)$", "{a}.ok", "yz.ok", "yz-"},
	    {"^(?<part>\\d+)-(?<a>\\w+)$", "{a}.ok", "x.ok", NULL},
	    {"^.*(?<a>x)(?<part>\\d+)$", "{a}.ok", "x.ok", NULL},
	    {"(?<a>\\w+)-(?<part>\\d+)$", "{a}.ok", "x.ok", NULL},
	    {"^(?<a>\\w+)-(?<part>\\d+)$|^y", "{a}.ok", "x.ok", NULL},
	    {"(?i)^(?<a>\\w+)-(?<part>\\d+)$", "{a}.ok", "x.ok", NULL},
	    {"^(?<a>\\w+)(?i)-x(?<part>\\d+)$", "{a}.ok", "x.ok", "x"},
	};

	for (size_t i = 0; i < NITEMS(cases); i++) {
		struct strbuf begin = STRBUF_INIT(1024);
		struct err err = ERR_INIT;
		struct upload_names *un = upload_names_new(cases[i].part, cases[i].check, "part", "date", &err);
		int rc;

		if (!ok(un != NULL, "%s compiles %s", cases[i].part, err.text))
			continue;
		rc = upload_names_begin(un, cases[i].upload, &begin);
		ok(rc == (cases[i].begin ? 0 : -1) && (rc == -1 || strcmp(begin.buf, cases[i].begin) == 0),
		    "%s: '%s' begins with '%s'", cases[i].part, cases[i].upload,
		    rc == 0 ? begin.buf : "(anything)");
		strbuf_release(&begin);
		upload_names_free(un);
	}
}

static void test_verdicts(void)
{
	static const struct judge_case cases[] = {
	    {"complete", {{0, 5}, {1, 5}, {2, 3}}, GOOD_CHECK, 3, 13, ALL, KEY_COMPLETE,
	        "3 of 3 pieces, 13 bytes"},
	    {"in any order", {{2, 3}, {0, 5}, {1, 5}}, GOOD_CHECK, 3, 13, ALL, KEY_COMPLETE,
	        "3 of 3 pieces, 13 bytes"},
	    {"of one piece", {{0, 5}}, GOOD_CHECK, 1, 5, ALL, KEY_COMPLETE, "1 of 1 piece, 5 bytes"},
	    {"no check file", {{0, 5}, {2, 5}}, NO_CHECK, 0, 0, ALL, KEY_PENDING,
	        "2 pieces, 000001 missing, no check file yet"},
	    {"one piece, no check file", {{0, 5}}, NO_CHECK, 0, 0, ALL, KEY_PENDING,
	        "1 piece, no check file yet"},
	    {"check file only", {{0, 0}}, GOOD_CHECK, 5, 100, ALL, KEY_PENDING, "0 of 5 pieces"},
	    {"two missing", {{0, 5000000}, {1, 5000000}, {4, 5000000}}, GOOD_CHECK, 5, 17000000, ALL,
	        KEY_PENDING, "3 of 5 pieces, 000002 missing, 000003 missing, 15 of 17 MB"},
	    {"many missing", {{1, 5}}, GOOD_CHECK, 12, 60, ALL, KEY_PENDING,
	        "1 of 12 pieces, 000000 missing, 000002 missing, 000003 missing, 000004 missing, 000005 "
	        "missing and 6 more, "
	        "5 of 60 bytes"},
	    {"an absurd count", {{0, 5}}, GOOD_CHECK, INT64_C(1000000000000000000), 60, ALL, KEY_PENDING,
	        "1 of 1000000000000000000 pieces, 000001 missing, 000002 missing, 000003 missing, 000004 "
	        "missing, 000005 "
	        "missing and 999999999999999994 more, 5 of 60 bytes"},
	    {"left-overs", {{0, 5}, {1, 5}, {2, 5}, {3, 5}}, GOOD_CHECK, 3, 15, ALL, KEY_PENDING,
	        "4 of 3 pieces, 000003 is one too many, 20 of 15 bytes"},
	    {"count right, one missing, one twice", {{0, 5}, {1, 5}, {1, 4}}, GOOD_CHECK, 3, 14, ALL,
	        KEY_PENDING, "3 of 3 pieces, 000001 twice, 000002 missing, 14 of 14 bytes"},
	    {"count right, shifted", {{1, 5}, {2, 5}, {3, 5}}, GOOD_CHECK, 3, 15, ALL, KEY_PENDING,
	        "3 of 3 pieces, 000000 missing, 000003 is one too many, 15 of 15 bytes"},
	    {"a byte short", {{0, 5}, {1, 4}}, GOOD_CHECK, 2, 10, ALL, KEY_PENDING,
	        "2 of 2 pieces, 9 of 10 bytes"},
	    {"no data", {{0, 0}}, GOOD_CHECK, 0, 0, ALL, KEY_NO_DATA,
	        "the check file says that there is no data"},
	    {"no data but pieces", {{0, 5}}, GOOD_CHECK, 0, 0, ALL, KEY_INVALID,
	        "1 piece, but the check file says that there is no data"},
	    {"bad check file", {{0, 5}}, BAD_CHECK, 0, 0, ALL, KEY_INVALID, "check file: empty"},
	    {"unread check file", {{0, 5}}, UNREAD_CHECK, 0, 0, ALL, KEY_PENDING,
	        "the check file could not be read, the next tick tries again: timeout"},
	    {"count alone", {{0, 5}, {7, 5}}, GOOD_CHECK, 2, 99, COMPLETE_COUNT, KEY_COMPLETE,
	        "2 of 2 pieces, 10 bytes"},
	    {"bytes alone", {{0, 5}, {7, 5}}, GOOD_CHECK, 9, 10, COMPLETE_BYTES, KEY_COMPLETE,
	        "2 of 9 pieces, 10 bytes"},
	    {"indices alone, gap", {{0, 5}, {2, 5}}, GOOD_CHECK, 9, 10, COMPLETE_INDICES, KEY_PENDING,
	        "2 of 9 pieces, 000001 missing, 10 of 10 bytes"},
	};

	for (size_t i = 0; i < NITEMS(cases); i++) {
		struct upload_table t = {0};
		struct upload_verdict v;

		upload_table_begin(&t);
		upload_group_judge(build(&t, &cases[i]), cases[i].when, &v);
		ok(v.verdict == cases[i].verdict, "%s: %s", cases[i].what, key_verdict_name(v.verdict));
		is_str(v.reason, cases[i].reason, "its reason");
		upload_table_release(&t);
	}
}

static void fingerprint_of(
    const struct judge_case *c, const char *piece_etag, const char *check_etag, char *out)
{
	struct upload_table t = {0};
	struct upload_verdict v;
	struct upload_group *g;

	upload_table_begin(&t);
	g = build(&t, c);
	if (piece_etag != NULL)
		add(g, 2, 3, piece_etag);
	if (check_etag != NULL)
		set_check(g, check_etag);
	upload_group_judge(g, ALL, &v);
	snprintf(out, SHA256_HEX, "%s", v.fingerprint);
	upload_table_release(&t);
}

static void test_fingerprint(void)
{
	static const struct judge_case one = {.piece = {{0, 5}, {1, 5}}}, swapped = {.piece = {{1, 5}, {0, 5}}};
	static const struct judge_case longer = {.piece = {{0, 5}, {1, 6}}},
	                               other = {.piece = {{0, 5}, {3, 5}}};
	char a[SHA256_HEX], b[SHA256_HEX];

	fingerprint_of(&one, NULL, NULL, a);
	fingerprint_of(&swapped, NULL, NULL, b);
	is_str(b, a, "the order of the listing does not matter");
	fingerprint_of(&longer, NULL, NULL, b);
	ok(strcmp(a, b) != 0, "a size does");
	fingerprint_of(&other, NULL, NULL, b);
	ok(strcmp(a, b) != 0, "a number does");
	fingerprint_of(&one, "x", NULL, a);
	fingerprint_of(&one, "y", NULL, b);
	ok(strcmp(a, b) != 0, "a replaced piece of the same size does");
	fingerprint_of(&one, "x", "c1", a);
	fingerprint_of(&one, "x", "c2", b);
	ok(strcmp(a, b) != 0, "a replaced check file does");
	fingerprint_of(&one, NULL, NULL, a);
	is_str(a, "8d0f6a94b32cd185cb6c89e7530a24c0c0b755900d81f1f78ae3139dea3000ca",
	    "and it is the same in every version: runs were asked for with it");
}

static size_t count_groups(struct upload_group **v)
{
	size_t n = 0;

	while (v[n] != NULL)
		n++;
	free(v);
	return n;
}

static void test_table(void)
{
	struct upload_table t = {0};
	struct upload_group *g, **v;
	char name[32];

	upload_table_begin(&t);
	for (int i = 0; i < 5000; i++) {
		int n = snprintf(name, sizeof(name), "g%04d", i);

		g = upload_table_get(&t, name, (size_t)n);
		snprintf(g->date, sizeof(g->date), "2026%04d", 4999 - i);
		add(g, 0, i, "e");
	}
	ok(upload_table_get(&t, "g0007xx", 5)->bytes == 7, "a name is found by its length");
	v = upload_table_sweep(&t);
	ok(strcmp(v[0]->key, "g4999") == 0 && strcmp(v[4999]->key, "g0000") == 0, "oldest date first");
	is_int(count_groups(v), 5000, "all are there");
	upload_table_end(&t);

	upload_table_begin(&t);
	for (int i = 0; i < 5000; i += 100) {
		int n = snprintf(name, sizeof(name), "g%04d", i);

		g = upload_table_get(&t, name, (size_t)n);
		if (i == 100)
			set_check(g, "c");
		ok(g->npieces == 0 && g->bytes == 0, "pieces are forgotten");
	}
	upload_check_good(&upload_table_get(&t, "g0100", 5)->check, 3, 9);
	is_int(count_groups(upload_table_sweep(&t)), 50, "groups not seen are gone");

	upload_table_begin(&t);
	g = upload_table_get(&t, "g0100", 5);
	ok(!g->check.listed, "a check file must be listed in every tick");
	set_check(g, "c");
	ok(g->check.state == CHECK_GOOD && g->check.count == 3, "the same one is not read again");
	set_check(g, "d");
	ok(g->check.state == CHECK_NEW, "a replaced one is");
	upload_check_fail(&g->check, CHECK_UNREAD, "timeout");
	set_check(g, "d");
	ok(g->check.state == CHECK_NEW, "one that could not be read is tried again");
	upload_table_release(&t);
}

int main(void)
{
	tap_run(test_names);
	tap_run(test_again);
	tap_run(test_values);
	tap_run(test_other_patterns);
	tap_run(test_bad_patterns);
	tap_run(test_begin);
	tap_run(test_verdicts);
	tap_run(test_fingerprint);
	tap_run(test_table);
	return tap_done();
}
