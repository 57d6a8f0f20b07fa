#include "config.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include "base/pattern.h"

#include "base/mem.h"
#include "base/pattern_digits.h"

#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

/* A backtracking step costs 10 to 50 ns; a name of 1024 bytes matched by a sane pattern needs a few thousand. */
#define MATCH_LIMIT 20000
#define DEPTH_LIMIT 5000
#define HEAP_KIB    1024

#define COMPILE_OPTIONS (PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_UTF | PCRE2_NEVER_UCP | PCRE2_NEVER_BACKSLASH_C)

struct group_name {
	char *name;
	unsigned number;
};

/*
 * How a name was found to match: names that differ from it in digits only need not be looked at again by a pattern to
 * which digits are alike.  Two of them, as pieces and their check files come in turn.
 */
#define MEMOS         2
#define MEMO_NAME_MAX 255

struct memo {
	char name[MEMO_NAME_MAX];
	size_t n; /* 0: free */
	bool matched;
	PCRE2_SIZE at[2 * (PATTERN_GROUPS_MAX + 1)];
};

struct pattern {
	char *text;
	pcre2_code *code;
	pcre2_match_data *data;
	pcre2_match_context *limits;
	uint32_t groups;
	struct group_name *names; /* by number; a name may stand for several groups */
	size_t nnames;
	struct memo *memo; /* NULL: digits are not alike */
	size_t memo_next; /* the one to give up */
};

static int by_number(const void *a, const void *b)
{
	const struct group_name *x = a, *y = b;

	return x->number < y->number ? -1 : x->number > y->number;
}

static void read_names(struct pattern *p)
{
	uint32_t count = 0, entry = 0;
	PCRE2_SPTR table = NULL;

	pcre2_pattern_info(p->code, PCRE2_INFO_NAMECOUNT, &count);
	pcre2_pattern_info(p->code, PCRE2_INFO_NAMEENTRYSIZE, &entry);
	pcre2_pattern_info(p->code, PCRE2_INFO_NAMETABLE, &table);
	p->names = xcalloc(count + 1, sizeof(*p->names));
	p->nnames = count;
	for (uint32_t i = 0; i < count; i++, table += entry) {
		p->names[i].number = (unsigned)table[0] << 8 | table[1];
		p->names[i].name = xstrdup((const char *)table + 2);
	}
	qsort(p->names, count, sizeof(*p->names), by_number);
}

static int compile(struct pattern *p, struct err *err)
{
	PCRE2_SIZE at = 0;
	int code = 0;

	p->code = pcre2_compile((PCRE2_SPTR)p->text, PCRE2_ZERO_TERMINATED, COMPILE_OPTIONS, &code, &at, NULL);
	if (p->code == NULL) {
		PCRE2_UCHAR why[128];

		pcre2_get_error_message(code, why, sizeof(why));
		return err_code(err, ERR_CONFIG, "pattern",
		    "not a regular expression: %s at offset %zu of '%.200s'", (const char *)why, (size_t)at,
		    p->text);
	}
	pcre2_pattern_info(p->code, PCRE2_INFO_CAPTURECOUNT, &p->groups);
	if (p->groups > PATTERN_GROUPS_MAX)
		return err_code(err, ERR_CONFIG, "pattern",
		    "%u groups in a regular expression, at most %d are allowed", p->groups, PATTERN_GROUPS_MAX);
	return 0;
}

struct pattern *pattern_compile(const char *text, struct err *err)
{
	struct pattern *p;

	if (strlen(text) > PATTERN_TEXT_MAX) {
		err_code(
		    err, ERR_CONFIG, "pattern", "a regular expression of more than %d bytes", PATTERN_TEXT_MAX);
		return NULL;
	}
	p = xcalloc(1, sizeof(*p));
	p->text = xstrdup(text);
	if (compile(p, err) == -1) {
		pattern_free(p);
		return NULL;
	}
	p->data = pcre2_match_data_create_from_pattern(p->code, NULL);
	p->limits = pcre2_match_context_create(NULL);
	if (p->data == NULL || p->limits == NULL)
		abort();
	pcre2_set_match_limit(p->limits, MATCH_LIMIT);
	pcre2_set_depth_limit(p->limits, DEPTH_LIMIT);
	pcre2_set_heap_limit(p->limits, HEAP_KIB);
	read_names(p);
	if (pattern_digits_alike(text))
		p->memo = xcalloc(MEMOS, sizeof(*p->memo));
	return p;
}

