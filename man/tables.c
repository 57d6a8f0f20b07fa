/* The tables of orch-results(5), from the descriptions that make them: mdoc on stdout. */
#include "config.h"

#include "assets/fpi/fpi_schema.h"
#include "database/effect.h"

#include <stdio.h>

static const char *const type_words[] = {
    [COL_ID] = "number given by the database",
    [COL_INT] = "whole number",
    [COL_DOUBLE] = "number",
    [COL_TEXT] = "text",
    [COL_DATETIME] = "time, YYYY-MM-DD HH:MM:SS",
    [COL_DATETIME_MS] = "time, YYYY-MM-DD HH:MM:SS.mmm",
};
static_assert(NITEMS(type_words) == COL_NTYPES, "a word for every column type");

static void put_key(const char *what, const char *const *columns)
{
	printf("%s\n", what);
	for (; *columns != NULL; columns++)
		printf(".Va %s%s\n", *columns, columns[1] != NULL ? " ," : " .");
}

static void put_column(const struct schema_column *c)
{
	printf(".It Va %s\n%s", c->name, type_words[c->type]);
	if (c->unit != NULL)
		printf(", %s", c->unit);
	printf(":\n%s", c->help);
	if (c->flags & COL_KEEP)
		fputs("; written once and kept", stdout);
	fputs(".\n", stdout);
}

static void put_table(const struct schema_table *t)
{
	printf(".Ss %s\nHolds %s.\n", t->name, t->help);
	put_key("Primary key:", t->primary);
	if (t->identity[0] != NULL)
		put_key("A row is found again by:", t->identity);
	fputs(".Bl -tag -width Ds\n", stdout);
	for (const struct schema_column *c = t->columns; c->name != NULL; c++)
		put_column(c);
	fputs(".El\n", stdout);
}

int main(void)
{
	static const struct schema *const all[] = {&fpi_schema, &orch_schema};

	for (size_t i = 0; i < NITEMS(all); i++)
		for (const struct schema_table *const *t = all[i]->tables; *t != NULL; t++)
			put_table(*t);
	return ferror(stdout) || fflush(stdout) != 0;
}
