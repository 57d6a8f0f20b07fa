/* What only the whole can tell: references between objects, templates, and whether a sensor's request can run. */
#include "config.h"

#include "conf/conf_loader.h"

#include "base/mem.h"
#include "base/suggest.h"
#include "base/template.h"
#include "conf/conf_opts.h"
#include "sensor/sensor.h"
#include "step/asset.h"
#include "store/store.h"
#include "database/database.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

static const struct mark *mark_of(const struct conf_decl *d, const char *key)
{
	const struct node *v = node_get(d->body, key);

	return v != NULL ? &v->mark : &d->key->mark;
}

/* Names of one array whose entries begin with theirs, for "did you mean". */
struct name_list {
	const void *v;
	size_t n, size;
};

static const char *name_at(const void *arg, size_t i)
{
	const struct name_list *l = arg;

	return i < l->n ? *(char *const *)((const char *)l->v + i * l->size) : NULL;
}

/* The option `key` of an object names a thing that is not there. */
static void no_such(struct loader *l, enum conf_kind kind, const struct conf_decl *d, const char *key,
    const char *what, const char *name, const struct name_list *all)
{
	const char *near = diags_full(l->diags) ? NULL : suggest_nearest(name, name_at, all);
	char where[CONF_NAME_MAX + 32];

	conf_where(kind, d->key->text, where);
	if (near != NULL)
		diag_add(l->diags, DIAG_ERROR, mark_of(d, key), "graph",
		    "%s: there is no %s '%.100s'; did you mean '%s'?", where, what, name, near);
	else
		diag_add(l->diags, DIAG_ERROR, mark_of(d, key), "graph", "%s: there is no %s '%.100s'%s", where,
		    what, name, all->n == 0 ? "; none is configured" : "");
}

/* Every OPT_STORE and OPT_DATABASE of a bound conf names something. */
static void check_refs(
    struct loader *l, enum conf_kind kind, const struct conf_decl *d, const struct opt *opts, const void *bound)
{
	const struct conf *c = l->conf;

	for (const struct opt *o = opts; bound != NULL && o != NULL && o->name != NULL; o++) {
		const char *name;

		if ((o->type != OPT_STORE && o->type != OPT_DATABASE) || (o->flags & OPT_IGNORED) != 0)
			continue;
		if ((name = *(char *const *)((const char *)bound + o->off)) == NULL)
			continue;
		if (o->type == OPT_STORE && conf_store_find(c, name) == NULL)
			no_such(l, kind, d, o->name, "store", name,
			    &(struct name_list){c->stores, c->nstores, sizeof(*c->stores)});
		if (o->type == OPT_DATABASE && conf_database_find(c, name) == NULL)
			no_such(l, kind, d, o->name, "database", name,
			    &(struct name_list){c->databases, c->ndatabases, sizeof(*c->databases)});
	}
}

/* ---- templates ---- */

struct names_check {
	struct loader *l;
	const struct strvec *known;
	const struct mark *mark;
	const char *where, *key, *what;
};

static const char *strvec_name(const void *arg, size_t i)
{
	const struct strvec *v = arg;

	return i < v->n ? v->v[i] : NULL;
}

static void check_template_name(void *arg, const char *name)
{
	struct names_check *c = arg;
	const char *near;

	if (strvec_has(c->known, name))
		return;
	near = suggest_nearest(name, strvec_name, c->known);
	if (near != NULL)
		diag_add(c->l->diags, DIAG_ERROR, c->mark, "unknown",
		    "'%s' in %s: %s defines {%s}; did you mean {%s}?", c->key, c->where, c->what, name, near);
	else
		diag_add(c->l->diags, DIAG_ERROR, c->mark, "unknown", "'%s' in %s: %s defines {%s}", c->key,
		    c->where, c->what, name);
}

/* Syntax and names; NULL text is fine. */
static void check_template(struct names_check c, const char *key, const struct mark *mark, const char *text)
{
	struct err err = ERR_INIT;

	c.key = key;
	c.mark = mark;
	if (text != NULL && template_check(text, check_template_name, &c, &err) == -1)
		diag_add(c.l->diags, DIAG_ERROR, mark, "value", "'%s' in %s: %s", key, c.where, err.text);
}

static void check_map(
    const struct names_check *c, const struct conf_decl *d, const char *key, const struct strmap *map)
{
	const struct node *v = node_get(d->body, key);

	for (size_t i = 0; i < map->keys.n; i++)
		check_template(*c, map->keys.v[i], v != NULL && i < v->n ? &v->item[i]->mark : &d->key->mark,
		    map->values.v[i]);
}

static void add_name(void *arg, const char *name)
{
	strvec_push(arg, name);
}

