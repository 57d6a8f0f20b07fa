/* cmd_check.c: would every store and database that the configuration names do?  Found out before the first night. */
#include "config.h"

#include "orchctl/ctl.h"

#include "base/mem.h"
#include "conf/conf.h"
#include "conf/secret.h"
#include "database/database.h"
#include "engine/loop.h"
#include "notify/sink.h"
#include "step/asset.h"
#include "store/sync.h"

#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXIT_TRY_AGAIN 75

enum verdict { FINE, WARNING, LATER, PROBLEM }; /* LATER: may be another the next time */

static const struct {
	const char *word;
	enum paint paint;
} verdicts[] = {
    [FINE] = {"ok", PAINT_GOOD},
    [WARNING] = {"warning", PAINT_WARN},
    [LATER] = {"problem", PAINT_BAD},
    [PROBLEM] = {"problem", PAINT_BAD},
};

struct check {
	struct ctl *ctl;
	const struct conf *conf;
	struct event_base *base;
	json_t *findings;
	enum verdict worst;
	size_t problems;
	const char *kind, *name; /* of what is being checked */
};

static void put_finding(const struct check *c, enum verdict v, const char *text)
{
	if (c->ctl->json || (c->ctl->quiet && v == FINE))
		return;
	printf("%s%-8s%s", text_on(verdicts[v].paint), verdicts[v].word, text_off(verdicts[v].paint));
	printf("%s ", c->kind);
	ctl_put(PAINT_BOLD, c->name);
	fputs(": ", stdout);
	ctl_put(PAINT_NONE, text);
	putchar('\n');
	fflush(stdout); /* the next one may take its time */
}

static void find(struct check *c, enum verdict v, const char *text)
{
	json_t *j = json_object();

	json_object_set_new(j, "verdict", json_string(verdicts[v].word));
	json_object_set_new(j, "kind", json_string(c->kind));
	json_object_set_new(j, "name", json_text_new(c->name));
	json_object_set_new(j, "text", json_text_new(text));
	json_array_append_new(c->findings, j);
	c->worst = MAX(c->worst, v);
	c->problems += v >= LATER;
	put_finding(c, v, text);
}

static void find_error(struct check *c, const struct err *err)
{
	char *prefix = xasprintf("%s %s: ", c->kind, c->name); /* ours says that already */
	size_t n = strlen(prefix);

	find(c, err->class == ERR_TRANSIENT ? LATER : PROBLEM,
	    strncmp(err->text, prefix, n) == 0 ? err->text + n : err->text);
	free(prefix);
}

/* ---- secrets: whether they are there, for those whose use would be more than a look */

static bool has_secret(struct check *c, const char *option, const struct secret_ref *ref)
{
	struct strbuf secret = STRBUF_INIT(SECRET_MAX);
	struct err err = ERR_INIT;
	int rc = ref->source == SECRET_NONE ? 0 : secret_resolve(ref, &secret, &err);

	secret_wipe(&secret);
	if (rc == 0)
		return true;
	err_wrap(&err, "%s", option);
	find(c, PROBLEM, err.text);
	return false;
}

static bool has_secrets(struct check *c, const struct opt *opts, const void *bound)
{
	bool all = true;

	for (const struct opt *o = opts; o != NULL && o->name != NULL; o++)
		if (o->type == OPT_SECRET && !(o->flags & OPT_IGNORED))
			all &=
			    has_secret(c, o->name, (const struct secret_ref *)((const char *)bound + o->off));
	return all;
}

/* ---- stores */

static int list_first(struct store *store, struct err *err)
{
	struct store_listing listing = {0};
	struct err found = ERR_INIT;
	int rc = store_sync_list(store, "", 1, &listing, &found);

	store_listing_release(&listing);
	if (rc == 0 || err_is(&found, "limit"))
		return 0;
	return err_code(err, found.class, found.code, "%s", found.text);
}

/* A small object with a name of its own, there and gone again. */
static int write_and_remove(struct store *store, struct err *err)
{
	static const char text[] = "orchctl check was here";
	struct strbuf back = STRBUF_INIT(sizeof(text));
	char key[64];
	int rc;

	snprintf(key, sizeof(key), "orchctl-check-%08" PRIx32 "%08" PRIx32, arc4random(), arc4random());
	rc = store_sync_put(store, key, text, strlen(text), &(struct store_put_opts){0}, NULL, err);
	if (rc == 0) {
		rc = store_sync_get(store, key, NULL, &back, NULL, err);
		if (rc == 0 && strcmp(back.buf, text) != 0)
			rc = err_set(err, ERR_BAD_DATA, "%s: what was written does not come back", key);
		if (store_sync_delete(store, key, NULL, rc == 0 ? err : NULL) == -1)
			rc = -1;
	}
	strbuf_release(&back);
	return rc;
}

