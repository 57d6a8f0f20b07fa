#include "config.h"

#include "conf/reference.h"

#include "base/suggest.h"
#include "conf/conf_opts.h"
#include "database/database.h"
#include "sensor/sensor.h"
#include "step/asset.h"
#include "store/store.h"

#include <stdlib.h>
#include <string.h>

static void set_text(json_t *obj, const char *key, const char *text)
{
	if (text != NULL)
		json_object_set_new(obj, key, json_text_new(text));
}

static void set_flag(json_t *obj, const char *key, bool flag)
{
	if (flag)
		json_object_set_new(obj, key, json_true());
}

static json_t *choices_of(const char *choices)
{
	json_t *list = json_array();

	for (const char *s = choices; *s != '\0';) {
		size_t n = strcspn(s, " ");

		if (n > 0)
			json_array_append_new(list, json_stringn(s, n));
		s += n + (s[n] == ' ');
	}
	return list;
}

json_t *reference_options(const struct opt *opts)
{
	json_t *list = json_array();

	for (const struct opt *o = opts; o != NULL && o->name != NULL; o++) {
		json_t *row = json_object();

		set_text(row, "name", o->name);
		set_text(row, "type", opt_type_name(o->type));
		set_flag(row, "required", (o->flags & OPT_REQUIRED) != 0);
		set_text(row, "default", o->def);
		set_text(row, "min", o->min);
		set_text(row, "max", o->max);
		if (o->choices != NULL)
			json_object_set_new(row, "choices", choices_of(o->choices));
		set_flag(row, "reload", (o->flags & OPT_RELOAD) != 0);
		set_flag(row, "ignored", (o->flags & OPT_IGNORED) != 0);
		set_text(row, "help", o->help);
		json_array_append_new(list, row);
	}
	return list;
}

static json_t *type_row(const char *name, const char *summary, const struct opt *opts)
{
	json_t *row = json_object();

	set_text(row, "name", name);
	set_text(row, "summary", summary);
	json_object_set_new(row, "options", reference_options(opts));
	return row;
}

static json_t *asset_row(const struct asset_type *t)
{
	json_t *row = type_row(t->name, t->summary, t->opts), *sections;

	json_object_set_new(row, "run_options", reference_options(t->run_opts));
	set_flag(row, "command", (t->flags & ASSET_COMMAND) != 0);
	set_flag(row, "any_config", (t->flags & ASSET_ANY_CONFIG) != 0);
	if (t->sections != NULL) {
		sections = json_array();
		for (size_t i = 0; t->sections[i] != NULL; i++)
			json_array_append_new(sections, json_string(t->sections[i]));
		json_object_set_new(row, "sections", sections);
	}
	return row;
}

json_t *reference_types(void)
{
	json_t *all = json_object(), *list;

	json_object_set_new(all, "stores", list = json_array());
	for (size_t i = 0; store_types[i] != NULL; i++)
		json_array_append_new(
		    list, type_row(store_types[i]->name, store_types[i]->summary, store_types[i]->opts));
	json_object_set_new(all, "databases", list = json_array());
	for (size_t i = 0; db_types[i] != NULL; i++)
		json_array_append_new(
		    list, type_row(db_types[i]->name, db_types[i]->summary, db_types[i]->opts));
	json_object_set_new(all, "sensors", list = json_array());
	for (size_t i = 0; sensor_types[i] != NULL; i++)
		json_array_append_new(
		    list, type_row(sensor_types[i]->name, sensor_types[i]->summary, sensor_types[i]->opts));
	json_object_set_new(all, "assets", list = json_array());
	for (size_t i = 0; asset_types[i] != NULL; i++)
		json_array_append_new(list, asset_row(asset_types[i]));
	json_object_set_new(all, "engine", list = json_array());
	for (size_t i = 0; conf_tables[i].what != NULL; i++)
		json_array_append_new(list, type_row(conf_tables[i].what, NULL, conf_tables[i].opts));
	return all;
}

/* ---- for people ---- */

static void print_facts(const json_t *row, struct strbuf *out)
{
	const json_t *choices = json_object_get(row, "choices"), *c;
	const char *min = json_str(row, "min", NULL), *max = json_str(row, "max", NULL),
	           *def = json_str(row, "default", NULL);
	size_t i;

	strbuf_addstr(out, json_str(row, "type", ""));
	json_array_foreach(choices, i, c) strbuf_addf(out, "%s%s", i == 0 ? " " : "|", json_string_value(c));
	if (json_bool(row, "required", false))
		strbuf_addstr(out, ", required");
	if (def != NULL)
		strbuf_addf(out, ", default %s", def[0] != '\0' ? def : "''");
	if (min != NULL && max != NULL)
		strbuf_addf(out, ", %s to %s", min, max);
	else if (min != NULL)
		strbuf_addf(out, ", at least %s", min);
	else if (max != NULL)
		strbuf_addf(out, ", at most %s", max);
	if (json_bool(row, "ignored", false))
		strbuf_addstr(out, ", accepted without effect");
}