static void check_sensor_templates(struct loader *l, const struct conf_decl *d, const struct conf_sensor *s)
{
	char where[CONF_NAME_MAX + 32];
	struct strvec known = STRVEC_INIT;
	struct err err = ERR_INIT;
	struct names_check c = {.l = l, .known = &known, .what = "nothing in the sensor"};

	c.where = conf_where(CONF_SENSOR, s->name, where);
	if (s->type->names != NULL && s->type->names(s->opts, add_name, &known, &err) == -1) {
		diag_add(l->diags, DIAG_ERROR, &d->key->mark, "value", "%s: %s", where, err.text);
	} else {
		check_template(c, "run_key", mark_of(d, "run_key"), s->run_key);
		check_template(c, "partition", mark_of(d, "partition"), s->partition);
		check_map(&c, d, "config", &s->config);
		check_map(&c, d, "tags", &s->tags);
	}
	strvec_release(&known);
}

static void add_row_names(const struct run_rows *r, struct strvec *out)
{
	for (size_t i = 0; i < r->n; i++)
		for (const struct opt *o = r->parts[i].opts; o->name != NULL; o++)
			if ((o->flags & OPT_IGNORED) == 0)
				strvec_push(out, o->name);
}

static void add_map_names(const struct strmap *m, struct strvec *out)
{
	for (size_t i = 0; i < m->keys.n; i++)
		strvec_push(out, m->keys.v[i]);
}

/* A partition is filled from the run's config and tags. */
static void check_partition(struct loader *l, enum conf_kind kind, const struct conf_decl *d, const char *name,
    const char *partition, struct conf_asset *const *assets, size_t n, const char *job)
{
	char where[CONF_NAME_MAX + 32];
	struct strvec known = STRVEC_INIT;
	struct run_rows rows;
	struct names_check c = {.l = l, .known = &known, .what = "no run option"};

	c.where = conf_where(kind, name, where);
	run_rows_init(&rows, assets, n);
	add_row_names(&rows, &known);
	for (size_t i = 0; job != NULL && i < l->conf->nsensors; i++) {
		if (l->conf->sensors[i].job == NULL || strcmp(l->conf->sensors[i].job, job) != 0)
			continue;
		add_map_names(&l->conf->sensors[i].config, &known);
		add_map_names(&l->conf->sensors[i].tags, &known);
	}
	if (!rows.any)
		check_template(c, "partition", mark_of(d, "partition"), partition);
	run_rows_release(&rows);
	strvec_release(&known);
}

/* ---- what a sensor asks for must be something its job takes ---- */

static void check_request(
    struct loader *l, const struct conf_decl *d, const struct conf_sensor *s, const struct conf_job *job)
{
	const struct node *config = node_get(d->body, "config");
	char where[CONF_NAME_MAX + 64], sensor[CONF_NAME_MAX + 32];
	struct run_rows rows;

	if (config != NULL && config->kind != NODE_MAP)
		return; /* reported when it was bound */
	snprintf(where, sizeof(where), "the config of %s", conf_where(CONF_SENSOR, s->name, sensor));
	run_rows_init(&rows, job->asset, job->nasset);
	for (size_t i = 0; config != NULL && i < config->n; i++) {
		const struct node *key = config->key[i], *value = config->item[i];

		if (!run_rows_has(&rows, key->text)) {
			if (!rows.any)
				opt_unknown(rows.parts, rows.n, NULL, key, where, l->diags);
		} else if (value->kind == NODE_TEXT && strpbrk(value->text, "{}") == NULL) {
			run_rows_check(&rows, key, value, where, l->diags);
		}
	}
	opt_require(
	    rows.parts, rows.n, config, config != NULL ? &config->mark : &d->key->mark, where, l->diags);
	run_rows_release(&rows);
}

static void check_sensors(struct loader *l)
{
	struct conf *c = l->conf;

	for (size_t i = 0; i < c->nsensors; i++) {
		const struct conf_decl *d = &l->decls[CONF_SENSOR].v[i];
		const struct conf_sensor *s = &c->sensors[i];
		const struct conf_job *job;

		if (s->type == NULL)
			continue;
		check_refs(l, CONF_SENSOR, d, s->type->opts, s->opts);
		check_sensor_templates(l, d, s);
		if (s->job == NULL)
			continue;
		if ((job = conf_job_find(c, s->job)) == NULL)
			no_such(l, CONF_SENSOR, d, "job", "job", s->job,
			    &(struct name_list){c->jobs, c->njobs, sizeof(*c->jobs)});
		else if (job->nasset > 0)
			check_request(l, d, s, job);
	}
}

static void check_assets(struct loader *l)
{
	struct conf *c = l->conf;

	for (size_t i = 0; i < c->nassets; i++) {
		const struct conf_decl *d = l->asset_decl[i];
		struct conf_asset *a = &c->assets[i];

		if (a->type == NULL)
			continue;
		check_refs(l, CONF_ASSET, d, a->type->opts, a->opts);
		if (a->pool != NULL && conf_pool_find(c, a->pool) == NULL)
			no_such(l, CONF_ASSET, d, "pool", "pool", a->pool,
			    &(struct name_list){c->pools, c->npools, sizeof(*c->pools)});
		if (a->partition != NULL)
			check_partition(l, CONF_ASSET, d, a->name, a->partition, &a, 1, NULL);
		if (a->retry_max_delay < a->retry_delay)
			diag_add(l->diags, DIAG_ERROR, &d->key->mark, "value",
			    "asset '%s': retry_max_delay is shorter than retry_delay", a->name);
	}
}

