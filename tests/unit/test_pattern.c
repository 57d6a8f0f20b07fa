/* Patterns: named groups, the dialect, and that no pair of pattern and name can cost much. */
#include "config.h"

#include "tests/tap.h"

#include "base/clock.h"
#include "base/pattern.h"
#include "base/pattern_digits.h"

#define PIECE "^(?<stub>fpi(?<num>\\d{2}))_(?<site>[a-z0-9]{2,3})_(?<date>\\d{8})\\.tar\\.gz(?<part>\\d{6})$"

static bool group_is(const struct pattern_match *m, const char *name, const char *want)
{
	size_t n;
	const char *s = pattern_group(m, name, &n);

	return want == NULL ? s == NULL : s != NULL && n == strlen(want) && memcmp(s, want, n) == 0;
}

static void test_groups(void)
{
	static const char key[] = "fpi05_uao_20260407.tar.gz000016";
	struct err err = ERR_INIT;
	struct pattern *p = pattern_compile(PIECE, &err);
	struct pattern_match m;

	if (!ok(p != NULL, "a piece pattern compiles"))
		return;
	is_int(pattern_match(p, key, strlen(key), &m, &err), 1, "it matches a piece");
	ok(group_is(&m, "stub", "fpi05") && group_is(&m, "num", "05"), "nested named groups");
	ok(group_is(&m, "site", "uao") && group_is(&m, "date", "20260407") && group_is(&m, "part", "000016"),
	    "the others");
	ok(group_is(&m, "nope", NULL), "an unknown name has no part");
	is_int(m.n, 6, "five groups and the whole");
	is_str(pattern_name(p, 0), "stub", "names come in order of the groups");
	is_str(pattern_name(p, 4), "part", "to the last");
	ok(pattern_name(p, 5) == NULL, "and end");
	ok(pattern_has_name(p, "date") && !pattern_has_name(p, "dat"), "names are whole");
	is_int(
	    pattern_match(p, "fpi123_uao_20260407.tar.gz000016", 32, &m, &err), 0, "three digits do not match");
	is_int(pattern_match(p, key, strlen(key), NULL, &err), 1, "a caller may not care for groups");
	pattern_free(p);
}

static void test_dialect(void)
{
	static const struct {
		const char *pattern, *subject;
		size_t n;
		int want;
	} rows[] = {
	    {"^a$", "a", 1, 1},
	    {"^a$", "a\n", 2, 0},
	    {"^a.b$", "a\0b", 3, 1},
	    {"^.$", "\xc3\xa9", 2, 0},
	    {"^(?i)ABC$", "abc", 3, 1},
	    {"", "", 0, 1},
	};
	struct err err = ERR_INIT;

	for (size_t i = 0; i < NITEMS(rows); i++) {
		struct pattern *p = pattern_compile(rows[i].pattern, &err);

		is_int(pattern_match(p, rows[i].subject, rows[i].n, NULL, &err), rows[i].want, rows[i].pattern);
		pattern_free(p);
	}
	struct pattern_match m;
	struct pattern *p = pattern_compile("(?J)^(?:a(?<x>1)|b(?<x>2))(?<y>z)?$", &err);

	is_int(pattern_match(p, "b2", 2, &m, &err), 1, "one name for two groups");
	ok(group_is(&m, "x", "2"), "the one that took part counts");
	ok(group_is(&m, "y", NULL), "an optional group that took no part has none");
	is_str(pattern_name(p, 1), "y", "each name is listed once");
	pattern_free(p);
}

