/* cmd_about.c: the program and its configuration: validate, types, version, help. */
#include "config.h"

#include "orchctl/ctl.h"
#include "orchctl/table.h"

#include "base/suggest.h"
#include "conf/conf_opts.h"
#include "database/database.h"
#include "notify/sink.h"
#include "sensor/sensor.h"
#include "step/asset.h"
#include "store/store.h"

#include <curl/curl.h>
#include <event2/event.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- validate */

static json_t *diags_json(const struct diags *diags)
{
	static const char *const level[] = {
	    [DIAG_ERROR] = "error", [DIAG_WARNING] = "warning", [DIAG_NOTE] = "note"};
	json_t *list = json_array();

	for (size_t i = 0; i < diags->n; i++) {
		const struct diag *d = &diags->v[i];
		json_t *j = json_object();

		json_object_set_new(j, "level", json_string(level[d->level]));
		json_object_set_new(j, "file", json_text_new(d->mark.file));
		json_object_set_new(j, "line", json_integer(d->mark.line));
		json_object_set_new(j, "column", json_integer(d->mark.column));
		json_object_set_new(j, "class", json_string(d->class));
		json_object_set_new(j, "text", json_text_new(d->text));
		json_array_append_new(list, j);
	}
	return list;
}

static void put_count(size_t n, const char *what, const char *then)
{
	printf("%zu %s%s%s", n, what, n == 1 ? "" : "s", then);
}

static void tell_valid(const struct conf *conf, const struct diags *diags)
{
	struct strbuf text = STRBUF_INIT(1 << 20);

	diags_print(diags, &text);
	fputs(text.buf, stdout);
	if (conf == NULL) {
		printf("%zu problem%s\n", diags->errors, diags->errors == 1 ? "" : "s");
	} else {
		printf("%s: ", conf->file);
		put_count(conf->nsensors, "sensor", ", ");
		put_count(conf->nassets, "asset", ", ");
		put_count(conf->njobs, "job", ", ");
		put_count(conf->nstores, "store", ", ");
		put_count(conf->ndatabases, "database", " from ");
		put_count(conf->files.n, "file", "\n");
	}
	strbuf_release(&text);
}

static int validate(struct ctl *ctl, struct err *err)
{
	struct diags diags = DIAGS_INIT;
	const char *named = args_operand(&ctl->args, 0);
	char *path = conf_find(named ? named : ctl->conf_file, err);
	struct conf *conf;
	json_t *j;

	if (path == NULL)
		return -1;
	conf = conf_load(path, &diags);
	if (ctl->json) {
		j = json_object();
		json_object_set_new(j, "schema", json_string("orchd/1"));
		json_object_set_new(j, "valid", json_boolean(conf != NULL));
		json_object_set_new(j, "file", json_text_new(path));
		json_object_set_new(j, "problems", diags_json(&diags));
		ctl_print_json(j);
		json_decref(j);
	} else {
		tell_valid(conf, &diags);
	}
	int rc = conf ? 0 : 7;
	if (conf != NULL)
		conf_unref(conf);
	diags_release(&diags);
	free(path);
	return rc;
}

const struct cmd cmd_validate = {
    .noun = "validate",
    .operands = "[FILE]",
    .max_operands = 1,
    .flags = CMD_NO_CONF,
    .help = "check the configuration and tell all problems at once",
    .run = validate,
};

/* ---- types */

struct type_row {
	const char *kind, *name, *summary;
	const struct opt *opts, *run_opts;
	const struct opt *common; /* options of every object of the kind */
};

/* The i-th of all types of all kinds. */
static bool type_at(size_t i, struct type_row *row)
{
#define KIND(table, word, run, engine)                                                                   \
	for (size_t k = 0; (table)[k] != NULL; k++)                                                      \
		if (i-- == 0) {                                                                          \
			*row = (struct type_row){                                                        \
			    word, (table)[k]->name, (table)[k]->summary, (table)[k]->opts, run, engine}; \
			return true;                                                                     \
		}
	KIND(sensor_types, "sensor", NULL, conf_sensor_opts)
	KIND(asset_types, "asset", asset_types[k]->run_opts, conf_asset_opts)
	KIND(store_types, "store", NULL, NULL)
	KIND(db_types, "database", NULL, NULL)
	KIND(sink_types, "notification", NULL, conf_notification_opts)
#undef KIND
	return false;
}

