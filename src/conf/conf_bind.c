/* Objects from declarations: the type by name, then its options and the engine's in one go. */
#include "config.h"

#include "conf/conf_loader.h"

#include "base/fs.h"
#include "base/mem.h"
#include "base/suggest.h"
#include "conf/conf_opts.h"
#include "conf/opt_bind.h"
#include "database/database.h"
#include "notify/sink.h"
#include "sensor/sensor.h"
#include "step/asset.h"
#include "store/store.h"

#include <stdlib.h>
#include <string.h>

static const char *const also_type[] = {"type", NULL};

/* What binding needs of a row of any registry. */
struct type_view {
	const void *type;
	const struct opt *opts;
	size_t conf_size;
	int (*check)(const void *conf, struct err *err);
};

typedef const char *type_name_fn(const void *unused, size_t i);

#define VIEW_OF(kind, table)                                                                         \
	static const char *kind##_type_name(const void *unused, size_t i)                            \
	{                                                                                            \
		return table[i] != NULL ? table[i]->name : NULL;                                     \
	}                                                                                            \
	static struct type_view kind##_view(const char *name)                                        \
	{                                                                                            \
		for (size_t i = 0; table[i] != NULL; i++)                                            \
			if (strcmp(table[i]->name, name) == 0)                                       \
				return (struct type_view){                                           \
				    table[i], table[i]->opts, table[i]->conf_size, table[i]->check}; \
		return (struct type_view){0};                                                        \
	}

VIEW_OF(store, store_types)
VIEW_OF(database, db_types)
VIEW_OF(sensor, sensor_types)
VIEW_OF(asset, asset_types)
VIEW_OF(notification, sink_types)

static void unknown_type(
    const struct node *v, type_name_fn *names, const char *what, const char *where, struct diags *diags)
{
	const char *near = suggest_nearest(v->text, names, NULL), *name;
	struct strbuf known = STRBUF_INIT(400);

	for (size_t i = 0; (name = names(NULL, i)) != NULL; i++)
		strbuf_addf(&known, "%s%s", i == 0 ? "" : ", ", name);
	if (near != NULL)
		diag_add(diags, DIAG_ERROR, &v->mark, "unknown",
		    "%s: there is no %s type '%.60s'; did you mean '%s'?", where, what, v->text, near);
	else
		diag_add(diags, DIAG_ERROR, &v->mark, "unknown",
		    "%s: there is no %s type '%.60s'; known are %s", where, what, v->text, known.buf);
	strbuf_release(&known);
}

/* The row that `type` names, or one without type when that was reported. */
static struct type_view resolve_type(struct loader *l, enum conf_kind kind, const struct conf_decl *d,
    struct type_view (*view)(const char *), type_name_fn *names)
{
	const struct node *v = node_get(d->body, "type");
	char where[CONF_NAME_MAX + 32];
	struct type_view t = {0};

	conf_where(kind, d->key->text, where);
	if (d->body->kind != NODE_MAP && !node_is_null(d->body)) {
		diag_add(l->diags, DIAG_ERROR, &d->body->mark, "type", "%s must be a mapping, not %s", where,
		    node_kind_name(d->body->kind));
	} else if (v == NULL || node_is_null(v)) {
		diag_add(l->diags, DIAG_ERROR, &d->key->mark, "missing", "%s has no 'type'", where);
	} else if (v->kind != NODE_TEXT) {
		diag_add(l->diags, DIAG_ERROR, &v->mark, "type", "'type' in %s must be a text, not %s", where,
		    node_kind_name(v->kind));
	} else if ((t = view(v->text)).type == NULL) {
		unknown_type(v, names, conf_kind_name[kind], where, l->diags);
	}
	return t;
}

