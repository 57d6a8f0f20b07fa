/*
 * A pattern, a line feed, a name: compiling and matching must stay within a bounded time, and groups within the name.  What
 * is remembered of a name must not show when the next has other digits.
 */
#include "config.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/pattern.h"
#include "base/strbuf.h"
#include "base/template.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

const char *const fuzz_corpus[] = {"tests/fuzz/corpus/pattern", NULL};

/* Far above the promise of about a millisecond: a sanitized build on a busy machine is slow. */
#define MATCH_MS_MAX 500

static void match(struct pattern *p, const char *s, size_t n)
{
	struct pattern_match m;
	struct err err = ERR_INIT;
	int64_t t0 = clock_mono();
	int rc = pattern_match(p, s, n, &m, &err);

	FUZZ_PROMISE(clock_mono() - t0 < MATCH_MS_MAX);
	FUZZ_PROMISE(rc != -1 || err_is(&err, "pattern_limit"));
	for (size_t i = 0; rc == 1 && i < m.n; i++)
		FUZZ_PROMISE(
		    m.group[i].s == NULL || (m.group[i].s >= s && m.group[i].s + m.group[i].n <= s + n));
	for (size_t i = 0; rc == 1 && pattern_name(p, i) != NULL; i++) {
		size_t len;
		const char *g = pattern_group(&m, pattern_name(p, i), &len);

		FUZZ_PROMISE(pattern_has_name(p, pattern_name(p, i)));
		FUZZ_PROMISE(g == NULL || (g >= s && g + len <= s + n));
	}
}

static void match_other_digits(struct pattern *p, const char *text, const char *s, size_t n)
{
	struct err err = ERR_INIT;
	struct pattern *fresh = pattern_compile(text, &err);
	struct pattern_match a, b;
	char *other = xmalloc(n + 1);

	for (size_t i = 0; i < n; i++)
		other[i] =
		    s[i] >= '0' && s[i] <= '9' ? (char)('0' + ((size_t)(s[i] - '0') * 7 + i + 3) % 10) : s[i];
	int want = pattern_match(fresh, other, n, &b, &err);
	if (want != -1) {
		FUZZ_PROMISE(pattern_match(p, other, n, &a, &err) == want);
		for (size_t i = 0; want == 1 && i < b.n; i++)
			FUZZ_PROMISE(
			    a.n == b.n && a.group[i].s == b.group[i].s && a.group[i].n == b.group[i].n);
	}
	pattern_free(fresh);
	free(other);
}

static const char *some_value(void *arg, const char *name, size_t *n)
{
	*n = strlen(name);
	return name;
}

/* What passes the check can be filled. */
static void template(const char *text)
{
	struct strbuf sb = STRBUF_INIT(1 << 20);
	struct err err = ERR_INIT;
	int rc = template_check(text, NULL, NULL, &err);

	FUZZ_PROMISE(rc == template_expand(text, some_value, NULL, &sb, &err));
	strbuf_release(&sb);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *nl = size > 0 ? memchr(data, '\n', size) : NULL;
	size_t n = nl != NULL ? (size_t)(nl - (const char *)data) : size;
	char *text = xstrndup((const char *)data, n);
	struct err err = ERR_INIT;
	struct pattern *p = pattern_compile(text, &err);

	FUZZ_PROMISE(p != NULL || err_is(&err, "pattern"));
	if (p != NULL && nl != NULL) {
		match(p, nl + 1, size - n - 1);
		match_other_digits(p, text, nl + 1, size - n - 1);
	}
	pattern_free(p);
	template(text);
	free(text);
	return 0;
}
