#include "config.h"

#include "web/web_priv.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/utctime.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Shape and word carry the meaning; colour only repeats it. */
static const struct {
	const char *state, *shape, *tone;
} states[] = {
    {"succeeded", "\xe2\x97\x8f", "good"},
    {"ok", "\xe2\x97\x8f", "good"},
    {"complete", "\xe2\x97\x8f", "good"},
    {"requested", "\xe2\x97\x8f", "good"},
    {"deleted", "\xe2\x97\x8f", "good"},
    {"warnings", "\xe2\x96\xb2", "warn"},
    {"held", "\xe2\x96\xb2", "warn"},
    {"retrying", "\xe2\x96\xb2", "warn"},
    {"late", "\xe2\x96\xb2", "warn"},
    {"stale", "\xe2\x96\xb2", "warn"},
    {"failed", "\xe2\x9c\x95", "bad"},
    {"invalid", "\xe2\x9c\x95", "bad"},
    {"canceled", "\xe2\x97\xbb", "off"},
    {"skipped", "\xe2\x97\xbb", "off"},
    {"ignored", "\xe2\x97\xbb", "off"},
    {"paused", "\xe2\x97\xbb", "off"},
    {"no_data", "\xe2\x97\xbb", "off"},
    {"running", "\xe2\x96\xb6", "live"},
    {"pending", "\xe2\x97\x94", "live"},
    {"queued", "\xe2\x97\x8b", "wait"},
    {"ready", "\xe2\x97\x8b", "wait"},
    {"waiting", "\xe2\x97\x8b", "wait"},
};

static const char *look_up(const char *state, size_t *at)
{
	for (*at = 0; state != NULL && *at < NITEMS(states); ++*at)
		if (strcmp(states[*at].state, state) == 0)
			return state;
	return NULL;
}

const char *part_tone(const char *state)
{
	size_t i;

	return look_up(state, &i) ? states[i].tone : "off";
}

const char *part_shape(const char *state)
{
	size_t i;

	return look_up(state, &i) ? states[i].shape : "\xc2\xb7";
}

const char *part_word(const char *state)
{
	return state == NULL ? "-" : strcmp(state, "no_data") == 0 ? "no data" : state;
}

void part_state(struct strbuf *out, const char *state)
{
	html(out, "<span class=\"st %r\"><b aria-hidden=\"true\">%r</b> %s</span>", part_tone(state),
	    part_shape(state), part_word(state));
}

/* Date and time to the second; the exact text is the element's datetime. */
void part_time(struct strbuf *out, const char *iso)
{
	if (iso == NULL || strlen(iso) < 19) {
		html(out, "<span class=\"dim\">-</span>");
		return;
	}
	html(out, "<time datetime=\"%s\">", iso);
	html_text_n(out, iso, 10);
	strbuf_addch(out, ' ');
	html_text_n(out, iso + 11, 8);
	strbuf_addstr(out, "</time>");
}

int64_t part_ms_between(const char *from, const char *to)
{
	tm_ms a, b = clock_now();

	if (from == NULL || utctime_parse(from, &a) == -1 || (to != NULL && utctime_parse(to, &b) == -1))
		return -1;
	return b - a;
}

void part_ms(struct strbuf *out, int64_t ms)
{
	static const struct {
		int64_t below, unit;
		const char *name;
	} scale[] = {{1000, 1, "ms"}, {120000, 1000, "s"}, {7200000, 60000, "min"}, {172800000, 3600000, "h"},
	    {INT64_MAX, 86400000, "d"}};
	size_t i = 0;

	if (ms < 0) {
		strbuf_addstr(out, "<span class=\"dim\">-</span>");
	} else if (ms >= 1000 && ms < 10000) {
		strbuf_addf(out, "%" PRId64 ".%" PRId64 " s", ms / 1000, ms % 1000 / 100);
	} else {
		while (ms >= scale[i].below)
			i++;
		strbuf_addf(out, "%" PRId64 " %s", ms / scale[i].unit, scale[i].name);
	}
}

void part_span(struct strbuf *out, const char *from, const char *to)
{
	part_ms(out, part_ms_between(from, to));
}

void part_bytes(struct strbuf *out, int64_t n)
{
	static const char *const unit[] = {"B", "kB", "MB", "GB", "TB"};
	double v = (double)n;
	size_t u = 0;

	while (v >= 1000 && u + 1 < NITEMS(unit)) {
		v /= 1000;
		u++;
	}
	strbuf_addf(out, v < 10 && u > 0 ? "%.1f %s" : "%.0f %s", v, unit[u]);
}

void part_run_link(struct strbuf *out, int64_t id)
{
	html(out, "<a href=\"/runs/%i\">run %i</a>", id, id);
}

void part_path(struct strbuf *out, const char *path)
{
	while (*path != '\0') {
		size_t n = strcspn(path, "/");
		char *part = xstrndup(path, n);

		html_url(out, part);
		free(part);
		path += n;
		if (*path == '/')
			strbuf_addch(out, *path++);
	}
}

void part_partition_link(struct strbuf *out, const char *partition)
{
	if (partition == NULL || partition[0] == '\0') {
		html(out, "<span class=\"dim\">-</span>");
		return;
	}
	strbuf_addstr(out, "<a href=\"/partition/");
	part_path(out, partition);
	html(out, "\">%s</a>", partition);
}

void part_error(struct strbuf *out, const json_t *error)
{
	if (!json_is_object(error))
		return;
	html(out, "<span class=\"err\">%s%s%s</span>", json_str(error, "class", ""),
	    json_str(error, "class", NULL) ? ": " : "", json_str(error, "text", ""));
}

