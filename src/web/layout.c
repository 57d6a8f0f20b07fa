#include "config.h"

#include "web/web_priv.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/utctime.h"
#include "conf/conf.h"
#include "sensor/sensor.h"

#include <string.h>

static bool has_schedules(const struct conf *conf)
{
	for (size_t i = 0; i < conf->nsensors; i++)
		if (conf->sensors[i].type->calendar != NULL)
			return true;
	return false;
}

static const struct {
	const char *href, *text;
	bool (*wanted)(const struct conf *conf); /* NULL: always */
} menu[] = {
    {"/", "Overview"},
    {"/nights", "Nights"},
    {"/runs", "Runs"},
    {"/queue", "Queue"},
    {"/assets", "Assets"},
    {"/sensors", "Sensors"},
    {"/schedules", "Schedules", has_schedules},
    {"/deletions", "Deletions"},
    {"/outbox", "Outbox"},
    {"/audit", "Audit"},
};

void layout_begin(struct page *p, const char *title, const char *here)
{
	const char *title_set = p->web->conf->web.title, *name = title_set ? title_set : "orchd";

	html(&p->body,
	    "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
	    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
	    "<meta name=\"color-scheme\" content=\"light dark\"><title>%s - %s</title>"
	    "<link rel=\"icon\" href=\"/static/icon.svg\"><link rel=\"stylesheet\" href=\"/static/style.css\">"
	    "<link rel=\"alternate\" type=\"application/atom+xml\" title=\"Failures\" href=\"/feed.atom\">"
	    "%r</head>\n<body><a class=\"skip\" href=\"#main\">Skip to the content</a>"
	    "<header><a class=\"brand\" href=\"/\">%s</a><nav aria-label=\"Pages\">",
	    title, name, p->web->copy ? "" : "<script src=\"/static/live.js\" defer></script>", name);
	for (size_t i = 0; i < NITEMS(menu); i++) {
		if (menu[i].wanted != NULL && !menu[i].wanted(p->web->conf))
			continue;
		html(&p->body, "<a href=\"%s\"%r>%s</a>", menu[i].href,
		    here != NULL && strcmp(menu[i].href, here) == 0 ? " aria-current=\"page\"" : "",
		    menu[i].text);
	}
	html(&p->body, "</nav></header>\n<main id=\"main\"><h1>%s</h1>\n", title);
}

void layout_end(struct page *p)
{
	char now[UTCTIME_MAX], iso[UTCTIME_MAX];
	tm_ms t = clock_now();

	p->foot = p->body.len;
	html(&p->body,
	    "</main>\n<footer><span>%ras of <time id=\"as-of\" datetime=\"%s\">%s</time> UTC</span>"
	    "%r<span>orchd " PACKAGE_VERSION "</span>"
	    "<a href=\"/api/v1/openapi.json\">API</a> %r<a href=\"/feed.atom\">Feed</a>"
	    "</footer></body></html>\n",
	    p->web->copy ? "a copy, " : "", utctime_format(t, iso), utctime_format_sql(t, now),
	    p->web->copy ? "" : "<span id=\"live\" aria-live=\"polite\"></span>",
	    p->web->copy ? "" : "<a href=\"/metrics\">Metrics</a> ");
}

int layout_error_status(const struct err *err)
{
	return err_is(err, "not_found") ? 404 : err->class == ERR_USAGE ? 400 : 503;
}

const char *layout_error_text(const struct err *err)
{
	if (layout_error_status(err) != 503)
		return err->text;
	log_warn("web: %s", err->text);
	return "the state cannot be read now; the daemon's log says why";
}

void layout_error(struct page *p, const struct err *err)
{
	p->status = layout_error_status(err);
	layout_begin(p, p->status == 404 ? "Not found" : p->status == 400 ? "Not understood" : "Not now", NULL);
	html(&p->body, "<p>%s</p><p><a href=\"/\">To the overview</a></p>", layout_error_text(err));
	layout_end(p);
}

void page_missing(struct page *p)
{
	struct err err = ERR_INIT;

	err_code(&err, ERR_USAGE, "not_found", "There is no page at %s.", p->ask->path);
	layout_error(p, &err);
}
