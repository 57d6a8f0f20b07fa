#include "config.h"

#include "notify/github_issue.h"

#include "notify/sinks.h"

#include "base/digest.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define TITLE_MAX 250

void github_issue_init(struct github_issue *i, const struct github_conf *conf, const struct delivery *d)
{
	char *what, hex[SHA256_HEX];

	*i = (struct github_issue){.conf = conf, .delivery = d};
	what = xasprintf("%s\n%s", json_str(d->data, "group", ""), github_issue_label(i));
	sha256_hex(what, strlen(what), hex);
	free(what);
	snprintf(i->issue_mark, sizeof(i->issue_mark), "<!-- orchd-issue:%.20s -->", hex);
	snprintf(i->event_mark, sizeof(i->event_mark), "<!-- orchd-event:%s -->", d->id);
}

const char *github_issue_label(const struct github_issue *i)
{
	const char *label = json_string_value(json_array_get(json_object_get(i->delivery->data, "labels"), 0));

	return label ? label : "event";
}

bool github_issue_is_recovery(const struct github_issue *i)
{
	return strcmp(i->delivery->kind, "recovered") == 0;
}

static void add_label(json_t *list, const char *text)
{
	json_t *label;
	char cut[GITHUB_LABEL_MAX + 1];
	size_t i;

	if (text[0] == '\0')
		return;
	snprintf(cut, sizeof(cut), "%s", text);
	json_array_foreach(list, i, label) if (strcmp(json_string_value(label), cut) == 0) return;
	json_array_append_new(list, json_text_new(cut));
}

static json_t *make_labels(const struct github_issue *i)
{
	const struct strmap *map = &i->conf->label_map;
	const char *label = github_issue_label(i);
	json_t *list = json_array();
	struct strbuf sb = STRBUF_INIT(1000);

	add_label(list, label);
	for (size_t k = 0; k < map->keys.n; k++)
		if (strncmp(label, map->keys.v[k], strlen(map->keys.v[k])) == 0)
			add_label(list, map->values.v[k]);
	for (size_t k = 0; k < i->conf->labels.n; k++) {
		strbuf_reset(&sb);
		if (event_expand(i->delivery, i->conf->labels.v[k], &sb, NULL) == 0)
			add_label(list, sb.buf);
	}
	strbuf_release(&sb);
	return list;
}

static json_t *make_assignees(const struct github_issue *i)
{
	const char *who = strmap_get(&i->conf->assignees, json_str(i->delivery->data, "group", ""));
	json_t *list = json_array();

	if (who == NULL)
		who = strmap_get(&i->conf->assignees, "default");
	for (; who != NULL && !i->unassigned && *(who += strspn(who, " ,")) != '\0'; who += strcspn(who, " ,"))
		json_array_append_new(list, json_stringn(who, strcspn(who, " ,")));
	return list;
}

json_t *github_issue_text(const struct github_issue *i, bool new_issue)
{
	struct strbuf sb = STRBUF_INIT(NOTIFY_TEXT_MAX);
	json_t *text;

	event_describe(i->delivery, true, &sb);
	if (sb.len > NOTIFY_TEXT_MAX - 1000)
		strbuf_truncate(&sb, NOTIFY_TEXT_MAX - 1000);
	strbuf_addf(&sb, "\n%s\n%s\n", new_issue ? i->issue_mark : "", i->event_mark);
	text = json_text_new(sb.buf);
	strbuf_release(&sb);
	return text;
}

char *github_issue_new(const struct github_issue *i)
{
	const char *template = strmap_get(&i->conf->titles, github_issue_label(i));
	struct strbuf title = STRBUF_INIT(TITLE_MAX);
	json_t *j = json_object();
	char *text;

	if (event_expand(i->delivery, template ? template : i->conf->title, &title, NULL) == -1 ||
	    title.len == 0) {
		strbuf_reset(&title);
		strbuf_addf(&title, "%s: %.*s", i->delivery->kind, GITHUB_LABEL_MAX, github_issue_label(i));
	}
	json_object_set_new(j, "title", json_text_new(title.buf));
	json_object_set_new(j, "body", github_issue_text(i, true));
	json_object_set_new(j, "labels", make_labels(i));
	json_object_set_new(j, "assignees", make_assignees(i));
	text = json_text(j);
	json_decref(j);
	strbuf_release(&title);
	return text;
}