static void print_options(const json_t *options, const char *title, struct strbuf *out)
{
	size_t i;
	json_t *row;

	if (json_array_size(options) > 0 && title != NULL)
		strbuf_addf(out, "\n%s\n", title);
	json_array_foreach((json_t *)options, i, row)
	{
		strbuf_addf(out, "  %s  (", json_str(row, "name", ""));
		print_facts(row, out);
		strbuf_addf(out, ")\n      %s\n", json_str(row, "help", ""));
	}
}

static const char *const kinds[][2] = {
    {"stores", "store"},
    {"databases", "database"},
    {"sensors", "sensor"},
    {"assets", "asset"},
};

/* "sensor" for the engine's options of sensors, NULL when the kind has none. */
static const json_t *engine_row(const json_t *all, const char *what)
{
	size_t i;
	json_t *row;

	json_array_foreach(json_object_get(all, "engine"), i,
	    row) if (strcmp(json_str(row, "name", ""), what) == 0) return row;
	return NULL;
}

static void print_type(const json_t *all, const char *kind, const json_t *row, struct strbuf *out)
{
	const json_t *engine = engine_row(all, kind);
	char title[64];

	strbuf_addf(out, "%s type %s: %s\n", kind, json_str(row, "name", ""), json_str(row, "summary", ""));
	print_options(json_object_get(row, "options"), "options of the type", out);
	print_options(
	    json_object_get(row, "run_options"), "what a run may set (config of run.yaml, --set)", out);
	if (engine != NULL) {
		snprintf(title, sizeof(title), "options of every %s", kind);
		print_options(json_object_get(engine, "options"), title, out);
	}
}

static void print_list(const json_t *all, const char *plural, const char *kind, struct strbuf *out)
{
	size_t i;
	json_t *row;

	json_array_foreach(json_object_get(all, plural), i, row)
	    strbuf_addf(out, "%-9s %-24s %s\n", kind, json_str(row, "name", ""), json_str(row, "summary", ""));
}

/* Every word that reference_print takes, for "did you mean". */
static const char *word_at(const void *arg, size_t i)
{
	const json_t *all = arg;

	for (size_t k = 0; k < NITEMS(kinds); k++) {
		const json_t *list = json_object_get(all, kinds[k][0]);

		if (i == 0)
			return kinds[k][1];
		if (--i < json_array_size(list))
			return json_str(json_array_get(list, i), "name", "");
		i -= json_array_size(list);
	}
	return json_str(json_array_get(json_object_get(all, "engine"), i), "name", NULL);
}

/* Whether anything of that name was found. */
static bool print_named(const json_t *all, const char *name, struct strbuf *out)
{
	const json_t *engine = engine_row(all, name);
	bool found = false;

	for (size_t k = 0; k < NITEMS(kinds); k++) {
		size_t i;
		json_t *row;

		if (strcmp(kinds[k][0], name) == 0 || strcmp(kinds[k][1], name) == 0) {
			print_list(all, kinds[k][0], kinds[k][1], out);
			engine = engine_row(all, kinds[k][1]);
			found = true;
		}
		json_array_foreach(json_object_get(all, kinds[k][0]), i, row)
		{
			if (strcmp(json_str(row, "name", ""), name) != 0)
				continue;
			print_type(all, kinds[k][1], row, out);
			found = true;
		}
	}
	if (engine != NULL)
		print_options(
		    json_object_get(engine, "options"), found ? "options of every one" : "options", out);
	return found || engine != NULL;
}

int reference_print(const char *name, struct strbuf *out, struct err *err)
{
	json_t *all = reference_types();
	const char *near;
	int rc = 0;

	for (size_t k = 0; name == NULL && k < NITEMS(kinds); k++)
		print_list(all, kinds[k][0], kinds[k][1], out);
	if (name != NULL && !print_named(all, name, out)) {
		near = suggest_nearest(name, word_at, all);
		rc = near != NULL ? err_code(err, ERR_USAGE, "not_found",
		                        "there is no type '%.60s'; did you mean '%s'?", name, near)
		                  : err_code(err, ERR_USAGE, "not_found", "there is no type '%.60s'", name);
	}
	json_decref(all);
	return rc;
}
