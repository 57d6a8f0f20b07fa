#include "config.h"

#include "database/dialect.h"

static void not_null(const struct schema_column *c, struct strbuf *out)
{
	if (c->flags & COL_REQUIRED)
		strbuf_addstr(out, " NOT NULL");
}

/*
 * SQLite.  A CHECK does what MySQL's types do: nothing too long, no time in another form.  A NULL passes every CHECK.
 */
static void sqlite_column(const struct dialect *d, const struct schema_column *c, struct strbuf *out)
{
	static const char *const types[] = {
	    [COL_ID] = "INTEGER",
	    [COL_INT] = "INTEGER",
	    [COL_DOUBLE] = "REAL",
	    [COL_TEXT] = "TEXT",
	    [COL_DATETIME] = "TEXT",
	    [COL_DATETIME_MS] = "TEXT",
	};
	static_assert(NITEMS(types) == COL_NTYPES, "a type for every column type");

	strbuf_addstr(out, types[c->type]);
	if (c->type != COL_ID)
		not_null(c, out);
	if (c->type == COL_TEXT)
		strbuf_addf(out, " CHECK (length(\"%s\") <= %u)", c->name, c->size);
	/* strftime gives the canonical form, or NULL for no time at all; "+0 days" turns 30 February into March. */
	if (c->type == COL_DATETIME || c->type == COL_DATETIME_MS)
		strbuf_addf(out, " CHECK (\"%s\" IS strftime('%%Y-%%m-%%d %%H:%%M:%s', \"%s\", '+0 days'))",
		    c->name, c->type == COL_DATETIME ? "%S" : "%f", c->name);
}

static void sqlite_table_tail(const struct schema_table *table, struct strbuf *out)
{
	bool has_id = schema_find_column(table, table->primary[0])->type == COL_ID;

	strbuf_addstr(out, has_id ? " STRICT" : " STRICT, WITHOUT ROWID");
}

static void sqlite_upsert_tail(const struct dialect *d, const char *const *identity, const char *const *update,
    size_t n, struct strbuf *out)
{
	strbuf_addstr(out, " ON CONFLICT (");
	dialect_names(d, identity, out);
	strbuf_addstr(out, n == 0 ? ") DO NOTHING" : ") DO UPDATE SET ");
	for (size_t i = 0; i < n; i++)
		strbuf_addf(out, "%s\"%s\" = excluded.\"%s\"", i > 0 ? ", " : "", update[i], update[i]);
}

const struct dialect dialect_sqlite = {
    .name = "sqlite",
    .quote = '"',
    .ddl_in_transaction = true,
    .column = sqlite_column,
    .table_tail = sqlite_table_tail,
    .upsert_tail = sqlite_upsert_tail,
    .list_table =
        "SELECT name, NULL, type = 'view' FROM sqlite_schema WHERE type IN ('table', 'view') AND lower(name) = "
        "lower(?)",
    .list_columns = "SELECT name, \"notnull\" AND dflt_value IS NULL AND NOT pk FROM pragma_table_info(?)",
    .list_keys = "SELECT l.\"unique\" AND NOT l.partial, l.name, i.name FROM pragma_index_list(?) AS l, "
                 "pragma_index_info(l.name) AS i ORDER BY l.seq, i.seqno",
    .describe = "SELECT 'SQLite ' || sqlite_version()",
    .lock_read = "", /* one writer at a time, and it answers before anyone else may write */
};

/* MySQL and MariaDB. */
static void mysql_column(const struct dialect *d, const struct schema_column *c, struct strbuf *out)
{
	static const char *const types[] = {
	    [COL_ID] = "BIGINT",
	    [COL_INT] = "BIGINT",
	    [COL_DOUBLE] = "DOUBLE",
	    [COL_TEXT] = "VARCHAR",
	    [COL_DATETIME] = "DATETIME",
	    [COL_DATETIME_MS] = "DATETIME(3)",
	};
	static_assert(NITEMS(types) == COL_NTYPES, "a type for every column type");

	strbuf_addstr(out, types[c->type]);
	/* Keys tell X from x, as in SQLite and in the store. */
	if (c->type == COL_TEXT)
		strbuf_addf(out, "(%u) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", c->size);
	not_null(c, out);
	if (c->type == COL_ID)
		strbuf_addstr(out, " AUTO_INCREMENT");
}

static void mysql_table_tail(const struct schema_table *table, struct strbuf *out)
{
	strbuf_addstr(out, " ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin ROW_FORMAT=DYNAMIC");
}

static void mysql_upsert_tail(const struct dialect *d, const char *const *identity, const char *const *update,
    size_t n, struct strbuf *out)
{
	strbuf_addstr(out, " ON DUPLICATE KEY UPDATE ");
	if (n == 0) /* an assignment is needed; this one changes nothing */
		strbuf_addf(out, "`%s` = `%s`", identity[0], identity[0]);
	for (size_t i = 0; i < n; i++)
		strbuf_addf(out, "%s`%s` = VALUES(`%s`)", i > 0 ? ", " : "", update[i], update[i]);
}

/* The account as information_schema writes it: 'orch'@'%' */
#define GRANTEE                                                                                              \
	"CONCAT(QUOTE(SUBSTRING_INDEX(CURRENT_USER(), '@', 1)), '@', QUOTE(SUBSTRING_INDEX(CURRENT_USER(), " \
	"'@', -1)))"

const struct dialect dialect_mysql = {
    .name = "mysql",
    .quote = '`',
    .ddl_in_transaction = false,
    .key_prefix = 191, /* utf8mb4 in the 767 bytes of old row formats */
    .column = mysql_column,
    .table_tail = mysql_table_tail,
    .upsert_tail = mysql_upsert_tail,
    .list_table = "SELECT TABLE_NAME, ENGINE, TABLE_TYPE = 'VIEW' FROM information_schema.TABLES "
                  "WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ?",
    .list_columns = "SELECT COLUMN_NAME, IS_NULLABLE = 'NO' AND COLUMN_DEFAULT IS NULL AND EXTRA NOT LIKE "
                    "'%auto_increment%' AND EXTRA NOT LIKE '%GENERATED%' FROM information_schema.COLUMNS "
                    "WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ?",
    .list_keys = "SELECT 1 - NON_UNIQUE, INDEX_NAME, COLUMN_NAME FROM information_schema.STATISTICS "
                 "WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ? ORDER BY INDEX_NAME, SEQ_IN_INDEX",
    .describe = "SELECT CONCAT_WS(' ', @@version, @@version_comment)",
    .show_cipher = "SHOW STATUS LIKE 'Ssl_cipher'",
    .is_read_only = "SELECT @@read_only",
    /* TABLE_SCHEMA is the pattern that the grant was given with. */
    .list_rights = "SELECT PRIVILEGE_TYPE FROM information_schema.USER_PRIVILEGES WHERE GRANTEE = " GRANTEE
                   " UNION SELECT "
                   "PRIVILEGE_TYPE FROM information_schema.SCHEMA_PRIVILEGES WHERE GRANTEE = " GRANTEE
                   " AND DATABASE() LIKE TABLE_SCHEMA",
    .lock_read = " LOCK IN SHARE MODE",
    /* The name of a lock has at most 64 characters and belongs to the whole server. */
    .migrate_lock = "SELECT GET_LOCK(CONCAT('orchd.migrate.', MD5(DATABASE())), 20)",
    .migrate_unlock = "SELECT RELEASE_LOCK(CONCAT('orchd.migrate.', MD5(DATABASE())))",
};
