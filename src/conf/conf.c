#include "config.h"

#include "conf/conf.h"

#include "base/fs.h"
#include "base/mem.h"
#include "conf/conf_index.h"
#include "conf/conf_opts.h"
#include "conf/opt_text.h"
#include "database/database.h"
#include "notify/sink.h"
#include "sensor/sensor.h"
#include "step/asset.h"
#include "store/store.h"

#include <stdlib.h>
#include <string.h>

char *conf_find(const char *explicit, struct err *err)
{
	const char *given = explicit != NULL ? explicit : getenv("ORCH_CONFIG");
	static const char *const usual[] = {
	    "orch.yaml", ORCH_SYSCONFDIR "/orch/orch.yaml", "/etc/orch/orch.yaml"};

	if (given != NULL && given[0] != '\0')
		return opt_path_absolute(NULL, given);
	for (size_t i = 0; i < NITEMS(usual); i++)
		if (fs_exists(usual[i]))
			return opt_path_absolute(NULL, usual[i]);
	err_code(err, ERR_CONFIG, "no_config",
	    "no configuration: give -f FILE, set ORCH_CONFIG, or make ./orch.yaml or %s (orchctl init DIR "
	    "writes one)",
	    usual[1]);
	return NULL;
}

static void free_bound(const struct opt *opts, void *bound)
{
	if (bound == NULL)
		return;
	opt_release(opts, bound);
	free(bound);
}

static void free_stores(struct conf *c)
{
	for (size_t i = 0; i < c->nstores; i++) {
		if (c->stores[i].type != NULL)
			free_bound(c->stores[i].type->opts, c->stores[i].opts);
		free(c->stores[i].name);
	}
	free(c->stores);
	for (size_t i = 0; i < c->ndatabases; i++) {
		if (c->databases[i].type != NULL)
			free_bound(c->databases[i].type->opts, c->databases[i].opts);
		free(c->databases[i].name);
	}
	free(c->databases);
}

static void free_sensors(struct conf *c)
{
	for (size_t i = 0; i < c->nsensors; i++) {
		struct conf_sensor *s = &c->sensors[i];

		if (s->type != NULL)
			free_bound(s->type->opts, s->opts);
		opt_release(conf_sensor_opts, s);
		free(s->name);
	}
	free(c->sensors);
}

static void free_assets(struct conf *c)
{
	for (size_t i = 0; i < c->nassets; i++) {
		struct conf_asset *a = &c->assets[i];

		if (a->type != NULL)
			free_bound(a->type->opts, a->opts);
		opt_release(conf_asset_opts, a);
		free(a->dep);
		free(a->name);
	}
	free(c->assets);
}

static void free_notifications(struct conf *c)
{
	for (size_t i = 0; i < c->nnotifications; i++) {
		struct conf_notification *n = &c->notifications[i];

		if (n->type != NULL)
			free_bound(n->type->opts, n->opts);
		opt_release(conf_notification_opts, n);
		free(n->name);
	}
	free(c->notifications);
}

static void free_rest(struct conf *c)
{
	for (size_t i = 0; i < c->njobs; i++) {
		opt_release(conf_job_opts, &c->jobs[i]);
		free(c->jobs[i].asset);
		free(c->jobs[i].name);
	}
	free(c->jobs);
	for (size_t i = 0; i < c->npools; i++)
		free(c->pools[i].name);
	free(c->pools);
	for (size_t i = 0; i < c->nsections; i++) {
		free(c->sections[i].name);
		free(c->sections[i].file);
	}
	free(c->sections);
}

struct conf *conf_ref(struct conf *c)
{
	c->refs++;
	return c;
}

void conf_unref(struct conf *c)
{
	if (c == NULL || --c->refs > 0)
		return;
	conf_index_free(c->index);
	free_stores(c);
	free_sensors(c);
	free_assets(c);
	free_notifications(c);
	free_rest(c);
	strvec_release(&c->files);
	free(c->file);
	free(c->dir);
	free(c->state_dir);
	opt_release(conf_web_opts, &c->web);
	opt_release(conf_push_opts, &c->push);
	free(c);
}