static void check_jobs(struct loader *l)
{
	struct conf *c = l->conf;

	for (size_t i = 0; i < c->njobs; i++)
		if (c->jobs[i].partition != NULL && c->jobs[i].nasset > 0)
			check_partition(l, CONF_JOB, &l->decls[CONF_JOB].v[i], c->jobs[i].name,
			    c->jobs[i].partition, c->jobs[i].asset, c->jobs[i].nasset, c->jobs[i].name);
}

static void check_notifications(struct loader *l)
{
	struct conf *c = l->conf;

	for (size_t i = 0; i < c->nnotifications; i++) {
		const struct conf_decl *d = &l->decls[CONF_NOTIFICATION].v[i];
		const struct conf_notification *n = &c->notifications[i];

		for (size_t k = 0; k < n->jobs.n; k++)
			if (conf_job_find(c, n->jobs.v[k]) == NULL)
				no_such(l, CONF_NOTIFICATION, d, "jobs", "job", n->jobs.v[k],
				    &(struct name_list){c->jobs, c->njobs, sizeof(*c->jobs)});
		if (n->retry_max_delay < n->retry_delay)
			diag_add(l->diags, DIAG_ERROR, &d->key->mark, "value",
			    "notification '%s': retry_max_delay is shorter than retry_delay", n->name);
	}
}

/* ---- the page's address ---- */

static bool is_address(const char *host, bool *loopback)
{
	struct in6_addr a6;
	struct in_addr a4;
	size_t n = strlen(host);
	char inner[64];

	if (strcmp(host, "localhost") == 0)
		return *loopback = true;
	if (inet_pton(AF_INET, host, &a4) == 1) {
		*loopback = ntohl(a4.s_addr) >> 24 == 127;
		return true;
	}
	if (n < 2 || n >= sizeof(inner) || host[0] != '[' || host[n - 1] != ']')
		return false;
	snprintf(inner, sizeof(inner), "%.*s", (int)(n - 2), host + 1);
	if (inet_pton(AF_INET6, inner, &a6) != 1)
		return false;
	*loopback = IN6_IS_ADDR_LOOPBACK(&a6);
	return true;
}

void conf_check_listen(const char *listen, const char *exposed, const struct mark *mark, struct diags *diags)
{
	const char *colon = strrchr(listen, ':');
	char *host = xstrndup(listen, colon != NULL ? (size_t)(colon - listen) : 0);
	const struct opt port_row = {.name = "port", .type = OPT_INT, .min = "0", .max = "65535"};
	bool loopback = true;
	struct err err = ERR_INIT;
	int64_t port;

	if (colon == NULL || !is_address(host, &loopback))
		diag_add(diags, DIAG_ERROR, mark, "value",
		    "'%.100s' is not ADDRESS:PORT, such as 127.0.0.1:8080 or [::1]:8080", listen);
	else if (opt_parse_text(&port_row, colon + 1, &port, &err) == -1)
		diag_add(diags, DIAG_ERROR, mark, "value", "the port in '%.100s': %s", listen, err.text);
	else if (!loopback)
		diag_add(diags, DIAG_WARNING, mark, "value", "'%.100s' can be reached from other machines: %s",
		    listen, exposed);
	free(host);
}

void conf_check_time_zones(struct loader *l, const struct mark *mark)
{
	const char *text = l->conf->web.time_zones, *star = strstr(text, ".*.");
	char *section = xstrndup(text, star != NULL ? (size_t)(star - text) : 0);

	if (section[0] == '\0' || star[3] == '\0')
		diag_add(l->diags, DIAG_ERROR, mark, "value",
		    "'%.100s' is not SECTION.*.KEY, such as sites.*.timezone", text);
	else if (conf_section_file(l->conf, section) == NULL)
		diag_add(l->diags, DIAG_ERROR, mark, "unknown",
		    "no file has the section '%.100s' that '%.100s' names", section, text);
	free(section);
}

/* Stores and databases may name each other too (none does today); their rows are walked like the rest. */
static void check_places(struct loader *l)
{
	struct conf *c = l->conf;

	for (size_t i = 0; i < c->nstores; i++)
		if (c->stores[i].type != NULL)
			check_refs(l, CONF_STORE, &l->decls[CONF_STORE].v[i], c->stores[i].type->opts,
			    c->stores[i].opts);
	for (size_t i = 0; i < c->ndatabases; i++)
		if (c->databases[i].type != NULL)
			check_refs(l, CONF_DATABASE, &l->decls[CONF_DATABASE].v[i], c->databases[i].type->opts,
			    c->databases[i].opts);
}

void conf_check_all(struct loader *l)
{
	check_places(l);
	check_sensors(l);
	check_assets(l);
	check_jobs(l);
	check_notifications(l);
}
