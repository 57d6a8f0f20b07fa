/*
 * pattern.h: a compiled PCRE2 pattern with named groups, safe to run over names that strangers choose.
 *
 * Patterns come from the configuration, subjects from anybody who can upload a file.  Every match therefore runs under
 * limits on backtracking, depth and memory that keep the worst pair of both near a millisecond; a subject that hits one is
 * an error of its own, not "no match".
 *
 * Dialect: PCRE2 without UTF mode, so '.' and classes see bytes; `$` matches only at the very end (not before a last
 * newline); \C, UTF and UCP cannot be switched on from within.  No JIT, because the service runs without writable
 * executable memory.  A pattern may be used by one thread at a time.
 */
#ifndef PATTERN_H
#define PATTERN_H

#include "base/err.h"

#define PATTERN_TEXT_MAX    4096
#define PATTERN_SUBJECT_MAX 4096
#define PATTERN_GROUPS_MAX  32

struct pattern;

/* A group's part of the subject, lent from it; s is NULL when the group took no part in the match. */
struct pattern_span {
	const char *s;
	size_t n;
};

struct pattern_match {
	const struct pattern *pattern;
	size_t n; /* groups of the pattern, and one for the whole */
	struct pattern_span group[PATTERN_GROUPS_MAX + 1]; /* [0] is the whole match */
};

/* NULL with class CONFIG, code "pattern" and the offset of the fault. */
struct pattern *pattern_compile(const char *text, struct err *err);
void pattern_free(struct pattern *); /* NULL is fine */

/*
 * 1: matched, *match is filled and lends from s (match may be NULL).  0: no match.  -1: given up, class BAD_DATA code
 * "pattern_limit": the subject is longer than PATTERN_SUBJECT_MAX or a limit was hit.
 */
int pattern_match(struct pattern *, const char *s, size_t n, struct pattern_match *match, struct err *err);

const char *pattern_text(const struct pattern *); /* as compiled, lent */
/* Names of the named groups in order of their numbers, each once; lent; NULL past the last. */
const char *pattern_name(const struct pattern *, size_t i);
bool pattern_has_name(const struct pattern *, const char *name);
/* A named group's part, or NULL: no such name, or the group took no part.  *n is its length. */
const char *pattern_group(const struct pattern_match *, const char *name, size_t *n);

#endif
