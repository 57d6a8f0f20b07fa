/* Schema descriptions as SQL; the parts in which servers differ come from the dialect. */
#include "config.h"

#include "database/dialect.h"

#include <string.h>

void dialect_name(const struct dialect *d, const char *name, struct strbuf *out)
{
	strbuf_addf(out, "%c%s%c", d->quote, name, d->quote);
}

void dialect_names(const struct dialect *d, const char *const *names, struct strbuf *out)
{
	for (size_t i = 0; names[i] != NULL; i++) {
		if (i > 0)
			strbuf_addstr(out, ", ");
		dialect_name(d, names[i], out);
	}
}

/* A primary key's columns are NOT NULL in the standard; SQLite wants it said. */
static void add_column(const struct schema_table *table, const struct schema_column *column,
    const struct dialect *d, struct strbuf *out)
{
	struct schema_column c = *column;

	if (schema_in_key(table->primary, c.name))
		c.flags |= COL_REQUIRED;
	dialect_name(d, c.name, out);
	strbuf_addch(out, ' ');
	d->column(d, &c, out);
}

void schema_create_table(const struct schema_table *table, const struct dialect *d, struct strbuf *out)
{
	strbuf_addstr(out, "CREATE TABLE ");
	dialect_name(d, table->name, out);
	strbuf_addstr(out, " (");
	for (const struct schema_column *c = table->columns; c->name != NULL; c++) {
		strbuf_addstr(out, "\n  ");
		add_column(table, c, d, out);
		strbuf_addch(out, ',');
	}
	strbuf_addstr(out, "\n  PRIMARY KEY (");
	dialect_names(d, table->primary, out);
	strbuf_addstr(out, ")\n)");
	d->table_tail(table, out);
}

void schema_create_key(const struct schema_table *table, const struct schema_key *key, const struct dialect *d,
    unsigned prefix, struct strbuf *out)
{
	strbuf_addf(out, "CREATE %sINDEX ", key->unique ? "UNIQUE " : "");
	dialect_name(d, key->name, out);
	strbuf_addstr(out, " ON ");
	dialect_name(d, table->name, out);
	strbuf_addstr(out, " (");
	for (size_t i = 0; key->columns[i] != NULL; i++) {
		if (i > 0)
			strbuf_addstr(out, ", ");
		dialect_name(d, key->columns[i], out);
		if (prefix > 0 && schema_find_column(table, key->columns[i])->size > prefix)
			strbuf_addf(out, "(%u)", prefix);
	}
	strbuf_addch(out, ')');
}

void schema_add_column(const struct schema_table *table, const struct schema_column *column,
    const struct dialect *d, struct strbuf *out)
{
	strbuf_addstr(out, "ALTER TABLE ");
	dialect_name(d, table->name, out);
	strbuf_addstr(out, " ADD COLUMN ");
	add_column(table, column, d, out);
}

static int check_upsert(const struct schema_table *table, const char *const *columns, size_t n, struct err *err)
{
	size_t known = 0;

	if (n == 0 || n > SCHEMA_COLUMNS_MAX)
		return err_set(err, ERR_BUG, "table %s: an upsert of %zu columns", table->name, n);
	for (size_t i = 0; i < n; i++) {
		if (schema_find_column(table, columns[i]) == NULL)
			return err_set(err, ERR_BUG, "table %s has no column %s", table->name, columns[i]);
		known += schema_in_key(schema_identity(table), columns[i]);
	}
	for (const char *const *k = schema_identity(table); *k != NULL; k++)
		known--;
	if (known != 0)
		return err_set(
		    err, ERR_BUG, "table %s: an upsert needs every column of the key once", table->name);
	return 0;
}

int schema_upsert(const struct schema_table *table, const char *const *columns, size_t n,
    const struct dialect *d, struct strbuf *out, struct err *err)
{
	const char *update[SCHEMA_COLUMNS_MAX];
	size_t updates = 0;

	if (check_upsert(table, columns, n, err) == -1)
		return -1;
	strbuf_addstr(out, "INSERT INTO ");
	dialect_name(d, table->name, out);
	strbuf_addstr(out, " (");
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			strbuf_addstr(out, ", ");
		dialect_name(d, columns[i], out);
		if (!schema_in_key(schema_identity(table), columns[i]) &&
		    !(schema_find_column(table, columns[i])->flags & COL_KEEP))
			update[updates++] = columns[i];
	}
	strbuf_addstr(out, ") VALUES (");
	for (size_t i = 0; i < n; i++)
		strbuf_addstr(out, i > 0 ? ", ?" : "?");
	strbuf_addch(out, ')');
	d->upsert_tail(d, schema_identity(table), update, updates, out);
	return 0;
}

void schema_ddl(const struct schema *schema, const struct dialect *d, struct strbuf *out)
{
	for (const struct schema_table *const *t = schema->tables; *t != NULL; t++) {
		schema_create_table(*t, d, out);
		strbuf_addstr(out, ";\n");
		for (const struct schema_key *k = (*t)->keys; k != NULL && k->name != NULL; k++) {
			schema_create_key(*t, k, d, 0, out);
			strbuf_addstr(out, ";\n");
		}
	}
}
