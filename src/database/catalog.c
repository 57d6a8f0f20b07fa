#include "config.h"

#include "database/catalog.h"

#include "base/log.h"
#include "database/dialect.h"

#include <string.h>
#include <strings.h>

#define SQL_MAX        4096
#define DUPLICATES_MAX 5

struct table_search {
	bool found, is_view;
};

static int note_table(const struct db_value *v, size_t n, void *arg)
{
	struct table_search *s = arg;

	s->found = true;
	s->is_view = v[2].i == 1;
	if (v[1].kind == DB_TEXT && strcasecmp(v[1].s, "InnoDB") != 0)
		log_warn("table %s: its engine %s knows no transactions; after a crash its rows may be ahead "
		         "of the other tables until the step has run again",
		    v[0].s, v[1].s);
	return 0;
}

int catalog_has_table(struct database *db, const char *table, bool *has, struct err *err)
{
	struct table_search s = {0};

	if (db_query(db, db->type->dialect->list_table, &DBV_TEXT(table), 1, note_table, &s, err) == -1)
		return -1;
	if (s.is_view)
		return err_code(err, ERR_PERMANENT, "schema_mismatch",
		    "%s is a view; a table of that name is needed, which can have a unique key", table);
	*has = s.found;
	return 0;
}

struct column_search {
	struct strvec *names, *required;
};

static int note_column(const struct db_value *v, size_t n, void *arg)
{
	const struct column_search *s = arg;
	const char *name = v[0].kind == DB_TEXT ? v[0].s : "";

	strvec_push(s->names, name);
	if (s->required != NULL && v[1].i == 1)
		strvec_push(s->required, name);
	return 0;
}

int catalog_columns(
    struct database *db, const char *table, struct strvec *names, struct strvec *required, struct err *err)
{
	struct column_search s = {names, required};

	return db_query(db, db->type->dialect->list_columns, &DBV_TEXT(table), 1, note_column, &s, err);
}

void catalog_add_name(struct strbuf *list, const char *name)
{
	strbuf_addf(list, "%s%s", list->len > 0 ? ", " : "", name);
}

bool catalog_is_among(const struct strvec *names, const char *name)
{
	for (size_t i = 0; i < names->n; i++)
		if (strcasecmp(names->v[i], name) == 0)
			return true;
	return false;
}

/* The rows come by index, in order; the key is there when one index that is unique enough has exactly its columns. */
struct key_search {
	const struct schema_key *key;
	char index[256];
	size_t at; /* columns of the present index that agree; SIZE_MAX: one did not */
	bool unique, found;
};

static void key_search_end(struct key_search *s)
{
	if (s->at != SIZE_MAX && s->at > 0 && s->key->columns[s->at] == NULL && (s->unique || !s->key->unique))
		s->found = true;
}

static int key_search_row(const struct db_value *v, size_t n, void *arg)
{
	struct key_search *s = arg;
	const char *index = v[1].kind == DB_TEXT ? v[1].s : "", *column = v[2].kind == DB_TEXT ? v[2].s : "";

	if (strncmp(index, s->index, sizeof(s->index) - 1) != 0) {
		key_search_end(s);
		snprintf(s->index, sizeof(s->index), "%s", index);
		s->at = 0;
		s->unique = v[0].kind == DB_INT && v[0].i == 1;
	}
	if (s->at != SIZE_MAX && s->key->columns[s->at] != NULL &&
	    strcasecmp(s->key->columns[s->at], column) == 0)
		s->at++;
	else
		s->at = SIZE_MAX;
	return 0;
}

int catalog_has_key(struct database *db, const struct schema_table *table, const struct schema_key *key,
    bool *has, struct err *err)
{
	struct key_search s = {.key = key};

	if (db_query(db, db->type->dialect->list_keys, &DBV_TEXT(table->name), 1, key_search_row, &s, err) ==
	    -1)
		return -1;
	key_search_end(&s);
	*has = s.found;
	return 0;
}

struct duplicates {
	struct strbuf *text;
	size_t n;
};

static void add_value(const struct db_value *v, struct strbuf *out)
{
	if (v->kind == DB_TEXT)
		strbuf_addf(out, "'%.*s'", (int)MIN(v->n, (size_t)128), v->s);
	else
		strbuf_addf(out, "%lld", (long long)v->i);
}

static int collect_duplicate(const struct db_value *v, size_t n, void *arg)
{
	struct duplicates *d = arg;

	d->n++;
	if (d->n > 1)
		strbuf_addstr(d->text, ", ");
	if (d->n > DUPLICATES_MAX) {
		strbuf_addstr(d->text, "...");
		return 0;
	}
	for (size_t i = 0; i + 1 < n; i++) {
		if (i > 0)
			strbuf_addch(d->text, '/');
		add_value(&v[i], d->text);
	}
	strbuf_addf(d->text, " (%lld rows)", (long long)v[n - 1].i);
	return 0;
}

int catalog_duplicates(struct database *db, const struct schema_table *table, const struct schema_key *key,
    struct strbuf *out, struct err *err)
{
	const struct dialect *d = db->type->dialect;
	struct strbuf sql = STRBUF_INIT(SQL_MAX);
	int rc;

	strbuf_addstr(&sql, "SELECT ");
	dialect_names(d, key->columns, &sql);
	strbuf_addstr(&sql, ", COUNT(*) FROM ");
	dialect_name(d, table->name, &sql);
	for (size_t i = 0; key->columns[i] != NULL; i++) {
		strbuf_addstr(&sql, i == 0 ? " WHERE " : " AND ");
		dialect_name(d, key->columns[i], &sql);
		strbuf_addstr(&sql, " IS NOT NULL");
	}
	strbuf_addstr(&sql, " GROUP BY ");
	dialect_names(d, key->columns, &sql);
	strbuf_addstr(&sql, " HAVING COUNT(*) > 1 ORDER BY ");
	dialect_names(d, key->columns, &sql);
	strbuf_addf(&sql, " LIMIT %d", DUPLICATES_MAX + 1);
	rc = db_query(db, sql.buf, NULL, 0, collect_duplicate, &(struct duplicates){out, 0}, err);
	strbuf_release(&sql);
	return rc;
}
