/*
 * An asset that does what its option says, in place of the built-in ones: orch-step's main and all of src/step around
 * it are the real ones.
 */
#include "config.h"

#include "assets/runners.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "database/database.h"
#include "step/step.h"
#include "store/sync.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

struct probe_conf {
	char *act, *store, *database;
	int64_t count;
};

struct probe_run {
	char *site;
	int64_t limit;
};

static const struct opt probe_opts[] = {
    {.name = "act",
        .type = OPT_STRING,
        .off = offsetof(struct probe_conf, act),
        .flags = OPT_REQUIRED,
        .help = "x"},
    {.name = "store", .type = OPT_STORE, .off = offsetof(struct probe_conf, store), .help = "x"},
    {.name = "database", .type = OPT_DATABASE, .off = offsetof(struct probe_conf, database), .help = "x"},
    {.name = "count",
        .type = OPT_INT,
        .off = offsetof(struct probe_conf, count),
        .def = "3",
        .max = "1000",
        .help = "x"},
    OPT_END,
};

static const struct opt probe_run_opts[] = {
    {.name = "site", .type = OPT_STRING, .off = offsetof(struct probe_run, site), .help = "x"},
    {.name = "limit",
        .type = OPT_INT,
        .off = offsetof(struct probe_run, limit),
        .def = "1",
        .max = "10",
        .help = "x"},
    OPT_END,
};

typedef int act_fn(struct step *, const struct probe_conf *, const struct probe_run *, struct err *);

static int act_tell(struct step *s, const struct probe_conf *c, const struct probe_run *r, struct err *err)
{
	json_t *j = json_object();

	json_object_set_new(j, "asset", json_string(step_asset(s)));
	json_object_set_new(j, "run", json_string(step_run_id(s)));
	json_object_set_new(j, "partition", json_string(step_partition(s)));
	json_object_set_new(j, "attempt", json_integer(step_attempt(s)));
	json_object_set_new(j, "dry_run", json_boolean(step_dry_run(s)));
	json_object_set_new(j, "hold", json_text_new(step_hold_reason(s)));
	json_object_set_new(j, "dep", json_text_new(step_dep(s, 0)));
	json_object_set_new(j, "no_dep", json_text_new(step_dep(s, 1)));
	json_object_set_new(j, "upstream", json_incref((json_t *)(uintptr_t)step_upstream(s, "first")));
	json_object_set_new(j, "section", json_text_new(step_section_file(s, "sites")));
	json_object_set_new(j, "site", json_text_new(r->site));
	json_object_set_new(j, "limit", json_integer(r->limit));
	json_object_set_new(j, "count", json_integer(c->count));
	step_metadata(s, "seen", j);
	for (int i = 1; i <= c->count; i++)
		step_progress(s, "things", i, c->count);
	step_effect(s, "put", "results/x", 7, NULL);
	step_log(s, LOG_INFO_, "%s", "done");
	return 0;
}

static int act_warn(struct step *s, const struct probe_conf *c, const struct probe_run *r, struct err *err)
{
	step_warn(s, "warning:probe", "number %d", 7);
	return 0;
}

static int act_no_data(struct step *s, const struct probe_conf *c, const struct probe_run *r, struct err *err)
{
	step_warn(s, "warning:probe", "before");
	step_no_data(s, "cloudy");
	return 0;
}

static int act_fail(struct step *s, const struct probe_conf *c, const struct probe_run *r, struct err *err)
{
	step_metadata(s, "partly", json_true());
	return err_code(err, ERR_BAD_DATA, "path.traversal", "member ../x");
}

static int act_silent(struct step *s, const struct probe_conf *c, const struct probe_run *r, struct err *err)
{
	return -1;
}

static int act_segv(struct step *s, const struct probe_conf *c, const struct probe_run *r, struct err *err)
{
	step_log(s, LOG_INFO_, "about to crash");
	raise(SIGSEGV);
	return 0;
}

static int act_wait(struct step *s, const struct probe_conf *c, const struct probe_run *r, struct err *err)
{
	step_log(s, LOG_INFO_, "waiting");
	while (!step_cancelled(s))
		usleep(1000);
	return err_set(err, ERR_TRANSIENT, "gave up");
}

