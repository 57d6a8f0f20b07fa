#include "config.h"

#include "sensors/pattern_parts.h"

#include "base/strbuf.h"

#include <ctype.h>
#include <string.h>

/* Behind the class that starts at s. */
static const char *skip_class(const char *s)
{
	s++;
	s += *s == '^';
	s += *s == ']';
	for (; *s != '\0' && *s != ']'; s++) {
		if (*s == '\\' && s[1] != '\0')
			s++;
		else if (s[0] == '[' && s[1] == ':' && strstr(s, ":]") != NULL)
			s = strstr(s, ":]") + 1;
	}
	return *s == '\0' ? s : s + 1;
}

/* Behind whatever stands at s: an escape, a quotation, a class, or one character. */
static const char *skip_atom(const char *s)
{
	const char *end;

	if (s[0] == '[')
		return skip_class(s);
	if (s[0] != '\\' || s[1] == '\0')
		return s + 1;
	if (s[1] == 'Q')
		return (end = strstr(s, "\\E")) != NULL ? end + 2 : s + strlen(s);
	return s + 2;
}

/* Does the group that opens at s bear this name? */
static bool opens_group(const char *s, const char *name)
{
	static const struct {
		const char *open;
		char close;
	} forms[] = {{"(?<", '>'}, {"(?P<", '>'}, {"(?'", '\''}};
	size_t n = strlen(name);

	for (size_t i = 0; i < NITEMS(forms); i++) {
		size_t k = strlen(forms[i].open);

		if (strncmp(s, forms[i].open, k) == 0 && strncmp(s + k, name, n) == 0 &&
		    s[k + n] == forms[i].close)
			return true;
	}
	return false;
}

const char *pattern_find_group(const char *text, const char *name, size_t *n)
{
	const char *open = NULL;
	int depth = 0;

	for (const char *s = text; *s != '\0'; s = skip_atom(s)) {
		if (open == NULL && opens_group(s, name)) {
			open = s;
			depth = 0;
		}
		depth += *s == '(' ? 1 : *s == ')' ? -1 : 0;
		if (open != NULL && depth == 0) {
			*n = (size_t)(s - open) + 1;
			return open;
		}
	}
	return NULL;
}

/* "a|b": what begins a match is not what begins the text. */
static bool has_alternatives(const char *text)
{
	int depth = 0;

	for (const char *s = text; *s != '\0'; s = skip_atom(s)) {
		depth += *s == '(' ? 1 : *s == ')' ? -1 : 0;
		if (*s == '|' && depth == 0)
			return true;
	}
	return false;
}

/* The one byte that the atom at s stands for, or 0: more or less than that. */
static char literal_of(const char *s)
{
	if (*s == '\\')
		return ispunct((unsigned char)s[1]) ? s[1] : '\0';
	return strchr("^$.|()[?*+{", *s) == NULL ? *s : '\0';
}

/* The name of the group that opens at s, which is not the index; NULL: another kind of thing. */
static const char *group_at(const struct pattern *p, const char *s, const char *index)
{
	const char *name;

	for (size_t i = 0; (name = pattern_name(p, i)) != NULL; i++)
		if (strcmp(name, index) != 0 && opens_group(s, name))
			return name;
	return NULL;
}

char *pattern_begin(const struct pattern *p, const char *index)
{
	struct strbuf out = STRBUF_INIT(2 * PATTERN_TEXT_MAX);
	const char *text = pattern_text(p), *s = text, *name, *end;
	size_t ngroups = 0, n;

	if (*s++ != '^' || has_alternatives(text) || strstr(text, "(?#") != NULL)
		return NULL;
	for (; *s != '\0'; s = end) {
		char c = '\0';

		if ((name = group_at(p, s, index)) != NULL)
			end = pattern_find_group(s, name, &n) + n;
		else if ((c = literal_of(s)) != '\0')
			end = skip_atom(s);
		else
			break;
		if (*end != '\0' && strchr("?*+{", *end) != NULL)
			break;
		if (name != NULL)
			strbuf_addf(&out, "{%s}", name);
		else
			strbuf_addf(&out, c == '{' || c == '}' ? "%c%c" : "%c", c, c);
		ngroups += name != NULL;
	}
	if (ngroups > 0 && !out.overflowed)
		return strbuf_detach(&out);
	strbuf_release(&out);
	return NULL;
}