static void check_store(struct check *c, const struct conf_store *cs)
{
	struct err err = ERR_INIT;
	struct store *store = NULL;
	struct strbuf text = STRBUF_INIT(2000);

	if (!has_secrets(c, cs->type->opts, cs->opts))
		return;
	if ((store = store_open(cs->type, cs->name, cs->opts, c->base, &err)) == NULL ||
	    list_first(store, &err) == -1 || write_and_remove(store, &err) == -1) {
		find_error(c, &err);
	} else {
		strbuf_addf(
		    &text, "%s: listed, and an object written, read and deleted", store_location(store));
		find(c, FINE, text.buf);
	}
	strbuf_release(&text);
	store_close(store);
}

/* ---- databases */

static void on_note(enum db_note kind, const char *text, void *arg)
{
	static const enum verdict as[] = {
	    [DB_NOTE_FINE] = FINE, [DB_NOTE_WARNING] = WARNING, [DB_NOTE_BAD] = PROBLEM};

	find(arg, as[kind], text);
}

/* The tables of the first asset that writes into it. */
static const struct schema *schema_in(const struct conf *conf, const char *database)
{
	for (size_t i = 0; i < conf->nassets; i++) {
		const struct conf_asset *a = &conf->assets[i];

		for (const struct opt *o = a->type->opts; a->type->schema != NULL && o->name != NULL; o++) {
			const char *name =
			    o->type == OPT_DATABASE ? *(char *const *)((const char *)a->opts + o->off) : NULL;

			if (name != NULL && strcmp(name, database) == 0)
				return a->type->schema;
		}
	}
	return NULL;
}

static void check_database(struct check *c, const struct conf_database *cd)
{
	struct err err = ERR_INIT;
	struct database *db;

	if (!has_secrets(c, cd->type->opts, cd->opts))
		return;
	db = db_open(cd->type, cd->name, cd->opts, &err);
	if (db == NULL || db_preflight(db, schema_in(c->conf, cd->name), on_note, c, &err) == -1)
		find_error(c, &err);
	db_close(db);
}

/* ---- all of them */

static void check_all(struct check *c)
{
	const struct conf *conf = c->conf;

	c->kind = "store";
	for (size_t i = 0; i < conf->nstores; i++) {
		c->name = conf->stores[i].name;
		check_store(c, &conf->stores[i]);
	}
	c->kind = "database";
	for (size_t i = 0; i < conf->ndatabases; i++) {
		c->name = conf->databases[i].name;
		check_database(c, &conf->databases[i]);
	}
	c->kind = "notification";
	for (size_t i = 0; i < conf->nnotifications; i++) {
		c->name = conf->notifications[i].name;
		if (has_secrets(c, conf->notifications[i].type->opts, conf->notifications[i].opts))
			find(c, FINE, "its secrets are there; nothing was sent");
	}
	c->kind = "push";
	c->name = "token";
	if (conf->push.listen != NULL && has_secret(c, "token", &conf->push.token))
		find(c, FINE, "is there");
}

static int check(struct ctl *ctl, struct err *err)
{
	struct check c = {.ctl = ctl, .conf = ctl->conf, .base = loop_new(), .findings = json_array()};

	check_all(&c);
	if (ctl->json) {
		json_t *j = json_object();

		json_object_set_new(j, "schema", json_string("orchd/1"));
		json_object_set_new(j, "ok", json_boolean(c.problems == 0));
		json_object_set(j, "findings", c.findings);
		ctl_print_json(j);
		json_decref(j);
	} else if (!ctl->quiet && c.problems > 0) {
		printf("%zu problem%s\n", c.problems, c.problems == 1 ? "" : "s");
	}
	json_decref(c.findings);
	event_base_free(c.base);
	return c.worst == PROBLEM ? 1 : c.worst == LATER ? EXIT_TRY_AGAIN : 0;
}

const struct cmd cmd_check = {
    .noun = "check",
    .help = "ask every store and database whether it would do for a night",
    .more = "Lists each store, and writes, reads and deletes a small object; logs in to each database and "
            "looks at\n"
            "tables, rows and rights, without changing them. Secrets are those of the environment it is called "
            "in.\n"
            "Exit code 1: something must be mended; 75: something did not answer.",
    .run = check,
};
