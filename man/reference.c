/* The option reference of orch.yaml(5), from the tables that bind the file: mdoc on stdout. */
#include "config.h"

#include "conf/conf_opts.h"
#include "database/database.h"
#include "notify/sink.h"
#include "sensor/sensor.h"
#include "step/asset.h"
#include "store/store.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* Text as mdoc takes it: no escapes, no control lines, sentences on lines of their own are not needed here. */
static void put_text(const char *s)
{
	if (*s == '.' || *s == '\'')
		fputs("\\&", stdout);
	for (; *s != '\0'; s++) {
		if (*s == '\\')
			fputs("\\e", stdout);
		else
			putchar(*s);
	}
}

/* A word on a macro line, quoted so that mdoc sees no macro in it. */
static void put_word(const char *s)
{
	putchar('"');
	for (; *s != '\0'; s++) {
		if (*s == '"')
			fputs("\\(dq", stdout);
		else if (*s == '\\')
			fputs("\\e", stdout);
		else
			putchar(*s);
	}
	putchar('"');
}

static void put_facts(const struct opt *o)
{
	fputs(opt_type_name(o->type), stdout);
	if (o->flags & OPT_REQUIRED)
		fputs(", required", stdout);
	if (o->choices != NULL)
		printf(": %s", o->choices);
	if (o->def != NULL && o->def[0] != '\0') {
		fputs(", default ", stdout);
		put_text(o->def);
	}
	if (o->min != NULL)
		printf(", at least %s", o->min);
	if (o->max != NULL)
		printf(", at most %s", o->max);
	if (o->flags & OPT_IGNORED)
		fputs(", accepted without effect", stdout);
}

static void put_options(const struct opt *opts)
{
	if (opts == NULL || opts[0].name == NULL)
		return;
	puts(".Bl -tag -width Ds");
	for (const struct opt *o = opts; o->name != NULL; o++) {
		fputs(".It Cm ", stdout);
		put_word(o->name);
		fputs("\n(", stdout);
		put_facts(o);
		fputs(")\n.br\n", stdout);
		putchar(toupper((unsigned char)o->help[0]));
		put_text(o->help + 1);
		puts(".");
	}
	puts(".El");
}

static void put_type(const char *kind, const char *name, const char *summary, const struct opt *opts)
{
	printf(".Ss %s type ", kind);
	put_word(name);
	putchar('\n');
	putchar(toupper((unsigned char)summary[0]));
	put_text(summary + 1);
	puts(".");
	put_options(opts);
}

int main(void)
{
	for (const struct conf_table *t = conf_tables; t->what != NULL; t++) {
		printf(".Ss Options: %s\n", t->what);
		put_options(t->opts);
	}
	for (size_t i = 0; store_types[i] != NULL; i++)
		put_type("Store", store_types[i]->name, store_types[i]->summary, store_types[i]->opts);
	for (size_t i = 0; db_types[i] != NULL; i++)
		put_type("Database", db_types[i]->name, db_types[i]->summary, db_types[i]->opts);
	for (size_t i = 0; sensor_types[i] != NULL; i++)
		put_type("Sensor", sensor_types[i]->name, sensor_types[i]->summary, sensor_types[i]->opts);
	for (size_t i = 0; sink_types[i] != NULL; i++)
		put_type("Notification", sink_types[i]->name, sink_types[i]->summary, sink_types[i]->opts);
	for (size_t i = 0; asset_types[i] != NULL; i++) {
		const struct asset_type *a = asset_types[i];

		put_type("Asset", a->name, a->summary, a->opts);
		if (a->run_opts != NULL && a->run_opts[0].name != NULL) {
			puts(".Pp\nA run may set:");
			put_options(a->run_opts);
		}
	}
	return fflush(stdout) == 0 && !ferror(stdout) ? 0 : 1;
}
