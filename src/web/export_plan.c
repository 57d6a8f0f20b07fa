#include "config.h"

#include "web/export_plan.h"

#include "web/web_priv.h"

#include "base/clock.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "state/state.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PARTITIONS_MAX 20000
#define RUNS_MAX       20000

static void add_run(struct export_plan *plan, int64_t id, const char *partition)
{
	char text[32];

	if (partition != NULL && partition[0] != '\0' && json_object_size(plan->partitions) < PARTITIONS_MAX)
		json_object_set_new(plan->partitions, partition, json_true());
	if (id <= 0 || json_object_size(plan->runs) >= RUNS_MAX)
		return;
	snprintf(text, sizeof(text), "%" PRId64, id);
	json_object_set_new(plan->runs, text, json_true());
	if (plan->oldest_run == 0 || id < plan->oldest_run)
		plan->oldest_run = id;
}

static void add_newest(struct export_plan *plan, int64_t n)
{
	struct sql_row *row = sql_query(
	    plan->query->state->sql, "SELECT id, partition FROM run ORDER BY id DESC LIMIT ?1", "i", n);

	while (sql_next(row))
		add_run(plan, sql_int(row, 0), sql_text(row, 1));
	sql_end(row);
}

static void add_held(struct export_plan *plan)
{
	struct sql_row *row = sql_query(plan->query->state->sql, "SELECT partition FROM hold", "");

	while (sql_next(row))
		add_run(plan, 0, sql_text(row, 0));
	sql_end(row);
}

static void add_cells(struct export_plan *plan, const struct nights *m)
{
	for (size_t i = 0; i < m->nrows; i++)
		for (size_t k = 0; k < m->ndates; k++)
			if (m->row[i].night[k].state != NULL)
				add_run(plan, m->row[i].night[k].run, m->row[i].night[k].partition);
}

static void note_oldest(struct export_plan *plan, const struct nights *m)
{
	const char *oldest = m->ndates > 0 ? m->date[m->ndates - 1] : NULL;

	if (oldest != NULL && (plan->oldest_night[0] == '\0' || strcmp(oldest, plan->oldest_night) < 0))
		snprintf(plan->oldest_night, sizeof(plan->oldest_night), "%s", oldest);
}

/* The windows that the page itself would turn back through, of the rows after this one. */
static int add_windows(struct export_plan *plan, const char *after, int64_t days, struct err *err)
{
	char until[NIGHT_DATE_MAX] = "";

	for (int64_t left = days; left > 0; left -= NIGHTS_DAYS) {
		const struct nights_ask ask = {.until = until[0] ? until : NULL,
		    .after = after,
		    .days = (int)MIN(left, (int64_t)NIGHTS_DAYS)};
		struct nights *m = nights_read(plan->query, &ask, clock_now(), err);

		if (m == NULL)
			return -1;
		add_cells(plan, m);
		note_oldest(plan, m);
		memcpy(until, m->earlier, sizeof(until));
		nights_free(m);
		if (until[0] == '\0')
			break;
	}
	return 0;
}

/* The name that the page of the rows after this one goes on after: NULL when it has the last.  To be freed. */
static int next_rows(struct export_plan *plan, const char *after, char **next, struct err *err)
{
	const struct nights_ask ask = {.after = after, .days = NIGHTS_DAYS};
	struct nights *m = nights_read(plan->query, &ask, clock_now(), err);

	*next = m && m->next ? xstrdup(m->next) : NULL;
	nights_free(m);
	return m ? 0 : -1;
}

/* Which rows a page has does not depend on its dates. */
static int add_nights(struct export_plan *plan, int64_t days, struct err *err)
{
	char *after = NULL, *next = NULL;
	int rc;

	while ((rc = add_windows(plan, after, days, err)) == 0 &&
	       (rc = next_rows(plan, after, &next, err)) == 0 && next != NULL) {
		free(after);
		after = next;
		json_object_set_new(plan->rows, after, json_true());
	}
	free(after);
	return rc;
}