const char *type_name(size_t i)
{
	struct type_row row;

	return type_at(i, &row) ? row.name : NULL;
}

static const char *type_name_at(const void *arg, size_t i)
{
	return type_name(i);
}

static void add_limits(struct strbuf *sb, const struct opt *o)
{
	strbuf_addstr(sb, opt_type_name(o->type));
	if (o->choices != NULL)
		strbuf_addf(sb, ": %s", o->choices);
	if (o->min != NULL || o->max != NULL)
		strbuf_addf(sb, " %s..%s", o->min ? o->min : "", o->max ? o->max : "");
}

static void put_opts(const struct opt *opts, const char *title)
{
	struct table *t = table_new("option|default|kind|meaning");
	struct strbuf sb = STRBUF_INIT(4096);

	for (; opts != NULL && opts->name != NULL; opts++) {
		if (opts->flags & OPT_IGNORED)
			continue;
		table_cell(t, PAINT_NONE, opts->name);
		table_cell(t, opts->flags & OPT_REQUIRED ? PAINT_BOLD : PAINT_NONE,
		    opts->flags & OPT_REQUIRED ? "required" : opts->def);
		add_limits(&sb, opts);
		table_take(t, &sb);
		table_cell(t, PAINT_NONE, opts->help);
	}
	if (table_rows(t) > 0)
		printf("\n%s\n", title);
	table_wrap(t);
	table_end(t, 2, NULL);
	strbuf_release(&sb);
}

static json_t *opts_json(const struct opt *opts)
{
	json_t *list = json_array();

	for (; opts != NULL && opts->name != NULL; opts++) {
		json_t *j = json_object();

		json_object_set_new(j, "name", json_string(opts->name));
		json_object_set_new(j, "type", json_string(opt_type_name(opts->type)));
		json_object_set_new(j, "default", json_text_new(opts->def));
		json_object_set_new(j, "min", json_text_new(opts->min));
		json_object_set_new(j, "max", json_text_new(opts->max));
		json_object_set_new(j, "choices", json_text_new(opts->choices));
		json_object_set_new(j, "required", json_boolean(opts->flags & OPT_REQUIRED));
		json_object_set_new(j, "ignored", json_boolean(opts->flags & OPT_IGNORED));
		json_object_set_new(j, "help", json_text_new(opts->help));
		json_array_append_new(list, j);
	}
	return list;
}

static void print_types_json(const char *name)
{
	json_t *j = json_object(), *list = json_array();
	struct type_row row;

	for (size_t i = 0; type_at(i, &row); i++) {
		json_t *t;

		if (name != NULL && strcmp(row.name, name) != 0)
			continue;
		t = json_object();
		json_object_set_new(t, "kind", json_string(row.kind));
		json_object_set_new(t, "name", json_string(row.name));
		json_object_set_new(t, "summary", json_string(row.summary));
		json_object_set_new(t, "options", opts_json(row.opts));
		json_object_set_new(t, "common_options", opts_json(row.common));
		json_object_set_new(t, "run_options", opts_json(row.run_opts));
		json_array_append_new(list, t);
	}
	json_object_set_new(j, "schema", json_string("orchd/1"));
	json_object_set_new(j, "types", list);
	ctl_print_json(j);
	json_decref(j);
}

static void print_type(const struct type_row *row)
{
	printf("%s%s%s  (%s)  %s\n", text_on(PAINT_BOLD), row->name, text_off(PAINT_BOLD), row->kind,
	    row->summary);
	put_opts(row->opts, "in the configuration");
	put_opts(row->common, "in the configuration, for every type of this kind");
	put_opts(row->run_opts, "in a run's config");
}

static void print_all_types(void)
{
	struct table *t = table_new("kind|type|what it is");
	struct type_row row;

	for (size_t i = 0; type_at(i, &row); i++) {
		table_cell(t, PAINT_NONE, row.kind);
		table_cell(t, PAINT_BOLD, row.name);
		table_cell(t, PAINT_NONE, row.summary);
	}
	table_wrap(t);
	table_end(t, 0, "none");
}

