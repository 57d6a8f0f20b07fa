/*
 * tap.h: the whole test harness.  A test program is a list of functions that print TAP through these macros:
 *
 *     int main(void)
 *     {
 *             tap_run(test_empty);
 *             tap_run(test_limits);
 *             return tap_done();
 *     }
 *
 * ok(cond, "what") is one result; is_str and is_int print both sides when they differ.  test_dir() is a fresh folder
 * of this process, removed at a passing end; TEST_SRCDIR names the source tree (data files), TEST_BUILDDIR the build.
 */
#ifndef TAP_H
#define TAP_H

#include "base/fs.h"
#include "base/mem.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int tap_count, tap_failures;
static char tap_dir_path[256];

static inline bool PRINTF(4, 5) tap_result(bool pass, const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	tap_count++;
	tap_failures += !pass;
	printf("%sok %d - ", pass ? "" : "not ", tap_count);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	if (!pass)
		printf("# failed at %s:%d\n", file, line);
	fflush(stdout);
	return pass;
}

static inline bool tap_is_str(const char *got, const char *want, const char *what, const char *file, int line)
{
	bool pass = got == want || (got != NULL && want != NULL && strcmp(got, want) == 0);

	tap_result(pass, file, line, "%s", what);
	if (!pass)
		printf("# got:  %s\n# want: %s\n", got ? got : "(null)", want ? want : "(null)");
	return pass;
}

static inline bool tap_is_int(int64_t got, int64_t want, const char *what, const char *file, int line)
{
	tap_result(got == want, file, line, "%s", what);
	if (got != want)
		printf("# got:  %" PRId64 "\n# want: %" PRId64 "\n", got, want);
	return got == want;
}

#define ok(cond, ...)           tap_result((cond), __FILE__, __LINE__, __VA_ARGS__)
#define is_str(got, want, what) tap_is_str((got), (want), (what), __FILE__, __LINE__)
#define is_int(got, want, what) tap_is_int((int64_t)(got), (int64_t)(want), (what), __FILE__, __LINE__)
#define diag(...)               (printf("# " __VA_ARGS__), putchar('\n'))
#define tap_skip(why)           (printf("ok %d # SKIP %s\n", ++tap_count, (why)))
#define tap_run(fn)             (printf("# %s\n", #fn), fn())
#define tap_bail(...)           (printf("Bail out! " __VA_ARGS__), putchar('\n'), exit(1))

static inline const char *test_dir(void)
{
	if (tap_dir_path[0] == '\0') {
		const char *tmp = getenv("TMPDIR");

		snprintf(tap_dir_path, sizeof(tap_dir_path), "%s/orchd-test-XXXXXX", tmp ? tmp : "/tmp");
		if (mkdtemp(tap_dir_path) == NULL)
			tap_bail("mkdtemp failed");
	}
	return tap_dir_path;
}

/* A path below the source tree, for data files; lent until the next call but seven. */
static inline const char *test_src(const char *name)
{
	static char path[8][512];
	static unsigned turn;
	const char *src = getenv("TEST_SRCDIR");
	char *p = path[turn++ % NITEMS(path)];

	snprintf(p, sizeof(path[0]), "%s/%s", src ? src : ".", name);
	return p;
}

static inline int tap_done(void)
{
	printf("1..%d\n", tap_count);
	if (tap_dir_path[0] != '\0') {
		if (tap_failures == 0)
			fs_remove_tree(tap_dir_path, NULL);
		else
			printf("# kept %s\n", tap_dir_path);
	}
	return tap_failures == 0 ? 0 : 1;
}

#endif
