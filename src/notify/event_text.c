/* An event in words: templates filled from it, its title, and what happened, as plain text or Markdown. */
#include "config.h"

#include "notify/sinks.h"

#include "base/mem.h"
#include "base/template.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct lookup {
	const struct delivery *d;
	struct strbuf title;
};

static const char *label_of(const struct delivery *d)
{
	const char *label = json_string_value(json_array_get(json_object_get(d->data, "labels"), 0));

	return label ? label : "";
}

static const char *look_up(void *arg, const char *name, size_t *n)
{
	struct lookup *l = arg;
	const char *s = json_str(json_object_get(l->d->data, "names"), name, NULL);

	if (s == NULL && strcmp(name, "label") == 0)
		s = label_of(l->d);
	else if (s == NULL && strcmp(name, "title") == 0)
		s = l->title.buf;
	else if (s == NULL && strcmp(name, "error") == 0)
		s = json_str(json_object_get(l->d->data, "error"), "text", "");
	else if (s == NULL)
		s = json_str(l->d->data, name, "");
	*n = strlen(s);
	return s;
}

int event_expand(const struct delivery *d, const char *text, struct strbuf *out, struct err *err)
{
	struct lookup l = {.d = d, .title = STRBUF_INIT(2000)};
	int rc;

	event_title(d, &l.title);
	rc = template_expand(text, look_up, &l, out, err);
	strbuf_release(&l.title);
	return rc;
}

void event_title(const struct delivery *d, struct strbuf *out)
{
	const char *job = json_str(d->data, "job", ""), *partition = json_str(d->data, "partition", ""),
	           *key = json_str(d->data, "key", "");

	strbuf_addf(out, "%s: %s", d->kind, job);
	if (partition[0] != '\0' || key[0] != '\0')
		strbuf_addf(out, "%s%s", job[0] ? ", " : "", partition[0] ? partition : key);
}

static const struct {
	const char *kind, *text;
} leads[] = {
    {"failed", "A run has failed."},
    {"warnings", "A run has succeeded with warnings."},
    {"recovered", "What was reported before did not happen again; the last run succeeded."},
    {"stale", "An upload does not become complete."},
    {"succeeded", "A run has succeeded."},
};

static const struct {
	const char *member, *word;
} facts[] = {
    {"group", "group"},
    {"job", "job"},
    {"partition", "partition"},
    {"sensor", "sensor"},
    {"key", "key"},
    {"reason", "reason"},
    {"started_at", "started"},
    {"ended_at", "ended"},
    {"since", "since"},
};

/* Words of others never act as Markdown: they stand in a block that is indented. */
static void add_quoted(struct strbuf *out, bool markdown, const char *text)
{
	const char *indent = markdown ? "    " : "  ";

	while (*text != '\0') {
		size_t n = strcspn(text, "\r\n");

		strbuf_addstr(out, indent);
		strbuf_add(out, text, n);
		strbuf_addch(out, '\n');
		text += n;
		text += strspn(text, "\r\n");
	}
}

static void add_fact(struct strbuf *out, bool markdown, const char *word, const char *value)
{
	char *line;

	if (value[0] == '\0')
		return;
	line = xasprintf("%s: %s", word, value);
	add_quoted(out, markdown, line);
	free(line);
}

void event_describe(const struct delivery *d, bool markdown, struct strbuf *out)
{
	const json_t *messages = json_object_get(d->data, "messages");
	char number[32];
	json_t *m;
	size_t i;

	for (i = 0; i < NITEMS(leads); i++)
		if (strcmp(leads[i].kind, d->kind) == 0)
			strbuf_addf(out, "%s\n\n", leads[i].text);
	snprintf(number, sizeof(number), "%" PRId64, json_int(d->data, "run", 0));
	if (json_int(d->data, "run", 0) > 0)
		add_fact(out, markdown, "run", number);
	for (i = 0; i < NITEMS(facts); i++)
		add_fact(out, markdown, facts[i].word, json_str(d->data, facts[i].member, ""));
	json_array_foreach(json_object_get(d->data, "labels"), i, m)
	    add_fact(out, markdown, "label", json_string_value(m));
	add_fact(out, markdown, "error", json_str(json_object_get(d->data, "error"), "text", ""));
	snprintf(number, sizeof(number), "%" PRId64, json_int(d->data, "repeats", 0));
	if (json_int(d->data, "repeats", 0) > 0)
		add_fact(out, markdown, "repeats not told", number);
	if (json_array_size(messages) > 0)
		strbuf_addstr(out, "\nIts messages:\n\n");
	json_array_foreach(messages, i, m)
	{
		char *line = xasprintf(
		    "%s  %s: %s", json_str(m, "asset", ""), json_str(m, "label", ""), json_str(m, "text", ""));

		add_quoted(out, markdown, line);
		free(line);
	}
}
