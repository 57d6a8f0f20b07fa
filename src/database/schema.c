#include "config.h"

#include "database/schema.h"

#include <string.h>

const struct schema_table *schema_find_table(const struct schema *schema, const char *name)
{
	for (const struct schema_table *const *t = schema->tables; *t != NULL; t++)
		if (strcmp((*t)->name, name) == 0)
			return *t;
	return NULL;
}

const struct schema_column *schema_find_column(const struct schema_table *table, const char *name)
{
	for (const struct schema_column *c = table->columns; c->name != NULL; c++)
		if (strcmp(c->name, name) == 0)
			return c;
	return NULL;
}

const struct schema_key *schema_find_key(const struct schema_table *table, const char *name)
{
	for (const struct schema_key *k = table->keys; k != NULL && k->name != NULL; k++)
		if (strcmp(k->name, name) == 0)
			return k;
	return NULL;
}

bool schema_in_key(const char *const *columns, const char *name)
{
	for (; *columns != NULL; columns++)
		if (strcmp(*columns, name) == 0)
			return true;
	return false;
}

const char *const *schema_identity(const struct schema_table *table)
{
	return table->identity[0] != NULL ? table->identity : table->primary;
}

/* Names go into SQL as they are, so they hold nothing that a quote could not contain. */
static bool is_identifier(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");

	return n > 0 && n <= 64 && name[n] == '\0';
}

static int check_key(
    const struct schema_table *table, const char *key, const char *const *columns, struct err *err)
{
	if (columns[0] == NULL)
		return err_set(err, ERR_BUG, "table %s: %s has no columns", table->name, key);
	for (; *columns != NULL; columns++)
		if (schema_find_column(table, *columns) == NULL)
			return err_set(err, ERR_BUG, "table %s: %s names %s, which is no column", table->name,
			    key, *columns);
	return 0;
}

/* MySQL finds an existing row by any unique key, so the identity must be one. */
static bool identity_is_unique(const struct schema_table *table)
{
	const char *const *id = schema_identity(table);

	if (id == table->primary)
		return true;
	for (const struct schema_key *k = table->keys; k != NULL && k->name != NULL; k++) {
		size_t i = 0;

		while (id[i] != NULL && k->columns[i] != NULL && strcmp(id[i], k->columns[i]) == 0)
			i++;
		if (k->unique && id[i] == NULL && k->columns[i] == NULL)
			return true;
	}
	return false;
}

static int check_columns(const struct schema_table *table, struct err *err)
{
	for (const struct schema_column *c = table->columns; c->name != NULL; c++) {
		if (!is_identifier(c->name) || schema_find_column(table, c->name) != c)
			return err_set(
			    err, ERR_BUG, "table %s: column %s: bad or repeated name", table->name, c->name);
		if (c->type >= COL_NTYPES || (c->type == COL_TEXT) != (c->size > 0))
			return err_set(
			    err, ERR_BUG, "table %s: column %s: type and size disagree", table->name, c->name);
		if (c->type == COL_ID && (strcmp(table->primary[0], c->name) != 0 || table->primary[1] != NULL))
			return err_set(
			    err, ERR_BUG, "table %s: %s must be the primary key alone", table->name, c->name);
		if (c->help == NULL)
			return err_set(err, ERR_BUG, "table %s: column %s has no help", table->name, c->name);
	}
	return 0;
}

static int check_table(const struct schema_table *table, struct err *err)
{
	if (!is_identifier(table->name) || table->help == NULL)
		return err_set(err, ERR_BUG, "table %s: bad name or no help", table->name);
	if (check_key(table, "the primary key", table->primary, err) == -1 || check_columns(table, err) == -1)
		return -1;
	for (const struct schema_key *k = table->keys; k != NULL && k->name != NULL; k++)
		if (!is_identifier(k->name) || schema_find_key(table, k->name) != k)
			return err_set(
			    err, ERR_BUG, "table %s: key %s: bad or repeated name", table->name, k->name);
		else if (check_key(table, k->name, k->columns, err) == -1)
			return -1;
	if (check_key(table, "the identity", schema_identity(table), err) == -1)
		return -1;
	if (!identity_is_unique(table))
		return err_set(err, ERR_BUG, "table %s: the identity is no unique key", table->name);
	return 0;
}

static int check_step(const struct schema *schema, const struct schema_step *step, struct err *err)
{
	const struct schema_table *table = schema_find_table(schema, step->table);
	const struct schema_column *column;

	if (table == NULL)
		return err_set(
		    err, ERR_BUG, "schema %s: a step names no table %s", schema->component, step->table);
	if (step->version < 2 || step->version > schema->version)
		return err_set(
		    err, ERR_BUG, "schema %s: a step of version %d", schema->component, step->version);
	if (step->verb == SCHEMA_ADD_KEY && schema_find_key(table, step->name) == NULL)
		return err_set(err, ERR_BUG, "table %s: a step adds no key %s", table->name, step->name);
	if (step->verb != SCHEMA_ADD_COLUMN)
		return 0;
	column = schema_find_column(table, step->name);
	if (column == NULL || (column->flags & COL_REQUIRED) || schema_in_key(table->primary, step->name))
		return err_set(err, ERR_BUG, "table %s: a step cannot add column %s", table->name, step->name);
	return 0;
}

int schema_check(const struct schema *schema, struct err *err)
{
	int version = 1;

	if (schema->version < 1 || !is_identifier(schema->component))
		return err_set(err, ERR_BUG, "schema %s: bad name or version", schema->component);
	for (const struct schema_table *const *t = schema->tables; *t != NULL; t++)
		if (schema_find_table(schema, (*t)->name) != *t)
			return err_set(err, ERR_BUG, "table %s stands twice", (*t)->name);
		else if (check_table(*t, err) == -1)
			return -1;
	for (const struct schema_step *s = schema->steps; s != NULL && s->table != NULL; s++) {
		if (check_step(schema, s, err) == -1)
			return -1;
		if (s->version < version)
			return err_set(err, ERR_BUG, "schema %s: steps out of order", schema->component);
		version = s->version;
	}
	return 0;
}
