/* Every option table there is, walked row by row: what parsers, the manual and `orchctl types` rely on. */
#include "config.h"

#include "tests/tap.h"

#include "conf/conf_opts.h"
#include "conf/node.h"
#include "database/database.h"
#include "notify/sink.h"
#include "sensor/sensor.h"
#include "step/asset.h"
#include "store/store.h"

static const size_t field_size[OPT_NTYPES] = {
    [OPT_STRING] = sizeof(char *),
    [OPT_INT] = sizeof(int64_t),
    [OPT_SIZE] = sizeof(int64_t),
    [OPT_DURATION] = sizeof(tm_ms),
    [OPT_DOUBLE] = sizeof(double),
    [OPT_BOOL] = sizeof(bool),
    [OPT_CHOICE] = sizeof(char *),
    [OPT_PATTERN] = sizeof(char *),
    [OPT_TEMPLATE] = sizeof(char *),
    [OPT_KEY] = sizeof(char *),
    [OPT_PREFIX] = sizeof(char *),
    [OPT_PATH] = sizeof(char *),
    [OPT_DATE] = sizeof(char *),
    [OPT_STRLIST] = sizeof(struct strvec),
    [OPT_STRMAP] = sizeof(struct strmap),
    [OPT_SECRET] = sizeof(struct secret_ref),
    [OPT_STORE] = sizeof(char *),
    [OPT_DATABASE] = sizeof(char *),
};

static bool is_text(enum opt_type t)
{
	return field_size[t] == sizeof(char *) && t != OPT_INT && t != OPT_SIZE && t != OPT_DURATION &&
	       t != OPT_DOUBLE;
}

static const char *zero_of(enum opt_type t)
{
	return t == OPT_INT || t == OPT_DOUBLE ? "0" : t == OPT_SIZE ? "0B" : t == OPT_DURATION ? "0s" : NULL;
}

