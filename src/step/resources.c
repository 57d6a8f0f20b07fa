#include "config.h"

#include "step/resources.h"

#include "base/mem.h"
#include "conf/diag.h"
#include "conf/node.h"
#include "database/database.h"
#include "store/store.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

struct open_store {
	struct open_store *next;
	char *name;
	const struct store_type *type;
	void *conf; /* the store keeps using it */
	struct store *store;
};

struct open_database {
	struct open_database *next;
	char *name;
	struct database *db;
};

struct resources {
	const json_t *stores, *databases;
	const char *run_uid;
	struct event_base *base; /* the stores' own; made with the first of them */
	struct open_store *open_stores;
	struct open_database *open_databases;
};

struct resources *resources_new(const json_t *stores, const json_t *databases, const char *run_uid)
{
	struct resources *r = xcalloc(1, sizeof(*r));

	r->stores = stores;
	r->databases = databases;
	r->run_uid = run_uid;
	return r;
}

static void store_release(struct open_store *s)
{
	store_close(s->store);
	if (s->conf != NULL)
		opt_release(s->type->opts, s->conf);
	free(s->conf);
	free(s->name);
	free(s);
}

void resources_free(struct resources *r)
{
	if (r == NULL)
		return;
	for (struct open_database *d = r->open_databases, *next; d != NULL; d = next) {
		next = d->next;
		db_close(d->db);
		free(d->name);
		free(d);
	}
	for (struct open_store *s = r->open_stores, *next; s != NULL; s = next) {
		next = s->next;
		store_release(s);
	}
	if (r->base != NULL)
		event_base_free(r->base);
	free(r);
}

int bind_options(
    const struct opt *opts, size_t size, const json_t *values, const char *where, void **out, struct err *err)
{
	struct diags diags = DIAGS_INIT;
	struct node *node = node_from_json(values, where);
	void *conf = xcalloc(1, MAX(size, (size_t)1));
	int rc = opt_bind(opts, node, where, conf, &diags);

	if (rc == -1 && diags_to_err(&diags, err) == 0)
		err_set(err, ERR_BUG, "%s: options refused without a reason", where);
	if (rc == 0) {
		*out = conf;
	} else {
		opt_release(opts, conf);
		free(conf);
	}
	diags_release(&diags);
	node_free(node);
	return rc;
}

/* The mapping of one resource, or NULL. */
static const json_t *entry_of(
    const json_t *map, const char *kind, const char *name, const char **type, struct err *err)
{
	const json_t *entry = json_object_get(map, name);

	if (entry == NULL)
		err_code(err, ERR_CONFIG, "unknown", "%s '%s' is not configured", kind, name);
	else
		*type = json_str(entry, "type", "");
	return entry;
}

static int store_start(struct resources *r, struct open_store *s, struct err *err)
{
	const char *type;
	const json_t *entry = entry_of(r->stores, "store", s->name, &type, err);

	if (entry == NULL)
		return -1;
	if ((s->type = store_type_find(type)) == NULL)
		return err_code(err, ERR_CONFIG, "unknown", "store '%s': no store type '%s'", s->name, type);
	if (bind_options(s->type->opts, s->type->conf_size, json_object_get(entry, "options"), s->name,
	        &s->conf, err) == -1)
		return -1;
	if (r->base == NULL && (r->base = event_base_new()) == NULL)
		return err_set(err, ERR_TRANSIENT, "cannot make an event loop");
	if ((s->store = store_open(s->type, s->name, s->conf, r->base, err)) == NULL)
		return -1;
	store_set_origin(s->store, r->run_uid);
	store_tend(s->store, false);
	return 0;
}

struct store *resources_store(struct resources *r, const char *name, struct err *err)
{
	struct open_store *s;

	for (s = r->open_stores; s != NULL; s = s->next)
		if (strcmp(s->name, name) == 0)
			return s->store;
	s = xcalloc(1, sizeof(*s));
	s->name = xstrdup(name);
	if (store_start(r, s, err) == -1) {
		store_release(s);
		return NULL;
	}
	s->next = r->open_stores;
	r->open_stores = s;
	return s->store;
}

struct database *resources_database_fresh(struct resources *r, const char *name, struct err *err)
{
	const char *type_name;
	const json_t *entry = entry_of(r->databases, "database", name, &type_name, err);
	const struct db_type *type;
	struct database *db;
	void *conf;

	if (entry == NULL)
		return NULL;
	if ((type = db_type_find(type_name)) == NULL) {
		err_code(err, ERR_CONFIG, "unknown", "database '%s': no database type '%s'", name, type_name);
		return NULL;
	}
	if (bind_options(type->opts, type->conf_size, json_object_get(entry, "options"), name, &conf, err) ==
	    -1)
		return NULL;
	db = db_open(type, name, conf, err);
	opt_release(type->opts, conf);
	free(conf);
	return db;
}

struct database *resources_database(struct resources *r, const char *name, struct err *err)
{
	struct open_database *d;
	struct database *db;

	for (d = r->open_databases; d != NULL; d = d->next)
		if (strcmp(d->name, name) == 0)
			return d->db;
	if ((db = resources_database_fresh(r, name, err)) == NULL)
		return NULL;
	d = xcalloc(1, sizeof(*d));
	d->name = xstrdup(name);
	d->db = db;
	d->next = r->open_databases;
	r->open_databases = d;
	return db;
}