static int act_flood(struct step *s, const struct probe_conf *c, const struct probe_run *r, struct err *err)
{
	for (int i = 0; i < 10000; i++)
		fputs("0123456789\n", stdout);
	return 0;
}

/* The variable is usable, and not where the kernel shows it. */
static int act_secret(struct step *s, const struct probe_conf *c, const struct probe_run *r, struct err *err)
{
	struct strbuf sb = STRBUF_INIT(1 << 20);
	FILE *f = fopen("/proc/self/environ", "r");
	int ch;

	while (f != NULL && (ch = getc(f)) != EOF)
		strbuf_addch(&sb, (char)ch);
	if (f != NULL)
		fclose(f);
	step_metadata(s, "shown", json_boolean(memmem(sb.buf, sb.len, "c4nary", 6) != NULL));
	step_metadata(s, "readable", json_boolean(f != NULL));
	step_metadata(s, "usable", json_boolean(strcmp(getenv("PROBE_SECRET"), "c4nary") == 0));
	strbuf_release(&sb);
	return 0;
}

static int act_store(struct step *s, const struct probe_conf *c, const struct probe_run *r, struct err *err)
{
	struct store *store = step_store(s, c->store, err);
	struct strbuf got = STRBUF_INIT(100);
	struct store_put_opts opts = {0};
	int rc = -1;

	if (store == NULL)
		return -1;
	if (step_store(s, c->store, err) != store)
		err_set(err, ERR_BUG, "opened twice");
	else if (store_sync_put(store, "a/b", "hello", 5, &opts, NULL, err) == 0)
		rc = store_sync_get(store, "a/b", NULL, &got, NULL, err);
	step_metadata(s, "got", json_string(got.buf));
	strbuf_release(&got);
	return rc;
}

static int act_database(struct step *s, const struct probe_conf *c, const struct probe_run *r, struct err *err)
{
	struct database *db = step_database(s, c->database, err), *fresh;
	int64_t n = 0;
	int rc;

	if (db == NULL)
		return -1;
	if (db_exec(db, "CREATE TABLE IF NOT EXISTS t (x INTEGER)", NULL, 0, NULL, err) == -1 ||
	    db_exec(db, "INSERT INTO t VALUES (?)", &DBV_INT(7), 1, NULL, err) == -1 ||
	    (fresh = step_database_fresh(s, c->database, err)) == NULL)
		return -1;
	rc = fresh == db ? err_set(err, ERR_BUG, "not fresh")
	                 : db_query_int(fresh, "SELECT sum(x) FROM t", NULL, 0, &n, err);
	db_close(fresh);
	step_metadata(s, "sum", json_integer(n));
	return rc;
}

static const struct {
	const char *name;
	act_fn *fn;
} acts[] = {
    {"tell", act_tell},
    {"warn", act_warn},
    {"no_data", act_no_data},
    {"fail", act_fail},
    {"silent", act_silent},
    {"segv", act_segv},
    {"wait", act_wait},
    {"flood", act_flood},
    {"secret", act_secret},
    {"store", act_store},
    {"database", act_database},
};

static int probe_run(struct step *s, const void *conf, const void *run_conf, struct err *err)
{
	const struct probe_conf *c = conf;

	for (size_t i = 0; i < NITEMS(acts); i++)
		if (strcmp(acts[i].name, c->act) == 0)
			return acts[i].fn(s, c, run_conf, err);
	return err_set(err, ERR_USAGE, "no act %s", c->act);
}

static int probe_check(const void *conf, struct err *err)
{
	return ((const struct probe_conf *)conf)->count == 13 ? err_set(err, ERR_CONFIG, "count: not 13") : 0;
}

static const struct asset_type probe = {
    .name = "probe",
    .summary = "for tests",
    .opts = probe_opts,
    .conf_size = sizeof(struct probe_conf),
    .run_opts = probe_run_opts,
    .run_conf_size = sizeof(struct probe_run),
    .check = probe_check,
};

const struct asset_runner *asset_runner_find(const char *type_name)
{
	static const struct asset_runner runner = {&probe, probe_run};

	return strcmp(type_name, "probe") == 0 ? &runner : NULL;
}