static int types(struct ctl *ctl, struct err *err)
{
	const char *name = args_operand(&ctl->args, 0), *near;
	struct type_row row;
	size_t found = 0;

	for (size_t i = 0; name != NULL && type_at(i, &row); i++) {
		if (strcmp(row.name, name) != 0)
			continue;
		if (!ctl->json) {
			if (found > 0)
				putchar('\n');
			print_type(&row);
		}
		found++;
	}
	if (name != NULL && found == 0) {
		near = suggest_nearest(name, type_name_at, NULL);
		return err_code(err, ERR_PERMANENT, "not_found", "no type '%.60s'%s%s", name,
		    near ? "; did you mean " : "", near ? near : "");
	}
	if (ctl->json)
		print_types_json(name);
	else if (name == NULL)
		print_all_types();
	return 0;
}

const struct cmd cmd_types = {
    .noun = "types",
    .operands = "[NAME]",
    .max_operands = 1,
    .flags = CMD_NO_CONF,
    .help = "the types of sensors, assets, stores, databases and notifications, and the options of one",
    .run = types,
};

/* ---- version */

static int version(struct ctl *ctl, struct err *err)
{
	json_t *j;

	if (!ctl->json) {
		printf("orchd %s\n", PACKAGE_VERSION);
		printf("libevent %s, %s, SQLite %s, jansson %s\n", event_get_version(), curl_version(),
		    sqlite3_libversion(), jansson_version_str());
		return 0;
	}
	j = json_object();
	json_object_set_new(j, "schema", json_string("orchd/1"));
	json_object_set_new(j, "version", json_string(PACKAGE_VERSION));
	ctl_print_json(j);
	json_decref(j);
	return 0;
}

const struct cmd cmd_version = {
    .noun = "version",
    .flags = CMD_NO_CONF,
    .help = "which version this is, and of which libraries",
    .run = version,
};

/* ---- help */

static json_t *arg_opts_json(const struct arg_opt *opts)
{
	json_t *list = json_array();

	for (; opts != NULL && opts->name != NULL; opts++)
		json_array_append_new(list, json_pack("{s:s, s:s?, s:s}", "name", opts->name, "value",
		                                opts->value, "help", opts->help));
	return list;
}

/* All commands, or those of one noun. */
static void help_json(const char *noun)
{
	json_t *j = json_object(), *list = json_array();

	for (const struct cmd *const *c = cmds; *c != NULL; c++) {
		if (((*c)->flags & CMD_HIDDEN) != 0 || (noun != NULL && strcmp((*c)->noun, noun) != 0))
			continue;
		json_array_append_new(
		    list, json_pack("{s:s, s:s?, s:s?, s:s, s:s?, s:o}", "noun", (*c)->noun, "verb", (*c)->verb,
		              "operands", (*c)->operands, "help", (*c)->help, "more", (*c)->more, "options",
		              arg_opts_json((*c)->opts)));
	}
	json_object_set_new(j, "schema", json_string("orchd/1"));
	json_object_set_new(j, "commands", list);
	json_object_set_new(j, "options", arg_opts_json(common_opts));
	ctl_print_json(j);
	json_decref(j);
}

static int help(struct ctl *ctl, struct err *err)
{
	static char wants_help[] = "--help";
	size_t n = ctl->args.operands.n, words = 0;
	char *asked[3] = {NULL};
	const struct cmd *c;

	for (size_t i = 0; i < n; i++)
		asked[i] = ctl->args.operands.v[i];
	asked[n] = wants_help; /* a noun is explained also where it means nothing by itself */
	c = n > 0 ? cmd_find(asked, n + 1, &words, err) : NULL;

	if (n > 0 && c == NULL)
		return -1;
	if (ctl->json)
		help_json(c ? c->noun : NULL);
	else if (c == NULL)
		cmd_usage(NULL);
	else
		(n == 1 ? cmd_explain_noun : cmd_explain)(c);
	return 0;
}

const struct cmd cmd_help = {
    .noun = "help",
    .operands = "[COMMAND]",
    .max_operands = 2,
    .flags = CMD_NO_CONF,
    .help = "explain a command",
    .run = help,
};