int export_plan_make(
    struct export_plan *plan, const struct query *q, int64_t days, int64_t runs, struct err *err)
{
	*plan = (struct export_plan){
	    .query = q, .runs = json_object(), .partitions = json_object(), .rows = json_object()};
	add_newest(plan, runs);
	add_held(plan);
	if (add_nights(plan, days, err) == 0 && sql_error(q->state->sql) == NULL)
		return 0;
	if (sql_error(q->state->sql) != NULL)
		*err = *sql_error(q->state->sql);
	export_plan_release(plan);
	return -1;
}

void export_plan_release(struct export_plan *plan)
{
	json_decref(plan->runs);
	json_decref(plan->partitions);
	json_decref(plan->rows);
	plan->runs = plan->partitions = plan->rows = NULL;
}

/* ---- what stands for * in a route ---- */

static bool has_run(const struct export_plan *plan, const char *arg)
{
	return json_object_get(plan->runs, arg) != NULL;
}

static bool has_partition(const struct export_plan *plan, const char *arg)
{
	return json_object_get(plan->partitions, arg) != NULL;
}

static bool has_asset(const struct export_plan *plan, const char *arg)
{
	const struct conf_asset *a = conf_asset_find(plan->query->conf, arg);

	return a != NULL && strcmp(a->name, arg) == 0;
}

static bool has_sensor(const struct export_plan *plan, const char *arg)
{
	return conf_sensor_find(plan->query->conf, arg) != NULL;
}

static bool has_badge(const struct export_plan *plan, const char *arg)
{
	size_t n = strlen(arg);
	char *name = xstrndup(arg, n > 4 ? n - 4 : 0);
	bool has = n > 4 && strcmp(arg + n - 4, ".svg") == 0 && has_asset(plan, name);

	free(name);
	return has;
}

/* The page's script follows a daemon, which a copy does not have. */
static bool has_static(const struct export_plan *plan, const char *arg)
{
	return strcmp(arg, "live.js") != 0;
}

static bool has_none(const struct export_plan *plan, const char *arg)
{
	return false;
}

enum each { EACH_NOTHING, EACH_RUN, EACH_PARTITION, EACH_ASSET, EACH_SENSOR };

/* Routes without a star are one file each unless they stand here; those with one only as their row says. */
static const struct {
	const char *pattern;
	bool (*has)(const struct export_plan *, const char *arg);
	enum each each; /* what there is a seed for each of */
	const char *seed;
} rules[] = {
    {"/partition/**", has_partition, EACH_PARTITION, "/partition/%s"},
    {"/runs/*", has_run, EACH_RUN, "/runs/%s"},
    {"/assets/*", has_asset, EACH_ASSET, "/assets/%s"},
    {"/sensors/*", has_sensor, EACH_SENSOR, "/sensors/%s"},
    {"/badge/*", has_badge, EACH_ASSET, "/badge/%s.svg"},
    {"/static/*", has_static, EACH_NOTHING, NULL},
    {"/api/v1/runs/*", has_run, EACH_RUN, "/api/v1/runs/%s"},
    {"/api/v1/assets/*", has_asset, EACH_ASSET, "/api/v1/assets/%s"},
    {"/api/v1/sensors/*/keys", has_sensor, EACH_SENSOR, "/api/v1/sensors/%s/keys"},
    {"/api/v1/sensors/*/ticks", has_sensor, EACH_SENSOR, "/api/v1/sensors/%s/ticks"},
    {"/api/v1/why/**", has_partition, EACH_PARTITION, "/api/v1/why/%s"},
    /* of a daemon, now */
    {"/api/v1/events", has_none, EACH_NOTHING, NULL},
    {"/metrics", has_none, EACH_NOTHING, NULL},
    {"/livez", has_none, EACH_NOTHING, NULL},
    {"/readyz", has_none, EACH_NOTHING, NULL},
    {"/healthz", has_none, EACH_NOTHING, NULL},
    {"/favicon.ico", has_none, EACH_NOTHING, NULL},
};

static bool has_path(const struct export_plan *plan, const char *path)
{
	const char *args[2];
	char *copy;
	const struct route *route = route_find(path, &copy, args);
	bool has = route != NULL && strchr(route->pattern, '*') == NULL;

	for (size_t i = 0; route != NULL && i < NITEMS(rules); i++)
		if (strcmp(rules[i].pattern, route->pattern) == 0)
			has = rules[i].has(plan, args[0]);
	free(copy);
	return has;
}