/* Bind the type's part into fresh memory and the engine's part into own, and let the type check it; NULL without a type. */
static void *bind_typed(struct loader *l, enum conf_kind kind, const struct conf_decl *d,
    const struct type_view *t, const struct opt *engine, void *own)
{
	char where[CONF_NAME_MAX + 32];
	void *opts = xcalloc(1, t->conf_size + 1);
	struct opt_part parts[] = {{engine, own}, {t->opts, opts}};
	struct err err = ERR_INIT;

	if (t->type == NULL) {
		free(opts);
		return NULL;
	}
	conf_where(kind, d->key->text, where);
	if (opt_bind_parts(parts, 2, also_type, d->body, where, l->diags) == 0 && t->check != NULL &&
	    t->check(opts, &err) == -1)
		diag_add(l->diags, DIAG_ERROR, &d->key->mark, "value", "%s: %s", where, err.text);
	return opts;
}

static void bind_pools(struct loader *l)
{
	const struct conf_decls *d = &l->decls[CONF_POOL];
	struct conf *c = l->conf;

	c->pools = xcalloc(d->n + 1, sizeof(*c->pools));
	for (size_t i = 0; i < d->n; i++) {
		struct opt row = conf_pool_opts[0];

		row.name = d->v[i].key->text;
		c->pools[i].name = xstrdup(row.name);
		opt_bind_value(&row, d->v[i].body, "pools", &c->pools[i], l->diags);
	}
	c->npools = d->n;
}

static void bind_stores(struct loader *l)
{
	const struct conf_decls *d = &l->decls[CONF_STORE];
	struct conf *c = l->conf;

	c->stores = xcalloc(d->n + 1, sizeof(*c->stores));
	for (size_t i = 0; i < d->n; i++) {
		struct type_view t = resolve_type(l, CONF_STORE, &d->v[i], store_view, store_type_name);

		c->stores[i].name = xstrdup(d->v[i].key->text);
		c->stores[i].type = t.type;
		c->stores[i].opts = bind_typed(l, CONF_STORE, &d->v[i], &t, NULL, NULL);
	}
	c->nstores = d->n;
}

static void bind_databases(struct loader *l)
{
	const struct conf_decls *d = &l->decls[CONF_DATABASE];
	struct conf *c = l->conf;

	c->databases = xcalloc(d->n + 1, sizeof(*c->databases));
	for (size_t i = 0; i < d->n; i++) {
		struct type_view t =
		    resolve_type(l, CONF_DATABASE, &d->v[i], database_view, database_type_name);

		c->databases[i].name = xstrdup(d->v[i].key->text);
		c->databases[i].type = t.type;
		c->databases[i].opts = bind_typed(l, CONF_DATABASE, &d->v[i], &t, NULL, NULL);
	}
	c->ndatabases = d->n;
}

/* What the engine's own options mean depends on the type. */
static void suit_type(struct loader *l, const struct conf_decl *d, struct conf_sensor *s)
{
	const struct node *every = node_get(d->body, "every");
	char where[CONF_NAME_MAX + 32];

	conf_where(CONF_SENSOR, s->name, where);
	if (s->type->calendar != NULL && every != NULL)
		diag_add(l->diags, DIAG_ERROR, &every->mark, "value",
		    "%s: type '%s' has times, it takes no 'every'", where, s->type->name);
	if (s->run_key == NULL && s->type->run_key != NULL)
		s->run_key = xstrdup(s->type->run_key);
	else if (s->run_key == NULL)
		diag_add(l->diags, DIAG_ERROR, &d->key->mark, "missing",
		    "'run_key' is missing in %s: it names a run for good, so that none is made twice", where);
}

static void bind_sensors(struct loader *l)
{
	const struct conf_decls *d = &l->decls[CONF_SENSOR];
	struct conf *c = l->conf;

	c->sensors = xcalloc(d->n + 1, sizeof(*c->sensors));
	for (size_t i = 0; i < d->n; i++) {
		struct type_view t = resolve_type(l, CONF_SENSOR, &d->v[i], sensor_view, sensor_type_name);
		struct conf_sensor *s = &c->sensors[i];
		size_t errors = l->diags->errors;

		s->name = xstrdup(d->v[i].key->text);
		s->type = t.type;
		s->opts = bind_typed(l, CONF_SENSOR, &d->v[i], &t, conf_sensor_opts, s);
		if (l->diags->errors == errors) /* a key that is misspelt is missing too, and told already */
			suit_type(l, &d->v[i], s);
	}
	c->nsensors = d->n;
}

