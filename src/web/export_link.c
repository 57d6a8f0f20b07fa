#include "config.h"

#include "web/export_link.h"

#include "base/digest.h"
#include "base/mem.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define COMPONENT_MAX 180 /* file names may have 255 bytes; temporary ones are a little longer than ours */
#define NAME_MAX_ALL  3000

/* Bytes of a component; a dot only where it makes no folder look like a file of ours and no file hidden. */
static void put_safe(struct strbuf *out, const char *s, size_t n, bool dots)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		if (isalnum(c) || c == '-' || c == '_' || (c == '.' && dots && i > 0))
			strbuf_addch(out, (char)c);
		else
			strbuf_addf(out, "~%02X", c);
	}
}

/* One that grew too long keeps its beginning. */
static void shorten(struct strbuf *out, size_t from)
{
	char sum[SHA256_HEX];

	if (out->len - from <= COMPONENT_MAX)
		return;
	sha256_hex(out->buf + from, out->len - from, sum);
	strbuf_truncate(out, from + COMPONENT_MAX - 34);
	strbuf_addf(out, "~~%.32s", sum);
}

static void put_query(struct strbuf *out, const struct httpd_head *t)
{
	for (size_t i = 0; i < t->params.n; i++) {
		if (t->pvalues.v[i][0] == '\0')
			continue;
		strbuf_addch(out, ',');
		put_safe(out, t->params.v[i], strlen(t->params.v[i]), false);
		strbuf_addch(out, '=');
		put_safe(out, t->pvalues.v[i], strlen(t->pvalues.v[i]), false);
	}
}

/* What the server would call it by its content type, a file must say by its name. */
static const char *ending(const char *path)
{
	static const struct {
		const char *prefix, *ending;
	} table[] = {
	    {"/static/", ""},
	    {"/badge/", ""},
	    {"/picture/", ""},
	    {"/feed.atom", ""},
	    {"/api/v1/openapi.json", ""},
	    {"/api/", ".json"},
	};

	for (size_t i = 0; i < NITEMS(table); i++)
		if (strncmp(path, table[i].prefix, strlen(table[i].prefix)) == 0)
			return table[i].ending;
	return ".html";
}

void export_name(struct strbuf *out, const struct httpd_head *t)
{
	const char *s = t->path + strspn(t->path, "/"), *end = ending(t->path);

	if (*s == '\0')
		s = "index";
	for (;;) {
		size_t n = strcspn(s, "/"), from = out->len;
		bool last = s[n] == '\0';

		put_safe(out, s, n, last);
		if (last)
			put_query(out, t);
		if (n == 0)
			strbuf_addstr(out, "~"); /* an empty component */
		shorten(out, from);
		if (last)
			break;
		strbuf_addch(out, '/');
		s += n + 1;
	}
	strbuf_addstr(out, end);
}

int export_target(struct httpd_head *out, const char *target)
{
	return httpd_head_of_target(out, target) == 0 && target[0] == '/' && strlen(out->path) < NAME_MAX_ALL
	           ? 0
	           : -1;
}

static void put_way(struct strbuf *out, const char *from, const char *to)
{
	for (; *from != '\0'; from++)
		if (*from == '/')
			strbuf_addstr(out, "../");
	strbuf_addstr(out, to);
}

/* An attribute's value up to its quote, with the one entity that our links hold undone. */
static char *link_target(const char *s, size_t n)
{
	struct strbuf t = STRBUF_INIT(65536);

	for (size_t i = 0; i < n; i++) {
		strbuf_addch(&t, s[i]);
		if (s[i] == '&' && n - i >= 5 && memcmp(s + i, "&amp;", 5) == 0)
			i += 4;
	}
	return strbuf_detach(&t);
}

struct attribute {
	const char *start, *value, *end; /* of the blank before its name, of the value, of its closing quote */
};

/*
 * The next of our links.  Text from outside cannot look like one: a quote in it is always an entity (web/html.h), so
 * these words followed by a real quote are markup of ours.
 */
static bool next_link(const char *s, struct attribute *a)
{
	static const char *const names[] = {" href=\"/", " src=\"/", " action=\"/"};
	const char *best = NULL;
	size_t n = 0;

	for (size_t i = 0; i < NITEMS(names); i++) {
		const char *at = strstr(s, names[i]);

		if (at != NULL && (best == NULL || at < best)) {
			best = at;
			n = strlen(names[i]) - 1;
		}
	}
	if (best == NULL)
		return false;
	*a = (struct attribute){.start = best, .value = best + n};
	a->end = strchr(a->value, '"');
	return a->end != NULL;
}

void export_rewrite(
    struct strbuf *out, const struct strbuf *page, const char *from, export_lead_fn *lead, void *arg)
{
	struct strbuf name = STRBUF_INIT(65536);
	const char *s = page->buf;
	struct attribute a;

	while (next_link(s, &a)) {
		size_t fragment = strcspn(a.value, "#\""), n = MIN(fragment, (size_t)(a.end - a.value));
		char *target = link_target(a.value, n);

		strbuf_add(out, s, (size_t)(a.start - s));
		strbuf_reset(&name);
		if (lead(&name, target, arg)) {
			strbuf_add(out, a.start, (size_t)(a.value - a.start));
			put_way(out, from, name.buf);
			strbuf_add(out, a.value + n, (size_t)(a.end + 1 - a.value) - n);
		}
		s = a.end + 1;
		free(target);
	}
	strbuf_addstr(out, s);
	strbuf_release(&name);
}
