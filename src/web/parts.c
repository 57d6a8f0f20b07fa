#include "config.h"

#include "web/web_priv.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/tz.h"
#include "base/utctime.h"

#include <inttypes.h>
#include <stdio.h>
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
    {"stuck", "\xe2\x9c\x95", "bad"},
    {"current", "\xe2\x97\x8f", "good"},
    {"answers", "\xe2\x97\x8f", "good"},
    {"sent", "\xe2\x97\x8f", "good"},
    {"passed", "\xe2\x97\x8f", "good"},
    {"quiet", "\xe2\x97\xbb", "off"},
    {"missing", "\xe2\x97\xbb", "off"},
    {"replaced", "\xe2\x97\xbb", "off"},
    {"stale", "\xe2\x96\xb2", "warn"},
    {"warned", "\xe2\x96\xb2", "warn"},
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

/* To one unit, for what need not be known better. */
static void about(struct strbuf *out, int64_t ms)
{
	static const struct {
		int64_t below, unit;
		const char *name;
	} scale[] = {{1000, 1, "ms"}, {120000, 1000, "s"}, {7200000, 60000, "min"}, {172800000, 3600000, "h"},
	    {INT64_MAX, 86400000, "d"}};
	size_t i = 0;

	while (ms >= scale[i].below)
		i++;
	strbuf_addf(out, "%" PRId64 " %s", ms / scale[i].unit, scale[i].name);
}

void part_ms(struct strbuf *out, int64_t ms)
{
	if (ms < 0)
		strbuf_addstr(out, "<span class=\"dim\">-</span>");
	else if (ms >= 1000 && ms < 10000)
		strbuf_addf(out, "%" PRId64 ".%" PRId64 " s", ms / 1000, ms % 1000 / 100);
	else if (ms >= 120000 && ms < 600000 && ms % 60000 >= 1000)
		strbuf_addf(out, "%" PRId64 " min %02" PRId64 " s", ms / 60000, ms % 60000 / 1000);
	else
		about(out, ms);
}

void part_ago(struct page *p, const char *iso)
{
	struct strbuf *out = &p->body;
	int64_t ms;
	tm_ms t;

	if (p->web->copy) {
		part_time(out, iso);
		return;
	}
	if (iso == NULL || utctime_parse(iso, &t) == -1) {
		html(out, "<span class=\"dim\">-</span>");
		return;
	}
	ms = clock_now() - t;
	html(out, "<time datetime=\"%s\" title=\"%s\">%r", iso, iso, ms < 0 ? "in " : "");
	about(out, MAX(ms < 0 ? -ms : ms, (int64_t)1000));
	html(out, "%r</time>", ms < 0 ? "" : " ago");
}

void part_date(struct strbuf *out, const char *date)
{
	if (date == NULL || strlen(date) != 8) {
		html(out, "%s", date ? date : "-");
		return;
	}
	html_text_n(out, date, 4);
	strbuf_addch(out, '-');
	html_text_n(out, date + 4, 2);
	strbuf_addch(out, '-');
	html_text_n(out, date + 6, 2);
}

void part_local(struct page *p, const char *iso, const char *partition)
{
	const struct tz *zone = zones_of(p->web->zones, partition);
	struct tz_local local;
	struct civil c;
	char date[16];
	tm_ms t;

	if (zone == NULL || iso == NULL || utctime_parse(iso, &t) == -1)
		return;
	tz_to_local(zone, t / 1000, &local);
	if (local.local_s == t / 1000)
		return;
	civil_from_days(local.local_s / 86400, &c);
	snprintf(date, sizeof(date), "%04d-%02d-%02d ", c.year, c.month, c.day);
	html(&p->body, " <span class=\"dim\">(%s%r%d:%r%d %s)</span>", strncmp(date, iso, 10) == 0 ? "" : date,
	    local.local_s % 86400 < 36000 ? "0" : "", (int)(local.local_s % 86400 / 3600),
	    local.local_s % 3600 < 600 ? "0" : "", (int)(local.local_s % 3600 / 60), local.abbr);
}

int64_t part_ms_between(const char *from, const char *to)
{
	tm_ms a, b = clock_now();

	if (from == NULL || utctime_parse(from, &a) == -1 || (to != NULL && utctime_parse(to, &b) == -1))
		return -1;
	return b - a;
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

void part_asset_link(struct strbuf *out, const char *name)
{
	html(out, "<a href=\"/assets/%u\">%s</a>", name, name);
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

void part_shell(struct strbuf *out, const char *text)
{
	html(out, "'");
	for (const char *quote; (quote = strchr(text, '\'')) != NULL; text = quote + 1) {
		html_text_n(out, text, (size_t)(quote - text));
		html(out, "'\\''");
	}
	html(out, "%s'", text);
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
	const char *class = json_str(error, "class", "");
	bool asked = strcmp(class, "cancelled") == 0; /* by people: nothing is wrong, and the text says so */

	if (!json_is_object(error))
		return;
	html(out, "<span class=\"%r\">%s%r%s</span>", asked ? "dim" : "err", asked ? "" : class,
	    asked || class[0] == '\0' ? "" : ": ", json_str(error, "text", ""));
}

void part_freshness(struct strbuf *out, const json_t *freshness)
{
	const char *state = json_str(freshness, "state", NULL), *told;
	const json_t *reason;
	size_t i;

	if (state == NULL)
		return;
	part_state(out, state);
	json_array_foreach(json_object_get(freshness, "reasons"), i, reason)
	{
		if (strcmp(json_str(reason, "code", ""), "missing") == 0)
			continue;
		told = json_str(reason, "text", "");
		if (json_is_integer(json_object_get(reason, "run")))
			html(out, "<span class=\"why\"><a href=\"/runs/%i\">%s</a></span>",
			    json_int(reason, "run", 0), told);
		else
			html(out, "<span class=\"why\">%s</span>", told);
	}
}

void part_progress(struct strbuf *out, int64_t run, const json_t *step)
{
	const json_t *p = json_object_get(json_object_get(step, "live"), "progress");
	int64_t done = json_int(p, "done", 0), total = json_int(p, "total", 0);

	html(out, "<span data-progress=\"%i/%s\">", run, json_str(step, "asset", ""));
	if (total > 0)
		html(out, "<progress max=\"%i\" value=\"%i\" aria-label=\"%s\"></progress> ", total, done,
		    json_str(p, "what", "progress"));
	if (json_is_object(p))
		html(out, total > 0 ? "<span>%s %i of %i</span>" : "<span>%s %i</span>",
		    json_str(p, "what", ""), done, total);
	html(out, "</span>");
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
