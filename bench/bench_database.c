/*
 * Figures of the results databases: a night's rows and its effect in one transaction.
 *
 *     make bench/bench_database && bench/bench_database [NIGHTS]
 *
 * A night has 120 sky and 60 laser rows with every column filled, and three pictures.  It is written once, and once
 * more as a reanalysis does it: delete and write in the same transaction.  SQLite runs with its shipped settings
 * (WAL, synchronous=FULL) below $TMPDIR; MariaDB is a server of this program's own beside it, once as its
 * documentation wants it for durability (innodb_flush_log_at_trx_commit=1) and once with a flush a second (2).
 */
#include "config.h"

#include "assets/fpi/fpi_schema.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/utctime.h"
#include "database/effect.h"
#include "database/sqlite.h"
#include "tests/component/mariadb_server.h"
#include "tests/tap.h"

#define SKY_ROWS   120
#define LASER_ROWS 60
#define NIGHT_ROWS (SKY_ROWS + LASER_ROWS)

static int nights = 200;

static void must(int rc, const struct err *err)
{
	if (rc == -1)
		tap_bail("%s", err->text);
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* A value for every column, of the kind and length that a night has. */
static size_t fill_row(const struct schema_table *table, tm_ms at, const char *night, const char **names,
    struct db_value *v, char time[UTCTIME_MAX])
{
	size_t n = 0;

	utctime_format_sql_ms(at, time);
	for (const struct schema_column *c = table->columns; c->name != NULL; c++, n++) {
		names[n] = c->name;
		if (strcmp(c->name, "night") == 0)
			v[n] = DBV_TEXT(night);
		else if (c->type == COL_DATETIME_MS)
			v[n] = DBV_TEXT(time);
		else if (c->type == COL_DOUBLE)
			v[n] = DBV_DOUBLE((double)(at % 100003) / 7 + (double)n);
		else if (c->type == COL_INT)
			v[n] = DBV_INT(1);
		else
			v[n] = DBV_TEXT(c->size >= 64 ? "minime13_uao_20260417_X00123.img" : "minime");
	}
	return n;
}

static void put_rows(
    struct database *db, const struct schema_table *table, int rows, tm_ms start, const char *night)
{
	const char *names[SCHEMA_COLUMNS_MAX];
	struct db_value v[SCHEMA_COLUMNS_MAX];
	struct err err = ERR_INIT;
	char time[UTCTIME_MAX];

	for (int i = 0; i < rows; i++) {
		size_t n = fill_row(table, start + i * 240000, night, names, v, time);

		must(db_upsert(db, table, names, v, n, &err), &err);
	}
}

static void put_pictures(struct database *db, const char *night)
{
	static const char *const columns[] = {
	    "Site", "Instrument", "StartUTTime", "StopUTTime", "SummaryImage", "LogFile"};
	static const char *const kinds[] = {"diagnostics", "temperature", "winds"};
	struct err err = ERR_INIT;

	for (size_t i = 0; i < NITEMS(kinds); i++) {
		char key[128];

		snprintf(key, sizeof(key), "SummaryImages/2026/minime13_uao_%s_%s.png", night, kinds[i]);
		must(db_upsert(db, &fpi_dataset_table, columns,
		         (struct db_value[]){DBV_INT(6), DBV_INT(100 + (int64_t)i),
		             DBV_TEXT("2026-04-17 02:00:00"), DBV_TEXT("2026-04-17 10:00:00"), DBV_TEXT(key),
		             DBV_TEXT("SummaryLogs/night_log.log")},
		         NITEMS(columns), &err),
		    &err);
	}
}

static int64_t put_night(struct database *db, int number, const char *manifest)
{
	const tm_ms start = (tm_ms)(20000 + number) * 86400000;
	const char *const clear[] = {"DELETE FROM fpi_sky WHERE instrument = ? AND line_tag = ? AND night = ?",
	    "DELETE FROM fpi_laser WHERE instrument = ? AND line_tag = ? AND night = ?"};
	int64_t t0 = clock_mono_us();
	struct err err = ERR_INIT;
	char night[16], uid[32];

	snprintf(night, sizeof(night), "%08d", number);
	snprintf(uid, sizeof(uid), "uid-%d", number);
	must(db_begin(db, &err), &err);
	for (size_t i = 0; i < NITEMS(clear); i++)
		must(db_exec(db, clear[i],
		         (struct db_value[]){DBV_TEXT("minime"), DBV_TEXT("minime"), DBV_TEXT(night)}, 3, NULL,
		         &err),
		    &err);
	put_rows(db, &fpi_sky_table, SKY_ROWS, start, night);
	put_rows(db, &fpi_laser_table, LASER_ROWS, start, night);
	put_pictures(db, night);
	must(db_effect_commit(db, &(struct db_effect){uid, "analyze", night, manifest}, &err), &err);
	return clock_mono_us() - t0;
}

static void report(const char *what, int64_t *us, int n)
{
	int64_t sum = 0;

	qsort(us, (size_t)n, sizeof(*us), compare);
	for (int i = 0; i < n; i++)
		sum += us[i];
	printf("%-34s %6.2f ms median, %6.2f ms p99, %7.0f rows/s\n", what, (double)us[n / 2] / 1000,
	    (double)us[n * 99 / 100] / 1000, NIGHT_ROWS * 1e6 * n / (double)sum);
}

/* What a step pays before its first row when the tables are in order. */
static void report_start(struct database *db, struct database *(*open)(void))
{
	int64_t open_us[50], look_us[50];
	struct err err = ERR_INIT;

	for (int i = 0; i < 50; i++) {
		int64_t t0 = clock_mono_us();
		struct database *fresh = open();
		bool exists;

		must(db_migrate(fresh, &fpi_schema, &err), &err);
		open_us[i] = clock_mono_us() - t0;
		t0 = clock_mono_us();
		must(db_effect_exists(fresh, &(struct db_effect){"uid-1", "analyze", "", "bb"}, &exists, &err),
		    &err);
		look_us[i] = clock_mono_us() - t0;
		db_close(fresh);
		if (!exists)
			tap_bail("the effect is not there");
	}
	qsort(open_us, 50, sizeof(open_us[0]), compare);
	qsort(look_us, 50, sizeof(look_us[0]), compare);
	printf("%-34s %6.2f ms median\n", "  connect and check the tables", (double)open_us[25] / 1000);
	printf("%-34s %6.2f ms median\n", "  first look for an effect", (double)look_us[25] / 1000);
}

static void measure(const char *name, struct database *(*open)(void))
{
	int64_t *us = xcalloc((size_t)nights, sizeof(*us));
	struct err err = ERR_INIT;
	struct database *db = open();

	must(db_migrate(db, &fpi_schema, &err), &err);
	printf("%s, %d nights of %d rows and an effect\n", name, nights, NIGHT_ROWS);
	for (int i = 0; i < nights; i++)
		us[i] = put_night(db, i, "aa");
	report("  new night", us, nights);
	for (int i = 0; i < nights; i++)
		us[i] = put_night(db, i, "bb");
	report("  reanalysis", us, nights);
	report_start(db, open);
	db_close(db);
	free(us);
}

static struct database *open_sqlite(void)
{
	char path[512];
	struct err err = ERR_INIT;
	struct database *db;

	snprintf(path, sizeof(path), "%s/bench.db", test_dir());
	db = db_open(&db_type_sqlite, "bench", &(struct sqlite_conf){path, 30000}, &err);
	must(db == NULL ? -1 : 0, &err);
	return db;
}

static struct database *open_mysql(void)
{
	struct mysql_conf conf = mariadb_conf("orch");
	struct err err = ERR_INIT;
	struct database *db = mariadb_open(&conf, &err);

	must(db == NULL ? -1 : 0, &err);
	return db;
}

int main(int argc, char **argv)
{
	if (argc > 1)
		nights = (int)strtol(argv[1], NULL, 10);
	if (argc > 2 || nights < 2) {
		fprintf(stderr, "usage: bench_database [NIGHTS]\n");
		return 2;
	}
	log_open(LOG_WARN_);
	measure("sqlite", open_sqlite);
	if (!mariadb_start(test_dir(), "--innodb-flush-log-at-trx-commit=1")) {
		printf("no MariaDB server on this machine\n");
	} else {
		measure("mariadb, flush at commit", open_mysql);
		mariadb_kill();
		mariadb_start(test_dir(), NULL);
		mariadb_root_sql("DROP DATABASE orch");
		mariadb_root_sql("CREATE DATABASE orch CHARACTER SET utf8mb4");
		measure("mariadb, flush a second", open_mysql);
		mariadb_kill();
	}
	return fs_remove_tree(test_dir(), NULL) == 0 ? 0 : 1;
}
