/*
 * What a first night would meet, found out before it.  Nothing is changed; what a migration would refuse is asked of the
 * same functions.
 */
#include "config.h"

#include "database/catalog.h"
#include "database/database.h"
#include "database/dialect.h"
#include "database/migrate.h"

#include <string.h>

#define NAMES_MAX 1000

struct preflight {
	struct database *db;
	const struct dialect *dialect;
	db_note_fn *note;
	void *arg;
	struct strbuf missing; /* tables that will be made */
	bool changes; /* tables or keys will be made */
};

static void say(struct preflight *p, enum db_note kind, const char *text)
{
	p->note(kind, text, p->arg);
}

/* The last column of a row. */
static int copy_text(const struct db_value *v, size_t n, void *arg)
{
	if (n > 0 && v[n - 1].kind == DB_TEXT)
		strbuf_add(arg, v[n - 1].s, v[n - 1].n);
	return 0;
}

static int describe_server(struct preflight *p, struct err *err)
{
	struct strbuf text = STRBUF_INIT(500), cipher = STRBUF_INIT(200), about = STRBUF_INIT(2000);
	int rc = db_query(p->db, p->dialect->describe, NULL, 0, copy_text, &text, err);

	strbuf_addf(&about, "%s: %s", db_location(p->db), text.buf);
	if (rc == 0 && p->dialect->show_cipher != NULL) {
		rc = db_query(p->db, p->dialect->show_cipher, NULL, 0, copy_text, &cipher, err);
		strbuf_addf(&about, ", %s", cipher.len > 0 ? cipher.buf : "plain text");
	}
	if (rc == 0)
		say(p, DB_NOTE_FINE, about.buf);
	strbuf_release(&text);
	strbuf_release(&cipher);
	strbuf_release(&about);
	return rc;
}

/* A file that cannot be written says so when a transaction begins, a server by a variable. */
static int check_writable(struct preflight *p, struct err *err)
{
	int64_t read_only = 0;

	if (p->dialect->is_read_only != NULL &&
	    db_query_int(p->db, p->dialect->is_read_only, NULL, 0, &read_only, err) == -1)
		return -1;
	if (read_only != 0)
		say(p, DB_NOTE_BAD, "the server is read-only now: a replica, or an administrator at work");
	if (db_begin(p->db, err) == -1)
		return -1;
	db_rollback(p->db);
	return 0;
}

/* What is wrong with the data is told and no failure; -1 when looking failed. */
static int judge(struct preflight *p, const struct err *found, struct err *err)
{
	if (err_is(found, "schema_mismatch") || err_is(found, "duplicates")) {
		say(p, DB_NOTE_BAD, found->text);
		return 0;
	}
	return err_code(err, found->class, found->code, "%s", found->text);
}

static int check_key(
    struct preflight *p, const struct schema_table *table, const struct schema_key *key, struct err *err)
{
	struct err found = ERR_INIT;
	char text[200];
	bool has;

	if (catalog_has_key(p->db, table, key, &has, err) == -1)
		return -1;
	if (has)
		return 0;
	p->changes = true;
	if (key->unique && migrate_check_unique(p->db, table, key, &found) == -1)
		return judge(p, &found, err);
	snprintf(text, sizeof(text), "table %s is there and will get the %skey %s", table->name,
	    key->unique ? "unique " : "", key->name);
	say(p, DB_NOTE_FINE, text);
	return 0;
}

static int check_table(struct preflight *p, const struct schema_table *table, struct err *err)
{
	struct err found = ERR_INIT;
	bool has = false;
	int rc = catalog_has_table(p->db, table->name, &has, &found);

	if (rc == 0 && !has) {
		catalog_add_name(&p->missing, table->name);
		p->changes = true;
		return 0;
	}
	if (rc == 0)
		rc = migrate_check_fits(p->db, table, &found);
	if (rc == -1)
		return judge(p, &found, err);
	for (const struct schema_key *k = table->keys; k != NULL && k->name != NULL; k++)
		if (check_key(p, table, k, err) == -1)
			return -1;
	return 0;
}

static int check_tables(struct preflight *p, const struct schema *schema, struct err *err)
{
	const struct schema *all[MIGRATE_SCHEMAS];
	struct strbuf text = STRBUF_INIT(NAMES_MAX + 100);

	migrate_list(schema, all);
	for (size_t i = 0; all[i] != NULL; i++)
		for (const struct schema_table *const *t = all[i]->tables; *t != NULL; t++)
			if (check_table(p, *t, err) == -1)
				return -1;
	if (p->missing.len > 0)
		strbuf_addf(&text, "tables that will be made: %s", p->missing.buf);
	else
		strbuf_addstr(&text, "all tables are there");
	say(p, DB_NOTE_FINE, text.buf);
	strbuf_release(&text);
	return 0;
}

static int collect_right(const struct db_value *v, size_t n, void *arg)
{
	strvec_push(arg, v[0].kind == DB_TEXT ? v[0].s : "");
	return 0;
}

/* Grants to roles and on single tables are not seen, so what is missed is only a warning. */
static int check_rights(struct preflight *p, struct err *err)
{
	static const char *const rows[] = {"SELECT", "INSERT", "UPDATE", "DELETE"};
	static const char *const tables[] = {"CREATE", "ALTER", "INDEX"};
	struct strbuf text = STRBUF_INIT(NAMES_MAX);
	struct strvec have = STRVEC_INIT;
	int rc = db_query(p->db, p->dialect->list_rights, NULL, 0, collect_right, &have, err);

	for (size_t i = 0; i < NITEMS(rows); i++)
		if (!strvec_has(&have, rows[i]))
			catalog_add_name(&text, rows[i]);
	for (size_t i = 0; p->changes && i < NITEMS(tables); i++)
		if (!strvec_has(&have, tables[i]))
			catalog_add_name(&text, tables[i]);
	if (rc == 0 && text.len > 0) {
		strbuf_addstr(&text, ": needed, and not granted to the account on this database as a whole");
		say(p, DB_NOTE_WARNING, text.buf);
	}
	strbuf_release(&text);
	strvec_release(&have);
	return rc;
}

int db_preflight(struct database *db, const struct schema *schema, db_note_fn *note, void *arg, struct err *err)
{
	struct preflight p = {.db = db, .dialect = db->type->dialect, .note = note, .arg = arg};
	int rc = -1;

	p.missing = STRBUF_INIT(NAMES_MAX);
	if (describe_server(&p, err) == 0 && check_writable(&p, err) == 0 && check_tables(&p, schema, err) == 0)
		rc = p.dialect->list_rights != NULL ? check_rights(&p, err) : 0;
	strbuf_release(&p.missing);
	return rc;
}
