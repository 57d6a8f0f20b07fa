#include "config.h"

#include "base/template.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_BYTES 64

struct place {
	char name[NAME_MAX_BYTES];
	long cut; /* 0: whole; n: first n bytes; -n: last n bytes */
};

/* Parse the place that starts behind '{'; returns the position behind '}' or NULL. */
static const char *parse_place(const char *s, struct place *p, struct err *err)
{
	size_t n = 0;
	char *end;

	while (isalnum((unsigned char)s[n]) || s[n] == '_')
		n++;
	if (n == 0 || n >= sizeof(p->name)) {
		err_set(err, ERR_CONFIG, "a place in a template is {name}, at '{%.20s'", s);
		return NULL;
	}
	memcpy(p->name, s, n);
	p->name[n] = '\0';
	p->cut = 0;
	s += n;
	if (*s == ':') {
		p->cut = strtol(s + 1, &end, 10);
		if (end == s + 1 || p->cut == 0 || labs(p->cut) > 4096) {
			err_set(err, ERR_CONFIG, "the cut in {%s:...} is a number of bytes", p->name);
			return NULL;
		}
		s = end;
	}
	if (*s != '}') {
		err_set(err, ERR_CONFIG, "no closing brace after '{%s'", p->name);
		return NULL;
	}
	return s + 1;
}

/* One literal or place at s; returns what follows, NULL on bad syntax. */
static const char *next_part(const char *s, const char **lit, size_t *nlit, struct place *p, struct err *err)
{
	*nlit = 0;
	p->name[0] = '\0';
	if ((s[0] == '{' && s[1] == '{') || (s[0] == '}' && s[1] == '}')) {
		*lit = s;
		*nlit = 1;
		return s + 2;
	}
	if (s[0] == '{')
		return parse_place(s + 1, p, err);
	if (s[0] == '}') {
		err_set(err, ERR_CONFIG, "closing brace without an opening one at '%.20s'", s);
		return NULL;
	}
	*lit = s;
	*nlit = strcspn(s, "{}");
	return s + *nlit;
}

int template_check(const char *text, void (*on_name)(void *arg, const char *name), void *arg, struct err *err)
{
	const char *lit;
	struct place p;
	size_t n;

	while (*text != '\0') {
		if ((text = next_part(text, &lit, &n, &p, err)) == NULL)
			return -1;
		if (p.name[0] != '\0' && on_name != NULL)
			on_name(arg, p.name);
	}
	return 0;
}

int template_expand(const char *text, template_lookup *lookup, void *arg, struct strbuf *out, struct err *err)
{
	const char *lit, *value;
	struct place p;
	size_t n;

	while (*text != '\0') {
		if ((text = next_part(text, &lit, &n, &p, err)) == NULL)
			return -1;
		if (p.name[0] == '\0') {
			strbuf_add(out, lit, n);
			continue;
		}
		if ((value = lookup(arg, p.name, &n)) == NULL)
			return err_set(err, ERR_USAGE, "{%s} has no value here", p.name);
		if (p.cut > 0) {
			n = MIN(n, (size_t)p.cut);
		} else if (p.cut < 0 && n > (size_t)-p.cut) {
			value += n - (size_t)-p.cut;
			n = (size_t)-p.cut;
		}
		strbuf_add(out, value, n);
	}
	if (out->overflowed)
		return err_set(err, ERR_BAD_DATA, "the filled template is longer than %zu bytes", out->limit);
	return 0;
}