static void bind_assets(struct loader *l)
{
	const struct conf_decls *d = &l->decls[CONF_ASSET];
	struct conf *c = l->conf;

	c->assets = xcalloc(d->n + 1, sizeof(*c->assets));
	l->asset_decl = xcalloc(d->n + 1, sizeof(*l->asset_decl));
	for (size_t i = 0; i < d->n; i++) {
		struct type_view t = resolve_type(l, CONF_ASSET, &d->v[i], asset_view, asset_type_name);
		struct conf_asset *a = &c->assets[i];

		a->name = xstrdup(d->v[i].key->text);
		a->type = t.type;
		a->opts = bind_typed(l, CONF_ASSET, &d->v[i], &t, conf_asset_opts, a);
		l->asset_decl[i] = &d->v[i];
	}
	c->nassets = d->n;
}

static void bind_jobs(struct loader *l)
{
	const struct conf_decls *d = &l->decls[CONF_JOB];
	char where[CONF_NAME_MAX + 32];
	struct conf *c = l->conf;

	c->jobs = xcalloc(d->n + 1, sizeof(*c->jobs));
	for (size_t i = 0; i < d->n; i++) {
		c->jobs[i].name = xstrdup(d->v[i].key->text);
		opt_bind(conf_job_opts, d->v[i].body, conf_where(CONF_JOB, c->jobs[i].name, where), &c->jobs[i],
		    l->diags);
	}
	c->njobs = d->n;
}

static void bind_notifications(struct loader *l)
{
	const struct conf_decls *d = &l->decls[CONF_NOTIFICATION];
	struct conf *c = l->conf;

	c->notifications = xcalloc(d->n + 1, sizeof(*c->notifications));
	for (size_t i = 0; i < d->n; i++) {
		struct type_view t =
		    resolve_type(l, CONF_NOTIFICATION, &d->v[i], notification_view, notification_type_name);
		struct conf_notification *n = &c->notifications[i];

		n->name = xstrdup(d->v[i].key->text);
		n->type = t.type;
		n->opts = bind_typed(l, CONF_NOTIFICATION, &d->v[i], &t, conf_notification_opts, n);
	}
	c->nnotifications = d->n;
}

static void bind_singles(struct loader *l)
{
	const struct conf_decl *web = &l->single[CONF_WEB], *limits = &l->single[CONF_LIMITS];
	const struct conf_decl *state = &l->single[CONF_STATE_DIR], *push = &l->single[CONF_PUSH];
	struct conf *c = l->conf;

	if (state->key != NULL)
		opt_bind_value(&conf_top_opts[0], state->body, "the configuration", c, l->diags);
	else
		c->state_dir = fs_join(c->dir, conf_top_opts[0].def);
	opt_bind(conf_limit_opts, limits->body, "limits", &c->limits, l->diags);
	if (web->key != NULL && opt_bind(conf_web_opts, web->body, "web", &c->web, l->diags) == 0)
		conf_check_listen(c->web.listen, "the page there has no login of its own",
		    &node_get(web->body, "listen")->mark, l->diags);
	if (c->web.time_zones != NULL)
		conf_check_time_zones(l, &node_get(web->body, "time_zones")->mark);
	if (push->key != NULL && opt_bind(conf_push_opts, push->body, "push", &c->push, l->diags) == 0)
		conf_check_listen(c->push.listen, "what is pushed there, token and all, can be read on its way",
		    &node_get(push->body, "listen")->mark, l->diags);
}

void conf_bind_objects(struct loader *l)
{
	bind_singles(l);
	bind_pools(l);
	bind_stores(l);
	bind_databases(l);
	bind_sensors(l);
	bind_assets(l);
	bind_jobs(l);
	bind_notifications(l);
}