static void test_bad(void)
{
	static const char *const bad[] = {
	    "(", "[z-a]", "a{2,1}", "(?<1x>a)", "(*UTF)a", "\\C", "(?<n>a)(?<n>b)", "*"};
	struct err err = ERR_INIT;
	char big[PATTERN_TEXT_MAX + 2];

	for (size_t i = 0; i < NITEMS(bad); i++) {
		err = ERR_INIT;
		ok(pattern_compile(bad[i], &err) == NULL && err.class == ERR_CONFIG &&
		        err_is(&err, "pattern") && strstr(err.text, "offset") != NULL,
		    "'%s': %s", bad[i], err.text);
	}
	memset(big, 'a', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	ok(pattern_compile(big, &err) == NULL, "a pattern may not be too long");
	for (size_t i = 0; i < 33; i++)
		memcpy(big + 3 * i, "(a)", 3);
	big[99] = '\0';
	ok(pattern_compile(big, &err) == NULL && strstr(err.text, "33 groups") != NULL,
	    "nor have too many groups");
	pattern_free(NULL);
}

static void test_hostile(void)
{
	static const char *const slow[] = {
	    "(a+)+$",
	    "(a|aa)+$",
	    "(a*)*b",
	    "^(([a-z])+.)+[A-Z]([a-z])+$",
	    "(?:.*a){12}b",
	    "(x+x+)+y",
	    "^(?:a?){64}a{64}$",
	    "(?=(a+))a*b",
	    "(a(?1)?b?)+c",
	};
	char name[PATTERN_SUBJECT_MAX + 1];

	memset(name, 'a', sizeof(name));
	name[1023] = '!';
	for (size_t i = 0; i < NITEMS(slow); i++) {
		struct err err = ERR_INIT;
		struct pattern *p = pattern_compile(slow[i], &err);
		int64_t best = INT64_MAX;
		int rc = 0;

		/* The best of three, so that a busy machine does not decide. */
		for (int k = 0; k < 3; k++) {
			int64_t t0 = clock_mono_us();
			rc = pattern_match(p, name, 1024, NULL, &err);
			best = MIN(best, clock_mono_us() - t0);
		}
		ok(rc == 0 || (rc == -1 && err_is(&err, "pattern_limit")), "'%s' ends with %d", slow[i], rc);
		ok(best < 50000, "in bounded time: %" PRId64 " us", best);
		pattern_free(p);
	}
	struct err err = ERR_INIT;
	struct pattern *p = pattern_compile("a", &err);
	is_int(
	    pattern_match(p, name, sizeof(name), NULL, &err), -1, "a name beyond the limit is not looked at");
	pattern_free(p);
	p = pattern_compile("^(?:[a-z]|!)*$", &err);
	is_int(pattern_match(p, name, 1024, NULL, &err), 1, "a long but sane pair is within the limits");
	pattern_free(p);
}

static void test_digits_alike(void)
{
	static const char *const alike[] = {PIECE, "", "a", "\\d+", "[0-9]{2,}x{3}",
	    "^\\Qa.b\\E(?:[a-z0-9_-])+$", "[^0-9]", "[]a-z]", "[[:digit:][:alpha:]]", "[!-~]",
	    "(?P<a>\\w)(?'b1'\\s)", "x|y*?z++", "a{,", "\\.\\-\\[", "\\Qa", "[\\d_]"};
	static const char *const told_apart[] = {"a1", "[0-8]", "[1-9]", "[+-5]", "[+-0-9]", "[0-9-z]", "\\x31",
	    "\\061", "(a)\\1", "(?<a>b)\\k<a>", "(?P<a>b)(?P=a)", "\\Qa1\\E", "a{1,2,3}", "a{1", "(?i)a",
	    "(?#[)0-9", "(?=1)", "(?<=1)a", "(a(?1)?b)", "(*ACCEPT)", "[\\x30-9]", "[a", "(?(1)a|b)",
	    "[\\Q0-5\\E]", "\\", "[[:digit:]-9]", "\\g{1}"};

	for (size_t i = 0; i < NITEMS(alike); i++)
		ok(pattern_digits_alike(alike[i]), "all digits are alike to '%s'", alike[i]);
	for (size_t i = 0; i < NITEMS(told_apart); i++)
		ok(!pattern_digits_alike(told_apart[i]), "digits may be told apart by '%s'", told_apart[i]);
	ok(pattern_digits_only("a1b22", "a9b00", 5) && !pattern_digits_only("a1", "aa", 2) &&
	        !pattern_digits_only("aa", "a1", 2) && !pattern_digits_only("a/", "a0", 2),
	    "names that differ in digits only");
}

static bool same_match(struct pattern *p, const char *text, const char *s)
{
	struct err err = ERR_INIT;
	struct pattern *fresh = pattern_compile(text, &err);
	struct pattern_match a, b;
	int rc = pattern_match(p, s, strlen(s), &a, &err);
	bool same = rc == pattern_match(fresh, s, strlen(s), &b, &err);

	for (size_t i = 0; same && rc == 1 && i < a.n; i++)
		same = a.n == b.n && a.group[i].s == b.group[i].s && a.group[i].n == b.group[i].n;
	pattern_free(fresh);
	return same;
}

/* What is remembered of the name before must not show: the same as by a pattern that has seen nothing. */
static void test_memory(void)
{
	static const char *const texts[] = {PIECE, "(?<a>[a-c]*)(?<part>\\d+)",
	    "^(?:(?<x>\\w+?)|(?<y>.+))(?<part>[0-9]{2})$", "1", "(?<a>\\d)(?<b>\\k<a>)", "[0-4]+",
	    "^(a|ab)(\\d*)(c?)$", "(?<a>[^0-9])?(\\d{1,2})\\b"};
	static const char letters[] = "aab_c0123459";
	static const char pieces[][40] = {"fpi05_uao_20260407.tar.gz000016", "fpi05_uao_20260407.txt",
	    "fpi05_u1o_20260407.tar.gz000016", "fpi05_uao_20260407.tar.gz00001x"};
	size_t wrong = 0, tried = 0;
	char name[40];

	srand(7);
	for (size_t i = 0; i < NITEMS(texts); i++) {
		struct err err = ERR_INIT;
		struct pattern *p = pattern_compile(texts[i], &err);

		for (int k = 0; k < 3000; k++, tried++) {
			size_t n = 1 + (size_t)rand() % 5;

			snprintf(name, sizeof(name), "%s", pieces[rand() % 4]);
			for (size_t j = 0; name[j] != '\0'; j++)
				if (name[j] >= '0' && name[j] <= '9' && rand() % 2)
					name[j] = (char)('0' + rand() % 10);
			for (size_t j = 0; k % 3 != 0 && j < n; j++) {
				name[j] = letters[(size_t)rand() % (sizeof(letters) - 1)];
				name[j + 1] = '\0';
			}
			wrong += !same_match(p, texts[i], name);
		}
		pattern_free(p);
	}
	ok(wrong == 0, "%zu names match as if each were the first", tried);
}

int main(void)
{
	tap_run(test_groups);
	tap_run(test_dialect);
	tap_run(test_bad);
	tap_run(test_hostile);
	tap_run(test_digits_alike);
	tap_run(test_memory);
	return tap_done();
}