void pattern_free(struct pattern *p)
{
	if (p == NULL)
		return;
	for (size_t i = 0; i < p->nnames; i++)
		free(p->names[i].name);
	free(p->names);
	pcre2_match_context_free(p->limits);
	pcre2_match_data_free(p->data);
	pcre2_code_free(p->code);
	free(p->memo);
	free(p->text);
	free(p);
}

static void fill(const struct pattern *p, const PCRE2_SIZE *at, const char *s, struct pattern_match *m)
{
	m->pattern = p;
	m->n = p->groups + 1;
	for (size_t i = 0; i < m->n; i++) {
		bool set =
		    at[2 * i] != PCRE2_UNSET && at[2 * i] <= at[2 * i + 1]; /* \K can turn a span around */

		m->group[i].s = set ? s + at[2 * i] : NULL;
		m->group[i].n = set ? at[2 * i + 1] - at[2 * i] : 0;
	}
}

static const struct memo *recall(const struct pattern *p, const char *s, size_t n)
{
	for (size_t i = 0; p->memo != NULL && i < MEMOS; i++)
		if (p->memo[i].n == n && n > 0 && pattern_digits_only(p->memo[i].name, s, n))
			return &p->memo[i];
	return NULL;
}

static void remember(struct pattern *p, const char *s, size_t n, bool matched)
{
	struct memo *m;

	if (p->memo == NULL || n > MEMO_NAME_MAX)
		return;
	m = &p->memo[p->memo_next];
	p->memo_next = (p->memo_next + 1) % MEMOS;
	memcpy(m->name, s, n);
	m->n = n;
	m->matched = matched;
	memcpy(m->at, pcre2_get_ovector_pointer(p->data), 2 * (p->groups + 1) * sizeof(*m->at));
}

int pattern_match(struct pattern *p, const char *s, size_t n, struct pattern_match *match, struct err *err)
{
	const struct memo *memo = recall(p, s, n);
	int rc;

	if (memo != NULL) {
		if (memo->matched && match != NULL)
			fill(p, memo->at, s, match);
		return memo->matched;
	}
	if (n > PATTERN_SUBJECT_MAX)
		return err_code(err, ERR_BAD_DATA, "pattern_limit",
		    "a name of %zu bytes, at most %d are matched", n, PATTERN_SUBJECT_MAX);
	rc = pcre2_match(p->code, (PCRE2_SPTR)s, n, 0, 0, p->data, p->limits);
	if (rc < 0 && rc != PCRE2_ERROR_NOMATCH) {
		PCRE2_UCHAR why[128];

		pcre2_get_error_message(rc, why, sizeof(why));
		return err_code(err, ERR_BAD_DATA, "pattern_limit",
		    "gave up matching a name of %zu bytes against '%.200s': %s", n, p->text, (const char *)why);
	}
	remember(p, s, n, rc != PCRE2_ERROR_NOMATCH);
	if (rc == PCRE2_ERROR_NOMATCH)
		return 0;
	if (match != NULL)
		fill(p, pcre2_get_ovector_pointer(p->data), s, match);
	return 1;
}

const char *pattern_text(const struct pattern *p)
{
	return p->text;
}

static bool named_before(const struct pattern *p, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (strcmp(p->names[k].name, p->names[i].name) == 0)
			return true;
	return false;
}

const char *pattern_name(const struct pattern *p, size_t i)
{
	for (size_t k = 0; k < p->nnames; k++)
		if (!named_before(p, k) && i-- == 0)
			return p->names[k].name;
	return NULL;
}

bool pattern_has_name(const struct pattern *p, const char *name)
{
	for (size_t i = 0; i < p->nnames; i++)
		if (strcmp(p->names[i].name, name) == 0)
			return true;
	return false;
}

const char *pattern_group(const struct pattern_match *m, const char *name, size_t *n)
{
	const struct pattern *p = m->pattern;

	for (size_t i = 0; i < p->nnames; i++) {
		const struct pattern_span *g = &m->group[p->names[i].number];

		if (g->s == NULL || strcmp(p->names[i].name, name) != 0)
			continue;
		*n = g->n;
		return g->s;
	}
	return NULL;
}