/* ---- queries: the turning back of lists, and a list's states ---- */

static bool is_word(const struct export_plan *plan, const char *s)
{
	return s[0] != '\0' && strspn(s, "abcdefghijklmnopqrstuvwxyz_") == strlen(s) && strlen(s) < 20;
}

static bool is_night(const struct export_plan *plan, const char *s)
{
	return strlen(s) == 8 && strspn(s, "0123456789") == 8 && strcmp(s, plan->oldest_night) >= 0;
}

static bool is_run(const struct export_plan *plan, const char *s)
{
	char *end;

	return strtoll(s, &end, 10) > plan->oldest_run && *end == '\0';
}

static bool is_row(const struct export_plan *plan, const char *s)
{
	return json_object_get(plan->rows, s) != NULL;
}

/* One parameter at a time, or two in the order in which the page puts them. */
static const struct {
	const char *path, *name;
	bool (*is)(const struct export_plan *, const char *value);
	const char *behind; /* the one that it may follow */
} params[] = {
    {"/nights", "until", is_night, NULL},
    {"/nights", "after", is_row, "until"},
    {"/runs", "before", is_run, NULL},
    {"/runs", "state", is_word, NULL},
    {"/sensors/", "verdict", is_word, NULL},
};

static bool is_of_path(const char *pattern, const char *path)
{
	size_t n = strlen(pattern);

	return pattern[n - 1] == '/' ? strncmp(path, pattern, n) == 0 : strcmp(path, pattern) == 0;
}

static bool has_param(
    const struct export_plan *plan, const char *path, const char *name, const char *value, const char *before)
{
	for (size_t i = 0; i < NITEMS(params); i++)
		if (is_of_path(params[i].path, path) && strcmp(params[i].name, name) == 0)
			return (before == NULL ||
			           (params[i].behind && strcmp(params[i].behind, before) == 0)) &&
			       params[i].is(plan, value);
	return false;
}

bool export_plan_has(const struct export_plan *plan, const struct httpd_head *t)
{
	const char *before = NULL;

	if (!has_path(plan, t->path))
		return false;
	for (size_t i = 0; i < t->params.n; i++) {
		if (t->pvalues.v[i][0] == '\0')
			continue;
		if (!has_param(plan, t->path, t->params.v[i], t->pvalues.v[i], before))
			return false;
		before = t->params.v[i];
	}
	return true;
}

static void names_of(const struct export_plan *plan, enum each each, struct strvec *names)
{
	const struct conf *conf = plan->query->conf;
	const char *name;
	json_t *value;

	switch (each) {
	case EACH_NOTHING: break;
	case EACH_RUN: json_object_foreach(plan->runs, name, value) strvec_push(names, name); break;
	case EACH_PARTITION: json_object_foreach(plan->partitions, name, value) strvec_push(names, name); break;
	case EACH_ASSET:
		for (size_t i = 0; i < conf->nassets; i++)
			strvec_push(names, conf->assets[i].name);
		break;
	case EACH_SENSOR:
		for (size_t i = 0; i < conf->nsensors; i++)
			strvec_push(names, conf->sensors[i].name);
		break;
	}
}

static void seed(struct strvec *targets, const char *pattern, const char *name)
{
	struct strbuf encoded = STRBUF_INIT(4096);
	const char *place = strstr(pattern, "%s");

	html_url(&encoded, name);
	strvec_pushf(targets, "%.*s%s%s", (int)(place - pattern), pattern, encoded.buf, place + 2);
	strbuf_release(&encoded);
}

void export_plan_seeds(const struct export_plan *plan, struct strvec *targets)
{
	for (const struct route *r = routes; r->pattern != NULL; r++)
		if (strchr(r->pattern, '*') == NULL && has_path(plan, r->pattern))
			strvec_push(targets, r->pattern);
	for (size_t i = 0; i < NITEMS(rules); i++) {
		struct strvec names = STRVEC_INIT;

		names_of(plan, rules[i].each, &names);
		for (size_t k = 0; k < names.n; k++)
			seed(targets, rules[i].seed, names.v[k]);
		strvec_release(&names);
	}
}
