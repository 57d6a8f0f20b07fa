#include "config.h"

#include "base/pattern_digits.h"

#include "base/util.h"

#include <string.h>

/* Escapes that mean the same for every digit; besides them only escaped punctuation. */
#define ESCAPES          "dDwWsShHvVRbBAzZ"
#define ESCAPES_IN_CLASS "dDwWsShHvV"

/* All below return what follows, or NULL when digits are told apart or it is not known. */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static const char *skip_quoted(const char *s)
{
	const char *end = strstr(s, "\\E");

	for (; *s != '\0' && s != end; s++)
		if (is_digit(*s))
			return NULL;
	return end != NULL ? s + 2 : s;
}

static const char *skip_escape(const char *s, const char *known)
{
	if (s[1] == '\0' || (is_alnum(s[1]) && strchr(known, s[1]) == NULL))
		return NULL;
	return s + 2;
}

/* From '[' on.  Digits only as the whole range 0-9, and not behind a '-' that might make them the end of another. */
static const char *skip_class(const char *s)
{
	char before = '[';

	s++;
	s += *s == '^';
	if (*s == ']')
		before = *s++;
	while (s != NULL && *s != ']') {
		char c = *s;

		if (c == '\0')
			return NULL;
		if (c == '\\') {
			s = skip_escape(s, ESCAPES_IN_CLASS);
		} else if (s[0] == '[' && strchr(":.=", s[1]) != NULL) {
			s = s[1] == ':' && (s = strstr(s, ":]")) != NULL ? s + 2 : NULL;
		} else if (is_digit(c)) {
			s = before != '-' && strncmp(s, "0-9", 3) == 0 && s[3] != '-' ? s + 3 : NULL;
		} else {
			s++;
		}
		before = c;
	}
	return s != NULL ? s + 1 : NULL;
}

/* From '{' on: "{2}", "{2,}", "{2,3}"; anything else is text. */
static const char *skip_count(const char *s)
{
	const char *p = s + 1;

	if (!is_digit(*p))
		return p;
	while (is_digit(*p))
		p++;
	p += *p == ',';
	while (is_digit(*p))
		p++;
	return *p == '}' ? p + 1 : s + 1;
}

/* From '(' on: a plain, a named, or a group that only holds together. */
static const char *skip_open(const char *s)
{
	static const struct {
		const char *open;
		char close;
	} named[] = {{"(?<", '>'}, {"(?P<", '>'}, {"(?'", '\''}};

	if (s[1] != '?' && s[1] != '*')
		return s + 1;
	if (strncmp(s, "(?:", 3) == 0)
		return s + 3;
	for (size_t i = 0; i < NITEMS(named); i++) {
		size_t n = strlen(named[i].open);
		const char *close;

		if (strncmp(s, named[i].open, n) != 0 || !(is_alnum(s[n]) || s[n] == '_'))
			continue;
		close = strchr(s + n, named[i].close);
		return close != NULL ? close + 1 : NULL;
	}
	return NULL;
}

bool pattern_digits_alike(const char *s)
{
	while (s != NULL && *s != '\0') {
		if (strncmp(s, "\\Q", 2) == 0)
			s = skip_quoted(s + 2);
		else if (strncmp(s, "\\E", 2) == 0)
			s += 2;
		else if (*s == '\\')
			s = skip_escape(s, ESCAPES);
		else if (*s == '[')
			s = skip_class(s);
		else if (*s == '{')
			s = skip_count(s);
		else if (*s == '(')
			s = skip_open(s);
		else
			s = is_digit(*s) ? NULL : s + 1;
	}
	return s != NULL;
}

bool pattern_digits_only(const char *a, const char *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (a[i] != b[i] && !(is_digit(a[i]) && is_digit(b[i])))
			return false;
	return true;
}