static void run_row(struct strbuf *out, const json_t *run)
{
	const char *outcome = json_str(run, "outcome", NULL), *state = json_str(run, "state", "");
	const char *job = json_str(run, "job", NULL), *began = json_str(run, "started_at", NULL);
	bool plain = outcome == NULL || strcmp(outcome, "ok") == 0;

	html(out, "<tr><td class=\"num\"><a href=\"/runs/%i\">%i</a></td><td>", json_int(run, "id", 0),
	    json_int(run, "id", 0));
	part_state(out, plain ? state : outcome);
	html(out, "</td><td>%s%r</td><td>",
	    job ? job : json_string_value(json_array_get(json_object_get(run, "assets"), 0)),
	    json_bool(run, "dry_run", false) ? " <span class=\"dim\">(dry run)</span>" : "");
	part_partition_link(out, json_str(run, "partition", ""));
	html(out, "</td><td>");
	part_time(out, began ? began : json_str(run, "created_at", NULL));
	html(out, "</td><td class=\"num\">");
	if (began != NULL)
		part_span(out, began, json_str(run, "ended_at", NULL));
	html(out, "</td><td class=\"wide\">");
	if (json_is_object(json_object_get(run, "error")))
		part_error(out, json_object_get(run, "error"));
	else
		html(
		    out, "%s", json_str(run, "wait_reason", json_str(run, "why", json_str(run, "origin", ""))));
	html(out, "</td></tr>\n");
}

void part_runs(struct strbuf *out, const json_t *runs)
{
	const json_t *run;
	size_t i;

	if (json_array_size(runs) == 0) {
		html(out, "<p class=\"empty\">No runs.</p>");
		return;
	}
	html(out, "<div class=\"scroll\"><table><thead><tr><th "
	          "class=\"num\">Run</th><th>State</th><th>What</th><th>Partition</th>"
	          "<th>Began (UTC)</th><th class=\"num\">Took</th><th>Why</th></tr></thead><tbody>\n");
	json_array_foreach(runs, i, run) run_row(out, run);
	html(out, "</tbody></table></div>");
}

static void key_row(struct strbuf *out, const json_t *key)
{
	html(out, "<tr><td><code>%s</code></td><td>", json_str(key, "key", ""));
	part_state(out, json_str(key, "verdict", ""));
	html(out, "</td><td class=\"num\">");
	if (json_int(key, "expected", 0) > 0)
		html(out, "%i of %i", json_int(key, "present", 0), json_int(key, "expected", 0));
	html(out, "</td><td class=\"num\">");
	part_bytes(out, json_int(key, "bytes", 0));
	html(out, "</td><td>");
	part_time(out, json_str(key, "newest", NULL));
	html(out, "</td><td class=\"wide\">%s%r</td><td>", json_str(key, "reason", ""),
	    json_str(key, "gone_at", NULL) ? " <span class=\"dim\">(left the store)</span>" : "");
	if (json_int(key, "run", 0) > 0)
		part_run_link(out, json_int(key, "run", 0));
	html(out, "</td></tr>\n");
}

void part_keys(struct strbuf *out, const json_t *keys)
{
	const json_t *key;
	size_t i;

	if (json_array_size(keys) == 0) {
		html(out, "<p class=\"empty\">No keys.</p>");
		return;
	}
	html(out,
	    "<div class=\"scroll\"><table><thead><tr><th>Key</th><th>Verdict</th><th class=\"num\">Pieces</th>"
	    "<th class=\"num\">Size</th><th>Newest "
	    "(UTC)</th><th>Reason</th><th>Run</th></tr></thead><tbody>\n");
	json_array_foreach(keys, i, key) key_row(out, key);
	html(out, "</tbody></table></div>");
}

void part_json(struct strbuf *out, const json_t *value)
{
	const char *key;
	json_t *item;
	size_t i;

	switch (json_typeof(value)) {
	case JSON_OBJECT:
		html(out, "<dl>");
		json_object_foreach((json_t *)value, key, item)
		{
			html(out, "<dt>%s</dt><dd>", key);
			part_json(out, item);
			html(out, "</dd>");
		}
		html(out, "</dl>");
		break;
	case JSON_ARRAY:
		if (json_array_size(value) == 0)
			html(out, "<span class=\"dim\">none</span>");
		json_array_foreach(value, i, item)
		{
			if (i > 0 && !json_is_object(item))
				html(out, ", ");
			if (i == 200) {
				html(out, "... %i more", (int64_t)json_array_size(value) - 200);
				break;
			}
			part_json(out, item);
		}
		break;
	case JSON_STRING: html(out, "<code>%s</code>", json_string_value(value)); break;
	case JSON_INTEGER: html(out, "%i", (int64_t)json_integer_value(value)); break;
	case JSON_REAL: strbuf_addf(out, "%.6g", json_real_value(value)); break;
	case JSON_TRUE: html(out, "yes"); break;
	case JSON_FALSE: html(out, "no"); break;
	case JSON_NULL: html(out, "<span class=\"dim\">-</span>"); break;
	}
}

const char *page_param(const struct page *p, const char *name)
{
	const char *s = p->ask->param(p->ask->arg, name);

	return s != NULL && s[0] != '\0' ? s : NULL;
}

int64_t page_number(const struct page *p, const char *name, int64_t def)
{
	const char *s = page_param(p, name);
	char *end;
	int64_t n;

	if (s == NULL)
		return def;
	n = strtoll(s, &end, 10);
	return *end == '\0' && n >= 0 ? n : def;
}
