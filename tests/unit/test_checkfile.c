#include "config.h"

#include "formats/checkfile.h"

#include "tests/tap.h"

#define MAX_PIECES 10000

static void test_accepted(void)
{
	static const struct {
		const char *what, *text;
		int64_t pieces, bytes;
	} cases[] = {
	    {"ten lines", "a.tar.gz000000\n4\n16248\n2025-04-30 13:35:02\n412.07\n1: 1st file name\n", 4,
	        16248},
	    {"three lines without a newline", "a.tar.gz000000\n4\n16248", 4, 16248},
	    {"CRLF", "a.tar.gz000000\r\n4\r\n16248\r\n", 4, 16248},
	    {"blanks around", "a.tar.gz000000  \n 4\t\n16248 \n", 4, 16248},
	    {"byte order mark",
	        "\xef\xbb\xbf"
	        "a.tar.gz000000\n4\n16248\n",
	        4, 16248},
	    {"leading zeros", "a.tar.gz000000\n004\n000000000000000000016248\n", 4, 16248},
	    {"nothing that night", "a.tar.gz\n0\n0\n2025-04-30 13:35:02\n999\n", 0, 0},
	};

	for (size_t i = 0; i < NITEMS(cases); i++) {
		struct checkfile cf;
		struct err err = ERR_INIT;

		ok(checkfile_parse(cases[i].text, strlen(cases[i].text), MAX_PIECES, &cf, &err) == 0 &&
		        cf.pieces == cases[i].pieces && cf.bytes == cases[i].bytes &&
		        checkfile_no_data(&cf) == (cases[i].pieces == 0) &&
		        strncmp(cf.first, "a.tar.gz", 8) == 0,
		    "%s %s", cases[i].what, err.text);
	}
}

static void test_refused(void)
{
	static const struct {
		const char *what, *text;
		size_t n; /* 0: strlen */
	} cases[] = {
	    {"empty", ""},
	    {"two lines", "a\n1\n"},
	    {"blank lines", "\n\n\n"},
	    {"name is a dot", ".\n4\n16248\n"},
	    {"name is two dots", "..\n4\n16248\n"},
	    {"no name", "\n4\n16248\n"},
	    {"folder", "../../a.tar.gz000000\n4\n16248\n"},
	    {"backslash", "..\\a.tar.gz000000\n4\n16248\n"},
	    {"control character", "a\x1b[0m\n4\n16248\n"},
	    {"NUL in the name", "a\0b\n4\n16248\n", 12},
	    {"not UTF-8", "a\xff\n4\n16248\n"},
	    {"negative", "a\n-4\n16248\n"},
	    {"plus", "a\n+4\n16248\n"},
	    {"float", "a\n4.0\n16248\n"},
	    {"hex", "a\n0x4\n16248\n"},
	    {"exponent", "a\n4\n1e3\n"},
	    {"digits with a blank inside", "a\n4\n16 248\n"},
	    {"a word", "a\nfour\n16248\n"},
	    {"too many pieces", "a\n10001\n16248\n"},
	    {"10^18 pieces", "a\n1000000000000000000\n16248\n"},
	    {"2^64 + 4 pieces", "a\n18446744073709551620\n16248\n"},
	    {"2^64 bytes", "a\n4\n18446744073709551616\n"},
	    {"no pieces but bytes", "a\n0\n16248\n"},
	    {"pieces without bytes", "a\n4\n0\n"},
	};

	for (size_t i = 0; i < NITEMS(cases); i++) {
		struct checkfile cf = {.pieces = -7};
		struct err err = ERR_INIT;
		size_t n = cases[i].n ? cases[i].n : strlen(cases[i].text);

		ok(checkfile_parse(cases[i].text, n, MAX_PIECES, &cf, &err) == -1 && err_is(&err, "manifest") &&
		        err.class == ERR_BAD_DATA && cf.pieces == -7,
		    "%s: %s", cases[i].what, err.text);
	}
}

static void test_compare(void)
{
	static const struct {
		const char *what, *code, *text;
		struct checkfile_piece v[5];
		size_t n;
	} cases[] = {
	    {"whole", "", "", {{"p0", 0, 5}, {"p1", 1, 5}, {"p2", 2, 5}, {"p3", 3, 1}}, 4},
	    {"any order", "", "", {{"p3", 3, 1}, {"p0", 0, 5}, {"p2", 2, 5}, {"p1", 1, 5}}, 4},
	    {"one missing", "chunks.missing", "3 of 4 pieces, 000002 missing",
	        {{"p0", 0, 5}, {"p1", 1, 5}, {"p3", 3, 1}}, 3},
	    {"first missing", "chunks.missing", "3 of 4 pieces, 000000 missing",
	        {{"p1", 1, 5}, {"p2", 2, 5}, {"p3", 3, 1}}, 3},
	    {"all missing", "chunks.missing", "0 of 4 pieces, 000000, 000001, 000002 and 1 more missing", {{0}},
	        0},
	    {"count right, number wrong", "chunks.missing", "4 of 4 pieces, 000002 missing",
	        {{"p0", 0, 5}, {"p1", 1, 5}, {"p3", 3, 5}, {"p4", 4, 1}}, 4},
	    {"twice", "chunks.duplicate", "piece 000001 twice: p01 and p1",
	        {{"p0", 0, 5}, {"p1", 1, 5}, {"p01", 1, 5}, {"p3", 3, 1}}, 4},
	    {"left over", "chunks.extra", "5 pieces where the check file says 4, first extra p4",
	        {{"p0", 0, 5}, {"p1", 1, 5}, {"p2", 2, 5}, {"p3", 3, 1}, {"p4", 4, 1}}, 5},
	    {"short", "chunks.size", "4 pieces of together 15 bytes, 16 expected",
	        {{"p0", 0, 5}, {"p1", 1, 4}, {"p2", 2, 5}, {"p3", 3, 1}}, 4},
	    {"other name", "manifest", "check file: the first piece is q0, not p0",
	        {{"q0", 0, 5}, {"p1", 1, 5}, {"p2", 2, 5}, {"p3", 3, 1}}, 4},
	    {"sizes overflow", "chunks.size", "p2 has an impossible size",
	        {{"p0", 0, INT64_MAX}, {"p1", 1, 0}, {"p2", 2, 17}, {"p3", 3, INT64_MAX}}, 4},
	};
	const struct checkfile cf = {.first = "p0", .pieces = 4, .bytes = 16};

	for (size_t i = 0; i < NITEMS(cases); i++) {
		struct checkfile_piece v[5];
		struct err err = ERR_INIT;

		memcpy(v, cases[i].v, sizeof(v));
		int rc = checkfile_compare(&cf, v, cases[i].n, &err);
		ok((rc == 0) == (cases[i].code[0] == '\0'), "%s", cases[i].what);
		is_str(err.code, cases[i].code, "its code");
		is_str(err.text, cases[i].text, "its text");
	}
}

int main(void)
{
	tap_run(test_accepted);
	tap_run(test_refused);
	tap_run(test_compare);
	return tap_done();
}