/* The first thing wrong with a row, or NULL. */
static const char *row_fault(const struct opt *o, size_t conf_size)
{
	static const char name_chars[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";
	unsigned char scratch[8192] = {0};
	struct opt row[] = {*o, OPT_END};
	struct err err = ERR_INIT;
	size_t n = o->help != NULL ? strlen(o->help) : 0;
	const char *fault = NULL;

	if (strlen(o->name) == 0 || o->name[strspn(o->name, name_chars)] != '\0' ||
	    strcmp(o->name, "type") == 0)
		return "a name that cannot be written";
	if (n == 0 || o->help[n - 1] == '.' || strchr(o->help, '\n') != NULL)
		return "help is one sentence without a full stop";
	if ((unsigned)o->type >= OPT_NTYPES)
		return "an unknown type";
	if ((o->flags & OPT_IGNORED) == 0 && (o->off > conf_size || field_size[o->type] > conf_size - o->off))
		return "a field outside of its struct";
	if ((o->type == OPT_CHOICE) != (o->choices != NULL) && o->type != OPT_STRLIST)
		return "choices belong to choices and lists";
	if ((o->flags & OPT_REQUIRED) != 0 && (o->def != NULL || (o->flags & OPT_IGNORED) != 0))
		return "required, but with a default or ignored";
	if ((o->flags & OPT_PREFIXES) != 0 && o->type != OPT_STRLIST)
		return "OPT_PREFIXES belongs to lists";
	if ((o->flags & OPT_LITERAL_OK) != 0 && o->type != OPT_SECRET)
		return "OPT_LITERAL_OK belongs to secrets";
	if ((o->flags & OPT_TEMPLATED) != 0 && !is_text(o->type) && o->type != OPT_STRLIST)
		return "OPT_TEMPLATED belongs to texts";
	row[0].off = 0;
	/* An absent number is 0, and what a step's context carries must bind again. */
	if (o->def == NULL && (o->flags & (OPT_REQUIRED | OPT_IGNORED)) == 0 && zero_of(o->type) != NULL &&
	    opt_parse_text(&row[0], zero_of(o->type), scratch, &err) == -1)
		return "a number without default that may not be 0";
	if (o->def == NULL)
		return NULL;
	if (opt_parse_text(&row[0], o->def, scratch, &err) == -1)
		fault = "a default that does not parse or lies outside of its limits";
	else if (o->min != NULL && o->max != NULL && strcmp(o->min, o->max) == 0)
		fault = "limits that allow one value";
	opt_release(row, scratch);
	return fault;
}

static bool limits_parse(const struct opt *o)
{
	unsigned char scratch[64] = {0};
	struct opt row = {.name = o->name, .type = o->type};
	struct err err = ERR_INIT;

	if (o->type == OPT_STRLIST || o->type == OPT_STRING)
		row.type = OPT_INT;
	if (row.type != OPT_INT && row.type != OPT_SIZE && row.type != OPT_DURATION && row.type != OPT_DOUBLE)
		return (o->min == NULL && o->max == NULL) || o->type == OPT_DATE;
	return (o->min == NULL || opt_parse_text(&row, o->min, scratch, &err) == 0) &&
	       (o->max == NULL || opt_parse_text(&row, o->max, scratch, &err) == 0);
}

static bool overlap(const struct opt *a, const struct opt *b)
{
	return (a->flags & OPT_IGNORED) == 0 && (b->flags & OPT_IGNORED) == 0 &&
	       a->off < b->off + field_size[b->type] && b->off < a->off + field_size[a->type];
}

static void walk(const char *what, const char *name, const struct opt *opts, size_t conf_size)
{
	size_t faults = 0, rows = 0;

	for (const struct opt *o = opts; o != NULL && o->name != NULL; o++, rows++) {
		const char *fault = row_fault(o, conf_size);

		if (fault == NULL && !limits_parse(o))
			fault = "limits that do not parse";
		if (fault != NULL)
			diag("%s %s: option '%s': %s", what, name, o->name, fault);
		faults += fault != NULL;
		for (const struct opt *p = opts; p != o; p++) {
			if (strcmp(p->name, o->name) != 0 && !overlap(p, o))
				continue;
			diag("%s %s: options '%s' and '%s' share name or field", what, name, p->name, o->name);
			faults++;
		}
	}
	is_int(faults, 0, what);
	ok(rows == 0 || conf_size > 0, "%s %s has %zu options", what, name, rows);
}

/* The engine's options and a type's stand in one mapping. */
static void walk_both(const char *name, const struct opt *engine, const struct opt *opts)
{
	size_t doubled = 0;

	for (const struct opt *o = opts; o != NULL && o->name != NULL; o++)
		doubled += opt_find(engine, o->name) != NULL;
	is_int(doubled, 0, name);
}

static void name_is_fine(const char *name, const char *summary)
{
	ok(name != NULL && name[0] != '\0' &&
	        name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-")] == '\0' && summary != NULL &&
	        summary[0] != '\0' && summary[strlen(summary) - 1] != '.',
	    "type %s has a name and a summary", name != NULL ? name : "?");
}

static void test_tables(void)
{
	for (size_t i = 0; conf_tables[i].what != NULL; i++)
		walk("engine options", conf_tables[i].what, conf_tables[i].opts, conf_tables[i].conf_size);
	for (size_t i = 0; store_types[i] != NULL; i++) {
		name_is_fine(store_types[i]->name, store_types[i]->summary);
		walk("store type", store_types[i]->name, store_types[i]->opts, store_types[i]->conf_size);
	}
	for (size_t i = 0; db_types[i] != NULL; i++) {
		name_is_fine(db_types[i]->name, db_types[i]->summary);
		walk("database type", db_types[i]->name, db_types[i]->opts, db_types[i]->conf_size);
	}
	for (size_t i = 0; sink_types[i] != NULL; i++) {
		const struct sink_type *t = sink_types[i];

		name_is_fine(t->name, t->summary);
		walk("notification type", t->name, t->opts, t->conf_size);
		walk_both(t->name, conf_notification_opts, t->opts);
		ok(t->send != NULL && t->cancel != NULL, "%s has its calls", t->name);
	}
	for (size_t i = 0; sensor_types[i] != NULL; i++) {
		const struct sensor_type *t = sensor_types[i];

		name_is_fine(t->name, t->summary);
		walk("sensor type", t->name, t->opts, t->conf_size);
		walk_both(t->name, conf_sensor_opts, t->opts);
		ok(t->tick != NULL && t->cancel != NULL && (t->start != NULL) == (t->stop != NULL),
		    "%s has its calls", t->name);
	}
	for (size_t i = 0; asset_types[i] != NULL; i++) {
		const struct asset_type *t = asset_types[i];

		name_is_fine(t->name, t->summary);
		walk("asset type", t->name, t->opts, t->conf_size);
		walk("run options of", t->name, t->run_opts, t->run_conf_size);
		walk_both(t->name, conf_asset_opts, t->opts);
		ok(t->code_version != NULL && t->code_version[0] != '\0', "%s has a code version", t->name);
		for (const struct opt *o = t->run_opts; o != NULL && o->name != NULL; o++)
			if (o->type == OPT_SECRET)
				ok(false, "%s takes a secret from a run", t->name);
	}
}

#define DISTINCT(table, what)                                                            \
	do {                                                                             \
		size_t same = 0, n = 0;                                                  \
		for (; table[n] != NULL; n++)                                            \
			for (size_t k = 0; k < n; k++)                                   \
				same += strcmp(table[n]->name, table[k]->name) == 0;     \
		ok(n > 0 && same == 0, "%zu " what " types with names of their own", n); \
	} while (0)

static void test_registries(void)
{
	DISTINCT(store_types, "store");
	DISTINCT(db_types, "database");
	DISTINCT(sink_types, "notification");
	DISTINCT(sensor_types, "sensor");
	DISTINCT(asset_types, "asset");
}

/* What no row alone can tell of a bucket; never a connection. */
static void test_s3_check(void)
{
	static const struct {
		const char *yaml, *want;
	} rows[] = {
	    {"{bucket: data-1.x}", NULL},
	    {"{bucket: data, endpoint: 'http://127.0.0.1:9000'}", NULL},
	    {"{bucket: data, access_key: {env: A}, secret_key: {env: B}}", NULL},
	    {"{bucket: Ab}", "bucket 'Ab'"},
	    {"{bucket: a}", "bucket 'a'"},
	    {"{bucket: a..b}", "bucket 'a..b'"},
	    {"{bucket: 192.168.0.1}", "no address"},
	    {"{bucket: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa}", "3 to 63"},
	    {"{bucket: data, endpoint: 'ftp://x'}", "expected http://"},
	    {"{bucket: data, endpoint: 'https://u:p@x'}", "nothing else"},
	    {"{bucket: data, endpoint: 'https://x/path'}", "nothing else"},
	    {"{bucket: data, endpoint: 'https://x?q=1'}", "nothing else"},
	    {"{bucket: data, access_key: {env: A}}", "belong together"},
	    {"{bucket: data, secret_key: {env: A}}", "belong together"},
	};
	const struct store_type *t = store_type_find("s3");

	for (size_t i = 0; i < NITEMS(rows); i++) {
		void *conf = xcalloc(1, t->conf_size);
		struct diags ds = DIAGS_INIT;
		struct err err = ERR_INIT;
		struct node *n = node_parse_yaml("row", rows[i].yaml, strlen(rows[i].yaml), &ds);
		bool bound = opt_bind(t->opts, n, "row", conf, &ds) == 0;
		int rc = bound ? t->check(conf, &err) : -1;

		ok(bound &&
		        (rows[i].want == NULL ? rc == 0 : rc == -1 && strstr(err.text, rows[i].want) != NULL),
		    "%s %s", rows[i].yaml, err.text);
		opt_release(t->opts, conf);
		free(conf);
		node_free(n);
		diags_release(&ds);
	}
}

int main(void)
{
	tap_run(test_tables);
	tap_run(test_s3_check);
	tap_run(test_registries);
	return tap_done();
}
