/* Which page a path leads to, and the page itself: the same for a connection and for an export. */
#include "config.h"

#include "web/web_priv.h"

#include "base/mem.h"
#include "state/state.h"

#include <stdlib.h>
#include <string.h>

static int64_t run_of_number(struct web *w, const char *arg)
{
	return strtoll(arg, NULL, 10);
}

/* '*' stands for one component, a final '**' for all the rest; the first route that fits counts. */
const struct route routes[] = {
    {"/", page_overview, false},
    {"/nights", page_nights, false},
    {"/partition/**", page_partition, false, partition_pictures},
    {"/runs", page_runs, false},
    {"/runs/*", page_run, false, run_of_number},
    {"/assets", page_assets, false},
    {"/assets/*", page_asset, false},
    {"/sensors", page_sensors, false},
    {"/sensors/*", page_sensor, false},
    {"/schedules", page_schedules, false},
    {"/queue", page_queue, false},
    {"/audit", page_audit, false},
    {"/deletions", page_deletions, false},
    {"/outbox", page_outbox, false},
    {"/api/v1/status", api_status, false},
    {"/api/v1/runs", api_runs, false},
    {"/api/v1/runs/*", api_run, false},
    {"/api/v1/runs/*/logs", api_run_logs, false},
    {"/api/v1/assets", api_assets, false},
    {"/api/v1/assets/*", api_asset, false},
    {"/api/v1/sensors", api_sensors, false},
    {"/api/v1/sensors/*/keys", api_sensor_keys, false},
    {"/api/v1/sensors/*/ticks", api_sensor_ticks, false},
    {"/api/v1/schedules", api_schedules, false},
    {"/api/v1/nights", api_nights, false},
    {"/api/v1/queue", api_queue, false},
    {"/api/v1/outbox", api_outbox, false},
    {"/api/v1/events", api_events, false},
    {"/api/v1/audit", api_audit, false},
    {"/api/v1/why/**", api_why, false},
    {"/api/v1/openapi.json", page_static, true},
    {"/metrics", page_metrics, true},
    {"/livez", page_livez, true},
    {"/readyz", page_readyz, true},
    {"/healthz", page_readyz, true},
    {"/feed.atom", page_feed, true},
    {"/badge/*", page_badge, false},
    {"/static/*", page_static, true},
    {"/favicon.ico", page_static, true},
    {0},
};

const struct route *route_nowhere(const char *path)
{
	static const struct route for_programs = {.page = api_missing, .fresh = true},
	                          for_people = {.page = page_missing, .fresh = true};

	return strncmp(path, "/api/", 5) == 0 ? &for_programs : &for_people;
}

/* args are lent from path, which is cut. */
static bool route_matches(const char *pattern, char *path, const char *args[2])
{
	size_t n = 0;

	while (*pattern != '\0') {
		if (strcmp(pattern, "**") == 0) {
			args[n] = path;
			return *path != '\0';
		}
		if (*pattern == '*') {
			char *slash = strchr(path, '/');

			if (*path == '\0' || *path == '/' || n == 2)
				return false;
			args[n++] = path;
			pattern++;
			if (slash == NULL)
				return *pattern == '\0';
			if (*pattern != '/')
				return false;
			*slash = '\0';
			path = slash + 1;
			pattern++;
		} else if (*pattern++ != *path++) {
			return false;
		}
	}
	return *path == '\0';
}

const struct route *route_find(const char *path, char **copy, const char *args[2])
{
	for (size_t i = 0; routes[i].pattern != NULL; i++) {
		*copy = xstrdup(path);
		args[0] = args[1] = NULL;
		if (route_matches(routes[i].pattern, *copy, args))
			return &routes[i];
		free(*copy);
	}
	*copy = NULL;
	return NULL;
}

void route_render(
    struct web *w, const struct route *route, const char *args[2], const struct page_ask *ask, struct page *out)
{
	*out = (struct page){.web = w,
	    .ask = ask,
	    .arg = {args[0], args[1]},
	    .body = STRBUF_INIT(PAGE_MAX),
	    .content_type = "text/html; charset=utf-8",
	    .status = 200};
	sql_snapshot(w->query.state->sql);
	route->page(out);
	sql_snapshot_end(w->query.state->sql);
}