/* ---- lookups; the arrays but for the assets are sorted by name, and each entry begins with it ---- */

static int by_name(const void *key, const void *entry)
{
	return strcmp(key, *(char *const *)entry);
}

static_assert(offsetof(struct conf_store, name) == 0 && offsetof(struct conf_database, name) == 0 &&
                  offsetof(struct conf_sensor, name) == 0 && offsetof(struct conf_job, name) == 0 &&
                  offsetof(struct conf_pool, name) == 0 && offsetof(struct conf_notification, name) == 0 &&
                  offsetof(struct conf_asset, name) == 0,
    "the name comes first");

static void *find(const char *name, const void *v, size_t n, size_t size)
{
	return n == 0 ? NULL : bsearch(name, v, n, size, by_name);
}

struct conf_asset *conf_asset_find(const struct conf *c, const char *name_or_alias)
{
	size_t i = selector_find(c->index->selector, name_or_alias);

	return i == SIZE_MAX ? NULL : &c->assets[i];
}

struct conf_job *conf_job_find(const struct conf *c, const char *name)
{
	return find(name, c->jobs, c->njobs, sizeof(*c->jobs));
}

struct conf_sensor *conf_sensor_find(const struct conf *c, const char *name)
{
	return find(name, c->sensors, c->nsensors, sizeof(*c->sensors));
}

struct conf_store *conf_store_find(const struct conf *c, const char *name)
{
	return find(name, c->stores, c->nstores, sizeof(*c->stores));
}

struct conf_database *conf_database_find(const struct conf *c, const char *name)
{
	return find(name, c->databases, c->ndatabases, sizeof(*c->databases));
}

struct conf_pool *conf_pool_find(const struct conf *c, const char *name)
{
	return find(name, c->pools, c->npools, sizeof(*c->pools));
}

struct conf_notification *conf_notification_find(const struct conf *c, const char *name)
{
	return find(name, c->notifications, c->nnotifications, sizeof(*c->notifications));
}

const char *conf_section_file(const struct conf *c, const char *name)
{
	for (size_t i = 0; i < c->nsections; i++)
		if (strcmp(c->sections[i].name, name) == 0)
			return c->sections[i].file;
	return NULL;
}

size_t conf_select(
    const struct conf *c, char *const *terms, size_t n, struct conf_asset ***out, struct err *err)
{
	size_t *picked = xcalloc(c->nassets + 1, sizeof(*picked));
	size_t found = selector_run(c->index->selector, terms, n, picked, err);

	if (found > 0) {
		*out = xcalloc(found, sizeof(**out));
		for (size_t i = 0; i < found; i++)
			(*out)[i] = &c->assets[picked[i]];
	}
	free(picked);
	return found;
}

struct conf_index *conf_index_new(const struct conf *c)
{
	struct conf_index *x = xcalloc(1, sizeof(*x));
	struct graph_edge *edges;
	size_t nedges = 0, k = 0;

	x->nodes = xcalloc(c->nassets + 1, sizeof(*x->nodes));
	for (size_t i = 0; i < c->nassets; i++) {
		x->nodes[i] =
		    (struct select_node){c->assets[i].name, &c->assets[i].aliases, &c->assets[i].tags};
		nedges += c->assets[i].ndep;
	}
	edges = xcalloc(nedges + 1, sizeof(*edges));
	for (size_t i = 0; i < c->nassets; i++)
		for (size_t d = 0; d < c->assets[i].ndep; d++)
			edges[k++] = (struct graph_edge){i, c->assets[i].dep[d]->index};
	graph_init(&x->graph, c->nassets, edges, nedges);
	free(edges);
	x->selector = selector_new(x->nodes, &x->graph);
	return x;
}

void conf_index_free(struct conf_index *x)
{
	if (x == NULL)
		return;
	selector_free(x->selector);
	graph_release(&x->graph);
	free(x->nodes);
	free(x);
}
